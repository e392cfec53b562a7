"""Bessel and Airy functions and orthogonal polynomials: values only, as in PyTorch, where they have no derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kernels import bessel as kernels
from .define import op
from .forms import requiring_one
from .special import i0, i1

ONE_ARGUMENT = [
    "airy_ai",
    "bessel_j0",
    "bessel_j1",
    "bessel_y0",
    "bessel_y1",
    "modified_bessel_k0",
    "modified_bessel_k1",
    "scaled_modified_bessel_k0",
    "scaled_modified_bessel_k1",
    "spherical_bessel_j0",
]


def function(name: str, kernel: Callable) -> Callable:
    """An operation of one argument."""

    def compute(input: Any) -> Any:
        return kernel(input)

    compute.__name__, compute.__doc__ = name, kernel.__doc__
    return op(promote="float", batch="elementwise")(compute)


def polynomial(name: str, kernel: Callable) -> Callable:
    """An operation of the argument and the degree of a polynomial."""

    def compute(input: Any, n: Any) -> Any:
        return kernel(input, n)

    compute.__name__, compute.__doc__ = name, f"The polynomial {name} of degree ``n``."
    return requiring_one(op(promote="float", batch="elementwise")(compute), f"special_{name}")


def modified(name: str, operation: Callable) -> Callable:
    """A modified Bessel function of the first kind, under the name that gives no derivative."""
    return function(name, operation.op.compute)  # type: ignore[attr-defined]


FUNCTIONS = {name: function(name, getattr(kernels, name)) for name in ONE_ARGUMENT}
FUNCTIONS |= {
    "modified_bessel_i0": modified("modified_bessel_i0", i0),
    "modified_bessel_i1": modified("modified_bessel_i1", i1),
}
FUNCTIONS |= {name: polynomial(name, kernel) for name, kernel in kernels.POLYNOMIALS.items()}
