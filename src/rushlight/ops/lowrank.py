"""Decompositions of nearly low-rank matrices by random projection.

Halko, Martinsson and Tropp, "Finding structure with randomness", 2011: subspace iteration is algorithm 4.4, the
decomposition algorithm 5.1.
"""

from __future__ import annotations

from typing import Any

from .decompositions import qr, svd
from .products import adjoint
from .random import randn

__all__ = ["pca_lowrank", "svd_lowrank"]


def _basis(A: Any, q: int, niter: int) -> Any:
    """Orthonormal columns that nearly span those of A."""
    basis = qr(A @ randn(A.shape[-1], q, dtype=A.dtype))[0]
    for _ in range(niter):
        basis = qr(A @ qr(adjoint(A) @ basis)[0])[0]
    return basis


def svd_lowrank(A, q=6, niter=2, M=None):
    """U, S and V of the ``q`` largest singular values of A - M, roughly: A - M ≈ U @ diag(S) @ Vᴴ.

    Args:
        niter: how often the projection is refined.
    """
    A = A if M is None else A - M
    wide = A.shape[-2] < A.shape[-1]
    A = adjoint(A) if wide else A
    basis = _basis(A, 6 if q is None else q, 2 if niter is None else niter)
    U, S, Vh = svd(adjoint(basis) @ A, full_matrices=False)
    left, right = basis @ U, adjoint(Vh)
    return (right, S, left) if wide else (left, S, right)


def pca_lowrank(A, q=None, center=True, niter=2):
    """The principal components of the rows of A: `svd_lowrank` of A with each column's mean taken off.

    Raises:
        ValueError: ``q`` exceeds the smaller size, or a number is negative.
    """
    least = min(A.shape[-2:])
    q = min(6, least) if q is None else q
    if not 0 <= q <= least:
        raise ValueError(f"q(={q}) must be non-negative integer and not greater than min(m, n)={least}")
    if niter < 0:
        raise ValueError(f"niter(={niter}) must be non-negative integer")
    return svd_lowrank(A - A.mean(-2, keepdim=True) if center else A, q, niter)
