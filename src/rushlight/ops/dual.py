"""Forward mode: tensors with a tangent, and what operations make of tangents.

The derivative in forward mode follows from the rule that an operation declares for backward. A rule of an elementwise
operation multiplies by the derivative, whichever way it is gone through. A view of a tangent is the view itself. Any
other rule is a linear function from gradients of outputs to gradients of inputs; forward mode is its transpose, which
differentiating the rule by the gradients gives (https://j-towns.github.io/2017/06/12/A-new-trick.html).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..autograd.gradients import grad
from ..autograd.modes import open_levels, recording
from ..autograd.node import Bundle, Slot
from ..kernels.layout import storage_of
from ..tensor import Tensor, new, wrap
from .convert import clone, detach, to_dtype
from .inplace import at_levels_of, copy_
from .levels import Layered, Level, bare, below, fresh, is_open, mapped, recorded, spans, zeros_like
from .promotion import is_half, raw
from .strided import Geometry, laid_out, strided_from
from .views import expand


class Dual(Layered):
    """A tensor, its ``primal``, with the direction in which it moves, its ``tangent``; None is the direction zero."""

    __slots__ = ()
    primal: Tensor
    tangent: Tensor | None

    @property
    def inner(self) -> Tensor:
        return self.primal

    def bare(self) -> Dual:
        return dual(self.level, self.primal, self.tangent)

    def detached(self) -> Tensor:
        return detach(self.primal)

    def spans(self) -> set:
        return spans(self.primal) | spans(self.tangent)

    # To mypy, arguments of special methods have no names.
    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        tangent = repr(self.tangent) if self.tangent is not None and is_open(self) else None
        return self._printed("tensor", tangent=tangent, contents=tensor_contents)


def dual(level: Level, primal: Tensor, tangent: Tensor | None) -> Dual:
    """A dual number of a level."""
    out = wrap(primal.array, Dual)
    out.version, out.level, out.primal, out.tangent = primal.version, level, primal, tangent
    return out


class ForwardLevel(Level):
    """Forward mode: each operation is done on the primals, and its derivative applied to the tangents."""

    def lift(self, tensor: Tensor) -> Dual:
        return dual(self, tensor, None)

    def records(self, tensor: Tensor) -> bool:
        return True

    def primal(self, tensor: Any) -> Any:
        """The primal of a tensor of this level; anything else itself."""
        return tensor.primal if isinstance(tensor, Dual) and tensor.level is self else tensor

    def tangent(self, tensor: Any) -> Tensor | None:
        """The tangent of a tensor, if it has one of this level."""
        return tensor.tangent if isinstance(tensor, Dual) and tensor.level is self else None

    def _direction(self, tensor: Tensor) -> Tensor:
        """The tangent of a tensor, zeros if it has none; the tensor itself where there is nothing to differentiate."""
        primal, tangent = self.primal(tensor), self.tangent(tensor)
        if tangent is None and primal.array.dtype.kind in "fcV":
            return zeros_like(primal)
        return primal if tangent is None else tangent

    def shown_alike(self, tensor: Any) -> Tensor:
        """The tangent of a tensor, lying in memory as its primal does: any view of the one is one of the other."""
        tangent: Any = self.tangent(tensor)
        primal = self.primal(tensor)
        if Geometry.of(primal.array) != Geometry.of(tangent.array):
            tensor.tangent = tangent = laid_out_as(tangent, primal)
        return tangent

    def interpret(self, perform: Any, spec: Any, args: tuple, kwargs: dict) -> Any:
        with below(self):
            outs, tangents = self._push(perform, spec, args, kwargs)
        if isinstance(outs, Tensor):
            return dual(self, outs, tangents)
        return [dual(self, out, tangent) for out, tangent in zip(outs, tangents)]

    def _push(self, perform: Any, spec: Any, args: tuple, kwargs: dict) -> tuple:
        """The results on the primals, and their tangents."""
        primals = mapped(self.primal, args), mapped(self.primal, kwargs)
        if not any(self.tangent(slot) is not None for slot in spec.slots(spec.values(args, kwargs))):
            outs = perform(*primals)
            return outs, None if isinstance(outs, Tensor) else [None] * len(outs)
        if spec.view:
            return perform(*primals), perform(mapped(self.shown_alike, args), kwargs)
        if spec.linear:
            return perform(*primals), perform(mapped(self._direction, args), mapped(self._direction, kwargs))
        if spec.elementwise and multiplies(spec, args, kwargs):
            out = perform(*primals)
            values = spec.values(args, kwargs)
            return out, self._apart(fitting(self._along(spec, out, values), out), spec.slots(values))
        return self._transposed(perform, spec, args, kwargs)

    def _along(self, spec: Any, out: Tensor, values: tuple) -> Any:
        """The tangent of an elementwise operation: the rule of each operand applied to its tangent."""
        total = None
        primals = mapped(self.primal, values)
        for place, rule in zip(spec.places, spec.node.rules):
            tangent = self.tangent(values[place])
            if tangent is not None:
                known = {name: spec.fact(name, primals, out) for name in rule.needs}
                part = rule.function(*[tangent if name == "g" else known.get(name) for name in rule.names])
                total = part if total is None else total + part
        return total

    def _transposed(self, perform: Any, spec: Any, args: tuple, kwargs: dict) -> tuple:
        """The results on the primals, and tangents from the transpose of the operation's rule."""
        proxies: dict[int, Tensor] = {}

        def proxy(tensor: Tensor) -> Tensor:
            primal = self.primal(tensor)
            if self.tangent(tensor) is None:
                return primal
            if id(tensor) not in proxies:
                proxies[id(tensor)] = fresh(primal)
            return proxies[id(tensor)]

        with recorded():
            outs = perform(mapped(proxy, args), mapped(proxy, kwargs))
        several = not isinstance(outs, Tensor)
        ends = list(outs) if several else [outs]
        slots = spec.slots(spec.values(args, kwargs))
        parts = [part for slot in slots for part in (self.primal(slot), self.tangent(slot)) if isinstance(part, Tensor)]
        wanted = bool(recording.get()) and any(part.requires_grad for part in parts)
        tangents = self._through(ends, slots, wanted)
        for out in ends:
            forget(out, [leaf for leaf in proxies.values() if leaf.leaf], wanted)
        return (outs, tangents) if several else (outs, tangents[0])

    def _through(self, outs: list, slots: list, wanted: bool) -> list:
        """The tangent of each output: the derivative of its node, differentiated by the gradients that it takes."""
        ends = [out for out in outs if out.node is not None]
        if not ends:
            return [None] * len(outs)
        gradients = [fresh(zeros_like(out)) for out in ends]
        node, g = ends[0].node, gradients[0]
        if type(node) is Slot:
            node, g = node.edges[0], Bundle(len(ends), dict(enumerate(gradients)))
        with recorded():
            parts = node.run_recorded(g)
        pairs = [
            (part, tangent)
            for part, tangent in zip(parts, map(self.tangent, slots))
            if part is not None and part.requires_grad and tangent is not None
        ]
        found: Any = [None] * len(ends)
        if pairs:
            sources, directions = zip(*pairs)
            create_graph = wanted or bool(recording.get() and open_levels.get())  # lower levels record for themselves
            found = grad(sources, gradients, directions, create_graph=create_graph, allow_unused=True)
            found = found if wanted else [tangent if tangent is None else bare(tangent) for tangent in found]
        by_end = {
            id(end): zeros_like(end) if part is None else self._apart(part, slots) for end, part in zip(ends, found)
        }
        return [by_end.get(id(out)) for out in outs]

    def _apart(self, tangent: Tensor, slots: list) -> Tensor:
        """The tangent of a result in memory of its own: a change of the result in place must not reach operands."""
        given = [self.tangent(slot) for slot in slots]
        shared = any(t is not None and np.may_share_memory(t.array, tangent.array) for t in given)
        return clone(tangent) if shared else tangent

    def write(self, target: Tensor, result: Tensor) -> None:
        primal, tangent = self.primal(result), self.tangent(result)
        if not (isinstance(target, Dual) and target.level is self):
            if tangent is None:
                copy_(target, primal)
                return
            self.become_dual(target)
        with below(self):
            copy_(target.primal, primal)
            self.write_tangent(target, tangent)

    def reshape(self, target: Any, _show: Any, change: Any) -> None:
        with below(self):
            if target.tangent is not None:
                target.tangent = self.shown_alike(target).view_as(target.tangent)
                change(target.tangent)
            change(target.primal)
        target.array = target.primal.array

    def write_tangent(self, target: Any, tangent: Tensor | None) -> None:
        """Put values into the tangent of a dual number."""
        if tangent is None:
            if target.tangent is not None:
                target.tangent.zero_()
            return
        if target.tangent is None or not spans(tangent) <= spans(target.tangent):
            self._make_room(target, tangent)
        copy_(target.tangent, tangent)

    def _make_room(self, target: Dual, like: Tensor) -> None:
        """Give a tensor a tangent that takes values like these; that of a view is a view of its base's."""
        view = target._view
        holder: Any = target if view is None else view.base
        if not (isinstance(holder, Dual) and holder.level is self):
            self.become_dual(holder)
        if holder.tangent is None or not spans(like) <= spans(holder.tangent):
            room = at_levels_of(like, zeros_like(holder))
            room = room if holder.tangent is None else room + holder.tangent
            holder.tangent = room if holder.array.flags.c_contiguous else laid_out_as(room, holder)
        if view is not None:
            show = view.replay or strided_from(holder.array, target.array)
            target.tangent = show(holder.tangent)

    def become_dual(self, tensor: Any) -> None:
        """Turn a tensor of a lower level into one of this, because a dual number is about to be written into it."""
        primal: Any = new(type(tensor))
        for name in ("array", "leaf", "node", "version", "_grad", "_view", "_hooks"):
            setattr(primal, name, getattr(tensor, name))
        primal.__dict__.update(tensor.__dict__)
        tensor.__dict__.clear()
        tensor.__class__ = Dual
        tensor.level, tensor.primal, tensor.tangent = self, primal, None


