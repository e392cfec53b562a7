"""Native joining equals NumPy's concatenation, of arrays of any type, shape and layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels.joining import join

from .twins import arrays, assert_twins, needs_native

pytestmark = needs_native


@given(arrays(), st.integers(-4, 3), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.booleans())
def test_concatenation(x, dim, lengths, as_bytes):
    dim = dim % x.ndim - (x.ndim if dim < 0 else 0)
    x = x.view(np.int8) if as_bytes and x.flags.c_contiguous else x
    parts = [np.take(x, range(min(n, x.shape[dim])), dim) for n in lengths]
    assert_twins("join", [*parts, x], dim, False, ulps=0)


@given(arrays(min_dims=0), st.integers(-4, 3), st.integers(1, 4))
def test_stacking(x, dim, count):
    dim = dim % (x.ndim + 1)
    assert_twins("join", [x] * count, dim, True, ulps=0)


def test_pieces_that_threads_share():
    parts = [np.arange(n * 70_000, dtype=np.float32).reshape(7, n, 10_000) for n in (1, 3)]
    assert_twins("join", parts, 1, False, ulps=0)


@pytest.mark.parametrize(
    "parts", [[], [np.ones(2), np.ones((2, 2))], [np.array(1.0)], [np.ones((2, 3)), np.ones((3, 3))]]
)
def test_what_does_not_go_together(parts):
    with pytest.raises(ValueError):
        join(parts, -1, False)
