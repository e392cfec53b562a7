"""Native running sums and products, sorting and the largest few equal their NumPy definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import order, scans

from .twins import arrays, assert_twins, needs_native, numbers

pytestmark = needs_native


@given(arrays(), st.integers(0, 3), st.booleans())
def test_cumsum(x, dim, reverse):
    # The same sums one after the other; where float64 holds them exactly enough, in float32 even the bits.
    assert_twins("cumsum", x, dim % x.ndim, reverse, ulps=0)


@given(arrays(scale=1.2), st.integers(0, 3))
def test_cumprod(x, dim):
    assert_twins("cumprod", x, dim % x.ndim, ulps=0)


@given(arrays(), st.booleans(), st.booleans())
def test_sorting_keys(x, descending, repeated):
    x = x.astype(np.float32)
    if repeated:
        x = np.round(x)
    assert_twins("sorting_keys", x, descending, ulps=0)


@given(arrays(), st.integers(1, 70), st.booleans(), st.booleans())
def test_top(x, k, largest, repeated):
    if repeated:
        x = np.round(x)
    k = min(k, x.shape[-1])
    values, indices = order.top(x, k, largest)
    want = order.top_indices(x, k, largest)
    np.testing.assert_array_equal(values, np.take_along_axis(x, want, -1))
    np.testing.assert_array_equal(values, np.take_along_axis(x, indices, -1))
    if x.shape[-1] < 256:  # of longer lines the definition takes any of equals
        np.testing.assert_array_equal(indices, want)


@pytest.mark.parametrize("descending", [False, True])
def test_sorting_is_stable_and_nan_is_largest(descending):
    x = np.round(numbers(0, (5, 300), np.float32, special=0.3))
    found = order.sorting_indices(x, descending)
    want = np.argsort(x, -1, kind="stable")
    if descending:
        want = x.shape[-1] - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1]
    np.testing.assert_array_equal(found, want)


def test_long_lines_keep_their_digits():
    x = np.full(1_000_000, 0.1, np.float32)
    assert abs(scans.cumsum(x, 0, False)[-1] - 1e5) < 0.02
