"""Stochastic gradient descent with momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..kernels.steps import sgd_step
from ..tensor import Tensor, wrap
from .elementwise import ParameterwiseOptimizer, check_rates, kept
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

    def _update_all(self, params: Sequence[Tensor], grads: Sequence[Tensor], group: dict[str, Any]) -> None:
        momentum = float(group["momentum"])
        pairs = list(zip(params, grads, strict=True))
        if momentum == 0:
            self._descend(pairs, [], 1.0, group)
            return
        begun = [self.state[param].get("momentum_buffer") is not None for param in params]
        for first in (False, True):
            some = [pair for pair, has in zip(pairs, begun, strict=True) if has != first]
            for param, _ in some if first else ():
                self.state[param]["momentum_buffer"] = wrap(np.zeros_like(param.array))
            buffers = kept((self.state[param] for param, _ in some), "momentum_buffer")
            self._descend(some, buffers, 1.0 if first else 1.0 - group["dampening"], group)

    def _descend(
        self, pairs: list[tuple[Tensor, Tensor]], buffers: list[np.ndarray], take: float, group: dict[str, Any]
    ) -> None:
        sgd_step(
            [param.array for param, _ in pairs],
            [grad.array for _, grad in pairs],
            buffers,
            float(group["lr"]),
            float(group["momentum"]),
            take,
            bool(group["nesterov"]),
            float(group["weight_decay"]),
            bool(group["maximize"]),
        )