def check_differentiable(name: str, tensor: Any) -> None:
    """Refuse a primal or tangent of whole numbers.

    Raises:
        ValueError: it is one.
    """
    if isinstance(tensor, Tensor) and tensor.array.dtype.kind not in "fcV":
        raise ValueError(f"Expected {name} to be floating point or complex, but got: {tensor.dtype}")


def multiplies(spec: Any, args: tuple, kwargs: dict) -> bool:
    """Whether the rules of an elementwise operation just multiply by a real derivative, in the type of the operands."""
    operands = [raw(value) for value in spec.slots(spec.values(args, kwargs)) if isinstance(value, Tensor)]
    return not spec.node.joint and all(x.dtype.kind != "c" and not is_half(x.dtype) for x in operands)


def laid_out_as(tangent: Tensor, primal: Tensor) -> Tensor:
    """A copy of a tangent that lies in its storage as its primal does in its own, between zeros."""
    like = primal.array
    return laid_out(tangent, Geometry.of(like), storage_of(like).nbytes // like.itemsize)


def fitting(tangent: Tensor, out: Tensor) -> Tensor:
    """A tangent in the shape and type of the result that it belongs to."""
    if tangent.array.dtype != out.array.dtype:
        tangent = to_dtype(tangent, out.array.dtype)
    return tangent if tangent.array.shape == out.array.shape else expand(tangent, out.array.shape)


def forget(out: Tensor, leaves: list, wanted: bool) -> None:
    """Take leaves that were only there to differentiate by out of the history of a result; all of it if not wanted."""
    node: Any = out.node
    if node is None:
        return
    if type(node) is Slot:
        node = node.edges[0]
    node.edges = tuple([None if any(edge is leaf for leaf in leaves) else edge for edge in node.edges])
    if not wanted or all(edge is None for edge in node.edges):
        out.node = None
