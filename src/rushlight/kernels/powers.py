"""Powers: of any, of two, and to a few numbers, and gradients of those."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .native import kernel

Array = np.ndarray
MANY = 4096  # elements from which on NumPy is faster with an array of one number than with the number


def power(base: Array, exponent: Array, out: Any = None) -> Array:
    """``base ** exponent``. NumPy's fast loop wants two arrays: with a number it takes up to four times as long."""
    if base.size >= MANY and not exponent.ndim and base.flags.c_contiguous:
        exponent = np.full_like(base, exponent)
    elif exponent.size >= MANY and not base.ndim and exponent.flags.c_contiguous:
        base = np.full_like(exponent, base)
    return np.power(base, exponent, out=out)


exp2 = kernel(np.exp2)


@kernel
def exp2_back(g: Array, y: Array) -> Array:
    """The slope of ``y = 2 ** x`` is ``y log(2)``."""
    return g * (y * math.log(2))


@kernel
def cube(x: Array, out: Any = None) -> Array:
    """The third power."""
    return np.multiply(x * x, x, out=out)


@kernel
def cube_back(g: Array, x: Array) -> Array:
    """The slope is ``3 * x**2``."""
    return g * (3 * (x * x))


@kernel
def inverse_square(x: Array, out: Any = None) -> Array:
    """The power to -2."""
    return np.divide(1, x * x, out=out)


@kernel
def inverse_back(g: Array, x: Array) -> Array:
    """The slope of ``1 / x`` is ``-1 / x**2``."""
    return g * -(1 / (x * x))


@kernel
def root_back(g: Array, x: Array) -> Array:
    """The slope of the square root of x is ``0.5 / sqrt(x)``."""
    return g * (0.5 * (1 / np.sqrt(x)))


@kernel
def rsqrt(x: Array, out: Any = None) -> Array:
    """``1 / sqrt(x)``."""
    return np.divide(1, np.sqrt(x), out=out)


@kernel
def rsqrt_back(g: Array, y: Array) -> Array:
    """The slope of ``y = 1 / sqrt(x)`` is ``-y**3 / 2``."""
    return g * (-0.5 * (y * y * y))


@kernel
def sign(x: Array) -> Array:
    """-1, 0 or 1; 0 for NaN."""
    return np.sign(np.where(x == x, x, 0))
