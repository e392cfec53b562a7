"""One element, or several, of each line along an axis: what operations that select values have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from .define import op
from .reduce import unreduced


@op("GatherBackward0", input=lambda g, input_shape, indices, dim: put(g, indices, dim, input_shape))
def pick(input, indices, dim):
    """The elements at ``indices``, an array, along an axis."""
    return np.take_along_axis(input, indices, dim) if input.ndim else input.copy()


@op("ScatterAddBackward0", g=lambda g, indices, dim: pick(g, indices, dim))
def put(g, indices, dim, shape):
    """Zeros with values added at ``indices`` along an axis: the gradient of `pick`."""
    out = np.zeros(shape, g.dtype)
    if not shape:
        out[...] = g.sum()
    elif indices.shape[dim] == 1:
        np.put_along_axis(out, indices, g, dim)
    else:
        ahead = np.indices(indices.shape, sparse=True)
        where = tuple(indices if i == dim % indices.ndim else a for i, a in enumerate(ahead))
        np.add.at(out, where, g)
    return out


def put_selected(g: Any, indices: Any, shape: tuple, dim: int, keepdim: bool) -> Any:
    """The gradient of a reduction that selects the element at ``indices`` of each line."""
    return put(unreduced(g, shape, dim, keepdim), unreduced(raw_indices(indices), shape, dim, keepdim), dim, shape)


def raw_indices(indices: Any) -> np.ndarray:
    """Indices as an array: nothing differentiates them."""
    return indices if isinstance(indices, np.ndarray) else np.asarray(getattr(indices, "array", indices))
