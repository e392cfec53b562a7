"""The engine room: recording, backward, and everything that PyTorch has under `torch.autograd`."""

from __future__ import annotations

from typing import Any

from ..missing import refuse as _refuse
from . import function, graph
from .anomaly import detect_anomaly, set_detect_anomaly
from .function import Function, once_differentiable
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
    "grad",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]

__getattr__ = _refuse(__name__)
