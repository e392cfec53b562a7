"""Batching rules of matrix products: the rows of one product where an operand is the same for the whole batch.

See `batching`. Only where both operands differ along the batch is it a product for each element.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .promotion import as_type


def multiplied(a: Any, mapped_a: bool, b: Any, mapped_b: bool) -> Any:
    """``a @ b`` of vectors, matrices or stacks, of which one or both have the batch axis in front of their own."""
    rank_a, rank_b = a.array.ndim - mapped_a, b.array.ndim - mapped_b
    if not mapped_b and (rank_b <= 2 or not mapped_a):
        return a @ b
    if not mapped_a and rank_a <= 2:  # the transpose of bᵀ aᵀ
        if rank_b == 1:
            return b @ (a if rank_a == 1 else a.mT)
        return b.mT @ a if rank_a == 1 else (b.mT @ a.mT).mT
    a = a.unsqueeze(-2) if rank_a == 1 else a
    b = b.unsqueeze(-1) if rank_b == 1 else b
    rank = max(rank_a, rank_b, 2)
    out = behind(a, mapped_a, rank) @ behind(b, mapped_b, rank)
    out = out.squeeze(-2) if rank_a == 1 else out
    return out.squeeze(-1) if rank_b == 1 else out


def behind(x: Any, mapped: bool, rank: int) -> Any:
    """A tensor whose axes behind the batch axis are ``rank``, new ones of length 1 in front of the others."""
    missing = rank + 1 - x.array.ndim
    return x.reshape(x.shape[0], *(1,) * missing, *x.shape[1:]) if mapped and missing else x


def products(check: Callable) -> Callable:
    """The rule of a product of two operands that, element by element, pass the check."""

    def rule(batch: Any, a: Any, b: Any) -> Any:
        check(a.array, b.array)
        return multiplied(*batch.parts(a), *batch.parts(b))

    return rule


def linear(batch: Any, input: Any, weight: Any, bias: Any = None) -> Any:
    """The rule of an affine map; where only the input differs, its batch axis is one more leading axis."""
    (x, mapped_x), (w, mapped_w) = batch.parts(input), batch.parts(weight)
    if not mapped_w and not batch.is_mapped(bias):
        return batch.perform((x, w, batch.level.lowered(bias)), {})
    out = multiplied(x, mapped_x, w.mT, mapped_w)
    return out if bias is None else out + batch.aligned(bias, input.array.ndim)


def added(check: Callable, product: Callable = multiplied, summed: bool = False) -> Callable:
    """The rule of ``beta * input + alpha * product``; of the sum of all products, if ``summed``."""

    def rule(batch: Any, input: Any, a: Any, b: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        check(input.array, a.array, b.array)
        (a, mapped_a), (b, mapped_b) = batch.parts(a), batch.parts(b)
        out = product(a, mapped_a, b, mapped_b)
        if summed:
            out = out.sum(-3, dtype=out.dtype)
        differs = mapped_a or mapped_b
        if not differs:
            out = out.expand(batch.size, *out.shape)
        out = scaled(alpha, out)
        return out if beta == 0 else scaled(beta, batch.aligned(input, out.array.ndim - 1)) + out

    return rule


def scaled(factor: Any, x: Any) -> Any:
    """``factor * x`` in the type of x."""
    return x if factor == 1 else x * as_type(factor, x.array.dtype).item()


def outer(a: Any, mapped_a: bool, b: Any, mapped_b: bool) -> Any:
    """All products of the elements of two vectors."""
    return a.unsqueeze(-1) * b.unsqueeze(-2)


def trace(batch: Any, input: Any) -> Any:
    """The rule of the sum of the diagonal."""
    if input.array.ndim != 2:
        raise RuntimeError(f"trace: expected a matrix, but got tensor with dim {input.array.ndim}")
    return batch.level.lowered(input).diagonal(0, 1, 2).sum(-1)
