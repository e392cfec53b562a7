"""Trigonometric and hyperbolic functions and their inverses, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import functions, periodic
from .compare import where
from .define import op
from .fast import binary, unary
from .forms import backward_of, requiring
from .powers import sqrt

__all__ = [
    "acos", "acosh", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctan2", "arctanh", "asin", "asinh", "atan",
    "atan2", "atanh", "cos", "cosh", "deg2rad", "hypot", "rad2deg", "sin", "sinc", "sinh", "tan", "tanh",
]  # fmt: skip


def _float(name: str, value: Any, rule: Any, doc: str, back: Any = None) -> Any:
    return unary(f"{name}Backward0", value, rule, back, promote="float", doc=doc)


sin = _float("Sin", periodic.sin, lambda g, x, _y: g * cos(x), "The sine.", periodic.sin_back)
cos = _float("Cos", periodic.cos, lambda g, x, _y: g * -sin(x), "The cosine.", periodic.cos_back)
tan = _float("Tan", np.tan, lambda g, _x, y: g * (1 + y * y), "The tangent.")
sinh = _float("Sinh", np.sinh, lambda g, x, _y: g * cosh(x), "The hyperbolic sine.")
cosh = _float("Cosh", np.cosh, lambda g, x, _y: g * sinh(x), "The hyperbolic cosine.")


def _tanh_curve(g: Any, h: Any, y: Any) -> Any:
    return g * h * (y * -2)


tanh = _float(
    "Tanh", functions.tanh,
    backward_of(
        "tanh", lambda g, y: g - g * y * y, _tanh_curve, _tanh_curve, functions.tanh_back, functions.tanh_back_back
    ),
    "The hyperbolic tangent.", functions.tanh_back,
)  # fmt: skip
asin = _float("Asin", np.arcsin, lambda g, x, _y: g / sqrt(1 - x * x), "The inverse of the sine.")
acos = _float("Acos", np.arccos, lambda g, x, _y: -g / sqrt(1 - x * x), "The inverse of the cosine.")
atan = _float("Atan", np.arctan, lambda g, x, _y: g / (x * x + 1), "The inverse of the tangent.")
asinh = _float("Asinh", np.arcsinh, lambda g, x, _y: g / sqrt(x * x + 1), "The inverse of the hyperbolic sine.")
acosh = _float(
    "Acosh", np.arccosh, lambda g, x, _y: g / (sqrt(x - 1) * sqrt(x + 1)), "The inverse of the hyperbolic cosine."
)
atanh = _float("Atanh", np.arctanh, lambda g, x, _y: g / (1 - x * x), "The inverse of the hyperbolic tangent.")
arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh

deg2rad = _float(
    "Deg2Rad", lambda x: x * x.dtype.type(math.pi / 180), lambda g, _x, _y: g * (math.pi / 180), "Degrees in radians."
)
rad2deg = _float(
    "Rad2Deg", lambda x: x * x.dtype.type(180 / math.pi), lambda g, _x, _y: g * (180 / math.pi), "Radians in degrees."
)


def _sinc(x: Any) -> Any:
    angle = x * x.dtype.type(math.pi)
    return np.where(x == 0, 1, np.sin(angle) / np.where(x == 0, 1, angle)).astype(x.dtype, copy=False)


def _sinc_rule(g: Any, x: Any, _y: Any) -> Any:
    angle = x * math.pi
    return g * where(x == 0, 0, (cos(angle) * angle - sin(angle)) / where(x == 0, 1, angle * x))


sinc = _float("Sinc", _sinc, _sinc_rule, "``sin(pi x) / (pi x)``, 1 at 0.")


def _turn(g: Any, along: Any, across: Any) -> Any:
    """A gradient of the angle; 0 at the origin, which has none."""
    square = along * along + across * across
    return g * where(square == 0, 0, across / where(square == 0, 1, square))


atan2 = binary(
    "Atan2Backward0", np.arctan2, _turn, lambda g, a, b: _turn(-g, b, a), promote="float",
    doc="The angle between the x axis and the point with y = ``input`` and x = ``other``.",
)  # fmt: skip
atan2.__name__ = "atan2"
atan2 = requiring(atan2, "input", "other")
arctan2 = atan2


@op(
    "HypotBackward0", elementwise=True, promote="common",
    input=lambda g, input, result: g * (input / result), other=lambda g, other, result: g * (other / result),
)  # fmt: skip
def hypot(input, other):
    """``sqrt(input**2 + other**2)`` without overflow."""
    return np.hypot(input, other)


hypot = requiring(hypot, "input", "other")
