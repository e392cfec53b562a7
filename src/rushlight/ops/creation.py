"""Tensors from data, from shapes and from ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices, dtypes
from ..tensor import Tensor, alias, wrap

__all__ = ["tensor", "zeros_like"]

def to_array(data: Any, dtype: dtypes.dtype | None) -> np.ndarray:
    """An array with memory of its own from numbers, nested sequences, arrays or tensors."""
    if isinstance(data, Tensor):
        data = data.array
    elif isinstance(data, (list, tuple)):
        data = _plain(data)
    if isinstance(data, (np.ndarray, np.generic)):
        array = np.array(data)
        target = dtypes.of(array.dtype) if dtype is None else dtype
        return array.astype(target.numpy, copy=False)
    try:
        array = np.array(data)
    except ValueError as error:
        raise ValueError(f"expected sequences of equal length at each level: {error}") from None
    if array.dtype.kind not in "biufcV":
        _refuse(data)
    if dtype is None:
        kind = array.dtype.kind
        default = dtypes.get_default_dtype()
        if array.size == 0 and kind == "f" or kind == "f":
            dtype = default
        elif kind == "c":
            dtype = dtypes.default_complex()
        else:
            dtype = dtypes.bool if kind == "b" else dtypes.int64
    return array.astype(dtype.numpy, copy=False)


def _plain(data: Any) -> Any:
    """Nested sequences with their tensors as numbers and lists."""
    if isinstance(data, (list, tuple)):
        return [_plain(item) for item in data]
    return data.tolist() if isinstance(data, Tensor) else data


def _refuse(data: Any) -> None:
    item = data
    while isinstance(item, (list, tuple)) and item:
        item = item[0]
    if isinstance(item, str):
        raise TypeError(f"new(): invalid data type 'str': a tensor holds numbers, got {item!r}")
    raise RuntimeError(f"Could not infer dtype of {type(item).__name__}")


def tensor(data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False) -> Tensor:
    """A tensor with a copy of numbers, nested sequences or an array.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])
    """
    devices.check(device)
    out = wrap(to_array(data, dtype))
    if requires_grad:
        out.requires_grad = True
    return out


def shape_of(size: tuple) -> tuple[int, ...]:
    """A shape given as numbers or as one sequence."""
    shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    return tuple(int(n) for n in shape)


def finish(array: np.ndarray, device: Any = None, requires_grad: bool = False) -> Tensor:
    """The tensor of a creation function from its array and the options that all of them have."""
    devices.check(device)
    out = wrap(array)
    if requires_grad:
        out.requires_grad = True
    return out


def zeros_like(input: Tensor, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any) -> Tensor:
    """Zeros of another tensor's shape and type."""
    return finish(np.zeros_like(input.array, None if dtype is None else dtype.numpy), device, requires_grad)
