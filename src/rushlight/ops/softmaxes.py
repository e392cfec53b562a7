"""The softmax family: exponentials over their sum."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..kernels import softmaxes as kernels
from ..tensor import Tensor
from .along import scatter
from .axes import axis, numpy_names
from .define import op
from .extremes import argmax
from .fast import parametric
from .place import zeros_as
from .powers import exp
from .promotion import raw
from .reduce import called, converted, to_out, widened
from .reduce import sum as add_up

__all__ = ["log_softmax", "softmax"]


def _checked(x: np.ndarray, dim: int, name: str) -> tuple[np.ndarray, int]:
    """The elements, half precision as float32, in lines along an axis."""
    if x.dtype.kind not in "fV" and x.size:
        raise NotImplementedError(f"\"{name}_lastdim_kernel_impl\" not implemented for '{called(x)}'")
    if not -x.ndim <= dim < x.ndim:
        axis(dim, x.ndim)
    x = widened(x)
    return (x, dim % x.ndim) if x.ndim else (x.reshape(1), 0)


def _softmax_gradient(g: Any, result: Any, dim: int) -> Any:
    if type(g) is np.ndarray and g.ndim:
        return kernels.softmax_back(g, result, dim % g.ndim)
    weighted = g * result
    return weighted - result * add_up(weighted, dim, True)


@op("SoftmaxBackward0", batch="dim", input=_softmax_gradient)
def _softmax(input, dim):
    return kernels.softmax(*_checked(input, dim, "softmax")).reshape(input.shape).astype(input.dtype, copy=False)


_softmax = parametric(_softmax, _softmax.op.compute, _softmax_gradient, "result")


def _log_softmax_gradient(g: Any, result: Any, dim: int) -> Any:
    if type(g) is np.ndarray and g.ndim:
        return kernels.log_softmax_back(g, result, dim % g.ndim)
    return g - exp(result) * add_up(g, dim, True)


@op("LogSoftmaxBackward0", batch="dim", input=_log_softmax_gradient)
def _log_softmax(input, dim):
    x, dim = _checked(input, dim, "log_softmax")
    return kernels.log_softmax(x, dim).reshape(input.shape).astype(input.dtype, copy=False)


_log_softmax = parametric(_log_softmax, _log_softmax.op.compute, _log_softmax_gradient, "result")


def _implicit_dim(name: str, ndim: int) -> int:
    """The axis that old programs mean by leaving it out."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=3,
    )
    return 0 if ndim in (0, 1, 3) else 1


@numpy_names
def softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3, out: Any = None) -> Any:
    """Exponentials over their sum along an axis: positive numbers that add up to one.

    Raises:
        NotImplementedError: the elements are integers and no floating-point ``dtype`` is asked for.

    >>> import rushlight as torch
    >>> torch.softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmax", raw(input).ndim)
    if dtype is not None:
        input = converted(input, dtype)
    return _softmax(input, dim, **to_out(out)) if out is not None else _softmax(input, dim)


@numpy_names
def log_softmax(input: Any, dim: int | None = None, dtype: Any = None, *, _stacklevel: int = 3, out: Any = None) -> Any:
    """The logarithm of `softmax`, without its rounding to zero.

    >>> import rushlight as torch
    >>> torch.log_softmax(torch.tensor([0.0, 0.0]), 0)
    tensor([-0.6931, -0.6931])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", raw(input).ndim)
    if dtype is not None:
        input = converted(input, dtype)
    return _log_softmax(input, dim, **to_out(out)) if out is not None else _log_softmax(input, dim)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """`softmax` of the negative.

    >>> import rushlight as torch
    >>> torch.nn.functional.softmin(torch.tensor([0.0, 0.0]), 0)
    tensor([0.5000, 0.5000])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.ndim)
    return softmax(-input, dim, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A sample from the Gumbel-softmax distribution: one-hot in the forward direction with ``hard``, soft in backward.

    Jang, Gu and Poole, "Categorical Reparameterization with Gumbel-Softmax", 2017.

    Args:
        logits: log-probabilities, not normalised.
        tau: the temperature: the lower, the closer to one-hot.
        eps: has no effect.
    """
    noise = -logits.detach().clone().exponential_().log()
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    place = argmax(soft.detach(), dim, True)
    one_hot = scatter(zeros_as(soft, soft.array.shape), dim, place, 1.0)
    return one_hot - soft.detach() + soft
