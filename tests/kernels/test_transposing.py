"""Native transposing copies equal their NumPy definition, for any order of axes, gaps and steps backwards."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels.native import DEFINITIONS
from rushlight.kernels.transposing import copy_in_order

from .twins import arrays, needs_native

pytestmark = needs_native


def assert_same_copy(x):
    got, want = copy_in_order(x), DEFINITIONS["copy_in_order"](x)
    np.testing.assert_array_equal(got, want)
    assert got.dtype == want.dtype and got.flags.c_contiguous and not np.shares_memory(got, x)


@given(arrays(), st.randoms(use_true_random=False), st.sampled_from(["f4", "f8", "i8", "i1", "c16"]), st.booleans())
def test_copies(x, random, dtype, steps):
    with np.errstate(all="ignore"):
        x = np.nan_to_num(x).astype(dtype)
    axes = list(range(x.ndim))
    random.shuffle(axes)
    x = x.transpose(axes)
    if steps:
        x = x[tuple(slice(None, None, random.choice([1, 2, -1, -3])) for _ in axes)]
    assert_same_copy(x)


@pytest.mark.parametrize("shape", [(300, 70), (5, 129, 64), (2, 3, 40, 50)])
def test_large_ones(shape):
    x = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    assert_same_copy(np.moveaxis(x, 0, -1))
    assert_same_copy(x.T)
    assert_same_copy(np.broadcast_to(x.T[..., None], (*x.T.shape, 3)))
