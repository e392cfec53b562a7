"""The memory of large arrays, NumPy's included, is kept for the next ones of about the same size.

The environment variable ``RUSHLIGHT_POOL`` is the number of MiB that are kept at most; with 0 there is no pool. It
serves arrays of 64 KiB and more that are made where Rushlight was imported, and in threads that call its kernels.
"""

from __future__ import annotations

import os

import numpy as np

from .native import library

__all__ = ["empty_cache", "statistics"]

_LIMIT = 256  # MiB


def _limit() -> int:
    asked = os.environ.get("RUSHLIGHT_POOL", "")
    return int(asked) if asked.isdecimal() else _LIMIT


def empty_cache() -> None:
    """Give the memory back to the system that is kept for later arrays."""
    if library is not None:
        library.release_memory()


def statistics() -> dict[str, int]:
    """How many bytes are kept, how many blocks the system was asked for, and how many were used again."""
    return library.memory_statistics() if library is not None else {"kept": 0, "requested": 0, "reused": 0}


if library is not None and _limit():
    library.set_pool_limit(_limit() << 20)
    # The pool is a context variable. Beside it NumPy takes 15 ns longer, in each operation, to find that how it treats
    # errors has not been set; it has now.
    np.seterr()
