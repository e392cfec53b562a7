"""One value written into a tensor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.node import current_frame
from ..tensor import Tensor
from .define import inplace, op
from .inplace import copy
from .place import zeros_as
from .promotion import as_type, raw
from .views import expand
from .writing import bump, unrecorded

__all__ = ["fill", "fill_", "zero_"]


def _fill_number(input, value):
    if not isinstance(value, (int, float, complex, np.generic)):
        raise TypeError(
            f"fill_() received an invalid combination of arguments - got ({type(value).__name__}), but expected one "
            "of: (Tensor value) (Number value)"
        )
    if isinstance(value, complex) and input.dtype.kind != "c":
        raise RuntimeError(f"value cannot be converted to type {dtypes.of(input.dtype)} without overflow")
    return np.full_like(input, as_type(np.array(value), input.dtype))


def _fill_tensor(input, value):
    if value.ndim:
        raise RuntimeError(f"fill_ only supports 0-dimension value tensor but got tensor with {value.ndim} dimensions.")
    return np.full_like(input, as_type(value, input.dtype))


def _total(g: Any, dtype: np.dtype) -> Any:
    from .convert import to_dtype
    from .reduce import sum

    total = sum(g)
    return total if raw(total).dtype == dtype else to_dtype(total, dtype)


def _fill_batch(batch: Any, input: Any, value: Any) -> Any:
    """One value for each element of the batch."""
    if not batch.is_mapped(value) or value.array.ndim:
        return _tensor(batch.front(input), batch.level.lowered(value))
    return copy(batch.front(input), batch.aligned(value, input.array.ndim))


NUMBER = {"input": lambda g, input_shape: zeros_as(g, input_shape), "batch": "leading"}
TENSOR = {
    "input": NUMBER["input"], "value": lambda g, value_dtype: _total(g, value_dtype), "batch": _fill_batch,
}  # fmt: skip
_number, _tensor = op("FillBackward0", **NUMBER)(_fill_number), op("FillBackward1", **TENSOR)(_fill_tensor)
_number_in, _tensor_in = (
    inplace(op("FillBackward2", idempotent=True, **NUMBER)(_fill_number)),
    inplace(op("FillBackward3", overlap="anywhere", **TENSOR)(_fill_tensor)),
)


@op("ZeroBackward0", batch="leading", idempotent=True, input=lambda g, input_shape: zeros_as(g, input_shape))
def _zero(input):
    return np.zeros_like(input)


_zero_recorded = inplace(_zero)


def zero_(input: Tensor) -> Tensor:
    """Zeros in every place."""
    if not unrecorded(input):
        return _zero_recorded(input)
    input.array.fill(0)
    bump(input, "zero_", current_frame(1))
    return input


def fill(input: Tensor, value: Any) -> Tensor:
    """A tensor of this shape and type with one value in every place."""
    return (_tensor if isinstance(value, Tensor) else _number)(input, value)


def fill_(input: Tensor, value: Any) -> Tensor:
    """`fill` in place.

    >>> import rushlight as torch
    >>> torch.zeros(2).fill_(3)
    tensor([3., 3.])
    """
    return (_tensor_in if isinstance(value, Tensor) else _number_in)(input, value)


def fill_diagonal_(input: Tensor, fill_value: Any, wrap: bool = False) -> Tensor:
    """Write a value on the main diagonal; with ``wrap``, again after every square block of a tall matrix."""
    from .strided import as_strided

    shape = input.array.shape
    if len(shape) < 2:
        raise RuntimeError("dimensions must larger than 1")
    if len(shape) > 2 and len(set(shape)) > 1:
        raise RuntimeError("all dimensions of input must be of equal length")
    strides = input.stride()
    step = sum(strides)
    count = min(shape)
    diagonal = as_strided(input, (count,), (step,), input.storage_offset())
    fill_(diagonal, fill_value)
    if wrap and len(shape) == 2 and shape[0] > shape[1] + 1:
        start = input.storage_offset() + strides[0] * (shape[1] + 1)
        left = shape[0] - shape[1] - 1
        while left > 0:
            fill_(as_strided(input, (min(left, shape[1]),), (step,), start), fill_value)
            start += strides[0] * (shape[1] + 1)
            left -= shape[1] + 1
    return input


# By a function of the user's, element by element: versions are not counted, as in PyTorch


def _write_each(name: str, function: Callable, target: Tensor, *others: Tensor) -> Tensor:
    if any(tensor.requires_grad for tensor in (target, *others)):
        raise RuntimeError(f"Can't call {name}() on Variable that requires grad. Use var.detach().{name}() instead.")
    for position, other in enumerate(others):
        if other.array.dtype != target.array.dtype:
            have, want = (f"torch.{dtypes.CASED[tensor.dtype]}Tensor" for tensor in (other, target))
            argument = "other" if len(others) == 1 else "xy"[position]
            raise TypeError(f"{name}: expected {want} for '{argument}' (got {have})")
    array = target.array
    arrays = [array, *(expand(other, array.shape).array for other in others)]
    for place in np.ndindex(array.shape):
        value = function(*(each[place].item() for each in arrays))
        if not isinstance(value, (int, float, complex)):
            raise TypeError(f"must be real number, not {type(value).__name__}")
        array[place] = as_type(np.array(value), array.dtype)
    return target


def apply_(input: Tensor, callable: Callable) -> Tensor:
    """Replace each element by what a function makes of it.

    Raises:
        RuntimeError: the tensor requires grad.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).apply_(lambda x: x * 10)
    tensor([10., 20.])
    """
    return _write_each("apply_", callable, input)


def map_(input: Tensor, other: Tensor, callable: Callable) -> Tensor:
    """Replace each element by what a function makes of it and of that of a second tensor, which is broadcast."""
    return _write_each("map_", callable, input, other)


def map2_(input: Tensor, x: Tensor, y: Tensor, callable: Callable) -> Tensor:
    """Replace each element by what a function makes of it and of those of two other tensors, which are broadcast."""
    return _write_each("map2_", callable, input, x, y)
