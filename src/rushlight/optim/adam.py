"""Adam and AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..kernels.steps import adam_step
from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, arrays, check_betas, check_rates, kept, scalar, zeros_like
from .optimizer import ParamsT


class Adam(ParameterwiseOptimizer):
    """Adam: steps along the running mean of the gradient, divided by the root of the running mean of its square.

    With ``m`` and ``v`` the means with decay rates ``betas``, both corrected for their start at zero,
    ``p -= lr * m / (sqrt(v) + eps)`` (Kingma and Ba, 2015, "Adam: A Method for Stochastic Optimization").
    ``amsgrad`` divides by the largest ``v`` so far (Reddi et al., 2018); ``decoupled_weight_decay`` shrinks the
    parameter instead of adding to the gradient. Raises ``ValueError`` for an option out of its range.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adam([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.5000, -1.5000], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and foreach and not capturable:
            raise ValueError("lr as a Tensor is not supported for capturable=False and foreach=True")
        check_rates(lr, {"epsilon value": eps, "weight_decay value": weight_decay})
        check_betas(betas)
        if not (all(isinstance(b, float) for b in betas) or all(isinstance(b, Tensor) for b in betas)):
            raise ValueError("betas must be either both floats or both Tensors")
        defaults = {
            "lr": lr,
            "betas": tuple(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        largest = ("max_exp_avg_sq",) if group["amsgrad"] else ()
        return {"step": scalar(0), **zeros_like(param, "exp_avg", "exp_avg_sq", *largest)}

    def _update_all(self, params: Sequence[Tensor], grads: Sequence[Tensor], group: dict[str, Any]) -> None:
        states = [self._state_of(param, group) for param in params]
        lr, weight_decay, decoupled = float(group["lr"]), float(group["weight_decay"]), group["decoupled_weight_decay"]
        beta1, beta2 = group["betas"]
        adam_step(
            arrays(params),
            arrays(grads),
            kept(states, "exp_avg"),
            kept(states, "exp_avg_sq"),
            kept(states, "max_exp_avg_sq") if group["amsgrad"] else [],
            kept(states, "step"),
            lr,
            float(beta1),
            float(beta2),
            float(group["eps"]),
            0.0 if decoupled else weight_decay,
            1 - lr * weight_decay if decoupled else 1.0,
            bool(group["maximize"]),
        )


class AdamW(Adam):
    """Adam with decoupled weight decay: ``p *= 1 - lr * weight_decay`` before each step of :class:`Adam`.

    Loshchilov and Hutter, 2019, "Decoupled Weight Decay Regularization".
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            group["decoupled_weight_decay"] = True
