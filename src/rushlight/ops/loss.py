"""Losses: how far a prediction is from its target, for each element or reduced to their mean or sum."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes, ops
from ..autograd.modes import no_grad
from ..kernels import losses as kernels
from ..tensor import Tensor
from .activation import logsigmoid
from .define import op
from .levels import everything
from .products import cased
from .promotion import raw
from .reduce import widened

__all__: list[str] = []


def legacy_reduction(size_average: bool | None, reduce: bool | None) -> str:
    """What the two arguments that older programs use say as a `reduction`; warns that they are old."""
    reduction = "none" if reduce is False else "sum" if size_average is False else "mean"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{reduction}' instead.", stacklevel=4
    )
    return reduction


def reduction_of(size_average: bool | None, reduce: bool | None, reduction: str) -> str:
    """The reduction that is asked for, also by the two arguments that older programs use.

    Raises:
        ValueError: there is no such reduction.
    """
    if size_average is not None or reduce is not None:
        reduction = legacy_reduction(size_average, reduce)
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction: it is 'mean', 'sum' or 'none'")
    return reduction


def reduced(loss: Any, reduction: str) -> Any:
    """The mean or the sum of the losses, or the losses."""
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def reduced_for_each(losses: Any, reduction: str) -> Any:
    """The losses of each element of a batch, which is their first axis, reduced."""
    if reduction == "none":
        return losses
    rows = losses.reshape(losses.shape[0], losses.array[:1].size)
    return rows.mean(1) if reduction == "mean" else rows.sum(1)


def for_each(batch: Any, *args: Any) -> Any:
    """The batching rule of a loss of pairs of elements: all losses at once, reduced for each element of the batch."""
    place = batch.spec.names.index("reduction")
    rank = max(x.array.ndim for x in args if isinstance(x, Tensor))
    values = [batch.aligned(x, rank) if isinstance(x, Tensor) else x for x in args]
    if args[0].array.ndim == rank:  # weights, which may differ along the batch, are spread over its losses
        values[0] = batch.front(args[0])
    values[place] = "none"
    return reduced_for_each(batch.perform(tuple(values), {}), args[place])


def share(input: Any, reduction: str) -> float:
    """What one element's loss counts for in the reduced one."""
    return 1.0 / raw(input).size if reduction == "mean" and raw(input).size else 1.0


def broadcast(input: Any, target: Any) -> tuple[Any, Any]:
    """Both of one shape; a warning if they were not."""
    if input.shape == target.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.shape}) that is different to the input size ({input.shape}). This will likely "
        "lead to incorrect results due to broadcasting. Please ensure they have the same size.",
        stacklevel=3,
    )
    input, target = ops.broadcast_tensors(input, target)
    return input, target


def _floating(kernel: str, *arrays: np.ndarray) -> None:
    for x in arrays:
        if x.dtype.kind not in "fV":
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{cased(x)}': convert with .float()")


def _same_type(input: Any, target: Any) -> None:
    if raw(input).dtype != raw(target).dtype:
        raise RuntimeError(f"Found dtype {cased(raw(target))} but expected {cased(raw(input))}: convert one of them")


# Losses of the difference


def _promoted_pair(input: Any, target: Any) -> tuple[Any, Any]:
    """Both in the type that they meet in."""
    if input.dtype is target.dtype:
        return input, target
    common = dtypes.promote_types(input.dtype, target.dtype)
    return input.to(common), target.to(common)


def value_of(kernel: Any, input: np.ndarray, target: np.ndarray, reduction: str, number: float = 0.0) -> np.ndarray:
    """A loss of arrays, of half precision by float32."""
    return kernel(widened(input), widened(target), reduction, number).astype(input.dtype, copy=False)


def slope_of(kernel: Any, composite: Any, g: Any, input: Any, target: Any, reduction: str, number: float = 0.0) -> Any:
    """The gradient of the input of a loss: by its kernel, or of tensors by operations."""
    if type(input) is np.ndarray and input.dtype.kind == "f" and input.itemsize > 2:
        return kernel(np.asarray(g), input, target, reduction, number)
    return composite(input, target, number) * (g * share(input, reduction))


def _mse_slope(g, input, target, reduction):
    return slope_of(kernels.mse_loss_back, lambda x, t, _: (x - t) * 2, g, input, target, reduction)


