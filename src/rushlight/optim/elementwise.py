"""What optimizers share: the loop over parameters, and the arrays that an update of every element alike works on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import enable_grad
from ..autograd.node import current_frame, user_place
from ..autograd.versions import touched
from ..kernels import steps
from ..tensor import Tensor, wrap
from .optimizer import Optimizer, ParamsT

# What PyTorch assumes for options that older checkpoints do not have.
_WHEN_ABSENT = {
    "momentum": 0,
    "foreach": None,
    "fused": None,
    **dict.fromkeys(
        ("amsgrad", "maximize", "nesterov", "centered", "capturable", "differentiable", "decoupled_weight_decay"), False
    ),
}


class ParameterwiseOptimizer(Optimizer):
    """Base of the optimizers that update one parameter after the other, or all of a group at once.

    A subclass writes :meth:`_update`, which changes one parameter's arrays in place, or :meth:`_update_all`, and
    :meth:`_init_state`.
    ``foreach`` and ``fused`` are accepted and change nothing. Raises ``NotImplementedError`` for
    ``differentiable=True``: the update runs on bare arrays, which record no graph.
    """

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if defaults.get("fused"):
            if defaults["differentiable"]:
                raise RuntimeError("`fused` does not support `differentiable`")
            if defaults["foreach"]:
                raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
        if defaults.get("differentiable"):
            raise NotImplementedError(
                "differentiable=True is not supported: the step changes arrays in place and records no graph. "
                "To differentiate through an update, write it with tensor operations and create_graph=True."
            )
        super().__init__(params, defaults)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        for group in self.param_groups:
            for key in _WHEN_ABSENT.keys() & self.defaults.keys():
                group.setdefault(key, _WHEN_ABSENT[key])
            for param in group["params"]:
                entries = self.state.get(param, {})
                for name in ("step", "mu_product", "eta", "mu"):
                    if name in entries and not isinstance(entries[name], Tensor):
                        entries[name] = scalar(entries[name])

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update every parameter that has a gradient; returns what ``closure`` returned, None without one."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        place = user_place(current_frame(1))
        for group in self.param_groups:
            if group.get("capturable"):
                raise AssertionError(
                    "If capturable=True, params and state_steps must be on supported devices, of which there is none: "
                    "capturing a step concerns accelerators. Use capturable=False."
                )
            pairs = [(param, grad) for param in group["params"] if (grad := param.grad) is not None]
            if pairs:
                params, grads = zip(*pairs, strict=True)
                self._update_all(params, grads, group)
                for param in params:
                    touched(param, "step", place)
        return loss

    def _update_all(self, params: Sequence[Tensor], grads: Sequence[Tensor], group: dict[str, Any]) -> None:
        for param, grad in zip(params, grads, strict=True):
            self._update(param, grad, group)

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def _init_state(self, param: Tensor, group: dict[str, Any]) -> dict[str, Tensor]:
        """The state of a parameter before its first update."""
        raise NotImplementedError

    def _state_of(self, param: Tensor, group: dict[str, Any]) -> dict[str, Any]:
        state = self.state[param]
        if not state:
            state.update(self._init_state(param, group))
        return state


def check_rates(lr: Any, others: dict[str, Any]) -> None:
    """Refuse a learning rate or another option below zero; the keys are the options' names in the message."""
    if isinstance(lr, Tensor) and lr.numel() != 1:
        raise ValueError(f"Tensor lr must be 1-element, but it has {lr.numel()} elements")
    for name, value in {"learning rate": lr, **others}.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {name}: {value} (expected a number >= 0)")


def check_betas(betas: tuple[Any, Any]) -> None:
    """Refuse decay rates outside [0, 1)."""
    for index, beta in enumerate(betas):
        if not 0.0 <= beta < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta} (expected 0 <= beta < 1)")


def scalar(value: float) -> Tensor:
    """A 0-dim tensor for a count or a coefficient kept in the state, float32 unless the default dtype is float64."""
    return wrap(np.array(value, np.float64 if dtypes.get_default_dtype() is dtypes.float64 else np.float32))


def zeros_like(param: Tensor, *names: str) -> dict[str, Tensor]:
    """One array of zeros like the parameter under each name."""
    return {name: wrap(np.zeros_like(param.array)) for name in names}


def advance(state: dict[str, Any]) -> float:
    """Count one step more and return the count."""
    step = state["step"].array
    step += 1
    return float(step)


def full_like(param: Tensor, value: float) -> Tensor:
    """An array like the parameter filled with ``value``, in the real and the imaginary part of complex ones."""
    return wrap(np.full_like(param.array, complex(value, value) if np.iscomplexobj(param.array) else value))


def arrays(tensors: Iterable[Tensor]) -> list[np.ndarray]:
    """What the tensors hold."""
    return [tensor.array for tensor in tensors]


def kept(states: Iterable[dict[str, Any]], name: str) -> list[np.ndarray]:
    """The arrays under a name in the states of parameters."""
    return [state[name].array for state in states]


def blocks(
    group: dict[str, Any], param: Tensor, grad: Tensor, *buffers: Tensor, decay: str | None = "gradient"
) -> Iterator[list[np.ndarray]]:
    """Pieces ``[param, grad, *buffers]`` of the arrays, as `kernels.steps.pieces` gives them.

    The group's weight decay is added to the gradient; ``decay="decoupled"`` shrinks the parameter instead,
    ``decay=None`` leaves both alone.
    """
    weight_decay = float(group["weight_decay"]) if decay else 0.0
    shrink = 1 - float(group["lr"]) * weight_decay if decay == "decoupled" else 1.0
    added = weight_decay if decay == "gradient" else 0.0
    return steps.pieces(arrays((param, grad, *buffers)), added, shrink, group["maximize"])
