"""Native reading and adding at positions equals its NumPy definitions, and refuses positions that are not there."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import indexing

from .twins import LAYOUTS, arrays, assert_twins, needs_native, numbers

pytestmark = needs_native

SHAPES = st.lists(st.sampled_from([1, 2, 3, 17]), min_size=0, max_size=2)
SEEDS = st.integers(0, 2**32)


def positions(seed, shape, least, length):
    shape = tuple(shape) if length else (*shape, 0)
    return np.random.default_rng(seed).integers(least, max(length, 1), shape)


def of_type(x, dtype):
    with np.errstate(all="ignore"):
        return np.nan_to_num(x).astype(dtype) if np.dtype(dtype).kind in "iu" else x.astype(dtype)


@given(
    arrays(), st.integers(0, 3), SHAPES, SEEDS, st.booleans(), st.sampled_from(["f4", "f8", "i8", "i1", "c16", "f2"])
)
def test_take_rows(x, dim, shape, seed, from_end, dtype):
    x, dim = of_type(x, dtype), dim % x.ndim
    index = positions(seed, shape, -x.shape[dim] if from_end else 0, x.shape[dim])
    assert_twins("take_rows", x, dim, index, from_end, ulps=0)


@given(arrays(), st.integers(0, 3), SHAPES, SEEDS)
def test_with_rows_added(x, dim, shape, seed):
    dim %= x.ndim
    index = positions(seed, shape, 0, x.shape[dim])
    values = numbers(seed + 1, (*x.shape[:dim], *index.shape, *x.shape[dim + 1 :]), x.dtype)
    # Up to 300 terms in another order, whose sums on the way are of that size; NaN and infinities spread alike.
    assert_twins("with_rows_added", x, dim, index, values, ulps=50, floor=64.0)


@given(arrays(special=False), st.integers(0, 3), st.integers(1, 80), SEEDS, st.booleans(), st.integers(-1, 5))
def test_sum_rows(values, dim, length, seed, from_end, skipped):
    dim %= values.ndim
    axes = 1 + seed % (values.ndim - dim)
    index = positions(seed, values.shape[dim : dim + axes], -length if from_end else 0, length)
    # As above, of hundreds of terms where there are few rows; one that is left out is named by its own number only.
    index = np.where(index + length == skipped, 0, index) if from_end else index
    assert_twins("sum_rows", values, dim, index, length, from_end, skipped, ulps=64, floor=60.0)


def along(x, dim, seed, smaller):
    """Positions along an axis of what may be a part of the other axes."""
    shape = [n - n // 3 if smaller else n for n in x.shape]
    shape[dim] = seed % 40
    return (
        positions(seed, shape, 0, x.shape[dim]) if x.shape[dim] else np.zeros((*shape[:dim], 0, *shape[dim + 1 :]), int)
    )


@given(arrays(), st.integers(0, 3), SEEDS, st.booleans(), st.sampled_from(["f4", "f8", "i8", "i1"]))
def test_gather(x, dim, seed, smaller, dtype):
    x, dim = of_type(x, dtype), dim % x.ndim
    assert_twins("gather", x, dim, along(x, dim, seed, smaller), ulps=0)


@given(arrays(), st.integers(0, 3), SEEDS, st.booleans(), st.sampled_from(sorted(LAYOUTS)))
def test_scatter_add_and_sum_gathered(x, dim, seed, smaller, layout):
    dim %= x.ndim
    index = along(x, dim, seed, smaller)
    values = LAYOUTS[layout](numbers(seed + 1, index.shape, x.dtype))
    assert_twins("scatter_add", x, dim, index, values, ulps=0)
    assert_twins("sum_gathered", values, dim, index, x.shape, ulps=0)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=3), SHAPES, SEEDS)
def test_join_positions(lengths, shape, seed):
    places = [positions(seed + i, shape, -n, n) for i, n in enumerate(lengths)]
    assert_twins("join_positions", places, lengths, ulps=0)


def test_large_sums_are_shared_among_threads_and_keep_their_order():
    values, index = numbers(0, (9000, 64), np.float32), positions(1, (9000,), 0, 50)
    want = np.zeros((50, 64), np.float32)
    for row, value in zip(index, values, strict=True):
        want[row] += value
    np.testing.assert_array_equal(indexing.sum_rows(values, 0, index, 50, False, -1), want)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("skipped", [-1, 7])
def test_large_sums_along_a_middle_axis(dtype, skipped):
    # The same sums, one after the other.
    values, index = numbers(0, (3, 3000, 17), dtype), positions(1, (3000,), -20, 20)
    assert_twins("sum_rows", values, 1, index, 20, True, skipped, ulps=200, floor=1.0)
    x = numbers(2, (3, 20, 17), dtype)
    assert_twins("with_rows_added", x, 1, index % 20, values, ulps=200, floor=1.0)


@pytest.mark.parametrize("wrong", [-1, 5, 2**40, -(2**63)])
@pytest.mark.parametrize("dtype", ["f4", "f2"])
def test_positions_that_are_not_there(wrong, dtype):
    x, index = np.zeros((5, 3), dtype), np.array([0, wrong])
    deep = np.broadcast_to(index[:, None], (2, 3))
    for call in (
        lambda: indexing.take_rows(x, 0, index, False),
        lambda: indexing.with_rows_added(x, 0, index, x[:2]),
        lambda: indexing.sum_rows(x[:2], 0, index, 5, False, -1),
        lambda: indexing.gather(x, 0, deep),
        lambda: indexing.scatter_add(x, 0, deep, x[:2]),
        lambda: indexing.sum_gathered(x[:2], 0, deep, (5, 3)),
        lambda: indexing.join_positions([index - 6 * (wrong == -1)], [5]),
    ):
        with pytest.raises(IndexError, match="out of range"):
            call()


def test_axes_and_shapes_that_do_not_go_together():
    x, index = np.zeros((5, 3), np.float32), np.zeros(2, int)
    for call in (
        lambda: indexing.take_rows(x, 7, index, False),
        lambda: indexing.with_rows_added(x, 0, index, x),
        lambda: indexing.sum_rows(x, 0, index, 5, False, -1),
        lambda: indexing.sum_rows(x, 2, index, 5, False, -1),
        lambda: indexing.scatter_add(x, 0, np.zeros((2, 3), int), x),
    ):
        with pytest.raises((ValueError, IndexError)):
            call()
