"""Views of parts: positions and ranges of an axis, diagonals, windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided_array

from ..tensor import Tensor
from .axes import axis, moved
from .place import place, zeros_as
from .promotion import raw
from .showing import viewing
from .views import movedim, reshape, unsqueeze

__all__ = ["diagonal", "narrow", "select"]


def _along_axis(show: Any) -> Any:
    """The rule of a view along one axis, named by the first parameter."""

    def rule(batch: Any, input: Any, dim: int = 0, *parameters: Any) -> Any:
        if not input.array.ndim:
            show.compute(input.array, dim, *parameters)
        return show(batch.front(input), moved(dim, input.array.ndim), *parameters)

    return rule


@viewing(
    "SelectBackward0",
    lambda g, shape, dim, index: place(g, shape, select, dim, index),
    lambda batch, *args: _along_axis(select)(batch, *args),
)
def select(input, dim, index):
    """The part at one position of an axis, without that axis.

    Raises:
        IndexError: there is no such axis or position.
    """
    if not input.ndim:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    dim, index = axis(dim, input.ndim), int(index)
    if not -input.shape[dim] <= index < input.shape[dim]:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at dimension {dim}"
        )
    return input[(slice(None),) * dim + (index, ...)]


@viewing(
    "SliceBackward0",
    lambda g, shape, *which: place(g, shape, slice_along, *which),
    lambda batch, *args: _along_axis(slice_along)(batch, *args),
)
def slice_along(input, dim=0, start=None, end=None, step=1):
    """Every ``step``-th position from ``start`` up to ``end`` of an axis."""
    if not input.ndim:
        raise RuntimeError("slice() cannot be applied to a 0-dim tensor.")
    if step <= 0:
        raise RuntimeError(f"slice step must be positive, got {step}")
    return input[(slice(None),) * axis(dim, input.ndim) + (slice(start, end, step), ...)]


def narrow(input: Tensor, dim: int, start: Any, length: int) -> Tensor:
    """The ``length`` positions of an axis that begin at ``start``.

    Raises:
        IndexError: ``start`` is not a position of the axis.
        RuntimeError: the axis ends before.

    >>> import rushlight as torch
    >>> torch.arange(5).narrow(0, 1, 3)
    tensor([1, 2, 3])
    """
    shape = raw(input).shape
    if not shape:
        raise RuntimeError("narrow() cannot be applied to a 0-dim tensor.")
    if length < 0:
        raise RuntimeError("narrow(): length must be non-negative.")
    if isinstance(start, Tensor) and (start.array.ndim or start.array.dtype.kind not in "iu"):
        raise RuntimeError("start must be an 0-dim integral Tensor.")
    at = axis(dim, len(shape))
    have, start = shape[at], int(start)
    if not -have <= start <= have:
        raise IndexError(f"start out of range (expected to be in range of [{-have}, {have}], but got {start})")
    start += have if start < 0 else 0
    if start + length > have:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({have}).")
    return slice_along(input, at, start, start + length, 1)


def _diagonal_batch(batch: Any, input: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    return diagonal(batch.front(input), offset, *moved((dim1, dim2), input.array.ndim))


@viewing("DiagonalBackward0", lambda g, shape, *which: place(g, shape, diagonal, *which), _diagonal_batch)
def diagonal(input, offset=0, dim1=0, dim2=1):
    """The elements whose positions along two axes are equal, or ``offset`` apart, as the last axis of the result.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).diagonal()
    tensor([1, 4])
    """
    a, b = axis(dim1, input.ndim), axis(dim2, input.ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    out = input.diagonal(offset, a, b)
    out.flags.writeable = input.flags.writeable
    return out


def _unfold_batch(batch: Any, input: Any, dimension: int, size: int, step: int) -> Any:
    dim, whole = moved(dimension, input.array.ndim), batch.front(input)
    if input.array.ndim:
        return unfold(whole, dim, size, step)
    unfold.compute(input.array, dimension, size, step)
    return slice_along(unsqueeze(whole, 1), 1, 0, size)


@viewing("UnfoldBackward0", lambda g, shape, *which: _unfold_backward(g, shape, *which), _unfold_batch)
def unfold(input, dimension, size, step):
    """Windows of ``size`` along an axis, ``step`` apart, as the last axis of the result.

    >>> import rushlight as torch
    >>> torch.arange(4).unfold(0, 2, 1)
    tensor([[0, 1],
            [1, 2],
            [2, 3]])
    """
    at = axis(dimension, input.ndim)
    have = input.shape[at] if input.ndim else 1
    if size < 0:
        raise RuntimeError(f"size is {size} but must be >= 0")
    if size > have:
        raise RuntimeError(f"maximum size for tensor at dimension {at} is {have} but size is {size}")
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    if not input.ndim:
        return input.reshape(1)[:size]
    shape = input.shape[:at] + ((have - size) // step + 1,) + input.shape[at + 1 :] + (size,)
    strides = input.strides[:at] + (step * input.strides[at],) + input.strides[at + 1 :] + (input.strides[at],)
    return strided_array(input, shape, strides)


def _unfold_backward(g: Any, shape: tuple, dimension: int, size: int, step: int) -> Any:
    """Each window's gradients added to the positions that it covers."""
    from .rows import index_add

    if not shape:
        return reshape(g, shape) if size else zeros_as(g, shape)
    at = axis(dimension, len(shape))
    windows = raw(g).shape[at]
    covered = (np.arange(windows)[:, None] * step + np.arange(size)).reshape(-1)
    spread = movedim(g, -1, at + 1)
    flat = reshape(spread, shape[:at] + (windows * size,) + shape[at + 1 :])
    return index_add(zeros_as(g, shape), at, covered, flat)
