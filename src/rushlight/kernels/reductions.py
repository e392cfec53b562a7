"""Reductions of arrays over axes: sums, products, extremes with their places, variances, norms, and ways back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .native import kernel

Array = np.ndarray
add: Any = np.add  # NumPy's stubs know fewer forms of `reduce` than NumPy
maximum: Any = np.maximum
minimum: Any = np.minimum
multiply: Any = np.multiply
Pair = tuple[np.ndarray, np.ndarray]
SMALL = 1 << 14  # elements up to which filling an array costs less than working with a view of one number later on


@kernel
def sum(x: Array, axes: Any, keepdims: bool) -> Array:
    """The sum over axes."""
    return add.reduce(x, axes, None, None, keepdims)


@kernel
def prod(x: Array, axes: Any, keepdims: bool) -> Array:
    """The product over axes."""
    return multiply.reduce(x, axes, None, None, keepdims)


@kernel
def mean(x: Array, axes: Any, keepdims: bool) -> Array:
    """The mean over axes."""
    total = np.asarray(add.reduce(x, axes, None, None, keepdims))
    with np.errstate(invalid="ignore"):
        return np.true_divide(total, x.size // max(total.size, 1), dtype=total.dtype, order="C")


@kernel
def amax(x: Array, axes: Any, keepdims: bool) -> Array:
    """The largest elements over axes; NaN where there is one."""
    return maximum.reduce(x, axes, None, None, keepdims)


@kernel
def amin(x: Array, axes: Any, keepdims: bool) -> Array:
    """The smallest elements over axes; NaN where there is one."""
    return minimum.reduce(x, axes, None, None, keepdims)


@kernel
def largest(x: Array, dim: int, keepdims: bool) -> Pair:
    """The largest element of each line and its place: the first of equals; NaN counts as the largest."""
    return maximum.reduce(x, dim, None, None, keepdims), np.argmax(x, dim, keepdims=keepdims)


@kernel
def smallest(x: Array, dim: int, keepdims: bool) -> Pair:
    """The smallest element of each line and its place: the first of equals; NaN counts as the smallest."""
    return minimum.reduce(x, dim, None, None, keepdims), np.argmin(x, dim, keepdims=keepdims)


@kernel
def extreme_back(g: Array, x: Array, value: Array, axes: Any) -> Array:
    """The gradient of x from that of its extreme value, shared evenly among equals; both with axes of length 1."""
    here = (x == value) | ((x != x) & (value != value))
    return here * (g / add.reduce(here, axes, x.dtype, None, True))


@kernel
def var_mean(x: Array, axes: Any, freedom: float, keepdims: bool) -> Pair:
    """The sum of squared deviations from the mean over ``freedom``, and the mean."""
    middle = mean(x, axes, True)
    off = x - middle
    squares = off * off if x.dtype.kind != "c" else off.real * off.real + off.imag * off.imag
    var = add.reduce(squares, axes, None, None, keepdims) / freedom
    return var.astype(squares.dtype, copy=False), middle if keepdims else middle.reshape(var.shape)


@kernel
def var_back(g: Array, x: Array, axes: Any, factor: float) -> Array:
    """``factor`` times the deviations from the mean times g, whose axes of length 1 are those reduced."""
    return (x - mean(x, axes, True)) * (g * x.dtype.type(factor))


@kernel
def norm2(x: Array, axes: Any, keepdims: bool) -> Array:
    """The root of the sum of squares."""
    return np.sqrt(add.reduce(x * x, axes, None, None, keepdims))


@kernel
def norm2_back(g: Array, x: Array, norm: Array, axes: Any) -> Array:
    """The gradient of x from that of its norm, with or without the axes that were reduced; 0 where the norm is 0."""
    if g.ndim < x.ndim:
        axes = tuple(range(x.ndim)) if axes is None else axes
        g, norm = np.expand_dims(g, axes), np.expand_dims(norm, axes)
    flat = norm == 0
    return x * np.where(flat, x.dtype.type(0), g / np.where(flat, x.dtype.type(1), norm))


@kernel
def repeated(g: Array, shape: tuple[int, ...], axes: Any, keepdims: bool, shared: bool) -> Array:
    """What was reduced over axes repeated along them, or ``shared`` among them; what is large as a view."""
    every = range(len(shape))
    reduced = {*every} if axes is None else {axis % len(shape) for axis in (axes if type(axes) is tuple else (axes,))}
    if shared:
        g = g / max(math.prod(shape[axis] for axis in reduced), 1)
    if not keepdims:
        g = g.reshape([1 if axis in reduced else shape[axis] for axis in every])
    if math.prod(shape) > SMALL:
        return np.broadcast_to(g, shape)
    out = np.empty(shape, g.dtype)
    out[...] = g
    return out


@kernel
def picked_back(g: Array, places: Array, shape: tuple[int, ...], dim: int) -> Array:
    """The gradient of elements picked one from each line, by its place: zero for all others."""
    out = np.zeros(shape, g.dtype)
    kept = [1 if axis == dim % len(shape) else length for axis, length in enumerate(shape)]
    np.put_along_axis(out, places.reshape(kept), g.reshape(kept), dim)
    return out
