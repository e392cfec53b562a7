"""Limits, element by element: clamping, the larger and the smaller of two, replacing NaN and infinities."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .compare import isfinite, where
from .define import op
from .fast import binary, parametric
from .forms import NUMBERS as PYTHON_NUMBERS
from .forms import Forms, invalid, promoted_by, requiring, undefined
from .promotion import float32, float64, is_half, promoted

__all__ = [
    "clamp", "clamp_max", "clamp_min", "clip", "fmax", "fmin", "heaviside", "maximum", "minimum", "nan_to_num",
]  # fmt: skip


NUMBERS = (int, float, type(None))


def _bounded(input: Any, low: Any, high: Any) -> Any:
    """The input within its bounds, of the common type."""
    if (input.dtype is float32 or input.dtype is float64) and type(low) in NUMBERS and type(high) in NUMBERS:
        if high is None:
            return np.maximum(input, low)
        return np.minimum(input if low is None else np.maximum(input, low), high)
    if input.dtype.kind == "c":
        raise RuntimeError("clamp is not supported for complex types")
    if input.dtype == bool and not isinstance(low, np.ndarray) and not isinstance(high, np.ndarray):
        raise NotImplementedError("\"clamp_scalar_cpu\" not implemented for 'Bool'")
    (result, low, high), dtype = promoted((input, low, high))
    if low is not None:
        result = np.maximum(result, low)
    if high is not None:
        result = np.minimum(result, high)
    return result.astype(dtype) if is_half(dtype) else result


def _inside(input: Any, low: Any, high: Any) -> Any:
    """Where the input was not changed."""
    if high is None:
        return input >= low
    return input <= high if low is None else (input >= low) & (input <= high)


@op("ClampBackward1", elementwise=True, input=lambda g, input, min, max: where(_inside(input, min, max), g, 0))
def _clamp_to_numbers(input, min=None, max=None):
    return _bounded(input, min, max)


_clamp_to_numbers = parametric(
    _clamp_to_numbers, _bounded, lambda g, input, min, max: where(_inside(input, min, max), g, 0)
)


def _raised(g: Any, input: Any, low: Any, high: Any) -> Any:
    """The gradient of the lower bound."""
    return where(input < low if high is None else (input < low) & (low < high), g, 0)


def _lowered(g: Any, input: Any, low: Any, high: Any) -> Any:
    """The gradient of the upper bound, which has the last word."""
    return where(input > high if low is None else (input > high) | (high < low), g, 0)


@op(
    "ClampBackward0", elementwise=True,
    input=lambda g, input, min, max: where(_inside(input, min, max), g, 0),
    min=lambda g, input, min, max: _raised(g, input, min, max),
    max=lambda g, input, min, max: _lowered(g, input, min, max),
)  # fmt: skip
def _clamp_to_tensors(input, min=None, max=None):
    return _bounded(input, min, max)


def _clamp_form(_input: Any, min: Any = None, max: Any = None) -> Any:
    given = [bound for bound in (min, max) if bound is not None]
    if not given:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    tensors = sum(isinstance(bound, Tensor) for bound in given)
    if 0 < tensors < len(given):
        raise TypeError(
            "clamp() received an invalid combination of arguments: min and max must be both numbers or both Tensors"
        )
    return _clamp_to_tensors if tensors else _clamp_to_numbers


def clamp(input: Tensor, min: Any = None, max: Any = None, *, out: Any = None) -> Tensor:
    """Each element moved into the interval from ``min`` to ``max``, numbers or tensors; either may be left out.

    >>> import rushlight as torch
    >>> torch.clamp(torch.tensor([-2.0, 0.5, 3.0]), min=0, max=1)
    tensor([0.0000, 0.5000, 1.0000])

    Raises:
        RuntimeError: neither bound is given, or the numbers are complex.
    """
    if type(min) in NUMBERS and type(max) in NUMBERS and min is not max and out is None:
        return _clamp_to_numbers(input, min, max)
    form = _clamp_form(input, min, max)
    return form(input, min, max) if out is None else form(input, min, max, out=out)


clamp.op = Forms("clamp", _clamp_form)  # type: ignore[attr-defined]
clip = clamp


@op("ClampMinBackward0", elementwise=True, input=lambda g, input, min: where(input >= min, g, 0))
def _clamp_min_number(input, min):
    return _bounded(input, min, None)


@op(
    "ClampMinBackward1", elementwise=True,
    input=lambda g, input, min: where(input >= min, g, 0), min=lambda g, input, min: where(input < min, g, 0),
)  # fmt: skip
def _clamp_min_tensor(input, min):
    return _bounded(input, min, None)


@op("ClampMaxBackward0", elementwise=True, input=lambda g, input, max: where(input <= max, g, 0))
def _clamp_max_number(input, max):
    return _bounded(input, None, max)


@op(
    "ClampMaxBackward1", elementwise=True,
    input=lambda g, input, max: where(input <= max, g, 0), max=lambda g, input, max: where(input > max, g, 0),
)  # fmt: skip
def _clamp_max_tensor(input, max):
    return _bounded(input, None, max)


def _one_sided(name: str, parameter: str, tensors: Any, number: Any, doc: str) -> Any:
    def choose(input: Any, bound: Any = None, **named: Any) -> Any:
        if type(input) in PYTHON_NUMBERS:
            raise invalid(name, input, bound)
        return tensors if isinstance(named.get(parameter, bound), Tensor) else number

    def call(input: Tensor, *bound: Any, out: Any = None, **named: Any) -> Tensor:
        if out is not None:
            named["out"] = out
        return choose(input, *bound, **named)(input, *bound, **named)

    call.op, call.__name__, call.__doc__ = Forms(name, choose), name, doc  # type: ignore[attr-defined]
    return call


clamp_min = _one_sided(
    "clamp_min", "min", _clamp_min_tensor, _clamp_min_number, "Each element, or ``min`` where that is larger."
)
clamp_max = _one_sided(
    "clamp_max", "max", _clamp_max_tensor, _clamp_max_number, "Each element, or ``max`` where that is smaller."
)


# The larger and the smaller of two


def _extreme(name: str, ufunc: Any, beats: Any, doc: str) -> Any:
    """The gradient goes to the one that was chosen, and in halves to two that are equal."""

    def refuse_complex(input: Any, other: Any, out: Any = None) -> Any:
        if input.dtype.kind == "c":
            raise RuntimeError(f"{name.lower()} not implemented for complex tensors.")
        return ufunc(input, other, out=out)

    operation = binary(
        f"{name}Backward0", ufunc,
        lambda g, a, b: where(beats(b, a), 0, where(a == b, g * 0.5, g)),
        lambda g, a, b: where(beats(a, b), 0, where(a == b, g * 0.5, g)),
        doc=doc,
    )  # fmt: skip
    return requiring(promoted_by(operation, lambda input, other: refuse_complex(input, other)), "input", "other")


def _numbers_first(name: str, ufunc: Any, keeps: Any, doc: str) -> Any:
    """The gradient goes to the one that was chosen, the first of two that are equal, and never to NaN."""
    operation = binary(
        f"{name}Backward0", ufunc,
        lambda g, a, b: where(keeps(a, b) | (b != b), g, 0), lambda g, a, b: where(keeps(a, b) | (b != b), 0, g),
        doc=doc,
    )  # fmt: skip
    return requiring(operation, "input", "other")


maximum = _extreme("Maximum", np.maximum, lambda a, b: a > b, "The larger of two; NaN if one of them is NaN.")
minimum = _extreme("Minimum", np.minimum, lambda a, b: a < b, "The smaller of two; NaN if one of them is NaN.")
fmax = _numbers_first("Fmax", np.fmax, lambda a, b: a >= b, "The larger of two; a number rather than NaN.")
fmin = _numbers_first("Fmin", np.fmin, lambda a, b: a <= b, "The smaller of two; a number rather than NaN.")


# Replacements


@op("NanToNumBackward0", input=lambda g, input: where(isfinite(input), g, 0), batch="elementwise")
def nan_to_num(input, nan=None, posinf=None, neginf=None):
    """NaN replaced by ``nan`` (0), infinities by ``posinf`` and ``neginf`` (the largest and the smallest number).

    >>> import rushlight as torch
    >>> torch.nan_to_num(torch.tensor([float("nan"), 1.0]))
    tensor([0., 1.])
    """
    if input.dtype.kind not in "fcV":
        return input.copy()
    info = dtypes.finfo(dtypes.of(input.dtype))
    high, low = info.max if posinf is None else posinf, info.min if neginf is None else neginf
    if input.dtype.kind == "V":
        plain = input.astype(np.float32)
        return np.nan_to_num(plain, nan=nan or 0.0, posinf=high, neginf=low).astype(input.dtype)
    return np.nan_to_num(input, nan=nan or 0.0, posinf=high, neginf=low)


def _refuse_mixed(input: Any, other: Any) -> Any:
    if input.dtype.kind == "c":
        raise RuntimeError("heaviside is not yet implemented for complex tensors.")
    if input.dtype != other.dtype:
        raise RuntimeError("heaviside is not yet implemented for tensors with different dtypes.")


@op(
    "NotImplemented", elementwise=True,
    input=lambda g: undefined("heaviside")(g, None, None), values=lambda g: undefined("heaviside")(g, None, None),
)  # fmt: skip
def heaviside(input, values):
    """0 below 0, 1 above, and ``values`` at 0."""
    _refuse_mixed(input, values)
    return np.where(input == 0, values, np.where(input != input, 0, input > 0).astype(input.dtype))


heaviside = requiring(heaviside, "input", "values")
