"""Complex numbers: their parts, angles and conjugates, and real tensors as complex ones."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .batching_rules import of_last_axes
from .compare import where
from .define import op
from .fast import unary
from .forms import requiring, zeros
from .promotion import raw
from .reduce import sum_to_size
from .writing import compose

__all__ = [
    "angle", "complex", "conj", "conj_physical", "imag", "polar", "real", "resolve_conj", "resolve_neg",
    "view_as_complex",
    "view_as_real",
]  # fmt: skip


def _refuse_real(name: str, input: Any) -> None:
    if input.dtype.kind != "c":
        raise RuntimeError(f"{name} is not implemented for tensors with non-complex dtypes.")


# Views


def shown_by(operation: Any) -> Any:
    """A view of another type, which strides alone do not describe: show it again by the operation itself."""

    def call(input: Any) -> Any:
        out = operation(input)
        if isinstance(out, Tensor) and out._view is not None:
            out._view.replay = call if input._view is None else compose(input, out.array, call)
        return out

    call.op, call.__name__, call.__doc__ = operation.op, operation.__name__, operation.__doc__  # type: ignore[attr-defined]
    return call


@op("SelectBackward0", view=True, input=lambda g: complex(g, zeros(g)), batch="elementwise")
def _real(input):
    """The real part as a view."""
    return input.real


@op("SelectBackward0", view=True, input=lambda g: complex(zeros(g), g), batch="elementwise")
def _imag(input):
    """The imaginary part as a view."""
    _refuse_real("imag", input)
    return input.imag


@op("ViewAsRealBackward0", view=True, input=lambda g: _pairs_as_complex(g), batch="elementwise")
def _as_real(input):
    """The real and imaginary parts along a new last axis, as a view."""
    _refuse_real("view_as_real", input)
    return input[..., None].view(input.real.dtype)


@op("ViewAsComplexBackward0", input=lambda g: view_as_real(g), batch=of_last_axes(1))
def _pairs_as_complex(input):
    parts = np.ascontiguousarray(input)
    return parts.view(dtypes.of(parts.dtype).to_complex().numpy)[..., 0]


@op("ViewAsComplexBackward0", view=True, input=lambda g: view_as_real(g), batch=of_last_axes(1))
def _as_complex(input):
    """Pairs of numbers along the last axis as complex numbers, as a view."""
    if input.dtype.kind != "f":
        raise RuntimeError(
            f"view_as_complex is only supported for half, float and double tensors, but got a tensor of scalar type: "
            f"{dtypes.CASED[dtypes.of(input.dtype)]}"
        )
    if input.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if not input.size:
        return np.empty(input.shape[:-1], dtypes.of(input.dtype).to_complex().numpy)
    if input.strides[-1] != input.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(stride % (2 * input.itemsize) for stride in input.strides[:-1]):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")
    return input.view(dtypes.of(input.dtype).to_complex().numpy)[..., 0]


_real_view, imag = shown_by(_real), shown_by(_imag)
view_as_real, view_as_complex = shown_by(_as_real), shown_by(_as_complex)
imag.__name__, view_as_real.__name__, view_as_complex.__name__ = "imag", "view_as_real", "view_as_complex"


def real(input: Any) -> Any:
    """The real part as a view; a real tensor itself."""
    return _real_view(input) if raw(input).dtype.kind == "c" else input


# Conjugates


@op("ConjBackward0", input=lambda g: g.conj(), batch="elementwise")
def _conjugate(input):
    return np.conjugate(input)


@op("ConjPhysicalBackward0", idempotent=True, input=lambda g: g.conj(), batch="elementwise")
def _conjugate_physically(input):
    return np.conjugate(input) if input.dtype.kind == "c" else input.copy()


def conj(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    return _conjugate(input) if input.array.dtype.kind == "c" else input


def conj_physical(input: Tensor, *, out: Any = None) -> Tensor:
    """The complex conjugate in memory of its own; a real tensor itself."""
    if out is not None:
        return _conjugate_physically(input, out=out)
    return _conjugate_physically(input) if input.array.dtype.kind == "c" else input


conj_physical.op = _conjugate_physically.op  # type: ignore[attr-defined]


def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugation here is not put off."""
    return input


def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negation here is not put off."""
    return input


# From and to parts


@op(
    "ComplexBackward0", apart=True, batch="elementwise",
    real=lambda g, real_shape: sum_to_size(real(g), real_shape),
    imag=lambda g, imag_shape: sum_to_size(imag(g), imag_shape),
)  # fmt: skip
def complex(real, imag):
    """Complex numbers from their parts, both float32 or both float64.

    >>> import rushlight as torch
    >>> torch.complex(torch.tensor([1.0]), torch.tensor([2.0]))
    tensor([1.+2.j])
    """
    _refuse_other_parts(real, imag)
    parts = np.broadcast_arrays(real, imag)
    out = np.empty(parts[0].shape, dtypes.of(parts[0].dtype).to_complex().numpy)
    out.real, out.imag = parts
    return out


def _refuse_other_parts(first: Any, second: Any) -> None:
    if first.dtype.kind != "f" or second.dtype.kind != "f":
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{dtypes.CASED[dtypes.of(first.dtype)]} and {dtypes.CASED[dtypes.of(second.dtype)]}"
        )
    if first.dtype != second.dtype:
        raise RuntimeError(
            f"Expected object of scalar type {dtypes.CASED[dtypes.of(first.dtype)]} but got scalar type "
            f"{dtypes.CASED[dtypes.of(second.dtype)]} for second argument"
        )


@op(
    "PolarBackward0", batch="elementwise",
    abs=lambda g, abs_shape, angle, result: sum_to_size(real(g.conj() * complex(*_direction(angle))), abs_shape),
    angle=lambda g, angle_shape, result: sum_to_size(-imag(g.conj() * result), angle_shape),
)  # fmt: skip
def polar(abs, angle):
    """Complex numbers from their absolute values and angles."""
    _refuse_other_parts(abs, angle)
    return complex(np.asarray(abs * np.cos(angle)), np.asarray(abs * np.sin(angle)))


complex, polar = requiring(complex, "real", "imag"), requiring(polar, "abs", "angle")


def _direction(angle: Any) -> tuple:
    from .trig import cos, sin

    return cos(angle), sin(angle)


def _angle(input: Any) -> Any:
    if input.dtype.kind == "c":
        return np.angle(input)
    return np.where(input != input, input, np.where(input < 0, math.pi, 0)).astype(input.dtype)


def _angle_rule(g: Any, input: Any, _result: Any) -> Any:
    if raw(input).dtype.kind != "c":
        return zeros(g)
    square = real(input * input.conj())
    return where(square == 0, 0, (g / square) * (input * 1j))


angle = unary("AngleBackward0", _angle, _angle_rule, promote="float", doc="The angle to the positive real axis.")
