"""Losses that push scores or distances apart by a margin."""

from __future__ import annotations

import numpy as np

from .. import ops
from ..autograd.modes import is_grad_enabled
from ..kernels import losses as kernels
from ..tensor import Tensor
from .activation import logsigmoid
from .define import op
from .loss import for_each, reduced, reduced_for_each, reduction_of, slope_of, value_of
from .norms import pairwise_distance
from .products import cased
from .promotion import raw

__all__ = ["cosine_embedding_loss", "hinge_embedding_loss", "margin_ranking_loss", "triplet_margin_loss"]


def hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"):
    """Distances of similar pairs (target 1), and what dissimilar ones (target -1) lack of the margin."""
    reduction = reduction_of(size_average, reduce, reduction)
    apart = ops.where(target != 1, (margin - input).clamp_min(0), 0.0)
    near = ops.where(target != -1, input, 0.0)
    return reduced(apart + near, reduction)


def margin_ranking_loss(input1, input2, target, margin=0.0, size_average=None, reduce=None, reduction="mean"):
    """max(0, -target·(input1 - input2) + margin): the first is to rank higher where the target is 1.

    Raises:
        RuntimeError: the arguments have different numbers of axes.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if not input1.ndim == input2.ndim == target.ndim:
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: input1: "
            f"{input1.shape}, input2: {input2.shape}, target: {target.shape} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


def cosine_embedding_loss(input1, input2, target, margin=0.0, size_average=None, reduce=None, reduction="mean"):
    """1 - cos for similar pairs (target 1), max(0, cos - margin) for dissimilar ones (target -1).

    Raises:
        RuntimeError: the inputs are not (N, D) with targets (N,), or (D,) with a 0-dim target.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if target.ndim not in (0, 1):
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.ndim != input1.ndim - 1 or target.ndim != input2.ndim - 1:
        raise RuntimeError(
            f"{target.ndim}D target tensor expects {target.ndim + 1}D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    small = 1e-12
    products = (input1 * input2).sum(target.ndim)
    squares = ((input1 * input1).sum(target.ndim) + small) * ((input2 * input2).sum(target.ndim) + small)
    cosines = products / squares.sqrt()
    near = ops.where(target == 1, 1 - cosines, 0.0)
    apart = ops.where(target == -1, (cosines - margin).clamp_min(0), 0.0)
    return reduced(near + apart, reduction)


def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, size_average=None, reduce=None, reduction="mean"
):
    """max(0, d(anchor, positive) - d(anchor, negative) + margin) for the distance of the p-norm.

    Args:
        swap: take the distance of positive and negative where it is smaller than that of anchor and negative.

    Raises:
        ValueError: the margin is not positive.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but "
            f"got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    return _triplet(anchor, positive, negative, lambda a, b: pairwise_distance(a, b, p, eps), margin, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """`triplet_margin_loss` for any distance function of two tensors, `pairwise_distance` by default.

    Raises:
        ValueError: the margin is not positive.
    """
    reduction = reduction_of(None, None, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    if not anchor.ndim == positive.ndim == negative.ndim:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of dimensions, but "
            f"got: anchor {anchor.ndim}D, positive {positive.ndim}D, and negative {negative.ndim}D inputs"
        )
    return _triplet(anchor, positive, negative, distance_function or pairwise_distance, margin, swap, reduction)


def _triplet(anchor, positive, negative, distance, margin, swap, reduction):
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = ops.minimum(far, distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)


@op(
    "SoftMarginLossBackward0",
    input=lambda g, input, target, reduction: slope_of(
        kernels.soft_margin_loss_back, lambda x, t, _: -t * ops.sigmoid(-t * x), g, input, target, reduction
    ),
    batch=for_each,
)
def _soft_margin(input, target, reduction):
    return value_of(kernels.soft_margin_loss, input, target, reduction)


def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """log(1 + exp(-target·input)), for targets 1 and -1.

    Raises:
        RuntimeError: the target requires grad: there is no derivative by it.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if is_grad_enabled() and target.requires_grad:
        raise RuntimeError(
            "The function 'soft_margin_loss' is not differentiable with respect to argument 'target'. This input "
            "cannot have requires_grad True: pass target.detach()."
        )
    if input.shape != target.shape:
        input, target = ops.broadcast_tensors(input, target)
    return _soft_margin(input, target, reduction)


# Losses of several classes. Their derivatives are step functions: the second ones are zero.


def _mask_rule(g, slopes, reduction):
    """The gradient from the slopes of the rows' losses, (N, C)."""
    rows = len(slopes)
    if reduction == "none":
        return slopes * g.reshape(-1, 1)
    return slopes * (g / rows if reduction == "mean" and rows else g)


def _rows_for_each(several):
    """vmap: the losses of the rows of all elements at once; a row's target is one class, or ``several``."""

    def rule(batch, input, target, *args):
        place = batch.spec.names.index("reduction") - 2
        weight = next((x for x in args if isinstance(x, Tensor)), None)
        rest = [None if x is weight else x for x in args]
        rest[place] = "none"
        rows = batch.front(input)
        rows = rows.reshape(-1, *rows.shape[max(input.ndim, 1) :]) if input.ndim else rows.unsqueeze(1)
        right = batch.front(target).reshape(rows.shape if several else rows.shape[:1])
        losses, slopes = batch.perform((rows, right, *rest), {})
        losses = losses.reshape(batch.size, *(input.shape[:-1] if several else target.shape))
        slopes = slopes.reshape(batch.size, -1, slopes.shape[-1])
        if weight is not None:
            factors = batch.front(weight).detach().gather(1, right.reshape(batch.size, -1))
            losses, slopes = losses * factors.reshape(losses.shape), slopes * factors.unsqueeze(-1)
        return reduced_for_each(losses, args[place]), slopes

    return rule


