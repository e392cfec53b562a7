"""Rushlight: PyTorch's programming model as a small, fast library on NumPy.

>>> import rushlight as torch
>>> x = torch.tensor(3.0, requires_grad=True)
>>> (x**2).backward()
>>> x.grad
tensor(6.)
"""

from __future__ import annotations

import importlib
import warnings
from math import e, inf, nan, pi
from typing import Any

from . import methods as _methods
from .autograd.anomaly import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .devices import device
from .dtypes import *
from .layouts import *
from .ops import *
from .printing import set_printoptions
from .random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .size import Size
from .tensor import Tensor
from .threads import get_num_threads, set_num_threads
from .version import __version__

# Infinities and NaN are results like others, as in PyTorch: NumPy's warnings about them are not passed on.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")

newaxis = None

_MODULES = (
    "autograd", "backends", "cuda", "distributed", "fft", "func", "linalg", "nn", "optim", "random", "serialization",
    "special", "testing", "utils",
)  # fmt: skip
_ELSEWHERE = {"save": "serialization", "load": "serialization"}


def __getattr__(name: str) -> Any:
    """Subpackages are imported when they are first used."""
    if name in _MODULES:
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    elif name in _ELSEWHERE:
        return getattr(importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    raise AttributeError(f"module 'rushlight' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ELSEWHERE})
