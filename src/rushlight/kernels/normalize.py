"""Normalisation on arrays: to mean 0 and variance 1 over some axes, and the way back for gradients."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .native import kernel

Axes = tuple[int, ...]


def mean_over(x: np.ndarray, axes: Axes) -> np.ndarray:
    """The mean over axes, which stay as length 1."""
    total = np.add.reduce(x, axes, keepdims=True)
    total /= max(math.prod(x.shape[axis] for axis in axes), 1)
    return total


def reduced(view: Axes, axes: Axes) -> Axes:
    """A shape with length 1 along some axes."""
    return tuple(1 if axis in axes else n for axis, n in enumerate(view))


def mean_product(x: np.ndarray, y: np.ndarray, axes: Axes) -> np.ndarray:
    """The mean of `x * y` over axes, which stay as length 1; over the last axes without a temporary."""
    lead = x.ndim - len(axes)
    if axes != tuple(range(lead, x.ndim)) or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return mean_over(x * y, axes)
    flat = (*x.shape[:lead], -1) if x.size else (*x.shape[:lead], 0)
    total = np.vecdot(x.reshape(flat), y.reshape(flat)).reshape(*x.shape[:lead], *(1,) * len(axes))
    total /= max(math.prod(x.shape[lead:]), 1)
    return total


def summed_like(g: np.ndarray, like: Axes) -> np.ndarray:
    """Summed over the axes that are of length 1 in the shape of the parameters; flat."""
    axes = tuple(axis for axis, n in enumerate(like) if n == 1 and g.shape[axis] != 1)
    return np.add.reduce(g, axes, keepdims=True).reshape(-1)


@kernel
def normalize(
    x: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    view: Axes,
    axes: Axes,
    affine: Axes,
    eps: float,
    centred: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x with mean 0 and variance 1 over axes of its view, times weight plus bias in the shape ``affine``.

    Then its mean, its variance, and 1 / √(variance + eps). Where it is not ``centred``, the mean is taken for 0.
    """
    seen = x.reshape(view)
    mean = mean_over(seen, axes) if centred else np.zeros_like(seen, shape=reduced(view, axes))
    result = seen - mean
    variance = mean_product(result, result, axes)
    scale = 1 / np.sqrt(variance + eps)
    result *= scale
    if weight is not None:
        result = result * weight.reshape(affine)
    if bias is not None:
        result += bias.reshape(affine)
    return result.reshape(x.shape), mean, variance, scale


@kernel
def normalize_back(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    scale: np.ndarray,
    view: Axes,
    axes: Axes,
    affine: Axes,
    centred: bool,
    needs_input: bool,
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The gradients of x, unless it needs none, and of weight and bias, flat.

    Ioffe and Szegedy, "Batch Normalization", 2015, section 3.
    """
    g, y = g.reshape(view), (x.reshape(view) - mean) * scale
    of_input = None
    if needs_input:
        inner = g if weight is None else g * weight.reshape(affine)
        of_input = inner - mean_over(inner, axes) if centred else inner.copy()
        of_input -= y * mean_product(inner, y, axes)
        of_input *= scale
        of_input = of_input.reshape(x.shape)
    return of_input, summed_like(g * y, affine), summed_like(g, affine)


@kernel
def normalize_by(
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    weight: np.ndarray | None,
    bias: np.ndarray | None,
    eps: float,
) -> np.ndarray:
    """x less a mean and over √(variance + eps), times weight plus bias, all of which differ along the second axis."""
    scale = 1 / np.sqrt(variance + eps)
    if weight is not None:
        scale = scale * weight
    shift = -mean * scale
    if bias is not None:
        shift = shift + bias
    affine = along_channels(x)
    result = x * scale.reshape(affine)
    result += shift.reshape(affine)
    return result


@kernel
def normalize_by_back(
    g: np.ndarray,
    x: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    weight: np.ndarray | None,
    eps: float,
    needs_input: bool,
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The gradients of x, unless it needs none, and of weight and bias."""
    affine = along_channels(x)
    scale = 1 / np.sqrt(variance + eps).reshape(affine)
    of_input = None
    if needs_input:
        of_input = g * (scale if weight is None else scale * weight.reshape(affine))
    of_weight = summed_like(g * (x - mean.reshape(affine)), affine) * scale.reshape(-1)
    return of_input, of_weight, summed_like(g, affine)


def along_channels(x: np.ndarray) -> Axes:
    """The shape in which numbers for each channel, the second axis, meet an array."""
    return (1, x.shape[1], *(1,) * (x.ndim - 2))


@kernel
def move_statistics(running: np.ndarray, towards: np.ndarray, momentum: float, factor: float) -> None:
    """Move running statistics, in place, by ``momentum`` towards those of a batch times a factor."""
    step = momentum * factor * towards.reshape(running.shape).astype(np.float64)
    running[...] = (1 - momentum) * running.astype(np.float64) + step
