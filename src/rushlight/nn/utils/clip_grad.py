"""Keeping gradients small."""

from __future__ import annotations

import types
import warnings
from collections.abc import Iterable

import numpy as np

from ... import ops
from ...autograd.modes import no_grad
from ...autograd.node import current_frame, user_place
from ...autograd.versions import touched
from ...kernels.gradients import clip_all, scale_all, total_norm
from ...ops.norms import vector_norm
from ...ops.writing import check_single
from ...tensor import Tensor, wrap


def _tensors(tensors: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [tensors] if isinstance(tensors, Tensor) else list(tensors)


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in _tensors(parameters) if parameter.grad is not None]


def _all_plain(tensors: list[Tensor]) -> bool:
    """Whether they are tensors of one of float32 and float64 that belong to no transformation."""
    dtype = tensors[0].array.dtype if tensors else None
    return dtype in (np.float32, np.float64) and all(type(x) is Tensor and x.array.dtype == dtype for x in tensors)


def _arrays(tensors: list[Tensor], name: str) -> list[np.ndarray]:
    """What plain tensors hold, which is changed in place at the user's line."""
    place = user_place(current_frame(1))
    for tensor in tensors:
        check_single(tensor.array)
        touched(tensor, name, place)
    return [tensor.array for tensor in tensors]


@no_grad()
def get_total_norm(
    tensors: Tensor | Iterable[Tensor],
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of all tensors as if they were one vector.

    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite` is set.
    """
    tensors, norm_type = _tensors(tensors), float(norm_type)
    if not tensors:
        return ops.tensor(0.0)
    if norm_type == 2 and _all_plain(tensors):
        total = wrap(np.asarray(total_norm([tensor.array for tensor in tensors]), tensors[0].array.dtype))
    else:
        total = vector_norm(ops.stack([vector_norm(tensor, norm_type) for tensor in tensors]), norm_type)
    if error_if_nonfinite and not ops.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, so it cannot be "
            "clipped. To disable this error and scale the gradients by the non-finite norm anyway, set "
            "`error_if_nonfinite=False`"
        )
    return total


@no_grad()
def clip_grads_with_norm_(
    parameters: Tensor | Iterable[Tensor], max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale the gradients by max_norm / total_norm, if that is less than 1, in place."""
    scale = (float(max_norm) / (total_norm + 1e-6)).clamp(max=1.0)
    gradients = _gradients(parameters)
    if _all_plain(gradients) and type(scale) is Tensor and not scale.ndim:
        scale_all(_arrays(gradients, "mul_"), scale.item())
        return
    for gradient in gradients:
        gradient.mul_(scale)


def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale the gradients in place so that their common norm is at most `max_norm`; return what it was.

    Raises:
        RuntimeError: the norm is not finite and `error_if_nonfinite` is set.

    Example:
        >>> import rushlight as torch
        >>> w = torch.nn.Parameter(torch.zeros(2))
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> torch.nn.utils.clip_grad_norm_([w], max_norm=1.0)
        tensor(5.)
        >>> w.grad
        tensor([0.6000, 0.8000])
    """
    generated = isinstance(parameters, types.GeneratorType)
    parameters = _tensors(parameters)
    if generated and not parameters:
        warnings.warn("`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=2)
    total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
    clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_norm(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """The old name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of `torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite)


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Cut every element of the gradients off at -clip_value and clip_value, in place."""
    limit, gradients = float(clip_value), _gradients(parameters)
    if limit >= 0 and _all_plain(gradients):
        clip_all(_arrays(gradients, "clamp_"), limit)
        return
    for gradient in gradients:
        gradient.clamp_(min=-limit, max=limit)
