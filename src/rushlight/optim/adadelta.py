"""Adadelta."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, blocks, check_rates, scalar, zeros_like
from .optimizer import ParamsT


class Adadelta(ParameterwiseOptimizer):
    """Adadelta: the gradient scaled by the ratio of the running sizes of past updates and past gradients.

    ``v = rho * v + (1 - rho) * g**2; d = g * sqrt(u + eps) / sqrt(v + eps); u = rho * u + (1 - rho) * d**2;
    p -= lr * d``. Zeiler, 2012, "ADADELTA: An Adaptive Learning Rate Method".
    Raises ``ValueError`` for a negative option or ``rho`` above 1.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        capturable: bool = False,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rates(lr, {"rho value": rho, "epsilon value": eps, "weight_decay value": weight_decay})
        if rho > 1.0:
            raise ValueError(f"Invalid rho value: {rho} (expected 0 <= rho <= 1)")
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), **zeros_like(param, "square_avg", "acc_delta")}

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        advance(state)
        lr, rho, eps = float(group["lr"]), group["rho"], group["eps"]
        for p, g, v, u in blocks(group, param, grad, state["square_avg"], state["acc_delta"]):
            v *= rho
            v += (1 - rho) * g * g
            delta = np.sqrt(u + eps) / np.sqrt(v + eps) * g
            u *= rho
            u += (1 - rho) * delta * delta
            p -= lr * delta
