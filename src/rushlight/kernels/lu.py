"""Triangular factors of matrices, and of stacks of them, by elimination with row exchanges.

Golub and Van Loan, "Matrix Computations", section 3.4; the recursion by halves of the columns is Toledo's, "Locality of
reference in LU decomposition with partial pivoting", 1997.
"""

from __future__ import annotations

import numpy as np


def factors(a: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Both factors in one matrix, the row exchanged at each step (from 1), and the first step without a pivot, or 0."""
    lu = a.copy()
    k = min(a.shape[-2:])
    pivots = np.zeros((*a.shape[:-2], k), np.int32)
    if lu.size:
        _eliminate(lu, pivots, 0, k)
        if a.shape[-1] > k:
            lu[..., :k, k:] = np.linalg.solve(unit_lower(lu[..., :k, :k]), lu[..., :k, k:])
    missing = np.diagonal(lu, axis1=-2, axis2=-1) == 0
    first = np.argmax(missing, -1) + 1 if k else np.zeros(a.shape[:-2], int)
    return lu, pivots, np.where(missing.any(-1), first, 0).astype(np.int32)


def _eliminate(lu: np.ndarray, pivots: np.ndarray, low: int, high: int) -> None:
    """Factor the columns from ``low`` to ``high``; whole rows are exchanged."""
    if high - low == 1:
        _exchange(lu, pivots, low)
        pivot = lu[..., low, low]
        lu[..., low + 1 :, low] /= np.where(pivot == 0, 1, pivot)[..., None]
        return
    middle = (low + high) // 2
    _eliminate(lu, pivots, low, middle)
    right = np.linalg.solve(unit_lower(lu[..., low:middle, low:middle]), lu[..., low:middle, middle:high])
    lu[..., low:middle, middle:high] = right
    lu[..., middle:, middle:high] -= lu[..., middle:, low:middle] @ right
    _eliminate(lu, pivots, middle, high)


def _exchange(lu: np.ndarray, pivots: np.ndarray, step: int) -> None:
    """Bring the largest element below the diagonal of a column onto it."""
    column = lu[..., step:, step]
    chosen = step + (np.abs(column.real) + np.abs(column.imag)).argmax(-1)
    pivots[..., step] = chosen + 1
    rows = chosen[..., None, None]
    upper, lower = lu[..., step : step + 1, :].copy(), np.take_along_axis(lu, rows, -2)
    np.put_along_axis(lu, rows, upper, -2)
    lu[..., step : step + 1, :] = lower


def unit_lower(lu: np.ndarray) -> np.ndarray:
    """The lower factor, with ones on the diagonal."""
    return np.tril(lu, -1) + np.eye(*lu.shape[-2:], dtype=lu.dtype)


def permutation(pivots: np.ndarray, rows: int, dtype: np.dtype) -> np.ndarray:
    """The matrix P of A = P @ L @ U for these exchanges."""
    order = np.broadcast_to(np.arange(rows), (*pivots.shape[:-1], rows)).copy()
    for step in range(pivots.shape[-1]):
        chosen = pivots[..., step, None].astype(np.int64) - 1
        lower = np.take_along_axis(order, chosen, -1)
        np.put_along_axis(order, chosen, order[..., step, None].copy(), -1)
        order[..., step, None] = lower
    return (np.arange(rows)[:, None] == order[..., None, :]).astype(dtype)


def solution(lu: np.ndarray, pivots: np.ndarray, b: np.ndarray, left: bool, adjoint: bool) -> np.ndarray:
    """X of A @ X = B or X @ A = B, with Aᴴ in place of A for ``adjoint``."""
    if not left:
        return solution(lu, pivots, b.mT.conj(), True, not adjoint).mT.conj()
    swap, lower, upper = permutation(pivots, lu.shape[-2], lu.dtype), unit_lower(lu), np.triu(lu)
    if adjoint:
        return swap @ np.linalg.solve(lower.mT.conj(), np.linalg.solve(upper.mT.conj(), b))
    return np.linalg.solve(upper, np.linalg.solve(lower, swap.mT @ b))
