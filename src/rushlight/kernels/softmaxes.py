"""Softmax on arrays, along one axis."""

from __future__ import annotations

import numpy as np

from .native import kernel


@kernel
def softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """Exponentials over their sum; computed from the elements less the largest of their line."""
    if not x.size:
        return np.empty(x.shape, x.dtype)
    e = np.subtract(x, np.maximum.reduce(x, dim, keepdims=True), order="C")
    np.exp(e, e)
    e /= np.add.reduce(e, dim, keepdims=True)
    return e


@kernel
def softmax_back(g: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    """The gradient of x from that of its softmax y."""
    weighted = g * y
    weighted -= y * np.add.reduce(weighted, dim, keepdims=True)
    return weighted


@kernel
def log_softmax(x: np.ndarray, dim: int) -> np.ndarray:
    """The logarithm of softmax, without its rounding to zero."""
    if not x.size:
        return np.empty(x.shape, x.dtype)
    shifted = np.subtract(x, np.maximum.reduce(x, dim, keepdims=True), order="C")
    shifted -= np.log(np.add.reduce(np.exp(shifted), dim, keepdims=True))
    return shifted
