"""A tensor cut into several views along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .axes import axis
from .define import op
from .join import cat, join, stack
from .parts import slice_along
from .promotion import raw
from .views import sequence

__all__ = [
    "chunk", "dsplit", "hsplit", "split", "split_with_sizes", "tensor_split", "unbind", "unsafe_chunk", "unsafe_split",
    "unsafe_split_with_sizes", "vsplit",
]  # fmt: skip


def _rejoined(g: list, dim: int) -> Any:
    """The gradient of what was split, from those of the parts."""
    return join(g, dim, False) if type(g[0]) is np.ndarray else cat(g, dim)


def _pieces(input: np.ndarray, ends: list[int], dim: int) -> tuple:
    """The parts between neighbouring positions of an axis."""
    lead = (slice(None),) * dim
    return tuple(input[(*lead, slice(a, b))] for a, b in zip([0, *ends], ends))


def _equal(input: np.ndarray, split_size: int, dim: int) -> tuple:
    dim = axis(dim, input.ndim)
    if not input.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if split_size < 0:
        raise RuntimeError(f"split expects split_size be non-negative, but got split_size={split_size}")
    length = input.shape[dim]
    if split_size == 0:
        if length:
            raise RuntimeError(f"split_size can only be 0 if dimension size is 0, but got dimension size of {length}")
        return (input.view(),)
    return _pieces(input, [min(end, length) for end in range(split_size, max(length, 1) + split_size, split_size)], dim)


def _of_sizes(input: np.ndarray, split_sizes: Any, dim: int) -> tuple:
    sizes = sequence((tuple(split_sizes),))
    dim = axis(dim, input.ndim)
    if not input.ndim:
        raise RuntimeError("split expects at least a 1-dimensional tensor")
    if any(size < 0 for size in sizes):
        raise RuntimeError(
            f"split_with_sizes expects split_sizes have only non-negative entries, but got split_sizes={list(sizes)}"
        )
    if sum(sizes) != input.shape[dim]:
        raise RuntimeError(
            f"split_with_sizes expects split_sizes to sum exactly to {input.shape[dim]} (input tensor's size at "
            f"dimension {dim}), but got split_sizes={list(sizes)}"
        )
    return _pieces(input, np.cumsum(sizes).tolist(), dim)


@op("SplitBackward0", view=True, outputs=None, batch="dim", input=lambda g, dim: _rejoined(g, dim))
def _split(input, split_size, dim=0):
    return _equal(input, split_size, dim)


@op("UnsafeSplitBackward0", outputs=None, batch="dim", input=lambda g, dim: _rejoined(g, dim))
def unsafe_split(input, split_size, dim=0):
    """`split` into copies that may be changed in place."""
    return tuple(map(np.copy, _equal(input, split_size, dim)))


@op("SplitWithSizesBackward0", view=True, outputs=None, batch="dim", input=lambda g, dim: _rejoined(g, dim))
def split_with_sizes(input, split_sizes, dim=0):
    """Views of these lengths along an axis, one after the other."""
    return _of_sizes(input, split_sizes, dim)


@op("UnsafeSplitWithSizesBackward0", outputs=None, batch="dim", input=lambda g, dim: _rejoined(g, dim))
def unsafe_split_with_sizes(input, split_sizes, dim=0):
    """`split_with_sizes` into copies that may be changed in place."""
    return tuple(map(np.copy, _of_sizes(input, split_sizes, dim)))


def split(tensor: Tensor, split_size_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views of ``split_size_or_sections`` positions each along an axis, the last maybe shorter, or of these lengths.

    Raises:
        RuntimeError: the lengths do not add up to the axis, or one is negative.

    >>> import rushlight as torch
    >>> torch.arange(5).split(2)
    (tensor([0, 1]), tensor([2, 3]), tensor([4]))
    """
    if isinstance(split_size_or_sections, (tuple, list)):
        return split_with_sizes(tensor, split_size_or_sections, dim)
    return _split(tensor, int(split_size_or_sections), dim)


