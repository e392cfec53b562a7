"""Native reductions equal their NumPy definitions, over any axes and whatever the number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import native, reductions

from .twins import arrays, assert_twins, needs_native, numbers

pytestmark = needs_native

axes_of = st.one_of(st.none(), st.integers(-1, 3), st.sets(st.integers(0, 3), max_size=3))


def named(axes, ndim):
    """Axes that an array has."""
    if isinstance(axes, set):
        return tuple(sorted({axis % ndim for axis in axes}))
    return axes if axes is None or axes < 0 else axes % ndim


def size(x, axes):
    """The largest sum of sizes over axes, at which rounding errors are measured."""
    with np.errstate(all="ignore"):
        total = np.abs(np.where(np.isfinite(x), x, 0)).sum(axes)
    return float(min(total.max(), 1e30)) if total.size else 0.0


@given(arrays(special=False), axes_of, st.booleans())
def test_sums(x, axes, keepdims):
    # Sums of up to 40 000 terms in another order: NumPy's, term by term along the first axes, is the less accurate.
    axes = named(axes, x.ndim)
    largest = size(x, axes)
    assert_twins("sum", x, axes, keepdims, ulps=32, floor=largest)
    if x.size:
        terms = x.size // np.asarray(reductions.sum(x, axes, False)).size
        assert_twins("mean", x, axes, keepdims, ulps=32, floor=largest / terms)


@given(arrays(), axes_of, st.booleans())
def test_special_values(x, axes, keepdims):
    axes = named(axes, x.ndim)
    x = np.where(np.abs(x) < 1e30, x, np.copysign(np.inf, x)).astype(
        x.dtype
    )  # the order decides whether those overflow
    assert_twins("sum", x, axes, keepdims, ulps=64, floor=size(x, axes))


@given(arrays(scale=1.0), axes_of, st.booleans())
def test_extremes(x, axes, keepdims):
    axes = named(axes, x.ndim)
    if x.size:
        assert_twins("amax", x, axes, keepdims, ulps=0)
        assert_twins("amin", x, axes, keepdims, ulps=0)


@given(arrays(max_dims=3, special=False, scale=0.5), axes_of)
def test_products(x, axes):
    assert_twins("prod", np.exp(x[..., :17] / 8), named(axes, x.ndim), True, ulps=400)  # of up to 40 000 terms


@given(arrays(), st.integers(0, 3), st.booleans(), st.booleans())
def test_places(x, dim, keepdims, equal):
    x = np.trunc(x / 2) if equal else x
    if x.size:
        assert_twins("largest", x, dim % x.ndim, keepdims, ulps=0)
        assert_twins("smallest", x, dim % x.ndim, keepdims, ulps=0)


@given(arrays(), st.one_of(st.none(), st.integers(0, 3)), st.integers(0, 2**32))
def test_gradient_of_extremes(x, axes, seed):
    axes = named(axes, x.ndim)
    x = np.trunc(x)
    if x.size:
        value = reductions.amax(x, axes, True)
        assert_twins("extreme_back", numbers(seed, value.shape, x.dtype), x, value, axes, ulps=1)


@given(arrays(special=False), st.one_of(st.none(), st.integers(0, 3)), st.booleans())
def test_variances(x, axes, keepdims):
    axes = named(axes, x.ndim)
    if x.size:
        assert_twins("var_mean", x, axes, 7.0, keepdims, ulps=32, floor=3)
        assert_twins("norm2", x, axes, keepdims, ulps=16)
        norm = reductions.norm2(x, axes, keepdims)
        assert_twins("norm2_back", numbers(0, norm.shape, x.dtype), x, norm, axes, ulps=2)
        assert_twins("norm2_back", numbers(0, norm.shape, x.dtype), x * 0, norm * 0, axes, ulps=0)
        g = numbers(x.size, np.add.reduce(x, axes, keepdims=True).shape, x.dtype)
        assert_twins("var_back", g, x, axes, 0.3, ulps=32, floor=10)


@pytest.mark.parametrize("shape, axis", [((1_000_003,), 0), ((300_001, 3), 0), ((3, 300_001), 1), ((70, 70, 70), 1)])
def test_long_lines(shape, axis):
    x = numbers(0, shape, np.float32) + np.float32(3)
    before = native.library.get_threads()
    found = []
    for threads in (1, 2, 3):
        native.library.set_threads(threads)
        found.append(reductions.sum(x, axis, False))
    native.library.set_threads(before)
    assert all(np.array_equal(found[0], other) for other in found)
    exact = x.sum(axis, np.float64)
    np.testing.assert_allclose(found[0], exact, rtol=1e-6)  # some roundings of the largest partial sum


def test_wrong_axes():
    for axes in (2, (0, 0), (0, 5), -3):
        with pytest.raises(ValueError, match="axis"):
            reductions.sum(np.ones((2, 3), np.float32), axes, False)


@pytest.mark.parametrize("shape, axes", [((16_000, 256), (0,)), ((4, 300_000, 2), (1,)), ((2, 300_000, 4), (0, 1))])
@pytest.mark.parametrize("threads", [1, 3])
def test_loops_within_pieces_of_loops(shape, axes, threads):
    """Long lines, whose sums are loops in pieces themselves."""
    x = np.ones(shape, np.float32)
    before = native.library.get_threads()
    native.library.set_threads(threads)
    try:
        assert reductions.sum(x, axes, False).sum() == x.size
    finally:
        native.library.set_threads(before)


@given(arrays(), st.one_of(axes_of, st.just({0})), st.booleans(), st.booleans(), st.booleans())
def test_repetition(x, axes, keepdims, shared, large):
    # Exact: copies, and the same division.
    axes = named(axes, x.ndim)
    shape = (*x.shape[:-1], x.shape[-1] * 8) if large else x.shape
    reduced = range(x.ndim) if axes is None else {axis % x.ndim for axis in np.atleast_1d(np.array(axes, int)).tolist()}
    key = tuple(slice(0, 1) if axis in reduced else slice(None) for axis in range(x.ndim))
    if x.size:
        g = np.resize(x[key], [1 if axis in reduced else n for axis, n in enumerate(shape)])
        g = g if keepdims else g.reshape([n for axis, n in enumerate(shape) if axis not in reduced])
        assert_twins("repeated", g, shape, axes, keepdims, shared, ulps=0)
        got, want = (f(g, shape, axes, keepdims, shared) for f in (reductions.repeated, native.DEFINITIONS["repeated"]))
        assert got.flags.writeable == want.flags.writeable


@given(arrays(), st.integers(0, 3), st.integers(0, 2**32))
def test_gradient_of_what_was_picked(x, dim, seed):
    dim %= x.ndim
    if x.size:
        places = np.random.default_rng(seed).integers(0, x.shape[dim], x.max(dim).shape)
        assert_twins("picked_back", np.take(x, 0, dim), places, x.shape, dim - x.ndim * (seed % 2), ulps=0)


def test_places_that_lines_do_not_have():
    with pytest.raises(IndexError):
        reductions.picked_back(np.ones(3, np.float32), np.array([0, 1, 2]), (3, 2), 1)
