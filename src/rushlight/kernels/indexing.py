"""Reading and adding at positions along an axis. Positions that are not there are an IndexError.

Sums are taken in the order of the positions.
"""

from __future__ import annotations

import math

import numpy as np

from .native import kernel
from .scatter import add_rows, along


def _check(index: np.ndarray, least: int, length: int) -> None:
    if index.size and (index.min() < least or index.max() >= length):
        raise IndexError("index out of range in self")


@kernel
def take_rows(x: np.ndarray, dim: int, index: np.ndarray, from_end: bool) -> np.ndarray:
    """The positions along an axis that ``index``, of any shape, names; negative ones count ``from_end`` if they may."""
    _check(index, -x.shape[dim] if from_end else 0, x.shape[dim])
    return np.asarray(x.take(index, dim))


@kernel
def join_positions(positions: list[np.ndarray], lengths: list[int]) -> np.ndarray:
    """Positions along axes of these lengths as positions along the one axis that they are together.

    The arrays are of one shape. Negative positions count from the end of their axis.
    """
    joined = np.zeros(positions[0].shape, np.int64)
    for index, length in zip(positions, lengths, strict=True):
        _check(index, -length, length)
        joined *= length
        joined += np.where(index < 0, index + length, index)
    return joined


@kernel
def with_rows_added(x: np.ndarray, dim: int, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A copy with ``values``, which have the axes of ``index`` in place of that axis, added at the positions."""
    _check(index, 0, x.shape[dim])
    out = np.array(x, order="C")
    add_rows(np.moveaxis(out, dim, 0), index.reshape(-1), _lines_first(values, dim, index.ndim))
    return out


@kernel
def sum_rows(values: np.ndarray, dim: int, index: np.ndarray, length: int, from_end: bool, skipped: int) -> np.ndarray:
    """The transpose of `take_rows` from an axis of that length: the sum of ``values`` for each position.

    What one of the positions, ``skipped``, names is left out.
    """
    _check(index, -length if from_end else 0, length)
    lines, rows = _lines_first(values, dim, index.ndim), index.reshape(-1)
    if skipped >= 0:
        kept = np.where(rows < 0, rows + length, rows) != skipped
        lines, rows = lines[kept], rows[kept]
    out = np.zeros((*values.shape[:dim], length, *values.shape[dim + index.ndim :]), values.dtype)
    add_rows(np.moveaxis(out, dim, 0), rows, lines)
    return out


def _lines_first(values: np.ndarray, dim: int, ndim: int) -> np.ndarray:
    """The values of each position one after the other: their ``ndim`` axes as one, in front."""
    shape = values.shape
    count = math.prod(shape[dim : dim + ndim])
    return np.moveaxis(values.reshape(*shape[:dim], count, *shape[dim + ndim :]), dim, 0)


@kernel
def gather(x: np.ndarray, dim: int, index: np.ndarray) -> np.ndarray:
    """The elements at positions along an axis, given for each; of the other axes ``index`` may have only the start."""
    _check(index, 0, x.shape[dim])
    return np.asarray(x[along(index, dim)], order="C")


def _added(out: np.ndarray, dim: int, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    _check(index, 0, out.shape[dim])
    np.add.at(out, along(index, dim), values)
    return out


@kernel
def scatter_add(x: np.ndarray, dim: int, index: np.ndarray, values: np.ndarray) -> np.ndarray:
    """A copy with ``values``, of the shape of ``index``, added at the positions along an axis."""
    return _added(np.array(x, order="C"), dim, index, values)


@kernel
def sum_gathered(values: np.ndarray, dim: int, index: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The transpose of `gather` from an array of that shape."""
    return _added(np.zeros(shape, values.dtype), dim, index, values)
