"""Custom operations: a forward and a backward of the user's own, recorded as one node."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from .modes import IN_FORWARD, recording
from .nesting import nested
from .node import Bundle, Node, Slot, current_frame, explained, freed_by, next_number, public_edge, user_place

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What forward and backward of one call of a `Function` share."""

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors for backward; a change in place before then is noticed."""
        from ..tensor import Tensor

        for place, tensor in enumerate(tensors):
            if tensor is not None and not isinstance(tensor, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {place} is of type "
                    f"{type(tensor).__name__}; keep other things as attributes of ctx"
                )
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for the forward-mode derivative."""
        self._saved_for_forward = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs forward has changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether gradients that did not arrive come as zeros (as by default) or as None."""
        self._materialize = value


class FunctionNode(Node, FunctionCtx):
    """A call of a `Function`, which is also the ``ctx`` that its methods see."""

    function: ClassVar[type[Function]]

    def __init__(self) -> None:
        self.number, self.edges, self.saved, self.fit, self.hooks = 0, (), (), None, None
        self.code, self.instruction = None, 0
        self._to_save: tuple = ()
        self._dirty: tuple = ()
        self._non_differentiable: tuple = ()
        self._materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()
        self.outputs: list = []
        self._inputs: list = []

    @property
    def saved_tensors(self) -> tuple:
        """The tensors that forward saved.

        Raises:
            RuntimeError: they have been freed, or one of them has been changed in place since.
        """
        if self.saved is None:
            from .engine import FREED

            raise RuntimeError(explained(FREED, *freed_by(self)))
        if self.saved == () and self._to_save:  # still in forward
            return self._to_save
        return tuple(None if kept is None else kept.load_tensor(self) for kept in self.saved)

    @property
    def _raw_saved_tensors(self) -> tuple:
        from ..ops.saving import SavedTensor

        if self.saved is None:
            from .engine import FREED

            raise RuntimeError(FREED)
        self.saved = keeps = list(self.saved)
        return tuple(SavedTensor(self, place, keeps) for place in range(len(keeps)))

    @property
    def saved_variables(self) -> tuple:
        """The old name of `saved_tensors`."""
        return self.saved_tensors

    @property
    def next_functions(self) -> tuple:
        """The nodes that the gradients of the tensor arguments go to, each with the number of its output."""
        return tuple(public_edge(edge) for edge, meta in zip(self.edges, self._inputs) if meta is not None)

    def __repr__(self) -> str:
        return f"<torch.autograd.function.{type(self).__name__} object at {id(self):#x}>"

    def run(self, g: Any) -> tuple:
        from ..tensor import wrap

        parts = self.call_backward(g, lambda array: wrap(np.asarray(array)))
        return tuple(None if part is None else part.array for part in parts)

    def run_recorded(self, g: Any) -> tuple:
        return self.call_backward(g, lambda tensor: tensor)

    def call_backward(self, g: Any, as_tensor: Callable) -> tuple:
        """The user's backward, with its result checked."""
        from ..tensor import wrap

        arrived = g if type(g) is Bundle else {0: g}
        gradients = []
        for index, meta in enumerate(self.outputs):
            if arrived.get(index) is not None:
                gradients.append(as_tensor(arrived[index]))
            else:
                gradients.append(wrap(np.zeros(*meta)) if self._materialize and meta is not None else None)
        parts = nested(self.function._backward(), self, *gradients)
        return self.checked(parts if isinstance(parts, tuple) else (parts,))

    def checked(self, parts: Any) -> tuple:
        """The gradients that backward returned, one for each input, in the shapes and types of the inputs."""
        from ..ops.promotion import fit
        from ..tensor import Tensor

        expected = len(self.edges)
        if len(parts) > expected and all(part is None for part in parts[expected:]):
            parts = parts[:expected]
        if len(parts) != expected:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected {expected}, got "
                f"{len(parts)})"
            )
        result: list = []
        for index, (part, edge, meta) in enumerate(zip(parts, self.edges, self._inputs)):
            if part is None or edge is None:
                if part is not None and meta is None:
                    raise RuntimeError(
                        f"function {self.name()} returned a gradient different than None at position {index + 1}, but "
                        "the corresponding forward input was not a Variable"
                    )
                result.append(None)
                continue
            if not isinstance(part, Tensor):
                raise RuntimeError(
                    f"function {self.name()}: expected Variable or None (got {type(part).__name__}) as gradient number "
                    f"{index}"
                )
            result.append(
                part if (part.array.shape, part.array.dtype) == meta else self._fitted(part, index, meta, fit)
            )
        return tuple(result)

    def _fitted(self, part: Any, index: int, meta: tuple, fit: Callable) -> Any:
        shape = part.array.shape
        try:
            expandable = np.broadcast_shapes(shape, meta[0]) == shape
        except ValueError:
            expandable = False
        if not expandable:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {index} - got {list(shape)} but "
                f"expected shape compatible with {list(meta[0])}"
            )
        return fit(part, *meta)


