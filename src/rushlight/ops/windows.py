"""Windows: the weights that fade a signal out at both ends before its spectrum is taken."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .creation import finish

__all__ = ["bartlett_window", "blackman_window", "hamming_window", "hann_window", "kaiser_window"]


def _window(
    name: str, length: int, periodic: bool, shape: Callable, dtype: Any, device: Any, requires_grad: bool
) -> Tensor:
    """The values of ``shape`` at evenly spaced places from 0 to 1; a periodic window leaves out the last one."""
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    if length < 0:
        raise RuntimeError(f"{name} requires non-negative window_length, got window_length={length}")
    if not dtype.is_floating_point:
        raise RuntimeError(f"{name} expects floating point dtypes, got: {dtype}")
    intervals = length if periodic else length - 1
    values = np.ones(length) if length < 2 else shape(np.arange(length) / intervals)
    return finish(values.astype(dtype.numpy), device, requires_grad)


def _cosines(*weights: float) -> Callable:
    """A sum of cosines with alternating signs."""
    return lambda x: sum((-1) ** k * w * np.cos(2 * math.pi * k * x) for k, w in enumerate(weights))


def hann_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Hann's window, a period of a raised cosine.

    >>> import rushlight as torch
    >>> torch.hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])

    Raises:
        RuntimeError: the length is negative, or the type not one of floating-point numbers.
    """
    return _window("hann_window", window_length, periodic, _cosines(0.5, 0.5), dtype, device, requires_grad)


def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, *, dtype: Any = None,
    layout: Any = None, device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Hamming's window, ``alpha - beta * cos``; see `hann_window`."""
    return _window("hamming_window", window_length, periodic, _cosines(alpha, beta), dtype, device, requires_grad)


def blackman_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Blackman's window of two cosines; see `hann_window`."""
    shape = _cosines(0.42, 0.5, 0.08)
    return _window("blackman_window", window_length, periodic, shape, dtype, device, requires_grad)


def bartlett_window(
    window_length: int, periodic: bool = True, *, dtype: Any = None, layout: Any = None, device: Any = None,
    pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Bartlett's window, a triangle; see `hann_window`."""
    return _window(
        "bartlett_window", window_length, periodic, lambda x: 1 - np.abs(2 * x - 1), dtype, device, requires_grad
    )


def kaiser_window(
    window_length: int, periodic: bool = True, beta: float = 12.0, *, dtype: Any = None, layout: Any = None,
    device: Any = None, pin_memory: bool = False, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Kaiser's window of shape ``beta``, a ratio of Bessel functions; see `hann_window`."""
    return _window(
        "kaiser_window", window_length, periodic,
        lambda x: np.i0(beta * np.sqrt(1 - (2 * x - 1) ** 2)) / np.i0(beta), dtype, device, requires_grad,
    )  # fmt: skip
