"""Reading and writing along one axis at a position for each element: gather and the scatter family."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import indexing
from ..kernels import scatter as kernels
from ..tensor import Tensor
from .axes import axis
from .convert import to_dtype
from .define import inplace, op
from .parts import slice_along
from .place import place, zeros_as
from .promotion import as_type, raw
from .views import squeeze, unsqueeze

__all__ = ["gather", "scatter", "scatter_add", "scatter_reduce"]

int64 = np.dtype("int64")
_REDUCTIONS = {"add": "sum", "multiply": "prod"}


def with_axis(whole: Any) -> Any:
    """A batch whose elements have an axis for positions to be counted along."""
    return whole if whole.array.ndim > 1 else unsqueeze(whole, 1)


def without_axis(out: Any, shape: tuple) -> Any:
    """A batch of elements of this shape without the axis that `with_axis` gave it."""
    return out if shape else squeeze(out, 1)


def _index_batch(batch: Any, input: Any, dim: int, index: Any, *others: Any, **options: Any) -> Any:
    """The rule of gather and the scatter family: the batch is one more axis of all their tensors."""
    at = axis(dim, input.array.ndim)
    tensors = [with_axis(batch.front(x)) for x in (input, index, *others) if isinstance(x, Tensor)]
    rest = others[len(tensors) - 2 :]
    out = batch.perform((tensors[0], at + 1, *tensors[1:], *rest), options)
    return without_axis(out, (index if batch.spec is gather.op else input).array.shape)


def _check_shapes(name: str, input: np.ndarray, dim: int, index: np.ndarray, src: Any) -> tuple:
    """The axis and the index, None if it is empty, of an operation that reads or writes along an axis."""
    dim = axis(dim, input.ndim)
    if not index.size:
        return dim, None
    shape = index.shape
    if shape == input.shape and shape and index.dtype is int64 and (src is None or src.shape == shape):
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


def axes_at_least_one(array: np.ndarray) -> np.ndarray:
    """The array, a 0-dim one with one axis."""
    return array if array.ndim else array.reshape(1)


def _corner(src: np.ndarray, shape: tuple) -> np.ndarray:
    """The part of ``src`` that an index of this shape reads."""
    return src if src.shape == shape and shape else axes_at_least_one(src)[tuple(map(slice, shape or (1,)))]


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
        found = indexing.gather(axes_at_least_one(input), dim, positions)
    except IndexError:
        _check_within(input, dim, positions)
        raise
    return found if index.ndim else found.reshape(())


def _gather_gradient(g: Any, shape: tuple, dim: int, index: Any) -> Any:
    if type(g) is np.ndarray and shape and g.size:
        return indexing.sum_gathered(g, axis(dim, len(shape)), index, shape)
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
    if input.dtype is not src.dtype and input.dtype != src.dtype:
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
        axes_at_least_one(out)[key] = _corner(src, index.shape)
    return out


def _gathered(g: Any, dim: int, index: Any, shape: tuple) -> Any:
    """The gradient of what was scattered: zero for the part of ``src`` that the index did not reach."""
    part = gather(g, dim, index)
    if raw(part).shape == shape:
        return part
    for i, (n, whole) in enumerate(zip(raw(part).shape, shape)):
        if n != whole:
            part = place(part, (*shape[: i + 1], *raw(part).shape[i + 1 :]), slice_along, i, 0, n)
    return part


@op("ScatterBackward1", batch=_index_batch, input=lambda g, dim, index: _scatter_value(g, dim, index, 0))
def _scatter_value(input, dim, index, value):
    dim, key = _check_index("scatter", input, dim, index, None)
    out = input.copy()
    if key is not None:
        axes_at_least_one(out)[key] = as_type(value, input.dtype)
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
        kernels.reduce_at(axes_at_least_one(out), key, values, _REDUCTIONS[reduce], True)
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
        out = indexing.scatter_add(axes_at_least_one(input), dim, positions, values)
    except IndexError:
        _check_within(input, dim, positions)
        raise
    return out if input.ndim else out.reshape(())


@op(
    "ScatterReduceBackward0",
    batch=_index_batch,
    overlap="nowhere",
    **{"input, src": lambda g, input, dim, index, src, reduce, include_self, result: shares(
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
        kernels.reduce_at(axes_at_least_one(out), key, _corner(src, index.shape), reduce, include_self)
    return out


def shares(g, input, dim, index, src, reduce, include_self, result):
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
