"""The engine room: recording, backward, and everything that PyTorch has under `torch.autograd`."""

from __future__ import annotations

import importlib as _importlib
from typing import Any

from ..missing import refuse as _refuse
from . import graph
from .gradcheck import gradcheck, gradgradcheck
from .gradients import backward, grad
from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled
from .variable import Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "profiler",
    "set_detect_anomaly",
    "set_grad_enabled",
    "set_multithreading_enabled",
]

_MODULES = ("anomaly_mode", "forward_ad", "function", "functional", "grad_mode", "profiler", "profiler_util")
_HOMES = {
    "Function": "function",
    "once_differentiable": "function",
    "detect_anomaly": "anomaly_mode",
    "set_detect_anomaly": "anomaly_mode",
    "is_multithreading_enabled": "grad_mode",
    "set_multithreading_enabled": "grad_mode",
}
_unknown = _refuse(__name__)


def __getattr__(name: str) -> Any:
    """What stands above the operations is imported when it is first used."""
    if name in _MODULES:
        return _importlib.import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(_importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    _unknown(name)
