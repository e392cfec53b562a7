"""Softmax on arrays along one axis, and the logarithm of a sum of exponentials."""

from __future__ import annotations

from typing import Any

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


@kernel
def log_softmax_back(g: np.ndarray, y: np.ndarray, dim: int) -> np.ndarray:
    """The gradient of x from that of its log-softmax y."""
    taken = np.exp(y)
    taken *= np.add.reduce(g, dim, keepdims=True)
    return g - taken


@kernel
def logsumexp(x: np.ndarray, dims: Any, keepdims: bool) -> np.ndarray:
    """The logarithm of the sum of the exponentials over axes, computed from the elements less the largest."""
    if x.size == 0:
        return np.log(x.sum(dims, keepdims=keepdims))
    top = x.real.max(dims, keepdims=True)
    top = np.where(np.isfinite(top), top, top.dtype.type(0))
    with np.errstate(divide="ignore"):  # of nothing but zeros the logarithm is -inf
        total = np.log(np.add.reduce(np.exp(x - top), dims, keepdims=True)) + top
    return total if keepdims else total.squeeze(dims)


@kernel
def logsumexp_back(g: np.ndarray, x: np.ndarray, y: np.ndarray, dims: Any) -> np.ndarray:
    """The gradient of x from that of its log-sum-exp y; both may have axes of length 1 where it was reduced."""
    if g.ndim < x.ndim:
        g, y = np.expand_dims(g, dims), np.expand_dims(y, dims)
    return g * np.exp(x - np.where(np.isinf(y), y.dtype.type(0), y))
