"""How an operation is declared.

An operation is a function from arrays to arrays and, next to it, a rule for each differentiable argument:

* `fast.unary` and `fast.binary` declare elementwise operations. Their rules take ``(g, input, result)`` and
  ``(g, input, other)``; a parameter whose name starts with an underscore is not needed and not kept. For complex
  numbers
  they are written as for real ones: the conjugations that PyTorch's convention asks for are added.
* `op` declares everything else. Its rules name what they need: ``g``, an argument of the operation, ``result`` (or the
  name of an output), ``<argument>_shape``, ``<argument>_dtype``.

Rules are written with operators and with operations of this package, which compute on bare arrays when they are given
bare arrays: in an ordinary backward no Tensor is made. With ``create_graph`` the same rules run on Tensors.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.modes import recording
from ..autograd.node import current_frame, explained, user_place, where
from ..autograd.origin import CONSTANT, made, remember, tracked
from ..kernels.layout import arranged
from ..tensor import Parameter, Tensor, View, edge_of, wrap
from .declaration import VALUE, Declaration, tensors_in
from .levels import open_levels, top_level
from .nodes import (
    Facts,
    copied,
    cut,
    make_node,
    make_slot,
    named,
)
from .ordinary import ordinary_call
from .promotion import broadcast_error, float32, is_half, promoted, raw, unrecordable
from .sizes import KINDS, with_shapes
from .writing import (
    bump,
    check_apart,
    check_counted,
    check_fits,
    check_history,
    check_out,
    check_single,
    is_same_place,
    rewrite_history,
    show,
    write_out,
)

ndarray = np.ndarray
asarray = np.asarray

BARE = (ndarray, np.generic)
OPERANDS = (Tensor, ndarray, bool, int, float, complex, np.generic)


class Op(Declaration):
    """An operation: its out-of-place, in-place and ``out=`` forms, on Tensors and on bare arrays."""

    def __call__(self, args: tuple, kwargs: dict, frame: Any) -> Any:
        """Compute, and record if anything needs it."""
        if open_levels.get():
            level = top_level((*args, *kwargs.values()))
            if level is not None:
                return self._at_level(level, args, kwargs, frame)
        arrays: list = []
        first = None
        for value in args:
            kind = type(value)
            if kind is Tensor or kind is Parameter:
                first = value if first is None else first
                arrays.append(value.array)
            elif kind is list or kind is tuple or isinstance(value, Tensor):
                first = _first_tensor(value) if first is None else first
                arrays.append(raw(value))
            else:
                arrays.append(value)
        if kwargs:
            if kwargs.get("out") is not None:
                return self.into(args, kwargs, frame)
            kwargs.pop("out", None)
            named_arrays = {key: raw(value) for key, value in kwargs.items()}
            if first is None:
                first = _first_tensor(list(kwargs.values()))
        else:
            named_arrays = kwargs
        if first is None:
            return self._without_tensors(arrays, named_arrays)
        mode = recording.get()
        if mode is not True and mode:
            if mode.inputs is None or mode.watchers:
                return mode.call(self, args, kwargs, frame)
            result = mode.compute(self, arrays, named_arrays)
        elif self.promote is None:
            result = self.compute(*arrays, **named_arrays)
        else:
            try:
                result = self.evaluate(arrays, named_arrays)
            except RuntimeError:
                self.check_recordable(args, kwargs)
                raise
        edges: tuple | None = None
        values: Any = ()
        if self.places and mode:
            values = self.values(args, kwargs)
            edges = self.edges(values)
        if type(result) is tuple or type(result) is list:
            return self._several(result, first, values or args, edges, frame)
        if self.loops and self.promote is None and result.ndim > 1:
            result = arranged(result, arrays)
        out = wrap(result if type(result) is ndarray else asarray(result))
        if self.view:
            show(out, first)
        if edges is not None:
            return self.recorded(out, values, edges, frame)
        self._remember(out, edges, args, frame)
        return out

    def recorded(self, out: Tensor, values: Any, edges: tuple, frame: Any) -> Tensor:
        """The result, with its node."""
        if out.array.dtype.kind in "fcV":
            out.node = self.record(values, edges, (out,), frame)
            mode = recording.get()
            if mode is not True:
                mode.keep(self, out.node, values)
        elif self.name != "to_dtype":  # from whole numbers to which fill_ gave a history
            raise unrecordable(out.array)
        else:
            self._remember(out, edges, values, frame)
        return out

    def _remember(self, out: Tensor, edges: tuple | None, args: Any, frame: Any) -> None:
        """Let a result that is not recorded remember why."""
        why = recording.get() and True
        if why and (edges is not None or (not self.places and tracked(args))):
            why = CONSTANT
        remember(out, self._node[0], why, frame, args)

    def _at_level(self, level: Any, args: tuple, kwargs: dict, frame: Any) -> Any:
        """The operation on tensors of an open transformation, recorded at that level if anything there needs it."""
        out = kwargs.pop("out", None)
        direct = self.direct
        if direct is None:
            perform = lambda args, kwargs: self(args, kwargs, frame)  # noqa: E731
        else:
            perform = lambda args, kwargs: direct(*args, **kwargs)  # noqa: E731
        result = level.interpret(perform, self, args, kwargs)
        values: Any = ()
        edges = None
        mode = recording.get()
        if self.places and mode:
            values = self.values(args, kwargs)
            edges = self.edges(values, level)
        first: Any = _first_tensor(list(args))
        if isinstance(result, Tensor):
            if self.view:
                show(result, first)
            if edges is not None and result.array.dtype.kind in "fcV":
                result.node = self.record(values, edges, (result,), frame)
                if mode is not True:
                    mode.keep(self, result.node, values)
        else:
            result = self._linked(list(result), first, values, edges, frame)
        return result if out is None else _into_layered(level, out, result)

    def evaluate(self, arrays: Any, named_arrays: dict) -> Any:
        """The result from bare arrays, operands brought to one type where the operation asks for it."""
        if self.promote is None:
            return self.compute(*arrays, **named_arrays)
        values = list(self.values(arrays, named_arrays))
        places = self.places or range(len(values))
        try:
            operands, dtype = promoted(tuple(values[p] for p in places), self.promote == "float")
        except (TypeError, ValueError) as error:
            for place in places:
                if not isinstance(values[place], OPERANDS):
                    raise self.refusal(place, values[place]) from None
            raise error
        for place, operand in zip(places, operands):
            values[place] = operand
        keywords = dict(zip(self.names[self.positional :], values[self.positional :]))
        try:
            result = self.compute(*values[: self.positional], **keywords)
        except ValueError as error:
            raise broadcast_error(error, operands) from None
        if self.loops and result.ndim > 1:
            result = arranged(result, values)
        return result.astype(dtype) if is_half(dtype) and result.dtype == float32 else result

    def _without_tensors(self, arrays: list, named_arrays: dict) -> Any:
        """Bare arrays in, bare arrays out; sums, products and the like of two numbers are Tensors."""
        bare = False
        for position, value in enumerate(arrays):
            if isinstance(value, np.generic):
                arrays[position] = asarray(value)
                bare = True
            elif type(value) is ndarray or (type(value) in (list, tuple) and value and type(value[0]) is ndarray):
                bare = True
        if not bare and self.names and self.tail[0] is None and not self.of_numbers:
            for value in arrays[:1] or [named_arrays[n] for n in self.names[:1] if n in named_arrays]:
                raise self.refusal(0, value)
        result = self.evaluate(arrays, named_arrays)
        if bare:
            return result
        if type(result) is tuple or type(result) is list:
            return self._several(result, None, (), None, None)
        return wrap(asarray(result))

    def refusal(self, place: int, value: Any) -> TypeError:
        """The error for something else where a Tensor is expected."""
        name, kind = self.names[place], type(value).__name__
        return TypeError(f"{self.name}(): argument '{name}' (position {place + 1}) must be Tensor, not {kind}")

    def misplaced(self, error: AttributeError, args: tuple, kwargs: dict, written: bool = False) -> Exception:
        """The error for what was given in place of a Tensor; ``error`` itself if it is about something else."""
        for position, (name, value) in enumerate(zip(self.names, self.values(args, kwargs)), 1):
            if value is error.obj and not isinstance(value, Tensor):
                kind, called = type(value).__name__, f"{self.name}_" if written else self.name
                place = position - written
                return TypeError(f"{called}(): argument '{name}' (position {place}) must be Tensor, not {kind}")
        return error

    def operands(self, args: tuple, kwargs: dict) -> list[tuple[str, Any]]:
        """The arguments with their names."""
        if self.variadic:
            return [("tensors", args), *kwargs.items()]
        return [*zip(self.names, args), *kwargs.items()]

    def check_recordable(self, args: tuple, kwargs: dict, written: bool = False) -> None:
        """Errors of recording an operation, which in PyTorch come before those of the operation itself.

        One that is ``written`` into its first argument keeps a copy of that.
        """
        if not recording.get():
            return
        values = self.values(args, kwargs)
        recorded = not written or self._records_into(values[0])
        edges = self.edges(values) if recorded and self.wanted(values) else None
        if edges is not None:
            for _, source, place in self.plan(self.leading(edges)):
                if source == VALUE and isinstance(values[place], Tensor) and not (written and place == 0):
                    values[place].version[0]  # of an inference tensor: an error

    def _several(self, arrays: Any, first: Any, values: Any, edges: tuple | None, frame: Any) -> Any:
        """The outputs of an operation that has more than one."""
        outs = [wrap(array if type(array) is ndarray else asarray(array)) for array in arrays]
        return self._linked(outs, first, values, edges, frame)

    def _linked(self, outs: list, first: Any, values: Any, edges: tuple | None, frame: Any) -> Any:
        """The outputs as what the operation returns, recorded if there are edges."""
        if self.view:
            for out in outs:
                show(out, first, View.MULTI_OUTPUT)
        if edges is not None:
            names = self.outputs or ("",) * len(outs)
            linked = [o for n, o in zip(names, outs) if n not in self.nondifferentiable and o.array.dtype.kind in "fcV"]
            if linked:
                node = self.record(values, edges, outs, frame)
                if self.several:
                    node.outputs = [(out.array.shape, out.array.dtype) for out in linked]
                    for index in reversed(range(len(linked))):  # backward passes the latest first: in order
                        linked[index].node = make_slot(node, index)
                else:
                    linked[0].node = node
                if (mode := recording.get()) is not True:
                    mode.keep(self, node, values)
            elif len(self.nondifferentiable) < len(outs):
                raise unrecordable(outs[0].array)
        for out in outs:
            if out.node is None:
                self._remember(out, edges, values, frame)
        return tuple(outs) if self.outputs is None else self.returns(outs)

    # In-place and out= forms

    def inplace(self, args: tuple, kwargs: dict, frame: Any) -> Tensor:
        """The operation with its result written into its first argument."""
        target = args[0]
        self._check_arguments(args, kwargs)
        level = top_level((*args, *kwargs.values())) if open_levels.get() else None
        mode = recording.get()
        values, edges = self._recorded_inplace(target, args, kwargs, level) if mode else ((), None)
        others = tensors_in((*args[1:], *kwargs.values()))
        if self.overlap == "same":
            self._check_single(target, others, args, kwargs)
            check_apart(target, others)
        elif self.overlap == "anywhere, target first":
            self._check_single(target, others, args, kwargs)
        if level is None:
            value: Any = self._value_inplace(args, kwargs)
        else:
            if mode:
                args = tuple(_before_change(target) if arg is target else arg for arg in args)
            value = level.interpret(lambda args, kwargs: self(args, kwargs, frame), self, args, kwargs)
        if self.overlap != "same":
            self._check_single(target, others, args, kwargs)
        if self.overlap == "nowhere":
            check_apart(target, others, same=False)
        try:
            check_fits(target.array, value if level is None else value.array)
        except RuntimeError:
            self.check_recordable(args, kwargs, written=True)
            raise
        check_counted(target, self.inplace_name)
        node = None
        if edges is not None:
            kept = any(source == VALUE and place == 0 for _, source, place in self.plan(edges))
            original = copied(target) if kept else None
            node = self.record(values, edges, (target,), frame, original, self.inplace_node)
        elif mode and (level is None or level.records(target)) and self._cuts():
            node = self._cut(target, others, frame)
        if level is None:
            self._overwrite(target, value, frame)
        else:
            level.write(target, value)
        if node is not None:
            node.written(target)
            if mode is not True:
                mode.keep(self, node, values)
            rewrite_history(target, node)
            if target._view is not None:
                node.shown(target)
        return target

    def _recorded_inplace(self, target: Tensor, args: tuple, kwargs: dict, level: Any) -> tuple:
        """The arguments and edges to record the in-place form with, if its target may be changed.

        Raises:
            RuntimeError: it is a leaf that requires grad, or a view that takes no changes.
        """
        values = self.values(args, kwargs)
        if self.name.startswith("logical_"):  # as in PyTorch, nobody looks at the history
            return values, None
        linked = self._records_into(target)
        cut = [] if self.places or not self._cuts() else self._cut_from(target, tensors_in(values[1:]))
        check_history(target, self.inplace_name, bool(cut) or linked and self.wanted(values))
        for tensor in cut:
            edge_of(tensor)  # a view may have become unusable
        return values, self.edges(values, level) if linked else None

    def _check_single(self, target: Tensor, others: list[Tensor], args: tuple, kwargs: dict) -> None:
        """Refuse a target whose elements share places in memory, if it matters."""
        if self.idempotent or (self.name == "copy" and is_same_place(target.array, others[0].array)):
            return
        try:
            check_single(target.array)
        except RuntimeError:
            self.check_recordable(args, kwargs, written=True)
            raise

    def _records_into(self, target: Tensor) -> bool:
        """Whether the in-place form is recorded: as in PyTorch, all are for whole numbers too, but for ``copy_``."""
        return target.array.dtype.kind in "fcV" or self.name != "copy"

    def _value_inplace(self, args: tuple, kwargs: dict) -> ndarray:
        """What is to be written into the first argument."""
        try:
            return asarray(self.evaluate([raw(v) for v in args], {key: raw(v) for key, v in kwargs.items()}))
        except KINDS as error:
            self.check_recordable(args, kwargs, written=True)
            raise with_shapes(error, f"{self.name}_", self.operands(args, kwargs)) from None

    def _overwrite(self, target: Tensor, value: ndarray, frame: Any) -> None:
        """Write into a tensor, and count that."""
        changes: Any = True
        if self.idempotent and 0 in target.array.strides:  # what is not written must not undo what is
            changes = value != target.array
        np.copyto(target.array, value, casting="unsafe", where=changes)
        bump(target, self.inplace_name, frame)

    def _check_arguments(self, args: tuple, kwargs: dict) -> None:
        """Refuse too many arguments of the in-place form, and too few."""
        if not isinstance(args[0], Tensor):
            kind = type(args[0]).__name__
            raise TypeError(f"{self.name}_(): argument 'input' (position 1) must be Tensor, not {kind}")
        if len(args) > self.positional and not self.variadic:
            raise TypeError(
                f"{self.name}_() takes {self.positional - 1} positional argument(s) but {len(args) - 1} were given"
            )
        for name in self.names[len(args) : self.required]:
            if name not in kwargs:
                raise TypeError(f'{self.name}_() missing 1 required positional argument: "{name}"')

    def _cuts(self) -> bool:
        """Whether it has a node where it has no derivative: as in PyTorch, not where it leaves the history as it is."""
        return not self.name.startswith("logical_") and self.name != "copy"

    def _cut_from(self, target: Tensor, others: list[Tensor]) -> list[Tensor]:
        """What the node of an in-place operation without a derivative leads to; nothing if none is wanted."""
        tensors = [target, *(others if self.name in ("eq", "ne", "lt", "le", "gt", "ge") else ())]
        return tensors if any(tensor.requires_grad for tensor in tensors) else []

    def _cut(self, target: Tensor, others: list[Tensor], frame: Any) -> Any:
        """The node of an in-place operation without a derivative, if one is wanted."""
        tensors = self._cut_from(target, others)
        if not tensors:
            return None
        name = f"{self.name.capitalize()}Backward{len(tensors) - 1}"
        metas = [(tensor.array.shape, tensor.array.dtype) for tensor in tensors]
        return make_node(cut(name), tuple(map(edge_of, tensors)), Facts(metas=metas), frame)

    def into(self, args: tuple, kwargs: dict, frame: Any) -> Any:
        """The operation with its results written into given tensors, which are resized if they have to be."""
        out = kwargs.pop("out")
        targets = out if isinstance(out, (tuple, list)) else (out,)
        given = tensors_in((*args, *kwargs.values(), *targets))
        tracked = next((t for t in given if t.requires_grad), None) if recording.get() else None
        if tracked is not None:
            raise RuntimeError(
                explained(
                    f"{self.name}(): functions with out=... arguments don't support automatic differentiation, but one "
                    "of the arguments requires grad.",
                    f"It is {made(tracked)}",
                    f"The call: {where(*user_place(frame))}",
                    "Leave out= away, or use torch.no_grad().",
                )
            )
        results = self.evaluate([raw(v) for v in args], {key: raw(v) for key, v in kwargs.items()})
        results = tuple(results) if type(results) in (tuple, list) else (results,)
        if self.elementwise:
            for target in targets:
                check_apart(target, tensors_in((*args, *kwargs.values())))
        if self.apart:
            for target, result in zip(targets, results):
                check_out(self.name, target, result, tensors_in((*args, *kwargs.values())))
        for target, result in zip(targets, results, strict=True):
            write_out(target, asarray(result))
        return self.returns(targets) if len(targets) > 1 else targets[0]


def _before_change(target: Tensor) -> Tensor:
    """A copy of what is about to be changed, for the levels below to save for backward."""
    from .convert import clone

    return clone(target)


def _into_layered(level: Any, out: Any, result: Any) -> Any:
    """``out=`` at a level: the results written into given tensors."""
    pairs = zip(out, result, strict=True) if isinstance(out, (tuple, list)) else ((out, result),)
    for target, value in pairs:
        level.write(target, value)
    return out


def _first_tensor(value: Any) -> Tensor | None:
    if isinstance(value, Tensor):
        return value
    if type(value) is list or type(value) is tuple:
        for item in value:
            found = _first_tensor(item)
            if found is not None:
                return found
    return None


def op(name: str | None = None, **options: Any) -> Callable:
    """Declare an operation: decorate its function on arrays, giving a rule by the name of each differentiable argument.

    Options that are not rules: ``elementwise``, ``promote``, ``view``, ``outputs``, ``sequence``, ``composite``,
    ``nondifferentiable``, ``idempotent`` and ``overlap``, see `Op`. A rule under several names
    (``**{"input, weight": rule}``) gives a tuple of gradients, and may take ``needs`` to see which are wanted.
    """
    settings = {key: options.pop(key) for key in tuple(options) if key in OPTIONS}

    def declare(compute: Callable) -> Callable:
        spec = Op(name, compute, {key: named(rule) for key, rule in options.items()}, **settings)
        perform = spec.__call__
        converts = spec.promote is not None
        ordinary: Callable | None = None

        def general(*args: Any, **kwargs: Any) -> Any:
            return perform(args, kwargs, current_frame(1))

        @functools.wraps(compute)
        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal ordinary
            if args and isinstance(args[0], BARE) and not converts:  # in a rule: bare arrays in, bare arrays out
                return compute(args[0] if type(args[0]) is ndarray else asarray(args[0]), *args[1:], **kwargs)
            try:
                if kwargs and "out" in kwargs:
                    return perform(args, kwargs, current_frame(1))
                if ordinary is None:
                    ordinary = ordinary_call(spec, general)
                return ordinary(*args, **kwargs)
            except AttributeError as error:
                raise spec.misplaced(error, args, kwargs) from None
            except KINDS as error:
                spec.check_recordable(args, kwargs)
                raise with_shapes(error, spec.name, spec.operands(args, kwargs)) from None

        call.op = spec  # type: ignore[attr-defined]
        return call

    return declare


OPTIONS = frozenset(
    ("apart", "aside", "batch", "composite", "elementwise", "flat", "idempotent", "linear", "nondifferentiable")
    + ("outputs", "overlap", "promote", "random", "real_rules", "sequence", "view")
)


def inplace(operation: Callable) -> Callable:
    """The in-place form of an operation: a method that writes the result into the tensor itself."""
    own = getattr(operation, "inplace", None)
    if own is not None:
        return own
    spec: Op = operation.op  # type: ignore[attr-defined]

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        try:
            return spec.inplace((self, *args), kwargs, current_frame(1))
        except AttributeError as error:
            raise spec.misplaced(error, (self, *args), kwargs, written=True) from None

    method.__name__ = f"{spec.name}_"
    method.__doc__ = f"`{spec.name}` in place."
    return method
