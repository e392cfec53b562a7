"""What stands between operations and the graph on demand: hooks on what is saved for backward, watchers of operations.

While there is one, `autograd.modes.recording` holds an `Interception` in place of True. The fast paths ask for exactly
True and leave everything else to the general way, `Op.__call__`, which comes here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from ..autograd import engine, modes
from ..autograd.node import Node
from ..tensor import Tensor, edge_of
from .declaration import VALUE
from .nodes import OUTPUT, Kept, Saved, SavedPositions, make_node, output_place, restore

ndarray = np.ndarray


class Interception(NamedTuple):
    """The hooks on what is saved, watchers of operations and recorders of nodes that are active, innermost last.

    A watcher is called as ``watcher(op, perform, args, kwargs)`` in place of each operation that may be recorded.
    ``perform()`` does it; ``perform(arrays)`` records it with these results, which need not be computed.

    While an operation is done, ``inputs`` holds what the hooks have made of those that it keeps, and ``given`` its
    results if they are there already.
    """

    hooks: tuple[tuple[Callable, Callable], ...] = ()
    watchers: tuple[Callable, ...] = ()
    recorders: tuple[Callable, ...] = ()
    inputs: dict | None = None
    given: Any = None

    def call(self, op: Any, args: tuple, kwargs: dict, frame: Any) -> Any:
        """An operation: the hooks see what it keeps of its inputs, then the innermost watcher is called, or itself."""
        inputs = self._inputs_of(op, args, kwargs) if self.inputs is None else self.inputs
        meanwhile = self._replace(watchers=self.watchers[:-1], inputs=None, given=None)

        def perform(given: Any = None) -> Any:
            activate(meanwhile._replace(inputs=inputs, given=given))
            try:
                return op(args, kwargs, frame)
            finally:
                activate(meanwhile)

        activate(meanwhile)
        try:
            return self.watchers[-1](op, perform, args, kwargs) if self.watchers else perform(self.given)
        finally:
            activate(self)

    def _inputs_of(self, op: Any, args: tuple, kwargs: dict) -> dict[str, Kept]:
        """What the hooks have made of the inputs that an operation keeps."""
        values = op.values(args, kwargs)
        edges = op.edges(values) if op.places else None
        if edges is None or not self.hooks:
            return {}
        return {
            name: packed(Saved(values[place].array, values[place].version, edge_of(values[place])), None, values[place])
            for name, source, place in op.plan(edges)
            if source == VALUE and isinstance(values[place], Tensor)
        }

    def compute(self, op: Any, arrays: Any, named_arrays: dict) -> Any:
        """The result of an operation, if it is not there already."""
        return op.evaluate(arrays, named_arrays) if self.given is None else self.given

    def keep(self, op: Any, node: Node, values: Any) -> None:
        """Show a new node to the recorders; let it keep what the hooks have made of its inputs and make of the rest."""
        self.note(node)
        if not self.hooks:
            return
        inputs = self.inputs or {}
        activate(self._replace(inputs=None, given=None))
        for name, kept in node.saved.items():
            if name in inputs:
                node.saved[name] = inputs[name]
            elif isinstance(kept, Kept):
                given = values[op.names.index(name)] if name in op.names else None
                same = isinstance(given, Tensor) and isinstance(kept, Saved) and given.array is kept.array
                node.saved[name] = packed(kept, node, given if same else None)
            elif type(kept) is SavedPositions:
                kept.indices[:] = [None if index is None else packed(index, node) for index in kept.indices]
        activate(self)

    def note(self, node: Node) -> None:
        """Show a new node to the recorders."""
        for recorder in self.recorders:
            recorder(node)

    def also(self, *, hooks: tuple = (), watchers: tuple = (), recorders: tuple = ()) -> Interception:
        """With more of them."""
        return Interception((*self.hooks, *hooks), (*self.watchers, *watchers), (*self.recorders, *recorders))


NOTHING = Interception()


def current() -> Interception:
    """What is active in this thread."""
    return modes.intercepting.get() or NOTHING


def activate(interception: Interception) -> None:
    """Make this what is active; nothing in it puts operations back on the fast path."""
    active = interception.hooks or interception.watchers or interception.recorders or interception.inputs is not None
    modes.intercept(interception if active else None)


class watching:
    """Inside, each operation that may be recorded goes through a watcher, see `Interception`."""

    watch: Callable

    def __init__(self, watcher: Callable) -> None:
        self.watch = watcher

    def __enter__(self) -> None:
        activate(current().also(watchers=(self.watch,)))

    def __exit__(self, *exception: object) -> None:
        active = current()
        activate(active._replace(watchers=active.watchers[:-1]))


def packed(kept: Kept, node: Any, tensor: Tensor | None = None) -> Kept:
    """What was kept, as the innermost hooks have packed it; itself where there are none."""
    hooks = current().hooks
    return Packed(kept, kept.load_tensor(node) if tensor is None else tensor, *hooks[-1]) if hooks else kept


class Packed(Kept):
    """What hooks have made of a tensor that was to be saved; what becomes of the tensor itself they must know."""

    __slots__ = ("packed", "unpack")

    def __init__(self, kept: Kept, tensor: Tensor, pack: Callable, unpack: Callable) -> None:
        self.place, self.unpack = kept.place, unpack
        before = tensor._version
        with modes.no_grad():
            self.packed = pack(tensor)
        if tensor._version != before:
            raise RuntimeError(
                "A saved tensor pack hook is modifying its input in place. Tensors provided as input to pack hook "
                "cannot be modified by in-place operations as this can lead to unexpected side-effects: change a "
                ".clone() of it."
            )

    def unpacked(self) -> Tensor:
        """The tensor that the unpack hook gives."""
        tensor = self.unpack(self.packed)
        if not isinstance(tensor, Tensor):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(tensor).__name__}"
            )
        return tensor

    def load(self, node: Node) -> ndarray:
        """The array that the unpack hook gives."""
        return self.unpacked().array

    def load_tensor(self, node: Node) -> Tensor:
        """What the unpack hook gives, in the place of the tensor that was packed."""
        tensor = self.unpacked()
        place = output_place(node, self.place)
        if place is None:
            return tensor
        if not isinstance(place, Node):
            return place if tensor.array is place.array else _standing_for(place, tensor)
        return restore(tensor.array, tensor.version, place)


def _standing_for(leaf: Tensor, tensor: Tensor) -> Tensor:
    """Other data in the place of a leaf: its gradient goes to the leaf."""
    from .views import alias

    node = make_node(alias.node, (leaf,), (), None)
    node.fit = tensor.array.shape, ()
    return restore(tensor.array, tensor.version, node)


# What a node keeps, as its attributes: `_saved_self` is the tensor, `_raw_saved_self` where hooks can be put on it


class SavedTensor:
    """One tensor that a node keeps."""

    def __init__(self, node: Node, name: Any, keeps: dict | list | None) -> None:
        self._node, self._name, self._keeps = node, name, keeps

    def register_hooks(self, pack_hook: Callable, unpack_hook: Callable) -> None:
        """Keep what ``pack_hook(tensor)`` returns in place of the tensor; backward gets it from ``unpack_hook``.

        Raises:
            RuntimeError: the tensor has been freed, or has hooks already.
        """
        keeps = self._keeps
        if keeps is None or self._node.saved is None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved intermediate values of the "
                "graph are freed when you call .backward() or autograd.grad(). Specify retain_graph=True if you need "
                "to backward through the graph a second time or if you need to access saved variables after calling "
                "backward."
            )
        kept = keeps[self._name]
        if kept is None:
            raise RuntimeError("Calling register_hooks on a saved tensor with value None is forbidden")
        if isinstance(kept, Packed):
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: only one pair of "
                "hooks is allowed at a time."
            )
        keeps[self._name] = Packed(kept, kept.load_tensor(self._node), pack_hook, unpack_hook)


def saved_attribute(node: Any, name: str, raw: bool) -> Any:
    """What a node keeps under a name, None if it was not needed; ``raw``, where hooks can be put on it.

    Raises:
        RuntimeError: it has been freed.
    """
    if node.saved is None:
        if not raw:
            raise RuntimeError(engine.FREED)
        return SavedTensor(node, name, None)
    keeps = _by_name(node)
    kept = keeps.get(name)
    if isinstance(kept, SavedPositions):
        each = range(len(kept.indices))
        return tuple(SavedTensor(node, place, kept.indices) for place in each) if raw else kept.load_tensors(node)
    if raw:
        return SavedTensor(node, name, keeps)
    return kept.load_tensor(node) if isinstance(kept, Kept) else kept


def _by_name(node: Any) -> dict:
    """What a node keeps, by name, as the general way of recording would have kept it."""
    if not isinstance(node.saved, dict):
        keeps: dict = {}
        for name, value in node.kept(True).items():
            if isinstance(value, Tensor):
                edge = edge_of(value)
                value = Saved(value.array, value.version, OUTPUT if edge is node else edge)
            keeps[name] = value
        node.saved = keeps
    return node.saved
