"""Inverses, solutions of linear systems, determinants and decompositions of matrices, and of stacks of them.

Derivatives after Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008, unless another source is named.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import decompositions as kernels
from ..tensor import Tensor, wrap
from .batching import elementwise, leading
from .define import op
from .levels import everything
from .linalg import into
from .products import adjoint, cased, conj, summed_to
from .promotion import is_half, raw

__all__ = ["det", "inverse", "logdet", "matrix_exp", "pinverse"]


class LinAlgError(RuntimeError):
    """A matrix that an operation cannot take: singular, or not positive definite."""


def _check(name: str, a: Any, square: bool = True, half: bool = False) -> None:
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


def _like(g: Any, array: np.ndarray) -> Any:
    """An array as what g is: a Tensor, or an array."""
    return wrap(array) if isinstance(g, Tensor) else array


def _part(x: Any, mask: np.ndarray) -> Any:
    """The elements under a mask of numbers."""
    return x * _like(x, mask.astype(raw(x).dtype))


def _square(x: Any, triangle: Any, k: int = 0) -> Any:
    """A triangle of each square matrix."""
    n = x.shape[-1]
    return _part(x, triangle(np.ones((n, n)), k))


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
    _check("linalg.inv", A)
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
    _check("linalg.solve", A)
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
    return _square(whole, np.triu if upper else np.tril, (1 if upper else -1) if unitriangular else 0)


def solve_triangular(A, B, *, upper, left=True, unitriangular=False, out=None):
    """X of A @ X = B for a triangular A, of which only that triangle is read.

    Raises:
        RuntimeError: the shapes do not fit.
    """
    _check("linalg.solve_triangular", A)
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
    _check("linalg.pinv", A, square=hermitian)
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
    _check("linalg.det", A)
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
    _check("linalg.slogdet", A)
    return _linalg_slogdet(A) if out is None else _linalg_slogdet(A, out=out)


def logdet(input):
    """The logarithm of the determinant; NaN if that is negative."""
    _check("logdet", input)
    sign, logabsdet = _linalg_slogdet(input)
    if raw(sign).dtype.kind == "c":
        return logabsdet + sign.log()
    from .compare import where

    return where(sign == -1, float("nan"), logabsdet)


# Decompositions


def _cholesky_gradient(g, result, upper):
    """Murray, "Differentiation of the Cholesky decomposition", 2016."""
    lower, g = (adjoint(result), adjoint(g)) if upper else (result, g)
    inverse = _inv(lower)
    return adjoint(inverse) @ _mirrored(adjoint(lower) @ g) @ inverse * 0.5


def _mirrored(x):
    """The lower triangle of each square matrix, and its conjugate transpose above the diagonal."""
    below = _square(x, np.tril, -1)
    return below + adjoint(below) + _part(x, np.eye(x.shape[-1]))


@op("LinalgCholeskyExBackward0", A=_cholesky_gradient, batch="leading")
def _cholesky(A, upper):
    try:
        lower = np.linalg.cholesky(A)
    except np.linalg.LinAlgError:
        raise LinAlgError(
            "linalg.cholesky: The factorization could not be completed because the input is not positive-definite."
        ) from None
    return lower.mT.conj() if upper else lower


def cholesky(A, *, upper=False, out=None):
    """The lower triangular L of a positive definite A = L @ Lᴴ; its conjugate transpose with ``upper``.

    Raises:
        LinAlgError: A is not positive definite.
    """
    _check("linalg.cholesky", A)
    return into(out, _cholesky(A, upper))


def _qr_gradient(g, Q, R, mode):
    """Walter and Lehmann, "On algorithmic differentiation of the QR decomposition", 2018."""
    if mode != "reduced":
        raise RuntimeError(f"The derivative of linalg.qr is not implemented for mode='{mode}'; use mode='reduced'")
    of_q, of_r = g
    k = R.shape[-2]
    square, rest = R[..., :k], R[..., k:]
    of_square, of_rest = of_r[..., :k], of_r[..., k:]
    wide = k < R.shape[-1]
    if wide:  # the last columns are Q @ rest: their gradient goes to rest, and through Q to the first ones
        of_q = of_q + (Q @ rest) @ adjoint(of_rest)
    m = square @ adjoint(of_square) - adjoint(of_q) @ Q
    diagonal = _part(m, np.eye(k))  # of R, which is real there
    symmetric = _mirrored(m) + (adjoint(diagonal) - diagonal) * 0.5
    first = adjoint(_triangular(square, adjoint(of_q + Q @ symmetric), True, False))
    return _side_by_side(first, Q @ of_rest) if wide else first


def _side_by_side(a, b):
    from .join import cat

    return cat([a, b], -1)


def leading_or_empty(batch, *args, **kwargs):
    """vmap: the batch is one more leading axis; what is empty because it is not asked for has none of its own."""
    outs = leading(batch, *args, **kwargs)
    return [out if out.array.shape != (0,) else out.expand(batch.size, 0) for out in outs]


@op("LinalgQrBackward0", A=_qr_gradient, outputs=("Q", "R"), batch=leading_or_empty)
def _linalg_qr(A, mode):
    if mode == "r":
        r = np.linalg.qr(A, "r")
        return np.empty(0, A.dtype), r
    return tuple(np.linalg.qr(A, mode))


def qr(A, mode="reduced", *, out=None):
    """A = Q @ R with orthonormal columns in Q and an upper triangular R.

    Args:
        mode: "reduced", "complete" (a square Q; not differentiable), or "r" (R alone; not differentiable).
    """
    _check("linalg.qr", A, square=False)
    if mode not in ("reduced", "complete", "r"):
        raise RuntimeError(
            f"qr received unrecognized mode '{mode}' but expected one of 'reduced' (default), 'r', or 'complete'"
        )
    return _linalg_qr(A, mode) if out is None else _linalg_qr(A, mode, out=out)


def _eigh_gradient(g, eigenvalues, eigenvectors):
    of_values, of_vectors = g
    unit = np.eye(eigenvalues.shape[-1])
    gaps = eigenvalues[..., None, :] - eigenvalues[..., :, None]
    turn = adjoint(eigenvectors) @ of_vectors
    turn = (turn - adjoint(turn)) * 0.5  # eigenvectors can only turn: what would stretch them does not count
    inner = _part(turn / (gaps + _like(gaps, unit.astype(raw(gaps).dtype))), 1 - unit)
    inner = inner + of_values[..., None] * _like(inner, unit.astype(raw(inner).dtype))
    return eigenvectors @ inner @ adjoint(eigenvectors)


@op("LinalgEighBackward0", A=_eigh_gradient, outputs=("eigenvalues", "eigenvectors"), batch="leading")
def _linalg_eigh(A, UPLO):
    return tuple(np.linalg.eigh(A, UPLO))


def _eigvalsh_gradient(g, A, UPLO):
    """The eigenvectors are found only now; one value that occurs twice does no harm."""
    vectors = _linalg_eigh(A, UPLO)[1]
    return (vectors * g[..., None, :]) @ adjoint(vectors)


@op("LinalgEighBackward0", A=_eigvalsh_gradient, batch="leading")
def _eigvalsh(A, UPLO):
    return np.linalg.eigvalsh(A, UPLO)


def _check_triangle(UPLO):
    if UPLO.upper() not in ("L", "U"):
        raise RuntimeError(f"Expected UPLO argument to be 'L' or 'U', but got {UPLO}")


def eigh(A, UPLO="L", *, out=None):
    """Eigenvalues, ascending, and eigenvectors, as columns, of a symmetric or Hermitian matrix.

    Args:
        UPLO: the triangle that is read, "L" or "U".
    """
    _check("linalg.eigh", A)
    _check_triangle(UPLO)
    return _linalg_eigh(A, UPLO) if out is None else _linalg_eigh(A, UPLO, out=out)


def eigvalsh(A, UPLO="L", *, out=None):
    """The eigenvalues of a symmetric or Hermitian matrix, ascending."""
    _check("linalg.eigvalsh", A)
    _check_triangle(UPLO)
    return into(out, _eigvalsh(A, UPLO))


def _svd_gradient(g, U, S, Vh):
    """Townsend, "Differentiating the singular value decomposition", 2016."""
    of_u, of_s, of_vh = g
    k = S.shape[-1]
    U, Vh, of_u, of_vh = U[..., :k], Vh[..., :k, :], of_u[..., :k], of_vh[..., :k, :]
    v, of_v = adjoint(Vh), adjoint(of_vh)
    unit = np.eye(k)
    squares = S * S
    gaps = squares[..., None, :] - squares[..., :, None]
    f = _part(1 / (gaps + _like(gaps, unit.astype(raw(gaps).dtype))), 1 - unit)
    left, right = adjoint(U) @ of_u, adjoint(v) @ of_v
    turn = left - adjoint(left)
    inner = (turn * f) * S[..., None, :] + S[..., :, None] * ((right - adjoint(right)) * f)
    if raw(turn).dtype.kind == "c":  # U and V may turn together
        inner = inner + _part(turn, unit) / (2 * S)[..., None, :]
    inner = inner + of_s[..., None] * _like(inner, unit.astype(raw(inner).dtype))
    result = U @ inner @ Vh
    if U.shape[-2] > k:
        result = result + ((of_u - U @ left) / S[..., None, :]) @ Vh
    if Vh.shape[-1] > k:
        result = result + (U / S[..., None, :]) @ adjoint(of_v - v @ right)
    return result


@op("LinalgSvdBackward0", A=_svd_gradient, outputs=("U", "S", "Vh"), batch="leading")
def _linalg_svd(A, full_matrices):
    return tuple(np.linalg.svd(A, full_matrices))


def svd(A, full_matrices=True, *, driver=None, out=None):
    """A = U @ diag(S) @ Vh with orthonormal columns in U and rows in Vh; S descending."""
    _check("linalg.svd", A, square=False)
    return _linalg_svd(A, full_matrices) if out is None else _linalg_svd(A, full_matrices, out=out)


def _svdvals_gradient(g, A):
    """The singular vectors are found only now; one value that occurs twice, or zero, does no harm."""
    left, _, right = _linalg_svd(A, False)
    return (left * g[..., None, :]) @ right


@op("LinalgSvdBackward0", A=_svdvals_gradient, batch="leading")
def _svdvals(A):
    return np.linalg.svd(A, compute_uv=False)


def svdvals(A, *, driver=None, out=None):
    """The singular values, descending."""
    _check("linalg.svdvals", A, square=False)
    return into(out, _svdvals(A))


# Functions


@op("LinalgMatrixExpBackward0", A=lambda g, A: _exp_gradient(g, A), batch="leading")
def _matrix_exp(A):
    return kernels.exponential(A)


def _exp_gradient(g, A):
    """The corner of the exponential of [[Aᴴ, g], [0, Aᴴ]]: Mathias, "A chain rule for matrix functions", 1996."""
    from .join import cat

    n = A.shape[-1]
    a = adjoint(A)
    block = cat([cat([a, g], -1), cat([a * 0, a], -1)], -2)
    return _matrix_exp(block)[..., :n, n:]


def matrix_exp(A):
    """Σ Aᵏ/k! of a square matrix."""
    _check("linalg.matrix_exp", A, half=True)
    return _matrix_exp(A)


# With a number that says what went wrong, in place of an error


def _with_info(name: str, function: Any, field: str) -> Any:
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


inv_ex = _with_info("inv_ex", inv, "inverse")
cholesky_ex = _with_info("cholesky_ex", cholesky, "L")
solve_ex = _with_info("solve_ex", solve, "result")


# Built of the others


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonal of two axes, by default the last."""
    return A.diagonal(offset, dim1, dim2)


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


