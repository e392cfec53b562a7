"""The BLAS that NumPy was linked with: how many threads it uses."""

from __future__ import annotations

import ctypes
import os
from typing import Any

from numpy._core import _multiarray_umath

__all__ = ["get_threads", "set_threads"]

# How OpenBLAS's names are adorned: in the library of NumPy's wheels, and elsewhere.
SPELLINGS = ("scipy_{}64_", "scipy_{}", "{}64_", "{}")


def _load() -> Any:
    """The libraries that NumPy was linked with, as one; they are loaded already."""
    path = _multiarray_umath.__file__
    if os.name == "nt":  # which looks for a function in the module alone, not in what it was linked with
        folder = os.path.join(os.path.dirname(path), "../../numpy.libs")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        path = next((os.path.join(folder, name) for name in names if "openblas" in name), path)
    return ctypes.CDLL(path)


def _function(library: Any, name: str) -> Any:
    """An OpenBLAS function, or None in another library."""
    found = (getattr(library, spelling.format(name), None) for spelling in SPELLINGS)
    return next((function for function in found if function is not None), None)


_library = _load()
get_threads = _function(_library, "openblas_get_num_threads")
set_threads = _function(_library, "openblas_set_num_threads")
