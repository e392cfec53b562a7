"""Arithmetic, element by element: sums, products, quotients and their remainders, signs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import recording
from ..kernels import arithmetic as kernels
from ..kernels import periodic, powers
from ..tensor import Tensor, edge_of
from .define import inplace, op
from .fast import OPERANDS, binary, unary, written
from .forms import NUMBERS, Forms, before, by_operand, invalid, operator, promoted_by, requiring, undefined, zeros
from .promotion import as_type, broadcast_error, raw
from .writing import check_apart, check_fits, check_history, check_single

__all__ = [
    "abs", "absolute", "add", "addcdiv", "addcmul", "div", "divide", "floor_divide", "fmod", "gcd", "lcm", "ldexp",
    "lerp",
    "mul", "multiply", "neg", "negative", "positive", "reciprocal", "remainder", "rsub", "sgn", "sign", "signbit",
    "sub",
    "subtract", "true_divide",
]  # fmt: skip


# Sums and differences


def refuse_bools(*operands: Any) -> None:
    """Subtraction has no meaning for truth values."""
    found = [a.dtype == bool if isinstance(a, (np.ndarray, np.generic)) else type(a) is bool for a in operands[:2]]
    if all(found):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or `logical_xor()` "
            "operator instead."
        )
    if any(found):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying to invert a mask, "
            "use the `~` or `logical_not()` operator instead."
        )


def reversed_subtract(input: Any, other: Any, out: Any = None) -> Any:
    """``other - input``."""
    return kernels.subtract(other, input, out=out)


def _same(g: Any, _a: Any, _b: Any) -> Any:
    return g


def _opposite(g: Any, _a: Any, _b: Any) -> Any:
    return kernels.negative(g) if type(g) is np.ndarray else -g


plain_add = binary("AddBackward0", kernels.add, _same, _same)
plain_sub = before(binary("SubBackward0", kernels.subtract, _same, _opposite), refuse_bools)
plain_rsub = before(binary("RsubBackward1", reversed_subtract, _opposite, _same), refuse_bools)


def with_alpha(name: str, first: int, second: int, check: Any) -> Any:
    """A sum or difference of ``first * input`` and ``second * alpha * other``."""

    @op(
        name, elementwise=True, promote="common",
        input=lambda g: g if first == 1 else -g, other=lambda g, alpha: g * (second * alpha),
    )  # fmt: skip
    def scaled(input, other, *, alpha=1):
        if isinstance(alpha, float) and input.dtype.kind in "biu":
            raise RuntimeError("For integral input tensors, argument alpha must not be a floating point number.")
        if alpha is True and input.dtype != bool:
            raise RuntimeError("Boolean alpha only supported for Boolean results.")
        alpha = as_type(alpha, other.dtype)
        if second == -1:
            return input - alpha * other if first == 1 else other - alpha * input
        return input + other if alpha == 1 else input + alpha * other

    return before(scaled, check) if check else scaled


scaled_add = with_alpha("AddBackward0", 1, 1, None)
scaled_sub = with_alpha("SubBackward0", 1, -1, lambda *operands: refuse_bools(*operands))


def add(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``input + alpha * other``, of the common type and broadcast to the common shape.

    >>> import rushlight as torch
    >>> torch.add(torch.tensor([1.0, 2.0]), torch.tensor([10.0, 20.0]), alpha=2)
    tensor([21., 42.])
    """
    if alpha != 1:
        return scaled_add(input, other, alpha=alpha, out=out)
    return plain_add(input, other, out=out)


def sub(input: Any, other: Any, *, alpha: Any = 1, out: Any = None) -> Any:
    """``input - alpha * other``, of the common type and broadcast to the common shape."""
    if alpha != 1:
        return scaled_sub(input, other, alpha=alpha, out=out)
    return plain_sub(input, other, out=out)


def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """``other - alpha * input``."""
    if type(input) in NUMBERS:
        raise invalid("rsub", input, other)
    if isinstance(other, Tensor) or alpha != 1:
        return tensor_rsub(input, other, alpha=alpha)
    return plain_rsub(input, other)


@op(
    "RsubBackward0", elementwise=True, promote="common",
    input=lambda g, alpha: -g if alpha == 1 else g * -alpha, other=lambda g: g,
)  # fmt: skip
def tensor_rsub(input, other, *, alpha=1):
    """``other - alpha * input`` of two tensors."""
    return other - (input if alpha == 1 else as_type(alpha, input.dtype) * input)


before(tensor_rsub, refuse_bools)
add.op, sub.op = scaled_add.op, scaled_sub.op  # type: ignore[attr-defined]


add.inplace = written(plain_add.op, kernels.add, scaled_add.op)  # type: ignore[attr-defined]
sub.inplace = written(plain_sub.op, kernels.subtract, scaled_sub.op)  # type: ignore[attr-defined]
subtract = sub


