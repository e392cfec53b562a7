"""Reading and writing along one axis at a vector of positions: the index_* family."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import indexing
from ..kernels import scatter as kernels
from ..kernels.layout import storage_of
from ..layouts import dense_copy
from ..tensor import Tensor, wrap
from .along import axes_at_least_one, shares, with_axis, without_axis
from .axes import axis
from .convert import to_dtype
from .define import inplace, op
from .levels import everything
from .place import zeros_as
from .promotion import as_type, is_half, raw
from .reduce import widened
from .sources import check_copied, check_source
from .views import expand, flatten, movedim, reshape, unflatten

__all__ = ["index_add", "index_copy", "index_fill", "index_reduce", "index_select"]


def _vector(name: str, input: np.ndarray, dim: int, index: Any) -> tuple:
    """The axis and the positions, in one line, of an index_* operation."""
    dim = axis(dim, input.ndim)
    index = np.asarray(index)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype.kind not in "iu" or index.dtype.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    return dim, index if index.ndim else index.reshape(1)


def _check_range(input: np.ndarray, dim: int, index: np.ndarray, words: str) -> None:
    """Refuse positions that the axis has not."""
    length = input.shape[dim] if input.ndim else 1
    if index.size and (index.min() < 0 or index.max() >= length):
        raise IndexError(words)


def _front(array: np.ndarray, dim: int) -> np.ndarray:
    """The array with one axis first; a 0-dim array has one."""
    return np.moveaxis(array, dim, 0) if array.ndim else array.reshape(1)


# How vmap does it: where positions differ along the batch, its axis and the one that they are counted along are joined


@op(batch="dim")
def in_joined(index, dim, length):
    """Positions in each element of a batch, which axis ``dim`` numbers, as positions in all of them joined."""
    if index.size and (index.min() < -length or index.max() >= length):
        wrong = index[(index < -length) | (index >= length)].flat[0]
        raise IndexError(f"index out of range in self: {wrong}, of {length}")
    starts = np.arange(index.shape[dim]).reshape([-1 if i == dim else 1 for i in range(index.ndim)]) * length
    return np.where(index < 0, index + length, index) + starts


def _places(batch: Any, index: Any, length: int) -> Any:
    """Positions along an axis of each element of a batch as a vector of positions in the joined axis."""
    index = index if isinstance(index, Tensor) else wrap(np.asarray(index))
    return reshape(in_joined(reshape(batch.front(index), (batch.size, index.array.size)), 0, length), (-1,))


def _joined(whole: Any, dim: int) -> Any:
    """A batch with an axis of its elements joined with the batch axis."""
    return flatten(movedim(whole, dim + 1, 1), 0, 1) if whole.array.ndim > 1 else whole


def _parted(joined: Any, batch: Any, shape: tuple, dim: int) -> Any:
    """What `_joined` joined as it was, each element of the batch of this shape."""
    return movedim(unflatten(joined, 0, (batch.size, shape[dim])), 1, dim + 1) if shape else joined


def _select_batch(batch: Any, input: Any, dim: int, index: Any) -> Any:
    """As PyTorch's rule, which gathers, this refuses positions with errors of their own."""
    shape, count = input.array.shape, raw(index).size
    at = axis(dim, len(shape))
    if raw(index).ndim > 1:
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    positions, length = everything(index), shape[at] if shape else 1
    if positions.size and not 0 <= positions.min() <= positions.max() < length:
        wrong = positions[(positions < 0) | (positions >= length)].flat[0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {at + 1} with size {length}")
    if not batch.is_mapped(index):
        out = index_select(with_axis(batch.front(input)), at + 1, batch.level.lowered(index))
        return without_axis(out, shape)
    if batch.is_mapped(input) or not shape:
        out = index_select(_joined(batch.front(input), at), 0, _places(batch, index, shape[at] if shape else 1))
        return _parted(out, batch, (*shape[:at], count, *shape[at + 1 :]) if shape else (), at)
    out = index_select(batch.level.lowered(input), at, reshape(batch.front(index), (-1,)))
    return movedim(unflatten(out, at, (batch.size, count)), at, 0)


def _vector_batch(batch: Any, input: Any, dim: int, index: Any, *others: Any, **options: Any) -> Any:
    """The rule of those that write at a vector of positions; ``others`` begins with the source, if there is one."""
    shape = input.array.shape
    at = axis(dim, len(shape))
    tensors = [batch.front(x) for x in (input, *others) if isinstance(x, Tensor)]
    rest = others[len(tensors) - 1 :]
    if not batch.is_mapped(index):
        whole, *sources = map(with_axis, tensors)
        out = batch.perform((whole, at + 1, batch.level.lowered(index), *sources, *rest), options)
        return without_axis(out, shape)
    if index.array.ndim > 1:
        batch.spec.compute(input.array, dim, index.array, *map(raw, others), **options)
    whole, *sources = (_joined(tensor, at) for tensor in tensors)
    places = _places(batch, index, shape[at] if shape else 1)
    return _parted(batch.perform((whole, 0, places, *sources, *rest), options), batch, shape, at)


def _fill_batch(batch: Any, input: Any, dim: int, index: Any, value: Any) -> Any:
    """A value for each element of the batch is a source that repeats it."""
    if raw(value).ndim:
        _index_fill.op.compute(input.array, dim, raw(index), value.array)
    shape = input.array.shape
    at = axis(dim, len(shape))
    each = to_dtype(batch.front(value), input.array.dtype)
    source = (batch.size, *shape[:at], raw(index).size, *shape[at + 1 :]) if shape else (batch.size, raw(index).size)
    source = expand(reshape(each, (batch.size, *(1,) * (len(source) - 1))), source)
    places = _places(batch, index, shape[at] if shape else 1)
    return _parted(index_copy(_joined(batch.front(input), at), 0, places, _joined(source, at)), batch, shape, at)


@op(
    "IndexSelectBackward0",
    input=lambda g, input_shape, dim, index: _select_gradient(g, input_shape, dim, index),
    batch=_select_batch,
)
def index_select(input, dim, index):
    """The positions ``index`` of an axis, in that order.

    Raises:
        IndexError: ``index`` is not a vector, or names a position that is not there.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).index_select(1, torch.tensor([1, 0]))
    tensor([[2, 1],
            [4, 3]])
    """
    dim, index = _vector("index_select", input, dim, index)
    if not input.ndim:
        _check_range(input, dim, index, "index out of range in self")
        return np.array(input)
    return indexing.take_rows(input, dim, index, False)


def _select_gradient(g: Any, shape: tuple, dim: int, index: Any) -> Any:
    if type(g) is np.ndarray and shape and not is_half(g.dtype):
        dim = axis(dim, len(shape))
        return indexing.sum_rows(g, dim, index.reshape(-1), shape[dim], False, -1)
    return index_add(zeros_as(g, shape), dim, index, g)


@op(
    "IndexAddBackward0",
    batch=_vector_batch,
    overlap="nowhere",
    input=lambda g: g,
    source=lambda g, dim, index, alpha, source: _times(_selected(g, dim, index, source.shape), alpha),
)
def index_add(input, dim, index, source, *, alpha=1):
    """The tensor with ``alpha * source`` added at the positions ``index`` of an axis.

    >>> import rushlight as torch
    >>> torch.zeros(3).index_add(0, torch.tensor([0, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    dim, index = _vector("index_add", input, dim, index)
    check_source("index_add_", input, dim, index, source)
    wide = widened(axes_at_least_one(input))
    values = _times(axes_at_least_one(source), _alpha(alpha, wide.dtype))
    out = indexing.with_rows_added(wide, dim, index, as_type(values, wide.dtype))
    return as_type(out if input.ndim else out.reshape(()), input.dtype)


def _selected(g: Any, dim: int, index: Any, shape: tuple) -> Any:
    """The gradient of what was written at the positions: `index_select`, in the shape that this had."""
    part = index_select(g, dim, index)
    return part if part.shape == shape else reshape(part, shape)


def _alpha(alpha: Any, dtype: np.dtype) -> Any:
    """A factor for whole numbers of a type, wrapped around as they are."""
    return as_type(np.array(alpha), dtype) if dtype.kind in "iu" and alpha != 1 else alpha


def _times(value: Any, alpha: Any) -> Any:
    return value if type(alpha) in (int, float) and alpha == 1 else value * alpha


@op(
    "IndexCopyBackward0",
    batch=_vector_batch,
    overlap="nowhere",
    input=lambda g, dim, index: index_fill(g, dim, index, 0),
    source=lambda g, dim, index, source: _selected(g, dim, index, source.shape),
)
def index_copy(input, dim, index, source):
    """The tensor with ``source`` at the positions ``index`` of an axis."""
    dim, index = _vector("index_copy", input, dim, index)
    check_copied(input, dim, index, source)
    _check_range(input, dim, index, "index_copy_(): index out of range in self")
    out = input.copy()
    _front(out, dim)[index] = _front(source, dim)
    return out


def index_fill(input, dim, index, value):
    """The tensor with one value at the positions ``index`` of an axis."""
    return (_index_fill_tensor if isinstance(value, Tensor) else _index_fill)(input, dim, index, value)


@op(
    "IndexFillBackward0", idempotent=True, input=lambda g, dim, index: index_fill(g, dim, index, 0), batch=_vector_batch
)
def _index_fill(input, dim, index, value):
    dim, index = np.asarray(dim).item(), np.asarray(index)
    dim = axis(dim, input.ndim)
    if index.ndim > 1:
        raise IndexError("index_fill_(): Index has to be a vector/scalar")
    if index.dtype.kind not in "iu":
        raise IndexError("index_fill_(): Expected dtype int64 for index.")
    if np.ndim(value):
        raise RuntimeError(
            f"index_fill_ only supports a 0-dimensional value tensor, but got tensor with {np.ndim(value)} "
            f"dimension(s)."
        )
    out = dense_copy(input)
    length = input.shape[dim] if input.ndim else 1
    if not input.size and length:
        return out
    if index.size and not length and not storage_of(input).size:
        raise RuntimeError(
            f"index {index.max()} is out of bounds for dimension {dim} with size 0: positions are out of bounds for "
            "storage of size 0"
        )
    if index.size and not (-length <= index.min() and index.max() < length):
        raise IndexError(f"index {index.max()} is out of bounds for dimension {dim} with size {length}")
    _front(out, dim)[index.reshape(-1)] = as_type(value, input.dtype)
    return out


@op(
    "IndexFillBackward1",
    overlap="anywhere",
    idempotent=True,
    input=lambda g, dim, index: index_fill(g, dim, index, 0),
    value=lambda g, dim, index: _total_filled(g, dim, index),
    batch=_fill_batch,
)
def _index_fill_tensor(input, dim, index, value):
    return _index_fill.op.compute(input, dim, index, value)


_index_fill_in, _index_fill_tensor_in = inplace(_index_fill), inplace(_index_fill_tensor)


def index_fill_(input, dim, index, value):
    """`index_fill` in place."""
    return (_index_fill_tensor_in if isinstance(value, Tensor) else _index_fill_in)(input, dim, index, value)


def _total_filled(g: Any, dim: int, index: Any) -> Any:
    """The sum over the positions that were filled."""
    from .masks import masked_fill
    from .reduce import sum

    kept = index_fill(zeros_as(g, raw(g).shape), dim, index, 1) == 0
    return sum(masked_fill(g, kept, 0))


@op(
    "IndexReduceBackward0",
    batch=_vector_batch,
    overlap="nowhere",
    **{"input, source": lambda g, input, dim, index, source, reduce, include_self, result: _index_reduce_backward(
        g, input, dim, index, source, reduce, include_self, result)},
)  # fmt: skip
def index_reduce(input, dim, index, source, reduce, *, include_self=True):
    """The tensor with ``source`` combined in at the positions ``index`` of an axis: prod, mean, amax or amin."""
    if reduce not in ("prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either prod, mean, amax or amin, got {reduce}.")
    dim, index = _vector("index_reduce", input, dim, index)
    _check_range(input, dim, index, "index out of range in self")
    check_source("index_reduce_", input, dim, index, source)
    out = input.copy()
    kernels.reduce_at(_front(out, dim), (index,), _front(source, dim), reduce, include_self)
    return out


def _index_reduce_backward(g, input, dim, index, source, reduce, include_self, result):
    """As that of `scatter_reduce`, with the positions spelled out for every element."""
    dim = axis(dim, raw(input).ndim)
    shape = raw(source).shape
    if not shape:
        wide = reshape(index, ())
    else:
        wide = expand(reshape(index, (1,) * dim + (-1,) + (1,) * (len(shape) - dim - 1)), shape)
    return shares(g, input, dim, wide, source, reduce, include_self, result)
