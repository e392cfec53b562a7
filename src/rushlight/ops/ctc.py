"""Connectionist temporal classification: the loss of labels that are not aligned to the steps of a sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import ctc as kernels
from ..tensor import wrap
from .define import op
from .loss import reduced
from .promotion import raw

__all__: list[str] = []


def _back(g, log_probs, extended, input_lengths, target_lengths, zero_infinity, alpha, likelihoods):
    each = kernels.gradient(log_probs.astype(np.float64), extended, alpha, likelihoods, input_lengths, target_lengths)
    if zero_infinity:
        each = np.where(np.isneginf(likelihoods)[:, None], 0, each)
    return (each * g[:, None]).astype(log_probs.dtype)


@op(
    "CtcLossBackward0",
    log_probs=_back,
    outputs=("result", "alpha", "likelihoods"),
    nondifferentiable=("alpha", "likelihoods"),
)
def _ctc(log_probs, extended, input_lengths, target_lengths, zero_infinity):
    alpha = kernels.forward(log_probs.astype(np.float64), extended)
    likelihoods = kernels.likelihood(alpha, input_lengths, target_lengths)
    losses = -likelihoods
    if zero_infinity:
        losses = np.where(np.isinf(losses), 0, losses)
    return losses.astype(log_probs.dtype), alpha, likelihoods


def _lengths(given: Any) -> np.ndarray:
    return np.asarray(raw(given), np.int64).reshape(-1)


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
    inputs, lengths = _lengths(input_lengths), _lengths(target_lengths)
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, given in (("input_lengths", inputs), ("target_lengths", lengths)):
        if given.size != n:
            raise RuntimeError(f"{name} must be of size batch_size, got {given.size} for a batch of {n}")
    if inputs.size and inputs.max() > steps:
        raise RuntimeError(f"Expected input_lengths to have value at most {steps}, but got value {inputs.max()}")
    extended = kernels.with_blanks(_padded(raw(targets), lengths), blank)
    losses = _ctc(log_probs, wrap(extended), wrap(inputs), wrap(lengths), zero_infinity)[0]
    if reduction == "mean":
        losses = losses / wrap(np.maximum(lengths, 1).astype(raw(log_probs).dtype))
    losses = losses if batched else losses.squeeze(0)
    return reduced(losses, reduction)


def _padded(targets: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The labels as rows of the longest length."""
    longest = int(lengths.max(initial=0))
    if targets.ndim == 2:
        return np.where(np.arange(longest) < lengths[:, None], targets[:, :longest], 0).astype(np.int64)
    rows = np.zeros((len(lengths), longest), np.int64)
    rows[np.arange(longest) < lengths[:, None]] = targets[: lengths.sum()]
    return rows
