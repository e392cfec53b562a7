"""Linear algebra: ``torch.linalg``."""

from __future__ import annotations

from .missing import refuse as _refuse
from .ops.decompositions import (
    cholesky,
    cholesky_ex,
    cond,
    diagonal,
    eigh,
    eigvalsh,
    matrix_exp,
    matrix_rank,
    qr,
    svd,
    svdvals,
    vander,
)
from .ops.factors import eig, eigvals, householder_product, lstsq, lu, lu_factor, lu_factor_ex, lu_solve
from .ops.linalg import linalg_cross as cross
from .ops.linalg import matrix_power, multi_dot, vecdot
from .ops.norms import linalg_norm as norm
from .ops.norms import matrix_norm, vector_norm
from .ops.products import matmul
from .ops.solving import (
    LinAlgError,
    det,
    inv,
    inv_ex,
    pinv,
    slogdet,
    solve,
    solve_ex,
    solve_triangular,
    tensorinv,
    tensorsolve,
)

__all__ = [
    "LinAlgError", "cholesky", "cholesky_ex", "cond", "cross", "det", "diagonal", "eig", "eigh", "eigvals",
    "eigvalsh", "householder_product", "inv", "inv_ex", "lstsq", "lu", "lu_factor", "lu_factor_ex", "lu_solve",
    "matmul", "matrix_exp", "matrix_norm", "matrix_power", "matrix_rank", "multi_dot", "norm", "pinv", "qr",
    "slogdet", "solve", "solve_ex", "solve_triangular", "svd", "svdvals", "tensorinv", "tensorsolve", "vander",
    "vecdot", "vector_norm",
]  # fmt: skip

__getattr__ = _refuse(__name__)
