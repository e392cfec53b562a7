"""Indexing: ``x[...]`` and ``x[...] = y`` with every form of index.

Whole numbers, slices, None and Ellipsis give a view, in one step of NumPy and as many nodes as PyTorch records.
Tensors, lists and masks give a copy; they apply to the view that the others leave.
"""

from __future__ import annotations

import math
from operator import index as whole_number
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import inferring, open_levels, recording
from ..autograd.node import current_frame
from ..autograd.versions import inference_cell
from ..kernels.indexing import join_positions, sum_rows, take_rows
from ..kernels.layout import read
from ..kernels.scatter import add_at
from ..tensor import Tensor, wrap
from .batched_indexing import Arrangement
from .define import inplace, op
from .filling import fill_
from .inplace import copy_
from .levels import Layered, is_open, known, top_level
from .parts import select, slice_along
from .place import zeros_as
from .positions import (
    MASKED,
    WHOLE,
    as_items,
    check_bounds,
    check_mask,
    check_positions,
    check_steps,
    out_of_range,
    separate,
    watched,
)
from .promotion import as_type, fit, raw
from .showing import shown
from .views import alias, expand, unsqueeze, view_as_shape
from .writing import bump, check_apart, check_counted, check_history, check_single, check_views

__all__ = ["index_put"]

ndarray = np.ndarray
Select, Slice, Unsqueeze, Alias = select.node, slice_along.node, unsqueeze.node, alias.node


# Reading


def getitem(self: Tensor, index: Any) -> Tensor:
    """``self[index]``: a view for numbers, slices, None and Ellipsis, a copy where tensors, lists or masks take part.

    Raises:
        IndexError: a position is out of range, there are too many indices, or masks and tensors do not fit.
        ValueError: a slice goes backwards.
    """
    kind = type(index)
    if type(self) is ndarray:
        return self[index if kind is tuple else (index,)]
    array = self.array
    if open_levels.get() and top_level((self, index)) is not None:
        return _layered_getitem(self, index)
    if kind is int:
        try:
            part = array[index, ...]
        except IndexError:
            raise out_of_range(array.shape, (index,)) from None
        return shown(self, part, ((Select, array.shape, (0, index)),), 2)
    if kind is slice:
        if not array.ndim:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        step = 1 if index.step is None else whole_number(index.step)
        if step <= 0:
            raise ValueError("step must be greater than zero")
        which = (0, index.start, index.stop, step)
        return shown(self, array[index], ((Slice, array.shape, which),), 2)
    if kind is Tensor and index.array.ndim and index.array.dtype == np.int64 and array.ndim:
        return _index(self, watched((index.array,), (index,), (index.array,)))
    items = index if kind is tuple else as_items(index)
    for item in items:
        kind = type(item)
        if kind is not int and kind is not slice and item is not None and item is not Ellipsis:
            basic, positions = separate(array.shape, items)
            part = self if all(item == WHOLE for item in basic) else _basic(self, basic, 3)
            return part if positions is None else _index(part, positions)
    return _basic(self, items, 3)


def _layered_getitem(self: Tensor, index: Any) -> Tensor:
    """Reading where the tensor or the index belongs to an open transformation."""
    basic, positions = separate(self.array.shape, as_items(index))
    part = _basic(self, basic, 4)
    return part if positions is None else _index(part, positions)


def contains(self: Tensor, element: Any) -> bool:
    """Whether some element equals a number or one of a tensor's elements."""
    if not isinstance(element, (Tensor, int, float, complex)):
        raise RuntimeError(f"Tensor.__contains__ only supports Tensor or scalar, but you passed in a {type(element)}.")
    return bool(self.eq(element).any().item())


def _basic(self: Tensor, items: tuple, depth: int) -> Tensor:
    """The view that numbers, slices, None and Ellipsis show."""
    array = self.array
    try:
        part = array[items if Ellipsis in items else (*items, ...)]
    except IndexError:
        raise out_of_range(array.shape, items) from None
    check_steps(items)
    if (self._view is not None and self._view.replay is not None) or is_open(self):
        return _one_by_one(self, _steps(array.shape, items))
    return shown(self, part, _steps(array.shape, items) if recording.get() else (), depth)


def _one_by_one(self: Tensor, steps: tuple) -> Tensor:
    """The view made in single steps, each of which a view of another type's memory can be asked for again."""
    operations = {Select: select, Slice: slice_along, Unsqueeze: unsqueeze, Alias: alias}
    for cls, _shape, parameters in steps:
        self = operations[cls](self, *parameters)
    return self


