"""Custom Functions in the graph: what becomes of their outputs, what they save, and which gradients they may return."""

from __future__ import annotations

import warnings
import weakref
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import recording
from ..autograd.node import Bundle, Node, Slot, current_frame, explained, here, next_number, user_place
from ..autograd.origin import made
from ..tensor import Tensor, View, alias, edge_of, wrap
from .levels import bare, is_open
from .nodes import OUTPUT, Kept, keep, make_slot
from .promotion import fit
from .saving import current, packed
from .writing import bump, check_history, rewrite_history, show


def link(node: Any, inputs: list[Tensor], outputs: tuple, recorded: bool, counted: bool = False) -> tuple:
    """The outputs of a custom operation as the caller gets them, with their place in the graph if it is recorded.

    Args:
        counted: what has been changed in place has been counted already, at a lower level of transformations.

    Raises:
        RuntimeError: an input marked as dirty is not among the outputs, is a leaf, or is a view that must not be
            overwritten; or what was marked is no tensor.
    """
    dirty = _marked(
        node, "dirty_tensors", "mark_dirty can only accept variables, but argument {place} is of type {kind}"
    )
    silent = _marked(
        node, "non_differentiable", "mark_non_differentiable only accepts variable arguments, but got {kind}"
    )
    for tensor in () if counted else dirty:
        bump(tensor, f"{node.name()} (mark_dirty)", current_frame(1))
    linked: list = []
    for index, output in enumerate(outputs):
        if isinstance(output, Tensor):
            given, changed = _among(output, inputs), _among(output, dirty)
            node.outputs.append((output.array.shape, output.array.dtype))
            node.differentiable.append(output.array.dtype.kind in "fcV" and not _among(output, silent))
            if recorded and node.differentiable[index]:
                end = make_slot(node, index) if len(outputs) > 1 else node
                output = _changed(output, end, given, node) if changed else _made(output, end, given, node)
            else:
                output = _unrecorded(output, given, changed, node)
            if output._view is not None and not (given and changed):
                output._view.made = node.shows = View.CUSTOM
        else:
            node.outputs.append(None)
            node.differentiable.append(False)
        linked.append(output)
    if recorded and sum(node.differentiable) > 1:
        for output in linked:
            if isinstance(output, Tensor) and output._view is not None:
                output._view.made = node.shows = View.MULTI_OUTPUT
    if not all(_among(tensor, outputs) for tensor in dirty):
        raise RuntimeError(
            "Some elements marked as dirty during the forward method were not returned as output. The inputs that are "
            f"modified inplace must all be outputs of the Function: return what {node.name()} was told to mark_dirty."
        )
    return tuple(linked)


def settle(node: Any) -> None:
    """The call is over: keep what it has saved, if it was recorded, and forget what it has marked.

    Raises:
        TypeError: what was saved is no tensor.
    """
    if node.inputs:
        if recording.get() is not True:
            current().note(node)
        node.kept = _saved(node, node.dirty_tensors or ())
    node.to_save = node.dirty_tensors = node.non_differentiable = node.saved_for_forward = None


def _marked(node: Any, attribute: str, complaint: str) -> tuple:
    """The tensors that forward has marked in one way."""
    marked = getattr(node, attribute)
    if marked is None:
        return ()
    if not isinstance(marked, tuple):
        kind = type(marked).__name__
        raise RuntimeError(f"autograd internal error: {attribute} attribute is expected to be a tuple but is {kind}")
    for place, tensor in enumerate(marked):
        if not isinstance(tensor, Tensor):
            raise RuntimeError(complaint.format(place=place, kind=type(tensor).__name__))
    return marked


def _unrecorded(output: Tensor, given: bool, changed: bool, node: Any) -> Tensor:
    """An output that has no gradient."""
    if not output.requires_grad:
        return _returned(output, node) if given and not changed else output
    if given:
        return _shared(output)
    if output._view is None:
        output.node, output.leaf = None, False
    return output


