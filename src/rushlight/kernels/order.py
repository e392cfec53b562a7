"""Sorting and ranks along the last axis, with NaN as the largest of all numbers."""

from __future__ import annotations

from typing import Literal

import numpy as np

from .native import kernel


def sorting_indices(x: np.ndarray, descending: bool) -> np.ndarray:
    """The indices that sort the lines along the last axis; equals stay in their order."""
    return sort(x, descending)[1]


@kernel
def sort(x: np.ndarray, descending: bool) -> tuple[np.ndarray, np.ndarray]:
    """The lines along the last axis in order, equals in the order that they had, and where each element was."""
    if descending:
        indices = x.shape[-1] - 1 - np.argsort(x[..., ::-1], -1, kind="stable")[..., ::-1]
    else:
        indices = np.argsort(x, -1, kind="stable")
    return np.take_along_axis(x, indices, -1), indices


@kernel
def top(x: np.ndarray, k: int, largest: bool) -> tuple[np.ndarray, np.ndarray]:
    """The ``k`` largest or smallest elements of each line, best first, the first of equals, and their indices."""
    indices = top_indices(x, k, largest)
    return np.take_along_axis(x, indices, -1), indices


def top_indices(x: np.ndarray, k: int, largest: bool) -> np.ndarray:
    """The indices of the ``k`` largest or smallest elements of each line, best first."""
    length = x.shape[-1]
    if k >= length // 8 or length < 256:
        return np.ascontiguousarray(sorting_indices(x, largest)[..., :k])
    # NaN sorts last both ways: for the largest that is where it belongs.
    found = np.argpartition(x, length - k if largest else k - 1, -1)
    found = np.sort(found[..., length - k :] if largest else found[..., :k], -1)
    best = sorting_indices(np.take_along_axis(x, found, -1), largest)
    return np.take_along_axis(found, best, -1)


def kth_index(x: np.ndarray, k: int) -> np.ndarray:
    """The index of the ``k``-th smallest element of each line, counted from 1."""
    return np.argpartition(x, k - 1, -1)[..., k - 1]


def median_index(x: np.ndarray, skip_nan: bool) -> np.ndarray:
    """The index of the middle element of each line, the lower of two; of a NaN if there is one and it counts."""
    length = x.shape[-1]
    missing = np.isnan(x) if x.dtype.kind == "f" else None
    if missing is None or not missing.any():
        return kth_index(x, (length + 1) // 2)
    present = length - missing.sum(-1)
    ranked = np.argsort(x, -1, kind="stable")
    lower = np.maximum(present - 1, 0) // 2
    middle = lower if skip_nan else np.where(present == length, lower, present)
    return np.take_along_axis(ranked, np.expand_dims(middle, -1), -1)[..., 0]


def mode_index(x: np.ndarray) -> np.ndarray:
    """The index of the last of the most frequent elements of each line, the smallest such."""
    ranked = np.argsort(x, -1, kind="stable")
    ordered = np.take_along_axis(x, ranked, -1)
    places = np.arange(x.shape[-1])
    starts = np.concatenate([np.ones_like(ordered[..., :1], bool), ordered[..., 1:] != ordered[..., :-1]], -1)
    run = places - np.maximum.accumulate(np.where(starts, places, 0), -1)
    return np.take_along_axis(ranked, np.argmax(run, -1)[..., None], -1)[..., 0]


def row_search(boundaries: np.ndarray, values: np.ndarray, side: Literal["left", "right"]) -> np.ndarray:
    """Where each value belongs in the sorted line of the same row."""
    if boundaries.ndim == 1:
        return np.searchsorted(boundaries, values, side)
    if not values.size:
        return np.zeros(values.shape, np.int64)
    rows = boundaries.reshape(-1, boundaries.shape[-1])
    wanted = values.reshape(len(rows), -1)
    found = np.empty(wanted.shape, np.int64)
    for row, (line, of_line) in enumerate(zip(rows, wanted, strict=True)):
        found[row] = np.searchsorted(line, of_line, side)
    return found.reshape(values.shape)
