"""One element, or several, of each line along an axis: what operations that select values have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import indexing, lines, reductions
from ..tensor import Tensor, wrap
from .axes import axis, moved
from .convert import clone
from .define import op
from .reduce import sum as add_up
from .reduce import unreduced


def _pick_batch(batch: Any, input: Any, indices: Any, dim: int) -> Any:
    if not input.array.ndim:
        return clone(batch.front(input))
    return pick(batch.front(input), _indices(batch, indices), moved(dim, input.array.ndim))


def _put_batch(batch: Any, g: Any, indices: Any, dim: int, shape: tuple, distinct: bool = True) -> Any:
    if not shape:
        return add_up(batch.flat(g), 1)
    return put(batch.front(g), _indices(batch, indices), moved(dim, len(shape)), (batch.size, *shape), distinct)


def _indices(batch: Any, indices: Any) -> Any:
    return batch.front(indices if isinstance(indices, Tensor) else wrap(np.asarray(indices)))


@op(
    "GatherBackward0",
    batch=_pick_batch,
    input=lambda g, input_shape, indices, dim: put_back(g, indices, dim, input_shape, False),
)
def pick(input: Any, indices: Any, dim: int) -> Any:
    """The elements at ``indices``, an array, along an axis."""
    return lines.taken(input, indices, dim) if input.ndim else input.copy()


def put_back(g: Any, indices: Any, dim: int, shape: tuple, distinct: bool = True) -> Any:
    """The gradient of elements taken from ``indices`` along an axis: `put`."""
    if type(g) is np.ndarray and shape and g.dtype.kind == "f":
        return indexing.sum_gathered(g, axis(dim, len(shape)), indices, shape)
    return put(g, indices, dim, shape, distinct)


@op("ScatterAddBackward0", batch=_put_batch, g=lambda g, indices, dim: pick(g, indices, dim))
def put(g: Any, indices: Any, dim: int, shape: tuple, distinct: bool = True) -> Any:
    """Zeros with values added at ``indices`` along an axis: the gradient of `pick`."""
    if not shape:
        return np.array(g.sum(), g.dtype)
    return lines.placed(g, indices, dim, shape[dim], distinct)


def put_selected(g: Any, indices: Any, shape: tuple, dim: int, keepdim: bool) -> Any:
    """The gradient of a reduction that selects the element at ``indices`` of each line."""
    if type(g) is np.ndarray and shape:
        return reductions.picked_back(g, indices, shape, dim)
    return put(unreduced(g, shape, dim, keepdim), unreduced(indices, shape, dim, keepdim), dim, shape)