def _changed(output: Tensor, end: Node, given: bool, node: Any) -> Tensor:
    """An input that forward has overwritten: from now on it comes from this operation."""
    name = f"{node.name()} (mark_dirty)"
    if output.node is None and output.requires_grad:
        raise RuntimeError(
            explained(
                "a leaf Variable that requires grad has been used in an in-place operation.",
                f"It was changed by {name} at {here()}",
                f"The leaf: {made(output)}" if output._view is None else "",
                "Give the Function a .clone() of it, or call it under torch.no_grad().",
            )
        )
    if not given:
        warnings.warn(
            "ctx.mark_dirty() received a tensor that was not an input. Only input Tensors that have been mutated "
            "should be passed to ctx.mark_dirty().",
            stacklevel=4,
        )
    output._grad = None
    if output._view is not None and type(end) is Slot:
        raise RuntimeError(
            "If your Function modifies inplace an input that is a view of another Tensor, your Function cannot return "
            "more than one Tensor. Give it a .clone() of the view, or split it into one Function that changes the view "
            "and another that does the rest."
        )
    if output._view is not None:
        check_history(output, name, True)
    rewrite_history(output, end)
    return output


def _made(output: Tensor, end: Node, given: bool, node: Any) -> Tensor:
    """A new tensor that comes from this operation; an input that forward returns as it is becomes a view of itself."""
    if given:
        output = _returned(output, node)
    output.node, output.leaf = end, False
    if output._view is not None:
        output._view.seen = output._version
    return output


def _returned(tensor: Tensor, node: Any) -> Tensor:
    """A view of an input that forward returns as it is."""
    if node.has_own_setup() and _among(tensor, node.to_save or ()):
        raise RuntimeError(
            "An input that has been returned as-is as output is being saved for backward. This is not supported if you "
            "override setup_context. You should return and save a view of the input instead, e.g. with x.view_as(x) or "
            "setup ctx inside the forward function itself."
        )
    view = _shared(tensor)
    show(view, tensor)
    return view


def _shared(tensor: Tensor) -> Tensor:
    """The tensor without history."""
    return bare(tensor) if is_open(tensor) else alias(tensor)


def _among(tensor: Any, tensors: Iterable) -> bool:
    return any(tensor is other for other in tensors)


# What a custom Function saves


class Given(Kept):
    """A saved tensor that is not an output: as long as somebody holds it, it is loaded as the same object."""

    __slots__ = ("kept", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        self.kept, self.tensor = keep(tensor, history(tensor)), weakref.ref(tensor)
        self.place = self.kept.place

    def load(self, node: Node) -> np.ndarray:
        """The array; an error if it has been changed since."""
        return self.kept.load(node)

    def load_tensor(self, node: Node) -> Tensor:
        """The Tensor that it was."""
        tensor = self.tensor()
        if tensor is not None:
            edge_of(tensor)  # a view may have become unusable: that is what to tell first
        self.load(node)
        return self.kept.load_tensor(node) if tensor is None else tensor


def _saved(node: Any, dirty: tuple) -> list:
    """What ``save_for_backward`` was given, as the node keeps it."""
    given = node.to_save
    if given is None:
        return []
    if not isinstance(given, tuple):
        kind = type(given).__name__
        raise RuntimeError(f"autograd internal error: to_save attribute is expected to be a tuple but is {kind}")
    for place, tensor in enumerate(given):
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"save_for_backward can only save variables, but argument {place} is of type {type(tensor).__name__}; "
                "keep other things as attributes of ctx"
            )
    kept: list = [None if tensor is None else _kept(tensor, node, dirty) for tensor in given]
    if recording.get() is not True:
        kept = [None if one is None else packed(one, node, tensor) for one, tensor in zip(kept, given)]
    return kept


def history(tensor: Tensor) -> Any:
    """Where a tensor belongs in the graph; that a change in place has made it unusable, whoever uses it is told."""
    return tensor if tensor.leaf else tensor.node


def _kept(tensor: Tensor, node: Node, dirty: tuple) -> Kept:
    """A saved tensor; one that comes from the node must not point back at it."""
    edge = history(tensor)
    if edge is node or (tensor._view is not None and _among(tensor, dirty)):
        return keep(tensor, OUTPUT)
    if type(edge) is Slot and edge.edges[0] is node:
        return keep(tensor, edge.index)
    return Given(tensor)


# What its backward gets and returns


