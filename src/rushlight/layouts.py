"""Layouts and memory formats: in which order a tensor's elements lie in memory."""

from __future__ import annotations

import numpy as np

from .kernels.layout import dense
from .kernels.transposing import copy_in_order

__all__ = [
    "channels_last", "channels_last_3d", "contiguous_format", "layout", "memory_format", "preserve_format", "strided",
]  # fmt: skip


class layout:
    """How a tensor is stored. There is one layout: ``strided``."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


class memory_format:
    """In which order the elements of a tensor with batch and channel axes lie in memory.

    >>> import rushlight as torch
    >>> torch.zeros(1, 2, 3, 3).contiguous(memory_format=torch.channels_last).stride()
    (18, 1, 6, 2)
    """

    __slots__ = ("_name", "axes", "order")

    def __init__(self, name: str, order: str, axes: tuple[int, ...] | None = None) -> None:
        self._name, self.order, self.axes = name, order, axes

    def holds(self, array: np.ndarray) -> bool:
        """Whether an array's elements lie in this order."""
        if self.axes is None:
            return self.order == "K" or array.flags.c_contiguous
        return array.ndim == len(self.axes) and array.transpose(self.axes).flags.c_contiguous

    def empty(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """An array of this shape with its memory in this order.

        Raises:
            RuntimeError: the format is for another number of axes.
        """
        if self.axes is None:
            return np.empty(shape, dtype)
        if len(shape) != len(self.axes):
            raise RuntimeError(f"required rank {len(self.axes)} tensor to use {self._name} format")
        stored = np.empty(tuple(shape[axis] for axis in self.axes), dtype)
        return stored.transpose(np.argsort(self.axes))

    def copy(self, array: np.ndarray) -> np.ndarray:
        """A copy of an array with its memory in this order."""
        if self.axes is None:
            return dense_copy(array) if self.order == "K" else copy_in_order(array)
        out = self.empty(array.shape, array.dtype)
        out[...] = array
        return out

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


def dense_copy(array: np.ndarray) -> np.ndarray:
    """A copy with the array's own order of axes in memory."""
    if array.flags.c_contiguous:
        return array.copy()
    if len({0, *array.strides}) > array.ndim:  # all different: NumPy's order is PyTorch's
        return np.array(array)
    out = dense_like(array)
    out[...] = array
    return out


def dense_like(array: np.ndarray, dtype: np.dtype | None = None) -> np.ndarray:
    """Memory for a copy, with the axes in the array's order."""
    return dense(array.shape, array.dtype if dtype is None else dtype, array.strides)


def in_order(array: np.ndarray) -> np.ndarray:
    """An array whose elements lie in memory in the order of its indices: itself, or a copy."""
    return array if array.flags.c_contiguous else copy_in_order(array)


strided = layout("strided")
contiguous_format = memory_format("contiguous_format", "C")
preserve_format = memory_format("preserve_format", "K")
channels_last = memory_format("channels_last", "C", (0, 2, 3, 1))
channels_last_3d = memory_format("channels_last_3d", "C", (0, 2, 3, 4, 1))