# Products and quotients


mul = binary(
    "MulBackward0", kernels.multiply, lambda g, _a, b: g * b, lambda g, a, _b: g * a,
    (lambda g, _a, b: kernels.multiply(g, b), lambda g, a, _b: kernels.multiply(g, a)),
    kernels.factor_back, doc="``input * other``.",
)  # fmt: skip
multiply = mul
plain_div = binary(
    "DivBackward0", kernels.divide, lambda g, _a, b: g / b, lambda g, a, b: -g * ((a / b) / b),
    (lambda g, _a, b: kernels.divide(g, b), kernels.divisor_back), promote="float",
)  # fmt: skip
reciprocal = unary(
    "ReciprocalBackward0", kernels.reciprocal, lambda g, _x, y: -g * (y * y), kernels.reciprocal_back, promote="float",
    doc="``1 / input``.",
)  # fmt: skip


def refuse_zero(other: Any) -> None:
    """Integers cannot be divided by zero."""
    if other.dtype.kind in "biu" and not other.all():
        raise RuntimeError("ZeroDivisionError")


def floored(input: Any, other: Any) -> Any:
    """The quotient rounded down."""
    refuse_zero(other)
    return np.floor_divide(input, other)


def truncated(input: Any, other: Any) -> Any:
    """The quotient rounded towards zero."""
    if input.dtype.kind not in "iu":
        return np.trunc(input / other)
    refuse_zero(other)
    down = np.floor_divide(input, other)
    return down + ((down < 0) & (down * other != input)).astype(down.dtype)


ROUNDED = {"floor": floored, "trunc": truncated}


@op("DivBackward2", elementwise=True, promote="common", input=lambda g: zeros(g), other=lambda g: zeros(g))
def rounded_div(input, other, *, rounding_mode=None):
    """The quotient rounded down or towards zero."""
    return ROUNDED[rounding_mode](input, other)


rounded_div.op.of_numbers = True


def _division(_input: Any, _other: Any, rounding_mode: str | None = None) -> Any:
    if rounding_mode is not None and rounding_mode not in ROUNDED:
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found '{rounding_mode}'"
        )
    return plain_div if rounding_mode is None else rounded_div


def div(input: Any, other: Any, *, rounding_mode: str | None = None, out: Any = None) -> Any:
    """``input / other``: the true quotient, or rounded towards zero (``"trunc"``) or down (``"floor"``).

    >>> import rushlight as torch
    >>> torch.div(torch.tensor([7, -7]), 2, rounding_mode="trunc")
    tensor([ 3, -3])
    """
    form = _division(input, other, rounding_mode)
    if form is plain_div:
        return plain_div(input, other, out=out)
    return form(input, other, rounding_mode=rounding_mode, out=out)


def true_divide(input: Any, other: Any, *, out: Any = None) -> Any:
    """``input / other``, a floating-point number also for integers."""
    return plain_div(input, other, out=out)


div.op, true_divide.op = Forms("div", _division), plain_div.op  # type: ignore[attr-defined]
divide = div

floor_divide = promoted_by(
    binary(
        "NotImplemented", np.floor_divide, undefined("floor_divide"), undefined("floor_divide"),
        doc="The quotient rounded down; of integers, an integer.",
    ),
    lambda input, other: floored(input, other),
)  # fmt: skip
floor_divide.op.name = floor_divide.__name__ = "floor_divide"


def _remainders(name: str, ufunc: Any, rounding_mode: str, doc: str) -> Any:
    def fallen(g: Any, a: Any, b: Any) -> Any:
        return -g * div(a, b, rounding_mode=rounding_mode)

    def compute(input: Any, other: Any) -> Any:
        refuse_zero(other)
        return ufunc(input, other)

    missing = undefined(name)
    tensors, number, reflected = (
        promoted_by(binary(node, ufunc, rule, other_rule, doc=doc), compute)
        for node, rule, other_rule in (
            (f"{name.capitalize()}Backward1", lambda g, _a, _b: g, fallen),
            (f"{name.capitalize()}Backward0", lambda g, _a, _b: g, fallen),
            ("NotImplemented", missing, missing),
        )
    )
    return by_operand(name, tensors, number, reflected if name == "remainder" else None)


remainder = _remainders(
    "remainder", periodic.remainder, "floor", "What ``input`` leaves over ``other``, of the divisor's sign."
)
fmod = _remainders("fmod", periodic.fmod, "trunc", "What ``input`` leaves over ``other``, of the dividend's sign.")


@op(batch="elementwise")
def gcd(input, other):
    """The greatest common divisor of integers."""
    return np.gcd(*_integers("gcd", input, other))


@op(batch="elementwise")
def lcm(input, other):
    """The least common multiple of integers."""
    return np.lcm(*_integers("lcm", input, other))


