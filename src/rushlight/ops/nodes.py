"""The nodes of declared operations: their rules, what they keep, how they run."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.by_hand import call
from ..autograd.modes import recording
from ..autograd.node import Node, Nowhere, Slot, explained, latest, made_by, make_slot, next_number, user_place
from ..autograd.versions import Moved, last_change
from ..tensor import Parameter, Tensor, edge_of, new, wrap
from .levels import Layered, bare, fresh, recorded
from .promotion import conj, fit, float32, is_complex, is_half

ndarray = np.ndarray


class Rule:
    """A derivative with respect to one argument: a function and the names of what it takes."""

    __slots__ = ("function", "names", "needs")

    def __init__(self, function: Callable, names: tuple[str | None, ...]) -> None:
        self.function, self.names = function, names
        self.needs = frozenset(name for name in names if name is not None and name not in ("g", "needs"))


def positional(function: Callable, names: tuple[str, ...]) -> Rule:
    """A rule that takes these things in this order, skipping those whose parameter starts with an underscore."""
    pairs = zip(parameters_of(function), names, strict=True)
    return Rule(function, tuple(None if parameter.startswith("_") else name for parameter, name in pairs))


def named(function: Callable) -> Rule:
    """A rule that takes what its parameters are called after."""
    return Rule(function, parameters_of(function))


def parameters_of(function: Callable) -> tuple[str, ...]:
    """The names of a function's parameters (read from its code: `inspect` would double the time to import)."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    return names


class Kept:
    """What backward needs, wherever it is: the one way to it."""

    __slots__ = ("place",)

    place: Any  # where in the graph it belongs

    def load(self, node: Node) -> ndarray:
        """The array."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is loaded")

    def load_tensor(self, node: Node) -> Tensor:
        """The Tensor that it was."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is loaded")


class Saved(Kept):
    """A kept array with the version it had."""

    __slots__ = ("array", "cell", "version")

    def __init__(self, array: ndarray, cell: list, place: Any) -> None:
        self.array, self.cell, self.version, self.place = array, cell, cell[0], place

    def load(self, node: Node) -> ndarray:
        """The array; an error if it has been changed since."""
        if self.cell[0] != self.version:
            return current(node, self.array, self.cell, self.version, self.place)
        return self.array

    def load_tensor(self, node: Node) -> Tensor:
        """The Tensor that it was."""
        return restore(self.load(node), self.cell, output_place(node, self.place))


class SavedView(Saved):
    """A kept result that was written into a view: while that lives, it comes from where the view does."""

    __slots__ = ("view",)

    def __init__(self, saved: Saved, view: Tensor) -> None:
        super().__init__(saved.array, saved.cell, saved.place)
        self.view = weakref.ref(view.node)

    def load_tensor(self, node: Node) -> Tensor:
        return restore(self.load(node), self.cell, self.view() or output_place(node, self.place))


class SavedLayered(Saved):
    """A kept tensor of an open transformation, whose array alone is not all that it stands for."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Layered, place: Any) -> None:
        super().__init__(tensor.array, tensor.version, place)
        self.tensor = tensor.bare()

    def load_tensor(self, node: Node) -> Tensor:
        self.load(node)
        if self.place is None or self.tensor.level.settled:
            return self.tensor
        place = output_place(node, self.place)
        if not isinstance(place, Node):
            return place
        tensor = self.tensor.bare()
        tensor.node = place
        return tensor


def keep(tensor: Tensor, place: Any) -> Saved:
    """A tensor to be kept for backward."""
    kind = type(tensor)
    if kind is Tensor or kind is Parameter or not isinstance(tensor, Layered):
        return Saved(tensor.array, tensor.version, place)
    return SavedLayered(tensor, place)


def copied(tensor: Tensor) -> Tensor:
    """A tensor's values from before it is overwritten."""
    if isinstance(tensor, Layered):
        from .convert import clone

        return clone(tensor.bare())
    return wrap(tensor.array.copy())


