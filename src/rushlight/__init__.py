"""Rushlight: PyTorch's programming model as a small, fast library on NumPy.

>>> import rushlight as torch
>>> x = torch.tensor(3.0, requires_grad=True)
>>> (x**2).backward()
>>> x.grad
tensor(6.)
"""

from __future__ import annotations

import importlib as _importlib
import warnings as _warnings
from math import e, inf, nan, pi
from typing import Any as _Any

from . import methods as _methods
from . import missing as _missing
from .autograd.anomalies import is_anomaly_check_nan_enabled, is_anomaly_enabled
from .autograd.modes import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .devices import device
from .dtypes import *
from .kernels import memory as _memory
from .layouts import *
from .ops import *
from .printing import set_printoptions
from .random import Generator, default_generator, get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .size import Size
from .tensor import Tensor
from .threads import get_num_threads, set_num_threads
from .version import __version__

# Infinities and NaN are results like others, as in PyTorch: NumPy's warnings about them are not passed on.
_warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\.")

newaxis = None

_MODULES = (
    "accelerator", "amp", "autograd", "backends", "compiler", "cuda", "func", "jit", "linalg", "nn", "optim",
    "profiler", "random", "serialization", "special", "testing", "utils",
)  # fmt: skip
_HOMES = {
    "func": "vmap",
    "amp": "GradScaler autocast is_autocast_enabled",
    "compiler": "compile",
    "ops.windows": "bartlett_window blackman_window hamming_window hann_window kaiser_window",
    "serialization": "load save",
    "settings": (
        "are_deterministic_algorithms_enabled get_default_device get_float32_matmul_precision "
        "is_deterministic_algorithms_warn_only_enabled set_default_device set_float32_matmul_precision "
        "set_flush_denormal use_deterministic_algorithms"
    ),
    "typed": (
        "BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor LongTensor "
        "ShortTensor set_default_tensor_type typename"
    ),
}
_METHODS_IN_PLACE = (
    "abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ as_strided_ asin_ asinh_ atan_ atanh_ "
    "ceil_ clamp_ clamp_max_ clamp_min_ clip_ conj_physical_ cos_ cosh_ deg2rad_ erf_ erfc_ exp2_ exp_ expm1_ fix_ "
    "floor_ frac_ gcd_ i0_ index_put_ lcm_ ldexp_ log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ rad2deg_ "
    "reciprocal_ round_ rsqrt_ sigmoid_ sin_ sinc_ sinh_ sqrt_ square_ tan_ tanh_ trunc_ xlogy_"
)
_IN_PLACE = frozenset(_METHODS_IN_PLACE.split())  # functions that are the method of the same name
_ELSEWHERE = {name: home for home, names in _HOMES.items() for name in names.split()}
_refuse = _missing.refuse(__name__)


def __getattr__(name: str) -> _Any:
    """Subpackages are imported when they are first used."""
    if name in _MODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    if name in _ELSEWHERE:
        return getattr(_importlib.import_module(f"{__name__}.{_ELSEWHERE[name]}"), name)
    if name in _IN_PLACE:
        return getattr(Tensor, name)
    _refuse(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES, *_ELSEWHERE, *_IN_PLACE} - {"annotations"})