gcd, lcm = (requiring(operation, "input", "other") for operation in (gcd, lcm))


def _integers(name: str, input: Any, other: Any) -> tuple:
    common = np.dtype(dtypes.promote_types(dtypes.of(input.dtype), dtypes.of(other.dtype)).numpy)
    if common.kind not in "iu":
        raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{dtypes.CASED[dtypes.of(common)]}'")
    return as_type(input, common), as_type(other, common)


# Signs


def refuse_bool_negation(input: Any, *_: Any) -> None:
    """Negation has no meaning for truth values."""
    if isinstance(input, np.ndarray) and input.dtype == bool:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a mask, use "
            "the `~` or `logical_not()` operator instead."
        )


neg = before(
    unary("NegBackward0", kernels.negative, lambda g, _x, _y: _opposite(g, None, None), doc="``-input``."),
    refuse_bool_negation,
)
negative = neg


def positive(input: Tensor) -> Tensor:
    """The tensor itself.

    Raises:
        RuntimeError: it holds truth values.
    """
    if input.array.dtype == bool:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported.")
    return input


def _refuse_bool_abs(input: Any, *_: Any) -> None:
    if isinstance(input, np.ndarray) and input.dtype == bool:
        raise NotImplementedError("\"abs_cpu\" not implemented for 'Bool'")


abs = before(
    unary(
        "AbsBackward0",
        kernels.absolute,
        lambda g, x, _y: g * sgn(x),
        kernels.absolute_back,
        doc="The absolute value; the modulus of a complex number.",
    ),
    _refuse_bool_abs,
)
absolute = abs


_abs_in_place = inplace(abs)


def abs_(self: Tensor) -> Tensor:
    """The absolute value in place.

    Raises:
        RuntimeError: the numbers are complex.
    """
    if self.array.dtype.kind == "c":
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return _abs_in_place(self)


def _sign_of(input: Any) -> Any:
    if input.dtype.kind == "f":
        return powers.sign(input)
    return input.copy() if input.dtype == bool else np.sign(input)


def _refuse_complex_sign(input: Any, *_: Any) -> None:
    if isinstance(input, np.ndarray) and input.dtype.kind == "c":
        raise NotImplementedError(
            "Unlike NumPy, torch.sign doesn't support complex numbers. Use torch.sgn for the unit phasor."
        )


sign = before(unary("SignBackward0", _sign_of, lambda g, _x, _y: zeros(g), doc="-1, 0 or 1."), _refuse_complex_sign)


def _sgn_rule(g: Any, input: Any, result: Any) -> Any:
    if raw(input).dtype.kind != "c":
        return zeros(g)
    from .compare import where
    from .complexes import real

    size = abs(input)
    return where(size == 0, 0, (g - real(g * result.conj()) * result) / where(size == 0, 1, size))


@op("SgnBackward0", input=_sgn_rule, batch="elementwise")
def sgn(input):
    """-1, 0 or 1; for a complex number the one of modulus 1 in its direction, or 0."""
    if input.dtype.kind != "c":
        return _sign_of(input)
    size, out = np.abs(input), np.empty_like(input)
    size = np.where(size == 0, 1, size)
    out.real, out.imag = input.real / size, input.imag / size  # as PyTorch, of infinities too
    return out


@op(batch="elementwise")
def signbit(input):
    """Whether the sign bit is set: true for -0.0."""
    if input.dtype.kind == "c":
        raise RuntimeError("signbit is not implemented for complex tensors.")
    return np.signbit(input) if input.dtype.kind in "fV" else input < 0


# Products and sums in one


@op(
    "AddcmulBackward0", elementwise=True, promote="common", input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * (tensor2 * value), tensor2=lambda g, tensor1, value: g * (tensor1 * value),
)  # fmt: skip
def addcmul(input, tensor1, tensor2, *, value=1):
    """``input + value * tensor1 * tensor2``."""
    if input.dtype.kind in "iu":
        value = int(value)
    product = tensor1 * tensor2
    return input + (product if value == 1 else value * product)


@op(
    "AddcdivBackward0", elementwise=True, promote="common", input=lambda g: g,
    tensor1=lambda g, tensor2, value: g * (value / tensor2),
    tensor2=lambda g, tensor1, tensor2, value: -g * (tensor1 * value / (tensor2 * tensor2)),
)  # fmt: skip
def addcdiv(input, tensor1, tensor2, *, value=1):
    """``input + value * tensor1 / tensor2``.

    Raises:
        RuntimeError: integers; divide them with ``div`` first.
    """
    if input.dtype.kind in "biu":
        raise RuntimeError(
            "Integer division with addcdiv is no longer supported, and in a future release addcdiv will perform a true "
            "division of tensor1 and tensor2. Use (input + value * torch.trunc(tensor1 / tensor2)) or "
            "(input + value * tensor1 / tensor2)."
        )
    return input + value * (tensor1 / tensor2)


