"""What an index says: numbers and slices, which give a view, and positions that tensors, lists and masks name in it."""

from __future__ import annotations

import warnings
from operator import index as whole_number
from typing import Any

import numpy as np

from ..tensor import Tensor
from .levels import Layered, is_open, known
from .nodes import Positions

ndarray = np.ndarray
WHOLE = slice(None)
MASKED = "support dynamic shape. Attempting to batch over indexing with a boolean mask"
BASIC = frozenset((int, slice, type(None), type(Ellipsis)))


def check_steps(items: tuple) -> None:
    for item in items:
        if type(item) is slice and item.step is not None and item.step <= 0:
            raise ValueError("step must be greater than zero")


def as_items(index: Any) -> tuple:
    """An index that is no tuple, as the tuple that it means."""
    if isinstance(index, list) and any(
        item is None or item is Ellipsis or isinstance(item, (slice, list, tuple, Tensor)) for item in index
    ):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be changed in pytorch "
            "2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will be interpreted as tensor index, "
            "x[torch.tensor(seq)], which will result either in an error or a different result.",
            UserWarning,
            stacklevel=3,
        )
        return tuple(index)
    return tuple(index) if isinstance(index, tuple) else (index,)


def out_of_range(shape: tuple, items: tuple) -> Exception:
    """The error for what NumPy could not index."""
    if not shape and len(items) == 1 and type(items[0]) is int:
        return IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` in C++ to convert a "
            "0-dim tensor to a number"
        )
    if not shape and items and type(items[0]) is slice:
        return IndexError("slice() cannot be applied to a 0-dim tensor.")
    taken = [item for item in items if item is not None and item is not Ellipsis]
    if len(taken) > len(shape):
        return IndexError(f"too many indices for tensor of dimension {len(shape)}: its shape is {list(shape)}")
    dim = 0
    for position, item in enumerate(items):
        if item is Ellipsis:
            dim = len(shape) - sum(1 for later in items[position + 1 :] if later is not None and later is not Ellipsis)
        elif item is not None:
            if type(item) is not slice and not -shape[dim] <= item < shape[dim]:
                return IndexError(
                    f"index {item} is out of bounds for dimension {dim} with size {shape[dim]}: the shape is "
                    f"{list(shape)}"
                )
            dim += 1
    return IndexError(f"invalid index {items} of a tensor of shape {list(shape)}")


def separate(shape: tuple, items: tuple) -> tuple[tuple, tuple | None]:
    """An index in two parts: what gives a view, and the positions that tensors, lists and masks name in that view."""
    if all(type(item) in BASIC for item in items):
        return items, None
    resolved = [_resolve(item) for item in items]
    used = sum(_axes_of(item) for item in resolved)
    if used > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}: its shape is {list(shape)}")
    basic: list = []
    positions: list = []
    dim = 0  # in the tensor that is indexed
    for item in resolved:
        if item is Ellipsis:
            skipped = len(shape) - used
            basic.append(item)
            positions += [None] * skipped
            dim += skipped
            used = len(shape)
        elif type(item) is ndarray or isinstance(item, Tensor):
            if isinstance(item, Tensor) or item.dtype.kind != "b":
                positions.append(item)
                basic.append(WHOLE)
                dim += 1
            elif item.ndim == 0:
                positions.append(np.zeros(int(item), np.int64))
                basic.append(None)
            else:
                check_mask(item, shape, dim, len(positions))
                positions += item.nonzero()
                basic += [WHOLE] * item.ndim
                dim += item.ndim
        else:
            basic.append(item)
            if item is None or type(item) is slice:
                positions.append(None)
            dim += item is not None
    if all(position is None for position in positions):
        return tuple(basic), None
    return tuple(basic), watched(positions, items, resolved)


def watched(positions: Any, items: Any, arrays: Any) -> tuple:
    """Positions that remember the items of an index, and those as arrays: tensors must not change before backward."""
    if any(isinstance(position, Layered) for position in positions):
        return tuple(positions)
    found = Positions(positions)
    found.items, found.arrays = items, arrays
    return found


def check_mask(mask: ndarray, shape: tuple, dim: int, at: int) -> None:
    """Refuse a mask of another shape than what it is to choose from."""
    if mask.shape != shape[dim : dim + mask.ndim]:
        wrong = next(i for i, n in enumerate(mask.shape) if dim + i >= len(shape) or n != shape[dim + i])
        raise IndexError(
            f"The shape of the mask {list(mask.shape)} at index {wrong} does not match the shape of the indexed tensor "
            f"{list(shape)} at index {at + wrong}"
        )


def _axes_of(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.ndim if type(item) is ndarray and item.dtype.kind == "b" else 1


def _resolve(item: Any) -> Any:
    """One entry of an index as a number, a slice, None, Ellipsis or an array of whole numbers or truth values."""
    kind = type(item)
    if kind is int or item is None or item is Ellipsis:
        return item
    if kind is slice:
        return slice(*(None if end is None else whole_number(end) for end in (item.start, item.stop, item.step)))
    if kind is bool or kind is np.bool_:
        return np.asarray(item)
    if isinstance(item, Tensor):
        if is_open(item) and item.array.dtype.kind in "iu" and item.array.dtype != np.uint8:
            return item
        array = known(item, MASKED)
    elif isinstance(item, (ndarray, list, tuple, range)):
        array = np.asarray(_untensored(item)) if len(item) else np.empty(0, np.int64)
    elif isinstance(item, str):
        raise TypeError(f"new(): invalid data type 'str': an index of a tensor cannot be {item!r}")
    else:
        try:
            return whole_number(item)
        except TypeError:
            raise IndexError(
                "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got "
                f"{kind.__name__})"
            ) from None
    if array.dtype == np.uint8:
        warnings.warn(
            "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool instead.",
            UserWarning,
            stacklevel=5,
        )
        return array.astype(bool)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind not in "iu" or array.dtype in (np.int8, np.int16, np.uint16, np.uint32, np.uint64):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return int(array) if not array.ndim else array.astype(np.int64)


def _untensored(item: Any) -> Any:
    return [_untensored(part) for part in item] if isinstance(item, (list, tuple)) else known(item, MASKED)


def check_positions(shape: tuple, positions: tuple) -> tuple:
    """A NumPy index from positions along each axis, None standing for all of an axis, which may be out of bounds.

    Raises:
        IndexError: the positions cannot be broadcast together, or there are too many.
    """
    arrays = [p for p in positions if p is not None]
    if len(positions) > len(shape):
        raise IndexError(f"too many indices for tensor of dimension {len(shape)} (got {len(positions)})")
    if len(arrays) > 1:
        try:
            np.broadcast_shapes(*(array.shape for array in arrays))
        except ValueError:
            shapes = ", ".join(str(list(array.shape)) for array in arrays)
            raise IndexError(
                f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}"
            ) from None
    for dim, array in enumerate(positions):
        if array is not None and array.size and not shape[dim]:
            raise IndexError(f"index is out of bounds for dimension {dim} with size 0: the shape is {list(shape)}")
    return tuple(WHOLE if p is None else p for p in positions)


def check_bounds(shape: tuple, positions: tuple) -> None:
    """Refuse positions outside of an axis."""
    for dim, array in enumerate(positions):
        if array is not None and array.size and not (-shape[dim] <= array.min() and array.max() < shape[dim]):
            wrong = array[(array < -shape[dim]) | (array >= shape[dim])].flat[0]
            raise IndexError(
                f"index {wrong} is out of bounds for dimension {dim} with size {shape[dim]}: the shape is {list(shape)}"
            )
