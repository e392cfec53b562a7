"""Bessel and Airy functions and orthogonal polynomials in NumPy, to the full precision of float64.

Up to 25 Bessel's integrals by the trapezoidal rule, which converges exponentially for them (Trefethen and Weideman,
SIAM Review 56, 2014, "The exponentially convergent trapezoidal rule"); beyond, Hankel's asymptotic series
(Abramowitz and Stegun, 9.2 and 9.7).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

from .special import EULER, i0, i1, piecewise, wide

ndarray = np.ndarray
FAR = 25.0
NODES = 48  # in a quarter of the circle
DEGREE = 40


@functools.cache
def circle() -> tuple[ndarray, ndarray]:
    """The sines of the nodes, and the weights by which `J_2k` of all k make up `Y_0`."""
    angles = (np.arange(NODES) + 0.5) * (math.pi / 2 / NODES)
    k = np.arange(1, DEGREE + 1)
    return np.sin(angles), (np.cos(2 * np.outer(angles, k)) * ((-1.0) ** k / k)).sum(1)


def _mean(function: Callable, x: ndarray, weights: ndarray | float) -> ndarray:
    return (function(x[..., None] * circle()[0]) * weights).mean(-1)


def _hankel(order: float, x: ndarray, alternating: bool) -> tuple[ndarray, ndarray]:
    """The even and odd terms of the asymptotic series."""
    term, sums = np.ones_like(x), [np.ones_like(x), np.zeros_like(x)]
    for k in range(1, 31):
        term = term * ((4 * order * order - (2 * k - 1) ** 2) / (8 * k)) / x
        sums[k % 2] = sums[k % 2] + ((-1) ** (k // 2) * term if alternating else term)
    return sums[0], sums[1]


def _far(order: float, x: ndarray, second: bool) -> ndarray:
    p, q = _hankel(order, x, True)
    shift = (order / 2 + 0.25) * math.pi
    cosine = np.cos(x) * math.cos(shift) + np.sin(x) * math.sin(shift)
    sine = np.sin(x) * math.cos(shift) - np.cos(x) * math.sin(shift)
    value = p * sine + q * cosine if second else p * cosine - q * sine
    return np.sqrt(2 / (math.pi * x)) * value


@wide
def bessel_j0(x: ndarray) -> ndarray:
    """The Bessel function of the first kind of order 0."""
    size = np.absolute(x)
    return piecewise(size, (size < FAR, lambda x: _mean(np.cos, x, 1.0)), (size >= FAR, lambda x: _far(0, x, False)))


@wide
def bessel_j1(x: ndarray) -> ndarray:
    """The Bessel function of the first kind of order 1."""
    size = np.absolute(x)
    near = (size < FAR, lambda x: _mean(np.sin, x, circle()[0]))
    return np.copysign(1.0, x) * piecewise(size, near, (size >= FAR, lambda x: _far(1, x, False)))


def _y0_near(x: ndarray) -> ndarray:
    return 2 / math.pi * ((np.log(x / 2) + EULER) * bessel_j0(x) - 2 * _mean(np.cos, x, circle()[1]))


def _y1_near(x: ndarray) -> ndarray:
    sines, weights = circle()
    rest = 2 * _mean(np.sin, x, weights * sines)
    return 2 / math.pi * ((np.log(x / 2) + EULER) * bessel_j1(x) - bessel_j0(x) / x - rest)


@wide
def bessel_y0(x: ndarray) -> ndarray:
    """The Bessel function of the second kind of order 0."""
    return _second_kind(x, _y0_near, 0)


@wide
def bessel_y1(x: ndarray) -> ndarray:
    """The Bessel function of the second kind of order 1."""
    return _second_kind(x, _y1_near, 1)


def _second_kind(x: ndarray, near: Callable, order: int) -> ndarray:
    zero = (x == 0, lambda x: np.full_like(x, -np.inf))
    return piecewise(x, zero, ((x > 0) & (x < FAR), near), (x >= FAR, lambda x: _far(order, x, True)))


# Modified Bessel functions of the second kind

STEP, STEPS = 0.1, 40


def _k_integral(order: float, x: ndarray) -> ndarray:
    """``exp(x) K(x)`` for x from 1 to 25."""
    t = np.arange(STEPS + 8) * STEP
    values = np.exp(-x[..., None] * (np.cosh(t) - 1)) * np.cosh(order * t)
    return (values.sum(-1) - 0.5) * STEP


def _k_far(order: float, x: ndarray) -> ndarray:
    even, odd = _hankel(order, x, False)
    return np.where(x == np.inf, 0.0, np.sqrt(math.pi / (2 * x)) * (even + odd))


def _k0_near(x: ndarray) -> ndarray:
    quarter, term, harmonic = x * x / 4, np.ones_like(x), 0.0
    total = np.zeros_like(x)
    for k in range(1, 20):
        term, harmonic = term * quarter / (k * k), harmonic + 1 / k
        total += term * harmonic
    return total - (np.log(x / 2) + EULER) * i0(x)


def _k1_near(x: ndarray) -> ndarray:
    quarter, term, digammas = x * x / 4, np.ones_like(x), 1 - 2 * EULER
    total = term * digammas
    for k in range(1, 20):
        term, digammas = term * quarter / (k * (k + 1)), digammas + 1 / k + 1 / (k + 1)
        total += term * digammas
    return 1 / x + np.log(x / 2) * i1(x) - x / 4 * total


def _scaled_k(order: int, near: Callable) -> Callable:
    def scaled(x: ndarray) -> ndarray:
        return piecewise(
            x,
            (x == 0, lambda x: np.full_like(x, np.inf)),
            ((x > 0) & (x <= 2), lambda x: near(x) * np.exp(x)),
            ((x > 2) & (x < FAR), lambda x: _k_integral(order, x)),
            (x >= FAR, lambda x: _k_far(order, x)),
        )

    return scaled


_k0, _k1 = _scaled_k(0, _k0_near), _scaled_k(1, _k1_near)


@wide
def scaled_modified_bessel_k0(x: ndarray) -> ndarray:
    """The modified Bessel function of the second kind of order 0, times ``exp(x)``."""
    return _k0(x)


@wide
def scaled_modified_bessel_k1(x: ndarray) -> ndarray:
    """The modified Bessel function of the second kind of order 1, times ``exp(x)``."""
    return _k1(x)


@wide
def modified_bessel_k0(x: ndarray) -> ndarray:
    """The modified Bessel function of the second kind of order 0."""
    return _k0(x) * np.exp(-x)


@wide
def modified_bessel_k1(x: ndarray) -> ndarray:
    """The modified Bessel function of the second kind of order 1."""
    return _k1(x) * np.exp(-x)


@wide
def spherical_bessel_j0(x: ndarray) -> ndarray:
    """``sin(x) / x``, 1 at 0."""
    return np.where(x == 0, 1.0, np.where(np.isinf(x), 0.0, np.sin(x) / np.where(x == 0, 1.0, x)))


# The Airy function: Taylor series of y'' = x y about the whole numbers, stepping down from 0, where it is stable.

LOWEST = -11
TERMS = 30


def _taylor(anchor: ndarray, value: ndarray, slope: ndarray, step: ndarray) -> tuple[ndarray, ndarray]:
    """Value and slope at ``anchor + step``."""
    coefficients = [value, slope, anchor * value / 2]
    for k in range(1, TERMS):
        coefficients.append((anchor * coefficients[k] + coefficients[k - 1]) / ((k + 1) * (k + 2)))
    total, derivative = np.zeros_like(step), np.zeros_like(step)
    for k in range(len(coefficients) - 1, 0, -1):
        total = total * step + coefficients[k]
        derivative = derivative * step + k * coefficients[k]
    return total * step + coefficients[0], derivative


@functools.cache
def _anchors() -> ndarray:
    """Value and slope of the Airy function at 0, -1, -2, ..."""
    known: list[tuple[float, float]] = [
        (1 / (3 ** (2 / 3) * math.gamma(2 / 3)), -1 / (3 ** (1 / 3) * math.gamma(1 / 3)))
    ]
    for x in range(0, LOWEST - 1, -1):
        value, slope = map(np.array, known[-1])
        for half in (x, x - 0.5):
            value, slope = _taylor(np.array(half), value, slope, np.array(-0.5))
        known.append((float(value), float(slope)))
    return np.array(known)


def _airy_near(x: ndarray) -> ndarray:
    anchor = np.minimum(np.rint(x), 0.0)
    known = _anchors()[(-anchor).astype(int)]
    return _taylor(anchor, known[..., 0], known[..., 1], x - anchor)[0]


def _airy_decaying(x: ndarray) -> ndarray:
    argument = 2 / 3 * x * np.sqrt(x)
    scaled = piecewise(
        argument,
        (argument < FAR, lambda z: _k_integral(1 / 3, z)),
        ((argument >= FAR) & (argument < 750), lambda z: _k_far(1 / 3, z)),
        (argument >= 750, np.zeros_like),
    )
    return np.sqrt(x / 3) / math.pi * scaled * np.exp(-argument)


def _airy_oscillating(x: ndarray) -> ndarray:
    argument = 2 * -x * np.sqrt(-x) / 3
    p, q = _hankel(1 / 3, argument, True)
    angle = argument + math.pi / 4
    return (np.sin(angle) * p + np.cos(angle) * q) / (math.sqrt(math.pi) * np.sqrt(np.sqrt(-x)))


@wide
def airy_ai(x: ndarray) -> ndarray:
    """The Airy function."""
    return piecewise(
        x,
        ((x >= LOWEST) & (x <= 2), _airy_near),
        ((x > 2) & (x < np.inf), _airy_decaying),
        ((x < LOWEST) & (x > -np.inf), _airy_oscillating),
    )


# Orthogonal polynomials, by their three-term recurrences. Abramowitz and Stegun, 22.7.


def _recurrence(first: Callable, following: Callable, waves: Callable | None = None) -> Callable:
    """A polynomial of degree n; of a negative degree, 0. Chebyshev's have a closed form of (degree, arc cosine)."""

    @wide
    def polynomial(x: ndarray, n: ndarray) -> ndarray:
        x, n = np.broadcast_arrays(x, n)
        degree = np.where(np.absolute(n) < 2.0**63, np.trunc(n), -1.0)  # as an integer of 64 bits
        before, now = np.ones_like(x), first(x)
        result = np.where(degree < 0, 0.0, np.where(degree == 0, 1.0, now))
        ahead = degree > 1
        if waves is not None:
            inside, ends = ahead & (np.absolute(x) < 1), ahead & (np.absolute(x) == 1)
            result[inside] = waves(degree[inside], np.arccos(x[inside]))
            turned = np.where(degree % 2 == 0, 1.0, x)[ends]  # x ** degree
            result[ends] = turned * (1 + degree[ends] * (x[ends] * now[ends] - 1))
            ahead &= ~(inside | ends)
        k = 1
        while ahead.any():
            before, now = now, following(x, k, now, before)
            k += 1
            done = ahead & ((degree == k) | (now != now))
            result = np.where(done, now, result)
            ahead &= ~done
        return result

    return polynomial


