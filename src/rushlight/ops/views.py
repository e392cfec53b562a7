"""Views: other shapes over the same memory, and what an in-place change of one means for the history of the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided_array

from ..autograd.node import Node
from ..tensor import Tensor, View, address, edge_of, storage_of, strides_of, wrap
from .convert import clone
from .define import as_type, fit, inplace, make_node, op, raw

__all__ = ["as_strided", "reshape"]

@op("AliasBackward0", view=True, input=lambda g: g)
def alias(input):
    """The tensor itself as a view."""
    return input.view()


@op("ExpandBackward0", view=True, input=lambda g, input_shape: _sum_to(g, input_shape))
def expand(input, *size):
    """The tensor repeated along axes of length 1, and along new leading axes, without a copy.

    ``-1`` keeps the length of an axis.
    """
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    lead = len(shape) - input.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.FloatTensor{{{list(input.shape)}}}, size={list(shape)}): the number of sizes provided ({len(shape)}) "
            f"must be greater or equal to the number of dimensions in the tensor ({input.ndim})"
        )
    shape = tuple(input.shape[i - lead] if n == -1 and i >= lead else n for i, n in enumerate(shape))
    for i, n in enumerate(shape):
        have = input.shape[i - lead] if i >= lead else 1
        if have not in (n, 1):
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton dimension {i}. "
                f"Target sizes: {list(shape)}. Tensor sizes: {list(input.shape)}"
            )
    return strided_array(
        input, shape, tuple(0 if i < lead or (input.shape[i - lead] == 1 and n != 1) else input.strides[i - lead] for i, n in enumerate(shape))
    )


def _sum_to(g: Any, shape: tuple) -> Any:
    from .reduce import sum_to_size

    return sum_to_size(g, shape)


def resolve_size(size: tuple, numel: int) -> tuple[int, ...]:
    """A shape with its ``-1`` worked out.

    Raises:
        RuntimeError: the shape does not hold this number of elements.
    """
    shape = tuple(size[0]) if len(size) == 1 and isinstance(size[0], (tuple, list)) else tuple(size)
    known = int(np.prod([n for n in shape if n != -1], dtype=np.int64))
    if any(n < -1 for n in shape):
        raise RuntimeError(f"invalid shape dimension {min(shape)}")
    if shape.count(-1) > 1:
        raise RuntimeError("only one dimension can be inferred")
    if -1 in shape:
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size -1 can "
                f"be any value and is ambiguous"
            )
        if known and numel % known == 0:
            return tuple(numel // known if n == -1 else n for n in shape)
    elif known == numel:
        return shape
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")


@op("ViewBackward0", view=True, input=lambda g, input_shape: reshape(g, input_shape))
def view_as_shape(input, *size):
    """The same memory under another shape.

    Raises:
        RuntimeError: no strides give that shape over this memory; ``reshape`` copies where it must.
    """
    shape = resolve_size(size, input.size)
    out = input.view()
    try:
        out.shape = shape
    except AttributeError:
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        ) from None
    return out


@op("UnsafeViewBackward0", input=lambda g, input_shape: reshape(g, input_shape))
def _copied_reshape(input, shape):
    return np.ascontiguousarray(input).reshape(shape)


def reshape(input, *shape):
    """The same elements in the same order under another shape: a view where that is possible, else a copy.

    >>> import rushlight as torch
    >>> torch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if isinstance(input, (np.ndarray, np.generic)):
        return input.reshape(resolve_size(shape, input.size))
    try:
        return view_as_shape(input, *shape)
    except RuntimeError as error:
        if "not compatible" not in str(error):
            raise
    return _copied_reshape(input, resolve_size(shape, input.array.size))


class Geometry(NamedTuple):
    """Where the elements of an array lie in its storage, counted in elements."""

    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    @classmethod
    def of(cls, array: np.ndarray) -> Geometry:
        """The geometry of an array within the memory that it is a part of."""
        offset = (address(array) - address(storage_of(array))) // array.itemsize if array.size else 0
        return cls(array.shape, strides_of(array), offset)

    def within(self, base: Geometry) -> Geometry:
        """The same geometry counted from the first element of a base."""
        return self._replace(offset=self.offset - base.offset)

    def extent(self) -> int:
        """How many elements of storage it reaches over."""
        if 0 in self.size:
            return self.offset
        return self.offset + 1 + sum((n - 1) * s for n, s in zip(self.size, self.stride))

    def positions(self) -> np.ndarray:
        """The place in storage of each element, flat."""
        places = np.array(self.offset)
        for n, s in zip(self.size, self.stride):
            places = places[..., None] + np.arange(n) * s
        return places.reshape(-1)

    def of_flat(self, flat: np.ndarray) -> np.ndarray:
        """An array of this geometry over flat storage."""
        step = flat.itemsize
        return strided_array(flat[self.offset :], self.size, tuple(s * step for s in self.stride))


