"""What goes by masks and by which elements are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..kernels.choice import select
from ..layouts import in_order
from ..tensor import Tensor, wrap
from .along import gather, scatter_add
from .batching_rules import refused
from .convert import clone, to_dtype
from .define import inplace, op
from .levels import DYNAMIC, Layered, known
from .parts import slice_along
from .place import place, zeros_as
from .promotion import as_type, fit, raw
from .views import expand, mismatch, reshape

__all__ = ["argwhere", "masked_fill", "masked_scatter", "masked_select", "nonzero", "unravel_index"]

ndarray = np.ndarray


def _mask(name: str, mask: ndarray) -> ndarray:
    if mask.dtype.kind != "b":
        raise RuntimeError(f"{name} only supports boolean masks, but got mask with dtype {_long_name(mask)}")
    return mask


def _long_name(array: ndarray) -> str:
    names = {"int64": "long int", "uint8": "unsigned char", "float32": "float", "float64": "double", "int32": "int"}
    return names.get(array.dtype.name, array.dtype.name)


def _filled(input: ndarray, mask: ndarray, value: Any) -> ndarray:
    mask = _mask("masked_fill_", mask)
    if np.ndim(value):
        raise RuntimeError(
            f"masked_fill_ only supports a 0-dimensional value tensor, but got tensor with {np.ndim(value)} "
            f"dimension(s)."
        )
    have = dtypes.of(input.dtype)
    given = dtypes.of(value.dtype) if isinstance(value, ndarray) else dtypes.of_scalar(value)
    if given.category == dtypes.COMPLEX and have.category < dtypes.COMPLEX:
        raise RuntimeError("value cannot be converted to type without overflow")
    if input.shape != mask.shape:
        try:
            np.broadcast_shapes(input.shape, mask.shape)
        except ValueError:
            raise mismatch([input.shape, mask.shape]) from None
    return in_order(np.asarray(select(mask, as_type(value, input.dtype), input)))


@op(
    "MaskedFillBackward0",
    idempotent=True,
    batch="elementwise",
    input=lambda g, input_shape, mask: _sum_to(_fill_with(g, mask, 0), input_shape),
)
def _fill_with(input, mask, value):
    return _filled(input, mask, value)


_fill_with.op.loops = False  # it writes into a copy in plain order


def _fill_batch(batch: Any, input: Any, mask: Any, value: Any) -> Any:
    rank = max(input.array.ndim, mask.array.ndim)
    tensor, mask = batch.aligned(input, rank), batch.aligned(mask, rank)
    if not batch.is_mapped(value) or value.array.ndim:
        return _fill_with_tensor(tensor, mask, batch.level.lowered(value))
    return to_dtype(batch.aligned(value, rank), input.array.dtype).where(mask, tensor)


@op(
    "MaskedFillBackward1",
    overlap="anywhere",
    idempotent=True,
    batch=_fill_batch,
    input=lambda g, input_shape, mask: _sum_to(_fill_with(g, mask, 0), input_shape),
    value=lambda g, mask, value_dtype: fit(masked_total(g, mask), (), value_dtype),
)
def _fill_with_tensor(input, mask, value):
    return _filled(input, mask, value)


def _sum_to(g: Any, shape: tuple) -> Any:
    from .reduce import sum_to_size

    return g if raw(g).shape == shape else sum_to_size(g, shape)


def masked_total(g: Any, mask: Any) -> Any:
    """The sum over where the mask is set."""
    from .reduce import sum

    return sum(masked_fill(g, mask == 0, 0) if isinstance(g, Tensor) else masked_select(g, mask))


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """The tensor with one value wherever the mask is set.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).masked_fill(torch.tensor([True, False]), 0.0)
    tensor([0., 2.])
    """
    return (_fill_with_tensor if isinstance(value, Tensor) else _fill_with)(input, mask, value)


_fill_with_in, _fill_with_tensor_in = inplace(_fill_with), inplace(_fill_with_tensor)


def masked_fill_(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """`masked_fill` in place."""
    return (_fill_with_tensor_in if isinstance(value, Tensor) else _fill_with_in)(input, mask, value)


def _masked_select_backward(g: Any, shape: tuple, mask: Any) -> Any:
    common = np.broadcast_shapes(shape, raw(mask).shape)
    wide = np.broadcast_to(raw(mask), common)
    return _sum_to(masked_scatter(zeros_as(g, common), wide, g), shape)


def _select_batch(batch: Any, input: Any, mask: Any) -> Any:
    if batch.is_mapped(mask):
        raise RuntimeError(
            "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot support this because for "
            "each batch this would return a differently shaped Tensor."
        )
    from .index import _index

    chosen = known(batch.level.lowered(mask), f"{DYNAMIC} masked_select")
    shape = np.broadcast_shapes(input.array.shape, chosen.shape)
    whole = expand(batch.aligned(input, len(shape)), (batch.size, *shape))
    if not shape:
        whole, shape = reshape(whole, (batch.size, 1)), (1,)
    return _index(whole, (None, *np.broadcast_to(chosen, shape).nonzero()))


@op(
    "MaskedSelectBackward0",
    batch=_select_batch,
    input=lambda g, input, mask: _masked_select_backward(g, input.shape, mask),
    apart=True,
)
def masked_select(input, mask):
    """The elements where the mask is set, in one axis.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2, 3]).masked_select(torch.tensor([True, False, True]))
    tensor([1, 3])
    """
    if mask.dtype.kind != "b":
        raise RuntimeError("masked_select: expected BoolTensor for mask")
    try:
        input, mask = np.broadcast_arrays(input, mask)
    except ValueError:
        raise mismatch([input.shape, mask.shape]) from None
    return input[mask]


def _in_order(mask: Any, size: int) -> Any:
    """For each place of a mask, flat, which of ``size`` elements goes there if it is set."""
    return (to_dtype(mask, np.dtype("int64")).cumsum(-1) - 1).clip(0, size - 1)


def _scatter_batch(batch: Any, input: Any, mask: Any, source: Any) -> Any:
    shape = np.broadcast_shapes(input.array.shape, raw(mask).shape)
    mask = mask if isinstance(mask, Tensor) else wrap(np.array(mask))
    wide, chosen = (expand(batch.aligned(x, len(shape)), (batch.size, *shape)) for x in (input, mask))
    if not source.array.size:
        return clone(wide)
    flat = reshape(chosen, (batch.size, -1 if wide.array.size else 0))
    values = gather(batch.flat(source), 1, _in_order(flat, source.array.size))
    return reshape(values, wide.array.shape).where(chosen, wide)


@op(
    "MaskedScatterBackward0",
    overlap="anywhere, target first",
    batch=_scatter_batch,
    input=lambda g, input_shape, mask: _sum_to(_fill_with(g, mask, 0), input_shape),
    source=lambda g, mask, source_shape: _masked_scatter_backward(g, mask, source_shape),
)
def masked_scatter(input, mask, source):
    """The tensor with the elements of ``source``, in their order, wherever the mask is set."""
    if mask.dtype.kind != "b":
        raise RuntimeError(f"masked_scatter_ only supports boolean masks, but got mask with dtype {_long_name(mask)}")
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same dtypes but got "
            f"{dtypes.CASED[dtypes.of(input.dtype)]} and {dtypes.CASED[dtypes.of(source.dtype)]}"
        )
    try:
        shape = np.broadcast_shapes(input.shape, mask.shape)
    except ValueError:
        raise mismatch([input.shape, mask.shape]) from None
    mask = np.broadcast_to(mask, shape)
    out = np.array(np.broadcast_to(input, shape))
    count = np.count_nonzero(mask)
    if count > source.size:
        raise RuntimeError(
            f"masked_scatter: expected self and source to have same number of elements: the mask has {count} ones, "
            f"source only {source.size} elements; Number of elements of source < number of ones in mask"
        )
    out[mask] = source.reshape(-1)[:count]
    return out


def _masked_scatter_backward(g: Any, mask: Any, shape: tuple) -> Any:
    common = np.broadcast_shapes(raw(g).shape, raw(mask).shape)
    size = int(np.prod(shape))
    if isinstance(mask, Layered) and size:
        flat = reshape(expand(mask, common), (-1,))
        kept = masked_fill(reshape(expand(g, common), (-1,)), flat == 0, 0)
        return reshape(scatter_add(zeros_as(g, (size,)), 0, _in_order(flat, size), kept), shape)
    part = masked_select(expand(g, common), mask)
    if raw(part).size != size:
        part = place(part, (size,), slice_along, 0, 0, raw(part).size)
    return reshape(part, shape)


@op(None, batch=refused)
def _nonzero(input):
    positions = np.atleast_1d(input).nonzero()
    return np.array(positions).T if input.ndim else np.empty((int(input != 0), 0), np.int64)


@op()
def argwhere(input):
    """The positions of the elements that are not zero, one row each."""
    return _nonzero.op.compute(input)


def nonzero(input: Tensor, *, as_tuple: bool = False, out: Tensor | None = None) -> Any:
    """The positions of the elements that are not zero: one row each, or one tensor for each axis.

    >>> import rushlight as torch
    >>> torch.tensor([0, 1, 0, 2]).nonzero()
    tensor([[1],
            [3]])
    """
    if as_tuple:
        return tuple(wrap(position.copy()) for position in np.atleast_1d(known(input, f"{DYNAMIC} nonzero")).nonzero())
    return _nonzero(input) if out is None else _nonzero(input, out=out)


def unravel_index(indices: Tensor, shape: Any) -> tuple[Tensor, ...]:
    """Positions counted through a flattened tensor of a shape, as positions along each of its axes.

    >>> import rushlight as torch
    >>> torch.unravel_index(torch.tensor([5]), (2, 3))
    (tensor([1]), tensor([2]))
    """
    if not isinstance(indices, Tensor):
        raise TypeError(f"unravel_index(): argument 'indices' must be Tensor, not {type(indices).__name__}")
    if indices.array.dtype.kind not in "iu":
        raise ValueError(f"expected 'indices' to be integer dtype, but got {indices.dtype}")
    if not isinstance(shape, (int, tuple, list)):
        raise TypeError(f"expected 'shape' to be int or sequence of ints, but got {type(shape)}")
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if any(n < 0 for n in shape):
        raise ValueError(f"'shape' cannot have negative values, but got {tuple(shape)}")
    positions, rest = [], to_dtype(indices, np.dtype("int64"))
    for n in reversed(shape):
        positions.append(rest % max(n, 1))
        rest = rest // max(n, 1)
    return tuple(reversed(positions))
