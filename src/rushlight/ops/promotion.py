"""How operands meet: common types, broadcasting and its reverse, the errors when they do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import reductions
from ..kernels.layout import arranged
from ..tensor import Tensor, wrap

ndarray = np.ndarray
float32, float64 = np.dtype("float32"), np.dtype("float64")


PLAIN = frozenset((bool, int, float, str, type(None)))
"""The types of most arguments that are no tensors, nor hold any."""


def raw(value: Any) -> Any:
    """The array of a Tensor, also inside lists and tuples; anything else as it is."""
    if isinstance(value, Tensor):
        return value.array
    kind = type(value)
    if (kind is list or kind is tuple) and not PLAIN.issuperset(map(type, value)):
        return kind(map(raw, value))
    return value


def like(g: Any, array: ndarray) -> Any:
    """An array as what a gradient is, in a rule that runs on both: a Tensor if that is one."""
    return wrap(array) if isinstance(g, Tensor) else array


def is_half(dtype: np.dtype) -> bool:
    """Whether computation on this type happens in float32 and is rounded afterwards."""
    return dtype.itemsize == 2 and (dtype.kind == "f" or dtype.kind == "V")


def result_dtype(operands: tuple, to_float: bool = False) -> dtypes.dtype:
    """The common type of arrays and Python numbers, by PyTorch's rules."""
    groups: list[dtypes.dtype | None] = [None, None, None]
    for operand in operands:
        if operand is None:
            continue
        if type(operand) is ndarray:
            weight, dtype = (0 if operand.ndim else 1), dtypes.of(operand.dtype)
        else:
            weight, dtype = 2, dtypes.of_scalar(operand)
        so_far = groups[weight]
        groups[weight] = dtype if so_far is None else dtypes.promote_types(so_far, dtype)
    common = dtypes.meet(*groups)
    return dtypes.get_default_dtype() if to_float and common.category < dtypes.FLOATING else common


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """The type that an operation on two tensors or numbers has.

    >>> import rushlight as torch
    >>> torch.result_type(torch.tensor([1]), 2.5)
    torch.float32
    """
    return result_dtype((raw(tensor1), raw(tensor2)))


def promoted(operands: tuple, to_float: bool = False) -> tuple[list, np.dtype]:
    """The operands as arrays of the type to compute in, and the type of the result."""
    dtype = single_dtype(operands)
    if dtype is not None:
        return [x if x is None or type(x) is ndarray else np.array(x, dtype) for x in operands], dtype
    dtype = result_dtype(operands, to_float).numpy
    compute = float32 if is_half(dtype) else dtype
    return [as_type(operand, compute) for operand in operands], dtype


def single_dtype(operands: tuple) -> np.dtype | None:
    """The type of the result in the usual case: arrays of one of float32 and float64, and real numbers."""
    found = None
    for operand in operands:
        kind = type(operand)
        if kind is ndarray:
            dtype = operand.dtype
            if found is None and (dtype is float32 or dtype is float64):
                found = dtype
            elif dtype is not found:
                return None
        elif kind is not float and kind is not int and operand is not None:
            return None
    return found


def as_type(operand: Any, dtype: np.dtype) -> Any:
    """An array or number as an array of a type; integers wrap around."""
    if operand is None:
        return None
    if type(operand) is not ndarray:
        operand = np.asarray(operand)
    if operand.dtype is dtype:
        return operand
    if operand.dtype.kind == "c" and dtype.kind != "c":
        operand = operand.real
    return arranged(operand.astype(dtype), (operand,))


def fit(g: Any, shape: tuple, dtype: np.dtype) -> Any:
    """The gradient of an operand that was broadcast or converted: summed over the axes it was spread along."""
    if isinstance(g, Tensor):
        from .convert import to_dtype
        from .reduce import sum_to_size

        g = g if g.array.shape == shape else sum_to_size(g, shape)
        return g if g.array.dtype is dtype else to_dtype(g, dtype)
    g = np.asarray(g)
    if g.shape != shape:
        lead = g.ndim - len(shape)
        if not shape:
            g = np.asarray(reductions.sum(g, None, False))
        elif lead < 0:
            g = g.reshape(shape) if g.size == 1 else np.broadcast_to(g, shape)
        else:
            axes = tuple(range(lead)) + tuple(
                i + lead for i, n in enumerate(shape) if n == 1 and g.shape[i + lead] != 1
            )
            g = reductions.sum(g, axes, True).reshape(shape)
    return as_type(g, dtype)


def conj(value: Any) -> Any:
    """The complex conjugate of an array or Tensor; the value itself if it is real."""
    return value.conj() if isinstance(value, (ndarray, np.generic, Tensor)) and value.dtype != bool else value


def unrecordable(array: ndarray) -> RuntimeError:
    """The error for a result that cannot have gradients, of operands that `fill_` gave a history."""
    return RuntimeError(f"Autograd not support dtype: {dtypes.CASED[dtypes.of(array.dtype)]}")


def shapes(value: Any) -> Any:
    """The shape of a tensor, or of each tensor in a list."""
    return [np.shape(raw(item)) for item in value] if type(value) in (list, tuple) else np.shape(raw(value))


def is_complex(value: Any) -> bool:
    """Whether an array or Tensor is complex."""
    return raw(value).dtype.kind == "c"


def broadcast_error(error: ValueError, operands: Sequence) -> Exception:
    """PyTorch's error for shapes that do not broadcast; the original error if it is about something else."""
    if "broadcast" not in str(error):
        return error
    arrays = [np.shape(operand) for operand in operands if operand is not None]
    for position, a in enumerate(arrays):
        for b in arrays[position + 1 :]:
            length = max(len(a), len(b))
            pairs = list(zip((1,) * (length - len(a)) + a, (1,) * (length - len(b)) + b))
            for axis in reversed(range(length)):
                m, n = pairs[axis]
                if m != n and 1 not in (m, n):
                    return RuntimeError(
                        f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton dimension "
                        f"{axis}: the shapes are {list(a)} and {list(b)}"
                    )
    return error
