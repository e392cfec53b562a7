"""Writing to positions that may repeat: sums, products, means and extremes of what arrives at each."""

from __future__ import annotations

import numpy as np


def add_rows(out: np.ndarray, rows: np.ndarray, values: np.ndarray) -> None:
    """Add ``values[i]`` to ``out[rows[i]]``, repeated rows included."""
    if out.ndim == 1 or not values.size:
        np.add.at(out, rows, values)
        return
    if rows.min() < 0:
        rows = rows % out.shape[0]  # the same row may be counted from either end
    order = np.argsort(rows, kind="stable")
    in_order = rows[order]
    starts = np.flatnonzero(np.concatenate(([True], in_order[1:] != in_order[:-1])))
    if len(starts) == len(rows):
        out[rows] += values
    else:
        out[in_order[starts]] += np.add.reduceat(values[order], starts, axis=0, dtype=out.dtype)


def add_at(out: np.ndarray, key: tuple, values: np.ndarray) -> None:
    """Add ``values`` at a NumPy index, repeated positions included."""
    arrays = [part for part in key if isinstance(part, np.ndarray)]
    if len(arrays) == 1 and arrays[0].ndim == 1 and isinstance(key[0], np.ndarray):
        add_rows(out, arrays[0], np.broadcast_to(values, arrays[0].shape + out.shape[1:]))
    else:
        np.add.at(out, key, values)


def along(index: np.ndarray, axis: int) -> tuple[np.ndarray, ...]:
    """The full NumPy index that reads or writes ``index`` along an axis."""
    key = list(np.ogrid[tuple(slice(n) for n in index.shape)])
    key[axis] = index
    return tuple(key)


def reduce_at(out: np.ndarray, key: tuple, values: np.ndarray, reduce: str, include_self: bool) -> np.ndarray:
    """Combine ``values`` at a NumPy index into ``out`` by sum, prod, mean, amax or amin; gives ``out`` back.

    Without ``include_self`` the values that ``out`` had at the positions written to do not take part.
    """
    neutral = {"sum": 0, "mean": 0, "prod": 1, "amax": _least(out.dtype), "amin": _greatest(out.dtype)}[reduce]
    if not include_self:
        out[key] = neutral
    combine = {"sum": np.add, "mean": np.add, "prod": np.multiply, "amax": np.maximum, "amin": np.minimum}[reduce]
    combine.at(out, key, values)
    if reduce == "mean":
        counts = np.full(out.shape, int(include_self))
        np.add.at(counts, key, 1)
        np.maximum(counts, 1, counts)
        if out.dtype.kind in "iub":
            np.floor_divide(out, counts, out, casting="unsafe")
        else:
            np.divide(out, counts.astype(out.dtype), out)
    return out


def _least(dtype: np.dtype) -> object:
    return np.iinfo(dtype).min if dtype.kind in "iu" else dtype.kind != "b" and -np.inf


def _greatest(dtype: np.dtype) -> object:
    return np.iinfo(dtype).max if dtype.kind in "iu" else dtype.kind == "b" or np.inf
