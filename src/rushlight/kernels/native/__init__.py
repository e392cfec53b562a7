"""The native kernels: functions of arrays in C++, each the faster twin of a NumPy definition in `rushlight.kernels`.

There is one extension module for each level of the instruction set; the best that the processor runs is loaded. Without
one (the package was installed without a compiler, or ``RUSHLIGHT_NATIVE=0`` is set) the definitions serve.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable
from typing import Any, TypeVar

from numpy._core._multiarray_umath import __cpu_features__  # what NumPy found out about the processor

__all__ = ["DEFINITIONS", "kernel", "level", "library"]

# From the best: the name of a module, and what the processor must have, as NumPy calls it.
LEVELS = (
    ("avx512", ("AVX512_SKX",)),
    ("avx2", ("AVX2", "FMA3", "F16C")),
    ("baseline", ()),
)


def _load() -> tuple[Any, str | None]:
    if os.environ.get("RUSHLIGHT_NATIVE") == "0":
        return None, None
    wanted = os.environ.get("RUSHLIGHT_NATIVE_LEVEL")
    for name, needs in LEVELS:
        if wanted in (None, name) and all(__cpu_features__.get(need) for need in needs):
            try:
                return importlib.import_module(f"{__name__}.{name}"), name
            except ModuleNotFoundError:
                continue  # not built for this level
    return None, None


library, level = _load()

# The definition of every function that has a native twin.
DEFINITIONS: dict[str, Callable] = {}

Definition = TypeVar("Definition", bound=Callable)


def kernel(definition: Definition) -> Definition:
    """The native function of the same name, where there is one.

    The definition stays its meaning, and serves what the native function does not take: other types than float32 and
    float64, other arrays than NumPy's.
    """
    name = definition.__name__
    if library is None or not hasattr(library, name):
        return definition
    if DEFINITIONS.setdefault(name, definition).__module__ != definition.__module__:
        raise RuntimeError(f"two native kernels are called {name}: their calls would go to each other")
    library.otherwise(name, definition)
    return getattr(library, name)
