"""Several tensors made into one: cat, stack and their relatives."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels.joining import join
from ..tensor import Tensor, wrap
from .axes import axis, moved
from .batching_rules import no_axis
from .convert import to_dtype
from .define import op
from .parts import select, slice_along
from .place import place, zeros_as
from .promotion import as_type, raw
from .views import expand, reshape, unsqueeze
from .writing import check_separate

__all__ = [
    "atleast_1d", "atleast_2d", "atleast_3d", "block_diag", "cartesian_prod", "cat", "column_stack", "combinations",
    "concat",
    "concatenate", "dstack", "hstack", "meshgrid", "row_stack", "stack", "vstack",
]  # fmt: skip


def _common(arrays: list) -> tuple[list, np.dtype]:
    """The arrays in the type that they have together."""
    first = arrays[0].dtype
    if all(array.dtype is first for array in arrays):
        return arrays, first
    groups: list = [None, None]
    for array in arrays:
        weight, dtype = (0 if array.ndim else 1), dtypes.of(array.dtype)
        groups[weight] = dtype if groups[weight] is None else dtypes.promote_types(groups[weight], dtype)
    dimensioned, zero_dim = groups
    target = dtypes.meet(dimensioned, zero_dim, None).numpy
    return [as_type(array, target) for array in arrays], target


def _listed(name: str, tensors: Any) -> tuple[list, Any]:
    """The tensors to be joined as a list, and their types: the one type where they have the same, or else a list."""
    if isinstance(tensors, Tensor):
        raise TypeError(f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not Tensor")
    listed: list = []
    types = []
    for position, item in enumerate(tensors):
        if isinstance(item, Tensor):
            types.append(item.array.dtype)
        elif isinstance(item, (np.ndarray, np.generic)):
            item = np.asarray(item)
            types.append(item.dtype)
        else:
            raise TypeError(f"expected Tensor as element {position} in argument 0, but got {type(item).__name__}")
        listed.append(item)
    return listed, types[0] if types and types.count(types[0]) == len(types) else types


def _cut(g: Any, dim: int, tensors_shape: list, types: Any) -> list:
    """The gradient of each of the joined tensors: its part, in its own type."""
    dim = axis(dim, raw(g).ndim)
    parts: list = []
    start = 0
    if type(g) is np.ndarray and types is g.dtype and (0,) not in tensors_shape:
        before: Any = (slice(None),) * dim
        for shape in tensors_shape:
            parts.append(g[(*before, slice(start, start + shape[dim]))])
            start += shape[dim]
        return parts
    for shape, dtype in zip(tensors_shape, _each_type(types, len(tensors_shape))):
        if shape == (0,) and raw(g).ndim != 1:
            parts.append(zeros_as(g, shape))
            continue
        part = slice_along(g, dim, start, start + shape[dim], 1)
        start += shape[dim]
        parts.append(part if raw(part).dtype == dtype else to_dtype(part, dtype))
    return parts


def _each_type(types: Any, count: int) -> list:
    """The types of so many tensors, see `_listed`."""
    return types if type(types) is list else [types] * count


def _cat_batch(batch: Any, tensors: Any, dim: int, types: Any) -> Any:
    arrays = [raw(tensor) for tensor in tensors]
    if not any(array.ndim for array in arrays):
        raise no_axis()
    if not all(array.ndim for array in arrays):
        _cat.op.compute(arrays, dim, types)
    kept = [x for x, array in zip(tensors, arrays) if array.shape != (0,)] or list(tensors[:1])
    joined = [batch.front(tensor) for tensor in kept]
    out = _cat(joined, moved(dim, raw(joined[0]).ndim - 1), [raw(x).dtype for x in joined])
    target = _common(arrays)[1]  # empty vectors have a say in the type
    return out if out.array.dtype == target else to_dtype(out, target)


@op(
    "CatBackward0",
    batch=_cat_batch,
    sequence="tensors",
    tensors=lambda g, dim, tensors_shape, types: _cut(g, dim, tensors_shape, types),
)
def _cat(tensors, dim, types):
    if type(types) is not list:
        try:
            return join(tensors, dim, False)
        except ValueError:  # the error is found below, and that the empty vector joins with everything
            pass
    arrays = [array for array in tensors if array.shape != (0,)] or list(tensors[:1])
    shape = arrays[0].shape
    if not all(array.ndim for array in tensors):
        position = next(i for i, array in enumerate(tensors) if not array.ndim)
        raise RuntimeError(f"zero-dimensional tensor (at position {position}) cannot be concatenated")
    dim = axis(dim, len(shape))
    for position, array in enumerate(tensors):
        if array.shape == (0,):
            continue
        if array.ndim != len(shape):
            raise RuntimeError(f"Tensors must have same number of dimensions: got {len(shape)} and {array.ndim}")
        for i, (m, n) in enumerate(zip(shape, array.shape)):
            if m != n and i != dim:
                raise RuntimeError(
                    f"Sizes of tensors must match except in dimension {dim}. Expected size {m} but got size {n} for "
                    f"tensor number {position} in the list."
                )
    _, target = _common(list(tensors))
    return join([as_type(array, target) for array in arrays], dim, False)


def cat(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The tensors one after the other along an axis that is there.

    Raises:
        RuntimeError: their other axes differ in length.
        ValueError: there are none.

    >>> import rushlight as torch
    >>> torch.cat([torch.tensor([1, 2]), torch.tensor([3])])
    tensor([1, 2, 3])
    """
    tensors, types = _listed("cat", tensors)
    if not tensors:
        raise ValueError("torch.cat(): expected a non-empty list of Tensors")
    if out is not None:
        check_separate(out, tensors)
    return _cat(tensors, dim, types) if out is None else _cat(tensors, dim, types, out=out)


