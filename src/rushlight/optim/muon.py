"""Muon."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .elementwise import ParameterwiseOptimizer, zeros_like
from .optimizer import ParamsT


class Muon(ParameterwiseOptimizer):
    """Muon: steps of matrices along their momentum made nearly orthogonal.

    The momentum's singular values are brought near one by ``ns_steps`` Newton-Schulz iterations
    ``X = a X + (b G + c G G) X``, ``G = X X^T``, in half the usual precision (bfloat16), with ``ns_coefficients``
    ``(a, b, c)`` (Jordan et al., 2024, "Muon: An optimizer for hidden layers in neural networks"). ``adjust_lr_fn``
    scales the rate of an A x B matrix: ``"original"``, also by default, by ``sqrt(max(1, A / B))``,
    ``"match_rms_adamw"`` by ``0.2 sqrt(max(A, B))``. Raises ``ValueError`` for an option out of its range or a
    parameter that is not a matrix.

    >>> import rushlight as torch
    >>> w = torch.eye(2, requires_grad=True)
    >>> optimizer = torch.optim.Muon([w], lr=0.5, weight_decay=0.0)
    >>> w.sum().backward()
    >>> optimizer.step()
    >>> w[0, 0] < 1
    tensor(True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = (3.4445, -4.775, 2.0315),
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
    ) -> None:
        if isinstance(lr, Tensor) and lr.numel() != 1:
            raise ValueError(f"Tensor lr must be 1-element, but it has {lr.numel()} elements")
        for name, value in {"Learning rate": lr, "momentum": momentum, "weight decay": weight_decay}.items():
            if not value >= 0.0:
                raise ValueError(f"{name} should be >= 0 but is: {value}")
        if adjust_lr_fn not in (None, "original", "match_rms_adamw"):
            raise ValueError(
                f"Adjust learning rate function {adjust_lr_fn} is not supported: it is 'original' or 'match_rms_adamw'"
            )
        defaults = {
            "lr": lr,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_coefficients": ns_coefficients,
            "eps": eps,
            "ns_steps": ns_steps,
            "adjust_lr_fn": adjust_lr_fn,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:
            for param in group["params"]:
                if param.dim() != 2:
                    raise ValueError(
                        f"Muon only supports 2D parameters whereas we found a parameter with size: {param.size()}"
                    )

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        if param.array.dtype.kind == "c":
            raise RuntimeError("Muon does not support complex parameters")
        return zeros_like(param, "momentum_buffer")

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        buffer, g, p = self._state_of(param, group)["momentum_buffer"].array, grad.array, param.array
        lr, momentum = group["lr"], group["momentum"]
        lr = lr.array.reshape(())[()] if isinstance(lr, Tensor) else lr  # a tensor's precision is kept
        buffer += (1 - momentum) * (g - buffer)
        direction = g + momentum * (buffer - g) if group["nesterov"] else buffer
        rows, columns = p.shape
        matching = group["adjust_lr_fn"] == "match_rms_adamw"
        ratio = 0.2 * max(rows, columns) ** 0.5 if matching else max(1, rows / columns) ** 0.5
        p *= 1 - lr * group["weight_decay"]
        step = _orthogonal(direction, group["ns_coefficients"], group["ns_steps"], group["eps"])
        p -= lr * ratio * step.astype(p.dtype, copy=False)


def _orthogonal(matrix: np.ndarray, coefficients: tuple[float, float, float], steps: int, eps: float) -> np.ndarray:
    """The matrix with its singular values near one."""
    if steps >= 100:
        raise ValueError("Number of steps must be less than 100 for computational efficiency")
    if len(coefficients) != 3:
        raise ValueError("Coefficients must be a tuple of exactly 3 values")
    a, b, c = coefficients
    x = _halved(matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T)
    x = _halved(x / np.maximum(_halved(np.linalg.norm(x)), eps))
    for _ in range(steps):
        gram = _halved(x @ x.T)
        x = _halved(a * x + _halved(b * gram + c * (gram @ gram)) @ x)
    return x if matrix.shape[0] <= matrix.shape[1] else x.T


def _halved(x: Any) -> np.ndarray:
    """Rounded to the 8 significant bits of bfloat16, to even when in the middle."""
    bits = np.asarray(x, np.float32).view(np.uint32)
    bits = bits + (0x7FFF + (bits >> 16 & 1))
    return (bits & 0xFFFF0000).astype(np.uint32).view(np.float32)
