"""Elements of the lines along an axis, taken from places and put back in them."""

from __future__ import annotations

import numpy as np

from .indexing import gather, sum_gathered


def taken(x: np.ndarray, indices: np.ndarray, axis: int) -> np.ndarray:
    """The elements of each line at its indices."""
    if x.ndim == indices.ndim and x.flags.c_contiguous and x.shape[axis]:
        return gather(x, axis % x.ndim, indices)
    if x.ndim == 1:
        return x[indices]
    lines = np.moveaxis(x, axis, -1)
    places = np.moveaxis(indices, axis, -1)
    rows = lines.reshape(-1, lines.shape[-1]) if lines.size else lines.reshape(0, lines.shape[-1])
    count = places.shape[-1]
    if not places.size:
        return np.empty(indices.shape, x.dtype)
    found = rows[np.arange(len(rows))[:, None], places.reshape(len(rows), count)]
    return np.moveaxis(found.reshape(places.shape), -1, axis)


def placed(values: np.ndarray, indices: np.ndarray, axis: int, length: int, distinct: bool) -> np.ndarray:
    """Zeros in lines of a length, with the values added at their indices: `distinct` ones are put in at once."""
    if values.dtype.kind == "f" and values.itemsize > 2 and values.ndim == indices.ndim:
        axis %= values.ndim
        shape = (*values.shape[:axis], length, *values.shape[axis + 1 :])
        return sum_gathered(values, axis, indices, shape)
    rows, places = np.moveaxis(values, axis, -1), np.moveaxis(indices, axis, -1)
    out = np.zeros((*rows.shape[:-1], length), values.dtype)
    if values.size:
        count = rows.shape[-1]
        flat = out.reshape(-1, length)
        at = np.arange(len(flat))[:, None], places.reshape(len(flat), count)
        if distinct:
            flat[at] = rows.reshape(len(flat), count)
        else:
            np.add.at(flat, at, rows.reshape(len(flat), count))
    return np.moveaxis(out, -1, axis)
