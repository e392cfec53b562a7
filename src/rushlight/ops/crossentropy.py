"""Cross entropy and the negative log-likelihood of classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import ops
from ..kernels import crossentropy as kernels
from ..tensor import Tensor
from .affine import linear
from .define import op
from .levels import everything, open_levels
from .loss import _floating, reduced, reduction_of
from .products import cased
from .promotion import float32, float64, is_half, raw
from .sizes import shaped

__all__: list[str] = []

CLASS_TYPES = (np.dtype("int64"), np.dtype("uint8"))


def _wide(input: Any) -> Any:
    return input.astype(np.float32) if input is not None and input.dtype.itemsize == 2 else input


# vmap: the rows of all elements of the batch in one operation, and the reduction of each element afterwards.


def _rows_of_all(batch, input, target, ignore_index):
    """The rows of all elements, their classes, and the arguments that have their losses one by one."""
    x, classes = batch.front(input), batch.front(target)
    x = x if input.ndim == 1 else x.flatten(0, 1)
    classes = classes.reshape(x.shape[0], *x.shape[2:])
    return x, classes, (classes, None, "none", ignore_index)


def _counts_of_all(batch, target, weight, ignore_index):
    """What each row counts for, (B, *) like the target, or None if all count 1."""
    classes = batch.front(target)
    if weight is None:
        return None if ignore_index is None else classes != ignore_index
    counted = None if ignore_index is None else classes != ignore_index
    known = classes if counted is None else ops.where(counted, classes, 0)
    weights = batch.front(weight).detach().gather(1, known.reshape(batch.size, -1).long()).reshape(classes.shape)
    return weights if counted is None else ops.where(counted, weights, 0.0)


def _reduced_for_each(batch, losses, target, weight, reduction, ignore_index):
    """The losses of all rows, weighed and reduced for each element of the batch."""
    losses = losses.reshape(batch.size, *target.shape)
    counts = _counts_of_all(batch, target, weight, ignore_index)
    if weight is not None:
        losses = ops.where(counts == 0, 0.0, losses * counts)
    if reduction == "none":
        return losses
    total = losses.reshape(batch.size, -1).sum(1)
    if reduction == "sum":
        return total
    return total / (target.numel() if counts is None else counts.reshape(batch.size, -1).sum(1))


def _likelihood_of_all(batch, input, target, weight, reduction, ignore_index):
    x, _, rest = _rows_of_all(batch, input, target, ignore_index)
    return _reduced_for_each(batch, batch.perform((x, *rest), {}), target, weight, reduction, ignore_index)


def _cross_entropy_of_all(batch, input, target, weight, reduction, ignore_index):
    x, _, rest = _rows_of_all(batch, input, target, ignore_index)
    losses, normaliser = batch.perform((x, *rest), {})
    losses = _reduced_for_each(batch, losses, target, weight, reduction, ignore_index)
    return losses, normaliser.reshape(batch.size, -1, 2)


def _place_in_all(batch, g, target, weight, reduction, ignore_index, shape):
    counts = _counts_of_all(batch, target, weight, ignore_index)
    scale = batch.aligned(g, target.ndim)
    if reduction == "mean":
        total = target.numel() if counts is None else counts.reshape(batch.size, -1).sum(1)
        scale = scale / (total if counts is None else total.reshape(-1, *(1,) * target.ndim))
    if weight is not None:
        scale = scale * counts
    classes = batch.front(target)
    rows = classes.flatten(0, 1) if len(shape) > 1 else classes.reshape(-1)
    scale = scale.expand(classes.shape).reshape(rows.shape)
    whole = (rows.shape[0], *shape[-1:]) if len(shape) == 1 else (rows.shape[0], *shape[1:])
    return batch.perform((scale, rows, None, "none", ignore_index, whole), {}).reshape(batch.size, *shape)


def _log_likelihood(name: str) -> Any:
    """The operation under one of the names that PyTorch's last step of it has, and its transpose."""

    def gradient(g, input, target, weight, reduction, ignore_index):
        if isinstance(g, Tensor):
            return place(g, target, weight, reduction, ignore_index, input.shape)
        return kernels.nll_loss_back(np.asarray(g), target, _wide(weight), ignore_index, reduction, input.shape)

    @op(f"{name}Backward0", flat=True, input=gradient, batch=_likelihood_of_all)
    def nll_loss(input, target, weight, reduction, ignore_index):
        loss = kernels.nll_loss(_wide(input), target, _wide(weight), ignore_index, reduction)
        return loss if loss.dtype is input.dtype else loss.astype(input.dtype)

    @op(
        f"{name}BackwardBackward0",
        input=lambda g, target, weight, reduction, ignore_index: nll_loss(g, target, weight, reduction, ignore_index),
        batch=_place_in_all,
    )
    def place(input, target, weight, reduction, ignore_index, shape):
        placed = kernels.nll_loss_back(_wide(input), target, _wide(weight), ignore_index, reduction, tuple(shape))
        return placed.astype(input.dtype, copy=False)

    nll_loss.transpose = place
    return nll_loss


