"""Decompositions of matrices and what is built of them, and of stacks of them.

Derivatives after Giles, "Collected matrix derivative results for forward and reverse mode algorithmic
differentiation", 2008, unless another source is named.
"""

from __future__ import annotations

import numpy as np

from ..kernels import decompositions as kernels
from ..tensor import Tensor
from .batching import leading
from .define import op
from .levels import everything
from .linalg import into
from .products import adjoint
from .promotion import like, raw
from .solving import LinAlgError, _inv, _triangular, check_matrix, inv, part, triangle_of, with_info

__all__ = ["matrix_exp"]


# Decompositions


def _cholesky_gradient(g, result, upper):
    """Murray, "Differentiation of the Cholesky decomposition", 2016."""
    lower, g = (adjoint(result), adjoint(g)) if upper else (result, g)
    inverse = _inv(lower)
    return adjoint(inverse) @ _mirrored(adjoint(lower) @ g) @ inverse * 0.5


def _mirrored(x):
    """The lower triangle of each square matrix, and its conjugate transpose above the diagonal."""
    below = triangle_of(x, np.tril, -1)
    return below + adjoint(below) + part(x, np.eye(x.shape[-1]))


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
    check_matrix("linalg.cholesky", A)
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
    diagonal = part(m, np.eye(k))  # of R, which is real there
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
    check_matrix("linalg.qr", A, square=False)
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
    inner = part(turn / (gaps + like(gaps, unit.astype(raw(gaps).dtype))), 1 - unit)
    inner = inner + of_values[..., None] * like(inner, unit.astype(raw(inner).dtype))
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
    check_matrix("linalg.eigh", A)
    _check_triangle(UPLO)
    return _linalg_eigh(A, UPLO) if out is None else _linalg_eigh(A, UPLO, out=out)


def eigvalsh(A, UPLO="L", *, out=None):
    """The eigenvalues of a symmetric or Hermitian matrix, ascending."""
    check_matrix("linalg.eigvalsh", A)
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
    f = part(1 / (gaps + like(gaps, unit.astype(raw(gaps).dtype))), 1 - unit)
    left, right = adjoint(U) @ of_u, adjoint(v) @ of_v
    turn = left - adjoint(left)
    inner = (turn * f) * S[..., None, :] + S[..., :, None] * ((right - adjoint(right)) * f)
    if raw(turn).dtype.kind == "c":  # U and V may turn together
        inner = inner + part(turn, unit) / (2 * S)[..., None, :]
    inner = inner + of_s[..., None] * like(inner, unit.astype(raw(inner).dtype))
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
    check_matrix("linalg.svd", A, square=False)
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
    check_matrix("linalg.svdvals", A, square=False)
    return into(out, _svdvals(A))


cholesky_ex = with_info("cholesky_ex", cholesky, "L")


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
    check_matrix("linalg.matrix_exp", A, half=True)
    return _matrix_exp(A)


# Built of the others


def diagonal(A, *, offset=0, dim1=-2, dim2=-1):
    """The diagonal of two axes, by default the last."""
    return A.diagonal(offset, dim1, dim2)


def matrix_rank(A, *, tol=None, atol=None, rtol=None, hermitian=False, out=None):
    """How many singular values exceed max(atol, rtol · the largest)."""
    check_matrix("linalg.matrix_rank", A, square=hermitian)
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

    check_matrix("linalg.cond", A, square=p not in (None, 2, -2))
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
