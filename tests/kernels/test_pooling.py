"""Native pooling equals its NumPy definitions: any windows, NaN and infinities, the same places."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushlight.kernels import native
from rushlight.kernels.pooling import Windows, count, divisors

from .twins import LAYOUTS, assert_twins, needs_native, numbers

pytestmark = needs_native


@st.composite
def windows(draw, dilated=True):
    """An array and windows over its last axes, with and without padding, gaps and overhang."""
    rank, ceil = draw(st.integers(1, 3)), draw(st.booleans())
    axes = []
    for _ in range(rank):
        kernel, stride = draw(st.integers(1, 4)), draw(st.integers(1, 4))
        dilation = draw(st.integers(1, 3)) if dilated else 1
        reach = dilation * (kernel - 1) + 1
        padding = draw(st.integers(0, reach // 2))
        n = draw(st.sampled_from([1, 2, 5, 6, 17, 34][: 6 - rank + 1])) + max(0, reach - 2 * padding - 1)
        axes.append((n, kernel, stride, padding, dilation, count(n, kernel, stride, padding, dilation, ceil)))
    size, *by = zip(*axes)
    lead = draw(st.sampled_from([(), (1,), (3,), (2, 3), (0,)]))
    dtype, special = draw(st.sampled_from([np.float32, np.float64])), draw(st.sampled_from([0, 0.02, 0.5]))
    x = np.round(numbers(draw(st.integers(0, 99)), (*lead, *size), dtype, special=special), 1)  # with equal ones
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x), Windows(*by)


@settings(max_examples=200, deadline=None)
@given(windows())
def test_largest(case):
    x, by = case
    assert_twins("largest_of_windows", x, by, ulps=0)


@settings(max_examples=200, deadline=None)
@given(windows(dilated=False), st.booleans(), st.booleans())
def test_averages(case, number, count_padding):
    x, by = case
    size = x.shape[-len(by.out) :]
    divisor = 3.0 if number else divisors(by, size, count_padding)
    # Sums of up to 64 terms of any size in another order.
    scale = np.max(np.abs(x), initial=1, where=np.isfinite(x)).astype(np.float64)
    assert_twins("averaged", x, by, divisor, ulps=4, floor=scale)
    y = numbers(7, (*x.shape[: x.ndim - len(size)], *by.out), x.dtype)
    assert_twins("averaged_back", y, by, divisor, size, ulps=4, floor=64)


@settings(max_examples=100, deadline=None)
@given(windows())
def test_gradients_go_where_maxima_came_from(case):
    x, by = case
    size = x.shape[-len(by.out) :]
    y, places = native.library.largest_of_windows(x, by)
    g = numbers(8, y.shape, x.dtype)
    # NumPy's sum is one of float64.
    assert_twins("add_at_places", g, places, size, by.apart(), ulps=4, floor=64)


@pytest.mark.parametrize("place", [-1, 6])
def test_values_of_windows_of_padding_alone_go_nowhere(place):
    values, places = np.ones((2, 1, 1), np.float32), np.array([[[0]], [[place]]])
    assert_twins("add_at_places", values, places, (2, 3), False, ulps=0)
    assert native.library.add_at_places(values, places, (2, 3), False).sum() == 1


@settings(max_examples=100, deadline=None)
@given(windows(), st.tuples(*(st.integers(1, 7) for _ in range(3))))
def test_largest_of_parts(case, parts):
    x, by = case
    assert_twins("largest_of_parts", x, parts[: len(by.out)], ulps=0)


@settings(max_examples=100, deadline=None)
@given(windows(), st.tuples(*(st.integers(1, 7) for _ in range(3))))
def test_averages_of_parts(case, parts):
    x, by = case
    size, out = x.shape[-len(by.out) :], parts[: len(by.out)]
    scale = np.max(np.abs(x), initial=1, where=np.isfinite(x)).astype(np.float64)
    assert_twins("averages_of_parts", x, out, ulps=8, floor=scale)
    y = numbers(7, (*x.shape[: x.ndim - len(size)], *out), x.dtype)
    assert_twins("averages_of_parts_back", y, size, ulps=8, floor=64)
