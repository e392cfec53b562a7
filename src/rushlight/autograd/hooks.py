"""What the user wants called when gradients pass: kept by the node, or by the leaf, that they pass.

The order, as in PyTorch: the hooks of the node's output tensors, then what ``retain_grad`` keeps, then the node's
pre-hooks, its rule, its hooks. At a leaf the gradient is accumulated in place of the rule, and the hooks that wait for
that come before the node's.
"""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable
from itertools import count
from typing import Any

import numpy as np

from .node import Bundle, Slot

Registry = OrderedDict[int, Callable]

OWN: Any = object()
"""In place of the type of a leaf's gradient: that of the leaf."""


class Hooks:
    """The hooks of one node or leaf."""

    __slots__ = ("accumulated", "after", "before", "grad_dtype", "home", "metadata", "retain", "tensor")

    def __init__(self) -> None:
        self.home: tuple[Hooks, int] | None = None  # where the output's hooks are that was another node's before
        self.tensor: dict[int, Registry] = {}  # by the number of the output, in the order of their first hooks
        self.retain: dict[int, weakref.ref] = {}  # by the number of the output: tensors whose .grad is to be kept
        self.before: Registry = OrderedDict()
        self.after: Registry = OrderedDict()
        self.accumulated: Registry = OrderedDict()
        self.metadata: dict = {}
        self.grad_dtype: Any = OWN  # of a leaf, or None for any, see `grad_dtype`

    def call_on_tensors(self, g: Any, on_tensors: bool, make: Callable) -> Any:
        """The gradient, or those of several outputs, after the hooks of the output tensors."""
        if self.grad_dtype is not OWN and self.grad_dtype is not None and g is not None:
            g = g.to(self.grad_dtype) if on_tensors else g.astype(self.grad_dtype.numpy, copy=False)
        if not self.tensor and not self.retain:
            return g
        parts = list(shown(g, on_tensors, make))
        for index, registry in self.tensor.items():
            for hook in tuple(registry.values()):
                replaced = hook(parts[index])
                if replaced is not None:
                    parts[index] = checked(replaced, parts[index], hook)
        for index, reference in self.retain.items():
            tensor, gradient = reference(), parts[index]
            if tensor is not None and gradient is not None:
                tensor._grad = gradient if tensor._grad is None else tensor._grad + gradient
        return bare(parts, g, on_tensors)

    def call_before(self, g: Any, on_tensors: bool, make: Callable) -> Any:
        """The gradient, or those of several outputs, as the node gets it; None if a hook has taken it away."""
        g = self.call_on_tensors(g, on_tensors, make)
        for hook in tuple(self.before.values()):
            parts = shown(g, on_tensors, make)
            replaced = hook(parts)
            if replaced is not None:
                g = bare(all_checked(replaced, parts, hook), g, on_tensors)
        return g

    def call_after(self, parts: tuple, g: Any, on_tensors: bool, make: Callable) -> tuple:
        """The gradients of the inputs after the node's hooks."""
        for hook in tuple(self.after.values()):
            inputs = tuple(None if part is None else as_tensor(part, on_tensors, make) for part in parts)
            replaced = hook(inputs, shown(g, on_tensors, make))
            if replaced is not None:
                parts = tuple(
                    part if on_tensors or part is None else part.array for part in all_checked(replaced, inputs, hook)
                )
        return parts

    def call_accumulated(self, leaf: Any, g: Any, on_tensors: bool, make: Callable) -> None:
        """The hooks of a leaf whose gradient has been accumulated."""
        for hook in tuple(self.accumulated.values()):
            replaced = hook(leaf)
            if replaced is not None and replaced is not leaf:
                _check_type(replaced, "Variable", hasattr(replaced, "array"))
                raise RuntimeError("Tensor post accumulate grad hooks should return None.")
        for hook in tuple(self.after.values()):
            hook((), shown(g, on_tensors, make))


def as_tensor(g: Any, on_tensors: bool, make: Callable) -> Any:
    """A gradient as hooks see it."""
    return g if on_tensors else make(np.asarray(g))


def shown(g: Any, on_tensors: bool, make: Callable) -> tuple:
    """The gradients of a node's outputs as hooks see them: Tensors, with None for those that did not arrive."""
    parts = (g.get(index) for index in range(g.count)) if type(g) is Bundle else (g,)
    return tuple(None if part is None else as_tensor(part, on_tensors, make) for part in parts)


def bare(parts: Any, g: Any, on_tensors: bool) -> Any:
    """What hooks have left of ``g``, as the engine passes it on."""
    parts = [part if on_tensors or part is None else part.array for part in parts]
    if type(g) is Bundle:
        return Bundle(g.count, {index: part for index, part in enumerate(parts) if part is not None})
    return parts[0]