def _steps(shape: tuple, items: tuple) -> tuple:
    """The nodes to record for an index: their class, the shape each starts from, and its parameters."""
    steps: list[tuple] = []
    dim = 0
    for position, item in enumerate(items):
        if item is None:
            steps.append((Unsqueeze, shape, (dim,)))
            shape = shape[:dim] + (1,) + shape[dim:]
            dim += 1
        elif item is Ellipsis:
            rest = sum(1 for later in items[position + 1 :] if later is not None and later is not Ellipsis)
            dim = len(shape) - rest
        elif type(item) is slice:
            start, stop, step = item.indices(shape[dim])
            length = len(range(start, stop, step))
            if length != shape[dim]:
                steps.append((Slice, shape, (dim, start, max(stop, start), step)))
                shape = shape[:dim] + (length,) + shape[dim + 1 :]
            dim += 1
        else:
            steps.append((Select, shape, (dim, item)))
            shape = shape[:dim] + shape[dim + 1 :]
    return tuple(steps) or ((Alias, shape, ()),)


def _arranged(batch: Any, input: Any, positions: tuple) -> Arrangement:
    if len(positions) > input.array.ndim:
        check_positions(input.array.shape, positions)
    return Arrangement(batch, input.array.ndim, positions)


def _index_batch(batch: Any, input: Any, positions: tuple) -> Any:
    arrangement = _arranged(batch, input, positions)
    is_mapped = batch.is_mapped(input)
    whole = arrangement.arranged(batch.level.lowered(input), int(is_mapped))
    return arrangement.result(_index(whole, arrangement.positions(is_mapped)))


def _index_put_batch(batch: Any, input: Any, positions: tuple, values: Any, accumulate: bool = False) -> Any:
    arrangement = _arranged(batch, input, positions)
    whole = arrangement.arranged(batch.front(input), 1)
    values = arrangement.values(values if isinstance(values, Tensor) else wrap(np.asarray(values)))
    return arrangement.back(_index_put(whole, arrangement.positions(True), values, accumulate))


@op(
    "IndexBackward0",
    batch=_index_batch,
    input=lambda g, input_shape, positions: _index_gradient(g, input_shape, positions),
)
def _index(input, positions):
    try:
        if input.flags.c_contiguous and (joined := _joined(input.shape, positions)) is not None:
            dim, index, shape = joined
            found = take_rows(input.reshape(shape), dim, index, True)
        else:
            found = input[tuple(WHOLE if p is None else p for p in positions)]
    except IndexError:
        check_positions(input.shape, positions)
        check_bounds(input.shape, positions)
        raise
    return read(found, input, positions)


def _index_gradient(g: Any, shape: tuple, positions: tuple) -> Any:
    if type(g) is ndarray and g.dtype.kind == "f" and (joined := _joined(shape, positions)) is not None:
        dim, index, whole = joined
        return sum_rows(g, dim, index, whole[dim], True, -1).reshape(shape)
    return _index_put(zeros_as(g, shape), positions, g, True)


def _joined(shape: tuple, positions: tuple) -> tuple | None:
    """The first axis, the positions along it, and the shape, once adjacent axes with positions are joined to one.

    None if there are positions along axes that are not adjacent.
    """
    dims = [dim for dim, p in enumerate(positions) if p is not None]
    first, last = dims[0], dims[-1] + 1
    if len(dims) != last - first or last > len(shape):
        return None
    if len(dims) == 1:
        return first, positions[first], shape
    arrays = positions[first:last]
    if len({array.shape for array in arrays}) > 1:
        try:
            arrays = np.broadcast_arrays(*arrays)
        except ValueError:
            return None  # it is refused with the others' words
    lengths = shape[first:last]
    joined = join_positions(list(arrays), list(lengths))
    return first, joined, (*shape[:first], math.prod(lengths), *shape[last:])


# Writing