def matrix_rank(A, *, tol=None, atol=None, rtol=None, hermitian=False, out=None):
    """How many singular values exceed max(atol, rtol · the largest)."""
    _check("linalg.matrix_rank", A, square=hermitian)
    values = eigvalsh(A.detach()).abs() if hermitian else svdvals(A.detach())
    atol = 0.0 if tol is None and atol is None else atol if tol is None else tol
    if rtol is None:
        given = tol is not None or np.any(np.asarray(everything(atol)) > 0)
        rtol = 0.0 if given else np.finfo(raw(values).dtype).eps * max(A.shape[-2:])
    return into(out, _count_above(values, atol, rtol))


@op(batch=lambda batch, values, *bounds: _counted_for_each(batch, values, *bounds))
def _count_above(values, atol, rtol):
    """How many of the values exceed the absolute bound and the part ``rtol`` of the largest."""
    floor = np.maximum(atol, rtol * values.max(-1, initial=0))
    return (values > np.asarray(floor)[..., None]).sum(-1)


def _counted_for_each(batch, values, *bounds):
    bounds = [batch.aligned(x, values.ndim - 1) if isinstance(x, Tensor) else x for x in bounds]
    return batch.perform((batch.front(values), *bounds), {})


def cond(A, p=None, *, out=None):
    """The condition number: the norm of A times that of its inverse, or the ratio of the extreme singular values."""
    from .norms import matrix_norm

    _check("linalg.cond", A, square=p not in (None, 2, -2))
    if p in (None, 2, -2):
        values = svdvals(A)
        first, last = values[..., 0], values[..., -1]
        return into(out, last / first if p == -2 else first / last)
    return into(out, matrix_norm(A, p) * matrix_norm(inv(A), p))


def vander(x, N=None):
    """The powers 0 to N - 1 of each element along a new last axis."""
    from .join import cat, stack

    x = x if x.ndim else x.unsqueeze(0)
    n = x.shape[-1] if N is None else N
    ones = (x * 0 + 1).unsqueeze(-1)
    if n <= 1:
        if n < 1:
            raise RuntimeError(f"N must be greater than 1, but got {n}.")
        return ones
    columns = stack([x] * (n - 1), -1).cumprod(-1)
    return cat([ones.to(columns.dtype), columns], -1)
