"""Axes as users name them: counted from the front or the back, one or several."""

from __future__ import annotations

import functools
from collections.abc import Callable
from operator import index
from typing import Any

NUMPY_NAMES = {"axis": "dim", "keepdims": "keepdim"}


def numpy_names(function: Callable) -> Callable:
    """A function that also takes ``axis`` for ``dim`` and ``keepdims`` for ``keepdim``, as PyTorch's do."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if kwargs and ("axis" in kwargs or "keepdims" in kwargs):
            kwargs = {NUMPY_NAMES.get(key, key): value for key, value in kwargs.items()}
        return function(*args, **kwargs)

    return call


def axes(dim, ndim: int) -> tuple[int, ...] | None:
    """The axes that ``dim`` names, counted from the front; None for all.

    Raises:
        IndexError: there is no such axis.
        RuntimeError: an axis is named twice.
    """
    if dim is None or (isinstance(dim, (tuple, list)) and not dim):
        return None
    named = tuple(dim) if isinstance(dim, (tuple, list)) else (dim,)
    counted = tuple(axis(d, ndim) for d in named)
    for position, a in enumerate(counted):
        if a in counted[:position]:
            raise RuntimeError(f"dim {a} appears multiple times in the list of dims")
    return counted if ndim else None


def axis(dim: int, ndim: int) -> int:
    """One axis counted from the front; a 0-dim tensor counts as having one.

    Raises:
        TypeError: it is not a whole number.
        IndexError: there is no such axis.
    """
    if type(dim) is not int:
        if not hasattr(dim, "__index__"):
            raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
        dim = index(dim)
    bound = max(ndim, 1)
    if not -bound <= dim < bound:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-bound}, {bound - 1}], but got {dim})")
    return dim % bound


def moved(dims: Any, ndim: int) -> Any:
    """Axes of an element of a batch, of ``ndim`` axes, as axes of the whole batch; None, for all of them, too."""
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        return tuple(range(1, max(ndim, 1) + 1))
    if isinstance(dims, (tuple, list)):
        return tuple(axis(dim, ndim) + 1 for dim in dims)
    return axis(dims, ndim) + 1
