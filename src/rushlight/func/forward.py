"""Derivatives of functions in forward mode: jvp, jacfwd, hessian."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import ops
from ..ops.convert import to_dtype
from ..ops.dual import ForwardLevel, check_differentiable, dual
from ..ops.levels import opened, zeros_like
from ..tensor import Tensor
from . import trees
from .reverse import jacrev, parted, picked, replaced, standard_basis
from .vmap import vmap

__all__ = ["hessian", "jacfwd", "jvp"]


def jvp(func: Callable, primals: Any, tangents: Any, *, strict: bool = False, has_aux: bool = False) -> tuple:
    """The value of a function, and the direction in which it moves when its arguments move along tangents.

    Args:
        primals: a tuple of the arguments.
        tangents: their directions, of the same form, shapes and types.
        strict: raise an error if an output does not depend on the arguments.
        has_aux: the function returns ``(output, aux)``, and so comes ``(output, tangent, aux)``.

    >>> import rushlight as torch
    >>> torch.func.jvp(torch.sin, (torch.zeros(2),), (torch.tensor([1.0, 2.0]),))
    (tensor([0., 0.]), tensor([1., 2.]))
    """
    start = "jvp(f, primals, tangents): "
    if not isinstance(primals, tuple):
        raise RuntimeError(f"{start}Expected primals to be a tuple. E.g. it should be valid to call f(*primals).")
    leaves, rebuild = trees.flatten(primals)
    directions, _ = trees.flatten(tangents)
    if trees.structure(primals) != trees.structure(tangents):
        raise RuntimeError(
            f"{start}Expected primals and tangents to have the same python structure. For example, if primals is a "
            f"tuple of 3 tensors, tangents also must be. Got primals with structure {trees.structure(primals)} and "
            f"tangents with structure {trees.structure(tangents)}"
        )
    if not any(isinstance(leaf, Tensor) for leaf in leaves):
        raise RuntimeError(f"{start}Expected primals to contain at least one Tensor.")
    level = ForwardLevel()
    with opened(level):
        output = func(*rebuild([_dual(level, x, t, start) for x, t in zip(leaves, directions)]))
    output, aux = parted(output, has_aux, "jvp(f, primals, tangents)")
    outputs = trees.only_tensors(output, start.rstrip(": "))
    _, build = trees.flatten(output)
    moves = [level.tangent(out) for out in outputs]
    if strict and any(move is None for move in moves):
        raise RuntimeError(
            f"{start}an output of f is independent of the primals. This is not allowed with strict=True."
        )
    values = [level.primal(out) for out in outputs]
    moves = [zeros_like(value) if move is None else move for value, move in zip(values, moves)]
    result = build(values), build(moves)
    return (*result, trees.changed_aux(level.primal, aux)) if has_aux else result


def _dual(level: ForwardLevel, primal: Any, tangent: Any, start: str) -> Tensor:
    for name, value in (("primals", primal), ("tangents", tangent)):
        if not isinstance(value, Tensor):
            raise RuntimeError(f"{start}Expected {name} to contain only Tensors, got {type(value)}")
    if primal.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original Tensor, this is not "
            f"supported. Tensor is of size {list(primal.shape)} while the given forward gradient is of size "
            f"{list(tangent.shape)}."
        )
    check_differentiable("primal", primal)
    check_differentiable("tangent", tangent)
    if tangent.array.dtype != primal.array.dtype:
        imaginary = tangent.array.dtype.kind == "c" and primal.array.dtype.kind != "c"
        tangent = to_dtype(tangent.real if imaginary else tangent, primal.array.dtype)
    return dual(level, primal, tangent)


def jacfwd(
    func: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """A function that computes the Jacobian of ``func`` in forward mode: one column for each element of the arguments.

    Its results have the form of those of `jacrev`.

    >>> import rushlight as torch
    >>> torch.func.jacfwd(torch.sin)(torch.zeros(2))
    tensor([[1., 0.],
            [0., 1.]])
    """

    @functools.wraps(func)
    def call(*args: Any, **kwargs: Any) -> Any:
        chosen = picked(args, argnums)
        leaves, rebuild = trees.flatten(chosen)
        trees.only_real(leaves, "jacfwd: Expected all inputs")
        held: Any = None

        def push(*columns: Tensor) -> Any:
            nonlocal held
            found = jvp(
                lambda *parts: func(*replaced(args, argnums, rebuild(list(parts))), **kwargs),
                tuple(leaves),
                columns,
                has_aux=has_aux,
            )
            moved, held_build = trees.flatten(found[1])
            trees.only_real(moved, "jacfwd: Expected all outputs")
            held = held_build
            return (tuple(moved), found[2]) if has_aux else tuple(moved)

        out_dims: Any = (-1, None) if has_aux else -1
        pushed = vmap(push, out_dims=out_dims, randomness=randomness)(*standard_basis(leaves))
        moved, aux = pushed if has_aux else (pushed, None)
        jacobian = held([rebuild(_by_argument(columns, leaves)) for columns in moved])
        return (jacobian, aux) if has_aux else jacobian

    return call


def _by_argument(columns: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """The derivatives of one output, their last axis running over all elements of all arguments, for each argument."""
    lead = columns.array.shape[:-1]
    parts, start = [], 0
    for leaf in leaves:
        count = leaf.array.size
        parts.append(ops.reshape(ops.narrow(columns, -1, start, count), (*lead, *leaf.array.shape)))
        start += count
    return parts


def hessian(func: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """A function that computes the second derivatives of ``func``: `jacfwd` of `jacrev`.

    >>> import rushlight as torch
    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
