"""Matrix functions on stacks of matrices that NumPy does not have."""

from __future__ import annotations

import numpy as np

_PADE = (
    64764752532480000, 32382376266240000, 7771770303897600, 1187353796428800, 129060195264000, 10559470521600,
    670442572800, 33522128640, 1323241920, 40840800, 960960, 16380, 182, 1,
)  # fmt: skip


def exponential(a: np.ndarray) -> np.ndarray:
    """The exponential of each matrix, by scaling, a Padé approximant of degree 13, and squaring.

    Higham, "The scaling and squaring method for the matrix exponential revisited", 2005.
    """
    if a.size == 0:
        return a.copy()
    norm = np.abs(a).sum(-2).max(-1)
    with np.errstate(divide="ignore"):
        halvings = np.maximum(0, np.ceil(np.log2(norm / 5.371920351148152))).astype(int)
    wide = a.astype(np.complex128 if a.dtype.kind == "c" else np.float64) / (2.0**halvings)[..., None, None]
    unit = np.eye(a.shape[-1])
    a2 = wide @ wide
    a4 = a2 @ a2
    a6 = a4 @ a2
    c = _PADE
    odd = wide @ (a6 @ (c[13] * a6 + c[11] * a4 + c[9] * a2) + c[7] * a6 + c[5] * a4 + c[3] * a2 + c[1] * unit)
    even = a6 @ (c[12] * a6 + c[10] * a4 + c[8] * a2) + c[6] * a6 + c[4] * a4 + c[2] * a2 + c[0] * unit
    result = np.linalg.solve(even - odd, even + odd)
    for step in range(int(halvings.max(initial=0))):
        result = np.where((halvings > step)[..., None, None], result @ result, result)
    return result.astype(a.dtype)


def cofactors(a: np.ndarray) -> np.ndarray:
    """The derivative of the determinant, also where it is zero: from the singular values, each left out in turn."""
    u, s, vh = np.linalg.svd(a)
    n = a.shape[-1]
    others = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(n)], -1) if n else s
    turn = (np.linalg.det(u) * np.linalg.det(vh)).conj()[..., None, None]
    return (turn * (u * others[..., None, :]) @ vh).astype(a.dtype, copy=False)


def triangular_solution(a: np.ndarray, b: np.ndarray, upper: bool, unit: bool) -> np.ndarray:
    """x of `a @ x = b`, of `a` only the triangle and with ``unit`` only what is beside the diagonal."""
    triangle = np.triu(a) if upper else np.tril(a)
    if unit:
        n = a.shape[-1]
        triangle[..., range(n), range(n)] = 1
    return np.linalg.solve(*_broadcast(triangle, b))


def _broadcast(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return np.broadcast_to(a, lead + a.shape[-2:]), np.broadcast_to(b, lead + b.shape[-2:])
