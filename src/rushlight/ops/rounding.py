"""Rounding, and the parts of floating-point numbers: fraction, mantissa and exponent, sign, neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from .compare import where
from .define import op
from .elementwise import sgn
from .fast import binary, unary
from .forms import Forms, before, by_operand, promoted_by, requiring, zeros
from .powers import exp2

__all__ = ["ceil", "copysign", "fix", "floor", "frac", "frexp", "nextafter", "round", "trunc"]


def _refuse_inexact(name: str) -> Any:
    def check(input: Any, *_: Any) -> None:
        if isinstance(input, np.ndarray) and input.dtype.kind == "c":
            raise RuntimeError(f"{name} is not supported for complex inputs")
        if isinstance(input, np.ndarray) and input.dtype == bool:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for 'Bool'")

    return check


def _step(name: str, ufunc: Any, doc: str) -> Any:
    operation = unary(f"{name.capitalize()}Backward0", ufunc, lambda g, _x, _y: zeros(g), doc=doc)
    promoted_by(operation, lambda input: ufunc(input) if input.dtype.kind in "fV" else input.copy())
    return before(operation, _refuse_inexact(name))


floor = _step("floor", np.floor, "The largest integer that is not larger.")
ceil = _step("ceil", np.ceil, "The smallest integer that is not smaller.")
trunc = _step("trunc", np.trunc, "The integer part.")
_nearest = _step("round", np.rint, "The nearest integer, an even one between two.")
fix = trunc
frac = unary(
    "FracBackward0", lambda x: x - np.trunc(x), lambda g, _x, _y: g, doc="The part behind the point, of the same sign."
)


def _refuse_integers(input: Any, *_: Any) -> None:
    if isinstance(input, np.ndarray) and input.dtype.kind in "biu":
        raise NotImplementedError(f"\"frac_cpu\" not implemented for '{dtypes.CASED[dtypes.of(input.dtype)]}'")


before(frac, _refuse_integers)


@op("RoundBackward1", promote="common", input=lambda g: zeros(g), batch="elementwise")
def _to_decimals(input, *, decimals=0):
    if input.dtype.kind in "biu":
        raise NotImplementedError(f"\"round_vml_cpu\" not implemented for '{dtypes.CASED[dtypes.of(input.dtype)]}'")
    scale = input.dtype.type(10.0 ** np.absolute(decimals))
    return np.rint(input * scale) / scale if decimals > 0 else np.rint(input / scale) * scale


def round(input: Any, *, decimals: int = 0, out: Any = None) -> Any:
    """The nearest number with so many digits behind the point; halves go to the even one.

    >>> import rushlight as torch
    >>> torch.round(torch.tensor([0.5, 1.5, 2.345])), torch.round(torch.tensor(2.345), decimals=2)
    (tensor([0., 2., 2.]), tensor(2.3400))
    """
    if decimals == 0:
        return _nearest(input, out=out)
    return _to_decimals(input, decimals=decimals, out=out)


round.op = Forms("round", lambda _input, decimals=0: _to_decimals if decimals else _nearest)  # type: ignore[attr-defined]


@op(
    "FrexpBackward0", outputs=("mantissa", "exponent"), nondifferentiable=("exponent",),
    input=lambda g, exponent: g / exp2(exponent), batch="elementwise",
)  # fmt: skip
def frexp(input):
    """The mantissa, from 0.5 to 1, and the exponent of 2 that make up each number."""
    if input.dtype.kind not in "fV":
        raise RuntimeError("torch.frexp() only supports floating-point dtypes")
    mantissa, exponent = np.frexp(input)
    return np.asarray(mantissa), np.asarray(exponent)


_copysigns = [
    binary(
        f"CopysignBackward{number}", np.copysign,
        lambda g, a, b: where(a == 0, 0, g * sgn(a) * sgn(copysign(a, b))), lambda g, _a, _b: zeros(g),
        promote="float", doc="The size of ``input`` with the sign of ``other``.",
    )
    for number in range(2)
]  # fmt: skip
copysign = by_operand("copysign", *_copysigns)
nextafter = binary(
    "NextafterBackward0", np.nextafter, lambda g, a, b: where(a == b, 0, g), lambda g, _a, _b: zeros(g),
    doc="The next number after ``input`` on the way to ``other``.",
)  # fmt: skip
nextafter = requiring(nextafter, "input", "other")