class Positions(tuple):
    """Where an index points along each axis, as arrays, with None for all of an axis; and what the index said."""

    items: Sequence = ()  # of the index, and those of them that name positions as arrays of numbers or truth values
    arrays: Sequence = ()

    def indices(self) -> list[Tensor | None]:
        """The tensors, lists and masks of the index as tensors, with None for all of an axis."""
        given = zip(self.items, self.arrays)
        sources = [item if isinstance(item, Tensor) else wrap(array) for item, array in given if type(array) is ndarray]
        found: list[Tensor | None] = []
        axis = 0
        while sources:
            named = self[axis] is not None
            found.append(sources.pop(0) if named else None)
            array = found[-1].array if named else None  # type: ignore[union-attr]
            axis += max(array.ndim, 1) if array is not None and is_mask(array) else 1
        return found


def is_mask(array: ndarray) -> bool:
    """Whether an array of an index says which elements rather than where they are."""
    return array.dtype.kind == "b" or array.dtype == np.uint8


class SavedPositions:
    """Kept positions, with the tensors that the index named as they were then."""

    __slots__ = ("_indices", "positions", "tensors")

    def __init__(self, positions: Positions) -> None:
        self.positions = positions
        self.tensors = [keep(item, None) for item in positions.items if isinstance(item, Tensor)]
        self._indices: list[Kept | None] | None = None

    @property
    def indices(self) -> list[Kept | None]:
        """What the index said, for hooks to put something else in its place."""
        if self._indices is None:
            kept = {id(item.array): item for item in self.tensors}
            found = self.positions.indices()
            self._indices = [i if i is None else kept.get(id(i.array)) or keep(i, None) for i in found]
        return self._indices

    def load(self, node: Node) -> tuple:
        """The positions, anew where hooks have packed them; an error if one of the tensors has been changed since."""
        if self._indices is None or all(kept is None or type(kept) is Saved for kept in self._indices):
            for kept in self.tensors:
                kept.load(node)
            return self.positions
        positions: list = []
        for array in [None if kept is None else kept.load(node) for kept in self._indices]:
            if array is None:
                positions.append(None)
            elif is_mask(array):
                positions += array.nonzero() if array.ndim else [np.zeros(int(array), np.int64)]
            else:
                positions.append(array.astype(np.int64))
        return tuple(positions)

    def load_tensors(self, node: Node) -> tuple:
        """The tensors, lists and masks of the index as tensors."""
        return tuple(None if kept is None else kept.load_tensor(node) for kept in self.indices)


def loaded(value: Any, node: Node) -> Any:
    """What a node keeps under a name: the array, or what else it is."""
    if isinstance(value, Kept) or type(value) is SavedPositions:
        return value.load(node)
    return value