def setitem(self: Tensor, index: Any, value: Any) -> None:
    """``self[index] = value``: a number or a tensor that can be broadcast to ``self[index]``.

    Raises:
        IndexError: as in reading.
        RuntimeError: the value does not fit, or the tensor must not be changed in place.
        TypeError: the value is neither a number nor a tensor.
    """
    if not isinstance(value, Tensor):
        value = _as_value(self, value)
    if index is False:
        return None
    items = index if type(index) is tuple else as_items(index)
    if recording.get() and (self.requires_grad or value.requires_grad):
        try:
            return _recorded_setitem(self, items, value)
        except IndexError:
            if any(type(item) is slice for item in items):
                check_views((self,))
            raise
    if value.version is self.version or (open_levels.get() and top_level((self, items, value)) is not None):
        return _recorded_setitem(self, items, value)
    check_history(self, "index_put_")
    basic, positions = separate(self.array.shape, items)
    if positions is not None and value.array.dtype is not self.array.dtype and _is_fill(items, value):
        value = as_same_type(value, self)
    check_steps(basic)
    try:
        part = self.array[(*basic, ...) if Ellipsis not in basic else basic]
    except IndexError:
        raise out_of_range(self.array.shape, basic) from None
    given = value.array
    if positions is not None and given.ndim:
        given = given.reshape(_without_leading_ones(given.shape))
    if self.version is inference_cell and not inferring.get():
        write(np.array(part), positions, given)  # what does not fit comes first
        if positions is None:
            check_single(part)
        check_counted(self, "index_put_")
    write(part, positions, given)
    bump(self, "setitem", current_frame(1))
    return None


def _as_value(self: Tensor, value: Any) -> Tensor:
    if isinstance(value, (int, float, complex, np.generic)):
        return wrap(np.asarray(value) if isinstance(value, np.generic) else as_type(np.array(value), self.array.dtype))
    raise TypeError(f"can't assign a {type(value).__name__} to a {_type_name(self)}")


def _type_name(tensor: Tensor) -> str:
    return f"torch.{dtypes.CASED[tensor.dtype]}Tensor"


def write(part: ndarray, positions: tuple | None, value: ndarray, accumulate: bool = False) -> None:
    """Write, or add, values into an array, at positions if there are any."""
    lead = value.ndim - part.ndim
    if positions is None:
        if lead > 0 and value.shape[:lead] == (1,) * lead:
            value = value.reshape(value.shape[lead:])
        _check_expands(value, part.shape)
        check_single(part)
        part[...] = as_type(value, part.dtype)
        return
    if value.dtype is part.dtype and not accumulate:
        try:
            part[tuple(WHOLE if p is None else p for p in positions)] = value
            return
        except (IndexError, ValueError):  # the error is found below
            pass
    key = check_positions(part.shape, positions)
    first = tuple(WHOLE if p is None else np.zeros_like(p) for p in positions)  # these are always within bounds
    wanted = part[first].shape if value.ndim else ()
    try:
        value = np.broadcast_to(value, wanted)
    except ValueError:
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to indexing result of "
            f"shape {list(wanted)}"
        ) from None
    if value.dtype != part.dtype:
        have, given = (dtypes.CASED[dtypes.of(array.dtype)] for array in (part, value))
        raise RuntimeError(
            f"Index put requires the source and destination dtypes match, got {have} for the destination and {given} "
            "for the source."
        )
    check_bounds(part.shape, positions)
    if accumulate:
        add_at(part, key, value)
    else:
        part[key] = value


def _check_expands(value: ndarray, shape: tuple) -> None:
    if value.ndim > len(shape):
        raise RuntimeError(
            f"expand(torch.{dtypes.CASED[dtypes.of(value.dtype)]}Tensor{{{list(value.shape)}}}, size={list(shape)}): "
            f"the number of sizes provided ({len(shape)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({value.ndim})"
        )
    for back in range(1, value.ndim + 1):
        if value.shape[-back] not in (shape[-back], 1):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[-back]}) must match the existing size "
                f"({value.shape[-back]}) at non-singleton dimension {len(shape) - back}.  Target sizes: {list(shape)}. "
                f" Tensor sizes: {list(value.shape)}"
            )


def _is_fill(items: tuple, value: Tensor) -> bool:
    """Whether one value goes where a single mask is set, for which any type will do."""
    mask = raw(items[0]) if len(items) == 1 else None
    return value.array.size == 1 and isinstance(mask, ndarray) and mask.dtype == np.bool_


def as_same_type(value: Tensor, like: Tensor) -> Tensor:
    """The value in the type of another tensor."""
    from .convert import to_dtype

    return value if value.array.dtype == like.array.dtype else to_dtype(value, like.array.dtype)


