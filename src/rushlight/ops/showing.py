"""How a view is declared: an operation of one tensor whose result shares its memory.

Views are the cheapest operations there are, so what they cost is mostly the recording. `viewing` leaves out what a view
never needs: operands to promote, values to save, ``out=``. A rule takes ``(g, shape of the input, *parameters)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.modes import inferring, recording
from ..autograd.node import Node, current_frame, latest, next_number, user_place
from ..autograd.origin import remember
from ..autograd.versions import inference_cell
from ..tensor import Parameter, Tensor, View, new, view_edge
from .levels import is_open
from .promotion import unrecordable
from .sizes import KINDS, with_shapes
from .writing import check_views, compose, inherited

ndarray = np.ndarray


class Showing:
    """What the levels of transformations ask about a view as about any operation, see `define.Op`."""

    view, elementwise, linear, promote, random = True, False, True, None, False

    def __init__(self, compute: Callable, batch: Any) -> None:
        self.name, self.batch = compute.__name__, batch

    def values(self, args: tuple, kwargs: dict) -> tuple:
        """The arguments, all of them positional."""
        return args

    def slots(self, values: tuple) -> tuple:
        """The differentiable ones."""
        return values[:1]


class ShowingBackward(Node):
    """A node of a view; ``fit`` holds the input's shape and the parameters: nothing that backward has to release."""

    __slots__ = ()
    rule: Callable

    def run(self, g: Any) -> tuple:
        shape, parameters = self.fit
        return (self.rule(g, shape, *parameters),)

    run_recorded = run


def node_class(name: str, rule: Callable) -> type[ShowingBackward]:
    """The class of the nodes of a view."""
    return type(name, (ShowingBackward,), {"rule": staticmethod(rule), "__slots__": ()})


def viewing(name: str, rule: Callable, batch: Any = None) -> Callable:
    """Declare a view: decorate the function from an array and parameters to an array over the same memory.

    ``batch``: how vmap carries it out, see `batching`.
    """
    cls = node_class(name, rule)

    def declare(compute: Callable) -> Callable:
        spec = Showing(compute, batch)

        @functools.wraps(compute)
        def call(input: Any, *parameters: Any, **options: Any) -> Any:
            kind = type(input)
            if options:
                parameters = in_order(compute, parameters, options)
            if kind is Tensor or kind is Parameter or isinstance(input, Tensor):
                if kind is not Tensor and kind is not Parameter and is_open(input):
                    out = input.level.interpret(lambda args, _: call(*args), spec, (input, *parameters), {})
                    return shown(input, out.array, ((cls, input.array.shape, parameters),), 2, out)
                try:
                    array = compute(input.array, *parameters)
                except KINDS as error:
                    check_views((input,))
                    raise with_shapes(error, compute.__name__.strip("_"), (("input", input),)) from None
                return shown(input, array, ((cls, input.array.shape, parameters),), 2)
            if kind is ndarray or isinstance(input, np.generic):
                return compute(input, *parameters)
            raise TypeError(f"{compute.__name__}(): argument 'input' (position 1) must be Tensor, not {kind.__name__}")

        call.op = spec  # type: ignore[attr-defined]
        call.node = cls  # type: ignore[attr-defined]
        call.compute = compute  # type: ignore[attr-defined]
        return call

    return declare


def in_order(compute: Callable, parameters: tuple, options: dict) -> tuple:
    """The parameters of a view with those given by name in their places."""
    code, defaults = compute.__code__, compute.__defaults__ or ()
    names = code.co_varnames[1 : code.co_argcount]
    by_name = dict(zip(reversed(names), reversed(defaults))) | dict(zip(names, parameters)) | options
    if unknown := by_name.keys() - set(names):
        if code.co_flags & 0x04 and unknown <= {"size", "dims", "shape"}:  # the sequence that *size stands for
            return (options[unknown.pop()],)
        raise TypeError(f"{compute.__name__}() got an unexpected keyword argument '{unknown.pop()}'")
    if missing := [name for name in names if name not in by_name]:
        raise TypeError(f"{compute.__name__}() missing required argument '{missing[0]}'")
    return tuple(by_name[name] for name in names)


def shown(of: Tensor, array: ndarray, steps: tuple, depth: int, out: Any = None) -> Tensor:
    """A view of a tensor on this array.

    Args:
        steps: the nodes to record, innermost first: their class, the shape they start from, and their parameters.
        depth: how many frames up the caller of the operation is.
        out: the view, where it is more than the array.
    """
    if out is None:
        out = new(Tensor)
    out.array, out.leaf, out._grad, out._hooks, out.node = array, False, None, None, None
    cell, seen = of.version, of._view
    out.version = cell
    if cell is inference_cell:
        out._view = None
        return out
    recorded = recording.get()
    made = View.DEFAULT if recorded else View.INFERENCE if inferring.get() else View.NO_GRAD
    number = cell[0]
    if seen is None:
        out._view = View(of, None, made, number)
        edge: Any = of if of.leaf else of.node
    else:
        replay = None if seen.replay is None else compose(of, array, None)
        out._view = View(seen.base, replay, inherited(made, seen.made) if made else seen.made, number)
        edge = view_edge(of) if recorded else None
    if recorded and edge is not None:
        if number and array.dtype.kind in "biu":  # which have a history only after a change in place
            raise unrecordable(array)
        frame = current_frame(depth)
        code: Any = frame.f_code
        if code is latest.code:
            instruction = frame.f_lasti
        else:
            code, instruction = user_place(frame)
        for cls, shape, parameters in steps:
            node = new(cls)
            node.number, node.edges, node.saved, node.fit = next_number(), (edge,), (), (shape, parameters)
            node.hooks, node.code, node.instruction = None, code, instruction
            edge = node
        out.node = edge
    else:
        frame = current_frame(depth)
        code = frame.f_code
        name = steps[-1][0].__name__ if steps else "indexing"
        if code is latest.code and not recorded:
            out.origin = name, recorded, code, frame.f_lasti, (), 0
        else:
            remember(out, name, recorded and True, frame, of)
    return out
