"""Adafactor."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .elementwise import ParameterwiseOptimizer, advance, scalar, zeros_like
from .optimizer import ParamsT


class Adafactor(ParameterwiseOptimizer):
    """Adafactor: steps along the gradient divided by the root of its mean square, which is kept by rows and columns.

    Of a matrix the mean squares ``R`` of its rows and ``C`` of its columns are kept, averaged with the weight
    ``step ** beta2_decay`` of the newest; ``R C / mean(R)`` stands for the mean squares of its elements. The step is
    clipped to the root mean square ``d`` and scaled with that of the parameter, which counts as at least ``eps[1]``
    (Shazeer and Stern, 2018, "Adafactor: Adaptive Learning Rates with Sublinear Memory Cost"). ``lr`` bounds the
    relative step; ``eps[0]`` None is the machine epsilon. Raises ``ValueError`` for an option out of its range.

    >>> import rushlight as torch
    >>> w = torch.tensor([1.0, -2.0], requires_grad=True)
    >>> optimizer = torch.optim.Adafactor([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w
    tensor([ 0.2094, -1.2094], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1e-2,
        beta2_decay: float = -0.8,
        eps: tuple[float | None, float] = (None, 1e-3),
        d: float = 1.0,
        weight_decay: float = 0.0,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but it has {lr.numel()} elements")
        limits = {
            "Learning rate": (lr, 0.0),
            "epsilon1": (eps[0] or 0.0, 0.0),
            "epsilon2": (eps[1], 0.0),
            "Clipping threshold d": (d, 1.0),
            "weight_decay": (weight_decay, 0.0),
        }
        for name, (value, least) in limits.items():
            if not value >= least:
                raise ValueError(f"{name} should be >= {least:g} but is: {value}")
        if not beta2_decay <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {beta2_decay}")
        defaults = {
            "lr": lr,
            "beta2_decay": beta2_decay,
            "eps": eps,
            "d": d,
            "weight_decay": weight_decay,
            "foreach": foreach,
            "maximize": maximize,
        }
        super().__init__(params, defaults)

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        if param.array.dtype.kind == "c":
            raise RuntimeError("Adafactor does not support complex parameters")
        if param.dim() < 2:
            return {"step": scalar(0), **zeros_like(param, "variance")}
        *lead, rows, columns = param.shape
        shapes = {"row_var": (*lead, rows, 1), "col_var": (*lead, 1, columns)}
        return {"step": scalar(0), **{name: wrap(np.zeros(s, param.array.dtype)) for name, s in shapes.items()}}

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        state = self._state_of(param, group)
        step, lr = advance(state), float(group["lr"])
        p = param.array
        g = -grad.array if group["maximize"] else grad.array
        eps1, eps2 = group["eps"]
        eps1 = float(np.finfo(p.dtype).eps) if eps1 is None else eps1
        rate = max(eps2, _root_mean_square(p)) * min(lr, step**-0.5)
        if group["weight_decay"]:
            p *= 1 - lr * group["weight_decay"]
        newest = step ** group["beta2_decay"]
        if p.ndim > 1:
            row, column = state["row_var"].array, state["col_var"].array
            for mean, axis in ((row, -1), (column, -2)):
                mean += newest * ((g * g).mean(axis, keepdims=True) - mean)
            estimate = row @ column / np.maximum(row.mean(-2, keepdims=True), eps1)
        else:
            estimate = state["variance"].array
            estimate += newest * (g * g - estimate)
        update = g / np.sqrt(np.maximum(estimate, eps1 * eps1))
        p -= rate / max(1.0, _root_mean_square(update) / group["d"]) * update


def _root_mean_square(array: np.ndarray) -> float:
    return float(np.linalg.norm(array.reshape(-1))) / array.size**0.5
