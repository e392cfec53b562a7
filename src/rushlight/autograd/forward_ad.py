"""Forward mode: dual numbers carry a tangent through a computation, beside whatever backward records.

>>> import rushlight as torch
>>> import rushlight.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
...     fwAD.unpack_dual(x * x).tangent
tensor(6.)
"""

from __future__ import annotations

from typing import Any, NamedTuple

from ..ops.dual import Dual, ForwardLevel, check_differentiable, dual
from ..ops.levels import below, open_levels
from ..ops.nodes import make_node
from ..ops.views import alias
from ..tensor import Tensor, edge_of
from .node import Node, current_frame

__all__ = ["UnpackedDualTensor", "dual_level", "enter_dual_level", "exit_dual_level", "make_dual", "unpack_dual"]


class UnpackedDualTensor(NamedTuple):
    """A dual number taken apart; ``tangent`` is None where it has none."""

    primal: Tensor
    tangent: Tensor | None


def _current() -> ForwardLevel | None:
    """The level of dual numbers that is open."""
    for level in reversed(open_levels.get()):
        if isinstance(level, DualLevel):
            return level
    return None


class DualLevel(ForwardLevel):
    """The level of `dual_level`, of which there is one at a time."""


def enter_dual_level() -> int:
    """Begin forward mode; `exit_dual_level` ends it. `dual_level` does both.

    Raises:
        RuntimeError: it has begun already.
    """
    if _current() is not None:
        raise RuntimeError(
            "Nested forward mode AD is not supported at the moment: leave the dual level first, or nest torch.func.jvp"
        )
    level = DualLevel()
    level.number = len(open_levels.get())
    open_levels.set((*open_levels.get(), level))
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """End forward mode: the dual numbers made in it lose their tangents.

    Raises:
        RuntimeError: it has not begun, or something within it has not ended.
    """
    current = _current()
    if current is None:
        raise RuntimeError("Dual level must be a positive number: there is no level to exit, enter one first")
    if current is not open_levels.get()[-1] or level not in (None, 0):
        raise RuntimeError("Trying to exit a forward AD level that was not the last one that was created.")
    open_levels.set(open_levels.get()[:-1])


class dual_level:
    """Forward mode within a ``with`` block.

    >>> import rushlight as torch
    >>> with torch.autograd.forward_ad.dual_level():
    ...     x = torch.autograd.forward_ad.make_dual(torch.ones(2), torch.tensor([1.0, 2.0]))
    ...     torch.autograd.forward_ad.unpack_dual(x.sum()).tangent
    tensor(3.)
    """

    def __enter__(self) -> int:
        return enter_dual_level()

    def __exit__(self, *exception: object) -> None:
        exit_dual_level()


def make_dual(tensor: Tensor, tangent: Tensor, *, level: int | None = None) -> Tensor:
    """A view of a tensor that moves in the direction of ``tangent``, of the same shape.

    Raises:
        RuntimeError: no level is open, the shapes differ, or the tensor has a tangent already.
        ValueError: one of them does not hold floating-point or complex numbers.
    """
    current = _current()
    if current is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to enter_dual_level() first."
        )
    for name, value in (("primal", tensor), ("tangent", tangent)):
        check_differentiable(name, value)
    if current.tangent(tensor) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the same level 0 is not "
            "supported."
        )
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(tensor.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    with below(current):
        shown = alias(current.primal(tensor))
    out = dual(current, shown, tangent)
    out.node, out._view = shown.node, shown._view
    return out


class Identity(Node):
    """The primal of a dual number, whose gradient is that of the dual number."""

    __slots__ = ()

    def run(self, g: Any) -> tuple:
        return (g,)

    run_recorded = run


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """A dual number's primal and tangent.

    >>> import rushlight as torch
    >>> torch.autograd.forward_ad.unpack_dual(torch.ones(1))
    UnpackedDualTensor(primal=tensor([1.]), tangent=None)
    """
    if not isinstance(tensor, Tensor):
        raise TypeError(f"unpack_dual(): argument 'tensor' (position 1) must be Tensor, not {type(tensor).__name__}")
    current = _current()
    if current is None or not isinstance(tensor, Dual) or tensor.level is not current:
        return UnpackedDualTensor(tensor, None)
    with below(current):
        primal = alias(tensor.primal)
    edge = edge_of(tensor)
    primal.node = None if edge is None else make_node(Identity, (edge,), (), current_frame(1))
    return UnpackedDualTensor(primal, tensor.tangent)