def arrived(node: Any, g: Any, recorded: bool) -> list:
    """The gradients of all outputs, with zeros, if they are wanted, for those that did not arrive."""
    parts = g if type(g) is Bundle else {0: g}
    gradients: list = []
    for index, meta in enumerate(node.outputs):
        part = parts.get(index)
        if part is not None:
            part = part if recorded else wrap(np.asarray(part))
        elif node.materialize_grads and meta is not None:
            part = wrap(np.zeros(*meta))
        gradients.append(part)
    return gradients


def checked(node: Any, parts: Any) -> tuple:
    """The gradients that backward returned, one for each tensor among the inputs, in their shapes and types.

    Raises:
        RuntimeError: there are too few or too many, or one is no tensor, or of a shape that cannot be its input's.
    """
    parts = parts if isinstance(parts, tuple) else (parts,)
    expected = len(node.takes_tensor)
    if len(parts) > expected and all(part is None for part in parts[expected:]):
        parts = parts[:expected]
    if len(parts) != expected:
        raise RuntimeError(
            f"function {node.name()} returned an incorrect number of gradients (expected {expected}, got {len(parts)})"
        )
    gradients = []
    for position, (part, is_tensor) in enumerate(zip(parts, node.takes_tensor), 1):
        if is_tensor:
            gradients.append(part)
        elif part is not None:
            raise RuntimeError(
                f"function {node.name()} returned a gradient different than None at position {position}, but the "
                "corresponding forward input was not a Variable"
            )
    for position, part in enumerate(gradients):
        if part is not None and not isinstance(part, Tensor):
            raise RuntimeError(
                f"expected Variable or None (got {_typename(part)}) as gradient {position} of function {node.name()}"
            )
    return tuple(
        [
            part if part is None or edge is None else _fitted(node, index, part, *meta)
            for index, (part, edge, meta) in enumerate(zip(gradients, node.edges, node.inputs))
        ]
    )


def _fitted(node: Any, index: int, part: Tensor, shape: tuple, dtype: np.dtype) -> Tensor:
    """A gradient in the shape and type of its input."""
    have = part.array.dtype
    if part.array.shape == shape and have == dtype:
        return part
    if part.array.shape != shape and not _sums_to(part.array.shape, shape):
        raise RuntimeError(
            f"Function {node.name()} returned an invalid gradient at index {index} - got {list(part.array.shape)} but "
            f"expected shape compatible with {list(shape)}"
        )
    if have.kind not in "fV" and (have.kind == "c") != (dtype.kind == "c"):
        raise RuntimeError(
            "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) to be true, but got "
            f"false: function {node.name()} returned a gradient of {dtypes.of(have)} at index {index}, for an input of "
            f"{dtypes.of(dtype)}. The gradient of a real input is real: return its .real."
        )
    return fit(part, shape, dtype)


def _sums_to(shape: tuple, target: tuple) -> bool:
    try:
        return np.broadcast_shapes(shape, target) == shape
    except ValueError:
        return False


def _typename(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


class Error(Node):
    """Where a second derivative through a once-differentiable backward ends."""

    __slots__ = ("outputs",)

    def __init__(self, leaves: tuple) -> None:
        self.number, self.edges, self.saved, self.fit, self.hooks = next_number(), leaves, (), None, None
        self.code, self.instruction = user_place(current_frame(1))
        self.outputs = leaves

    def name(self) -> str:
        return "torch::autograd::Error"

    def run(self, g: Any) -> tuple:
        """Always the error."""
        raise RuntimeError("trying to differentiate twice a function that was marked with @once_differentiable")

    run_recorded = run


def undifferentiable(gradients: tuple) -> Any:
    """Gradients that backward has computed without a record, as the outputs of an operation without a derivative."""
    leaves = tuple(None if gradient is None else gradient.detach() for gradient in gradients)
    for leaf in leaves:
        if leaf is not None:
            leaf.requires_grad = True
    node = Error(leaves)
    ends: list = []
    for index, leaf in enumerate(leaves):
        end = None if leaf is None else wrap(leaf.array)
        if end is not None:
            end.node = node if len(leaves) == 1 else make_slot(node, index)
        ends.append(end)
    return ends[0] if len(ends) == 1 else tuple(ends)
