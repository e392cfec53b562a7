"""Elementwise operations on the fast path: plain tensors of one of float32 and float64, and numbers.

Everything else takes the general way of `define`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.modes import inferring, recording
from ..autograd.node import current_frame, latest, next_number, user_place
from ..autograd.origin import remember
from ..autograd.versions import inference_cell
from ..kernels.layout import arranged
from ..tensor import Parameter, Tensor, new, view_edge, wrap
from .declaration import OF_A_NUMBER
from .define import OPERANDS, Op
from .nodes import OUTPUT, ElementwiseBackward, Nowhere, Saved, current, make_node, needed, positional, restore
from .promotion import broadcast_error, fit, float32, float64
from .sizes import KINDS, with_shapes
from .writing import needs_record, unrecorded

ndarray = np.ndarray
single, double, int64 = np.float32, np.float64, np.dtype("int64")


def unary(
    name: str,
    value: Callable,
    derivative: Callable,
    back: Callable | None = None,
    *,
    promote: str = "common",
    doc: str | None = "",
) -> Callable:
    """Declare an elementwise operation of one argument from ``f`` on arrays and the rule ``(g, input, result)``.

    Args:
        back: the rule in one call for arrays, of ``g`` and that of input and result which the rule takes.
    """
    rule = positional(derivative, ("g", "input", "result"))
    keeps = "input" if "input" in rule.needs else "result" if "result" in rule.needs else None
    both = len(rule.needs) == 2

    def compute(input: Any) -> Any:
        return value(input)

    compute.__name__ = compute.__qualname__ = name.split("Backward")[0].lower()
    spec = Op(name, compute, {"input": rule}, elementwise=True, promote=promote)

    class Fast(ElementwiseBackward):
        __slots__ = ()
        rules = (rule,)

        def kept(self, recorded: bool) -> dict[str | None, Any]:
            if type(self.saved) is dict:
                return super().kept(recorded)
            array, cell, version = self.saved or (None, (0,), 0)
            if cell[0] != version:
                array = current(self, array, cell, version, OUTPUT if keeps == "result" else self.edges[0])
            if recorded and array is not None:
                place = self if keeps == "result" else self.edges[0]
                array = restore(array, cell, place)
            return {keeps: array}

        def run(self, g: Any, asked: tuple | None = None) -> tuple:
            saved = self.saved
            if type(saved) is dict:
                return self.apply(g, self.kept(False), self.edges)
            if not keeps:
                return (derivative(g, None, None),)
            array, cell, version = saved
            if cell[0] != version:
                array = current(self, array, cell, version, OUTPUT if keeps == "result" else self.edges[0])
            if type(g) is not ndarray:
                array = array[()]
            elif back is not None:
                return (back(g, array),)
            return (derivative(g, array, None) if keeps == "input" else derivative(g, None, array),)

    Fast.__name__ = Fast.__qualname__ = name
    spec.node, spec.fast = Fast, True

    def call(input: Any, *, out: Any = None) -> Any:
        kind = type(input)
        if (kind is Tensor or kind is Parameter) and out is None:
            x = input.array
            dtype = x.dtype
            if dtype is float32 or dtype is float64:
                y = value(x)
                if type(y) is not ndarray:
                    y = asarray(y)
                if input._view is not None and y.ndim > 1:
                    y = arranged(y, (x,))
                result = new(Tensor)
                result.array, result.leaf, result._grad, result._view, result._hooks = y, False, None, None, None
                mode = recording.get()
                if mode is True:
                    result.version = cell = [0]
                    edge = input.node
                    if input._view is not None:
                        edge = view_edge(input)
                    elif edge is None and input.leaf:
                        edge = input
                    if edge is not None:
                        node = Fast()
                        node.number, node.edges, node.fit, node.hooks = next_number(), (edge,), None, None
                        if both:
                            node.saved = {"input": Saved(x, input.version, edge), "result": Saved(y, cell, OUTPUT)}
                        elif keeps == "input":
                            cell = input.version
                            node.saved = (x, cell, cell[0])
                        elif keeps:
                            node.saved = (y, cell, 0)
                        else:
                            node.saved = ()
                        frame = current_frame(1)
                        code = frame.f_code
                        if code is latest.code:
                            node.code, node.instruction = code, frame.f_lasti
                        else:
                            node.code, node.instruction = user_place(frame)
                        result.node = node
                        return result
                elif mode:
                    return spec((input,), {}, current_frame(1))
                else:
                    result.version = inference_cell if inferring.get() else [0]
                result.node = None
                frame = current_frame(1)
                code = frame.f_code
                if code is latest.code and mode is not True:
                    result.origin = spec.name, mode, code, frame.f_lasti, (), 0
                else:
                    remember(result, spec.name, mode, frame, input)
                return result
        if kind is ndarray and out is None and (input.dtype is float32 or input.dtype is float64):
            return value(input)  # in a rule: bare arrays in, bare arrays out
        if (kind is single or kind is double) and out is None:
            return value(asarray(input))[()]
        return spec((input,), {} if out is None else {"out": out}, current_frame(1))

    call.op, spec.direct = spec, call  # type: ignore[attr-defined]
    call.__name__ = call.__qualname__ = spec.name
    call.__doc__ = doc
    return call


def binary(
    name: str,
    value: Callable,
    input: Callable,
    other: Callable,
    arrays: tuple[Callable, Callable] | None = None,
    spread: Callable | None = None,
    *,
    promote: str = "common",
    doc: str | None = "",
) -> Callable:
    """Declare an elementwise operation of two arguments from ``f`` on arrays and two rules ``(g, input, other)``.

    Args:
        arrays: the same rules for arrays only.
        spread: both rules for arrays that were broadcast, ``(g, the other operand, shape)``; it may sum to the shape.
    """
    by_input = positional(input, ("g", "input", "other"))
    by_other = positional(other, ("g", "input", "other"))
    input_needs_input, input_needs_other = ("input" in by_input.needs), ("other" in by_input.needs)
    other_needs_input, other_needs_other = ("input" in by_other.needs), ("other" in by_other.needs)
    keeps = bool(by_input.needs or by_other.needs)
    d_input, d_other = input, other
    backs = arrays or (input, other)

    def compute(input: Any, other: Any) -> Any:
        return value(input, other)

    compute.__name__ = compute.__qualname__ = name.split("Backward")[0].lower()
    spec = Op(name, compute, {"input": by_input, "other": by_other}, elementwise=True, promote=promote)
    spec.of_numbers = True

    class Fast(ElementwiseBackward):
        __slots__ = ()
        rules = (by_input, by_other)
        listed = OF_A_NUMBER.get(name, ElementwiseBackward.listed)

        def kept(self, recorded: bool) -> dict[str | None, Any]:
            if type(self.saved) is dict:
                return super().kept(recorded)
            if not self.saved:
                return {}
            a, cell_a, version_a, b, cell_b, version_b = self.saved
            if b is not None and cell_b[0] != version_b:
                b = needed(self, "other", b, cell_b, version_b, self.edges[1])
            if a is not None and cell_a[0] != version_a:
                a = needed(self, "input", a, cell_a, version_a, self.edges[0])
            if recorded:
                edge_a, edge_b = self.edges
                a = None if a is None else restore(a, cell_a, edge_a)
                b = None if b is None else restore(b, cell_b, edge_b)
            return {"input": a, "other": b}

        def run(self, g: Any, asked: tuple | None = None) -> tuple:
            saved = self.saved
            if type(saved) is dict:
                return self.apply(g, self.kept(False), asked or self.edges)
            edge_a, edge_b = asked or self.edges
            of_a, of_b = backs
            if saved:
                a, cell_a, version_a, b, cell_b, version_b = saved
                if cell_b[0] != version_b:
                    b = needed(self, "other", b, cell_b, version_b, self.edges[1])
                if cell_a[0] != version_a:
                    a = needed(self, "input", a, cell_a, version_a, self.edges[0])
            else:
                a = b = None
            if type(g) is not ndarray:  # a 0-dim gradient is a NumPy scalar, whose arithmetic is far cheaper
                a = a if a is None else a[()]
                b = b if b is None else b[()]
                of_a, of_b = d_input, d_other
            if self.fit is None:
                return None if edge_a is None else of_a(g, a, b), None if edge_b is None else of_b(g, a, b)
            (shape_a, dtype), (shape_b, _) = self.fit
            part_a = part_b = None
            if edge_a is not None:
                part_a = of_a(g, a, b) if spread is None else spread(g, b, shape_a)
                if part_a.shape != shape_a:
                    part_a = fit(part_a, shape_a, dtype)
            if edge_b is not None:
                part_b = of_b(g, a, b) if spread is None else spread(g, a, shape_b)
                if part_b.shape != shape_b:
                    part_b = fit(part_b, shape_b, dtype)
            return part_a, part_b

    Fast.__name__ = Fast.__qualname__ = name
    spec.node, spec.fast = Fast, True

    def form(slow: Callable) -> Callable:
        """The operation, with the way that everything else than plain tensors and numbers goes."""

        def call(input: Any, other: Any, *, out: Any = None) -> Any:
            kind = type(input)
            if (kind is Tensor or kind is Parameter) and out is None:
                a = input.array
                dtype = a.dtype
                if dtype is float32 or dtype is float64:
                    kind = type(other)
                    if kind is Tensor or kind is Parameter:
                        b = other.array
                        fast = b.dtype is dtype
                    else:
                        fast = kind is float or kind is int
                        if fast:
                            b = (constants32 if dtype is float32 else constants64).get(other)
                            if b is None:
                                b = constant(other, dtype)
                    if fast:
                        try:
                            y = value(a, b, out=...)
                        except ValueError as error:
                            spec.check_recordable((input, other), {})
                            raise broadcast_error(error, (a, b)) from None
                        ndim = y.ndim  # along two axes NumPy and PyTorch differ only if the first operand is unusual
                        if ndim > 1 and (
                            not a.flags.c_contiguous or (ndim > 2 and (not b.flags.c_contiguous or 1 in y.shape))
                        ):
                            y = arranged(y, (a, b))
                        result = new(Tensor)
                        result.array, result.leaf, result._grad, result._view, result._hooks = (
                            y,
                            False,
                            None,
                            None,
                            None,
                        )
                        mode = recording.get()
                        if mode is True:
                            result.version = [0]
                            edge_a = input.node
                            if input._view is not None:
                                edge_a = view_edge(input)
                                if type(edge_a) is Nowhere:  # for which nothing is kept
                                    return slow((input, other), {}, current_frame(1))
                            elif edge_a is None and input.leaf:
                                edge_a = input
                            if kind is float or kind is int:
                                edge_b, cell_b = None, CONSTANT
                            else:
                                cell_b = other.version
                                edge_b = other.node
                                if other._view is not None:
                                    edge_b = view_edge(other)
                                    if type(edge_b) is Nowhere:
                                        return slow((input, other), {}, current_frame(1))
                                elif edge_b is None and other.leaf:
                                    edge_b = other
                            if edge_a is not None or edge_b is not None:
                                node = Fast()
                                node.number, node.edges, node.hooks = next_number(), (edge_a, edge_b), None
                                if keeps:
                                    cell_a = input.version
                                    if edge_a is not None and edge_b is not None:
                                        node.saved = (a, cell_a, cell_a[0], b, cell_b, cell_b[0])
                                    else:
                                        if edge_b is None:
                                            keep_a, keep_b = input_needs_input, input_needs_other
                                        else:
                                            keep_a, keep_b = other_needs_input, other_needs_other
                                        node.saved = (
                                            *((a, cell_a, cell_a[0]) if keep_a else NOTHING),
                                            *((b, cell_b, cell_b[0]) if keep_b else NOTHING),
                                        )
                                else:
                                    node.saved = ()
                                if cell_b is CONSTANT or a.shape == b.shape:
                                    node.fit = None
                                else:
                                    node.fit = ((a.shape, dtype), (b.shape, dtype))
                                frame = current_frame(1)
                                code = frame.f_code
                                if code is latest.code:
                                    node.code, node.instruction = code, frame.f_lasti
                                else:
                                    node.code, node.instruction = user_place(frame)
                                result.node = node
                                return result
                        elif mode:
                            return spec((input, other), {}, current_frame(1))
                        else:
                            result.version = inference_cell if inferring.get() else [0]
                        result.node = None
                        frame = current_frame(1)
                        code = frame.f_code
                        if code is latest.code and mode is not True:
                            result.origin = spec.name, mode, code, frame.f_lasti, (), 0
                        else:
                            remember(result, spec.name, mode, frame, input, other)
                        return result
            bare = kind is ndarray and type(other) is ndarray and out is None and input.dtype is other.dtype
            if bare and (input.dtype is float32 or input.dtype is float64):
                return value(input, other)  # in a rule: bare arrays in, bare arrays out
            return slow((input, other), {} if out is None else {"out": out}, current_frame(1))

        call.__name__ = call.__qualname__ = spec.name
        call.__doc__ = doc
        return call

    call = form(spec.__call__)
    call.op, spec.direct = spec, call  # type: ignore[attr-defined]
    call.operator = form(known_only(spec))  # type: ignore[attr-defined]
    call.inplace = written(spec, value)  # type: ignore[attr-defined]
    return call


def parametric(
    operation: Callable, value: Callable, derivative: Callable, keeps: str = "input", back: Callable | None = None
) -> Callable:
    """Give an operation of one tensor and numbers, which keeps the tensor's shape, the fast path.

    ``value`` takes ``(input, *numbers)`` and the rule ``(g, input, *numbers)``, or with the result for the input;
    ``back`` is the rule in one call for arrays.
    """
    spec: Op = operation.op  # type: ignore[attr-defined]
    defaults = spec.tail[1:]
    names = (keeps, *spec.names[1:])

    class Fast(spec.node):  # type: ignore[name-defined]
        __slots__ = ()

        def kept(self, recorded: bool) -> dict[str | None, Any]:
            if type(self.saved) is dict:
                return super().kept(recorded)
            array, cell, version, numbers = self.saved
            if cell[0] != version:
                array = current(self, array, cell, version, OUTPUT if keeps == "result" else self.edges[0])
            if recorded:
                array = restore(array, cell, self if keeps == "result" else self.edges[0])
            return dict(zip(names, (array, *numbers)))

        def run(self, g: Any) -> tuple:
            if type(self.saved) is dict:
                return self.apply(g, self.kept(False), self.edges)
            array, cell, version, numbers = self.saved
            if cell[0] != version:
                array = current(self, array, cell, version, OUTPUT if keeps == "result" else self.edges[0])
            if back is not None and type(g) is ndarray:
                return (back(g, array, *numbers),)
            return (derivative(g, array, *numbers),)

    Fast.__name__ = Fast.__qualname__ = spec.node.__name__
    spec.node, spec.fast = Fast, True

    @functools.wraps(operation.__wrapped__)  # type: ignore[attr-defined]
    def call(input: Any, *numbers: Any, **options: Any) -> Any:
        kind = type(input)
        if (kind is Tensor or kind is Parameter) and not options:
            x = input.array
            dtype = x.dtype
            if dtype is float32 or dtype is float64:
                if len(numbers) < len(defaults):
                    numbers += defaults[len(numbers) :]
                try:
                    y = value(x, *numbers)
                except KINDS as error:
                    spec.check_recordable((input, *numbers), {})
                    raise with_shapes(error, spec.name, (("input", input),)) from None
                if input._view is not None and spec.loops:
                    y = arranged(y, (x,))
                result = wrap(y if type(y) is ndarray else asarray(y))
                mode = recording.get()
                if mode is not True and mode:
                    return spec((input, *numbers), options, current_frame(1))
                if mode:
                    edge = view_edge(input) if input._view is not None else input if input.leaf else input.node
                    if edge is not None:
                        kept, cell = (x, input.version) if keeps == "input" else (result.array, result.version)
                        result.node = make_node(Fast, (edge,), (kept, cell, cell[0], numbers), current_frame(1))
                        return result
                remember(result, spec.name, mode, current_frame(1), input)
                return result
        if kind is ndarray:  # in a rule: bare arrays in, bare arrays out
            return operation(input, *numbers, **options)
        return spec((input, *numbers), options, current_frame(1))

    call.op = spec  # type: ignore[attr-defined]
    return call


def whole(operation: Callable, derivative: Callable) -> Callable:
    """Give a reduction over all elements, which keeps only the shape of its input, the fast path.

    The rule takes ``(g, shape)``.
    """
    spec: Op = operation.op  # type: ignore[attr-defined]
    value = spec.compute

    class Fast(spec.node):  # type: ignore[name-defined]
        __slots__ = ()

        def run(self, g: Any) -> tuple:
            return (derivative(g, self.fit),) if self.saved == () else super().run(g)

        def run_recorded(self, g: Any) -> tuple:
            return (derivative(g, self.fit),) if self.saved == () else super().run_recorded(g)

    Fast.__name__ = Fast.__qualname__ = spec.node.__name__
    spec.node = Fast

    def call(input: Any) -> Any:
        kind = type(input)
        if kind is Tensor or kind is Parameter:
            x = input.array
            dtype = x.dtype
            if dtype is float32 or dtype is float64:
                mode = recording.get()
                if mode is not True and mode:
                    return operation(input)
                result = wrap(asarray(value(x)))
                if mode:
                    edge = view_edge(input) if input._view is not None else input if input.leaf else input.node
                    if edge is not None:
                        node = result.node = make_node(Fast, (edge,), (), current_frame(2))
                        node.fit = x.shape
                        return result
                remember(result, spec.name, mode, current_frame(2), input)
                return result
        return operation(input)

    call.op = spec  # type: ignore[attr-defined]
    return call


def written(spec: Op, value: Callable, scaled: Op | None = None) -> Callable:
    """The in-place form of an operation of two arguments; where nothing is recorded it needs no temporary.

    ``scaled`` is its form with ``alpha``, if it has one.
    """
    called = f"{spec.name}_"
    whole = spec.name in ("add", "sub", "mul")  # of whole numbers it gives whole numbers

    def call(self: Tensor, other: Any, *, alpha: Any = None) -> Tensor:
        if alpha is not None:
            if scaled is None:
                raise TypeError(f"{called}() got an unexpected keyword argument 'alpha'")
            if type(alpha) is not int or alpha != 1:
                return scaled.inplace((self, other), {"alpha": alpha}, current_frame(1))
        if unrecorded(self):
            a = self.array
            dtype = a.dtype
            kind = type(other)
            if (
                dtype is float32
                or dtype is float64
                or (dtype is int64 and kind is int and whole and abs(other) < 2**31)
            ):
                b = None
                if kind is float or kind is int:
                    b = constants[dtype].get(other)
                    if b is None:
                        b = constant(other, dtype)
                elif (
                    (kind is Tensor or kind is Parameter)
                    and other.array.dtype is dtype
                    and (other.version is not self.version or other is self)
                    and not needs_record(other)
                ):
                    b = other.array
                if b is not None and (b.shape == a.shape or b.ndim == 0):
                    value(a, b, a)
                    frame = current_frame(1)
                    code = frame.f_code
                    changed = (called, code, frame.f_lasti) if code is latest.code else (called, *user_place(frame))
                    cell = self.version
                    cell[0] += 1
                    if len(cell) > 1:
                        cell[1] = changed
                    else:
                        cell.append(changed)
                    return self
        return spec.inplace((self, other), {}, current_frame(1))

    call.__name__ = call.__qualname__ = called
    call.__doc__ = f"`{spec.name}` in place."
    return call


def no_method(self: Any) -> TypeError:
    """The error for a method of Tensor on something else."""
    return TypeError(f"descriptor for 'Tensor' objects doesn't apply to a '{type(self).__name__}' object")


def known_only(spec: Op) -> Callable:
    """An operation as a Python operator, which leaves operands that it does not know to their own methods."""

    def slow(args: tuple, kwargs: dict, frame: Any) -> Any:
        if not isinstance(args[0], Tensor):
            if spec.name == "rsub":  # in PyTorch a function in Python, unlike the others
                return NotImplemented
            raise no_method(args[0])
        return spec(args, kwargs, frame) if isinstance(args[1], OPERANDS) else NotImplemented

    return slow


CONSTANT = [0]
"""The version cell of numbers, which nothing can change."""

NOTHING = (None, CONSTANT, 0)
"""In the place of an operand that is not kept."""

asarray = np.asarray

constants: dict[np.dtype, dict[float, ndarray]] = {float32: {}, float64: {}, int64: {}}


constants32, constants64 = constants[float32], constants[float64]


def constant(value: float, dtype: np.dtype) -> ndarray:
    """A number as a 0-dim array, kept for the next time: making one costs half as much as a small operation."""
    made = np.array(value, dtype)
    kept = constants[dtype]
    if value and len(kept) < 512:  # 0.0 and -0.0 are equal keys
        made.flags.writeable = False
        kept[value] = made
    return made