def all_checked(replaced: Any, parts: tuple, hook: Callable) -> tuple:
    """What the hook of a node has returned, if it can stand for the gradients that it was given."""
    _check_type(replaced, "tuple", isinstance(replaced, tuple))
    if len(replaced) != len(parts):
        raise RuntimeError(
            f"hook '{_name(hook)}' has returned an incorrect number of values (got {len(replaced)}, but expected "
            f"{len(parts)})"
        )
    for given, part in zip(replaced, parts):
        if given is not None and part is None:
            raise RuntimeError("can't replace a None gradient with a non-None value")
    return tuple(None if given is None else checked(given, part, hook) for given, part in zip(replaced, parts))


def checked(replaced: Any, part: Any, hook: Callable) -> Any:
    """A gradient from a hook, if it can stand for the one that it replaces."""
    _check_type(replaced, "Variable", hasattr(replaced, "array"))
    if part is None:
        raise RuntimeError("can't replace a None gradient with a non-None value")
    if replaced.array.shape != part.array.shape:
        raise RuntimeError(
            f"hook '{_name(hook)}' has changed the size of value (was {list(part.shape)} got {list(replaced.shape)})"
        )
    if replaced.array.dtype != part.array.dtype:
        raise RuntimeError(
            f"hook '{_name(hook)}' has changed the type of value (was {part.type()} got {replaced.type()})"
        )
    return replaced


def _check_type(replaced: Any, expected: str, fits: bool) -> None:
    if not fits:
        raise TypeError(f"expected {expected}, but hook returned '{type(replaced).__name__}'")


def _name(hook: Callable) -> str:
    return getattr(hook, "__name__", "<unknown>")


# Whose they are


def holder_of(edge: Any) -> tuple[Any, int]:
    """The node or leaf that keeps the hooks of this end of an edge, and the number of the output that it is."""
    return (edge.edges[0], edge.index) if type(edge) is Slot else (edge, 0)


def hooks_at(holder: Any) -> Hooks:
    """The hooks of a node or leaf, which there are from now on."""
    if hasattr(holder, "leaf"):
        if holder._hooks is None:
            holder._hooks = Hooks()
        return holder._hooks
    return holder._hooks()


def registry_of(edge: Any) -> Registry:
    """The hooks of the tensor at this end of an edge, which there are from now on."""
    holder, index = holder_of(edge)
    hooks = hooks_at(holder)
    if hooks.home is not None and hooks.home[1] in hooks.home[0].tensor:
        hooks, index = hooks.home
    return hooks.tensor.setdefault(index, OrderedDict())


def retain(tensor: Any, edge: Any) -> None:
    """Keep ``.grad`` of a tensor that came from this end of an edge."""
    holder, index = holder_of(edge)
    hooks_at(holder).retain[index] = weakref.ref(tensor)


def _kept_at(edge: Any) -> tuple[Hooks | None, int]:
    """The hooks at this end of an edge, wherever they are kept, and the number of the output there."""
    holder, index = holder_of(edge)
    hooks = holder.hooks
    return (hooks, index) if hooks is None or hooks.home is None else hooks.home


def _retaining(tensor: Any, edge: Any) -> tuple[dict, int] | None:
    """Where it says that ``.grad`` of a tensor is kept, if it is."""
    hooks, index = _kept_at(edge)
    if hooks is None:
        return None
    reference = hooks.retain.get(index)
    return (hooks.retain, index) if reference is not None and reference() is tensor else None


def retains(tensor: Any, edge: Any) -> bool:
    """Whether ``.grad`` of a tensor that came from this end of an edge is kept."""
    return _retaining(tensor, edge) is not None


def move_retained(tensor: Any, edge: Any) -> None:
    """``retain_grad`` follows a tensor that an in-place operation lets come from somewhere else; its hooks do not."""
    found = _retaining(tensor, tensor.node)
    if found is not None:
        del found[0][found[1]]
        retain(tensor, edge)


def leave(before: Any, node: Any) -> None:
    """Let a tensor that is reshaped in place come from another node: its hooks, later ones too, stay where they are."""
    hooks, index = _kept_at(before)
    if hooks is not None and (index in hooks.tensor or index in hooks.retain):
        node._hooks().home = hooks, index


class RemovableHandle:
    """Takes a hook away again: call ``remove()`` or leave its ``with`` block. It does not keep the hook alive.

    ``extra_dict`` is a dictionary, or several, of options of hooks by their ``id``.
    """

    _next_id = count().__next__

    def __init__(self, hooks_dict: OrderedDict, *, extra_dict: Any = None) -> None:
        self._hooks: Callable = weakref.ref(hooks_dict)
        self._options: tuple[dict, ...] = (extra_dict,) if isinstance(extra_dict, dict) else tuple(extra_dict or ())
        self.id = RemovableHandle._next_id()

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        hooks = self._hooks()
        if hooks is not None:
            hooks.pop(self.id, None)
        for options in self._options:
            options.pop(self.id, None)

    def __getstate__(self) -> dict:
        return {**vars(self), "_hooks": self._hooks() or OrderedDict()}

    def __setstate__(self, state: dict) -> None:
        vars(self).update(state, _hooks=weakref.ref(state["_hooks"]))

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def add(registry: OrderedDict, hook: Callable) -> RemovableHandle:
    """Register a hook."""
    handle = RemovableHandle(registry)
    registry[handle.id] = hook
    return handle