@op(
    "MseLossBackward0",
    input=_mse_slope,
    target=lambda g, input, target, reduction: _mse_slope(g, target, input, reduction),
    batch=for_each,
)
def _mse(input, target, reduction):
    _floating("mse_cpu", input)
    return value_of(kernels.mse_loss, input, target, reduction)


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The squared differences, (input - target)².

    Args:
        reduction: "mean", "sum" or "none".
        weight: a factor for each element; the mean is then divided by their sum.

    >>> import rushlight as torch
    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    input, target = _promoted_pair(*broadcast(input, target))
    if weight is not None:
        return _weighted(_mse(input, target, "none"), weight, reduction)
    return _mse(input, target, reduction)


def _weighted(losses: Any, weight: Any, reduction: str) -> Any:
    if weight.shape != losses.shape:
        raise ValueError("Inputs and weight must have the same size.")
    losses = losses * weight
    return losses.sum() / weight.sum() if reduction == "mean" else reduced(losses, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The absolute differences, |input - target|."""
    reduction = reduction_of(size_average, reduce, reduction)
    input, target = broadcast(input, target)
    losses = (input - target).abs()
    return reduced(losses, reduction) if weight is None else _weighted(losses, weight, reduction)


def _near_and_far(name: str, value: Any, back: Any, slope: Any, called: str) -> Any:
    """A loss that is quadratic near zero and linear further out; ``slope`` is its derivative."""

    def gradient(g, input, target, reduction, width):
        return slope_of(back, lambda x, t, width: slope(x - t, width), g, input, target, reduction, width)

    @op(
        name,
        input=gradient,
        target=lambda g, input, target, reduction, width: gradient(g, target, input, reduction, width),
        batch=for_each,
    )
    def loss(input, target, reduction, width):
        _floating(called, input)
        return value_of(value, input, target, reduction, width)

    return loss


_smooth_l1 = _near_and_far(
    "SmoothL1LossBackward0",
    kernels.smooth_l1_loss,
    kernels.smooth_l1_loss_back,
    lambda d, beta: ops.clamp(d / beta, -1.0, 1.0),
    "smooth_l1_cpu",
)
_huber = _near_and_far(
    "HuberLossBackward0",
    kernels.huber_loss,
    kernels.huber_loss_back,
    lambda d, delta: ops.clamp(d, -delta, delta),
    "huber_cpu",
)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """½·d²/beta where the difference d is below beta, |d| - ½·beta elsewhere.

    Raises:
        RuntimeError: ``beta`` is negative.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    input, target = broadcast(input, target)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return _smooth_l1(*_promoted_pair(input, target), reduction, float(beta))


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """½·d² where the difference d is below delta, delta·(|d| - ½·delta) elsewhere.

    Raises:
        RuntimeError: ``delta`` is not positive.
    """
    reduction = reduction_of(None, None, reduction)
    input, target = broadcast(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    input, target = _promoted_pair(input, target)
    if weight is not None:
        return _weighted(_huber(input, target, "none", float(delta)), weight, reduction)
    return _huber(input, target, reduction, float(delta))


# Losses of probabilities


def _bce_slope(g, input, target, weight, reduction):
    if weight is None:
        slope = lambda x, t, _: (x - t) / ops.clamp(x * (1 - x), min=1e-12)  # noqa: E731
        return slope_of(kernels.bce_loss_back, slope, g, input, target, reduction)
    return _scaled((input - target) / ops.clamp(input * (1 - input), min=1e-12), g, weight, input, reduction)


@op(
    "BinaryCrossEntropyBackward0",
    input=_bce_slope,
    target=lambda g, input, weight, reduction: _scaled(
        ops.clamp(ops.log(1 - input), min=-100.0) - ops.clamp(ops.log(input), min=-100.0), g, weight, input, reduction
    ),
    batch=for_each,
)
def _bce(input, target, weight, reduction):
    _floating("binary_cross_entropy", input)
    for name, x in (("input", input), ("target", target)):
        if not kernels.within_unit_interval(x):
            raise RuntimeError(f"all elements of {name} should be between 0 and 1")
    if weight is None:
        return value_of(kernels.bce_loss, input, target, reduction)
    losses = kernels.bce_loss(input, target, "none", 0.0) * weight
    return np.asarray(reduced(losses, reduction)).astype(input.dtype, copy=False)


def _scaled(slope: Any, g: Any, weight: Any, input: Any, reduction: str) -> Any:
    slope = slope * (g * share(input, reduction))
    return slope if weight is None else slope * weight


def binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """-(t·log p + (1 - t)·log(1 - p)) of probabilities p and targets t between 0 and 1.

    Raises:
        ValueError: input and target differ in shape.
        RuntimeError: a value is outside of [0, 1].
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.shape}) that is different to the input size ({input.shape}) is "
            "deprecated. Please ensure they have the same size."
        )
    _same_type(input, target)
    return _bce(input, target, None if weight is None else weight.expand(input.shape), reduction)


def _logit_slope(input, target, pos_weight):
    p = ops.sigmoid(input)
    return p - target if pos_weight is None else (1 - target) - (1 + (pos_weight - 1) * target) * (1 - p)


def _logits_gradient(g, input, target, weight, pos_weight, reduction):
    if weight is None and pos_weight is None:
        slope = lambda x, t, _: _logit_slope(x, t, None)  # noqa: E731
        return slope_of(kernels.bce_with_logits_back, slope, g, input, target, reduction)
    if type(input) is np.ndarray:
        weights = _spread(weight, input), _spread(pos_weight, input)
        return kernels.weighted_bce_with_logits_back(np.asarray(g), input, target, *weights, reduction)
    return _scaled(_logit_slope(input, target, pos_weight), g, weight, input, reduction)


def _logit_target_slope(input, pos_weight):
    return -input if pos_weight is None else -input + (pos_weight - 1) * (-logsigmoid(input))


@op(
    "BinaryCrossEntropyWithLogitsBackward0",
    input=_logits_gradient,
    target=lambda g, input, weight, pos_weight, reduction: _scaled(
        _logit_target_slope(input, pos_weight), g, weight, input, reduction
    ),
    batch=for_each,
)
def _bce_with_logits(input, target, weight, pos_weight, reduction):
    dtype = input.dtype
    if weight is None and pos_weight is None:
        return value_of(kernels.bce_with_logits, input, target, reduction)
    input, target = widened(input), widened(target)
    weights = _spread(weight, input), _spread(pos_weight, input)
    return kernels.weighted_bce_with_logits(input, target, *weights, reduction).astype(dtype, copy=False)


def _spread(weight: np.ndarray | None, input: np.ndarray) -> np.ndarray:
    """Weights in the shape of the input, 1 where none are given."""
    if weight is None:
        return np.ones(input.shape, input.dtype)
    if weight.shape == input.shape:
        return widened(weight)
    if weight.ndim > input.ndim:
        raise RuntimeError(
            f"output with shape {list(input.shape)} doesn't match the broadcast shape "
            f"{list(np.broadcast_shapes(weight.shape, input.shape))}"
        )
    return np.broadcast_to(widened(weight), input.shape)


def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """`binary_cross_entropy` of sigmoid(input), without its overflow; positives count ``pos_weight`` times.

    Raises:
        ValueError: input and target differ in shape.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(f"Target size ({target.shape}) must be the same as input size ({input.shape})")
    return _bce_with_logits(input, target, weight, pos_weight, reduction)


def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """t·(log t - input) for log-probabilities ``input`` and probabilities t (their logarithms with ``log_target``).

    Args:
        reduction: also "batchmean", the sum divided by the first size: the divergence as mathematics defines it.
    """
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size. 'batchmean' "
            "divides only by the batch size, and aligns with the KL div math definition.",
            stacklevel=2,
        )
    batchmean = reduction == "batchmean"
    reduction = "sum" if batchmean else reduction_of(size_average, reduce, reduction)
    losses = target.exp() * (target - input) if log_target else ops.xlogy(target, target) - target * input
    loss = reduced(losses, reduction)
    return loss / input.shape[0] if batchmean and input.ndim else loss


def poisson_nll_loss(
    input, target, log_input=True, full=False, size_average=None, eps=1e-8, reduce=None, reduction="mean"
):
    """Minus the log-likelihood of counts under a Poisson distribution of mean exp(input), or ``input``.

    Args:
        full: add Stirling's approximation of log(target!), for targets above 1.
    """
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    reduction = reduction_of(size_average, reduce, reduction)
    losses = input.exp() - target * input if log_input else input - target * (input + eps).log()
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * np.pi * target).log()
        losses = losses + stirling.masked_fill(target <= 1, 0)
    return reduced(losses, reduction)


def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """½·(log var + (input - target)²/var), the variance at least ``eps``; with ``full`` plus ½·log 2π.

    Raises:
        ValueError: ``var`` has neither the shape of input, nor that without the last axis, nor that with one axis of
            length 1; or a variance is negative.
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = var * ops.ones_like(input)
    elif (everything(var) < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif var.ndim != input.ndim or [m for m, n in zip(var.shape, input.shape) if m != n] != [1]:
            raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # The floor on the variance is not part of the derivative.
    var = var.clone()
    with no_grad():
        var.clamp_(min=eps)
    losses = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        losses = losses + 0.5 * np.log(2 * np.pi)
    return reduced(losses, reduction)