_nll, _nll_2d, _nll_nd = (_log_likelihood(name) for name in ("NllLoss", "NllLoss2D", "View"))


def _softmax_minus_target(g, input, target, weight, reduction, ignore_index, normaliser):
    if isinstance(g, Tensor):
        return _in_two_steps(g, input, target, weight, reduction, ignore_index)
    g, weight = np.asarray(g), weight if weight is None else _wide(weight)
    return kernels.cross_entropy_back(g, input, target, weight, ignore_index, reduction, 0.0, normaliser)


def _in_two_steps(g, input, target, weight, reduction, ignore_index):
    """The gradient in operations that have derivatives: that of the likelihood, then that of the logarithm."""
    place = _by_shape(_nll, _nll_2d, _nll_nd, input, reduction).transpose
    classes = 0 if input.ndim == 1 else 1
    placed = place(g, target, weight, reduction, ignore_index, input.array.shape)
    return placed - ops.softmax(input, classes) * placed.sum(classes, True)


def _fused(name: str) -> Any:
    """log_softmax and nll_loss at once."""

    @op(
        f"{name}Backward0",
        input=_softmax_minus_target,
        outputs=("result", "normaliser"),
        nondifferentiable=("normaliser",),
        aside=True,
        batch=_cross_entropy_of_all,
    )
    def cross_entropy(input, target, weight, reduction, ignore_index):
        if input.dtype.itemsize > 2:
            weight = weight if weight is None else _wide(weight)
            return kernels.cross_entropy(input, target, weight, ignore_index, reduction, 0.0)
        loss, normaliser = kernels.cross_entropy(_wide(input), target, _wide(weight), ignore_index, reduction, 0.0)
        return loss.astype(input.dtype), normaliser

    return cross_entropy


_cross_entropy, _cross_entropy_2d, _cross_entropy_nd = (_fused(name) for name in ("NllLoss", "NllLoss2D", "View"))


def _by_shape(plain: Any, two: Any, many: Any, input: Any, reduction: str) -> Any:
    if input.ndim <= 2:
        return plain
    return two if input.ndim == 4 or reduction != "none" else many


def _likelihood(input, target, weight, reduction, ignore_index):
    chosen = _by_shape(_nll, _nll_2d, _nll_nd, input, reduction)
    return chosen(input, target, weight, reduction, ignore_index)


def _unequal_batches(x: np.ndarray, t: np.ndarray) -> ValueError:
    have, want = (a.shape[0] if a.ndim else 1 for a in (x, t))
    words = f"Expected input batch_size ({have}) to match target batch_size ({want})."
    return ValueError(shaped(words, "nll_loss", input=x, target=t))


def _check_shapes(x: np.ndarray, t: np.ndarray) -> None:
    """Refuse a target that has not one class for each row of the input."""
    if x.ndim == 0 or (x.ndim == 1 and t.ndim > 0 and t.shape[:1] != (1,)):
        raise _unequal_batches(x, t)
    if x.ndim > 1:
        if t.ndim == 0 or x.shape[0] != t.shape[0]:
            raise _unequal_batches(x, t)
        if x.ndim == 2 and t.ndim > 1:
            raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
        if x.shape[2:] != t.shape[1:]:
            words = f"Expected target size {[x.shape[0], *x.shape[2:]]}, got {list(t.shape)}"
            raise RuntimeError(shaped(words, "nll_loss", input=x, target=t))


