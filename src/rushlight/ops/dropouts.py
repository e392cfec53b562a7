"""Dropout: elements or whole channels set to zero at random, the others made larger to keep the mean.

The masks are those that PyTorch's CPU generator gives.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .compare import ne
from .random import dropout_mask

__all__ = ["alpha_dropout", "dropout", "feature_alpha_dropout", "feature_dropout"]

_SATURATION = 1.7580993408473766
"""How far below zero a SELU unit can go: its scale times its alpha."""


def _check(p: float) -> None:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")


def _noise(input: Tensor, p: float, by_channel: bool) -> Tensor:
    """Zeros with probability p, else 1 / (1 - p): for each element, or for each channel of each example."""
    like = input.array
    if by_channel:
        if like.ndim < 2:
            raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
        like = np.empty((*like.shape[:2], *(1,) * (like.ndim - 2)), like.dtype)
    return dropout_mask(like, p)


def _dropped(input: Tensor, p: float, train: bool, by_channel: bool, inplace: bool, for_selu: bool = False) -> Tensor:
    _check(p)
    if not train or p == 0 or input.numel() == 0:
        return input
    if p == 1:
        return _times(input, wrap(np.zeros((), input.array.dtype)), inplace)
    noise = _noise(input, p, by_channel)
    if not for_selu:
        return _times(input, noise, inplace)
    # Klambauer et al., "Self-Normalizing Neural Networks", 2017: an affine map restores mean and variance.
    a = 1 / math.sqrt((_SATURATION * _SATURATION * p + 1) * (1 - p))
    kept = ne(noise, 0)
    shift = (kept.to(noise.dtype) - 1) * (_SATURATION * a) + _SATURATION * a * p
    out = _times(input, kept.to(noise.dtype) * a, inplace)
    return out.add_(shift) if inplace else out + shift


def _times(input: Tensor, noise: Tensor, inplace: bool) -> Tensor:
    return input.mul_(noise) if inplace else input * noise


def dropout(input, p=0.5, training=True, inplace=False):
    """Set elements to zero with probability ``p`` and divide the others by 1 - p; nothing outside of training.

    Raises:
        ValueError: ``p`` is not a probability.
    """
    return _dropped(input, p, training, False, inplace)


def feature_dropout(input, p, train):
    """`dropout` of whole channels, axis 1."""
    return _dropped(input, p, train, True, False)


def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`dropout` for SELU networks: dropped elements take its saturation value, mean and variance stay.

    Raises:
        ValueError: ``p`` is not a probability.
    """
    return _dropped(input, p, training, False, inplace, True)


def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """`alpha_dropout` of whole channels, axis 1.

    Raises:
        ValueError: ``p`` is not a probability.
    """
    return _dropped(input, p, training, True, inplace, True)


def _by_channel(rank: int) -> Any:
    name = f"dropout{rank}d"

    def drop(input, p=0.5, training=True, inplace=False):
        _check(p)
        if rank == 1 and input.ndim not in (2, 3):
            raise RuntimeError(
                f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input: (N, C, L) or (C, L)"
            )
        if input.ndim not in (rank + 1, rank + 2) or (rank == 2 and input.ndim == 3):
            warnings.warn(
                f"{name}: Received a {input.ndim}-D input to {name}, which takes axis 1 for the channels: it is "
                f"meant for inputs with {rank} spatial dimensions, a channel dimension and a batch dimension.",
                stacklevel=2,
            )
        if input.ndim != rank + 1 or rank == 2:
            return _dropped(input, p, training, True, inplace)
        one_batch = _dropped(input.unsqueeze(0), p, training, True, inplace)
        return input if inplace else one_batch.squeeze(0)

    drop.__name__ = drop.__qualname__ = name
    drop.__doc__ = f"""`dropout` of whole channels of inputs with {rank} spatial axes.

    Raises:
        ValueError: ``p`` is not a probability.
    """
    return drop


dropout1d, dropout2d, dropout3d = map(_by_channel, (1, 2, 3))