def _doubling(x: ndarray, _k: int, now: ndarray, before: ndarray) -> ndarray:
    return 2 * x * now - before


def _shifted(function: Callable) -> Callable:
    return lambda x, n: function(np.asarray(2 * x - 1), n)


POLYNOMIALS = {
    "chebyshev_polynomial_t": _recurrence(lambda x: x, _doubling, lambda n, t: np.cos(n * t)),
    "chebyshev_polynomial_u": _recurrence(lambda x: 2 * x, _doubling, lambda n, t: np.sin((n + 1) * t) / np.sin(t)),
    "chebyshev_polynomial_v": _recurrence(
        lambda x: 2 * x - 1, _doubling, lambda n, t: np.cos((n + 0.5) * t) / np.cos(t / 2)
    ),
    "chebyshev_polynomial_w": _recurrence(
        lambda x: 2 * x + 1, _doubling, lambda n, t: np.sin((n + 0.5) * t) / np.sin(t / 2)
    ),
    "hermite_polynomial_h": _recurrence(lambda x: 2 * x, lambda x, k, p, q: 2 * (x * p - k * q)),
    "hermite_polynomial_he": _recurrence(lambda x: x, lambda x, k, p, q: x * p - k * q),
    "laguerre_polynomial_l": _recurrence(lambda x: 1 - x, lambda x, k, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1)),
    "legendre_polynomial_p": _recurrence(lambda x: x, lambda x, k, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1)),
}
POLYNOMIALS |= {f"shifted_{name}": _shifted(f) for name, f in POLYNOMIALS.items() if name.startswith("chebyshev")}
