"""NAdam."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, blocks, check_betas, check_rates, scalar, zeros_like
from .optimizer import ParamsT


class NAdam(ParameterwiseOptimizer):
    """NAdam: Adam with Nesterov momentum, of weight ``beta1 * (1 - 0.5 * 0.96**(step * momentum_decay))``.

    Dozat, 2016, "Incorporating Nesterov Momentum into Adam". Raises ``ValueError`` for an option out of its range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rates(
            lr, {"epsilon value": eps, "weight_decay value": weight_decay, "momentum_decay value": momentum_decay}
        )
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), "mu_product": scalar(1), **zeros_like(param, "exp_avg", "exp_avg_sq")}

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        step = advance(state)
        lr, (beta1, beta2) = float(group["lr"]), group["betas"]
        mu, mu_next = (beta1 * (1.0 - 0.5 * 0.96 ** (count * group["momentum_decay"])) for count in (step, step + 1))
        product = state["mu_product"].array
        product *= mu
        from_grad = lr * (1.0 - mu) / (1.0 - float(product))
        from_mean = lr * mu_next / (1.0 - float(product) * mu_next)
        decay = "decoupled" if group["decoupled_weight_decay"] else "gradient"
        for p, g, m, v in blocks(group, param, grad, state["exp_avg"], state["exp_avg_sq"], decay=decay):
            m += (1 - beta1) * (g - m)
            v *= beta2
            v += (1 - beta2) * g * g
            denominator = np.sqrt(v / (1 - beta2**step)) + group["eps"]
            p -= from_grad * g / denominator
            p -= from_mean * m / denominator
