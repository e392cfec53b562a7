"""Several arrays as one."""

from __future__ import annotations

import numpy as np

from .native import kernel


@kernel
def join(parts: list[np.ndarray], dim: int, stacked: bool) -> np.ndarray:
    """Arrays of one type one after the other along an axis, which is a new one if they are ``stacked``; in C order."""
    return np.ascontiguousarray(np.stack(parts, dim) if stacked else np.concatenate(parts, dim))