def _check(input: Any, target: Any, weight: Any, ignore_index: int) -> int | None:
    """Refuse a target that names no class of the input; give ``ignore_index`` back if it occurs, else None."""
    x, t = raw(input), raw(target)
    if x.ndim < 2 or t.shape != x.shape[:1] + x.shape[2:]:
        _check_shapes(x, t)
    classes = x.shape[0] if x.ndim == 1 else x.shape[1]
    if t.dtype not in CLASS_TYPES:
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {cased(t)}: convert it with .long()")
    if weight is not None and raw(weight).shape != (classes,):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but got weight tensor "
            f"of shape: {list(raw(weight).shape)}"
        )
    t = everything(target)
    right, ignored = kernels.are_classes(t, classes, ignore_index)
    if not right:
        wrong = t[(t != ignore_index) & ((t >= classes) | (t < 0))]
        raise IndexError(
            f"Target {wrong.flat[0]} is out of bounds. There are {classes} classes, from 0 to {classes - 1}."
        )
    return ignore_index if ignored else None


def nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"):
    """Minus the log-probability of the right class: input (N, C, *) or (C,), target of class numbers (N, *) or ().

    Args:
        weight: what each class counts for; the mean is divided by the sum of weights.
        ignore_index: rows of this class do not count.

    Raises:
        IndexError: a target is not a class.
        ValueError, RuntimeError: shapes or types do not fit.
    """
    reduction = reduction_of(size_average, reduce, reduction)
    _floating("nll_loss_out_frame", raw(input))
    ignore_index = _check(input, target, weight, ignore_index)
    return _likelihood(input, target, weight, reduction, ignore_index)


def cross_entropy(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean", label_smoothing=0.0
):
    """Minus the log of softmax of the right class: logits (N, C, *) or (C,), target of class numbers or probabilities.

    Args:
        target: class numbers (N, *) or (), or probabilities of the shape of ``input``.
        weight: what each class counts for.
        ignore_index: rows of this class do not count.
        label_smoothing: how much of the target goes to all classes evenly.

    Raises:
        IndexError: a target is not a class.
        ValueError, RuntimeError: shapes or types do not fit.

    >>> import rushlight as torch
    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 4), torch.tensor([2]))
    tensor(1.3863)
    """
    reduction = reduction_of(size_average, reduce, reduction)
    x = raw(input)
    _floating("log_softmax_lastdim_kernel_impl", x)
    if x.ndim and raw(target).shape == x.shape:
        if raw(target).dtype.kind not in "fV":
            raise RuntimeError(
                f"Expected floating point type for target with class probabilities, got {cased(raw(target))}"
            )
        if _is_plain(input, target, weight):
            chosen = _soft_mean if reduction == "mean" else _soft_sum
            return chosen(input, target, weight, reduction, label_smoothing)[0]
        return _of_probabilities(input, target, weight, reduction, label_smoothing)
    if not 0 <= label_smoothing <= 1:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing}")
    ignore_index = _check(input, target, weight, ignore_index)
    if label_smoothing:
        plain = _is_plain(input, input, weight)
        chosen = _fused_smoothed if plain else _smoothed
        loss = chosen(input, target, weight, reduction, ignore_index, label_smoothing)
        return loss[0] if plain else loss
    chosen = _by_shape(_cross_entropy, _cross_entropy_2d, _cross_entropy_nd, input, reduction)
    return chosen(input, target, weight, reduction, ignore_index)[0]


def _across_classes(weight: Any, input: Any) -> Any:
    return weight.reshape(-1, *(1,) * max(input.ndim - 2, 0))