def _recorded_setitem(self: Tensor, items: tuple, value: Tensor) -> None:
    basic, positions = separate(self.array.shape, items)
    part = self if _is_whole(self.array.shape, basic) else _basic(self, basic, 4)
    if positions is not None:
        if _is_fill(items, value):
            check_history(part, "index_put_", value.requires_grad)
            value = as_same_type(value, part)
        shape = _without_leading_ones(value.array.shape)
        value = value if shape == value.array.shape else view_as_shape(value, shape)
        index_put_in(part, positions, value)
        return
    if value.array.shape == part.array.shape:
        copy_(part, value)
    elif not value.array.ndim:
        fill_(part, value)
    else:
        value = view_as_shape(value, _without_leading_ones(value.array.shape))
        copy_(part, value if value.array.shape == part.array.shape else expand(value, part.array.shape))


def _is_whole(shape: tuple, items: tuple) -> bool:
    """Whether an index of slices and Ellipsis is taken for everything: as in PyTorch, not if it counts from the end."""
    slices = [item for item in items if type(item) is slice and (item.start or 0) >= 0]
    alone = len(slices) <= len(shape) and len(slices) + items.count(Ellipsis) == len(items)
    return alone and all(step[0] is Alias for step in _steps(shape, items))


def _without_leading_ones(shape: tuple) -> tuple:
    return shape[next((i for i, n in enumerate(shape) if n != 1), len(shape)) :]


@op(
    "IndexPutBackward0",
    overlap="anywhere",
    idempotent=True,
    batch=_index_put_batch,
    input=lambda g, positions, accumulate: g if accumulate else _index_put(g, positions, zeros_as(g, ()), False),
    values=lambda g, positions, values_shape, values_dtype: fit(_index(g, positions), values_shape, values_dtype),
)
def _index_put(input, positions, values, accumulate=False):
    out = np.array(input, order="K")
    write(out, positions, values, accumulate)
    return out


_index_put_in = inplace(_index_put)


def index_put_in(self: Tensor, positions: tuple, values: Tensor, accumulate: bool = False) -> Tensor:
    """`index_put_` by positions."""
    check_history(self, "index_put_", values.requires_grad)
    check_views((values,))
    check_apart(self, (values,), same=False)
    return _index_put_in(self, positions, values, accumulate)


def _positions_of(input: Tensor, indices: Any) -> tuple:
    """The positions that a tuple of tensors names, of which None stands for all of an axis."""
    if not isinstance(indices, (tuple, list)):
        raise TypeError(f"index_put(): argument 'indices' must be tuple of Tensors, not {type(indices).__name__}")
    positions: list = []
    arrays = [None if item is None else np.asarray(raw(item)) for item in indices]
    for item, array in zip(indices, arrays):
        if isinstance(item, Layered) and array is not None and array.dtype.itemsize > 1:
            positions.append(item)
        elif array is not None and array.dtype.kind in "bu" and array.dtype.itemsize == 1:
            mask = (known(item, MASKED) if isinstance(item, Tensor) else array).astype(bool)
            check_mask(mask, raw(input).shape, len(positions), len(positions))
            positions += mask.nonzero()
        elif array is not None and array.dtype.kind not in "i":
            raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
        else:
            positions.append(None if array is None else array.astype(np.int64))
    return watched(positions, indices, arrays)


def _typed(input: Tensor, indices: tuple, values: Tensor, accumulate: bool) -> Tensor:
    """The values in the type of the input, where they may be of any."""
    if accumulate or not _is_fill(indices, values):
        return values
    return view_as_shape(as_same_type(values, input), ()) if values.array.ndim else as_same_type(values, input)


def index_put(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False) -> Tensor:
    """The tensor with ``values`` written at, or added to, the positions that a tuple of index tensors names.

    >>> import rushlight as torch
    >>> torch.zeros(3).index_put((torch.tensor([0, 2]),), torch.tensor(5.0))
    tensor([5., 0., 5.])
    """
    check_views((input, values))
    positions = _positions_of(input, indices)
    return _index_put(input, positions, _typed(input, indices, values, accumulate), accumulate)


def index_put_(input: Tensor, indices: tuple, values: Tensor, accumulate: bool = False) -> Tensor:
    """`index_put` in place."""
    check_history(input, "index_put_", values.requires_grad)
    check_views((values,))
    positions = _positions_of(input, indices)
    return index_put_in(input, positions, _typed(input, indices, values, accumulate), accumulate)
