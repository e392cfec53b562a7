"""The affine map of a linear layer."""

from __future__ import annotations

import numpy as np

from ..kernels.matrix import linear as affine
from ..kernels.reductions import sum as added
from . import batched_products as batched
from .define import op
from .products import _cannot_multiply, _check_types, cased, conj, flat, matmul, times, turned
from .promotion import fit, raw

__all__: list[str] = []


def _rows_times(g, weight, input_shape):
    return times(flat(g), conj(weight)).reshape(input_shape)


_PRODUCT = {
    "input": lambda g, weight, input_shape: (
        times(g, conj(weight)) if len(input_shape) == 2 else _rows_times(g, weight, input_shape)
    ),
    "weight": lambda g, input: times(turned(flat(g)), conj(flat(input))),
}


def _rows_added(g, bias_shape):
    if type(g) is np.ndarray and g.shape[1:] == bias_shape and g.ndim == 2:
        return added(g, (0,), False)
    return fit(g, bias_shape, raw(g).dtype)


_BIAS = {"bias": _rows_added}


def _linear(name: str, rules: dict):
    """The affine map, under one of the names that PyTorch's last step of it has."""

    @op(name, **rules, batch=batched.linear)
    def linear(input, weight, bias=None):
        _check_linear(input, weight, bias)
        return affine(input, weight, bias)

    return linear


def _check_linear(input: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> None:
    if input.shape[-1] != weight.shape[1]:
        raise _cannot_multiply(input, weight.T)
    if input.dtype is not weight.dtype and input.dtype != weight.dtype:
        if bias is not None:
            raise RuntimeError(f"mat1 and mat2 must have the same dtype, but got {cased(input)} and {cased(weight)}")
        _check_types(input, weight)
    if input.dtype.kind == "b":
        _check_types(input, weight)
    if bias is not None and bias.shape != weight.shape[:1] and (bias.ndim > 1 or bias.size != 1):
        rows = input.size // max(input.shape[-1], 1)
        raise RuntimeError(
            f"The expanded size of the tensor ({weight.shape[0]}) must match the existing size ({bias.shape[-1]}) at "
            f"non-singleton dimension 1.  Target sizes: [{rows}, {weight.shape[0]}].  Tensor sizes: {list(bias.shape)}"
        )
    if bias is not None and bias.dtype is not input.dtype and bias.dtype != input.dtype:
        raise RuntimeError(f"self and mat2 must have the same dtype, but got {cased(bias)} and {cased(input)}")


_linear_matrix, _linear_stack = (_linear(name, _BIAS | _PRODUCT) for name in ("AddmmBackward0", "ViewBackward0"))
_linear_matrix_plain, _linear_stack_plain, _linear_vector_plain = (
    _linear(name, _PRODUCT) for name in ("MmBackward0", "UnsafeViewBackward0", "SqueezeBackward4")
)


def linear(input, weight, bias=None, *, out=None):
    """``input @ weight.T + bias`` along the last axis: (*, in) with weight (out, in) to (*, out).

    Raises:
        RuntimeError: sizes or types do not fit.

    >>> import rushlight as torch
    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2), torch.zeros(3))
    tensor([[2., 2., 2.]])
    """
    rank = input.ndim
    into = {} if out is None else {"out": out}
    if weight.ndim != 2 or not rank:
        result = matmul(input, weight if weight.ndim < 2 else weight.mT, **into)
        return result if bias is None else result + bias
    if bias is not None:
        return (_linear_matrix if rank == 2 else _linear_stack)(input, weight, bias, **into)
    chosen = _linear_matrix_plain if rank == 2 else _linear_vector_plain if rank == 1 else _linear_stack_plain
    return chosen(input, weight, **into)
