"""One element, or several, of each line along an axis: what operations that select values have in common."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import lines
from .define import op
from .promotion import raw
from .reduce import unreduced


@op("GatherBackward0", input=lambda g, input_shape, indices, dim: _put_back(g, indices, dim, input_shape))
def pick(input: Any, indices: Any, dim: int) -> Any:
    """The elements at ``indices``, an array, along an axis."""
    return lines.taken(input, indices, dim) if input.ndim else input.copy()


def _put_back(g: Any, indices: Any, dim: int, shape: tuple) -> Any:
    return put(g, indices, dim, shape, False)


@op("ScatterAddBackward0", g=lambda g, indices, dim: pick(g, indices, dim))
def put(g: Any, indices: Any, dim: int, shape: tuple, distinct: bool = True) -> Any:
    """Zeros with values added at ``indices`` along an axis: the gradient of `pick`."""
    if not shape:
        return np.array(g.sum(), g.dtype)
    return lines.placed(g, indices, dim, shape[dim], distinct)


def put_selected(g: Any, indices: Any, shape: tuple, dim: int, keepdim: bool) -> Any:
    """The gradient of a reduction that selects the element at ``indices`` of each line."""
    return put(unreduced(g, shape, dim, keepdim), unreduced(raw(indices), shape, dim, keepdim), dim, shape)
