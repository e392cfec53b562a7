"""Native sorting and the largest few equal their NumPy definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import order

from .twins import arrays, assert_twins, needs_native, numbers

pytestmark = needs_native

TYPES = (np.float32, np.float64, np.int32, np.int64, np.int16, np.bool_)


@given(arrays(), st.sampled_from(TYPES), st.booleans(), st.booleans())
def test_sorting(x, dtype, descending, repeated):
    # Exact: the elements themselves, in the one order that keeps equals as they were.
    with np.errstate(all="ignore"):
        x = (np.round(x) if repeated else x).astype(dtype)
    assert_twins("sort", x, descending, ulps=0)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("descending", [False, True])
def test_sorting_of_long_lines_of_few_values(dtype, descending):
    x = np.round(numbers(0, (3, 3000), np.float64)).astype(dtype)
    assert_twins("sort", x, descending, ulps=0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_of_zeros_and_nan_stay(dtype):
    x = numbers(1, (4, 500), dtype, special=0.5)
    x[0, :3] = -np.nan, -0.0, 0.0
    values, indices = order.sort(x, False)
    assert values.tobytes() == np.take_along_axis(x, indices, -1).tobytes()


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
