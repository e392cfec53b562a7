"""In-place changes of views: what they mean for the history of the base and of the other views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided_array

from ..autograd.by_hand import call
from ..autograd.node import Node, Nowhere, Slot, current_frame, explained, here, made_by
from ..autograd.origin import sentence
from ..autograd.versions import last_change
from ..tensor import Tensor, View, edge_of, wrap
from .convert import clone, to_dtype
from .define import inplace, op
from .levels import Layered, zeros_like
from .nodes import make_node
from .place import zeros_as
from .promotion import as_type, broadcast_error, fit
from .showing import ShowingBackward
from .strided import Geometry, as_strided_within, laid_out
from .writing import bump, check_single, inherited, needs_record, set_history, unrecorded


class CopySlices(Node):
    """An in-place operation on a part of a tensor, as an operation on the whole.

    ``saved`` holds the operation's own node, and how the part is shown from the whole.
    """

    __slots__ = ()
    unpacks = False

    def __call__(self, *gradients: Any) -> Any:
        return call(self, gradients)

    def name(self) -> str:
        return "torch::autograd::CopySlices"

    def run(self, g: Any) -> tuple:
        inner, show, whole = self.saved
        result = laid_out(g, whole)
        check_single(result)  # as in PyTorch, which lets an expanded tensor be changed but cannot go back through it
        part = show(result)
        if self.edges[0] is None:
            return (None, *inner.run(part.copy())[1:])
        check_single(part)
        parts = inner.run(part.copy())
        part[...] = 0 if parts[0] is None else parts[0]
        return (result, *parts[1:])

    def run_recorded(self, g: Any) -> tuple:
        inner, show, whole = self.saved
        result = laid_out(g, whole)
        check_single(result.array)
        part = show(result)
        if self.edges[0] is None:
            return (None, *inner.run_recorded(clone(part))[1:])
        check_single(part.array)
        parts = inner.run_recorded(clone(part))
        if isinstance(parts[0], Layered):
            result = laid_out(at_levels_of(parts[0], g), whole)
            part = show(result)
        copy_(part, zeros_like(part) if parts[0] is None else parts[0])
        return (result, *parts[1:])


def at_levels_of(like: Tensor, tensor: Tensor) -> Tensor:
    """A tensor with its own values, of the levels of transformations that another is of."""
    if type(like) is Tensor:
        return tensor
    return tensor.where(wrap(np.array(True)), to_dtype(like.sum(), tensor.array.dtype))


def rebase(target: Tensor, node: Any) -> None:
    """After an in-place operation on a view, its base comes from that operation, and the view from its base."""
    view: Any = target._view
    base = view.base
    whole = Geometry.of(base.array)
    whole_alone = whole._replace(offset=0)
    if view.replay is None:
        part = Geometry.of(target.array).within(whole)

        def show(of: Any) -> Any:
            return (
                part.of_flat(_flat(of, whole_alone))
                if isinstance(of, np.ndarray)
                else as_strided_within(of, part, whole_alone)
            )
    else:
        show = view.replay
    slices = make_node(CopySlices, (edge_of(base), *node.edges[1:]), (node, show, whole_alone), None)
    slices.code, slices.instruction = node.code, node.instruction
    set_history(base, slices)
    if base._view is not None:
        base._view.seen = base._version
    show_anew(target)


def _flat(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The storage of an array that begins with its first element."""
    return strided_array(array, (geometry.extent(),), (array.itemsize,))


def rederive(target: Tensor) -> None:
    """Derive the history of a view anew from that of its base."""
    view: Any = target._view
    if int(view.seen) == target._version:  # what the version stands for has changed, see `Moved`, but not the number
        view.seen = target._version
        return
    if target.node is None and not view.base.requires_grad:
        return
    if view.made != View.DEFAULT:
        refuse(target, "its base or another view of its base has been modified inplace")
    show_anew(target)


View.rederive = staticmethod(rederive)


def show_anew(target: Tensor) -> None:
    """Make a view come from its base as it is now."""
    view: Any = target._view
    view.seen = target._version
    edge = edge_of(view.base)
    if view.replay is not None:
        set_history(target, view.replay(view.base).node)
        return
    parts = Geometry.of(target.array), Geometry.of(view.base.array)
    node = make_node(as_strided_within.node, (edge,), (), None)
    node.fit = view.base.array.shape, parts
    if isinstance(edge, Node):
        node.code, node.instruction = edge.code, edge.instruction
    set_history(target, node)


