"""A recorded operation: what it came from, what it keeps for backward, and the user's line that made it."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable
from itertools import count
from types import CodeType, FrameType
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

next_number = count(1).__next__  # one sequence for all threads: a node's number exceeds those of all that it points at

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep
inside: dict[str, bool] = {}
"""Whether a source file belongs to the library, by file name; filled as files are met."""

current_frame = sys._getframe


class Node:
    """One operation in the graph; its class is named after the operation, as in ``AddBackward0``.

    ``edges`` holds, for each differentiable input, the node that made it, the leaf tensor itself, or None.
    ``saved`` holds what the derivative needs, None once released; then ``fit`` has the place of the backward that did
    it. ``code`` and ``instruction`` are the place that made the node: cheaper to keep than a line number, which is
    worked out when somebody asks.
    """

    __slots__ = ("__weakref__", "code", "edges", "fit", "hooks", "instruction", "number", "saved")

    number: int
    edges: tuple
    saved: Any
    fit: Any
    hooks: Hooks | None
    code: CodeType | None
    instruction: int

    def run(self, g: Any) -> tuple:
        """The gradients of the inputs as arrays, from the gradient of the output."""
        raise NotImplementedError(f"{self.name()} has no derivative")

    def run_recorded(self, g: Any) -> tuple:
        """The gradients of the inputs as Tensors, with a graph of their own if operations are recorded."""
        raise NotImplementedError(f"{self.name()} has no second derivative")

    def name(self) -> str:
        """The operation's name, as PyTorch calls it."""
        return type(self).__name__

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise TypeError(f"cannot pickle '{type(self).__name__}' object: a graph belongs to the process that made it")

    @property
    def next_functions(self) -> tuple:
        """The nodes that the gradients go to next, each with the number of its output."""
        return tuple(public_edge(edge) for edge in self.edges)

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's own notes."""
        return self._hooks().metadata

    def _sequence_nr(self) -> int:
        return self.number

    def _hooks(self) -> Hooks:
        if self.hooks is None:
            self.hooks = Hooks()
        return self.hooks

    def register_hook(self, hook: Any) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node has run; what it returns replaces the gradients."""
        return self._hooks().add("after", hook)

    def register_prehook(self, hook: Any) -> Any:
        """Call ``hook(grad_outputs)`` before this node runs; what it returns replaces the gradients."""
        return self._hooks().add("before", hook)


class Slot(Node):
    """One output of an operation that has several: it hands its gradient to the operation under its index."""

    __slots__ = ("index",)
    index: int

    def run(self, g: Any) -> tuple:
        return (Bundle(len(self.edges[0].outputs), {self.index: g}),)

    run_recorded = run


class Bundle(dict):
    """The gradients of an operation's outputs that have arrived, by index; ``count`` is the number of outputs."""

    __slots__ = ("count",)

    def __init__(self, count: int, parts: Any) -> None:
        super().__init__(parts)
        self.count = count

    def __add__(self, other: Bundle) -> Bundle:
        sums = Bundle(self.count, self)
        for index, g in other.items():
            sums[index] = sums[index] + g if index in sums else g
        return sums


class AccumulateGrad(Node):
    """The end of the graph at a leaf, made when somebody asks to see it; its hooks are kept by the leaf."""

    __slots__ = ("variable",)
    variable: Any

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    def _hooks(self) -> Hooks:
        if self.variable._hooks is None:
            self.variable._hooks = Hooks()
        return self.variable._hooks

    def register_hook(self, hook: Any) -> Any:
        """Call ``hook((), (gradient,))`` after the gradient has been accumulated."""
        return self._hooks().add("accumulated", hook)


class Hooks:
    """What the user wants called when a gradient passes: on the tensor, before the node, after it."""

    __slots__ = ("accumulated", "after", "before", "metadata", "retain", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, Any] = {}
        self.before: dict[int, Any] = {}
        self.after: dict[int, Any] = {}
        self.accumulated: dict[int, Any] = {}
        self.retain: Any = None  # a weak reference to the tensor whose .grad is to be kept
        self.metadata: dict = {}

    def add(self, kind: str, hook: Any) -> RemovableHandle:
        """Register a hook of one of the kinds."""
        hooks = getattr(self, kind)
        handle = RemovableHandle(hooks)
        hooks[handle.id] = hook
        return handle

    def call_before(self, g: Any, on_tensors: bool, make: Callable) -> Any:
        """The gradient of an output after the hooks that may replace it."""
        several = type(g) is Bundle
        if not several and (self.tensor or self.retain is not None):
            g = g if on_tensors else make(np.asarray(g))
            for hook in tuple(self.tensor.values()):
                replaced = hook(g)
                if replaced is not None:
                    g = _checked(replaced, g)
            retained = self.retain() if self.retain is not None else None
            if retained is not None:
                retained._grad = g if retained._grad is None else retained._grad + g
            g = g if on_tensors else g.array
        for hook in tuple(self.before.values()):
            replaced = hook(_shown(g, on_tensors, make))
            if replaced is not None:
                parts = replaced if isinstance(replaced, tuple) else (replaced,)
                parts = tuple(part if on_tensors or part is None else part.array for part in parts)
                g = (
                    Bundle(len(parts), {i: part for i, part in enumerate(parts) if part is not None})
                    if several
                    else parts[0]
                )
        return g

    def call_accumulated(self, leaf: Any, g: Any, on_tensors: bool, make: Callable) -> None:
        """The hooks of a leaf whose gradient has been accumulated."""
        for hook in tuple(self.after.values()):
            hook(leaf)
        for hook in tuple(self.accumulated.values()):
            hook((), _shown(g, on_tensors, make))

    def call_after(self, parts: tuple, g: Any, on_tensors: bool, make: Callable) -> tuple:
        """The gradients of the inputs after the hooks that may replace them."""
        for hook in tuple(self.after.values()):
            replaced = hook(_shown(parts, on_tensors, make), _shown(g, on_tensors, make))
            if replaced is not None:
                replaced = replaced if isinstance(replaced, tuple) else (replaced,)
                parts = tuple(part if on_tensors or part is None else part.array for part in replaced)
        return parts


