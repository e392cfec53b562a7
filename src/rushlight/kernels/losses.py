"""Losses of pairs of elements on arrays: values, as they are or reduced, and gradients by the input."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .layout import arranged
from .native import kernel

Array = np.ndarray


def reduced(losses: Array, reduction: str) -> Array:
    """The mean or sum of losses."""
    with np.errstate(invalid="ignore", divide="ignore"):
        total = np.add.reduce(losses, None)
        return np.asarray(total / losses.dtype.type(losses.size) if reduction == "mean" else total)


def scaled(slope: Array, g: Array, reduction: str) -> Array:
    """Slopes times what each element's loss counts for."""
    return slope * (g * slope.dtype.type(1 / slope.size if reduction == "mean" and slope.size else 1))


def _pair(name: str, value: Callable, slope: Callable) -> tuple[Callable, Callable]:
    """The two functions of a loss: of input, target, the reduction, and a number."""

    def loss(x: Array, t: Array, reduction: str, parameter: float) -> Array:
        losses = value(x, t, x.dtype.type(parameter))
        return arranged(losses, (x, t)) if reduction == "none" else reduced(losses, reduction)

    def back(g: Array, x: Array, t: Array, reduction: str, parameter: float) -> Array:
        return scaled(slope(x, t, x.dtype.type(parameter)), g, reduction)

    loss.__name__, back.__name__ = name, f"{name}_back"
    return kernel(loss), kernel(back)


mse_loss, mse_loss_back = _pair("mse_loss", lambda x, t, _: np.square(x - t), lambda x, t, _: 2 * (x - t))


def _near_or_far(d: Array, width: float, near: Array, far: Array) -> Array:
    return np.where(d < width, near, far)


def _smooth_l1(x: Array, t: Array, beta: float) -> Array:
    d = np.abs(x - t)
    return _near_or_far(d, beta, 0.5 * d * d / beta, d - 0.5 * beta)


def _huber(x: Array, t: Array, delta: float) -> Array:
    d = np.abs(x - t)
    return _near_or_far(d, delta, 0.5 * d * d, delta * (d - 0.5 * delta))


smooth_l1_loss, smooth_l1_loss_back = _pair(
    "smooth_l1_loss", _smooth_l1, lambda x, t, beta: np.clip((x - t) / beta, -1, 1)
)
huber_loss, huber_loss_back = _pair("huber_loss", _huber, lambda x, t, delta: np.clip(x - t, -delta, delta))


def _cross_entropy(p: Array, t: Array, _: float) -> Array:
    # The logarithm of zero counts as -100, so that a loss stays finite.
    with np.errstate(divide="ignore"):
        return (t - 1) * np.maximum(np.log1p(-p), -100) - t * np.maximum(np.log(p), -100)


bce_loss, bce_loss_back = _pair(
    "bce_loss", _cross_entropy, lambda p, t, _: (p - t) / np.maximum(p * (1 - p), p.dtype.type(1e-12))
)


def _sigmoid(x: Array) -> Array:
    with np.errstate(over="ignore"):
        return 1 / (1 + np.exp(-x))


bce_with_logits, bce_with_logits_back = _pair(
    "bce_with_logits", lambda x, t, _: (1 - t) * x + np.logaddexp(0, -x), lambda x, t, _: _sigmoid(x) - t
)


soft_margin_loss, soft_margin_loss_back = _pair(
    "soft_margin_loss", lambda x, t, _: np.logaddexp(0, -t * x), lambda x, t, _: -t * _sigmoid(-t * x)
)


@kernel
def weighted_bce_with_logits(x: Array, t: Array, weight: Array, positive: Array, reduction: str) -> Array:
    """`bce_with_logits`, where losses count as often as a weight says, and their positive parts besides as another."""
    losses = ((1 - t) * x + (1 + (positive - 1) * t) * np.logaddexp(0, -x)) * weight
    return arranged(losses, (x, t)) if reduction == "none" else reduced(losses, reduction)


@kernel
def weighted_bce_with_logits_back(
    g: Array, x: Array, t: Array, weight: Array, positive: Array, reduction: str
) -> Array:
    """Its gradient by the input."""
    slope = ((1 - t) - (1 + (positive - 1) * t) * _sigmoid(-x)) * weight
    return scaled(slope, g, reduction)


@kernel
def within_unit_interval(x: Array) -> bool:
    """Whether all elements are numbers from 0 to 1."""
    return bool(((x >= 0) & (x <= 1)).all())
