"""The line search of L-BFGS: a step length that meets the strong Wolfe conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np


class Point(NamedTuple):
    """A step length with the loss there, the gradient and the slope along the direction."""

    t: Any
    loss: Any
    gradient: np.ndarray
    slope: Any


def strong_wolfe(
    evaluate: Callable[[Any], tuple[float, np.ndarray]],
    t: Any,
    extent: Any,
    loss: float,
    gradient: np.ndarray,
    direction: np.ndarray,
    *,
    max_evaluations: int,
    decrease: float = 1e-4,
    curvature: float = 0.9,
    tolerance: float = 1e-9,
) -> tuple[float, np.ndarray, Any, int]:
    """Find a length along ``direction`` that lowers the loss enough and flattens the slope.

    ``evaluate(t)`` gives loss and gradient at length ``t``, the first to be tried; ``extent`` is the largest entry of
    the direction. Returns the loss, the gradient, the length, and how often ``evaluate`` was called.
    Nocedal and Wright, "Numerical Optimization", 2006, algorithms 3.5 and 3.6.
    """
    origin = Point(0, loss, gradient.copy(), gradient @ direction)

    def at(length: Any) -> Point:
        new_loss, new_gradient = evaluate(length)
        return Point(length, new_loss, new_gradient, new_gradient @ direction)

    def too_high(point: Point) -> bool:
        return point.loss > origin.loss + decrease * point.t * origin.slope

    def flat(point: Point) -> bool:
        return abs(point.slope) <= -curvature * origin.slope

    # Lengthen the step until it brackets a minimum.
    previous, current, rounds, found = origin, at(t), 0, False
    while rounds < max_evaluations:
        if too_high(current) or (rounds > 1 and current.loss >= previous.loss):
            break
        if flat(current):
            found = True
            break
        if current.slope >= 0:
            break
        shortest, longest = current.t + 0.01 * (current.t - previous.t), current.t * 10
        previous, current = current, at(_cubic_minimum(previous, current, shortest, longest))
        rounds += 1
    if found:
        return current.loss, current.gradient, current.t, rounds + 1
    low, high = sorted((origin if rounds == max_evaluations else previous, current), key=lambda point: point.loss)

    # Narrow the bracket; `low` is the better end.
    stalled = False
    while rounds < max_evaluations and not abs(high.t - low.t) * extent < tolerance:
        left, right = sorted((low.t, high.t))
        length, stalled = _away_from_ends(_cubic_minimum(low, high, left, right), left, right, stalled)
        point = at(length)
        rounds += 1
        if too_high(point) or point.loss >= low.loss:
            high = point
            if high.loss < low.loss:
                low, high = high, low
            continue
        if flat(point):
            low = point
            break
        if point.slope * (high.t - low.t) >= 0:
            high = low
        low = point
    return low.loss, low.gradient, low.t, rounds + 1


def _cubic_minimum(one: Point, other: Point, lowest: Any, highest: Any) -> Any:
    """The minimum, within bounds, of the cubic with the losses and slopes of two points (equation 3.59)."""
    first, second = (one, other) if one.t <= other.t else (other, one)
    d1 = first.slope + second.slope - 3 * (first.loss - second.loss) / (first.t - second.t)
    square = d1**2 - first.slope * second.slope
    if not square >= 0:
        return (lowest + highest) / 2.0
    d2 = np.sqrt(square)
    minimum = second.t - (second.t - first.t) * ((second.slope + d2 - d1) / (second.slope - first.slope + 2 * d2))
    return min(max(minimum, lowest), highest)


def _away_from_ends(length: Any, left: Any, right: Any, stalled: bool) -> tuple[Any, bool]:
    """Move a length that is, for the second time, near an end of the bracket a tenth of its width inwards."""
    margin = 0.1 * (right - left)
    if min(right - length, length - left) >= margin:
        return length, False
    if not stalled and left < length < right:
        return length, True
    return (right - margin if abs(length - right) < abs(length - left) else left + margin), False
