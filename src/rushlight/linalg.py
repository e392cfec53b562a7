"""Linear algebra: ``torch.linalg``."""

from __future__ import annotations

from .ops.linalg import linalg_cross as cross
from .ops.linalg import matrix_power, multi_dot, vecdot
from .ops.products import matmul
