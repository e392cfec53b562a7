"""Arithmetic on arrays, element by element: NumPy's own functions, and native ones of the same signature."""

from __future__ import annotations

import numpy as np

from .native import kernel

add, subtract, multiply, divide = map(kernel, (np.add, np.subtract, np.multiply, np.divide))
equal, not_equal, less, less_equal, greater, greater_equal = map(
    kernel, (np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
)
maximum, minimum = map(kernel, (np.maximum, np.minimum))
negative, absolute, square, sqrt, reciprocal = map(
    kernel, (np.negative, np.absolute, np.square, np.sqrt, np.reciprocal)
)


@kernel
def lerp(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The point that far on the way from x to y, from the nearer end."""
    span = y - x
    return np.where(np.absolute(weight) < 0.5, x + weight * span, y - span * (1 - weight))


@kernel
def absolute_back(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The sign; 0 at 0, and for NaN."""
    return g * np.sign(np.where(x == x, x, 0))


@kernel
def square_back(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The slope is ``2 * x``."""
    return g * (x + x)


@kernel
def sqrt_back(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The slope is ``1 / (2 * y)``."""
    return g / (y + y)


@kernel
def reciprocal_back(g: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The slope is ``-y * y``."""
    return -g * (y * y)


@kernel
def divisor_back(g: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The gradient of y from that of ``x / y``."""
    return -g * ((x / y) / y)


def factor_back(g: np.ndarray, other: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The gradient of a factor of this shape, at most the product's; summed if it was repeated along the last axis."""
    if shape and other.shape == g.shape and shape[-1] == 1 and shape[:-1] == g.shape[:-1]:
        return np.vecdot(g, other)[..., None]
    return multiply(g, other)
