"""Cross entropy on arrays: logits or log-probabilities in rows; the number of the class of each, or probabilities."""

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
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore: int | None,
    reduction: str,
    smoothing: float,
) -> tuple[np.ndarray, np.ndarray]:
    """The losses of logits, reduced; and what softmax needs besides the logits, see `log_normalised`.

    Of the target, as much as ``smoothing`` goes to all classes evenly.
    """
    log_softmax, normaliser = log_normalised(rows_of(x))
    loss = reduced(-picked(log_softmax, in_range(target, ignore)), target, weight, ignore, reduction)
    if smoothing:
        scale = even_scales(np.ones((), x.dtype), target, weight, ignore, reduction)
        even = -weighed(log_softmax, weight).sum(1)
        even = np.where(scale == 0, 0, even * scale)
        even = even.reshape(target.shape) if reduction == "none" else even.sum()
        loss = np.asarray(loss * (1 - smoothing) + even * (smoothing / log_softmax.shape[1]))
    return loss, normaliser


def even_scales(
    g: np.ndarray, target: np.ndarray, weight: np.ndarray | None, ignore: int | None, reduction: str
) -> np.ndarray:
    """`scales` for what goes to all classes, where weights count for each of them and for rows in the mean only."""
    if reduction != "mean":
        return scales(g, target, None, ignore, reduction if g.ndim else "sum")
    counts = row_weights(target.reshape(-1), weight, ignore, g.dtype)
    with np.errstate(invalid="ignore", divide="ignore"):
        g = g / g.dtype.type(target.size if counts is None else counts.sum())
    return scales(g, target, None, ignore, "sum")


def weighed(rows: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    """What there is of each class times its weight."""
    return rows if weight is None else rows * weight


@kernel
def cross_entropy_back(
    g: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    ignore: int | None,
    reduction: str,
    smoothing: float,
    normaliser: np.ndarray,
) -> np.ndarray:
    """The gradient of the logits: softmax less the target."""
    scale = scales(g, target, weight, ignore, reduction)
    softmax = normalised(rows_of(x), normaliser)
    rows = softmax * scale[:, None]
    rows[np.arange(len(rows)), in_range(target, ignore)] -= scale
    if smoothing:
        even = weighed(np.ones_like(rows), weight)
        even = softmax * even.sum(1, keepdims=True) - even
        even *= even_scales(g, target, weight, ignore, reduction)[:, None]
        rows = rows * (1 - smoothing) + even * (smoothing / rows.shape[1])
    return unrowed(rows, x.shape)


def normalised(rows: np.ndarray, normaliser: np.ndarray) -> np.ndarray:
    """The softmax of each row."""
    return np.exp((rows - normaliser[:, :1]) - normaliser[:, 1:])


def smoothed(target: np.ndarray, weight: np.ndarray | None, smoothing: float) -> np.ndarray:
    """Rows of probabilities, of which even ones get as much as ``smoothing``, times the weights of classes."""
    rows = rows_of(target)
    return weighed(rows * (1 - smoothing) + smoothing / rows.shape[1] if smoothing else rows, weight)


@kernel
def soft_cross_entropy(
    x: np.ndarray, target: np.ndarray, weight: np.ndarray | None, reduction: str, smoothing: float
) -> tuple[np.ndarray, np.ndarray]:
    """As `cross_entropy` for a target of probabilities."""
    log_softmax, normaliser = log_normalised(rows_of(x))
    losses = -(log_softmax * smoothed(target, weight, smoothing)).sum(1)
    if reduction == "none":
        return losses.reshape(x.shape[:1] + x.shape[2:] if x.ndim > 1 else ()), normaliser
    return np.asarray(losses.sum() / losses.dtype.type(len(losses) if reduction == "mean" else 1)), normaliser


@kernel
def soft_cross_entropy_back(
    g: np.ndarray,
    x: np.ndarray,
    target: np.ndarray,
    weight: np.ndarray | None,
    reduction: str,
    smoothing: float,
    normaliser: np.ndarray,
) -> np.ndarray:
    """The gradient of the logits: softmax, as often as the sum of the target says, less the target."""
    wanted = smoothed(target, weight, smoothing)
    rows = normalised(rows_of(x), normaliser) * wanted.sum(1, keepdims=True) - wanted
    rows *= g.reshape(-1, 1) if reduction == "none" else g / g.dtype.type(len(rows) if reduction == "mean" else 1)
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