class Facts(dict):
    """What a derivative asks for where none of it is an array: backward has nothing to release and may run again."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


OUTPUT = -1
"""The place of a saved result: its own node, not named as such to leave no cycle; one of several has its index."""


def output_place(node: Node, place: Any) -> Any:
    """Where a saved value belongs in the graph."""
    if type(place) is int:
        return node if place == OUTPUT else make_slot(node, place)
    return place


class SavedAttribute:
    """What a node keeps, as an attribute: one of its class, as a ``__getattr__`` would slow every other one down."""

    __slots__ = ("name", "raw")

    def __init__(self, name: str, raw: bool) -> None:
        self.name, self.raw = name, raw

    def __get__(self, node: Any, owner: Any = None) -> Any:
        from .saving import saved_attribute

        return self if node is None else saved_attribute(node, self.name, self.raw)


def public_name(name: str) -> str:
    """The name of something kept as PyTorch has it."""
    name = f"self{name.removeprefix('input')}" if name == "input" or name.startswith("input_") else name
    if name == "positions":
        return "indices"
    for here, there in (("_shape", "_sym_sizes"), ("_dtype", "_scalar_type")):
        if name.endswith(here):
            return name.removesuffix(here) + there
    return name


class Backward(Node):
    """A node of a declared operation; the class of each operation carries its rules."""

    __slots__ = ()
    rules: tuple[Rule, ...] = ()
    joint = False  # one rule gives the gradients of all inputs
    flat = False  # its derivative depends on its inputs in steps only: a second one is zero, and not missing
    composite: Callable | None = None
    arguments: tuple[str, ...] = ()  # those that are differentiable, and all, where there is a composite
    parameters: tuple[str, ...] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.narrows = cls.joint or len(cls.rules) > 1
        needed = frozenset(cls.parameters).union(*(rule.needs for rule in cls.rules))
        for name in needed:
            public = public_name(name)
            setattr(cls, f"_saved_{public}", SavedAttribute(name, False))
            setattr(cls, f"_raw_saved_{public}", SavedAttribute(name, True))

    def __call__(self, *gradients: Any) -> Any:
        """The gradients of the inputs from those of the outputs, without hooks."""
        return call(self, gradients)

    def kept(self, recorded: bool) -> dict[str | None, Any]:
        """What was saved, by name, as arrays or as Tensors."""
        if recorded:
            return {n: v.load_tensor(self) if isinstance(v, Kept) else loaded(v, self) for n, v in self.saved.items()}
        return {name: loaded(value, self) for name, value in self.saved.items()}

    def run(self, g: Any, asked: tuple | None = None) -> tuple:
        return self.apply(g, self.kept(False), asked or self.edges)

    def run_recorded(self, g: Any, asked: tuple | None = None) -> tuple:
        if self.composite is not None:
            parts = through_composite(self, g, asked or self.edges)
        else:
            parts = self.apply(g, self.kept(True), asked or self.edges)
        return hung(parts, self) if self.flat and recording.get() else parts

    def run_undefined(self, recorded: bool) -> tuple:
        if isinstance(self.saved, dict) or type(self).kept is not Backward.kept:
            self.kept(False)  # what was saved must be there, as in PyTorch
        return super().run_undefined(recorded)

    def leads(self) -> bool:
        """As in PyTorch, of several operands only those are kept from which a gradient is computed, or several are."""
        if len(self.rules) == 1 or not all(edge is None or type(edge) is Nowhere for edge in self.edges):
            return True
        needs = [name for rule in self.rules for name in rule.needs]
        return len(needs) > len(set(needs))

    def written(self, target: Tensor) -> None:
        """The saved result is what an in-place operation has just written: what that holds may be new."""
        for name, value in self.saved.items():
            if isinstance(value, Saved) and type(value.place) is int:
                if isinstance(target, Layered):
                    self.saved[name] = keep(target, value.place)
                else:
                    value.version = value.cell[0]

    def shown(self, target: Tensor) -> None:
        """The saved result is a view, whose history has been rewritten."""
        for name, value in self.saved.items():
            if type(value) is Saved and type(value.place) is int:
                self.saved[name] = SavedView(value, target)

    def apply(self, g: Any, kept: dict[str | None, Any], asked: tuple) -> tuple:
        """Run the rule of each input whose gradient is asked for: those that have an edge."""
        kept["g"] = g
        if self.joint:
            (rule,) = self.rules
            kept["needs"] = tuple(edge is not None for edge in asked)
            return tuple(rule.function(*[kept[name] for name in rule.names]))
        kept[None] = None
        parts = []
        for edge, rule in zip(asked, self.rules):
            parts.append(None if edge is None else rule.function(*[kept[name] for name in rule.names]))
        return tuple(parts)


class Flat(Node):
    """Where a gradient depends on the inputs of an operation, with a derivative of zero; ``fit`` has their metas."""

    __slots__ = ()

    def run(self, g: Any) -> tuple:
        return tuple(None if meta is None else np.zeros(*meta) for meta in self.fit)

    def run_recorded(self, g: Any) -> tuple:
        return tuple(None if part is None else wrap(part) for part in self.run(g))


def hung(parts: tuple, node: Node) -> tuple:
    """Gradients that depend on the inputs in steps only, in the graph all the same: their derivative is zero."""
    metas = [None if part is None else (part.array.shape, part.array.dtype) for part in parts]
    hung_parts = []
    for part in parts:
        if part is not None and not part.requires_grad:
            part = bare(part)
            part.node = make_node(Flat, node.edges, (), None)
            part.node.fit, part.node.code, part.node.instruction = metas, node.code, node.instruction
        hung_parts.append(part)
    return tuple(hung_parts)


class Cut(Backward):
    """An in-place operation without a derivative: no change of the input changes the result."""

    __slots__ = ()

    def apply(self, g: Any, kept: dict[str | None, Any], asked: tuple) -> tuple:
        recorded, metas = isinstance(g, Tensor), kept["metas"]
        return tuple(None if edge is None else zeros(meta, recorded) for edge, meta in zip(asked, metas))


@functools.cache
def cut(name: str) -> type[Cut]:
    """The class of nodes of an operation without a derivative."""
    return type(name, (Cut,), {"__slots__": ()})


class ElementwiseBackward(Backward):
    """A node whose inputs were broadcast and converted: ``fit`` is None, or has each input's shape and type."""

    __slots__ = ()

    def apply(self, g: Any, kept: dict[str | None, Any], asked: tuple) -> tuple:
        if self.fit is None:
            return super().apply(g, kept, asked)
        holomorphic = is_complex(g)  # rules are written as for real numbers: conjugate on the way in and out
        parts: Any = super().apply(conj(g) if holomorphic else g, kept, asked)
        parts = [conj(part) if holomorphic else part for part in parts]
        return tuple(None if part is None else fit(part, *meta) for part, meta in zip(parts, self.fit))


