"""Elementary functions and activations on arrays, element by element: values, and gradients (``_back``).

A gradient comes from that of the result, g, and the argument x or the result y.
"""

from __future__ import annotations

import math

import numpy as np

from . import special
from .native import kernel

ndarray = np.ndarray
ZERO, ONE = np.zeros((), np.float32), np.ones((), np.float32)  # cheaper operands than Python's numbers

exp, expm1, log, log1p, tanh = map(kernel, (np.exp, np.expm1, np.log, np.log1p, np.tanh))
erf, erfc = map(kernel, (special.erf, special.erfc))


@kernel
def expm1_back(g: ndarray, y: ndarray) -> ndarray:
    """The slope is ``y + 1``."""
    return g * (y + 1)


@kernel
def log1p_back(g: ndarray, x: ndarray) -> ndarray:
    """The slope is ``1 / (x + 1)``."""
    return g / (x + 1)


@kernel
def erf_back(g: ndarray, x: ndarray) -> ndarray:
    """The slope is a multiple of the normal density."""
    return g * np.exp(-x * x) * (2 / math.sqrt(math.pi))


@kernel
def tanh_back(g: ndarray, y: ndarray) -> ndarray:
    """The slope is ``1 - y**2``."""
    return g - g * y * y


@kernel
def tanh_back_back(g: ndarray, h: ndarray, y: ndarray) -> ndarray:
    """The gradient of y from that of ``tanh_back(h, y)``."""
    return g * h * (y * -2)


# Sigmoids


@kernel
def sigmoid(x: ndarray) -> ndarray:
    """``1 / (1 + exp(-x))``."""
    y = np.negative(x, out=...)
    np.exp(y, y)
    np.add(y, 1, y)
    return np.reciprocal(y, y)


@kernel
def sigmoid_back(g: ndarray, y: ndarray) -> ndarray:
    """The slope is ``(1 - y) * y``."""
    return g * ((1 - y) * y)


@kernel
def sigmoid_back_back(g: ndarray, h: ndarray, y: ndarray) -> ndarray:
    """The gradient of y from that of ``sigmoid_back(h, y)``."""
    return g * h * (1 - 2 * y)


@kernel
def silu(x: ndarray) -> ndarray:
    """``x * sigmoid(x)``."""
    return x / (np.exp(-x) + ONE)


@kernel
def silu_back(g: ndarray, x: ndarray) -> ndarray:
    """The slope is ``s + y * (1 - s)`` for the sigmoid s and the result y."""
    s = sigmoid(x)
    y = x * s
    return g * (s + y * (1 - s))


def _softplus(x: ndarray) -> ndarray:
    return np.maximum(x, ZERO) + np.log1p(np.exp(-np.absolute(x)))


