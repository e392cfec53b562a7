"""How many threads the matrix products use."""

from __future__ import annotations

import ctypes
import functools
import os
from typing import Any

import numpy as np

__all__ = ["get_num_threads", "set_num_threads"]


@functools.cache
def _blas() -> Any:
    """The functions (get, set) of the OpenBLAS that NumPy has loaded, or None if it uses another library."""
    from glob import glob

    for folder in ("../numpy.libs", ".dylibs"):
        for path in sorted(glob(os.path.join(os.path.dirname(np.__file__), folder, "*openblas*"))):
            library = ctypes.CDLL(path)
            for pattern in (
                "scipy_openblas_{}_num_threads64_",
                "scipy_openblas_{}_num_threads",
                "openblas_{}_num_threads",
            ):
                get, put = (getattr(library, pattern.format(verb), None) for verb in ("get", "set"))
                if get is not None and put is not None:
                    return get, put
    return None


def get_num_threads() -> int:
    """The number of threads that matrix products use."""
    blas = _blas()
    return blas[0]() if blas else os.cpu_count() or 1


def set_num_threads(number: int) -> None:
    """Set the number of threads that matrix products use.

    Raises:
        RuntimeError: the number is not positive.
        TypeError: it is not an integer.
    """
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    blas = _blas()
    if blas:
        blas[1](number)
