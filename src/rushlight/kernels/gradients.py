"""Norm, scaling and clipping of the gradients of many parameters, in place."""

from __future__ import annotations

import math

import numpy as np

from .native import kernel

Arrays = list[np.ndarray]


@kernel
def total_norm(arrays: Arrays) -> float:
    """The Euclidean norm of all elements of the arrays together; squares are added in float64."""
    return math.sqrt(sum(float(np.sum(np.square(np.abs(x), dtype=np.float64))) for x in arrays))


@kernel
def scale_all(arrays: Arrays, factor: float) -> None:
    """Multiply all elements by a factor, rounded to their type first."""
    for x in arrays:
        np.multiply(x, x.dtype.type(factor), out=x)


@kernel
def clip_all(arrays: Arrays, limit: float) -> None:
    """Cut all elements off at the limit and its negative; NaN stays."""
    for x in arrays:
        np.clip(x, x.dtype.type(-limit), x.dtype.type(limit), out=x)
