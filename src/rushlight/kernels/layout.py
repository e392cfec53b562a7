"""Where an array lies in memory, and other shapes over the same memory."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

ndarray = np.ndarray


def strided(array: ndarray, shape: tuple[int, ...], strides: tuple[int, ...]) -> ndarray:
    """A view from an array's first element with these lengths and strides in bytes."""
    try:
        return ndarray(shape, array.dtype, array, 0, strides)  # a tenth of the time, for contiguous memory
    except (ValueError, TypeError):
        return as_strided(array, shape, strides)


def address(array: ndarray) -> int:
    """Where the first element of an array lies."""
    return array.__array_interface__["data"][0]


def storage_of(array: ndarray) -> ndarray:
    """The array that owns the memory."""
    base = array.base
    while base is not None:
        if isinstance(base, ndarray):
            array = base
        base = getattr(base, "base", None)  # as_strided puts an object of its own in between
    return array


def flat(storage: ndarray) -> ndarray:
    """The memory of an array that owns it, which is dense in some order of its axes, along one axis."""
    if not storage.flags.c_contiguous:
        storage = storage.transpose(sorted(range(storage.ndim), key=lambda dim: -storage.strides[dim]))
    return storage.reshape(-1)


def strides_of(array: ndarray) -> tuple[int, ...]:
    """The strides in elements, with PyTorch's values for axes of length 0 and 1."""
    size = array.itemsize
    if array.flags.c_contiguous:
        strides, step = [], 1
        for length in reversed(array.shape):
            strides.append(step)
            step *= max(length, 1)
        return tuple(reversed(strides))
    return tuple(stride // size for stride in array.strides)
