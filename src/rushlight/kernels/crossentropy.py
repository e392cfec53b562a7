"""Cross entropy on arrays: rows of logits or log-probabilities and the number of the right class of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from .native import kernel


def rows_of(x: np.ndarray) -> np.ndarray:
    """(C,), (N, C) or (N, C, *) as rows of classes."""
    return x.reshape(1, -1) if x.ndim == 1 else x if x.ndim == 2 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def unrowed(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of classes back in the shape that `rows_of` took them from."""
    if len(shape) <= 2:
        return rows.reshape(shape)
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1))


def row_weights(
    target: np.ndarray, weight: np.ndarray | None, ignore: int | None, dtype: np.dtype
) -> np.ndarray | None:
    """What each row counts for: its class's weight, nothing for the ignored class; None if all count 1."""
    if ignore is None:
        return None if weight is None else weight[target]
    counted = target != ignore
    return counted.astype(dtype) if weight is None else np.where(counted, weight[np.where(counted, target, 0)], 0)


def log_normalised(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of softmax of each row; and its largest element and the logarithm of its sum."""
    most = np.maximum.reduce(rows, 1, keepdims=True)
    shifted = rows - most
    log_sums = np.log(np.add.reduce(np.exp(shifted), 1, keepdims=True))
    shifted -= log_sums
    return shifted, np.concatenate((most, log_sums), 1)


def in_range(target: np.ndarray, ignore: int | None) -> np.ndarray:
    """The classes flat, the ignored ones as class 0."""
    flat = target.reshape(-1)
    return flat if ignore is None else np.where(flat == ignore, 0, flat)


def picked(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The element of each row that its class names; any for a class out of range."""
    return rows[np.arange(len(rows)), target]


def reduced(
    losses: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore: int | None, reduction: str
) -> np.ndarray:
    """The losses of rows, weighed and reduced."""
    counts = row_weights(target.reshape(-1), weight, ignore, losses.dtype)
    if counts is not None:
        losses = np.where(counts == 0, 0, losses * counts)
    if reduction == "none":
        return losses.reshape(target.shape)
    total = losses.sum()
    if reduction == "mean":
        with np.errstate(invalid="ignore", divide="ignore"):
            total = total / (np.asarray(losses.size, losses.dtype) if counts is None else counts.sum())
    return np.asarray(total)


def scales(
    g: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore: int | None, reduction: str
) -> np.ndarray:
    """The gradient of each row's log-probability, without its sign."""
    target = target.reshape(-1)
    counts = row_weights(target, weight, ignore, g.dtype)
    if reduction == "none":
        g = g.reshape(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        if counts is None:
            return np.broadcast_to(g / target.size if reduction == "mean" else g, target.shape)
        scale = (g / counts.sum() if reduction == "mean" else g) * counts
    return scale if ignore is None else np.where(target == ignore, 0, scale)


@kernel
def cross_entropy(
    x: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore: int | None, reduction: str
) -> tuple[np.ndarray, np.ndarray]:
    """The losses of logits, reduced; and what softmax needs besides the logits, see `log_normalised`."""
    log_softmax, normaliser = log_normalised(rows_of(x))
    return reduced(-picked(log_softmax, in_range(target, ignore)), target, weight, ignore, reduction), normaliser


@kernel
def cross_entropy_back(
    g: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore: int | None,
    reduction: str,
    normaliser: np.ndarray,
) -> np.ndarray:
    """The gradient of the logits: softmax less the target."""
    scale = scales(g, target, weight, ignore, reduction)
    rows = rows_of(x)
    rows = np.exp((rows - normaliser[:, :1]) - normaliser[:, 1:])
    rows *= scale[:, None]
    rows[np.arange(len(rows)), in_range(target, ignore)] -= scale
    return unrowed(rows, x.shape)


@kernel
def nll_loss(
    x: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore: int | None, reduction: str
) -> np.ndarray:
    """Minus the log-probabilities of the classes, reduced."""
    return reduced(-picked(rows_of(x), in_range(target, ignore)), target, weight, ignore, reduction)


@kernel
def nll_loss_back(
    g: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore: int | None,
    reduction: str,
    shape: tuple[int, ...],
) -> np.ndarray:
    """The gradient of the log-probabilities: zero but for the classes."""
    scale = -scales(g, target, weight, ignore, reduction)
    rows = np.zeros((target.size, shape[1] if len(shape) > 1 else shape[0]), scale.dtype)
    rows[np.arange(len(rows)), in_range(target, ignore)] = scale
    return unrowed(rows, shape)


@kernel
def are_classes(target: np.ndarray, classes: int, ignored: int) -> tuple[Any, Any]:
    """Whether all targets are classes, and whether one is the ignored one, which need not be a class."""
    found = target == ignored
    return not np.any(~found & ((target < 0) | (target >= classes))), bool(np.any(found))
