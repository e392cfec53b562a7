"""Running sums, products, extremes and log-sum-exps along an axis."""

from __future__ import annotations

import numpy as np

from .native import kernel


@kernel
def cumsum(x: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    """The running sum, of float32 in float64; from behind if ``reverse``."""
    lines = np.flip(x, axis) if reverse else x
    sums = _accumulated(np.add, lines, axis)
    return np.asarray(np.flip(sums, axis), order="C") if reverse else sums


@kernel
def cumprod(x: np.ndarray, axis: int) -> np.ndarray:
    """The running product, of float32 in float64."""
    return _accumulated(np.multiply, x, axis)


def _accumulated(ufunc: np.ufunc, x: np.ndarray, axis: int) -> np.ndarray:
    wide = np.dtype(np.float64) if x.dtype == np.float32 else x.dtype
    with np.errstate(all="ignore"):
        return ufunc.accumulate(x, axis, wide, np.empty(x.shape, wide)).astype(x.dtype, copy=False)


def extremes(x: np.ndarray, ufunc: np.ufunc, axis: int) -> tuple[np.ndarray, np.ndarray]:
    """The extreme element so far and the index of the last that equals it; NaN, once met, stays."""
    so_far = ufunc.accumulate(x, axis)
    reached = (x == so_far) | (x != x)
    shape = [1] * x.ndim
    shape[axis] = -1
    places = np.where(reached, np.arange(x.shape[axis]).reshape(shape), 0)
    return so_far, np.maximum.accumulate(places, axis)


def log_sum_exp(x: np.ndarray, axis: int) -> np.ndarray:
    """The logarithm of the running sum of exponentials."""
    if x.dtype.kind != "c":
        return np.logaddexp.accumulate(x, axis, np.float64).astype(x.dtype, copy=False)
    lines = np.moveaxis(x, axis, 0)
    out = np.empty_like(lines)
    for place, line in enumerate(lines):
        out[place] = line if place == 0 else log_add_exp(out[place - 1], line)
    return np.moveaxis(out, 0, axis)


def log_add_exp(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The logarithm of the sum of two complex exponentials."""
    first = a.real >= b.real
    high, low = np.where(first, a, b), np.where(first, b, a)
    gap = np.where(high == low, 0, low - high)  # equal infinities have no difference
    return np.where(np.isinf(low.real) & (low.real < 0), high, high + np.log1p(np.exp(gap)))