REASONS = {
    View.NO_GRAD: (
        "Given that this use case is ambiguous and error-prone, it is forbidden. Move the view and the change either "
        "both inside the no_grad block, so that the change is not recorded, or both outside, so that it is."
    ),
    View.INFERENCE: (
        "Given that this use case is ambiguous and error-prone, it is forbidden. Move the view and the change either "
        "both inside the inference_mode block, so that the change is not recorded, or both outside, so that it is."
    ),
    View.MULTI_OUTPUT: (
        "This view is the output of a function that returns multiple views. Such functions do not allow the output "
        "views to be modified inplace. Use an out-of-place operation instead, or take the parts by indexing."
    ),
    View.CUSTOM: (
        "This view was created inside a custom Function (or because an input was returned as-is): changing it in place "
        "would bypass the backward of that Function. Clone the output of the Function first."
    ),
}
UNRECORDED = {
    View.NO_GRAD: ("no_grad mode", "modified inplace with grad mode enabled"),
    View.INFERENCE: ("inference mode", "modified inplace in normal mode"),
}


def unusable(place: Any) -> str | None:
    """What makes the history of a saved view unusable, whose base has been changed in place; None if nothing does."""
    if isinstance(place, Tensor) and not (place._view is not None and place._view.base.requires_grad):
        return None  # a leaf has no history that could be stale
    made, end = View.DEFAULT, place
    while end is not None:  # from the view to its base
        source = end.edges[0] if type(end) is Slot else end
        if isinstance(source, Tensor):  # a leaf, which may be a view that was made under ``no_grad``
            made = inherited(made, View.DEFAULT if source._view is None else source._view.made)
            break
        made = inherited(made, source.shows)
        shows = isinstance(source, ShowingBackward) or source.shows == View.MULTI_OUTPUT
        end = source.edges[0] if shows and source.edges else None
    if made == View.DEFAULT:
        return None
    index = place.index if type(place) is Slot else 0
    node = None if isinstance(place, (Nowhere, Tensor)) else place.edges[0] if type(place) is Slot else place
    return described(made, node, index, "its base or another view of its base has been modified inplace")


def described(made: int, node: Any, index: int, what: str) -> str:
    """PyTorch's words for what must not be done to the output of a node, a view of this kind."""
    mode, change = UNRECORDED[View.INFERENCE if made == View.INFERENCE else View.NO_GRAD]
    start = f"A view was created in {mode}"
    if node is not None:
        start = f"Output {index} of {node.name().rpartition('Backward')[0]} is a view"
        if made in UNRECORDED:
            start += f" of a view which was created in {mode}"
    if node is None or made in UNRECORDED:
        what = what.replace("modified inplace", change)
    return f"{start} and {what}. {REASONS[made]}"


def refuse(target: Tensor, what: str, name: str = "") -> None:
    """The error for an in-place operation on a view that cannot take one."""
    made = target._view.made  # type: ignore[union-attr]
    node = target.node
    past = what.endswith("has been modified inplace")
    words = described(made, node.edges[0] if type(node) is Slot else node, target.output_nr, what)
    view = sentence(target.origin) if node is None and hasattr(target, "origin") else node and made_by(node)
    raise RuntimeError(
        explained(
            words,
            f"The view: {view}" if view else "",
            f"The change: {last_change(target.version) if past else f'{name} at {here()}'}",
        )
    )


@op(
    "CopyBackwards",
    batch=lambda batch, input, src, *_: copy(batch.front(input), batch.aligned(src, input.array.ndim)),
    input=lambda g, input_shape: zeros_as(g, input_shape),
    src=lambda g, src_shape, src_dtype: fit(g, src_shape, src_dtype),
)
def copy(input, src, non_blocking=False):
    """The values of ``src``, broadcast and converted to the shape and type of ``input``."""
    try:
        return as_type(np.broadcast_to(src, input.shape), input.dtype)
    except ValueError:
        raise _unequal(input, src) from None


def _unequal(input: np.ndarray, src: np.ndarray) -> Exception:
    try:
        common = np.broadcast_shapes(input.shape, src.shape)
    except ValueError as error:
        return broadcast_error(error, (input, src))
    return RuntimeError(
        f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(common)}: the values written "
        f"have shape {list(src.shape)}"
    )


copy.op.node.name = lambda node: "torch::autograd::CopyBackwards"
_copy_recorded = inplace(copy)


def copy_(input: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Write the values of ``src``, broadcast and converted, into the tensor.

    >>> import rushlight as torch
    >>> torch.zeros(2).copy_(torch.tensor([1, 2]))
    tensor([1., 2.])
    """
    if (
        unrecorded(input)
        and type(src) is Tensor
        and src.array.shape == input.array.shape
        and src.version is not input.version
        and not needs_record(src)
    ):
        np.copyto(
            input.array, src.array if src.array.dtype == input.array.dtype else as_type(src.array, input.array.dtype)
        )
        bump(input, "copy_", current_frame(1))
        return input
    return _copy_recorded(input, src, non_blocking)
