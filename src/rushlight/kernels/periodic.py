"""Functions of what numbers leave over multiples of another: sines, cosines and remainders, and gradients of those."""

from __future__ import annotations

import numpy as np

from .native import kernel

sin, cos, fmod, remainder = map(kernel, (np.sin, np.cos, np.fmod, np.remainder))


@kernel
def sin_back(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The slope is the cosine."""
    return g * np.cos(x)


@kernel
def cos_back(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The slope is the sine, turned round."""
    return g * -np.sin(x)
