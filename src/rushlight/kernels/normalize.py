"""Normalisation on arrays: to mean 0 and variance 1 over some axes, and the way back for gradients."""

from __future__ import annotations

import math

import numpy as np


def mean_over(x: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The mean over axes, which stay as length 1."""
    total = np.add.reduce(x, axes, keepdims=True)
    total /= max(math.prod(x.shape[axis] for axis in axes), 1)
    return total


def mean_product(x: np.ndarray, y: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The mean of `x * y` over axes, which stay as length 1; over the last axes without a temporary."""
    lead = x.ndim - len(axes)
    if axes != tuple(range(lead, x.ndim)) or not (x.flags.c_contiguous and y.flags.c_contiguous):
        return mean_over(x * y, axes)
    flat = (*x.shape[:lead], -1) if x.size else (*x.shape[:lead], 0)
    total = np.vecdot(x.reshape(flat), y.reshape(flat)).reshape(*x.shape[:lead], *(1,) * len(axes))
    total /= max(math.prod(x.shape[lead:]), 1)
    return total


def normalized(
    x: np.ndarray, axes: tuple[int, ...], eps: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x with mean 0 and variance 1 over axes; and its mean, its variance, and 1 / √(variance + eps)."""
    mean = mean_over(x, axes)
    centred = x - mean
    variance = mean_product(centred, centred, axes)
    scale = 1 / np.sqrt(variance + eps)
    centred *= scale
    return centred, mean, variance, scale


def normalized_back(g: np.ndarray, y: np.ndarray, scale: np.ndarray, axes: tuple[int, ...]) -> np.ndarray:
    """The gradient of x from that of its normalised values y.

    Ioffe and Szegedy, "Batch Normalization", 2015, section 3.
    """
    result = g - mean_over(g, axes)
    result -= y * mean_product(g, y, axes)
    result *= scale
    return result
