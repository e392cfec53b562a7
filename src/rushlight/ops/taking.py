"""Reading and writing at positions in the flattened tensor, or along one axis with the others broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .along import gather
from .axes import axis
from .compare import where
from .define import op
from .levels import Layered
from .place import zeros_as
from .promotion import raw
from .rows import in_joined
from .views import broadcast_shapes, expand, mismatch, reshape

__all__ = ["put", "take", "take_along_dim"]


def _flat_positions(name: str, index: np.ndarray, size: int) -> np.ndarray:
    if index.dtype.kind not in "iu" or index.dtype.itemsize < 8:
        have = dtypes.CASED[dtypes.of(index.dtype)]
        raise RuntimeError(f"{name}(): Expected a long tensor for index, but got {have}")
    if index.size and not size:
        raise IndexError(f"{name}(): tried to take from an empty tensor")
    if index.size and (index.min() < -size or index.max() >= size):
        wrong = index[(index < -size) | (index >= size)].flat[0]
        raise IndexError(f"out of range: tried to access index {wrong} on a tensor of {size} elements.")
    return index


def _take_batch(batch: Any, input: Any, index: Any) -> Any:
    if not batch.is_mapped(input):
        return take(batch.level.lowered(input), batch.front(index))
    return take(batch.front(input), in_joined(batch.front(index), 0, input.array.size))


def _put_batch(batch: Any, input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    places = in_joined(batch.front(index), 0, input.array.size)
    return put(batch.front(input), places, batch.front(source), accumulate)


@op(
    "TakeBackward0",
    batch=_take_batch,
    input=lambda g, input, index: put(zeros_as(g, input.shape), index, g, accumulate=True),
    apart=True,
)
def take(input, index):
    """The elements at positions counted through the flattened tensor.

    >>> import rushlight as torch
    >>> torch.tensor([[4, 3], [2, 1]]).take(torch.tensor([0, 3]))
    tensor([4, 1])
    """
    return input.reshape(-1)[_flat_positions("take", index, input.size)]


@op(
    "PutBackward0",
    batch=_put_batch,
    overlap="nowhere",
    input=lambda g, index, accumulate, source_shape: g if accumulate else put(g, index, zeros_as(g, source_shape)),
    source=lambda g, index, source: reshape(take(g, index), source.shape),
)
def put(input, index, source, accumulate=False):
    """The tensor with ``source`` written at, or added to, positions counted through the flattened tensor."""
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"put_(): self and source expected to have the same dtype, but got self.dtype = {dtypes.of(input.dtype)} "
            f"and source.dtype = {dtypes.of(source.dtype)}"
        )
    if index.size != source.size:
        raise IndexError(
            f"put_(): Expected source and index to have the same number of elements, but got source.numel() = "
            f"{source.size}, index.numel() = {index.size}"
        )
    positions = _flat_positions("put_", index, input.size).reshape(-1)
    out = np.array(input, order="C")
    if accumulate:
        np.add.at(out.reshape(-1), positions, source.reshape(-1))
    else:
        out.reshape(-1)[positions] = source.reshape(-1)
    return out


def take_along_dim(input: Tensor, indices: Tensor, dim: int | None = None, *, out: Tensor | None = None) -> Tensor:
    """`gather` with the other axes broadcast; without ``dim``, from the flattened tensor."""
    options = {} if out is None else {"out": out}
    if raw(indices).dtype.kind not in "iu" or raw(indices).dtype.itemsize < 8:
        have = dtypes.CASED[indices.dtype]
        raise RuntimeError(f"torch.take_along_dim(): dtype of indices should be Long but got {have}")
    if dim is None:
        return gather(reshape(input, (-1,)), 0, reshape(indices, (-1,)), **options)
    if input.array.ndim != indices.array.ndim:
        raise RuntimeError(
            f"torch.take_along_dim(): input and indices should have the same number of dimensions, but got "
            f"{input.array.ndim} dimensions for input, and {indices.array.ndim} dimensions for indices"
        )
    at = axis(dim, input.array.ndim)
    own, wanted = list(input.array.shape), list(indices.array.shape)
    if own:
        own[at] = wanted[at] = 1
        try:
            common = list(broadcast_shapes(own, wanted))
        except RuntimeError:
            raise mismatch([tuple(own), tuple(wanted)]) from None
        own, wanted = common.copy(), common.copy()
        own[at], wanted[at] = input.array.shape[at], indices.array.shape[at]
        if isinstance(indices, Layered) or (indices.array.size and indices.array.min() < 0):
            indices = where(indices < 0, indices + own[at], indices)
    return gather(_expanded(input, own), at, _expanded(indices, wanted), **options)


def _expanded(tensor: Tensor, shape: list) -> Tensor:
    return expand(tensor, shape)
