"""Reading and writing along one axis at given positions: gather, scatter and the index_* family."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import indexing
from ..kernels import scatter as kernels
from ..kernels.layout import storage_of
from ..layouts import dense_copy
from ..tensor import Tensor, wrap
from .axes import axis
from .convert import to_dtype
from .define import inplace, op
from .levels import everything
from .parts import slice_along
from .place import place, zeros_as
from .promotion import as_type, is_half, raw
from .reduce import widened
from .sources import check_copied, check_source
from .views import expand, flatten, movedim, reshape, squeeze, unflatten, unsqueeze

__all__ = [
    "gather", "index_add", "index_copy", "index_fill", "index_reduce", "index_select", "scatter", "scatter_add",
    "scatter_reduce",
]  # fmt: skip

_REDUCTIONS = {"add": "sum", "multiply": "prod"}


def _vector(name: str, input: np.ndarray, dim: int, index: Any) -> tuple:
    """The axis and the positions, in one line, of an index_* operation."""
    dim = axis(dim, input.ndim)
    index = np.asarray(index)
    if index.ndim > 1:
        raise IndexError(f"{name}(): Index is supposed to be a vector")
    if index.dtype.kind not in "iu" or index.dtype.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32 or int64 for index")
    return dim, index.reshape(-1)


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


def _with_axis(whole: Any) -> Any:
    """A batch whose elements have an axis for positions to be counted along."""
    return whole if whole.array.ndim > 1 else unsqueeze(whole, 1)


def _without_axis(out: Any, shape: tuple) -> Any:
    """A batch of elements of this shape without the axis that `_with_axis` gave it."""
    return out if shape else squeeze(out, 1)


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
        out = index_select(_with_axis(batch.front(input)), at + 1, batch.level.lowered(index))
        return _without_axis(out, shape)
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
        whole, *sources = map(_with_axis, tensors)
        out = batch.perform((whole, at + 1, batch.level.lowered(index), *sources, *rest), options)
        return _without_axis(out, shape)
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


def _index_batch(batch: Any, input: Any, dim: int, index: Any, *others: Any, **options: Any) -> Any:
    """The rule of gather and the scatter family: the batch is one more axis of all their tensors."""
    at = axis(dim, input.array.ndim)
    tensors = [_with_axis(batch.front(x)) for x in (input, index, *others) if isinstance(x, Tensor)]
    rest = others[len(tensors) - 2 :]
    out = batch.perform((tensors[0], at + 1, *tensors[1:], *rest), options)
    return _without_axis(out, (index if batch.spec is gather.op else input).array.shape)


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
    source=lambda g, dim, index, alpha, source: _times(reshape(index_select(g, dim, index), source.shape), alpha),
)
def index_add(input, dim, index, source, *, alpha=1):
    """The tensor with ``alpha * source`` added at the positions ``index`` of an axis.

    >>> import rushlight as torch
    >>> torch.zeros(3).index_add(0, torch.tensor([0, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    dim, index = _vector("index_add", input, dim, index)
    check_source("index_add_", input, dim, index, source)
    wide = widened(np.atleast_1d(input))
    values = _times(np.atleast_1d(source), _alpha(alpha, wide.dtype))
    out = indexing.with_rows_added(wide, dim, index, values.astype(wide.dtype, copy=False))
    return out.reshape(input.shape).astype(input.dtype, copy=False)


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
    source=lambda g, dim, index, source: reshape(index_select(g, dim, index), source.shape),
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
    return _scatter_reduce_backward(g, input, dim, wide, source, reduce, include_self, result)


# gather and scatter


def _check_shapes(name: str, input: np.ndarray, dim: int, index: np.ndarray, src: Any) -> tuple:
    """The axis and the index, None if it is empty, of an operation that reads or writes along an axis."""
    dim = axis(dim, input.ndim)
    if not index.size:
        return dim, None
    if (
        index.shape == input.shape
        and index.ndim
        and index.dtype == np.int64
        and (src is None or src.shape == index.shape)
    ):
        return dim, index
    if index.dtype.kind not in "iu" or index.dtype.itemsize < 4:
        raise RuntimeError(f"{name}(): Expected dtype int32/int64 for index")
    if max(index.ndim, 1) != max(input.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as input tensor")
    if src is not None and src.ndim and max(index.ndim, 1) != max(src.ndim, 1):
        raise RuntimeError("Index tensor must have the same number of dimensions as src tensor")
    index = index.reshape(index.shape or (1,))
    shape = input.shape or (1,)
    within = name == "gather" or name.startswith("scatter")
    for i in range(index.ndim):
        n: int = index.shape[i]
        too_big = n > shape[i] and i != dim
        if src is not None:
            too_big = too_big or n > (src.shape or (1,))[i]
        if within and too_big:
            beside = "" if src is None else f" and to be no larger size than src {list(src.shape)}"
            what = "input" if name == "gather" else "self"
            raise RuntimeError(
                f"Size does not match at dimension {i} expected index {list(index.shape)} to be no larger than {what} "
                f"{list(shape)} apart from dimension {dim}{beside}"
            )
    return dim, index


def _check_within(input: np.ndarray, dim: int, index: np.ndarray) -> None:
    length = input.shape[dim] if input.ndim else 1
    if index.min() < 0 or index.max() >= length:
        wrong = index[(index < 0) | (index >= length)].flat[0]
        raise RuntimeError(f"index {wrong} is out of bounds for dimension {dim} with size {length}")


def _check_index(name: str, input: np.ndarray, dim: int, index: np.ndarray, src: Any) -> tuple:
    """The axis, and the NumPy index that reads or writes ``index`` along it, None if it is empty."""
    dim, index = _check_shapes(name, input, dim, index, src)
    if index is None:
        return dim, None
    _check_within(input, dim, index)
    return dim, kernels.along(index, dim)


def _axes_at_least_one(array: np.ndarray) -> np.ndarray:
    return array if array.ndim else array.reshape(1)


def _corner(src: np.ndarray, shape: tuple) -> np.ndarray:
    """The part of ``src`` that an index of this shape reads."""
    return _axes_at_least_one(src)[tuple(map(slice, shape or (1,)))]


@op(
    "GatherBackward0",
    batch=_index_batch,
    input=lambda g, input, dim, index: _gather_gradient(g, input.shape, dim, index),
    apart=True,
)
def gather(input, dim, index, *, sparse_grad=False):
    """The elements at the positions ``index`` along an axis: ``out[i][j] = input[index[i][j]][j]`` for axis 0.

    Raises:
        RuntimeError: a position is out of bounds, or the shapes do not go together.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).gather(1, torch.tensor([[0, 0], [1, 0]]))
    tensor([[1, 1],
            [4, 3]])
    """
    dim, positions = _check_shapes("gather", input, dim, index, None)
    if positions is None:
        return np.empty(index.shape, input.dtype)
    try:
        return indexing.gather(_axes_at_least_one(input), dim, positions).reshape(index.shape)
    except IndexError:
        _check_within(input, dim, positions)
        raise


def _gather_gradient(g: Any, shape: tuple, dim: int, index: Any) -> Any:
    if type(g) is np.ndarray and shape and g.size:
        return indexing.sum_gathered(g, axis(dim, len(shape)), index, tuple(shape)).reshape(shape)
    return scatter_add(zeros_as(g, shape), dim, index, g)


def scatter(input, dim, index, src=None, *, value=None, reduce=None, out=None):
    """The tensor with ``src``, a tensor or a number, written at the positions ``index`` along an axis.

    ``reduce`` may be "add" or "multiply" to combine with what is there.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).scatter(1, torch.tensor([[2], [0]]), 1.0)
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    source = value if src is None else src
    options = {} if out is None else {"out": out}
    if reduce is not None:
        return _scatter_combining(input, dim, index, source, reduce, **options)
    if isinstance(source, (Tensor, np.ndarray)):
        return _scatter(input, dim, index, source, **options)
    return _scatter_value(input, dim, index, source, **options)


def _same_type(name: str, input: np.ndarray, src: np.ndarray) -> None:
    if input.dtype != src.dtype:
        raise RuntimeError(
            f"{name}(): Expected self.dtype to be equal to src.dtype, got {dtypes.of(input.dtype)} and "
            f"{dtypes.of(src.dtype)}"
        )


@op(
    "ScatterBackward0",
    batch=_index_batch,
    overlap="nowhere",
    input=lambda g, dim, index: _scatter_value(g, dim, index, 0),
    src=lambda g, dim, index, src_shape: _gathered(g, dim, index, src_shape),
)
def _scatter(input, dim, index, src):
    dim, key = _check_index("scatter", input, dim, index, src)
    _same_type("scatter", input, src)
    out = input.copy()
    if key is not None:
        _axes_at_least_one(out)[key] = _corner(src, index.shape)
    return out


def _gathered(g: Any, dim: int, index: Any, shape: tuple) -> Any:
    """The gradient of what was scattered: zero for the part of ``src`` that the index did not reach."""
    part = gather(g, dim, index)
    for i, (n, whole) in enumerate(zip(raw(part).shape, shape)):
        if n != whole:
            part = place(part, (*shape[: i + 1], *raw(part).shape[i + 1 :]), slice_along, i, 0, n)
    return part


@op("ScatterBackward1", batch=_index_batch, input=lambda g, dim, index: _scatter_value(g, dim, index, 0))
def _scatter_value(input, dim, index, value):
    dim, key = _check_index("scatter", input, dim, index, None)
    out = input.copy()
    if key is not None:
        _axes_at_least_one(out)[key] = as_type(value, input.dtype)
    return out


def _no_derivative(name: str) -> Any:
    raise RuntimeError(f"derivative for aten::{name} is not implemented")


@op(
    "NotImplemented",
    overlap="nowhere",
    input=lambda g: _no_derivative("scatter"),
    src=lambda g: _no_derivative("scatter"),
    batch=_index_batch,
)
def _scatter_combining(input, dim, index, src, reduce):
    if reduce not in _REDUCTIONS:
        raise RuntimeError("reduce argument must be either add or multiply.")
    if isinstance(src, np.ndarray):
        warnings.warn(
            "The reduce argument of torch.scatter with Tensor src is deprecated and will be removed in a future "
            "PyTorch release. Use torch.scatter_reduce instead for more reduction options.",
            UserWarning,
            stacklevel=6,
        )
        _same_type("scatter", input, src)
    dim, key = _check_index("scatter", input, dim, index, src if isinstance(src, np.ndarray) else None)
    out = input.copy()
    if key is not None:
        values = _corner(src, index.shape) if isinstance(src, np.ndarray) else as_type(src, input.dtype)
        kernels.reduce_at(_axes_at_least_one(out), key, values, _REDUCTIONS[reduce], True)
    return out


_scatter_in, _scatter_value_in, _scatter_combining_in = map(inplace, (_scatter, _scatter_value, _scatter_combining))


def scatter_(input, dim, index, src=None, *, value=None, reduce=None):
    """`scatter` in place."""
    source = value if src is None else src
    if reduce is not None:
        return _scatter_combining_in(input, dim, index, source, reduce)
    return (_scatter_in if isinstance(source, Tensor) else _scatter_value_in)(input, dim, index, source)


@op(
    "ScatterAddBackward0",
    batch=_index_batch,
    overlap="nowhere",
    input=lambda g: g,
    src=lambda g, dim, index, src_shape: _gathered(g, dim, index, src_shape),
)
def scatter_add(input, dim, index, src):
    """The tensor with ``src`` added at the positions ``index`` along an axis.

    >>> import rushlight as torch
    >>> torch.zeros(3).scatter_add(0, torch.tensor([0, 0, 2]), torch.tensor([1.0, 2.0, 3.0]))
    tensor([3., 0., 3.])
    """
    dim, positions = _check_shapes("scatter_add", input, dim, index, src)
    _same_type("scatter", input, src)
    if positions is None:
        return input.copy()
    values = _corner(src, index.shape)
    try:
        return indexing.scatter_add(_axes_at_least_one(input), dim, positions, values).reshape(input.shape)
    except IndexError:
        _check_within(input, dim, positions)
        raise


@op(
    "ScatterReduceBackward0",
    batch=_index_batch,
    overlap="nowhere",
    **{"input, src": lambda g, input, dim, index, src, reduce, include_self, result: _scatter_reduce_backward(
        g, input, dim, index, src, reduce, include_self, result)},
)  # fmt: skip
def scatter_reduce(input, dim, index, src, reduce, *, include_self=True):
    """The tensor with ``src`` combined in at the positions ``index`` along an axis: sum, prod, mean, amax or amin.

    >>> import rushlight as torch
    >>> torch.ones(2).scatter_reduce(0, torch.tensor([0, 0, 1]), torch.tensor([3.0, 5.0, 7.0]), "amax")
    tensor([5., 7.])
    """
    if reduce not in ("sum", "prod", "mean", "amax", "amin"):
        raise RuntimeError(f"reduce argument must be either sum, prod, mean, amax or amin, got {reduce}.")
    dim, key = _check_index("scatter_reduce", input, dim, index, src)
    _same_type("scatter", input, src)
    out = input.copy()
    if key is not None:
        kernels.reduce_at(_axes_at_least_one(out), key, _corner(src, index.shape), reduce, include_self)
    return out


def _scatter_reduce_backward(g, input, dim, index, src, reduce, include_self, result):
    """The gradients of what was there and of what came, by the share that each had in the result."""
    shape = raw(src).shape
    own = g if include_self else _scatter_value(g, dim, index, 0)
    if reduce == "sum":
        return own, _gathered(g, dim, index, shape)
    dtype, whole = raw(g).dtype, raw(input).shape
    if reduce == "mean":
        counts = zeros_as(g, whole) + (1 if include_self else 0)
        each = g / scatter_add(counts, dim, index, zeros_as(g, shape) + 1).clip(1)
        return (each if include_self else _scatter_value(each, dim, index, 0)), _gathered(each, dim, index, shape)
    if reduce == "prod":
        return _product_backward(g, input, dim, index, src, include_self, result, shape)
    mine = to_dtype(input == result, dtype)
    reached = _gathered(zeros_as(g, whole) + 1, dim, index, shape)
    arrived = to_dtype(src == _gathered(result, dim, index, shape), dtype) * reached
    many = scatter_add(mine if include_self else zeros_as(g, whole), dim, index, arrived)
    each = g / many.clip(1)
    return each * mine if include_self else own, _gathered(each, dim, index, shape) * arrived


def _product_backward(g, input, dim, index, src, include_self, result, shape):
    """The product of all other factors for each, found without a division by zero.

    A zero of the input is left out by putting a one in its place, and so is the only zero that arrived at a position:
    then what remains is the product of the others. Elsewhere the result is divided by the factor.
    """
    dtype = raw(g).dtype
    own_factors = _ones_at(input == 0, input)
    own = g * scatter_reduce(own_factors, dim, index, src, "prod", include_self=include_self) / own_factors
    if not include_self:
        own = _scatter_value(own, dim, index, 0)
    zero = src == 0
    zeros = scatter_add(zeros_as(g, raw(input).shape), dim, index, to_dtype(zero, dtype))
    only_zero = zero & (_gathered(zeros, dim, index, shape) == 1)
    others = scatter_reduce(input, dim, index, _ones_at(only_zero, src), "prod", include_self=include_self)
    from_others = _gathered(g * others, dim, index, shape)
    from_result = _gathered(g * result, dim, index, shape) / _ones_at(zero, src)
    mine = to_dtype(only_zero, dtype)
    return own, from_others * mine + from_result * (1 - mine)


def _ones_at(mask: Any, value: Any) -> Any:
    """A tensor with ones where a mask is set, which pass no gradient."""
    from .masks import masked_fill

    return masked_fill(value, mask, 1)
