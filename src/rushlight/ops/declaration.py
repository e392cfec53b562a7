"""What is known of an operation from its declaration: its arguments, its nodes, and what they keep for its rules."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.node import Nowhere
from ..autograd.origin import name_of
from ..tensor import Parameter, Tensor, View, edge_of, view_edge
from .nodes import (
    OUTPUT,
    Backward,
    ElementwiseBackward,
    Facts,
    MultiBackward,
    Positions,
    Rule,
    SavedPositions,
    computed_wide,
    keep,
    make_node,
    parameters_of,
)
from .promotion import is_half, raw, shapes
from .returns import named as named_returns

ndarray = np.ndarray

VARIADIC = 0x04  # the flag of a code object whose function takes *args
VALUE, RESULT, SHAPE, DTYPE = range(4)

RENUMBERED = frozenset(
    ("acosh", "asinh", "atanh", "celu", "conj_physical", "leaky_relu", "polygamma", "scaled_elu", "threshold")
)
"""The operations whose in-place form has a node of its own in PyTorch."""

FIRST, SECOND = slice(1), slice(1, 2)
OF_A_NUMBER = dict.fromkeys(("FmodBackward0", "PowBackward0", "RemainderBackward0", "RsubBackward1"), FIRST)
OF_A_NUMBER["PowBackward2"] = SECOND
"""The nodes of operations with a number for which PyTorch lists no edge, and the place of their operand."""


class Declaration:
    """What an operation was declared with, what its arguments are, and what its nodes keep of them.

    Attributes:
        compute: from arrays and parameters to the result array, or to a tuple of arrays.
        node: the class of its nodes, with a rule for each differentiable argument.
        names: of the arguments, in the order in which their values are kept; ``*args`` are not among them.
        outputs: the names of its results; None if their number varies.
        sequence: the argument that is a list of tensors, if there is one.
        idempotent: in place it gives the same when it is done twice.
        of_numbers: it takes numbers for all its operands.
        promote: operands meet in one type first: "common", or "float" if integers become floating-point numbers.
        apart: ``out=`` must be of the result's type and share no memory with an operand.
        aside: its results after the first serve its own gradient only: an ordinary call leaves them bare arrays.
        batch: how vmap carries it out, see `batching`.
        direct: its fast path, which levels go on with too, see `fast`.
        random: it draws random numbers: vmap decides about it also where no operand differs along the batch.
        loops: its result lies in memory as PyTorch's loops over the elements of operands lay it out.
        linear: in all its floating-point arguments together, so that forward mode treats tangents as it treats them.
        real_rules: rules are written as for real numbers, and for complex ones conjugations are added.
        flat: gradients that depend on the inputs in steps only have a second derivative all the same, of zero.
        overlap: where an operand may lie that is in the memory of a target: in the very same place ("same"), anywhere,
            or nowhere. "anywhere, target first" looks for places that the target has twice before all other checks.
    """

    def __init__(
        self,
        name: str | None,
        compute: Callable,
        rules: dict[str, Rule],
        *,
        elementwise: bool = False,
        promote: str | None = None,
        view: bool = False,
        outputs: tuple[str, ...] | None = ("result",),
        sequence: str | None = None,
        composite: Callable | None = None,
        nondifferentiable: tuple[str, ...] = (),
        idempotent: bool = False,
        apart: bool = False,
        batch: Any = None,
        linear: bool = False,
        real_rules: bool = False,
        overlap: str = "same",
        random: bool = False,
        flat: bool = False,
        aside: bool = False,
    ) -> None:
        self.compute, self.view, self.outputs, self.sequence, self.promote = compute, view, outputs, sequence, promote
        self.name, self.apart, self.batch, self.overlap = compute.__name__.strip("_"), apart, batch, overlap
        self.elementwise, self.composite, self.nondifferentiable = elementwise, composite, nondifferentiable
        self.idempotent, self.of_numbers, self.linear, self.fast = idempotent, False, linear, False
        self.random, self.aside = random, aside
        self.loops = elementwise or (batch == "elementwise" and not view)
        self.direct: Callable | None = None
        self.fits = elementwise or real_rules  # operands meet, and gradients are brought back to each
        self.names = parameters_of(compute)
        self.positional = compute.__code__.co_argcount
        self.variadic = bool(compute.__code__.co_flags & VARIADIC)
        defaults, keyword_defaults = compute.__defaults__ or (), compute.__kwdefaults__ or {}
        self.required = self.positional - len(defaults)
        self.tail = (
            (None,) * self.required + defaults + tuple(keyword_defaults.get(n) for n in self.names[self.positional :])
        )
        self.differentiable = tuple(n.strip() for key in rules for n in key.split(","))
        self.places = tuple(self.names.index(n) for n in self.differentiable)
        self.needs = {n.strip(): rule.needs for key, rule in rules.items() for n in key.split(",")}
        self.plans: dict[tuple[bool, ...], tuple] = {}
        self.several = outputs is None or len([n for n in outputs if n not in nondifferentiable]) > 1
        if outputs is not None and len(outputs) > 1:
            self.returns = named_returns(self.name, outputs)
        self._node: tuple = (self.name,)
        if rules:
            base = MultiBackward if self.several else ElementwiseBackward if self.fits else Backward
            joint = len(rules) == 1 and ("," in next(iter(rules)) or sequence in rules)
            attributes = {"rules": tuple(rules.values()), "joint": joint, "flat": flat, "__slots__": ()}
            if view and self.several:
                attributes["shows"] = View.MULTI_OUTPUT
            if composite is not None:
                attributes["composite"] = staticmethod(composite)
                attributes |= {"arguments": self.differentiable, "parameters": self.names}
            self._node = name or f"{self.name.capitalize()}Backward0", (base,), attributes

    @functools.cached_property
    def inplace_node(self) -> Any:
        """The class of the nodes of the in-place form, which PyTorch numbers anew for some operations."""
        if self.name not in RENUMBERED:
            return self.node
        return type(self.node.__name__.replace("0", "1"), (self.node,), {"__slots__": ()})

    def flat(self) -> None:
        """Have second derivatives be zero rather than missing, see `forms.flat`."""
        if "node" in vars(self):
            self.node.flat = True
        else:
            self._node[2]["flat"] = True

    @functools.cached_property
    def node(self) -> Any:
        """The class of the nodes, made at the first: many operations of a program are never recorded."""
        name, bases, attributes = self._node
        return type(name, bases, attributes)

    @functools.cached_property
    def inplace_name(self) -> str:
        """What errors call the in-place form."""
        return f"{name_of(self._node[0])}_"

    def values(self, args: Any, kwargs: dict) -> Any:
        """The arguments in the order of `names`."""
        given = len(args)
        if not kwargs and given == len(self.tail):
            return args
        if self.variadic:
            args = args[: self.positional]
            given = len(args)
        if kwargs:
            tail = (kwargs.get(n, default) for n, default in zip(self.names[given:], self.tail[given:]))
            return (*args, *tail)
        return (*args, *self.tail[given:])

    def arguments(self, values: list) -> tuple[tuple, dict]:
        """The inverse of `values`: positional arguments, and those by name."""
        return tuple(values[: self.positional]), dict(zip(self.names[self.positional :], values[self.positional :]))

    def wanted(self, values: Any) -> bool:
        """Whether a differentiable argument requires grad."""
        return any(tensor.requires_grad for tensor in tensors_in([values[place] for place in self.places]))

    def edges(self, values: Any, level: Any = None) -> tuple | None:
        """Where the gradients of the differentiable arguments go, those of a level if one is given; None if none is
        wanted.
        """
        edges: list = []
        wanted = False
        for place in self.places:
            value = values[place]
            kind = type(value)
            if level is not None and not (kind is list or kind is tuple or level.records(value)):
                edges.append(None)
            elif kind is Tensor or kind is Parameter or isinstance(value, Tensor):
                edge = value.node
                if value._view is not None:
                    edge = view_edge(value)
                elif edge is None and value.leaf:
                    edge = value
                edges.append(edge)
                wanted = wanted or edge is not None
            elif self.sequence is not None and (kind is list or kind is tuple):
                if level is not None:
                    value = [item if level.records(item) else None for item in value]
                edges.extend(edge_of(item) if isinstance(item, Tensor) else None for item in value)
                wanted = wanted or any(edge is not None for edge in edges)
            else:
                edges.append(None)
        return tuple(edges) if wanted else None

    def leading(self, edges: tuple) -> tuple:
        """The edges that lead somewhere: as in PyTorch, nothing is kept for the others, if there is a rule for each."""
        if len(edges) > 1 and Nowhere in map(type, edges) and len(self.differentiable) == len(self.node.rules):
            return tuple(None if type(edge) is Nowhere else edge for edge in edges)
        return edges

    def plan(self, edges: tuple) -> tuple:
        """What to keep for these wanted gradients: (name, kind of source, its place), worked out once."""
        mask = () if self.sequence is not None else tuple([edge is not None for edge in edges])
        found = self.plans.get(mask)
        if found is None:
            found = self.plans[mask] = tuple(sorted(map(self._step, self._wanted(mask)), key=in_order))
        return found

    def _wanted(self, mask: tuple[bool, ...]) -> frozenset:
        if self.composite is not None:
            return frozenset(self.names).union(*self.needs.values())
        if not mask:
            return frozenset().union(*self.needs.values())
        if any(mask):
            return frozenset().union(*(self.needs[n] for n, wanted in zip(self.differentiable, mask) if wanted))
        needs = [name for names in self.needs.values() for name in names]  # as PyTorch, what several rules need anyway
        return frozenset(name for name in needs if needs.count(name) > 1)

    def _step(self, name: str) -> tuple[str, int, int]:
        if self.outputs is None and name.startswith("result"):
            return name, RESULT, int(name[len("result") :])
        if self.outputs is not None and name in self.outputs:
            return name, RESULT, self.outputs.index(name)
        if name in self.names:
            return name, VALUE, self.names.index(name)
        for suffix, kind in (("_shape", SHAPE), ("_dtype", DTYPE)):
            if name.endswith(suffix) and name.removesuffix(suffix) in self.names:
                return name, kind, self.names.index(name.removesuffix(suffix))
        raise LookupError(f"{self.name} has no argument or output {name}, which its derivative asks for")

    def record(
        self, values: Any, edges: tuple, results: Any, frame: Any, original: Tensor | None = None, cls: Any = None
    ) -> Any:
        """A node that keeps what the wanted gradients need.

        ``original`` is the first argument from before an in-place operation that overwrote it; ``cls`` the class of
        the node, if it is another than `node`.
        """
        edges = self.leading(edges)
        saved: dict[str, Any] = {}
        releases = self.fast  # whose nodes tell what was recorded the general way by its being a dict
        for name, source, place in self.plan(edges):
            if source == VALUE:
                value = values[place]
                kind = type(value)
                if kind is Tensor or kind is Parameter or isinstance(value, Tensor):
                    if place == 0 and original is not None:
                        value = keep(original, edges[0])
                    else:
                        value = keep(value, edge_of(value))
                    releases = True
                elif kind is Positions:
                    value, releases = SavedPositions(value), True
                saved[name] = value
            elif source == RESULT:
                saved[name] = keep(results[place], self.output_place(name, place))
                releases = True
            elif source == SHAPE:
                value = values[place]
                saved[name] = value.array.shape if isinstance(value, Tensor) else shapes(value)
            else:
                saved[name] = raw(values[place]).dtype
        result = results[0].array
        cls = cls or self.node
        wide = result.dtype.itemsize == 2 and is_half(result.dtype)
        node = make_node(computed_wide(cls) if wide else cls, edges, saved if releases else Facts(saved), frame)
        if wide:
            node.fit = self._metas(values, edges)
        elif self.fits:
            node.fit = self._fit(values, edges, result)
        return node

    def output_place(self, name: str, place: int) -> int | None:
        """The place of a result that is kept, see `nodes.OUTPUT`; None for one without a derivative."""
        if name in self.nondifferentiable:
            return None
        if not self.several:
            return OUTPUT
        return place - sum(n in self.nondifferentiable for n in (self.outputs or ())[:place])

    def slots(self, values: Any) -> list:
        """The differentiable arguments, those of a list one by one."""
        inputs: list = []
        for place in self.places:
            value = values[place]
            inputs.extend(value) if self.sequence is not None and type(value) in (list, tuple) else inputs.append(value)
        return inputs

    def fact(self, name: str, values: Any, out: Tensor) -> Any:
        """What a rule asks for under a name, from the arguments and the only result."""
        _, source, place = self._step(name)
        if source == VALUE:
            return values[place]
        return out if source == RESULT else shapes(values[place]) if source == SHAPE else raw(values[place]).dtype

    def _metas(self, values: Any, edges: tuple) -> list:
        """The shape and type of each input that wants a gradient."""
        return [None if edge is None else (x.array.shape, x.array.dtype) for x, edge in zip(self.slots(values), edges)]

    def _fit(self, values: Any, edges: tuple, result: ndarray) -> list | None:
        metas = self._metas(values, edges)
        like = (result.shape, result.dtype)
        mixed = any(isinstance(values[p], Tensor) and values[p].array.dtype is not result.dtype for p in self.places)
        return metas if mixed or result.dtype.kind in "cV" or any(m is not None and m != like for m in metas) else None


def in_order(step: tuple[str, int, int]) -> tuple[bool, str]:
    """What is kept by name, as PyTorch calls it, and results last: the order in which hooks see it."""
    name, source, _ = step
    return source == RESULT, name.replace("input", "self", 1) if name.startswith("input") else name


def tensors_in(values: Any) -> list[Tensor]:
    """The Tensors among arguments and in their lists."""
    found: list[Tensor] = []
    for value in values:
        if isinstance(value, Tensor):
            found.append(value)
        elif type(value) is list or type(value) is tuple:
            found += tensors_in(value)
    return found