class Function:
    """Base class of custom operations.

    Define static methods ``forward(ctx, *args)`` and ``backward(ctx, *grad_outputs)``, or ``forward(*args)`` with
    ``setup_context(ctx, inputs, output)``; call the operation with ``apply``.

    >>> import rushlight as torch
    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**2
    ...
    ...     @staticmethod
    ...     def backward(ctx, grad_output):
    ...         (x,) = ctx.saved_tensors
    ...         return grad_output * 2 * x
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> Square.apply(x).backward()
    >>> x.grad
    tensor(6.)
    """

    _node: ClassVar[type[FunctionNode]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._node = type(f"{cls.__name__}Backward", (FunctionNode,), {"function": cls})

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Methods on it are static: use "
            f"{type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs; nothing in it is recorded."""
        raise NotImplementedError("You must implement the forward function for custom autograd.Function.")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Keep what backward needs, where forward takes no ``ctx``."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradient of each input from those of the outputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    vjp = backward

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """The tangents of the outputs from those of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with forward mode AD."
        )

    @classmethod
    def _backward(cls) -> Callable:
        own_backward, own_vjp = cls.backward is not Function.backward, cls.vjp is not Function.vjp
        if own_backward and own_vjp:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You should only "
                f"implement one of them: {cls.__name__}"
            )
        return cls.vjp if own_vjp else cls.backward

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run the operation and record it."""
        from ..tensor import Tensor, edge_of

        node = cls._node()
        node.number = next_number()
        edges = tuple(edge_of(arg) if isinstance(arg, Tensor) else None for arg in args)
        node.needs_input_grad = tuple(edge is not None for edge in edges)
        recorded = recording.get() and any(node.needs_input_grad)
        outer = recording.get()
        recording.set(IN_FORWARD)
        try:
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(node, args, output)
            else:
                output = cls.forward(node, *args, **kwargs)
        finally:
            recording.set(outer)
        if not recorded:
            return output
        node.edges = edges
        node._inputs = [(arg.array.shape, arg.array.dtype) if isinstance(arg, Tensor) else None for arg in args]
        node.code, node.instruction = user_place(current_frame(1))
        single = not isinstance(output, tuple)
        outputs = link(node, args, (output,) if single else output)
        return outputs[0] if single else outputs


def link(node: FunctionNode, args: tuple, outputs: tuple) -> tuple:
    """Put the outputs of a custom operation into the graph and keep what it asked to be saved."""
    from ..ops.nodes import OUTPUT, Saved, make_slot
    from ..ops.writing import bump, leaf_changed, rewrite_history, show
    from ..tensor import Tensor, View, alias, edge_of, wrap

    differentiable = [
        isinstance(out, Tensor) and out.array.dtype.kind in "fcV" and not _among(out, node._non_differentiable)
        for out in outputs
    ]
    several = len(outputs) > 1
    linked: list = []
    for index, (out, counts) in enumerate(zip(outputs, differentiable)):
        if not isinstance(out, Tensor):
            linked.append(out)
            node.outputs.append(None)
            continue
        node.outputs.append((out.array.shape, out.array.dtype))
        if not counts:
            linked.append(alias(out) if _among(out, args) and not _among(out, node._dirty) else out)
            continue
        end = make_slot(node, index) if several else node
        if _among(out, node._dirty):
            if out.leaf and out.node is None:
                raise leaf_changed(out, f"{node.name()} (mark_dirty)")
            bump(out, f"{node.name()} (mark_dirty)", current_frame(2))
            rewrite_history(out, end)
        else:
            if _among(out, args):
                shown = out
                out = wrap(out.array)
                show(out, shown, View.CUSTOM)
            elif out._view is not None:
                out._view.made = View.CUSTOM
            elif out.node is not None:
                out = alias(out)
            out.node, out.leaf = end, False
        linked.append(out)
    node.saved = tuple(_kept(tensor, node, args, outputs, linked, Saved, OUTPUT, edge_of) for tensor in node._to_save)
    if recording.get() is not True:
        node.saved = tuple(_packed(kept, node, tensor) for kept, tensor in zip(node.saved, node._to_save))
    node._to_save = ()
    return tuple(linked)


def _packed(kept: Any, node: Node, tensor: Any) -> Any:
    """What was saved, as hooks on saved tensors leave it."""
    from ..ops.saving import packed

    if kept is None:
        return None
    return packed(kept, node, tensor if kept.array is tensor.array and tensor.node is not None else None)


def _kept(
    tensor: Any, node: Node, args: tuple, outputs: tuple, linked: list, Saved: type, OUTPUT: Any, edge_of: Callable
) -> Any:
    """A tensor that forward saved, with its place in the graph; one that is an output must not point back at it."""
    if tensor is None:
        return None
    for before, after in zip(outputs, linked):
        if tensor is before or tensor is after:
            if after.node is node:
                return Saved(after.array, after.version, OUTPUT)
            if type(after.node) is Slot and after.node.edges[0] is node:
                return Saved(after.array, after.version, after.node.index)
            return Saved(after.array, after.version, edge_of(after))
    return Saved(tensor.array, tensor.version, edge_of(tensor))


def _among(tensor: Any, tensors: tuple) -> bool:
    return any(tensor is other for other in tensors)


def once_differentiable(backward: Callable) -> Callable:
    """Mark a backward that cannot be differentiated itself: a second derivative raises an error."""

    @functools.wraps(backward)
    def wrapper(ctx: Any, *args: Any) -> Any:
        from ..tensor import Tensor, wrap

        outer = recording.get()
        recording.set(False)
        try:
            outputs = backward(ctx, *args)
        finally:
            recording.set(outer)
        if not outer or not any(isinstance(arg, Tensor) and arg.requires_grad for arg in args):
            return outputs
        single = not isinstance(outputs, tuple)
        ends = []
        for output in (outputs,) if single else outputs:
            if output is not None:
                output = wrap(output.array)
                output.node = _Undifferentiable()
            ends.append(output)
        return ends[0] if single else tuple(ends)

    return wrapper


class _Undifferentiable(Node):
    """Where a second derivative through a once-differentiable backward ends."""

    __slots__ = ()

    def __init__(self) -> None:
        self.number, self.edges, self.saved, self.fit, self.hooks = next_number(), (), (), None, None
        self.code, self.instruction = user_place(current_frame(1))

    def run(self, g: Any) -> tuple:
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

    run_recorded = run
