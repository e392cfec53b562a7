"""Views by shape, strides and offset: where elements lie in their storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided_array

from ..kernels.layout import address, flat, storage_of, strides_of
from ..tensor import Tensor
from .define import op
from .place import zeros_as
from .promotion import like, raw
from .showing import viewing

__all__ = ["as_strided", "as_strided_scatter"]


class Geometry(NamedTuple):
    """Where the elements of an array lie in its storage, counted in elements."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, array: np.ndarray) -> Geometry:
        """The geometry of an array within the memory that it is a part of."""
        offset = (address(array) - address(storage_of(array))) // array.itemsize if array.size else 0
        return cls(array.shape, strides_of(array), offset)

    def within(self, base: Geometry) -> Geometry:
        """The same geometry counted from the first element of a base."""
        return self._replace(offset=self.offset - base.offset)

    def repeated(self, count: int, step: int) -> Geometry:
        """The same geometry several times, ``step`` elements apart, along a new first axis."""
        return Geometry((count, *self.size), (step, *self.stride), self.offset)

    def extent(self) -> int:
        """How many elements of storage it reaches over."""
        if 0 in self.size:
            return self.offset
        return self.offset + 1 + sum((n - 1) * s for n, s in zip(self.size, self.stride))

    def positions(self) -> np.ndarray:
        """The place in storage of each element, flat."""
        places = np.array(self.offset)
        for n, s in zip(self.size, self.stride):
            places = places[..., None] + np.arange(n) * s
        return places.reshape(-1)

    def of_flat(self, flat: np.ndarray) -> np.ndarray:
        """An array of this geometry over flat storage."""
        step = flat.itemsize
        return strided_array(flat[self.offset :], self.size, tuple(s * step for s in self.stride))


def as_strided(input: Any, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Any:
    """The storage of a tensor under any shape and strides, counted in elements.

    Raises:
        RuntimeError: the storage is too small for them, or a stride is negative.

    >>> import rushlight as torch
    >>> torch.arange(6).as_strided((2, 2), (3, 1))
    tensor([[0, 1],
            [3, 4]])
    """
    size, stride = tuple(map(int, size)), tuple(map(int, stride))
    if len(size) != len(stride):
        raise RuntimeError(
            f"mismatch in length of strides and shape: got {len(size)} sizes {list(size)} and {len(stride)} strides "
            f"{list(stride)}"
        )
    if any(step < 0 for step in stride):
        raise RuntimeError(f"as_strided: Negative strides are not supported at the moment, got strides: {list(stride)}")
    seen = Geometry.of(raw(input))
    offset = seen.offset if storage_offset is None else int(storage_offset)
    return as_strided_within(input, Geometry(size, stride, offset), seen)


def _as_strided_backward(g: Any, target: Geometry, seen: Geometry) -> Any:
    """Each gradient goes to the place in storage that its element was read from.

    Where several elements of the input share a place, each of them gets an equal part of its gradient.
    """
    from .rows import index_add, index_select
    from .views import reshape

    start = min(target.offset, seen.offset)
    target, seen = (x._replace(offset=x.offset - start) for x in (target, seen))
    places = seen.positions()
    storage = np.zeros(max(target.extent(), seen.extent()), raw(g).dtype)
    filled = index_add(like(g, storage), 0, target.positions(), reshape(g, (-1,)))
    if any(step == 0 and n > 1 for n, step in zip(seen.size, seen.stride)):
        shares = np.maximum(np.bincount(places, minlength=storage.size), 1).astype(storage.real.dtype)
        filled = filled / like(g, shares)
    return reshape(index_select(filled, 0, places), seen.size)


def _strided_batch(batch: Any, input: Any, target: Geometry, seen: Geometry) -> Any:
    whole = batch.front(input)
    step = whole.array.strides[0] // whole.array.itemsize
    return as_strided_within(whole, target.repeated(batch.size, step), seen.repeated(batch.size, step))


@viewing(
    "AsStridedBackward0", lambda g, shape, target, seen: _as_strided_backward(g, target, seen), batch=_strided_batch
)
def as_strided_within(input, target, seen):
    """`as_strided` by geometries: of the view and of the tensor it is taken from."""
    if 0 in target.size:
        return np.empty(target.size, input.dtype)
    storage = flat(storage_of(input)).view(input.dtype)
    if target.extent() > storage.size or target.offset < 0:
        raise RuntimeError(
            f"setStorage: sizes {list(target.size)}, strides {list(target.stride)}, storage offset {target.offset}, "
            f"and itemsize {input.itemsize} requiring a storage size of {target.extent() * input.itemsize} are out of "
            f"bounds for storage of size {storage.nbytes}"
        )
    return target.of_flat(storage)


def _laid_out_batch(batch: Any, input: Any, target: Geometry, storage: int = 0) -> Any:
    step = max(target.extent(), storage)
    return laid_out(batch.front(input), target.repeated(batch.size, step), step * batch.size if storage else 0)


@op("CloneBackward0", input=lambda g: g, batch=_laid_out_batch)
def laid_out(input, target, storage=0):
    """A copy whose elements lie in memory of its own as a geometry says, within ``storage`` zeros if it is given."""
    memory = np.zeros(storage, input.dtype) if storage else np.empty(target.extent(), input.dtype)
    out = target.of_flat(memory)
    out[...] = input
    return out


def strided_from(of: np.ndarray, part: np.ndarray) -> Callable:
    """The step from an array to a view of it, as a function of any array or Tensor that has the array's strides."""
    step = Geometry.of(part).within(Geometry.of(of))

    def show(input: Any) -> Any:
        seen = Geometry.of(raw(input))
        return as_strided_within(input, step._replace(offset=step.offset + seen.offset), seen)

    return show


def as_strided_scatter(
    input: Tensor, src: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None
) -> Tensor:
    """A copy of the tensor with ``src`` in the places that `as_strided` would show."""
    offset = 0 if storage_offset is None else int(storage_offset)
    return _as_strided_scatter(input, src, Geometry(tuple(size), tuple(stride), offset))


@op(
    "AsStridedScatterBackward0",
    input=lambda g, target, src_shape: _as_strided_scatter(g, zeros_as(g, src_shape), target),
    src=lambda g, target: as_strided(_contiguous(g), target.size, target.stride, target.offset),
    batch=lambda batch, input, src, target: _as_strided_scatter(
        batch.front(input), batch.front(src), target.repeated(batch.size, input.array.size)
    ),
)
def _as_strided_scatter(input, src, target):
    out = np.array(input, order="C")
    if src.shape != target.size:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(target.size)}"
        )
    as_strided(out, *target)[...] = src
    return out


def _contiguous(g: Any) -> Any:
    """The gradient with the strides that the result had."""
    from .convert import contiguous

    return np.array(g, order="C") if isinstance(g, np.ndarray) else contiguous(g)
