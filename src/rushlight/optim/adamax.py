"""Adamax."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, blocks, check_betas, check_rates, scalar, zeros_like
from .optimizer import ParamsT


class Adamax(ParameterwiseOptimizer):
    """Adamax: Adam with the infinity norm of past gradients in place of their root mean square.

    ``u = max(beta2 * u, |g| + eps); p -= lr / (1 - beta1**step) * m / u``. Kingma and Ba, 2015, "Adam: A Method for
    Stochastic Optimization", section 7.1. Raises ``ValueError`` for an option out of its range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rates(lr, {"epsilon value": eps, "weight_decay value": weight_decay})
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), **zeros_like(param, "exp_avg", "exp_inf")}

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        beta1, beta2 = group["betas"]
        rate = float(group["lr"]) / (1 - beta1 ** advance(state))
        for p, g, m, u in blocks(group, param, grad, state["exp_avg"], state["exp_inf"]):
            m += (1 - beta1) * (g - m)
            u *= beta2
            np.maximum(u, np.abs(g) + group["eps"], out=u)
            p -= rate * m / u
