"""The graph as a program sees it: nodes, edges, hooks, versions."""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary, ref

from . import engine
from .edges import GradientEdge, Node, get_gradient_edge
from .hooks import RemovableHandle, holder_of
from .node import current_frame, user_place
from .saved_tensors import (
    allow_mutation_on_saved_tensors,
    disable_saved_tensors_hooks,
    save_on_cpu,
    saved_tensors_hooks,
)
from .versions import changed_at, inference_cell

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "region_activation_memory_budget",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
    "set_override_stale_capture_stream",
    "set_warn_on_accumulate_grad_stream_mismatch",
]


def increment_version(tensor: Any) -> None:
    """Count a change of one or more tensors that autograd cannot see, so that values saved before it are not used.

    Raises:
        RuntimeError: it is something else.

    >>> import rushlight as torch
    >>> x = torch.zeros(2)
    >>> torch.autograd.graph.increment_version(x)
    >>> x._version
    1
    """
    from ..tensor import Tensor

    given = (tensor,) if isinstance(tensor, Tensor) else tuple(tensor) if isinstance(tensor, Iterable) else (None,)
    if not all(isinstance(one, Tensor) for one in given):
        raise RuntimeError("increment_version expects a tensor or an Iterable[Tensor] as input")
    for one in given:
        if one.version is not inference_cell:
            one.version[0] += 1
            changed_at(one.version, "increment_version", *user_place(current_frame(1)))


class MultiHandle(RemovableHandle):
    """Takes away several hooks at once."""

    def __init__(self, handles: tuple[RemovableHandle, ...]) -> None:
        super().__init__(OrderedDict())
        self.handles = handles

    def remove(self) -> None:
        """Take the hooks away; a second call does nothing."""
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(tensors: Sequence, fn: Callable, *, mode: str = "all") -> RemovableHandle:
    """Call a function when the gradients of several tensors are known.

    Args:
        tensors: they all require grad; with "any", the others are left out.
        fn: with mode "all", called once in each backward, as soon as the last gradient is known, with the list of them,
            which has None for tensors that the backward does not reach. With "any", called with the first.
        mode: "all" or "any".

    Raises:
        ValueError: another mode.

    >>> import rushlight as torch
    >>> a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    >>> handle = torch.autograd.graph.register_multi_grad_hook((a, b), print)
    >>> (a * b).backward()
    [tensor(3.), tensor(2.)]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    hook = _OnAll(tensors, fn) if mode == "all" else _OnFirst(fn)
    tensors = tensors if mode == "all" else [tensor for tensor in tensors if tensor.requires_grad]
    return MultiHandle(
        tuple(tensor.register_hook(functools.partial(hook, place)) for place, tensor in enumerate(tensors))
    )


class _OnFirst:
    """Passes on the first gradient of each backward."""

    def __init__(self, fn: Callable) -> None:
        self.fn = fn
        self.called: WeakKeyDictionary[engine.Pass, bool] = WeakKeyDictionary()
        self.lock = Lock()

    def __call__(self, place: int, gradient: Any) -> None:
        current: Any = engine.running.get()
        with self.lock:
            first = not self.called.setdefault(current, False)
            self.called[current] = True
        if first:
            self.fn(gradient)


class _OnAll:
    """Collects the gradients of each backward and passes them on when there are no more to come."""

    def __init__(self, tensors: Sequence, fn: Callable) -> None:
        from ..tensor import edge_of

        if not all(tensor.requires_grad for tensor in tensors):
            raise AssertionError("Expected gradient function to be set: a tensor does not require grad")
        self.fn = fn
        # Weak, as this hook is kept by these ends.
        self.ends = [ref(holder_of(edge_of(tensor))[0]) for tensor in tensors]
        self.found: WeakKeyDictionary[engine.Pass, dict[int, Any]] = WeakKeyDictionary()
        self.lock = Lock()

    def __call__(self, place: int, gradient: Any) -> None:
        current: Any = engine.running.get()
        ends = [end() for end in self.ends]
        if current.captured is not None and any(end in current.targets and hasattr(end, "leaf") for end in ends):
            raise RuntimeError(
                "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(). "
                "This is currently not supported: call backward(inputs=...), or hooks on tensors that are no leaves."
            )
        with self.lock:
            found = self.found.setdefault(current, {})
            found[place] = gradient
            whole = len(found) == sum(map(current.will_run, ends))
        if whole:
            del self.found[current]
            self.fn([found.get(other) for other in range(len(ends))])


# Streams, captures and compiled regions, of which there are none


def set_warn_on_accumulate_grad_stream_mismatch(enabled: bool) -> None:
    """Whether to warn when a gradient comes from another stream than its leaf's; on a CPU there is only one."""


def set_override_stale_capture_stream(enabled: bool) -> None:
    """Whether a capture replaces the streams of nodes that are not part of it; on a CPU there are no captures."""


def region_activation_memory_budget(budget: float) -> Any:
    """The share of memory that what a compiled region saves may take.

    Raises:
        RuntimeError: always, as in PyTorch outside of a compiled region.
        TypeError: the budget is not a number.
        ValueError: it is not between 0 and 1.
    """
    name = "torch.autograd.graph.region_activation_memory_budget"
    if isinstance(budget, bool) or not isinstance(budget, (int, float)):
        raise TypeError(f"{name}: expects a float, got {type(budget).__name__}")
    if not 0.0 <= budget <= 1.0:
        raise ValueError(f"{name}: must be in [0, 1], got {budget}")
    raise RuntimeError(f"{name} can only be used inside a torch.compile region; it has no effect in eager mode.")
