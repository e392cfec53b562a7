"""Rushlight: PyTorch's programming model as a small, fast library on NumPy.

>>> import rushlight as torch
>>> x = torch.tensor(3.0, requires_grad=True)
>>> (x**2).backward()
>>> x.grad
tensor(6.)
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import methods as _methods
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
from .ops import *
from .printing import set_printoptions
from .size import Size
from .tensor import Tensor
from .version import __version__

_LAZY = ("autograd", "cli", "distributed", "fft", "func", "linalg", "nn", "optim", "special", "utils")
"""Subpackages that are imported when they are first used."""


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'rushlight' has no attribute {name!r}")
