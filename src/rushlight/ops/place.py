"""Gradients of parts: zeros with the gradient in the place that a view shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .axes import moved
from .define import op
from .promotion import like, raw
from .showing import in_order

ndarray = np.ndarray


def zeros_as(g: Any, shape: tuple) -> Any:
    """Zeros of the gradient's type: an array for an array, a Tensor for a Tensor."""
    if type(g) is ndarray:
        return np.zeros(shape, g.dtype)
    return like(g, np.zeros(shape, raw(g).dtype))


def place(g: Any, shape: tuple, show: Callable, *parameters: Any) -> Any:
    """Zeros of a shape with ``g`` in the part that ``show(zeros, *parameters)`` is a view of."""
    if type(g) is ndarray:
        out = np.zeros(shape, g.dtype)
        show(out, *parameters)[...] = g
        return out
    return _place(g, shape, show, parameters)


def _place_batch(batch: Any, input: Any, shape: tuple, show: Any, parameters: tuple) -> Any:
    names = show.compute.__code__.co_varnames[1:]
    values = zip(names, in_order(show.compute, parameters, {}))
    parameters = tuple(moved(value, len(shape)) if name.startswith("dim") else value for name, value in values)
    return _place(batch.front(input), (batch.size, *shape), show, parameters)


@op("SliceBackwardBackward0", input=lambda g, show, parameters: show(g, *parameters), batch=_place_batch)
def _place(input, shape, show, parameters):
    return place(np.asarray(input), shape, show, *parameters)