class MultiBackward(Backward):
    """A node with several differentiable outputs, of which some may get no gradient."""

    __slots__ = ("outputs",)
    several = True
    outputs: list[tuple[tuple, np.dtype]]

    def apply(self, g: Any, kept: dict[str | None, Any], asked: tuple) -> tuple:
        if all(part is None for part in g.values()):
            return self.run_undefined(False)
        recorded = any(isinstance(part, Tensor) for part in g.values())
        g = [zeros(meta, recorded) if g.get(i) is None else g[i] for i, meta in enumerate(self.outputs)]
        return super().apply(g, kept, asked)


class WideBackward(Backward):
    """A node of half precision: its rules compute in float32, and ``fit`` has each input's shape and type."""

    __slots__ = ()

    def apply(self, g: Any, kept: dict[str | None, Any], asked: tuple) -> tuple:
        kept = {name: widened(value) for name, value in kept.items()}
        g = {index: widened(part) for index, part in g.items()} if type(g) is dict else widened(g)
        parts = super().apply(g, kept, asked)
        return tuple(None if part is None else fit(part, *meta) for part, meta in zip(parts, self.fit))


def widened(value: Any) -> Any:
    """Half precision as float32, an array or a Tensor; anything else as it is."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.astype(float32) if is_half(value.dtype) else value
    if isinstance(value, Tensor) and is_half(value.array.dtype):
        from .convert import to_dtype

        return to_dtype(value, float32)
    return value


@functools.cache
def computed_wide(cls: type[Backward]) -> type[Backward]:
    """The class of an operation's nodes where the result is half precision."""
    return type(cls.__name__, (WideBackward, cls), {"__slots__": ()})


def current(node: Node, array: Any, cell: Any, then: int, place: Any = None) -> Any:
    """A saved array whose version is another than when it was saved: what ``.data =`` has made of it, or an error."""
    now = cell[0]
    same = type(now) is Moved and int(now) == int(then)
    if type(now) is Moved and type(place) is not int:
        linked = isinstance(place, Node) and type(place) is not Nowhere and isinstance(node, Backward)
        before, array = array.shape, now.follow(array, linked)  # custom Functions may find one detached in place
        if same and array.shape != before and isinstance(node, Backward):
            check_reshaped(node, array.shape, before)
    if same:
        return array
    raise changed(node, array, cell, int(then), place)


def check_reshaped(node: Backward, shape: tuple, before: tuple) -> None:
    """Refuse data of another shape than what it replaced with ``.data =``, from which no gradient could be computed."""
    lines = "Its .data was replaced after it had been saved.", f"The gradient of {made_by(node)}"
    if not isinstance(node, ElementwiseBackward):
        words = f"Function {node.name()} returned an invalid gradient at index 0 - got {list(shape)}"
        raise RuntimeError(explained(f"{words} but expected shape compatible with {list(before)}", *lines))
    for back in range(1, min(len(shape), len(before)) + 1):
        here, there = before[-back], shape[-back]
        if here != there and 1 not in (here, there):
            raise RuntimeError(
                explained(
                    f"The size of tensor a ({here}) must match the size of tensor b ({there}) at non-singleton "
                    f"dimension {max(len(shape), len(before)) - back}",
                    *lines,
                )
            )