def _of_probabilities(input, target, weight, reduction, label_smoothing):
    """`cross_entropy` with probabilities in other operations, by which all arguments have derivatives of any order."""
    classes = 0 if input.ndim == 1 else 1
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / input.shape[classes]
    losses = ops.log_softmax(input, classes) * target
    if weight is not None:
        losses = losses * _across_classes(weight, input)
    if reduction == "mean":
        return -(losses.sum() / max(input.numel() // input.shape[classes], 1) if input.numel() else losses.sum() / 0.0)
    return reduced(-losses.sum(classes), reduction)


def _smoothed(input, target, weight, reduction, ignore_index, label_smoothing):
    """`cross_entropy` with smoothed labels in other operations."""
    classes = 0 if input.ndim == 1 else 1
    log_probabilities = ops.log_softmax(input, classes)
    hard = _likelihood(log_probabilities, target, weight, reduction, ignore_index)
    if weight is not None:
        log_probabilities = log_probabilities * _across_classes(weight, input)
    counted = target == target if ignore_index is None else target != ignore_index
    even = ops.where(counted, -log_probabilities.sum(classes), 0.0)
    if reduction == "mean":
        if weight is None:
            even = even.sum() / counted.sum()
        else:
            even = even.sum() / ops.where(counted, weight[ops.where(counted, target, 0)], 0.0).sum()
    else:
        even = reduced(even, reduction)
    return hard * (1 - label_smoothing) + even * (label_smoothing / input.shape[classes])


# The same as one operation each. The names of nodes are those of PyTorch's last steps.


def _is_plain(input: Any, target: Any, weight: Any) -> bool:
    """Whether losses that involve all classes are one operation: for the derivative by the logits."""
    x, t = raw(input), raw(target)
    if open_levels.get() or not x.size or x.dtype not in (float32, float64) or t.dtype is not x.dtype:
        return False
    if weight is not None and (weight.requires_grad or raw(weight).shape != x.shape[x.ndim > 1 :][:1]):
        return False
    return target is input or not target.requires_grad


def _smoothed_back(g, input, target, weight, reduction, ignore_index, label_smoothing, normaliser):
    g = np.asarray(g)
    return kernels.cross_entropy_back(g, input, target, weight, ignore_index, reduction, label_smoothing, normaliser)


@op(
    "AddBackward0",
    input=_smoothed_back,
    outputs=("result", "normaliser"),
    nondifferentiable=("normaliser",),
    composite=_smoothed,
    aside=True,
)
def _fused_smoothed(input, target, weight, reduction, ignore_index, label_smoothing):
    return kernels.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing)


def _soft_back(g, input, target, weight, reduction, label_smoothing, normaliser):
    g = np.asarray(g)
    return kernels.soft_cross_entropy_back(g, input, target, weight, reduction, label_smoothing, normaliser)


def _fused_soft(name: str) -> Any:
    @op(
        name,
        input=_soft_back,
        outputs=("result", "normaliser"),
        nondifferentiable=("normaliser",),
        composite=_of_probabilities,
        aside=True,
    )
    def soft_cross_entropy(input, target, weight, reduction, label_smoothing):
        return kernels.soft_cross_entropy(input, target, weight, reduction, label_smoothing)

    return soft_cross_entropy


_soft_mean, _soft_sum = map(_fused_soft, ("DivBackward1", "NegBackward0"))


def linear_cross_entropy(
    input,
    linear_weight,
    target,
    *,
    linear_bias=None,
    weight=None,
    reduction="mean",
    ignore_index=None,
    label_smoothing=0.0,
    options=None,
):
    """`cross_entropy` of a `linear` map: (N, in) or (in,) with weight (C, *, in) and bias (C, *).

    Args:
        target: classes (N, *), or probabilities (N, C, *).
        ignore_index: a class that does not count; -100 by default.
        options: how PyTorch divides the work to save memory; here types of 16 bits are computed in float32 with it.

    Raises:
        RuntimeError: the shapes do not fit, or ``ignore_index`` comes with probabilities.
    """
    _check_linear_shapes(input, linear_weight, linear_bias)
    shape = (*input.shape[:-1], *linear_weight.shape[:-1])
    if tuple(target.shape) == shape and ignore_index is not None:
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    dtype = input.dtype
    if options is not None and is_half(dtype.numpy):
        input, linear_weight, linear_bias, weight = (
            x if x is None else x.float() for x in (input, linear_weight, linear_bias, weight)
        )
    bias = None if linear_bias is None else linear_bias.reshape(-1)
    scores = linear(input, linear_weight.reshape(-1, linear_weight.shape[-1]), bias).reshape(shape)
    loss = cross_entropy(
        scores,
        target,
        weight,
        ignore_index=-100 if ignore_index is None else ignore_index,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )
    return loss.to(dtype)


def _check_linear_shapes(input: Any, weight: Any, bias: Any) -> None:
    if input.ndim not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.ndim}")
    if weight.ndim < 2:
        raise RuntimeError(f"expected linear_weight with dimensionality at least 2, got {weight.ndim}")
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), "
            f"got {input.shape[-1]} and {weight.shape[-1]}, respectively"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}")
    if weight.ndim > 2 and input.ndim == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires batched input, "
            f"(N, {weight.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