def as_strided(input: Tensor, size: Sequence[int], stride: Sequence[int], storage_offset: int | None = None) -> Tensor:
    """The storage of a tensor under any shape and strides, counted in elements.

    >>> import rushlight as torch
    >>> torch.arange(6).as_strided((2, 2), (3, 1))
    tensor([[0, 1],
            [3, 4]])
    """
    seen = Geometry.of(input.array)
    offset = seen.offset if storage_offset is None else storage_offset
    return _as_strided(input, Geometry(tuple(size), tuple(stride), offset), seen)


@op("AsStridedBackward0", view=True, input=lambda g, target, seen: _as_strided_backward(g, target, seen))
def _as_strided(input, target, seen):
    storage = storage_of(input)
    storage = storage.reshape(-1, order="A").view(input.dtype)
    if target.extent() > storage.size or target.offset < 0:
        raise RuntimeError(
            f"setStorage: sizes {list(target.size)}, strides {list(target.stride)}, storage offset {target.offset}, and "
            f"itemsize {input.itemsize} requiring a storage size of {target.extent() * input.itemsize} are out of bounds for "
            f"storage of size {storage.nbytes}"
        )
    return target.of_flat(storage)


def _as_strided_backward(g: Any, target: Geometry, seen: Geometry) -> Any:
    """Each gradient goes to the place in storage that its element was read from."""
    from .index import index_add, index_select

    start = min(target.offset, seen.offset)
    target, seen = (x._replace(offset=x.offset - start) for x in (target, seen))
    storage = np.zeros(max(target.extent(), seen.extent()), raw(g).dtype)
    filled = index_add(storage if raw(g) is g else wrap(storage), 0, target.positions(), reshape(g, (-1,)))
    return reshape(index_select(filled, 0, seen.positions()), seen.size)


# In-place changes of views


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
    view: Any = target.view
    base = view.base
    whole = Geometry.of(base.array)
    whole_alone = whole._replace(offset=0)
    if view.replay is None:
        part = Geometry.of(target.array).within(whole)

        def show(of: Any) -> Any:
            return part.of_flat(_flat(of, whole_alone)) if isinstance(of, np.ndarray) else _as_strided(of, part, whole_alone)
    else:
        show = view.replay
    slices = make_node(CopySlices, (edge_of(base), *node.edges[1:]), (node, show, whole_alone), None)
    slices.code, slices.instruction = node.code, node.instruction
    base.node, base.leaf = slices, False
    if base.view is not None:
        base.view.seen = base._version
    rederive(target)


def _flat(array: np.ndarray, geometry: Geometry) -> np.ndarray:
    """The storage of an array that begins with its first element."""
    return strided_array(array, (geometry.extent(),), (array.itemsize,))


def rederive(target: Tensor) -> None:
    """Derive the history of a view anew from that of its base."""
    view: Any = target.view
    view.seen = target._version
    edge = edge_of(view.base)
    if edge is None:
        return
    if view.replay is not None:
        target.node = view.replay(view.base).node
        return
    saved = {"target": Geometry.of(target.array), "seen": Geometry.of(view.base.array)}
    target.node = make_node(_as_strided.op.node, (edge,), saved, None)
    target.leaf = False
    if isinstance(edge, Node):
        target.node.code, target.node.instruction = edge.code, edge.instruction


def refuse(target: Tensor, name: str) -> None:
    """The error for an in-place operation on a view that cannot take one."""
    view: Any = target.view
    made_by = target.grad_fn.name() if target.grad_fn is not None else "a view operation"
    if view.made == View.NO_GRAD:
        raise RuntimeError(
            f"A view was created in no_grad mode and is being modified inplace with grad mode enabled. Given that this use "
            f"case is ambiguous and error-prone, it is forbidden. You can clarify your code by moving both the view and the "
            f"inplace either both inside the no_grad block (if you don't want the inplace to be tracked) or both outside (if "
            f"you want the inplace to be tracked). The operation is {name}."
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