def _shown(g: Any, on_tensors: bool, make: Callable) -> tuple:
    """Gradients as hooks see them: a tuple of Tensors, with None for those that did not arrive."""
    parts = tuple(g.get(i) for i in range(g.count)) if type(g) is Bundle else g if type(g) is tuple else (g,)
    return tuple(part if on_tensors or part is None else make(np.asarray(part)) for part in parts)


def _checked(replaced: Any, g: Any) -> Any:
    """A hook's gradient, if it can stand for the one it replaces."""
    if type(replaced).__name__ == "NoneType" or not hasattr(replaced, "array"):
        raise TypeError(f"hook must return a Tensor or None, got {type(replaced).__name__}")
    if replaced.array.shape != g.array.shape:
        raise RuntimeError(f"hook '<unknown>' has changed the size of value: from {g.shape} to {replaced.shape}")
    if replaced.array.dtype != g.array.dtype:
        raise RuntimeError(f"hook '<unknown>' has changed the type of value: from {g.dtype} to {replaced.dtype}")
    return replaced


class RemovableHandle:
    """Takes a hook away again: call ``remove()`` or leave its ``with`` block."""

    _next_id = count().__next__

    def __init__(self, hooks: dict) -> None:
        self._hooks = hooks
        self.id = RemovableHandle._next_id()

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self._hooks.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()


def public_edge(edge: Any) -> tuple:
    """An edge as PyTorch shows it: a node and the number of its output."""
    if edge is None:
        return None, 0
    if type(edge) is Slot:
        return edge.edges[0], edge.index
    if isinstance(edge, Node):
        return edge, 0
    return accumulator(edge), 0


accumulators: WeakValueDictionary[int, AccumulateGrad] = WeakValueDictionary()
"""Those that somebody holds, by the identity of their leaf: asked for again they are the same."""


def accumulator(leaf: Any) -> AccumulateGrad:
    """The public face of a leaf as the end of the graph."""
    node = accumulators.get(id(leaf))
    if node is not None:
        return node
    node = accumulators[id(leaf)] = AccumulateGrad.__new__(AccumulateGrad)
    node.number, node.edges, node.saved, node.fit = sys.maxsize, (), (), None
    node.hooks, node.code, node.instruction, node.variable = None, None, 0, leaf
    return node


def is_library(filename: str) -> bool:
    """Whether code of this file is the library's own, so that the user's line is further up."""
    known = inside[filename] = filename.startswith((_HERE, "<rushlight"))
    return known


def user_place(frame: FrameType | None) -> tuple[CodeType | None, int]:
    """The innermost place outside of the library, as code and instruction."""
    while frame is not None:
        code = frame.f_code
        known = inside.get(code.co_filename)
        if not (is_library(code.co_filename) if known is None else known):
            return code, frame.f_lasti
        frame = frame.f_back
    return None, 0


def changed_at(cell: list, name: str, code: CodeType | None, instruction: int) -> None:
    """Let a version cell, which begins with the count, remember the last change: the operation and the user's place."""
    if len(cell) == 1:
        cell.append((name, code, instruction))
    else:
        cell[1] = name, code, instruction


def where(code: CodeType | None, instruction: int) -> str:
    """A place as ``file:line: the source line``; an instruction of -1 stands for the head of the function."""
    if code is None:
        return "an unknown line"
    spans = (line for start, end, line in code.co_lines() if start <= instruction < end)
    number = next(spans, None) or code.co_firstlineno
    text = linecache.getline(code.co_filename, number).strip()
    return f"{code.co_filename}:{number}" + (f": {text}" if text else "")


def here() -> str:
    """The user's line that is running."""
    return where(*user_place(current_frame(1)))


def describe(node: Node) -> str:
    """``file:line`` of the place that made a node, with the source line where it can be read."""
    return where(node.code, node.instruction)


def made_by(node: Node) -> str:
    """A node's name and the place that made it."""
    return f"{(node.edges[0] if type(node) is Slot else node).name()}, recorded at {describe(node)}"


def freed_by(node: Node) -> tuple[str, str]:
    """Which backward released what a node had saved, in words."""
    return f"It was freed by the backward at {where(*node.fit)}", f"The first operation missed is {made_by(node)}"


def name_line(error: Exception, node: Node) -> None:
    """Let an error from inside of a backward tell which line made the node, the library's own in their message."""
    line = f"in the gradient of {made_by(node)}"
    if describe(node) in "".join((str(error), *getattr(error, "__notes__", ()))):
        return
    traceback = error.__traceback__
    while traceback is not None and traceback.tb_next is not None:
        traceback = traceback.tb_next
    own = traceback is not None and is_library(traceback.tb_frame.f_code.co_filename)
    if own and len(error.args) == 1 and isinstance(error.args[0], str):
        error.args = (explained(error.args[0], line),)
    else:
        error.add_note(line)


def explained(words: str, *lines: str) -> str:
    """PyTorch's words, and below them what else there is to say."""
    return "\n  ".join((words, *(line for line in lines if line)))
