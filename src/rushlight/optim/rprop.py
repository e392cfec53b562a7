"""Rprop."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, blocks, check_rates, full_like, scalar, zeros_like
from .optimizer import ParamsT


class Rprop(ParameterwiseOptimizer):
    """Resilient backpropagation: only the gradient's sign counts, the size of the step adapts per element.

    The step size grows by ``etas[1]`` while the sign stays, and shrinks by ``etas[0]`` when it changes, within
    ``step_sizes``. Riedmiller and Braun, 1993, "A Direct Adaptive Method for Faster Backpropagation Learning".
    Raises ``ValueError`` unless ``0 < etas[0] < 1 < etas[1]``.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rates(lr, {})
        if not 0.0 < etas[0] < 1.0 < etas[1]:
            raise ValueError(f"Invalid eta values: {etas[0]}, {etas[1]} (expected 0 < etas[0] < 1 < etas[1])")
        defaults = {
            "lr": lr,
            "etas": etas,
            "step_sizes": step_sizes,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {
            "step": scalar(0),
            **zeros_like(param, "prev"),
            "step_size": full_like(param, float(group["lr"])),
        }

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        advance(state)
        eta_minus, eta_plus = group["etas"]
        for p, g, prev, size in blocks(group, param, grad, state["prev"], state["step_size"], decay=None):
            agreement = g * prev
            turned = agreement < 0
            size *= np.where(agreement > 0, p.dtype.type(eta_plus), np.where(turned, p.dtype.type(eta_minus), 1))
            np.clip(size, *group["step_sizes"], out=size)
            prev[...] = np.where(turned, 0, g)
            p -= np.sign(prev) * size