def concat(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """`cat` by another name."""
    return cat(tensors, dim, out=out)


def concatenate(tensors: Any, dim: int = 0, *, axis: int | None = None, out: Tensor | None = None) -> Tensor:
    """`cat` by another name."""
    return cat(tensors, dim if axis is None else axis, out=out)


def _unstack(g: Any, dim: int, types: Any) -> list:
    count = raw(g).shape[dim]
    if type(g) is np.ndarray and types is g.dtype:
        before: Any = (slice(None),) * axis(dim, g.ndim)
        return [g[(*before, position, ...)] for position in range(count)]
    parts = [select(g, dim, position) for position in range(count)]
    types = _each_type(types, count)
    return [part if raw(part).dtype == dtype else to_dtype(part, dtype) for part, dtype in zip(parts, types)]


def _stack_batch(batch: Any, tensors: Any, dim: int, types: Any) -> Any:
    return _stack([batch.front(tensor) for tensor in tensors], moved(dim, raw(tensors[0]).ndim + 1), types)


@op(
    "StackBackward0",
    sequence="tensors",
    tensors=lambda g, dim, types: _unstack(g, dim, types),
    batch=_stack_batch,
)
def _stack(tensors, dim, types):
    if type(types) is not list:
        try:
            return join(tensors, dim, True)
        except ValueError:  # the error is found below
            pass
    shape = tensors[0].shape
    for position, array in enumerate(tensors):
        if array.shape != shape:
            raise RuntimeError(
                f"stack expects each tensor to be equal size, but got {list(shape)} at entry 0 and "
                f"{list(array.shape)} at entry {position}"
            )
    return join(_common(list(tensors))[0], axis(dim, len(shape) + 1), True)


def stack(tensors: Any, dim: int = 0, *, out: Tensor | None = None) -> Tensor:
    """Tensors of one shape along a new axis.

    Raises:
        RuntimeError: their shapes differ, or there are none.

    >>> import rushlight as torch
    >>> torch.stack([torch.tensor([1, 2]), torch.tensor([3, 4])])
    tensor([[1, 2],
            [3, 4]])
    """
    tensors, types = _listed("stack", tensors)
    if not tensors:
        raise RuntimeError("stack expects a non-empty TensorList")
    return _stack(tensors, dim, types) if out is None else _stack(tensors, dim, types, out=out)


# Ranks


def _each(make: Any, tensors: tuple) -> Any:
    """A function of one tensor on each of several."""
    if len(tensors) == 1 and isinstance(tensors[0], Tensor):
        return make(tensors[0])
    return tuple(make(tensor) for tensor in (tensors[0] if len(tensors) == 1 else tensors))


def atleast_1d(*tensors: Any) -> Any:
    """0-dim tensors as vectors of one element; others as they are."""
    return _each(lambda x: x if x.array.ndim else reshape(x, (1,)), tensors)


def atleast_2d(*tensors: Any) -> Any:
    """Tensors of fewer than two axes as matrices of one row; others as they are."""

    def widen(x: Tensor) -> Tensor:
        return x if x.array.ndim > 1 else unsqueeze(x, 0) if x.array.ndim else reshape(x, (1, 1))

    return _each(widen, tensors)


def atleast_3d(*tensors: Any) -> Any:
    """Tensors of fewer than three axes with axes of length 1 put around; others as they are."""

    def widen(x: Tensor) -> Tensor:
        if x.array.ndim == 2:
            return unsqueeze(x, -1)
        if x.array.ndim == 1:
            return unsqueeze(unsqueeze(x, 0), -1)
        return x if x.array.ndim else reshape(x, (1, 1, 1))

    return _each(widen, tensors)


def _joined(name: str, tensors: Any, widen: Any, dim: int, out: Tensor | None) -> Tensor:
    tensors, _ = _listed(name, tensors)
    if not tensors:
        raise RuntimeError(f"{name} expects a non-empty TensorList")
    return cat([widen(tensor) for tensor in tensors], dim, out=out)


def hstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side: along the second axis, vectors along their only one."""
    vectors = not tensors or tensors[0].array.ndim <= 1
    return _joined("hstack", tensors, atleast_1d, 0 if vectors else 1, out)


def vstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors on top of each other: along the first axis, vectors as rows."""
    return _joined("vstack", tensors, atleast_2d, 0, out)


def row_stack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """`vstack` by another name."""
    return vstack(tensors, out=out)


def dstack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors behind each other: along the third axis."""
    return _joined("dstack", tensors, atleast_3d, 2, out)


def column_stack(tensors: Any, *, out: Tensor | None = None) -> Tensor:
    """The tensors side by side, vectors as columns."""

    def widen(x: Tensor) -> Tensor:
        return x if x.array.ndim > 1 else reshape(x, (x.array.size, 1))

    return _joined("column_stack", tensors, widen, 1, out)


def _block_diag_batch(batch: Any, tensors: Any, types: list) -> Any:
    shapes = [((1, 1) + raw(tensor).shape)[-2:] for tensor in tensors]
    _block_diag.op.compute([np.empty(raw(x).shape[-3:], raw(x).dtype) for x in tensors], types)
    rows, columns = np.sum(shapes, axis=0).tolist()
    row = column = 0
    total: Any = None
    for tensor, (height, width) in zip(tensors, shapes):
        block = reshape(batch.front(tensor), (batch.size, height, width))
        wide = place(block, (batch.size, height, columns), slice_along, 2, column, column + width)
        part = place(wide, (batch.size, rows, columns), slice_along, 1, row, row + height)
        total = part if total is None else total + part
        row, column = row + height, column + width
    return total


@op(
    "BlockDiagBackward0",
    batch=_block_diag_batch,
    sequence="tensors",
    tensors=lambda g, tensors_shape, types: _blocks(g, tensors_shape, types),
)
def _block_diag(tensors, types):
    for position, array in enumerate(tensors):
        if array.ndim > 2:
            raise RuntimeError(
                f"torch.block_diag: Input tensors must have 2 or fewer dimensions. Input {position} has {array.ndim} "
                f"dimensions"
            )
    arrays = [np.atleast_2d(array) for array in tensors]
    out = np.zeros(np.sum([array.shape for array in arrays], axis=0), np.result_type(*_common(list(tensors))[0]))
    row = column = 0
    for array in arrays:
        out[row : row + array.shape[0], column : column + array.shape[1]] = array
        row, column = row + array.shape[0], column + array.shape[1]
    return out


def _blocks(g: Any, shapes: list, types: list) -> list:
    parts, row, column = [], 0, 0
    for shape, dtype in zip(shapes, types):
        rows, columns = ((1, 1) + shape)[-2:]
        part = slice_along(slice_along(g, 0, row, row + rows, 1), 1, column, column + columns, 1)
        part = reshape(part, shape)
        parts.append(part if raw(part).dtype == dtype else to_dtype(part, dtype))
        row, column = row + rows, column + columns
    return parts


def block_diag(*tensors: Tensor) -> Tensor:
    """The matrices along the diagonal of a larger one that is zero elsewhere.

    >>> import rushlight as torch
    >>> torch.block_diag(torch.tensor([[1, 2]]), torch.tensor([3]))
    tensor([[1, 2, 0],
            [0, 0, 3]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    return _block_diag(list(tensors), [tensor.array.dtype for tensor in tensors])


def meshgrid(*tensors: Any, indexing: str | None = None) -> tuple[Tensor, ...]:
    """Coordinates of a grid from its axes: each vector expanded along the others.

    >>> import rushlight as torch
    >>> torch.meshgrid(torch.tensor([1, 2]), torch.tensor([3, 4]), indexing="ij")[0]
    tensor([[1, 1],
            [2, 2]])
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    if not tensors:
        raise RuntimeError("meshgrid expects a non-empty TensorList")
    for tensor in tensors:
        if tensor.array.ndim > 1:
            raise RuntimeError(
                f"torch.meshgrid: Expected 0D or 1D tensor in the tensor list but got: one of shape "
                f"{list(tensor.array.shape)}"
            )
        if tensor.array.dtype != tensors[0].array.dtype:
            raise RuntimeError("torch.meshgrid expects all tensors to have the same dtype")
    if indexing not in (None, "ij", "xy"):
        raise RuntimeError(f'torch.meshgrid: indexing must be one of "xy" or "ij", but received: {indexing}')
    if indexing == "xy" and len(tensors) > 1:
        second, first, *rest = meshgrid(tensors[1], tensors[0], *tensors[2:], indexing="ij")
        return first, second, *rest
    shape = tuple(tensor.array.size for tensor in tensors)
    ndim = len(shape)
    return tuple(
        expand(reshape(tensor, (1,) * i + (-1,) + (1,) * (ndim - i - 1)), shape) for i, tensor in enumerate(tensors)
    )


def cartesian_prod(*tensors: Tensor) -> Tensor:
    """All combinations of one element of each vector, one in each row."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    for tensor in tensors:
        if tensor.array.ndim != 1:
            raise RuntimeError(f"Expect a 1D vector, but got shape {list(tensor.array.shape)}")
    if len(tensors) == 1:
        return tensors[0]
    return stack([reshape(grid, (-1,)) for grid in meshgrid(*tensors, indexing="ij")], 1)


def combinations(input: Tensor, r: int = 2, with_replacement: bool = False) -> Tensor:
    """All choices of ``r`` elements of a vector, one in each row, in the order of their positions."""
    if input.array.ndim != 1:
        raise RuntimeError(f"Expect a 1D vector, but got shape {list(input.array.shape)}")
    if r < 0:
        raise RuntimeError(f"Expect a non-negative number, but got {r}")
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    positions = np.array(list(choose(range(input.array.size), r)), np.int64).reshape(-1, r)
    if r == 0:
        return wrap(np.empty(0, input.array.dtype))
    from .rows import index_select

    return stack([index_select(input, 0, wrap(np.ascontiguousarray(column))) for column in positions.T], 1)
