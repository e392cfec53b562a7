"""Connectionist temporal classification on arrays: all alignments of labels to steps, summed forwards and backwards.

Graves et al., "Connectionist temporal classification", 2006, section 4.
"""

from __future__ import annotations

import numpy as np


def with_blanks(targets: np.ndarray, blank: int) -> np.ndarray:
    """The labels (N, S) with a blank before, between and after, (N, 2S + 1)."""
    extended = np.full((targets.shape[0], 2 * targets.shape[1] + 1), blank, targets.dtype)
    extended[:, 1::2] = targets
    return extended


def forward(log_probs: np.ndarray, extended: np.ndarray) -> np.ndarray:
    """log Σ of the probabilities of all ways to be at a place of the extended labels at a step, (T, N, 2S + 1)."""
    steps, n = log_probs.shape[:2]
    emitted = np.take_along_axis(log_probs, np.broadcast_to(extended, (steps, *extended.shape)), 2)
    alpha = np.full(emitted.shape, -np.inf, log_probs.dtype)
    alpha[0, :, :2] = emitted[0, :, :2]
    may_skip = np.zeros(extended.shape, bool)
    may_skip[:, 3::2] = extended[:, 3::2] != extended[:, 1:-2:2]
    for t in range(1, steps):
        before = alpha[t - 1]
        total = before.copy()
        total[:, 1:] = np.logaddexp(total[:, 1:], before[:, :-1])
        total[:, 2:] = np.where(may_skip[:, 2:], np.logaddexp(total[:, 2:], before[:, :-2]), total[:, 2:])
        alpha[t] = total + emitted[t]
    return alpha


def likelihood(alpha: np.ndarray, input_lengths: np.ndarray, target_lengths: np.ndarray) -> np.ndarray:
    """The log-probability of each example's labels: its last step ends in the last label or the blank after it."""
    rows = np.arange(alpha.shape[1])
    last = alpha[np.maximum(input_lengths - 1, 0), rows]
    ends = last[rows, 2 * target_lengths]
    before = np.where(target_lengths > 0, last[rows, np.maximum(2 * target_lengths - 1, 0)], -np.inf)
    total = np.logaddexp(ends, before)
    return np.where(input_lengths > 0, total, np.where(target_lengths > 0, -np.inf, 0.0))


def reversed_to_length(x: np.ndarray, lengths: np.ndarray, axis: int) -> np.ndarray:
    """Each example, axis 0 of ``lengths``, back to front along an axis up to its length; the rest stays."""
    places = np.arange(x.shape[axis])
    turned = np.where(places < lengths[:, None], lengths[:, None] - 1 - places, places)  # (N, axis)
    if axis == 0:
        return np.take_along_axis(x, turned.T[:, :, None], 0)
    return np.take_along_axis(x, turned if x.ndim == 2 else turned[None], axis)


def gradient(
    log_probs: np.ndarray, extended: np.ndarray, alpha: np.ndarray, likelihoods: np.ndarray, input_lengths: np.ndarray,
    target_lengths: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """The derivative of each example's loss by the logits that the log-probabilities are the log-softmax of."""
    places = 2 * target_lengths + 1
    turned = reversed_to_length(log_probs, input_lengths, 0)
    beta = forward(turned, reversed_to_length(extended, places, 1))
    beta = reversed_to_length(reversed_to_length(beta, input_lengths, 0), places, 2)
    steps, n, classes = log_probs.shape
    emitted = np.take_along_axis(log_probs, np.broadcast_to(extended, (steps, *extended.shape)), 2)
    with np.errstate(invalid="ignore"):
        through = np.exp(alpha + beta - emitted - likelihoods[:, None])
    valid = np.arange(extended.shape[1]) < places[:, None]
    through = np.where(valid & np.isfinite(emitted), through, 0)
    posterior = np.zeros_like(log_probs)
    np.add.at(posterior, (np.arange(steps)[:, None, None], np.arange(n)[:, None], extended), through)
    result = np.exp(log_probs) - posterior
    result[np.arange(steps)[:, None] >= input_lengths] = 0
    return result
