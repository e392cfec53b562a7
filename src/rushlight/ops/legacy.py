"""Matrix decompositions under their old names, with the old order of arguments."""

from __future__ import annotations

from .decompositions import _cholesky
from .decompositions import qr as linalg_qr
from .decompositions import svd as linalg_svd
from .factors import lu_factor_ex
from .factors import lu_solve as linalg_lu_solve
from .linalg import into
from .products import adjoint
from .returns import named
from .solving import check_matrix, solve_triangular
from .solving import slogdet as linalg_slogdet

__all__ = ["cholesky", "lu", "lu_solve", "qr", "slogdet", "svd", "triangular_solve"]


def _returned(name, fields, results, out):
    return named(name, fields)(results if out is None else map(into, out, results))


def cholesky(input, upper=False, *, out=None):
    """`linalg.cholesky`."""
    check_matrix("cholesky", input)
    return into(out, _cholesky(input, upper))


def slogdet(input, *, out=None):
    """`linalg.slogdet`."""
    return _returned("slogdet", ("sign", "logabsdet"), linalg_slogdet(input), out)


def qr(input, some=True, *, out=None):
    """`linalg.qr`, with a square Q unless ``some``."""
    return _returned("qr", ("Q", "R"), linalg_qr(input, "reduced" if some else "complete"), out)


def svd(input, some=True, compute_uv=True, *, out=None):
    """`linalg.svd` with V in place of Vh; square U and V unless ``some``; zeros for them unless ``compute_uv``."""
    U, S, Vh = linalg_svd(input, not some and compute_uv)
    V = adjoint(Vh)
    if not compute_uv:
        U, V = (input.new_zeros(*input.shape[:-2], n, n) for n in input.shape[-2:])
    return _returned("svd", ("U", "S", "V"), (U, S, V), out)


def lu(A, pivot=True, get_infos=False, out=None):
    """`linalg.lu_factor`, with ``info`` if ``get_infos``."""
    results = lu_factor_ex(A, pivot=pivot, check_errors=not get_infos)
    results = results if get_infos else results[:2]
    return results if out is None else tuple(map(into, out, results))


def lu_as_tuple(self, pivot=True, get_infos=False):
    """`lu` as a plain tuple, which is what the method gives."""
    return tuple(lu(self, pivot, get_infos))


def lu_solve(b, LU_data, LU_pivots, *, out=None):
    """`linalg.lu_solve` with the right-hand side first."""
    return linalg_lu_solve(LU_data, LU_pivots, b, out=out)


def triangular_solve(b, A, upper=True, transpose=False, unitriangular=False, *, out=None):
    """X of A @ X = b, or of Aᵀ @ X = b with ``transpose``, and a copy of A."""
    if b.ndim < 2 or A.ndim < 2:
        name, x = ("b", b) if b.ndim < 2 else ("A", A)
        raise RuntimeError(
            f"torch.triangular_solve: Expected {name} to have at least 2 dimensions, but it has {x.ndim} dimensions "
            "instead"
        )
    matrix, upper = (A.mT, not upper) if transpose else (A, upper)
    solution = solve_triangular(matrix, b, upper=upper, unitriangular=unitriangular)
    shape = (*solution.shape[:-2], *A.shape[-2:])
    return _returned("triangular_solve", ("solution", "cloned_coefficient"), (solution, A.expand(shape).clone()), out)
