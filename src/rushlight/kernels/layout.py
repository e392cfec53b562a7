"""Where an array lies in memory, and other shapes over the same memory."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def axes_in_memory(shape: tuple[int, ...], *strides: tuple[int, ...]) -> list[int]:
    """The axes of a result from the innermost in memory outwards, for operands with these strides, as PyTorch has them.

    They stay in the order of indices, except that an axis moves inwards past one along which the first operand that
    tells them apart has the longer step, or the same step and more elements. Operands say nothing of axes along which
    they are repeated.
    """
    axes = [*reversed(range(len(shape)))]
    for start in range(1, len(axes)):
        place = start
        for inner in reversed(range(start)):
            order = _compare(axes[inner], axes[place], shape, strides)
            if order > 0:
                axes[inner], axes[place], place = axes[place], axes[inner], inner
            elif order < 0:
                break
    return axes


def _compare(a: int, b: int, shape: tuple[int, ...], strides: tuple[tuple[int, ...], ...]) -> int:
    """Which of two axes is the outer one: above 0 the first, below 0 the second, 0 if no operand tells."""
    for steps in strides:
        if steps[a] and steps[b]:
            if steps[a] != steps[b]:
                return steps[a] - steps[b]
            if shape[a] > shape[b]:
                return 1
    return 0


def dense(shape: tuple[int, ...], dtype: np.dtype, *strides: tuple[int, ...]) -> ndarray:
    """Memory without gaps for a result of operands with these strides."""
    outer_first = axes_in_memory(shape, *strides)[::-1]
    return np.empty([shape[axis] for axis in outer_first], dtype).transpose(np.argsort(outer_first))


def arranged(result: ndarray, operands: Iterable[Any]) -> ndarray:
    """An elementwise result, its axes in memory in PyTorch's order: a copy where NumPy has chosen another."""
    arrays = [operand for operand in operands if type(operand) is ndarray]
    for array in arrays:
        if not array.flags.c_contiguous or (array.ndim and array.shape != result.shape and 1 in result.shape):
            break  # strides of axes of length 1 count where something is broadcast
    else:
        return result
    return laid_out_by(result, *(_strides_through(array, result.shape) for array in arrays))


def _strides_through(array: ndarray, shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of an array in a shape it is broadcast to; axes that stay of length 1 keep theirs, as in PyTorch."""
    lead = len(shape) - array.ndim
    own = [0 if n != length else stride for n, length, stride in zip(array.shape, shape[lead:], array.strides)]
    return (*(0,) * lead, *own)


def laid_out_by(result: ndarray, *strides: tuple[int, ...]) -> ndarray:
    """A result of operands with these strides, its axes in memory in PyTorch's order: itself, or a copy."""
    out = dense(result.shape, result.dtype, *strides)
    if out.strides == result.strides:
        return result
    out[...] = result
    return out


def read(result: ndarray, source: ndarray, positions: tuple) -> ndarray:
    """What was read at positions along some axes of a source, None along others, with PyTorch's order of axes."""
    chosen = [dim for dim, p in enumerate(positions) if p is not None]
    named = [positions[dim] for dim in chosen]
    if source.flags.c_contiguous and all(p.flags.c_contiguous for p in named):
        return np.asarray(result, order="C")
    together = chosen == [*range(chosen[0], chosen[-1] + 1)]
    start = chosen[0] if together else 0
    rest = [dim for dim in range(source.ndim) if dim not in chosen]
    named = [*np.broadcast_arrays(*named)]
    rank = named[0].ndim
    steps, single = [source.strides[dim] for dim in rest], [int(source.shape[dim] == 1) for dim in rest]
    found = [(*steps[:start], *(0,) * rank, *steps[start:])]
    for p in named:  # which step along other axes of length 1 as along the nearest of their own
        before, after = (p.strides[0] * len(p), p.strides[-1]) if rank else (1, 1)
        found.append((*(n * before for n in single[:start]), *p.strides, *(n * after for n in single[start:])))
    return laid_out_by(result, *found)


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
