"""Linear algebra built of products: chains and powers of matrices, vector and Kronecker products."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import matrix as kernels
from ..tensor import wrap
from .axes import axis
from .define import op
from .products import conj, matmul, summed_to
from .promotion import promoted
from .views import _unsafe_view
from .writing import write_out

__all__ = ["cross", "kron"]


def into(out: Any, result: Any) -> Any:
    """The result, or the ``out=`` tensor with it."""
    if out is None:
        return result
    write_out(out, result.array)
    return out


def multi_dot(tensors, *, out=None):
    """The product of several matrices, in the order that needs the fewest multiplications; ends may be vectors.

    Raises:
        RuntimeError: there are fewer than two, or their sizes do not fit.

    Cormen et al., "Introduction to Algorithms", "Matrix-chain multiplication".
    """
    tensors = list(tensors)
    if len(tensors) < 2:
        raise RuntimeError(f"multi_dot(): expected at least 2 tensors but got {len(tensors)}")
    for place, x in enumerate(tensors):
        ends = place in (0, len(tensors) - 1)
        if x.ndim != 2 and not (ends and x.ndim == 1):
            how = "1D or 2D" if ends else "2D"
            raise RuntimeError(f"multi_dot(): tensor {place} must be {how} but got {x.ndim}D")
        if x.dtype != tensors[0].dtype:
            raise RuntimeError(
                f"multi_dot(): all tensors must have be the same dtype but tensor 0 is {tensors[0].dtype} and tensor "
                f"{place} {x.dtype}"
            )
    first, last = tensors[0].ndim == 1, tensors[-1].ndim == 1
    if first:
        tensors[0] = tensors[0].unsqueeze(0)
    if last:
        tensors[-1] = tensors[-1].unsqueeze(-1)
    for place, (a, b) in enumerate(zip(tensors, tensors[1:])):
        if a.shape[1] != b.shape[0]:
            raise RuntimeError(
                f"multi_dot(): tensors {place} and {place + 1} with shapes {list(a.shape)} and {list(b.shape)} "
                "cannot be multiplied"
            )
    result = _in_order(tensors, _cheapest([tensors[0].shape[0], *(x.shape[1] for x in tensors)]), 0, len(tensors) - 1)
    result = result.squeeze(0) if first else result
    return into(out, result.squeeze(-1) if last else result)


def _cheapest(sizes: list[int]) -> dict[tuple[int, int], int]:
    """Where to split each part of a chain of matrices; three are taken from the left if both ways cost the same."""
    n = len(sizes) - 1
    cost = {(i, i): 0 for i in range(n)}
    split: dict[tuple[int, int], int] = {}
    for length in range(1, n):
        for i in range(n - length):
            j = i + length
            cost[i, j], split[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], -k if n == 3 else k)
                for k in range(i, j)
            )
    return {part: abs(k) for part, k in split.items()}


def _in_order(tensors: list, split: dict, i: int, j: int) -> Any:
    if i == j:
        return tensors[i]
    k = split[i, j]
    return matmul(_in_order(tensors, split, i, k), _in_order(tensors, split, k + 1, j))


def matrix_power(A, n, *, out=None):
    """A square matrix, or each of a stack, times itself ``n`` times; a negative ``n`` takes the inverse.

    Raises:
        RuntimeError: the matrices are not square.
    """
    if A.ndim < 2:
        raise RuntimeError("linalg.matrix_power: The input tensor A must have at least 2 dimensions.")
    if A.shape[-1] != A.shape[-2]:
        raise RuntimeError(
            f"linalg.matrix_power: A must be batches of square matrices, but they are {A.shape[-2]} by {A.shape[-1]} "
            "matrices"
        )
    if n == 0:
        return into(out, A.clone().copy_(wrap(np.eye(A.shape[-1]))))
    if n < 0:
        from .solving import inv

        A, n = inv(A), -n
    result, square = None, A
    while n:
        if n % 2:
            result = square if result is None else matmul(result, square)
        n //= 2
        square = matmul(square, square) if n else square
    return into(out, result.clone() if result is A else result)


@op(
    "LinalgCrossBackward0",
    input=lambda g, other, dim, input_shape: summed_to(_cross(conj(other), g, dim), input_shape),
    other=lambda g, input, dim, other_shape: summed_to(_cross(g, conj(input), dim), other_shape),
    batch="dim",
)
def _cross(input, other, dim):
    (input, other), dtype = promoted((input, other))
    return kernels.cross(*np.broadcast_arrays(input, other), dim).astype(dtype, copy=False)


def linalg_cross(input, other, *, dim=-1, out=None):
    """The vector product along an axis of length 3.

    Raises:
        RuntimeError: the axis has another length, or the tensors do not broadcast.
    """
    if input.ndim != other.ndim:
        raise RuntimeError("linalg.cross: inputs must have the same number of dimensions.")
    dim = axis(dim, input.ndim)
    if input.shape[dim] != 3 or other.shape[dim] != 3:
        raise RuntimeError(
            f"linalg.cross: inputs dimension {dim} must have length 3. Got {input.shape[dim]} and {other.shape[dim]}"
        )
    return into(out, _cross(input, other, dim))


def cross(input, other, dim=None, *, out=None):
    """`linalg.cross`; without ``dim`` along the first axis of length 3.

    Raises:
        RuntimeError: there is no such axis.
    """
    if dim is None:
        dim = next((i for i, n in enumerate(input.shape) if n == 3), None)
        if dim is None:
            raise RuntimeError("no dimension of size 3 in input")
    return linalg_cross(input, other, dim=dim, out=out)


def vecdot(x, y, *, dim=-1, out=None):
    """The sum of products along an axis, the first factor conjugated."""
    return into(out, (conj(x) * y).sum(dim))


def kron(input, other, *, out=None):
    """The Kronecker product: each element of ``input`` times all of ``other``.

    >>> import rushlight as torch
    >>> torch.kron(torch.tensor([1, 10]), torch.tensor([1, 2]))
    tensor([ 1,  2, 10, 20])
    """
    rank = max(input.ndim, other.ndim)
    a = (1,) * (rank - input.ndim) + tuple(input.shape)
    b = (1,) * (rank - other.ndim) + tuple(other.shape)
    product = input.reshape([n for m in a for n in (m, 1)]) * other.reshape([n for m in b for n in (1, m)])
    return into(out, _unsafe_view(product, [math.prod(pair) for pair in zip(a, b)]))