def needed(node: Backward, name: str, array: Any, cell: Any, then: int, edge: Any) -> Any:
    """`current` for an operand, where it counts: not if only a gradient that would go nowhere is computed from it."""
    users = [end for end, rule in zip(node.edges, node.rules) if name in rule.needs]
    return array if len(users) == 1 and type(users[0]) is Nowhere else current(node, array, cell, then, edge)


OUT_OF_PLACE = "use the out-of-place form of the operation that changed it, or change a .clone()."
AFTER_BACKWARD = "let the optimizer step after the last backward through this graph, or compute the loss anew."


def changed(node: Node, array: Any, cell: Any, then: int, place: Any = None) -> RuntimeError:
    """The error for a saved value that an in-place operation has overwritten."""
    from .inplace import unusable

    words = None if type(place) is int else unusable(place)
    if words is not None:
        return RuntimeError(explained(words, f"It is needed by the gradient of {made_by(node)}"))
    now = int(cell[0])
    maker = node if type(place) is int else place
    index = maker.index if type(maker) is Slot else 0
    maker = maker.edges[0] if type(maker) is Slot else maker
    source = f", which is output {index} of {maker.name()}," if isinstance(maker, Node) else ""
    kind = dtypes.CASED[dtypes.of(array.dtype)]
    return RuntimeError(
        explained(
            f"one of the variables needed for gradient computation has been modified by an inplace operation: "
            f"[torch.{kind}Tensor {list(array.shape)}]{source} is at version {now}; expected version {then} instead.",
            f"It was changed{' last' if now > then + 1 else ''} by {last_change(cell)}",
            f"The gradient of {made_by(node)}",
            "needs its value from before the change.",
            f"Hint: {AFTER_BACKWARD if len(cell) > 1 and cell[1][0] == 'step' else OUT_OF_PLACE}",
        )
    )


def make_node(cls: type[Node], edges: tuple, saved: Any, frame: Any) -> Any:
    """Record one operation."""
    node = new(cls)
    node.number, node.edges, node.saved, node.fit, node.hooks = next_number(), edges, saved, None, None
    code = None if frame is None else frame.f_code
    if code is not None and code is latest.code:  # asked for once: another thread may set it anew at any time
        node.code, node.instruction = code, frame.f_lasti
    else:
        node.code, node.instruction = user_place(frame)
    return node


def restore(array: ndarray, cell: Any, place: Any) -> Tensor:
    """A saved array as the Tensor that it was."""
    if place is not None and not isinstance(place, Node):
        return place
    tensor = wrap(array)
    tensor.version, tensor.node = cell, place
    return tensor


def zeros(meta: tuple[tuple, np.dtype], recorded: bool) -> Any:
    """A gradient that did not arrive."""
    return wrap(np.zeros(*meta)) if recorded else np.zeros(*meta)


def through_composite(node: Backward, g: Any, asked: tuple) -> tuple:
    """The recorded derivative of a fused operation: that of its definition in simpler ones."""
    from ..autograd import engine
    from ..autograd.gradients import wrap_grad

    kept = node.kept(True)
    proxies = {}
    create_graph = bool(recording.get())
    with recorded():
        for name, edge in zip(node.arguments, asked):
            if edge is not None:
                proxies[name] = kept[name] = fresh(kept[name])
        result = node.composite(**{n: value for n, value in kept.items() if n in node.parameters})  # type: ignore
    targets = [edge_of(proxy) for proxy in proxies.values()]
    found = engine.run(
        [edge_of(result)],
        [g],
        keep_graph=True,
        on_tensors=True,
        create_graph=create_graph,
        targets=targets,
        make=wrap_grad,
        boundary=True,
    )
    return tuple(found.get(edge_of(proxies[name])) if name in proxies else None for name in node.arguments)
