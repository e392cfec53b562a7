"""Averaged stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, advance, blocks, check_rates, scalar, zeros_like
from .optimizer import ParamsT


class ASGD(ParameterwiseOptimizer):
    """Gradient descent with a decaying rate that keeps the mean of the parameters from step ``t0`` in ``state["ax"]``.

    Polyak and Juditsky, 1992, "Acceleration of Stochastic Approximation by Averaging".
    Raises ``ValueError`` for a negative learning rate or weight decay.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        capturable: bool = False,
    ) -> None:
        check_rates(lr, {"weight_decay value": weight_decay})
        defaults = {
            "lr": lr,
            "lambd": lambd,
            "alpha": alpha,
            "t0": t0,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "capturable": capturable,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        return {"step": scalar(0), "eta": scalar(float(group["lr"])), "mu": scalar(1), **zeros_like(param, "ax")}

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        step = advance(state)
        lr, lambd = float(group["lr"]), group["lambd"]
        eta, mu = float(state["eta"].array), float(state["mu"].array)
        for p, g, average in blocks(group, param, grad, state["ax"]):
            p *= 1 - lambd * eta
            p -= eta * g
            if mu == 1:
                average[...] = p
            else:
                average += mu * (p - average)
        # PyTorch rounds both to the default type, whatever type the state has.
        state["eta"].array[...] = scalar(lr / (1 + lambd * lr * step) ** group["alpha"]).array
        state["mu"].array[...] = scalar(1 / max(1, step - group["t0"])).array
