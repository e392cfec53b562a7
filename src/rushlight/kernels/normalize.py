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
    x: np.ndarray, weight: np.ndarray | None, bias: np.ndarray | None, axes: Axes, affine: Axes, eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x with mean 0 and variance 1 over axes, times weight plus bias in the shape ``affine``.

    Then its mean, its variance, and 1 / √(variance + eps).
    """
    mean = mean_over(x, axes)
    result = x - mean
    variance = mean_product(result, result, axes)
    scale = 1 / np.sqrt(variance + eps)
    result *= scale
    if weight is not None:
        result = result * weight.reshape(affine)
    if bias is not None:
        result += bias.reshape(affine)
    return result, mean, variance, scale


@kernel
def normalize_back(
    g: np.ndarray,
    x: np.ndarray,
    weight: np.ndarray | None,
    mean: np.ndarray,
    scale: np.ndarray,
    axes: Axes,
    affine: Axes,
    needs_input: bool,
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The gradients of x, unless it needs none, and of weight and bias, flat.

    Ioffe and Szegedy, "Batch Normalization", 2015, section 3.
    """
    y = (x - mean) * scale
    of_input = None
    if needs_input:
        inner = g if weight is None else g * weight.reshape(affine)
        of_input = inner - mean_over(inner, axes)
        of_input -= y * mean_product(inner, y, axes)
        of_input *= scale
    return of_input, summed_like(g * y, affine), summed_like(g, affine)
