"""LU factors, eigenvalues of any matrix, least squares, and products of reflections; stacks of matrices throughout."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import lu as kernels
from ..tensor import wrap
from .decompositions import _count_above, _svdvals, leading_or_empty
from .define import op
from .levels import everything
from .linalg import into
from .products import adjoint, summed_to
from .promotion import like, raw
from .returns import named
from .solving import _inv, _pinv, _pinv_gradient, _triangular, check_matrix, part, triangle_of

__all__ = ["cholesky_inverse", "cholesky_solve", "geqrf", "lu_unpack", "orgqr", "ormqr"]


# L and U


@op(batch="leading")
def _permutation(pivots, rows, dtype):
    """The matrix of the exchanges of rows."""
    return kernels.permutation(pivots, rows, dtype)


def _lu_gradient(of_l, of_u, P, L, U):
    """The gradient of P @ L @ U; what is below or right of the square part follows from it by division."""
    k = min(L.shape[-2], U.shape[-1])
    lower, upper = L[..., :k, :], U[..., :, :k]
    square_l, square_u = of_l[..., :k, :], of_u[..., :, :k]
    below = right = None
    if L.shape[-2] > k:
        below = adjoint(_triangular(upper, adjoint(of_l[..., k:, :]), True, False))
        square_u = square_u - adjoint(L[..., k:, :]) @ below
    if U.shape[-1] > k:
        right = _triangular(adjoint(lower), of_u[..., :, k:], True, True)
        square_l = square_l - right @ adjoint(U[..., :, k:])
    inner = triangle_of(adjoint(lower) @ square_l, np.tril, -1) + triangle_of(square_u @ adjoint(upper), np.triu)
    inner = _triangular(adjoint(lower), inner, True, True)
    result = adjoint(_triangular(upper, adjoint(inner), True, False))
    return P @ _joined(result, below, right)


def _joined(square, below, right):
    from .join import cat

    if below is not None:
        return cat([square, below], -2)
    return square if right is None else cat([square, right], -1)


def _split(LU):
    """L and U of both in one matrix."""
    rows, columns = LU.shape[-2:]
    k = min(rows, columns)
    lower = part(LU[..., :, :k], np.tril(np.ones((rows, k)), -1))
    unit = like(LU, np.eye(rows, k, dtype=raw(LU).dtype))
    return lower + unit, part(LU[..., :k, :], np.triu(np.ones((k, columns))))


def _packed_gradient(g, LU, pivots):
    L, U = _split(LU)
    k = L.shape[-1]
    of_l = part(g[..., :, :k], np.tril(np.ones(L.shape[-2:]), -1))
    of_u = part(g[..., :k, :], np.triu(np.ones(U.shape[-2:])))
    return _lu_gradient(of_l, of_u, _permutation(pivots, L.shape[-2], raw(L).dtype), L, U)


@op(
    "LinalgLuFactorExBackward0",
    A=lambda g, LU, pivots: _packed_gradient(g, LU, pivots),
    outputs=("LU", "pivots", "info"),
    nondifferentiable=("pivots", "info"),
    batch="leading",
)
def _linalg_lu_factor_ex(A):
    return kernels.factors(A)


def _check_pivot(name: str, A: Any, pivot: bool) -> None:
    if A.ndim < 2:
        raise RuntimeError(f"{name}: Expected tensor with 2 or more dimensions. Got size: {list(A.shape)} instead")
    check_matrix(name, A, square=False)
    if not pivot:
        raise RuntimeError("linalg.lu_factor: LU without pivoting is not implemented on the CPU")


def lu_factor_ex(A, *, pivot=True, check_errors=False, out=None):
    """`lu_factor` and ``info``: the first step, from 1, in which no pivot was found, or 0.

    Raises:
        RuntimeError: there is such a step, and ``check_errors``.
    """
    _check_pivot("linalg.lu_factor_ex", A, pivot)
    if check_errors:
        _refuse_singular("torch.linalg.lu_factor_ex", everything(_linalg_lu_factor_ex(A.detach())[2]))
    return _linalg_lu_factor_ex(A) if out is None else _linalg_lu_factor_ex(A, out=out)


def _refuse_singular(name: str, info: np.ndarray) -> None:
    if info.any():
        where = tuple(np.argwhere(info)[0])
        place = f"(Batch element {where[0]}): " if where else ""
        raise RuntimeError(
            f"{name}: {place}U[{info[where]},{info[where]}] is zero and using it on lu_solve would result in a "
            "division by zero. If you still want to perform the factorization, consider calling linalg.lu(A, pivot) or "
            "linalg.lu_factor_ex(A, pivot)"
        )


def lu_factor(A, *, pivot=True, out=None):
    """Both factors of A = P @ L @ U in one matrix, and the row exchanged at each step, from 1.

    Raises:
        RuntimeError: A is singular.

    >>> import rushlight as torch
    >>> torch.linalg.lu_factor(torch.tensor([[1.0, 2.0], [4.0, 4.0]])).pivots
    tensor([2, 2], dtype=torch.int32)
    """
    _check_pivot("linalg.lu_factor", A, pivot)
    LU, pivots, info = _linalg_lu_factor_ex(A)
    _refuse_singular("torch.linalg.lu_factor", everything(info))
    results = (LU, pivots) if out is None else map(into, out, (LU, pivots))
    return named("linalg_lu_factor", ("LU", "pivots"))(results)


@op(
    "LinalgLuBackward0",
    A=lambda g, P, L, U: _lu_gradient(g[0], g[1], P, L, U),
    outputs=("P", "L", "U"),
    nondifferentiable=("P",),
    batch="leading",
)
def _linalg_lu(A):
    LU, pivots, _ = kernels.factors(A)
    return kernels.permutation(pivots, A.shape[-2], A.dtype), *_split(LU)


def lu(A, *, pivot=True, out=None):
    """A = P @ L @ U: a permutation, a lower triangular matrix with ones on the diagonal, an upper triangular one."""
    _check_pivot("linalg.lu", A, pivot)
    return _linalg_lu(A) if out is None else _linalg_lu(A, out=out)


def _unpacked_gradient(g, LU_data_shape, unpack_data):
    if not unpack_data:
        return None
    rows, columns = LU_data_shape[-2:]
    k = min(rows, columns)
    of_l = part(g[0], np.tril(np.ones((rows, k)), -1))
    of_u = part(g[1], np.triu(np.ones((k, columns))))
    rest = like(g[0], np.zeros((*LU_data_shape[:-2], abs(rows - columns), k), raw(of_l).dtype))
    if rows < columns:
        return of_u + _joined(of_l, None, rest.mT)
    return of_l + _joined(of_u, rest if rows > columns else None, None)


@op(
    "LuUnpackBackward0",
    LU_data=_unpacked_gradient,
    outputs=("P", "L", "U"),
    nondifferentiable=("P",),
    batch=leading_or_empty,
)
def lu_unpack(LU_data, LU_pivots, unpack_data=True, unpack_pivots=True):
    """P, L and U of what `linalg.lu_factor` gives; what is not asked for comes empty."""
    if unpack_pivots and LU_pivots.dtype != np.int32:
        raise RuntimeError(
            "torch.lu_unpack: LU_pivots is expected to be a contiguous tensor of torch.int32 dtype: this function "
            "is intended to be used with the output produced by torch.linalg.lu_factor"
        )
    empty = np.empty(0, LU_data.dtype)
    swap = kernels.permutation(LU_pivots, LU_data.shape[-2], LU_data.dtype) if unpack_pivots else empty
    return (swap, *_split(LU_data)) if unpack_data else (swap, empty, empty)


def _lu_solve_gradients(g, LU, pivots, result, B_shape, left, adjoint_, needs):
    of_b = _linalg_lu_solve(LU, pivots, g, left, not adjoint_)
    of_lu = None
    if needs[0]:
        of_a = of_b @ adjoint(result) if left else adjoint(result) @ of_b
        L, U = _split(LU)
        P = _permutation(pivots, L.shape[-2], raw(L).dtype)
        of_a = -(P.mT @ (adjoint(of_a) if adjoint_ else of_a))
        of_lu = triangle_of(of_a @ adjoint(U), np.tril, -1) + triangle_of(adjoint(L) @ of_a, np.triu)
        of_lu = summed_to(of_lu, LU.shape)
    return of_lu, summed_to(of_b, B_shape)


def _lu_solved_for_each(batch, LU, pivots, B, *rest):
    rank = max(LU.ndim, B.ndim)
    whole = batch.aligned(LU, rank), batch.aligned(pivots, rank - 1), batch.aligned(B, rank)
    return batch.perform((*whole, *rest), {})


@op("LinalgLuSolveBackward0", **{"LU, B": _lu_solve_gradients}, batch=_lu_solved_for_each)
def _linalg_lu_solve(LU, pivots, B, left, adjoint_):
    return kernels.solution(LU, pivots, B, left, adjoint_)


def lu_solve(LU, pivots, B, *, left=True, adjoint=False, out=None):
    """X of A @ X = B, or of X @ A = B without ``left``, for the factors of A; of Aᴴ with ``adjoint``.

    Raises:
        RuntimeError: the shapes do not fit.
    """
    check_matrix("torch.linalg.lu_solve", LU)
    if LU.dtype != B.dtype:
        raise RuntimeError(f"linalg.lu_solve: Expected LU and B to have the same dtype, got {LU.dtype} and {B.dtype}")
    if pivots.dtype.numpy != np.int32:
        raise RuntimeError("linalg.lu_solve: pivots should be a Tensor of scalar type torch.int32")
    if LU.shape[-1] != B.shape[-2 if left else -1]:
        raise RuntimeError(
            f"linalg.lu_solve: Incompatible shapes of A and B for the equation {'AX = B' if left else 'XA = B'} "
            f"({LU.shape[-2]}x{LU.shape[-1]} and {B.shape[-2]}x{B.shape[-1]})"
        )
    return into(out, _linalg_lu_solve(LU, pivots, B, left, adjoint))


# Solutions from a Cholesky factor


def _factor_gradient(symmetric, L, upper):
    """The gradient of L from that of a function of L @ Lᴴ, or of Lᴴ @ L with ``upper``."""
    return -(L @ symmetric) if upper else -(symmetric @ L)


def _inverse_gradient(g, result, L, upper):
    return _factor_gradient(result @ (g + adjoint(g)) @ result, L, upper)


@op("CholeskyInverseBackward0", L=_inverse_gradient, batch="leading")
def cholesky_inverse(L, upper=False):
    """The inverse of the matrix that has this Cholesky factor."""
    check_matrix("cholesky_inverse", L)
    lower = np.triu(L).mT.conj() if upper else np.tril(L)
    inverse = np.linalg.inv(lower)
    return inverse.mT.conj() @ inverse


def _cholesky_solve_gradients(g, B_shape, L, result, upper, needs):
    of_b = cholesky_solve(g, L, upper)
    product = of_b @ adjoint(result)
    of_l = summed_to(_factor_gradient(product + adjoint(product), L, upper), L.shape) if needs[1] else None
    return summed_to(of_b, B_shape), of_l


@op("CholeskySolveBackward0", **{"B, L": _cholesky_solve_gradients}, batch="stacks")
def cholesky_solve(B, L, upper=False):
    """X of A @ X = B for the Cholesky factor L of A, the upper one with ``upper``."""
    if B.ndim < 2:
        raise RuntimeError(f"b should have at least 2 dimensions, but has {B.ndim} dimensions instead")
    if L.ndim < 2:
        raise RuntimeError(f"u should have at least 2 dimensions, but has {L.ndim} dimensions instead")
    check_matrix("cholesky_solve", L)
    lower = np.triu(L).mT.conj() if upper else np.tril(L)
    return np.linalg.solve(lower.mT.conj(), np.linalg.solve(lower, B))


# Eigenvalues


def _eig_gradient(g, eigenvalues, eigenvectors, A_dtype):
    """Boeddeker et al., "On the computation of complex-valued gradients", 2017; the eigenvectors have length 1."""
    of_values, of_vectors = g
    unit = np.eye(eigenvalues.shape[-1])
    dual = adjoint(eigenvectors)
    turn = dual @ of_vectors
    along = (dual @ eigenvectors) * part(turn, unit).sum(-2).real[..., None, :]
    gaps = eigenvalues[..., None, :] - eigenvalues[..., :, None]
    inner = part((turn - along) / (gaps + like(gaps, unit.astype(raw(gaps).dtype))).conj(), 1 - unit)
    inner = inner + of_values[..., None] * like(inner, unit.astype(raw(inner).dtype))
    return _real_as(_inv(dual) @ inner @ dual, A_dtype)


def _real_as(gradient, dtype):
    return gradient if dtype.kind == "c" else gradient.real


def _complex(A):
    return A if A.dtype.kind == "c" else A.astype(np.complex64 if A.dtype.itemsize == 4 else np.complex128)


@op("LinalgEigBackward0", A=_eig_gradient, outputs=("eigenvalues", "eigenvectors"), batch="leading")
def _linalg_eig(A):
    return tuple(_complex(x) for x in np.linalg.eig(A))


def eig(A, *, out=None):
    """The eigenvalues and the eigenvectors, as columns of length 1, of a square matrix; complex."""
    check_matrix("linalg.eig", A)
    return _linalg_eig(A) if out is None else _linalg_eig(A, out=out)


def _eigvals_gradient(g, A):
    """The eigenvectors are found only now."""
    dual = adjoint(_linalg_eig(A)[1])
    return _real_as(_inv(dual) @ (g[..., :, None] * dual), raw(A).dtype)


@op("LinalgEigBackward0", A=_eigvals_gradient, batch="leading")
def _eigvals(A):
    return _complex(np.linalg.eigvals(A))


def eigvals(A, *, out=None):
    """The eigenvalues of a square matrix; complex, in no order."""
    check_matrix("linalg.eigvals", A)
    return into(out, _eigvals(A))


# Least squares


def _least_squares_gradients(g, A, B, rcond, needs):
    inverse = _pinv(A, None, rcond, False)
    of_b = adjoint(inverse) @ g
    of_a = summed_to(_pinv_gradient(g @ adjoint(B), A, inverse), A.shape) if needs[0] else None
    return of_a, summed_to(of_b, B.shape)


@op("LinalgLstsqBackward0", **{"A, B": _least_squares_gradients}, batch="stacks")
def _least_squares(A, B, rcond):
    return _pinv.op.compute(A, None, rcond, False) @ B


def lstsq(A, B, rcond=None, *, driver=None, out=None):
    """X with the least ‖A @ X - B‖, and of those the shortest.

    Args:
        rcond: singular values up to this part of the largest count as zero.
        driver: "gels", "gelsy", "gelsd" or "gelss": what besides the solution is given, as in LAPACK.

    Returns:
        solution; residuals, the squared distances, if A has more rows than columns and full rank; rank, except for
        "gels"; singular_values, for "gelsd" and "gelss".
    """
    for name, x, least in (("input", A, 2), ("other", B, 1)):
        if x.ndim < least:
            raise RuntimeError(f"torch.linalg.lstsq: {name} must have at least {least} dimensions.")
    if A.dtype != B.dtype:
        raise RuntimeError("torch.linalg.lstsq: Expected input and other to have the same dtype")
    driver = driver or "gelsy"
    if driver not in ("gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(
            f"torch.linalg.lstsq: parameter `driver` should be one of (gels, gelsy, gelsd, gelss), got {driver}"
        )
    vector = A.ndim - 1 == B.ndim and tuple(A.shape[:-1]) == tuple(B.shape)
    if A.shape[-2] != B.shape[-1 if vector else -2]:
        raise RuntimeError("torch.linalg.lstsq: input.size(-2) should match other.size(-2)")
    rows, columns = A.shape[-2:]
    right = B.unsqueeze(-1) if vector else B
    solution = _least_squares(A, right, rcond)
    singular = _svdvals(A.detach())
    floor = np.finfo(raw(A).dtype).eps * max(rows, columns) if rcond is None else rcond
    rank = _count_above(singular, 0.0, floor)
    residuals = (A @ solution - right).abs().square().sum(-2)
    if rows <= columns or driver == "gelsy" or (driver != "gels" and (everything(rank) < columns).any()):
        residuals = residuals.flatten()[:0]
    solution = solution.squeeze(-1) if vector else solution
    rank = wrap(np.empty(0, np.int64)) if driver == "gels" else rank
    singular = singular if driver in ("gelsd", "gelss") else singular.flatten()[:0]
    results = (solution, residuals, rank, singular)
    fields = ("solution", "residuals", "rank", "singular_values")
    return named("linalg_lstsq", fields)(results if out is None else map(into, out, results))


# Reflections


def _reflectors(A, count):
    """The vectors below the diagonal of A, each with a one on it and zeros above."""
    shape = (A.shape[-2], count)
    ones = like(A, np.eye(*shape, dtype=raw(A).dtype))
    vectors = part(A[..., :, :count], np.tril(np.ones(shape), -1)) + ones
    return [vectors[..., :, i : i + 1] for i in range(count)]


def _reflect(vector, factor, x):
    return x - (vector * factor[..., None, None]) @ (adjoint(vector) @ x)


def _householder_gradients(g, A, tau, needs):
    """Backwards through the product, one reflection after the other."""
    from .join import cat, stack

    if not raw(A).size or not raw(tau).size:
        return None, None
    rows, columns = A.shape[-2:]
    vectors = _reflectors(A, tau.shape[-1])
    after = [like(g, np.broadcast_to(np.eye(rows, columns, dtype=raw(A).dtype), A.shape))]
    for i in reversed(range(1, len(vectors))):
        after.append(_reflect(vectors[i], tau[..., i], after[-1]))
    of_vectors, of_factors = [], []
    for i, (vector, behind) in enumerate(zip(vectors, reversed(after))):
        factor = tau[..., i]
        forward, backward = g @ (adjoint(behind) @ vector), behind @ (adjoint(g) @ vector)
        of_factors.append(-(adjoint(vector) @ forward)[..., 0, 0])
        of_vectors.append(-(factor.conj()[..., None, None] * forward + factor[..., None, None] * backward))
        g = _reflect(vector, factor.conj(), g)
    of_a = part(cat(of_vectors, -1), np.tril(np.ones((rows, len(vectors))), -1))
    if columns > len(vectors):
        of_a = cat([of_a, A[..., :, len(vectors) :] * 0], -1)
    return of_a, stack(of_factors, -1)


@op("LinalgHouseholderProductBackward0", **{"A, tau": _householder_gradients}, batch="leading")
def householder_product(A, tau):
    """The first columns of the product of the reflections 1 - τ v vᴴ, whose v are the columns of A below the diagonal.

    Raises:
        RuntimeError: A has more columns than rows, or fewer than ``tau`` has elements.
    """
    name = "torch.linalg.householder_product"
    check_matrix(name, A, square=False)
    if A.shape[-2] < A.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-2] must be greater than or equal to input.shape[-1]")
    if A.shape[-1] < tau.shape[-1]:
        raise RuntimeError(f"{name}: input.shape[-1] must be greater than or equal to tau.shape[-1]")
    if A.dtype != tau.dtype:
        raise RuntimeError(f"{name}: tau dtype {tau.dtype} does not match input dtype {A.dtype}")
    if A.ndim - tau.ndim != 1 or A.shape[:-2] != tau.shape[:-1]:
        raise RuntimeError(
            f"{name}: Expected tau to have one dimension less than input, and its batch dimensions, but got "
            f"{list(tau.shape)} for input of shape {list(A.shape)}"
        )
    result = np.broadcast_to(np.eye(*A.shape[-2:], dtype=A.dtype), A.shape)
    for i, vector in reversed(list(enumerate(_reflectors(A, tau.shape[-1])))):
        result = _reflect(vector, tau[..., i], result)
    return np.array(result)


orgqr = householder_product


@op(outputs=("a", "tau"), batch="leading")
def geqrf(input):
    """The reflections of a QR decomposition for `linalg.householder_product`, R above them; not differentiable."""
    check_matrix("torch.geqrf", input, square=False)
    reflections, tau = np.linalg.qr(input, "raw")
    return np.ascontiguousarray(reflections.mT), tau


def ormqr(input, tau, other, left=True, transpose=False, *, out=None):
    """Q @ other for the product Q of reflections, or other @ Q without ``left``; Qᴴ with ``transpose``."""
    if tau.shape[-1:] > other.shape[-2 if left else -1 :][:1] or tau.shape[-1:] > input.shape[-1:]:
        raise RuntimeError("torch.ormqr: tau.shape[-1] must be equal to min(other.shape[-2], input.shape[-1])")
    check_matrix("torch.ormqr", input, square=False)
    if not left:
        return into(out, adjoint(ormqr(input, tau, adjoint(other), True, not transpose)))
    if input.shape[-2] != other.shape[-2]:
        raise RuntimeError("torch.ormqr: other.shape[-2] must be equal to input.shape[-2]")
    if not input.numel():
        input, tau = input.detach(), tau.detach()
    steps = list(enumerate(_reflectors(input, tau.shape[-1])))
    for i, vector in steps if transpose else reversed(steps):
        other = _reflect(vector, tau[..., i].conj() if transpose else tau[..., i], other)
    return into(out, other)
