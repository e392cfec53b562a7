"""Powers, roots, exponentials and logarithms, element by element."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import arithmetic, functions
from ..kernels import powers as kernels
from ..tensor import Tensor
from .compare import where
from .convert import to_dtype
from .define import inplace
from .fast import binary, unary
from .forms import before, by_operand, operator, promoted_by, requiring, zeros
from .promotion import raw

__all__ = [
    "exp", "exp2", "expm1", "float_power", "log", "log10", "log1p", "log2", "logaddexp", "logaddexp2", "pow", "rsqrt",
    "sqrt", "square", "xlogy",
]  # fmt: skip

LN2, LN10 = math.log(2), math.log(10)

exp = unary(
    "ExpBackward0", functions.exp, lambda g, _x, y: g * y, arithmetic.multiply, promote="float",
    doc="e to the power of each element.",
)  # fmt: skip
expm1 = unary(
    "Expm1Backward0", functions.expm1, lambda g, _x, y: g * (y + 1), functions.expm1_back, promote="float",
    doc="``exp(x) - 1``, exact near 0.",
)  # fmt: skip
log = unary(
    "LogBackward0", functions.log, lambda g, x, _y: g / x, arithmetic.divide, promote="float",
    doc="The natural logarithm.",
)  # fmt: skip
log2 = unary("Log2Backward0", np.log2, lambda g, x, _y: g / (x * LN2), promote="float", doc="The logarithm to base 2.")
log10 = unary(
    "Log10Backward0", np.log10, lambda g, x, _y: g / (x * LN10), promote="float", doc="The logarithm to base 10."
)
log1p = unary(
    "Log1PBackward0", functions.log1p, lambda g, x, _y: g / (x + 1), functions.log1p_back, promote="float",
    doc="``log(1 + x)``, exact near 0.",
)  # fmt: skip
sqrt = unary(
    "SqrtBackward0", arithmetic.sqrt, lambda g, _x, y: g / (2 * y), arithmetic.sqrt_back, promote="float",
    doc="The square root.",
)  # fmt: skip
rsqrt = unary(
    "RsqrtBackward0", kernels.rsqrt, lambda g, _x, y: g * (y * y * y * -0.5), kernels.rsqrt_back, promote="float",
    doc="``1 / sqrt(x)``.",
)  # fmt: skip
square = promoted_by(
    unary("PowBackward0", arithmetic.square, lambda g, x, _y: g * (2 * x), arithmetic.square_back, doc="``x * x``."),
    lambda input: np.square(input if input.dtype != bool else input.astype(np.int64)),
)


def _scaled(z: np.ndarray, factor: float) -> np.ndarray:
    """Complex numbers times a real one, part by part: an infinite part must not make the other NaN."""
    out = np.empty_like(z)
    out.real, out.imag = z.real * factor, z.imag * factor
    return out


exp2 = promoted_by(
    unary(
        "Exp2Backward0", kernels.exp2, lambda g, _x, y: g * (y * LN2), kernels.exp2_back, promote="float",
        doc="2 to the power of each element.",
    ),
    lambda input: np.exp(_scaled(input, LN2)) if input.dtype.kind == "c" else kernels.exp2(input),
)  # fmt: skip


# Powers


POWERS: dict[float, Any] = {
    1: np.positive, 2: arithmetic.square, 3: kernels.cube, -1: arithmetic.reciprocal, -2: kernels.inverse_square,
    0.5: arithmetic.sqrt, -0.5: kernels.rsqrt,
}  # fmt: skip
"""Those that are worked out as products, quotients and roots, with what these make of infinities and zeros."""

SLOPES: dict[float, Any] = {
    2: arithmetic.square_back, 3: kernels.cube_back, -1: kernels.inverse_back, 0.5: kernels.root_back,
}  # fmt: skip
"""The gradients of such powers from those of their results and the bases."""


def power(base: Any, exponent: Any, out: Any = None) -> Any:
    """``base ** exponent`` of floating-point numbers, the square as a product."""
    if not exponent.ndim and exponent.item() == 2:
        return arithmetic.multiply(base, base, out=out)
    if not base.ndim and base.item() == 2:
        return kernels.exp2(exponent, out=out)
    return kernels.power(base, exponent, out=out)


def numbered_power(base: Any, number: Any, out: Any = None) -> Any:
    """`power` to a single number."""
    special = POWERS.get(number.item())
    return kernels.power(base, number, out=out) if special is None else special(base, out=out)


def _slope_at_number(g: Any, base: np.ndarray, number: np.ndarray) -> Any:
    """The gradient of the base of a power to a single number, from arrays."""
    exponent = number.item()
    special = SLOPES.get(exponent)
    if special is not None:
        return special(g, base)
    if not exponent:
        return zeros(g)
    return arithmetic.multiply(g, arithmetic.multiply(numbered_power(base, np.subtract(number, 1)), number))


def _slope(g: Any, base: Any, exponent: Any) -> Any:
    """The gradient of the base: 0 where the exponent is 0, also at 0 and infinity."""
    bare = raw(exponent)
    if not np.ndim(bare):
        number = bare.item() if isinstance(bare, (np.ndarray, np.generic)) else bare
        if number == 0:
            return zeros(g * exponent)
        if number == 2 and not isinstance(base, Tensor):  # a Tensor's goes on to be differentiable where it is constant
            return arithmetic.square_back(g, base) if type(g) is np.ndarray else g * (base + base)
        return g * (exponent * base ** (exponent - 1))
    return where(exponent == 0, 0, g * (exponent * base ** (exponent - 1)))


def _growth(g: Any, base: Any, exponent: Any) -> Any:
    """The gradient of the exponent: 0 where a base of 0 is raised to a power that leaves it 0."""
    real = type(g) is type(exponent) is np.ndarray and g.dtype is exponent.dtype and g.dtype.kind == "f"
    if real and not np.ndim(base) and base != 0:
        base = np.asarray(base, g.dtype)
        return arithmetic.multiply(g, arithmetic.multiply(power(base, exponent), functions.log(base)))
    flat = base == 0
    if raw(exponent).dtype.kind != "c":
        flat = flat & (exponent >= 0)
    elif not isinstance(base, (np.ndarray, Tensor)):
        return zeros(g * exponent) if flat else g * (base**exponent * np.log(base).item())
    rate = log(base) if isinstance(base, (np.ndarray, Tensor)) else np.log(base).item()
    return g * where(flat, 0, base**exponent * rate)


def integer_power(base: Any, exponent: Any) -> Any:
    """Powers of any type; integers to negative powers are 0, but for those of 1 and -1."""
    kind = base.dtype.kind
    if kind not in "iu" or np.all(exponent >= 0):
        if kind == "c" and not np.ndim(exponent) and exponent == 2:
            return base * base
        return base & (base | ~exponent) if kind == "b" else np.power(base, exponent)
    raised = np.power(base, np.where(exponent < 0, 0, exponent))
    unit = np.where(base == 1, 1, np.where(base == -1, 1 - 2 * (exponent & 1), 0))
    return np.where(exponent < 0, unit, raised).astype(base.dtype)


def _of_any_type(of_floats: Any) -> Any:
    """The function of floating-point numbers for these, and `integer_power` for others."""

    def compute(base: Any, exponent: Any) -> Any:
        return np.asarray(of_floats(base, exponent)) if base.dtype.kind == "f" else integer_power(base, exponent)

    return compute


POW_DOC = "``input ** exponent``."
plain_pow = binary(
    "PowBackward0", numbered_power, _slope, _growth, (_slope_at_number, _growth), doc=POW_DOC,
)  # fmt: skip
tensor_pow, reversed_pow = (binary(f"PowBackward{n}", power, _slope, _growth, doc=POW_DOC) for n in (1, 2))
for _form, _of_floats in (plain_pow, numbered_power), (tensor_pow, power), (reversed_pow, power):
    promoted_by(_form, _of_any_type(_of_floats))


def _refuse_negative(input: Any, exponent: Any) -> None:
    """An integer to a negative power is no integer."""
    if type(exponent) is int and exponent < 0 and isinstance(input, np.ndarray) and input.dtype.kind in "biu":
        raise RuntimeError("Integers to negative integer powers are not allowed.")


before(plain_pow, _refuse_negative)


_pow = by_operand("pow", tensor_pow, plain_pow, reversed_pow)
_pow_in_place = inplace(_pow)


def pow(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """``input ** exponent``; either may be a number.

    >>> import rushlight as torch
    >>> torch.pow(torch.tensor([1.0, 2.0, 3.0]), 2)
    tensor([1., 4., 9.])

    Raises:
        RuntimeError: integers to a negative integer power.
    """
    return _pow(input, exponent, out=out)


def pow_(self: Tensor, exponent: Any) -> Tensor:
    """`pow` in place."""
    return _pow_in_place(self, exponent)


def _wide(*operands: Any) -> dtypes.dtype:
    kinds = [v.dtype.is_complex if isinstance(v, Tensor) else isinstance(v, complex) for v in operands]
    return dtypes.complex128 if any(kinds) else dtypes.float64


def float_power(input: Any, exponent: Any, *, out: Any = None) -> Any:
    """``input ** exponent`` in double precision, whatever the types."""
    wide = _wide(input, exponent)
    base, exponent = (
        to_dtype(v, wide.numpy) if isinstance(v, Tensor) and v.array.dtype != wide.numpy else v
        for v in (input, exponent)
    )
    return pow(base, exponent, out=out)


def float_power_(self: Tensor, exponent: Any) -> Tensor:
    """`float_power` in place, for tensors in double precision only."""
    wide = _wide(self, exponent)
    if self.dtype is not wide:
        raise RuntimeError(
            f"the base given to float_power_ has dtype {dtypes.CASED[self.dtype]} but the operation's result requires "
            f"dtype {dtypes.CASED[wide]}"
        )
    return pow_(self, exponent)


# Sums of exponentials, products with logarithms


def _logaddexp(input: Any, other: Any, out: Any = None) -> Any:
    if input.dtype.kind != "c":
        return np.logaddexp(input, other, out=out)
    swapped = input.real < other.real
    larger, smaller = np.where(swapped, other, input), np.where(swapped, input, other)
    same = (larger == smaller) & ~np.isfinite(larger.real)
    return np.where(same, larger, larger + np.log1p(np.exp(smaller - larger)))


logaddexp = binary(
    "LogaddexpBackward0", _logaddexp, lambda g, a, b: g / (1 + exp(b - a)), lambda g, a, b: g / (1 + exp(a - b)),
    promote="float", doc="``log(exp(input) + exp(other))`` without overflow.",
)  # fmt: skip
logaddexp2 = binary(
    "Logaddexp2Backward0", np.logaddexp2, lambda g, a, b: g / (1 + exp2(b - a)), lambda g, a, b: g / (1 + exp2(a - b)),
    promote="float", doc="``log2(2**input + 2**other)`` without overflow.",
)  # fmt: skip

logaddexp.__name__ = "logaddexp"
logaddexp, logaddexp2 = (requiring(operation, "input", "other") for operation in (logaddexp, logaddexp2))


def product_with(name: str, logarithm: Any, of_arrays: Any, offset: int, doc: str) -> Any:
    """``input * log(other + offset)``, 0 where ``input`` is, unless ``other`` is NaN."""

    def value(input: Any, other: Any, out: Any = None) -> Any:
        product = np.where(np.isnan(other), np.nan, np.where(input == 0, 0, input * of_arrays(other)))
        return product.astype(input.dtype, copy=False)

    forms = [
        binary(
            f"{name}Backward{number}", value,
            lambda g, a, b: where((a == 0) & (b <= -offset), 0, g * logarithm(b)), lambda g, a, b: g * a / (b + offset),
            promote="float", doc=doc,
        )
        for number in range(3)
    ]  # fmt: skip

    both, reflected, number = forms
    return by_operand(name.lower().removeprefix("special"), both, number, reflected)


xlogy = product_with("Xlogy", log, np.log, 0, "``input * log(other)``, 0 where ``input`` is 0.")

OPERATORS = {
    "__pow__": operator(_pow), "__rpow__": operator(_pow, swapped=True, of_numbers=True),
    "__ipow__": pow_, "pow_": pow_,
    "float_power_": float_power_,
}  # fmt: skip
"""The Python operator of powers, and the methods that are not made like the others."""
