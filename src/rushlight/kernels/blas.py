"""The library that NumPy multiplies matrices with: its functions, and how many threads it uses."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from typing import Any

from numpy._core import _multiarray_umath

__all__ = ["function", "get_threads", "set_threads"]

# How names are adorned by the number of bits of its integers: in the OpenBLAS of NumPy's wheels, and elsewhere.
SPELLINGS = {64: ("scipy_{}64_", "{}64_"), 32: ("scipy_{}", "{}")}


def _load() -> Any:
    """The libraries that NumPy was linked with, as one; they are loaded already."""
    path = _multiarray_umath.__file__
    if os.name == "nt":  # which looks for a function in the module alone, not in what it was linked with
        folder = os.path.join(os.path.dirname(path), "../../numpy.libs")
        names = os.listdir(folder) if os.path.isdir(folder) else []
        path = next((os.path.join(folder, name) for name in names if "openblas" in name), path)
    return ctypes.CDLL(path)


_library = _load()


def function(name: str) -> tuple[Any, int]:
    """A function of the library, and how many bits its integers have; None and 0 if it has none of that name."""
    for bits, spellings in SPELLINGS.items():
        for spelling in spellings:
            found = getattr(_library, spelling.format(name), None)
            if found is not None:
                return found, bits
    return None, 0


get_threads: Callable[[], int] | None = function("openblas_get_num_threads")[0]
set_threads: Callable[[int], None] | None = function("openblas_set_num_threads")[0]
