"""Resampling along an axis, as a matrix from the old elements to the new ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np


@lru_cache(128)
def matrix(kind: str, n: int, out: int, align: bool, factor: float | None, antialias: bool = False) -> np.ndarray:
    """The matrix (out, n) of a resampling.

    Args:
        kind: "nearest", "nearest-exact", "linear" or "cubic".
        align: the first and the last elements keep their places.
        factor: how much longer the axis gets, where that is not taken from the lengths.
        antialias: when the axis gets shorter, the weights reach over all that a new element covers.
    """
    if kind.startswith("nearest"):
        return _nearest(n, out, factor, 0.5 if kind == "nearest-exact" else 0.0)
    if align:
        step = (n - 1) / (out - 1) if out > 1 else 0.0
        places = np.arange(out) * step
    else:
        step = 1 / factor if factor else n / out
        places = (np.arange(out) + 0.5) * step - 0.5
    if antialias:
        return _wide(_hat if kind == "linear" else _cubic(-0.5), 1 if kind == "linear" else 2, places, step, n)
    if kind == "linear":
        places = np.maximum(places, 0)
        return _narrow(_hat, places, np.minimum(np.floor(places).astype(int), n - 1), (0, 1), n)
    return _narrow(_cubic(-0.75), places, np.floor(places).astype(int), (-1, 0, 1, 2), n)


def _nearest(n: int, out: int, factor: float | None, shift: float) -> np.ndarray:
    step = np.float32(1 / factor if factor else n / out)
    places = np.floor((np.arange(out, dtype=np.float32) + np.float32(shift)) * step).astype(int)
    result = np.zeros((out, n))
    result[np.arange(out), np.minimum(places, n - 1)] = 1
    return result


def _hat(x: np.ndarray) -> np.ndarray:
    return np.maximum(0, 1 - np.abs(x))


def _cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys, "Cubic convolution interpolation for digital image processing", 1981."""

    def weight(x: np.ndarray) -> np.ndarray:
        x = np.abs(x)
        near = ((a + 2) * x - (a + 3)) * x * x + 1
        far = ((x - 5) * x + 8) * x * a - 4 * a
        return np.where(x <= 1, near, np.where(x < 2, far, 0))

    return weight


def _narrow(weight: Callable, places: np.ndarray, first: np.ndarray, taps: tuple[int, ...], n: int) -> np.ndarray:
    """Weights of the elements around each place; those beyond the ends count for the last ones."""
    result = np.zeros((len(places), n))
    for tap in taps:
        np.add.at(result, (np.arange(len(places)), np.clip(first + tap, 0, n - 1)), weight(places - first - tap))
    return result


def _wide(weight: Callable, support: int, places: np.ndarray, step: float, n: int) -> np.ndarray:
    """Weights stretched over what each new element covers, each row's sum one."""
    stretch = max(step, 1.0)
    centres = places + 0.5
    starts = np.maximum((centres - support * stretch + 0.5).astype(int), 0)
    ends = np.minimum((centres + support * stretch + 0.5).astype(int), n)
    columns = np.arange(n)
    result = weight((columns + 0.5 - centres[:, None]) / stretch)
    result[(columns < starts[:, None]) | (columns >= ends[:, None])] = 0
    return result / result.sum(1, keepdims=True)