@op(
    "MultiMarginLossBackward0",
    flat=True,
    input=lambda g, input, slopes, reduction: _mask_rule(g, slopes, reduction).reshape(input.shape),
    outputs=("result", "slopes"),
    nondifferentiable=("slopes",),
    batch=_rows_for_each(several=False),
)
def _multi_margin(input, target, p, margin, weight, reduction):
    rows = input if input.ndim == 2 else input.reshape(1, -1)
    n, classes = rows.shape
    right = target.reshape(-1)
    if right.size and not (right.min() >= 0 and right.max() < classes):
        raise RuntimeError("target out of range")
    lack = margin - rows[np.arange(n), right][:, None] + rows
    positive = np.maximum(lack, 0)
    positive[np.arange(n), right] = 0
    factor = (1 if weight is None else weight[right][:, None]) / classes
    losses = ((positive if p == 1 else positive * positive) * factor).sum(1)
    slopes = ((positive > 0) if p == 1 else 2 * positive) * factor
    slopes[np.arange(n), right] = -slopes.sum(1)
    return _per_row(losses, reduction, target, input), slopes.astype(input.dtype, copy=False)


def _per_row(losses, reduction, target, input):
    out = losses.reshape(target.shape) if reduction == "none" else reduced(losses, reduction)
    return np.asarray(out).astype(input.dtype, copy=False)


def multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"):
    """Σⱼ max(0, margin - x[right] + x[j])ᵖ / C over the wrong classes j: input (N, C) or (C,), target (N,) or ().

    Raises:
        ValueError: ``p`` is not 1 or 2, or ``weight`` is not 1-D.
        RuntimeError: shapes do not fit, or a target is not a class.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.ndim != 1:
        raise ValueError("weight must be one-dimensional")
    if input.ndim > 2 or 0 in input.shape[1:] or input.shape == (0,):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    rows = input.shape[0] if input.ndim == 2 else 1
    if target.ndim > 1 or target.numel() != rows:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of input samples (batch "
            f"size). Expected target size [{rows}], but got {list(target.shape)}. Input has shape {list(input.shape)}."
        )
    classes = input.shape[-1] if input.ndim else 1
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(f"inconsistent weight size, expected {classes} but got {list(weight.shape)}")
    if raw(target).dtype != np.int64:
        raise RuntimeError(f"expected scalar type Long but found {cased(raw(target))}")
    return _multi_margin(input, target, p, margin, weight, reduction)[0]


@op(
    "MultilabelMarginLossBackward0",
    flat=True,
    input=lambda g, input, slopes, reduction: _mask_rule(g, slopes, reduction).reshape(input.shape),
    outputs=("result", "slopes"),
    nondifferentiable=("slopes",),
    batch=_rows_for_each(several=True),
)
def _multilabel_margin(input, target, reduction):
    rows, labels = input.reshape(-1, input.shape[-1]), target.reshape(-1, input.shape[-1])
    n, classes = rows.shape
    valid = np.logical_and.accumulate(labels >= 0, 1)  # labels count up to the first negative one
    right = np.zeros((n, classes), bool)
    each = np.arange(n)[:, None].repeat(classes, 1)
    right[each[valid], labels[valid]] = True
    scores = np.take_along_axis(rows, np.where(valid, labels, 0), 1)
    lack = 1 - scores[:, :, None] + rows[:, None, :]
    active = (lack > 0) & valid[:, :, None] & ~right[:, None, :]
    losses = np.where(active, lack, 0).sum((1, 2)) / classes
    slopes = active.sum(1).astype(input.dtype)
    np.subtract.at(slopes, (each[valid], labels[valid]), active.sum(2)[valid].astype(input.dtype))
    shaped = losses.reshape(input.shape[:-1]) if reduction == "none" else reduced(losses, reduction)
    return np.asarray(shaped).astype(input.dtype, copy=False), slopes / classes


def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """Σ max(0, 1 - x[right] + x[wrong]) / C over pairs of right and wrong classes: input and target (N, C) or (C,).

    A row of ``target`` lists the right classes and ends with -1.

    Raises:
        RuntimeError: shapes do not fit.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    if input.ndim > 2 or 0 in input.shape[1:] or input.shape == (0,):
        raise RuntimeError(
            f"Expected non-empty vector or matrix with optional 0-dim batch size, but got: {list(input.shape)}"
        )
    if target.shape != input.shape:
        raise RuntimeError(f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}")
    if not input.ndim:
        return _multilabel_margin(input.reshape(1), target.reshape(1), reduction)[0].reshape(())
    return _multilabel_margin(input, target, reduction)[0]


def multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None, reduction="mean"):
    """The mean over classes of `binary_cross_entropy_with_logits`."""
    reduction = reduction_of(size_average, reduce, reduction)
    losses = -(target * logsigmoid(input) + (1 - target) * logsigmoid(-input))
    if weight is not None:
        losses = losses * weight
    return reduced(losses.sum(-1) / input.shape[-1], reduction)