@kernel
def softplus(x: ndarray, beta: float, threshold: float) -> ndarray:
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x`` exceeds the threshold."""
    scaled = x * beta
    return np.where(scaled > threshold, x, _softplus(scaled) / beta)


@kernel
def softplus_back(g: ndarray, x: ndarray, beta: float, threshold: float) -> ndarray:
    """The slope is a sigmoid, and 1 beyond the threshold."""
    scaled = x * beta
    return np.where(scaled > threshold, g, g * sigmoid(scaled))


@kernel
def logsigmoid(x: ndarray) -> ndarray:
    """``log(sigmoid(x))``."""
    return -_softplus(-x)


@kernel
def logsigmoid_back(g: ndarray, x: ndarray) -> ndarray:
    """The slope is ``sigmoid(-x)``."""
    return g * sigmoid(-x)


@kernel
def mish(x: ndarray) -> ndarray:
    """``x * tanh(softplus(x))``."""
    return x * np.tanh(_softplus(x))


@kernel
def mish_back(g: ndarray, x: ndarray) -> ndarray:
    """By the product rule."""
    t = np.tanh(_softplus(x))
    return g * (t + x * sigmoid(x) * (1 - t * t))


# Of straight lines


@kernel
def relu(x: ndarray) -> ndarray:
    """``max(0, x)``."""
    return np.maximum(x, ZERO, out=...)


@kernel
def relu_back(g: ndarray, y: ndarray) -> ndarray:
    """0 where the result is."""
    return np.where(y <= 0, ZERO, g)


@kernel
def leaky_relu(x: ndarray, slope: float) -> ndarray:
    """``x`` above 0, ``slope * x`` below."""
    return np.where(x > 0, x, x * slope)


@kernel
def leaky_relu_back(g: ndarray, x: ndarray, slope: float) -> ndarray:
    """1 or ``slope``, of which the latter at 0."""
    return np.where(x > 0, g, g * slope)


@kernel
def hardtanh(x: ndarray, low: float, high: float) -> ndarray:
    """``x`` from ``low`` to ``high``, and those beyond."""
    return np.minimum(np.maximum(x, low), high)


@kernel
def hardtanh_back(g: ndarray, x: ndarray, low: float, high: float) -> ndarray:
    """1 between the limits, 0 at and beyond them."""
    return np.where((x > low) & (x < high), g, ZERO)


@kernel
def hardsigmoid(x: ndarray) -> ndarray:
    """``x / 6 + 1/2`` from 0 to 1, and those beyond."""
    return np.clip(x + 3, 0, 6) / 6


@kernel
def hardsigmoid_back(g: ndarray, x: ndarray) -> ndarray:
    """1/6 between the limits."""
    return np.where((x > -3) & (x < 3), g * (1 / 6), ZERO)


@kernel
def hardswish(x: ndarray) -> ndarray:
    """``x * hardsigmoid(x)``."""
    return x * np.clip(x + 3, 0, 6) / 6


@kernel
def hardswish_back(g: ndarray, x: ndarray) -> ndarray:
    """By the product rule."""
    return np.where(x <= -3, ZERO, np.where(x < 3, g * (x * (1 / 3) + 0.5), g))


# Of exponentials


@kernel
def elu(x: ndarray, alpha: float, scale: float, input_scale: float) -> ndarray:
    """``scale * x`` above 0, ``scale * alpha * (exp(input_scale * x) - 1)`` below."""
    return np.maximum(x, ZERO) * scale + np.expm1(np.minimum(x, ZERO) * input_scale) * (alpha * scale)


@kernel
def elu_back(g: ndarray, x: ndarray, alpha: float, scale: float, input_scale: float) -> ndarray:
    """An exponential below 0, constant above."""
    slope = np.exp(np.minimum(x, ZERO) * input_scale) * (alpha * scale * input_scale)
    return np.where(x > 0, g * scale, g * slope)


# The normal distribution

_TANH_SCALE, _TANH_CUBIC = math.sqrt(2 / math.pi), 0.044715


def _normal(x: ndarray) -> ndarray:
    return (special.erf(x * math.sqrt(0.5)) + 1) * 0.5


def _approximate_normal(x: ndarray) -> ndarray:
    return (np.tanh((x * x * (_TANH_CUBIC * _TANH_SCALE) + _TANH_SCALE) * x) + 1) * 0.5


@kernel
def gelu(x: ndarray) -> ndarray:
    """``x`` times the probability that a standard normal number is below it."""
    return x * _normal(x)


@kernel
def gelu_back(g: ndarray, x: ndarray) -> ndarray:
    """The probability, and ``x`` times the density."""
    return g * (np.exp(x * x * -0.5) * (1 / math.sqrt(2 * math.pi)) * x + _normal(x))


@kernel
def gelu_tanh(x: ndarray) -> ndarray:
    """`gelu` by a hyperbolic tangent."""
    return x * _approximate_normal(x)


@kernel
def gelu_tanh_back(g: ndarray, x: ndarray) -> ndarray:
    """By the product rule."""
    below = _approximate_normal(x)
    density = below * (1 - below) * (x * x * (3 * _TANH_CUBIC) + 1) * (2 * _TANH_SCALE)
    return g * (density * x + below)
