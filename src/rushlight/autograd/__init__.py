"""The engine room: recording, backward, and everything that PyTorch has under `torch.autograd`."""

from __future__ import annotations

from typing import Any

from .function import Function, once_differentiable
from .gradients import backward, grad
from .modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = [
    "Function",
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_grad_enabled",
]
