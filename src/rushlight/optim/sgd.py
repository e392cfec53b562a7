"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .elementwise import ParameterwiseOptimizer, blocks, check_rates
from .optimizer import ParamsT


class SGD(ParameterwiseOptimizer):
    """Gradient descent ``p -= lr * g``; with momentum ``b = momentum * b + (1 - dampening) * g; p -= lr * b``.

    The first step takes ``b = g``. ``nesterov`` steps along ``g + momentum * b`` (Sutskever et al., 2013, "On the
    importance of initialization and momentum in deep learning"). ``weight_decay`` adds its multiple of the parameter
    to the gradient, ``maximize`` climbs. Raises ``ValueError`` for a negative option, or Nesterov without momentum.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([0., 0.], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rates(lr, {"momentum value": momentum, "weight_decay value": weight_decay})
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        lr, momentum = float(group["lr"]), float(group["momentum"])
        if momentum == 0:
            for p, g in blocks(group, param, grad):
                p -= lr * g
            return
        state = self.state[param]
        buffer = state.get("momentum_buffer")
        keep, take = momentum, 1.0 - group["dampening"]
        if buffer is None:
            buffer = state["momentum_buffer"] = wrap(np.zeros_like(param.array))
            take = 1.0
        for p, g, b in blocks(group, param, grad, buffer):
            b *= keep
            b += g if take == 1.0 else take * g
            p -= lr * (g + momentum * b if group["nesterov"] else b)
