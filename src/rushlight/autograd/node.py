"""A recorded operation: what it came from, what it keeps for backward, and the user's line that made it."""

from __future__ import annotations

import linecache
import os
import sys
from collections.abc import Callable
from itertools import count
from types import CodeType
from typing import Any
from weakref import WeakValueDictionary

next_number = count(1).__next__  # one sequence for all threads: a node's number exceeds those of all that it points at

_HERE = os.path.dirname(os.path.dirname(__file__)) + os.sep


class Inside(dict):
    """Whether a source file belongs to the library, by file name; filled as files are met."""

    __slots__ = ()

    def __missing__(self, filename: str) -> bool:
        known = self[filename] = filename.startswith((_HERE, "<rushlight"))
        return known


inside: dict[str, bool] = Inside()

current_frame = sys._getframe


class Node:
    """One operation in the graph; its class is named after the operation, as in ``AddBackward0``.

    ``edges`` holds, for each differentiable input, the node that made it, the leaf tensor itself, or None.
    ``saved`` holds what the derivative needs, None once released; then ``fit`` has the place of the backward that did
    it. ``code`` and ``instruction`` are the place that made the node: cheaper to keep than a line number, which is
    worked out when somebody asks.
    """

    __slots__ = ("__weakref__", "code", "edges", "fit", "hooks", "instruction", "number", "saved")

    narrows: Any = False  # `run` also takes the edges again, with None for those whose gradients nobody asks for
    several: Any = False  # it hands its gradients over by the number of the output, see `Slot`
    requires_grad = True
    unpacks = True  # it looks at what it saved also where no gradient has arrived
    listed = slice(None)  # which edges there are in PyTorch, where some operand is always a number
    shows = 0  # of what kind its outputs are as views, where they can not be changed in place: see `View`
    number: int
    edges: tuple
    saved: Any
    fit: Any
    hooks: Any  # None until somebody asks for them, see `hooks.Hooks`
    code: CodeType | None
    instruction: int

    def run(self, g: Any) -> tuple:
        """The gradients of the inputs as arrays, from the gradient of the output."""
        raise NotImplementedError(f"{self.name()} has no derivative")

    def run_recorded(self, g: Any) -> tuple:
        """The gradients of the inputs as Tensors, with a graph of their own if operations are recorded."""
        raise NotImplementedError(f"{self.name()} has no second derivative")

    def run_undefined(self, on_tensors: bool) -> tuple:
        """The gradients of the inputs where none of the output has arrived."""
        return (None,) * len(self.edges)

    def leads(self) -> bool:
        """Whether anything that it saved is needed for a gradient that goes somewhere."""
        return True

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
        return tuple(public_edge(edge) for edge in self.edges[self.listed])

    @property
    def _input_metadata(self) -> tuple:
        from .metadata import metadata

        return metadata(self)

    @property
    def metadata(self) -> dict:
        """A dictionary for the user's own notes."""
        return self._hooks().metadata

    def _sequence_nr(self) -> int:
        return self.number

    def _hooks(self) -> Any:
        if self.hooks is None:
            from .hooks import Hooks

            self.hooks = Hooks()
        return self.hooks

    def register_hook(self, hook: Callable) -> Any:
        """Call ``hook(grad_inputs, grad_outputs)`` after this node has run; what it returns replaces the gradients."""
        from .hooks import add

        return add(self._hooks().after, hook)

    def register_prehook(self, hook: Callable) -> Any:
        """Call ``hook(grad_outputs)`` before this node runs; what it returns replaces the gradients."""
        from .hooks import add

        return add(self._hooks().before, hook)


class Slot(Node):
    """One output of an operation that has several: it hands its gradient to the operation under its index."""

    __slots__ = ("index",)
    index: int

    def run(self, g: Any) -> tuple:
        return (Bundle(len(self.edges[0].outputs), {self.index: g}),)

    run_recorded = run

    def run_undefined(self, on_tensors: bool) -> tuple:
        return (Bundle(len(self.edges[0].outputs), {}),)


def make_slot(node: Node, index: int) -> Slot:
    """One output of an operation that has several."""
    slot = object.__new__(Slot)
    slot.number, slot.edges, slot.saved, slot.index = next_number(), (node,), (), index
    slot.fit, slot.hooks, slot.code, slot.instruction = None, None, node.code, node.instruction
    return slot


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


class Nowhere(Node):
    """Where the gradient of a tensor ends that requires grad only because the tensor whose memory it shows does."""

    __slots__ = ("shows",)

    def __init__(self, shows: int) -> None:  # the kind of view that it is, see `View`
        self.number, self.edges, self.saved, self.fit, self.hooks = next_number(), (), (), None, None
        self.code, self.instruction, self.shows = None, 0, shows

    def run(self, g: Any) -> tuple:
        return ()

    run_recorded = run


class AccumulateGrad(Node):
    """The end of the graph at a leaf, made when somebody asks to see it; its hooks are kept by the leaf."""

    __slots__ = ("variable",)
    variable: Any

    def name(self) -> str:
        return "torch::autograd::AccumulateGrad"

    @property
    def _input_metadata(self) -> tuple:
        from .metadata import InputMetadata

        return (InputMetadata((self.variable.array.shape, self.variable.array.dtype)),)

    def _sequence_nr(self) -> int:
        return 2**64 - 1  # as PyTorch: it comes first

    def _hooks(self) -> Any:
        from .hooks import hooks_at

        return hooks_at(self.variable)


def public_edge(edge: Any) -> tuple:
    """An edge as PyTorch shows it: a node and the number of its output."""
    if edge is None or type(edge) is Nowhere:
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
    return inside[filename]


class Latest:
    """The user's code that an operation was called from last: most operations follow one from the same function."""

    __slots__ = ("code",)
    code: CodeType | None


latest = Latest()
latest.code = None


def user_place(frame: Any) -> tuple[CodeType | None, int]:
    """The innermost place outside of the library, as code and instruction."""
    try:
        while inside[frame.f_code.co_filename]:
            frame = frame.f_back
    except AttributeError:  # beyond the outermost: to ask for that at each frame would cost more
        return None, 0
    latest.code = code = frame.f_code
    return code, frame.f_lasti


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


def freed_by(node: Node) -> tuple[str, ...]:
    """Which backward released what a node had saved, in words."""
    known = type(node.fit) is tuple and len(node.fit) == 2 and isinstance(node.fit[0], CodeType)
    place = node.fit if known else (None, 0)
    return (
        f"It was freed by the backward at {where(*place)}",
        f"The first operation missed is {made_by(node)}",
        "Compute it anew before each backward, .detach() what goes on from one step to the next, or keep the graph.",
    )


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
