"""Native normalisation equals its NumPy definition: layers, groups, channels, given statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import native

from .twins import LAYOUTS, assert_close, assert_twins, needs_native, numbers

pytestmark = needs_native

SIZES = st.sampled_from([1, 2, 3, 5, 17, 33])


@st.composite
def plans(draw):
    """Shapes with the axes that are reduced, and those along which parameters differ."""
    a, b, c, d = (draw(SIZES) for _ in range(4))
    few = tuple(min(n, 9) for n in (a, b, c, d))
    kind = draw(st.sampled_from(["layer", "layer of two axes", "channels", "pixels", "group", "mapped group", "other"]))
    return {
        "layer": ((a, b, c), (2,), (1, 1, c)),
        "layer of two axes": ((a, b, c), (1, 2), (1, b, c)),
        "channels": ((a, b), (0,), (1, b)),
        "pixels": (few, (0, 2, 3), (1, few[1], 1, 1)),
        "group": ((a, b, 3, d), (2, 3), (1, b, 3, 1)),
        "mapped group": ((2, few[0], b, 3, d), (3, 4), (1, 1, b, 3, 1)),
        "other": ((a, b, c), (0, 2), (a, 1, 1)),
    }[kind]


@given(
    plans(),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_normalize(plan, layout, dtype, weighted, shifted, centred, flat):
    view, axes, affine = plan
    count, shape = int(np.prod(affine)), (int(np.prod(view)),) if flat else view
    x, g = LAYOUTS[layout](numbers(0, shape, dtype)) + dtype(1), LAYOUTS[layout](numbers(1, shape, dtype))
    weight = numbers(2, (count,), dtype) if weighted else None
    bias = numbers(3, (count,), dtype) if shifted else None
    args = x, weight, bias, *plan, 1e-5, centred
    got, want = (of(*args) for of in (native.library.normalize, definition("normalize")))
    # Deviations are differences of numbers of up to 10; a line of equal ones has no other scale than 1 / sqrt(eps).
    amplified = 32 * max(1.0, float(want[3].max()))
    for ours, theirs in zip(got[:3], want[:3], strict=True):
        assert_close(ours, theirs, amplified, floor=10)
    mean, scale = want[1], want[3]
    args = g, x, weight, mean, scale, *plan, centred
    ours, theirs = (of(*args, True) for of in (native.library.normalize_back, definition("normalize_back")))
    for mine, its in zip(ours, theirs, strict=True):
        assert_close(mine, its, amplified, floor=max(float(np.abs(its).max()), 10 * float(scale.max())))
    without = native.library.normalize_back(*args, False)
    assert without[0] is None
    np.testing.assert_array_equal(without[2], ours[2])


def definition(name):
    return native.DEFINITIONS[name]


@given(plans(), st.sampled_from([np.nan, np.inf, -np.inf, 1e30]), st.booleans())
def test_special_values(plan, special, centred):
    x = numbers(0, plan[0], np.float32)
    x.flat[0] = special
    with np.errstate(all="ignore"):
        want = definition("normalize")(x, None, None, *plan, 1e-5, centred)[0]
    got = native.library.normalize(x, None, None, *plan, 1e-5, centred)[0]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(want))


@given(
    st.lists(SIZES, min_size=2, max_size=4),
    st.sampled_from(sorted(LAYOUTS)),
    st.sampled_from([np.float32, np.float64]),
    st.booleans(),
    st.booleans(),
)
def test_by_given_statistics(shape, layout, dtype, weighted, shifted):
    channels = shape[1]
    x, g = (LAYOUTS[layout](numbers(seed, shape, dtype)) for seed in (0, 1))
    mean, variance = numbers(2, (channels,), dtype), np.abs(numbers(3, (channels,), dtype)) + dtype(0.1)
    weight = numbers(4, (channels,), dtype) if weighted else None
    bias = numbers(5, (channels,), dtype) if shifted else None
    # Products of numbers of up to 10 each, over roots of a third or more: terms of up to 300 that may cancel.
    got, want = (
        of(x, mean, variance, weight, bias, 1e-5) for of in (native.library.normalize_by, definition("normalize_by"))
    )
    assert_close(got, want, ulps=4, floor=300)
    assert got.strides == want.strides or 1 in shape
    # Sums of up to a hundred thousand such terms.
    args, many = (g, x, mean, variance, weight, 1e-5), 300 * x.size / channels
    assert_twins("normalize_by_back", *args, True, ulps=4, floor=many)
    without = native.library.normalize_by_back(*args, False)
    assert without[0] is None
    assert_close(without[1], definition("normalize_by_back")(*args, False)[1], ulps=4, floor=many)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("step", [1, 2])
def test_statistics_move_in_place(dtype, step):
    start, towards = numbers(0, (34,), dtype), numbers(1, (1, 34 // step, 1), dtype)
    ours, theirs = start.copy(), start.copy()
    native.library.move_statistics(ours[::step], towards, 0.1, 1.5)
    definition("move_statistics")(theirs[::step], towards, 0.1, 1.5)
    assert_close(ours, theirs, ulps=2, floor=3)  # of the size of the terms
    assert (ours[::step] != start[::step]).all()
    if step == 2:
        np.testing.assert_array_equal(ours[1::2], start[1::2])
