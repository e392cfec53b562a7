"""Linear algebra: ``torch.linalg``."""

from __future__ import annotations

from .ops.decompositions import (
    LinAlgError,
    cholesky,
    det,
    eigh,
    eigvalsh,
    inv,
    matrix_exp,
    pinv,
    qr,
    slogdet,
    solve,
    solve_triangular,
    svd,
    svdvals,
)
from .ops.linalg import linalg_cross as cross
from .ops.linalg import matrix_power, multi_dot, vecdot
from .ops.norms import linalg_norm as norm
from .ops.norms import matrix_norm, vector_norm
from .ops.products import matmul
