"""In-place changes of views: what they mean for the history of the base and of the other views."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided_array

from ..autograd.node import Node
from ..tensor import Tensor, View, edge_of, wrap
from .convert import clone
from .define import inplace, op
from .nodes import make_node
from .promotion import as_type, fit
from .strided import Geometry, as_strided_within


class CopySlices(Node):
    """An in-place operation on a part of a tensor, as an operation on the whole.

    ``saved`` holds the operation's own node, and how the part is shown from the whole.
    """

    __slots__ = ()

    def run(self, g: Any) -> tuple:
        inner, show, whole = self.saved
        result = _empty(whole, g.dtype)
        result[...] = g
        part = show(result)
        parts = inner.run(part.copy())
        part[...] = 0 if parts[0] is None else parts[0]
        return (result, *parts[1:])

    def run_recorded(self, g: Any) -> tuple:
        inner, show, whole = self.saved
        result = wrap(_empty(whole, g.array.dtype))
        copy_(result, g)
        part = show(result)
        parts = inner.run_recorded(clone(part))
        copy_(part, wrap(np.zeros_like(part.array)) if parts[0] is None else parts[0])
        return (result, *parts[1:])


def _empty(whole: Geometry, dtype: np.dtype) -> np.ndarray:
    return whole.of_flat(np.empty(whole.extent(), dtype))


def rebase(target: Tensor, node: Any) -> None:
    """After an in-place operation on a view, its base comes from that operation, and the view from its base."""
    view: Any = target._view
    base = view.base
    whole = Geometry.of(base.array)
    whole_alone = whole._replace(offset=0)
    if view.replay is None:
        part = Geometry.of(target.array).within(whole)

        def show(of: Any) -> Any:
            return part.of_flat(_flat(of, whole_alone)) if isinstance(of, np.ndarray) else as_strided_within(of, part, whole_alone)
    else:
        show = view.replay
    slices = make_node(CopySlices, (edge_of(base), *node.edges[1:]), (node, show, whole_alone), None)
    slices.code, slices.instruction = node.code, node.instruction
    base.node, base.leaf = slices, False
    if base._view is not None:
        base._view.seen = base._version
    rederive(target)


def _flat(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The storage of an array that begins with its first element."""
    return strided_array(array, (geometry.extent(),), (array.itemsize,))


def rederive(target: Tensor) -> None:
    """Derive the history of a view anew from that of its base."""
    view: Any = target._view
    view.seen = target._version
    edge = edge_of(view.base)
    if edge is None:
        return
    if view.replay is not None:
        target.node = view.replay(view.base).node
        return
    parts = Geometry.of(target.array), Geometry.of(view.base.array)
    target.node = make_node(as_strided_within.node, (edge,), (view.base.array.shape, parts), None)
    target.leaf = False
    if isinstance(edge, Node):
        target.node.code, target.node.instruction = edge.code, edge.instruction


UNRECORDED = {View.NO_GRAD: ("no_grad", "with grad mode enabled"), View.INFERENCE: ("inference_mode", "in normal mode")}


def refuse(target: Tensor, name: str) -> None:
    """The error for an in-place operation on a view that cannot take one."""
    view: Any = target._view
    made_by = target.grad_fn.name() if target.grad_fn is not None else "a view operation"
    if view.made in UNRECORDED:
        mode, now = UNRECORDED[view.made]
        raise RuntimeError(
            f"A view was created in {mode} mode and is being modified inplace {now}. Given that this use case is ambiguous "
            f"and error-prone, it is forbidden. You can clarify your code by moving both the view and the inplace either both "
            f"inside the {mode} block (if you don't want the inplace to be tracked) or both outside (if you want the inplace "
            f"to be tracked). The operation is {name}."
        )
    if view.made == View.MULTI_OUTPUT:
        raise RuntimeError(
            f"Output {target.output_nr} of {made_by} is a view and is being modified inplace. This view is the output of a "
            f"function that returns multiple views. Such functions do not allow the output views to be modified inplace. You "
            f"should replace the inplace operation by an out-of-place one."
        )
    raise RuntimeError(
        f"Output {target.output_nr} of {made_by} is a view and is being modified inplace. This view was created inside a "
        f"custom Function (or because an input was returned as-is) and the autograd logic to handle view+inplace would "
        f"override the custom backward associated with the custom Function, leading to incorrect gradients. This behavior is "
        f"forbidden. You can fix this by cloning the output of the custom Function."
    )


@op("CopyBackwards", input=lambda g: None, src=lambda g, src_shape, src_dtype: fit(g, src_shape, src_dtype))
def copy(input, src, non_blocking=False):
    """The values of ``src``, broadcast and converted to the shape and type of ``input``."""
    try:
        return as_type(np.broadcast_to(src, input.shape), input.dtype)
    except ValueError:
        raise RuntimeError(
            f"The expanded size of the tensor {list(input.shape)} must match the existing size {list(src.shape)}: values of "
            f"shape {list(src.shape)} cannot be broadcast to shape {list(input.shape)}"
        ) from None


copy_ = inplace(copy)
