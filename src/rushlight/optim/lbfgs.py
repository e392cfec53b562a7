"""L-BFGS with a strong Wolfe line search."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..autograd.modes import enable_grad
from ..autograd.node import current_frame, user_place
from ..autograd.versions import touched
from ..tensor import Tensor, wrap
from .elementwise import check_rates
from .line_search import strong_wolfe
from .optimizer import Optimizer, ParamsT

_KEPT = ("al", "d", "t", "old_dirs", "old_stps", "ro", "H_diag", "prev_flat_grad", "prev_loss")


class LBFGS(Optimizer):
    """Limited-memory BFGS: Newton steps with the inverse Hessian estimated from the last ``history_size`` steps.

    ``step(closure)`` runs up to ``max_iter`` iterations and evaluates the closure, which must clear the gradients,
    compute the loss and call ``backward()``, up to ``max_eval`` times; ``line_search_fn`` is None or
    ``"strong_wolfe"``. Nocedal and Wright, "Numerical Optimization", 2006, algorithms 7.4 and 3.5.
    Raises ``ValueError`` for a negative learning rate or more than one parameter group.

    >>> import rushlight as torch
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> optimizer = torch.optim.LBFGS([x], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((x - 1) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> _ = optimizer.step(closure)
    >>> x
    tensor([1.], requires_grad=True)
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float | Tensor = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_rates(lr, {})
        defaults = {
            "lr": lr,
            "max_iter": max_iter,
            "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad,
            "tolerance_change": tolerance_change,
            "history_size": history_size,
            "line_search_fn": line_search_fn,
        }
        super().__init__(params, defaults)
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS doesn't support per-parameter options (parameter groups)")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Run the iterations of one step; returns the loss that the closure gave first.

        Raises ``RuntimeError`` for an unknown line search, ``TypeError`` without a closure.
        """
        if closure is None:
            raise TypeError("LBFGS.step() missing 1 required positional argument: 'closure'")
        group = self.param_groups[0]
        if group["line_search_fn"] not in (None, "strong_wolfe"):
            raise RuntimeError(f"only 'strong_wolfe' is supported, got line_search_fn={group['line_search_fn']!r}")
        evaluate = enable_grad()(closure)
        state = self.state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        original = evaluate()
        state["func_evals"] += 1
        gradient = self._flat_grad()
        if not np.abs(gradient).max() <= group["tolerance_grad"]:
            memory = {name: _bare(state.get(name)) for name in _KEPT}
            self._iterate(evaluate, float(original), gradient, memory, state, group)
            state.update((name, _tensors(value)) for name, value in memory.items() if value is not None)
        return original

    def _iterate(
        self,
        evaluate: Callable[[], Any],
        loss: float,
        gradient: np.ndarray,
        memory: dict[str, Any],
        state: dict[str, Any],
        group: dict[str, Any],
    ) -> None:
        lr, tolerance = group["lr"], group["tolerance_change"]
        if isinstance(lr, Tensor):
            lr = lr.array.reshape(())[()]
        evaluations = 1
        for iteration in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            first = state["n_iter"] == 1
            direction = self._direction(gradient, memory, group["history_size"], first)
            length: Any = min(1.0, 1.0 / np.abs(gradient).sum()) * lr if first else lr
            before = loss
            slope = gradient @ direction
            memory.update(d=direction, t=length, prev_flat_grad=gradient.copy(), prev_loss=before)
            if slope > -tolerance:
                break
            spent = 0
            if group["line_search_fn"] is not None:
                start = [param.array.copy() for param in group["params"]]
                loss, gradient, length, spent = strong_wolfe(
                    partial(self._evaluate_at, evaluate, start, direction),
                    length,
                    np.abs(direction).max(),
                    loss,
                    gradient,
                    direction,
                    max_evaluations=group["max_eval"] - evaluations,
                )
                self._move(length, direction)
            else:
                self._move(length, direction)
                if iteration != group["max_iter"]:
                    loss, gradient, spent = float(evaluate()), self._flat_grad(), 1
            memory["t"] = length
            evaluations += spent
            state["func_evals"] += spent
            if (
                evaluations >= group["max_eval"]
                or np.abs(gradient).max() <= group["tolerance_grad"]
                or np.abs(direction * length).max() <= tolerance
                or abs(loss - before) < tolerance
            ):
                break

    def _direction(self, gradient: np.ndarray, memory: dict[str, Any], history_size: int, first: bool) -> np.ndarray:
        """Minus the estimated inverse Hessian times the gradient, by the two-loop recursion (algorithm 7.4)."""
        if first:
            memory.update(old_dirs=[], old_stps=[], ro=[], H_diag=1)
            return -gradient
        change, moved = gradient - memory["prev_flat_grad"], memory["d"] * memory["t"]
        curvature = change @ moved
        changes, moves, inverses = memory["old_dirs"], memory["old_stps"], memory["ro"]
        if curvature > 1e-10:
            if len(changes) == history_size:
                for history in (changes, moves, inverses):
                    del history[0]
            changes.append(change)
            moves.append(moved)
            inverses.append(1.0 / curvature)
            memory["H_diag"] = curvature / (change @ change)
        direction = -gradient
        weights = []
        for y, s, rho in zip(reversed(changes), reversed(moves), reversed(inverses), strict=True):
            weights.append((s @ direction) * rho)
            direction -= weights[-1] * y
        unused = (memory["al"] or [None] * history_size)[len(weights) :]
        memory["al"] = [*reversed(weights), *unused]
        direction *= memory["H_diag"]
        for y, s, rho, weight in zip(changes, moves, inverses, reversed(weights), strict=True):
            direction += (weight - (y @ direction) * rho) * s
        return direction

    def _flat_grad(self) -> np.ndarray:
        pieces = []
        for param in self.param_groups[0]["params"]:
            array = np.zeros_like(param.array) if param.grad is None else param.grad.array
            pieces.append(_flat(array))
        return np.concatenate(pieces)

    def _move(self, length: float, direction: np.ndarray) -> None:
        offset = 0
        for param in self.param_groups[0]["params"]:
            flat = _flat(param.array)
            flat += length * direction[offset : offset + flat.size]
            offset += flat.size
            param.array[...] = flat.view(param.array.dtype).reshape(param.array.shape)
            touched(param, "step", user_place(current_frame(1)))

    def _evaluate_at(
        self, evaluate: Callable[[], Any], start: list[np.ndarray], direction: np.ndarray, length: float
    ) -> tuple[float, np.ndarray]:
        """Loss and gradient at the end of a step, which is taken back."""
        self._move(length, direction)
        loss, gradient = float(evaluate()), self._flat_grad()
        for param, array in zip(self.param_groups[0]["params"], start, strict=True):
            param.array[...] = array
            touched(param, "step", user_place(current_frame(1)))
        return loss, gradient


def _flat(array: np.ndarray) -> np.ndarray:
    """A copy as one row of real numbers."""
    return array.flatten().view(array.real.dtype)


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(entry) for entry in value]
    if not isinstance(value, Tensor):
        return value
    return value.array if value.array.ndim else value.array[()]


def _tensors(value: Any) -> Any:
    if isinstance(value, list):
        return [_tensors(entry) for entry in value]
    return wrap(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value
