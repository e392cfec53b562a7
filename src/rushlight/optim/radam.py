"""RAdam."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, blocks, check_betas, check_rates, scalar, zeros_like
from .optimizer import ParamsT


class RAdam(ParameterwiseOptimizer):
    """RAdam: Adam that leaves out the division while the variance of its second moment is still too large.

    Liu et al., 2020, "On the Variance of the Adaptive Learning Rate and Beyond".
    Raises ``ValueError`` for an option out of its range.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rates(lr, {"epsilon value": eps, "weight_decay value": weight_decay})
        check_betas(betas)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "decoupled_weight_decay": decoupled_weight_decay,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), **zeros_like(param, "exp_avg", "exp_avg_sq")}

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        step = advance(state)
        beta1, beta2 = group["betas"]
        rate = float(group["lr"]) / (1 - beta1**step)
        rectified = _rectification(step, beta2)
        decay = "decoupled" if group["decoupled_weight_decay"] else "gradient"
        for p, g, m, v in blocks(group, param, grad, state["exp_avg"], state["exp_avg_sq"], decay=decay):
            m += (1 - beta1) * (g - m)
            v *= beta2
            v += (1 - beta2) * g * g
            if rectified is None:
                p -= rate * m
            else:
                p -= rate * rectified * m / (np.sqrt(v) + group["eps"])


def _rectification(step: float, beta2: float) -> float | None:
    """The factor on ``m / sqrt(v)`` that makes up for the variance of ``v``; None while it is not tractable."""
    correction = 1 - beta2**step
    limit = 2 / (1 - beta2) - 1
    length = limit - 2 * step * beta2**step / correction
    if length <= 5.0:
        return None
    ratio = (length - 4) * (length - 2) * limit / ((limit - 4) * (limit - 2) * length)
    return (ratio * correction) ** 0.5
