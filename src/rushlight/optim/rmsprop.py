"""RMSprop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..kernels.steps import rmsprop_step
from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, arrays, check_rates, kept, scalar, zeros_like
from .optimizer import ParamsT


class RMSprop(ParameterwiseOptimizer):
    """RMSprop: the gradient divided by the root of the running mean of its square.

    ``v = alpha * v + (1 - alpha) * g**2; p -= lr * g / (sqrt(v) + eps)``. ``centered`` takes the variance in place
    of ``v``; ``momentum`` accumulates the quotient. Tieleman and Hinton, 2012, lecture 6.5 of "Neural Networks for
    Machine Learning"; centered: Graves, 2013, "Generating Sequences With Recurrent Neural Networks".
    Raises ``ValueError`` for a negative option.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_rates(
            lr,
            {
                "epsilon value": eps,
                "momentum value": momentum,
                "weight_decay value": weight_decay,
                "alpha value": alpha,
            },
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _buffers(self, group: dict[str, Any]) -> list[str]:
        optional = {"momentum_buffer": group["momentum"] > 0, "grad_avg": group["centered"]}
        return ["square_avg", *(name for name, wanted in optional.items() if wanted)]

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), **zeros_like(param, *self._buffers(group))}

    def _update_all(self, params: Sequence[Tensor], grads: Sequence[Tensor], group: dict[str, Any]) -> None:
        states = [self._state_of(param, group) for param in params]
        for state in states:
            advance(state)
        momentum = float(group["momentum"])
        rmsprop_step(
            arrays(params),
            arrays(grads),
            kept(states, "square_avg"),
            kept(states, "momentum_buffer") if momentum > 0 else [],
            kept(states, "grad_avg") if group["centered"] else [],
            float(group["lr"]),
            float(group["alpha"]),
            float(group["eps"]),
            momentum,
            float(group["weight_decay"]),
            bool(group["maximize"]),
        )