def _interpolate(input: Any, end: Any, weight: Any) -> Any:
    try:
        return kernels.lerp(input, end, weight)
    except ValueError as error:
        raise broadcast_error(error, (input, end, weight)) from None


_ENDS = {"input": lambda g, weight: g * (1 - weight), "end": lambda g, weight: g * weight}


@op("LerpBackward0", elementwise=True, **_ENDS)
def _lerp_number(input, end, weight):
    _refuse_other_type("end", input, end)
    result = _interpolate(input, end, np.asarray(input.dtype.type(weight)))
    _refuse_integers(input)  # after shapes that do not fit
    return result


@op("LerpBackward1", elementwise=True, **_ENDS, weight=lambda g, input, end: g * (end - input))
def _lerp_tensor(input, end, weight):
    _refuse_other_type("end", input, end)
    _refuse_other_type("weight", input, weight)
    return _interpolate(input, end, weight)


def _refuse_integers(input: Any) -> None:
    if input.dtype.kind in "biu":
        name = dtypes.CASED[dtypes.of(input.dtype)]
        raise NotImplementedError(f"\"lerp_kernel_scalar\" not implemented for '{name}'")


def _refuse_other_type(name: str, input: Any, other: Any) -> None:
    if input.dtype != other.dtype and (name == "end" or other.ndim):
        raise RuntimeError(
            f"expected dtype {dtypes.of(input.dtype)} for `{name}`, but got dtype {dtypes.of(other.dtype)}"
        )


def lerp(input: Any, end: Any, weight: Any, *, out: Any = None) -> Any:
    """``input + weight * (end - input)``: the point that far on the way from one to the other.

    >>> import rushlight as torch
    >>> torch.lerp(torch.tensor([0.0, 10.0]), torch.tensor([1.0, 20.0]), 0.5)
    tensor([ 0.5000, 15.0000])
    """
    return _lerp_form(input, end, weight)(input, end, weight, out=out)


def _lerp_form(_input: Any, _end: Any, weight: Any) -> Any:
    return _lerp_tensor if isinstance(weight, Tensor) else _lerp_number


def _lerp_inplace_form(input: Any, end: Any, weight: Any) -> Any:
    check_history(input, "lerp_", any(isinstance(x, Tensor) and x.requires_grad for x in (input, end, weight)))
    if recording.get():  # operands with an unusable history are told before their types
        _ = [edge_of(x) for x in (input, end, weight) if isinstance(x, Tensor)]
    _refuse_other_type("end", input.array, raw(end))
    if input.array.dtype.kind in "biu":  # memory and shapes that do not fit are told before a type that does not
        check_single(input.array)
        check_apart(input, (end,))
        check_fits(input.array, _interpolate(input.array, raw(end), 0))
    return _lerp_form(input, end, weight)


lerp.op = Forms("lerp", _lerp_inplace_form)  # type: ignore[attr-defined]


def _scale(other: Any) -> Any:
    from .powers import exp2

    return exp2(other)


@op(
    "LdexpBackward0", elementwise=True, input=lambda g, other: g * _scale(other),
    other=lambda g, input, other: g * (input * _scale(other)) * 0.6931471805599453,
)  # fmt: skip
def ldexp(input, other):
    """``input * 2**other``."""
    dtype = dtypes.get_default_dtype().numpy
    power = np.exp2(as_type(other, other.dtype if other.dtype.kind in "fcV" else dtype))
    common = dtypes.promote_types(dtypes.of(input.dtype), dtypes.of(power.dtype)).numpy if input.ndim else power.dtype
    if input.ndim and not power.ndim and input.dtype.kind == "f":
        common = input.dtype
    return as_type(input, common) * as_type(power, common)


ldexp = requiring(ldexp, "input", "other")


def _reversed(operation: Any) -> Any:
    """The reflected operator: the operands change places."""
    return operator(operation, swapped=True, of_numbers=True)


def _reversed_div(self: Any, other: Any) -> Any:
    return self.reciprocal() * other if isinstance(other, OPERANDS) else NotImplemented


OPERATORS = {
    "__add__": operator(plain_add), "__radd__": operator(plain_add), "__sub__": operator(plain_sub),
    "__rsub__": operator(plain_rsub), "__mul__": operator(mul), "__rmul__": operator(mul),
    "__truediv__": operator(plain_div),
    "__rtruediv__": _reversed_div, "__rdiv__": _reversed_div, "__floordiv__": operator(floor_divide),
    "__rfloordiv__": _reversed(floor_divide), "__mod__": operator(remainder), "__rmod__": _reversed(remainder),
    "__neg__": neg, "__pos__": positive, "__abs__": abs, "abs_": abs_, "absolute_": abs_,
}  # fmt: skip
"""The Python operators of arithmetic."""
