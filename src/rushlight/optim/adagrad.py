"""Adagrad."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..kernels.steps import adagrad_step
from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, arrays, check_rates, full_like, kept, scalar
from .optimizer import ParamsT


class Adagrad(ParameterwiseOptimizer):
    """Adagrad: the gradient divided by the root of the sum of its squares so far.

    ``s += g**2; p -= lr / (1 + (step - 1) * lr_decay) * g / (sqrt(s) + eps)``. Duchi et al., 2011, "Adaptive
    Subgradient Methods for Online Learning and Stochastic Optimization". Raises ``ValueError`` for a negative option.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_rates(
            lr,
            {
                "lr_decay value": lr_decay,
                "weight_decay value": weight_decay,
                "initial_accumulator_value value": initial_accumulator_value,
                "epsilon value": eps,
            },
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                self._state_of(param, group)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), "sum": full_like(param, self.defaults["initial_accumulator_value"])}

    def _update_all(self, params: Sequence[Tensor], grads: Sequence[Tensor], group: dict[str, Any]) -> None:
        states = [self._state_of(param, group) for param in params]
        adagrad_step(
            arrays(params),
            arrays(grads),
            kept(states, "sum"),
            kept(states, "step"),
            float(group["lr"]),
            float(group["lr_decay"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            bool(group["maximize"]),
        )
