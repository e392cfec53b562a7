"""Inverses and determinants of square matrices, solutions of linear systems, and of stacks of them.

Derivatives after Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008, unless another source is named.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import decompositions as kernels
from ..tensor import Tensor, wrap
from .batching import elementwise
from .define import op
from .linalg import into
from .products import adjoint, cased, conj, summed_to
from .promotion import is_half, like, raw

__all__ = ["det", "inverse", "logdet", "pinverse"]


class LinAlgError(RuntimeError):
    """A matrix that an operation cannot take: singular, or not positive definite."""


def check_matrix(name: str, a: Any, square: bool = True, half: bool = False) -> None:
    """Refuse what is not a stack of matrices of floating-point or complex numbers."""
    x = raw(a)
    if not isinstance(x, np.ndarray):
        raise TypeError(f"{name.replace('.', '_')}(): argument 'A' (position 1) must be Tensor, not {type(a).__name__}")
    if x.ndim < 2:
        raise RuntimeError(f"{name}: The input tensor A must have at least 2 dimensions.")
    if square and x.shape[-1] != x.shape[-2]:
        raise RuntimeError(
            f"{name}: A must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} matrices"
        )
    if x.dtype.kind not in "fcV" or (is_half(x.dtype) and not half):
        raise RuntimeError(f"{name}: Expected a floating point or complex tensor as input. Got {cased(x)}")


def part(x: Any, mask: np.ndarray) -> Any:
    """The elements under a mask of numbers."""
    return x * like(x, mask.astype(raw(x).dtype))


def triangle_of(x: Any, triangle: Any, k: int = 0) -> Any:
    """A triangle of each square matrix."""
    n = x.shape[-1]
    return part(x, triangle(np.ones((n, n)), k))


def _zero_pivot(a: np.ndarray) -> int | None:
    """The first column, counted from 1, in which elimination with row exchanges finds no pivot."""
    a = a.copy()
    for k in range(len(a)):
        pivot = k + np.abs(a[k:, k]).argmax()
        if a[pivot, k] == 0:
            return k + 1
        a[[k, pivot]] = a[[pivot, k]]
        a[k + 1 :] -= np.outer(a[k + 1 :, k] / a[k, k], a[k])
    return None


def _singular(name: str, a: np.ndarray) -> LinAlgError:
    found = ((where, _zero_pivot(a[where])) for where in np.ndindex(a.shape[:-2]))
    where, pivot = next((pair for pair in found if pair[1] is not None), ((), a.shape[-1]))
    place = f"(Batch element {where[0]}): " if where else ""
    return LinAlgError(
        f"{name}: {place}The diagonal element {pivot} is zero, the inversion could not be completed because "
        "the input matrix is singular."
    )


# Inverses and solutions


@op("LinalgInvExBackward0", A=lambda g, result: -(adjoint(result) @ g @ adjoint(result)), batch="leading")
def _inv(A):
    try:
        return np.linalg.inv(A)
    except np.linalg.LinAlgError:
        raise _singular("linalg.inv", A) from None


def inv(A, *, out=None):
    """The inverse of a square matrix.

    Raises:
        LinAlgError: it is singular.

    >>> import rushlight as torch
    >>> torch.linalg.inv(torch.tensor([[2.0, 0.0], [0.0, 4.0]]))
    tensor([[0.5000, 0.0000],
            [0.0000, 0.2500]])
    """
    check_matrix("linalg.inv", A)
    return into(out, _inv(A))


inverse = inv


def _solved_for_each(batch, A, B, *rest):
    """vmap: columns of one system, where its matrix is the same for the whole batch."""
    if batch.is_mapped(A) or A.ndim > 2:
        return elementwise(batch, A, B, *rest)
    whole = batch.front(B).movedim(-2, 0)
    columns = whole.reshape(whole.shape[0], math.prod(whole.shape[1:]))
    return batch.perform((batch.level.lowered(A), columns, *rest), {}).reshape(whole.shape).movedim(0, -2)


@op(
    "LinalgSolveExBackward0",
    A=lambda g, A, result: summed_to(-(_solve(adjoint(A), g) @ adjoint(result)), A.shape),
    B=lambda g, A, B_shape: summed_to(_solve(adjoint(A), g), B_shape),
    batch=_solved_for_each,
)
def _solve(A, B):
    try:
        return np.linalg.solve(A, B)
    except np.linalg.LinAlgError:
        raise LinAlgError("torch.linalg.solve: The solver failed because the input matrix is singular.") from None


def solve(A, B, *, left=True, out=None):
    """X of A @ X = B, or of X @ A = B without ``left``; B may be a vector or a stack of vectors.

    Raises:
        LinAlgError: A is singular.
        RuntimeError: the shapes do not fit.
    """
    check_matrix("linalg.solve", A)
    if not isinstance(B, Tensor):
        raise TypeError(f"linalg_solve(): argument 'B' (position 2) must be Tensor, not {type(B).__name__}")
    if A.dtype != B.dtype:
        raise RuntimeError(
            f"linalg.solve: Expected A and B to have the same dtype, but found A of type {cased(raw(A))} and B of "
            f"type {cased(raw(B))} instead"
        )
    vector = B.ndim == 1 or (A.ndim - 1 == B.ndim and tuple(A.shape[:-1]) == tuple(B.shape))
    if vector and not left:
        raise RuntimeError("linalg.solve: Vector broadcasting of the left hand side is not supported for left=False.")
    columns = B.unsqueeze(-1) if vector else B
    if A.shape[-1] != columns.shape[-2 if left else -1]:
        raise RuntimeError(
            f"linalg.solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({A.shape[-2]}x{A.shape[-1]} and {columns.shape[-2]}x{columns.shape[-1]}): A is {list(A.shape)} and B "
            f"{list(B.shape)}"
        )
    if vector:
        return into(out, _solve(A, columns).squeeze(-1))
    return into(out, _solve(A, B) if left else _solve(A.mT, B.mT).mT)


@op(
    "LinalgSolveTriangularBackward0",
    A=lambda g, A, result, upper, unitriangular: _triangle_gradient(g, A, result, upper, unitriangular),
    B=lambda g, A, B_shape, upper, unitriangular: summed_to(
        _triangular(adjoint(A), g, not upper, unitriangular), B_shape
    ),
    batch=_solved_for_each,
)
def _triangular(A, B, upper, unitriangular):
    return kernels.triangular_solution(A, B, upper, unitriangular)


def _triangle_gradient(g, A, result, upper, unitriangular):
    whole = summed_to(-(_triangular(adjoint(A), g, not upper, unitriangular) @ adjoint(result)), A.shape)
    return triangle_of(whole, np.triu if upper else np.tril, (1 if upper else -1) if unitriangular else 0)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):
    """X of A @ X = B for a triangular A, of which only that triangle is read.

    Raises:
        RuntimeError: the shapes do not fit.
    """
    check_matrix("linalg.solve_triangular", A)
    if left:
        return into(out, _triangular(A, B, upper, unitriangular))
    return into(out, _triangular(A.mT, B.mT, not upper, unitriangular).mT)


def _pinv_gradient(g, A, result):
    """Golub and Pereyra, "The differentiation of pseudo-inverses and nonlinear least squares problems", 1973."""
    p, ph, gh = result, adjoint(result), adjoint(g)
    if A.shape[-2] <= A.shape[-1]:
        k = gh @ p
        kph = k @ ph
        return kph - adjoint(p @ k) - (A @ p) @ kph + (ph @ p) @ (gh - k @ A)
    k = p @ gh
    phk = ph @ k
    return phk - adjoint(k @ p) + (gh - A @ k) @ p @ ph - (phk @ p) @ A


def _pinv_for_each(batch, A, atol, rtol, hermitian):
    tolerances = [batch.aligned(x, A.ndim - 2) if isinstance(x, Tensor) else x for x in (atol, rtol)]
    return batch.perform((batch.front(A), *tolerances, hermitian), {})


@op("LinalgPinvBackward0", A=_pinv_gradient, batch=_pinv_for_each)
def _pinv(A, atol, rtol, hermitian):
    if A.size == 0:
        return np.zeros((*A.shape[:-2], A.shape[-1], A.shape[-2]), A.dtype)
    if hermitian:
        values, vectors = np.linalg.eigh(A)
        inverse = _inverse_of_large(values, A.shape, atol, rtol)
        return (vectors * inverse[..., None, :]) @ vectors.mT.conj()
    u, values, vh = np.linalg.svd(A, full_matrices=False)
    inverse = _inverse_of_large(values, A.shape, atol, rtol)
    return (vh.mT.conj() * inverse[..., None, :]) @ u.mT.conj()


def _inverse_of_large(values, shape, atol, rtol):
    """One over each value; zero for those up to the tolerance."""
    sizes = np.abs(values)
    if rtol is None:
        rtol = np.finfo(values.dtype).eps * max(shape[-2:]) if atol is None else 0.0
    relative = np.asarray(rtol)[..., None] * sizes.max(-1, keepdims=True)
    floor = np.maximum(0.0 if atol is None else np.asarray(atol)[..., None], relative)
    return np.divide(1, values, out=np.zeros_like(values), where=sizes > floor)


def pinv(A, *, atol=None, rtol=None, hermitian=False, out=None):
    """The pseudo-inverse; singular values up to max(atol, rtol · the largest) count as zero."""
    check_matrix("linalg.pinv", A, square=hermitian)
    return into(out, _pinv(A, atol, rtol, hermitian))


def pinverse(input, rcond=1e-15):
    """`linalg.pinv` under its old name; ``rcond`` is its ``rtol``."""
    return pinv(input, rtol=rcond)


# Determinants


@op("LinalgDetBackward0", A=lambda g, A: g[..., None, None] * _cofactors(A), batch="leading")
def _det(A):
    return np.linalg.det(A)


@op("LinalgDetBackward0Backward0", A=lambda g, A: _cofactors_gradient(g, A), batch="leading")
def _cofactors(A):
    return kernels.cofactors(A)


def _cofactors_gradient(g, A):
    if A.shape[-1] == 1:
        return None  # the cofactor of the one element is 1
    w = adjoint(_inv(A))
    inner = (w * conj(g)).sum((-2, -1))[..., None, None]
    return conj(_det(A))[..., None, None] * (inner * w - w @ adjoint(g) @ w)


def det(A, *, out=None):
    """The determinant of a square matrix."""
    check_matrix("linalg.det", A)
    return into(out, _det(A))


def _slogdet_gradient(g, A, sign):
    of_sign, of_log = g
    if raw(sign).dtype.kind == "c":  # the sign moves on the unit circle: only a turn of it counts
        turn = conj(of_sign) * sign
        of_log = of_log + (conj(turn) - turn) * 0.5
    return of_log[..., None, None] * adjoint(_inv(A))


@op("LinalgSlogdetBackward0", A=_slogdet_gradient, outputs=("sign", "logabsdet"), batch="leading")
def _linalg_slogdet(A):
    return tuple(np.linalg.slogdet(A))


def slogdet(A, *, out=None):
    """The sign of the determinant and the logarithm of its absolute value."""
    check_matrix("linalg.slogdet", A)
    return _linalg_slogdet(A) if out is None else _linalg_slogdet(A, out=out)


def logdet(input):
    """The logarithm of the determinant; NaN if that is negative."""
    check_matrix("logdet", input)
    sign, logabsdet = _linalg_slogdet(input)
    if raw(sign).dtype.kind == "c":
        return logabsdet + sign.log()
    from .compare import where

    return where(sign == -1, float("nan"), logabsdet)


# Equations between tensors of more axes


def tensorinv(A, ind=2, *, out=None):
    """The inverse of the map that ``tensordot`` with A is, from its last axes to its first ``ind``.

    Raises:
        RuntimeError: the two groups of axes have different sizes.
    """
    if ind <= 0:
        raise RuntimeError("Expected a strictly positive integer for 'ind'")
    first, last = tuple(A.shape[:ind]), tuple(A.shape[ind:])
    if np.prod(first) != np.prod(last):
        raise RuntimeError(
            f"Expected self to satisfy the requirement prod(self.shape[ind:]) == prod(self.shape[:ind]), but got "
            f"{int(np.prod(last))} != {int(np.prod(first))}"
        )
    return into(out, inv(A.reshape(int(np.prod(first)), -1)).reshape(*last, *first))


def tensorsolve(A, B, dims=None, *, out=None):
    """X of tensordot(A, X, X.ndim) = B; ``dims`` of A are moved to the end first.

    Raises:
        RuntimeError: the sizes do not fit.
    """
    if dims is not None:
        A = A.movedim(tuple(dims), tuple(range(A.ndim - len(dims), A.ndim)))
    shape = tuple(A.shape[B.ndim :])
    if np.prod(shape) != np.prod(A.shape[: B.ndim]):
        raise RuntimeError(
            "Expected self to satisfy the requirement prod(self.shape[other.ndim:]) == "
            f"prod(self.shape[:other.ndim]), but got {int(np.prod(shape))} != {int(np.prod(A.shape[: B.ndim]))}"
        )
    return into(out, solve(A.reshape(B.numel(), -1), B.flatten()).reshape(shape))


# With a number that says what went wrong, in place of an error


def with_info(name: str, function: Any, field: str) -> Any:
    """The form of a function that reports failure as ``info`` other than 0."""
    from .returns import named

    returns = named(f"linalg_{name}", (field, "info"))

    def call(A, *args, check_errors=False, out=None, **options):
        info = np.zeros(A.shape[:-2], np.int32)
        try:
            result = function(A, *args, **options)
        except LinAlgError:
            if check_errors:
                raise
            info += 1
            result = wrap(np.full_like(raw(A), np.nan))
        results = (result, wrap(info))
        return returns(results if out is None else map(into, out, results))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`linalg.{function.__name__}` and ``info``, which is 0 where it succeeded."
    return call


inv_ex = with_info("inv_ex", inv, "inverse")
solve_ex = with_info("solve_ex", solve, "result")
