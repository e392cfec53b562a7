"""Connectionist temporal classification: the loss of labels that are not aligned to the steps of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import ctc as kernels
from ..tensor import Tensor, wrap
from .batching import one_by_one
from .define import op
from .levels import everything
from .loss import reduced

__all__: list[str] = []


def _as_examples(batch, x, axis):
    """A tensor of all elements with the batch among the examples, which are this axis of one element's."""
    return batch.front(x).movedim(0, axis).flatten(axis, axis + 1)


def _apart(batch, x, axis):
    """The inverse of `_as_examples`."""
    return x.unflatten(axis, (batch.size, -1)).movedim(axis, 0)


def _back_for_each(batch, g, log_probs, *rest):
    *vectors, zero_infinity, alpha, likelihoods = rest
    others = [_as_examples(batch, x, 0) for x in vectors]
    kept = _as_examples(batch, alpha, 1), _as_examples(batch, likelihoods, 0)
    args = (_as_examples(batch, g, 0), _as_examples(batch, log_probs, 1), *others, zero_infinity, *kept)
    return _apart(batch, batch.perform(args, {}), 1)


def _losses_for_each(batch, log_probs, *rest):
    *vectors, zero_infinity = rest
    args = (_as_examples(batch, log_probs, 1), *(_as_examples(batch, x, 0) for x in vectors), zero_infinity)
    outs = batch.perform(args, {})
    return [_apart(batch, out, axis) for out, axis in zip(outs, (0, 1, 0))]


@op(batch=_back_for_each)
def _back(g, log_probs, extended, input_lengths, target_lengths, zero_infinity, alpha, likelihoods):
    each = kernels.gradient(log_probs.astype(np.float64), extended, alpha, likelihoods, input_lengths, target_lengths)
    if zero_infinity:
        each = np.where(np.isneginf(likelihoods)[:, None], 0, each)
    return (each * g[:, None]).astype(log_probs.dtype)


@op(
    "CtcLossBackward0",
    flat=True,
    log_probs=lambda g, log_probs, extended, input_lengths, target_lengths, zero_infinity, alpha, likelihoods: _back(
        g, log_probs, extended, input_lengths, target_lengths, zero_infinity, alpha, likelihoods
    ),
    outputs=("result", "alpha", "likelihoods"),
    nondifferentiable=("alpha", "likelihoods"),
    batch=_losses_for_each,
)
def _ctc(log_probs, extended, input_lengths, target_lengths, zero_infinity):
    alpha = kernels.forward(log_probs.astype(np.float64), extended)
    likelihoods = kernels.likelihood(alpha, input_lengths, target_lengths)
    losses = -likelihoods
    if zero_infinity:
        losses = np.where(np.isinf(losses), 0, losses)
    return losses.astype(log_probs.dtype), alpha, likelihoods


def _labels_for_each(batch, targets, lengths, *rest):
    if targets.ndim == 1:  # one example's labels after the other's: how many there are before them differs
        return one_by_one(batch, targets, lengths, *rest)
    return _apart(
        batch, batch.perform((_as_examples(batch, targets, 0), _as_examples(batch, lengths, 0), *rest), {}), 0
    )


@op(batch=_labels_for_each)
def _with_blanks(targets, lengths, longest, blank):
    return kernels.with_blanks(_padded(targets, lengths, longest), blank)


def _lengths(given: Any) -> Tensor:
    return given.long().reshape(-1) if isinstance(given, Tensor) else wrap(np.asarray(given, np.int64).reshape(-1))


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction="mean", zero_infinity=False):
    """Minus the log-probability of the labels, over all their alignments with blanks between.

    Args:
        log_probs: log-softmax of each step, (T, N, C) or (T, C).
        targets: labels (N, S), or all examples' one after the other.
        input_lengths, target_lengths: of each example.
        reduction: "mean" divides each loss by its number of labels first.
        zero_infinity: labels that do not fit their steps count zero rather than infinity.

    Raises:
        RuntimeError: lengths do not fit, or ``blank`` is not a class.
    """
    batched = log_probs.ndim == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
    steps, n, classes = log_probs.shape
    input_lengths, target_lengths = _lengths(input_lengths), _lengths(target_lengths)
    inputs, lengths = everything(input_lengths), everything(target_lengths)
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, given in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if given.numel() != n:
            raise RuntimeError(f"{name} must be of size batch_size, got {given.numel()} for a batch of {n}")
    if inputs.size and inputs.max() > steps:
        raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value {inputs.max()}")
    extended = _with_blanks(targets, target_lengths, int(lengths.max(initial=0)), blank)
    losses = _ctc(log_probs, extended, input_lengths, target_lengths, zero_infinity)[0]
    if reduction == "mean":
        losses = losses / target_lengths.clamp(min=1).to(log_probs.dtype)
    losses = losses if batched else losses.squeeze(0)
    return reduced(losses, reduction)


def _padded(targets: np.ndarray, lengths: np.ndarray, longest: int) -> np.ndarray:
    """The labels as rows of the longest length."""
    if targets.ndim == 2:
        return np.where(np.arange(longest) < lengths[:, None], targets[:, :longest], 0).astype(np.int64)
    rows = np.zeros((len(lengths), longest), np.int64)
    rows[np.arange(longest) < lengths[:, None]] = targets[: lengths.sum()]
    return rows