def _chunk_size(input: Tensor, chunks: int, dim: int) -> int:
    array = raw(input)
    if not array.ndim:
        raise RuntimeError("chunk expects at least a 1-dimensional tensor")
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    return -(-array.shape[axis(dim, array.ndim)] // chunks)


def chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """At most ``chunks`` views of one length along an axis, the last one maybe shorter.

    >>> import rushlight as torch
    >>> torch.arange(5).chunk(2)
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    size = _chunk_size(input, chunks, dim)
    return split_with_sizes(input, [0] * chunks, dim) if size == 0 else _split(input, size, dim)


def unsafe_chunk(input: Tensor, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
    """`chunk` into copies that may be changed in place."""
    size = _chunk_size(input, chunks, dim)
    return unsafe_split_with_sizes(input, [0] * chunks, dim) if size == 0 else unsafe_split(input, size, dim)


def tensor_split(input: Tensor, indices_or_sections: Any, dim: int = 0) -> tuple[Tensor, ...]:
    """Views along an axis: that many, as equal as possible, or cut at these positions.

    >>> import rushlight as torch
    >>> torch.arange(5).tensor_split((1, 3))
    (tensor([0]), tensor([1, 2]), tensor([3, 4]))
    """
    if not input.array.ndim:
        raise RuntimeError("tensor_split expected at least a 1-dimensional tensor, but got a tensor with 0 dims")
    at = axis(dim, input.array.ndim)
    length = input.array.shape[at]
    if isinstance(indices_or_sections, Tensor):
        if indices_or_sections.array.dtype != np.int64 or indices_or_sections.array.ndim > 1:
            raise RuntimeError(
                f"tensor_split expected tensor_indices_or_sections to be a zero-dimensional or one-dimensional tensor "
                f"of long, but got a tensor with {indices_or_sections.array.ndim} dims of {indices_or_sections.dtype}"
            )
        indices_or_sections = indices_or_sections.tolist()
    if isinstance(indices_or_sections, int):
        if indices_or_sections <= 0:
            raise RuntimeError(f"number of sections must be larger than 0, got {indices_or_sections}")
        small, longer = divmod(length, indices_or_sections)
        ends = np.cumsum([small + (i < longer) for i in range(indices_or_sections)]).tolist()
        return tuple(slice_along(input, at, a, b, 1) for a, b in zip([0, *ends], ends))
    cuts = sequence((tuple(indices_or_sections),))
    return tuple(slice_along(input, at, a, b, 1) for a, b in zip((0, *cuts), (*cuts, length)))


def _split_axis(name: str, input: Tensor, indices_or_sections: Any, dim: int, least: int) -> tuple[Tensor, ...]:
    ndim = input.array.ndim
    if ndim < least:
        raise RuntimeError(
            f"torch.{name} requires a tensor with at least {least} dimension, but got a tensor with {ndim} dimensions!"
        )
    if not isinstance(indices_or_sections, (int, tuple, list)):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got (Tensor, "
            f"{type(indices_or_sections).__name__}), but expected one of: (Tensor input, int sections), (Tensor input, "
            "tuple of ints indices)"
        )
    if isinstance(indices_or_sections, int) and (
        indices_or_sections <= 0 or input.array.shape[dim] % indices_or_sections
    ):
        raise RuntimeError(
            f"torch.{name} attempted to split along dimension {dim}, but the size of the dimension "
            f"{input.array.shape[dim]} is not divisible by the split_size {indices_or_sections}!"
        )
    return tensor_split(input, indices_or_sections, dim)


def hsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along the second axis, or the only one, into equal parts or at positions."""
    return _split_axis("hsplit", input, indices_or_sections, 0 if input.array.ndim == 1 else 1, 1)


def vsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along the first axis into equal parts or at positions."""
    return _split_axis("vsplit", input, indices_or_sections, 0, 2)


def dsplit(input: Tensor, indices_or_sections: Any) -> tuple[Tensor, ...]:
    """`tensor_split` along the third axis into equal parts or at positions."""
    return _split_axis("dsplit", input, indices_or_sections, 2, 3)


@op("UnbindBackward0", view=True, outputs=None, batch="dim", input=lambda g, dim: stack(g, dim))
def unbind(input, dim=0):
    """The parts at each position of an axis, as views without that axis.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).unbind()
    (tensor([1, 2]), tensor([3, 4]))
    """
    if not input.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    lead = (slice(None),) * axis(dim, input.ndim)
    return tuple(input[(*lead, i, ...)] for i in range(input.shape[axis(dim, input.ndim)]))


def iterate(input: Tensor) -> Any:
    """The parts at each position of the first axis."""
    if not input.array.ndim:
        raise TypeError("iteration over a 0-d tensor")
    return iter(unbind(input) if input.array.shape[0] else ())
