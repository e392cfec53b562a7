"""Special functions: error functions, gamma functions, Bessel functions, entropies, sigmoids."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import functions
from ..kernels import special as kernels
from .compare import where
from .define import inplace, op
from .elementwise import sgn
from .fast import binary, unary
from .forms import backward_of, by_operand, requiring, undefined
from .powers import exp, log, log1p, product_with

__all__ = [
    "digamma", "erf", "erfc", "erfinv", "i0", "igamma", "igammac", "lgamma", "logit", "mvlgamma", "polygamma",
    "sigmoid",
]  # fmt: skip

SQRT_PI, SQRT_2PI = math.sqrt(math.pi), math.sqrt(2 * math.pi)


def _float(name: str, value: Any, rule: Any, doc: str | None, back: Any = None) -> Any:
    return unary(f"{name}Backward0", value, rule, back, promote="float", doc=doc)


# Sigmoids


sigmoid = _float(
    "Sigmoid", functions.sigmoid,
    backward_of(
        "sigmoid", lambda g, y: g * ((1 - y) * y), lambda g, h, y: g * h * (1 - 2 * y),
        lambda g, h, i: g * h * (i * -2), functions.sigmoid_back, functions.sigmoid_back_back,
    ),
    "``1 / (1 + exp(-x))``.", functions.sigmoid_back,
)  # fmt: skip
sigmoid.op.name = sigmoid.__name__ = "sigmoid"


def _logit_rule(g: Any, input: Any, eps: float | None) -> Any:
    if eps is None:
        return where((input < 0) | (input > 1), math.nan, g / (input * (1 - input)))
    return where((input < eps) | (input > 1 - eps), 0, g / (input * (1 - input)))


@op("LogitBackward0", elementwise=True, promote="float", input=_logit_rule)
def logit(input, eps=None):
    """``log(x / (1 - x))``, ``x`` first clamped to ``[eps, 1 - eps]``; the inverse of `sigmoid`."""
    if eps is not None:
        input = np.minimum(np.maximum(input, input.dtype.type(eps)), input.dtype.type(1 - eps))
    return np.log(input / (1 - input))


# The error function and the normal distribution

erf = _float(
    "Erf", functions.erf, lambda g, x, _y: g * exp(-x * x) * (2 / SQRT_PI), kernels.erf.__doc__, functions.erf_back
)
erfc = _float("Erfc", functions.erfc, lambda g, x, _y: g * exp(-x * x) * (-2 / SQRT_PI), kernels.erfc.__doc__)
erfcx = _float("SpecialErfcx", kernels.erfcx, lambda g, x, y: g * (x * y * 2 - 2 / SQRT_PI), kernels.erfcx.__doc__)
erfinv = _float(
    "Erfinv", kernels.erfinv, lambda g, x, _y: g * exp(erfinv(x) ** 2) * (SQRT_PI / 2), kernels.erfinv.__doc__
)
ndtri = _float("SpecialNdtri", kernels.ndtri, lambda g, _x, y: g * exp(y * y * 0.5) * SQRT_2PI, kernels.ndtri.__doc__)
log_ndtr = _float(
    "SpecialLogNdtr", kernels.log_ndtr, lambda g, x, _y: g * (math.sqrt(2 / math.pi) / erfcx(x * -math.sqrt(0.5))),
    kernels.log_ndtr.__doc__,
)  # fmt: skip
ndtr = _float(
    "Mul", lambda x: kernels.erfc(x * -math.sqrt(0.5)) * x.dtype.type(0.5),
    lambda g, x, _y: g * exp(x * x * -0.5) * (1 / SQRT_2PI), "The normal distribution function.",
)  # fmt: skip

# The gamma function

lgamma = _float("Lgamma", kernels.lgamma, lambda g, x, _y: g * digamma(x), kernels.lgamma.__doc__)
digamma = _float("Digamma", kernels.digamma, lambda g, x, _y: g * _polygamma(x, 1), kernels.digamma.__doc__)


@op("PolygammaBackward0", input=lambda g, n, input: g * _polygamma(input, n + 1), batch="elementwise")
def _polygamma(input, n):
    """The ``n``-th derivative of `digamma`."""
    if n < 0:
        raise RuntimeError("polygamma(n, x) does not support negative n.")
    dtype = input.dtype if input.dtype.kind in "fV" else dtypes.get_default_dtype().numpy
    return kernels.polygamma(n, input.astype(np.float64)).astype(dtype)


def polygamma(n: int, input: Any, *, out: Any = None) -> Any:
    """The ``n``-th derivative of `digamma`."""
    return _polygamma(input, n) if out is None else _polygamma(input, n, out=out)


def _mvlgamma_rule(g: Any, input: Any, p: int) -> Any:
    slope = digamma(input)
    for k in range(1, p):
        slope = slope + digamma(input - k / 2)
    return g * slope


@op("MvlgammaBackward0", elementwise=True, promote="float", input=_mvlgamma_rule)
def mvlgamma(input, p):
    """The logarithm of the multivariate gamma function of dimension ``p``."""
    if p < 1:
        raise RuntimeError("p has to be greater than or equal to 1")
    constant = math.log(math.pi) * p * (p - 1) / 4
    return sum((kernels.lgamma(input - input.dtype.type(k / 2)) for k in range(p)), start=input.dtype.type(constant))


def _gamma_density(g: Any, a: Any, x: Any) -> Any:
    return g * exp((a - 1) * log(x) - x - lgamma(a))


igamma = binary(
    "IgammaBackward0", lambda a, x, out=None: kernels.gammainc(a, x), undefined("igamma"), _gamma_density,
    promote="float",
    doc=kernels.gammainc.__doc__,
)  # fmt: skip
igammac = binary(
    "IgammacBackward0", lambda a, x, out=None: kernels.gammaincc(a, x), undefined("igammac"),
    lambda g, a, x: -_gamma_density(g, a, x), promote="float", doc=kernels.gammaincc.__doc__,
)  # fmt: skip

igamma.__name__, igammac.__name__ = "igamma", "igammac"
igamma, igammac = (requiring(operation, "input", "other") for operation in (igamma, igammac))

_zetas = [
    binary(
        f"SpecialZetaBackward{number}", lambda s, q, out=None: kernels.zeta(s, q), undefined("special_zeta"),
        lambda g, s, q: g * -s * zeta(s + 1, q), promote="float", doc=kernels.zeta.__doc__,
    )
    for number in range(3)
]  # fmt: skip
_zeta_form = by_operand("zeta", _zetas[0], _zetas[2], _zetas[1])


def zeta(input: Any, other: Any, *, out: Any = None) -> Any:
    """The Hurwitz zeta function: the sum of ``(other + k) ** -input`` over k = 0, 1, 2, ..."""
    if isinstance(other, np.ndarray):
        return kernels.zeta(np.asarray(input), other)
    return _zeta_form(input, other, out=out)


# Entropies


def _entropy(x: Any) -> Any:
    positive = np.where(x > 0, x, 1)
    return np.where(x > 0, -x * np.log(positive), np.where(x == 0, 0, np.where(x < 0, -np.inf, x))).astype(x.dtype)


entr = _float(
    "SpecialEntr", _entropy, lambda g, x, _y: g * (where(x != x, math.nan, -log(x)) - 1), "``-x * log(x)``, 0 at 0."
)
xlog1py = product_with(
    "SpecialXlog1Py", log1p, np.log1p, 1, "``input * log(1 + other)``, 0 where ``input`` is 0, unless ``other`` is NaN."
)

# Bessel functions

i0 = _float("I0", kernels.i0, lambda g, x, _y: g * i1(x), kernels.i0.__doc__)
i0e = _float("SpecialI0E", kernels.i0e, lambda g, x, y: g * (i1e(x) - sgn(x) * y), kernels.i0e.__doc__)
i1 = _float(
    "SpecialI1", kernels.i1, lambda g, x, y: g * where(x == 0, 0.5, i0(x) - y / where(x == 0, 1, x)), kernels.i1.__doc__
)
i1e = _float(
    "SpecialI1E", kernels.i1e,
    lambda g, x, y: g * where(x == 0, 0.5, i0e(x) - y * (sgn(x) + 1 / where(x == 0, 1, x))), kernels.i1e.__doc__,
)  # fmt: skip


def _polygamma_of(self: Any, n: int) -> Any:
    """The ``n``-th derivative of `digamma`."""
    return _polygamma(self, n)


OPERATORS = {"polygamma": _polygamma_of, "polygamma_": inplace(_polygamma)}
"""The methods whose arguments come in another order than the function's."""
