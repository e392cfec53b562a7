"""Views: other shapes and orders over the same memory."""

from __future__ import annotations

import math
import warnings
from operator import index
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided as strided_array

from .. import dtypes
from ..size import Size
from ..tensor import Tensor
from .axes import axes, axis, moved
from .define import op
from .levels import is_open
from .promotion import raw
from .showing import viewing
from .writing import check_views

__all__ = [
    "adjoint", "broadcast_shapes", "broadcast_tensors", "broadcast_to", "flatten", "moveaxis", "movedim", "permute",
    "ravel", "reshape", "squeeze", "swapaxes", "swapdims", "t", "transpose", "unflatten", "unsqueeze",
]  # fmt: skip


@viewing("AliasBackward0", lambda g, shape: g, "leading")
def alias(input):
    """The tensor itself as a view."""
    return input.view()


def sequence(values: Any) -> tuple[int, ...]:
    """Sizes or axes given as separate arguments or as one sequence."""
    if len(values) == 1 and isinstance(values[0], (tuple, list)):
        values = values[0]
    if INTEGERS.issuperset(map(type, values)):
        return tuple(values)
    return tuple(map(index, values))


INTEGERS = frozenset((int,))
"""The types of sizes and axes that need no conversion."""


# Expanding


def _expand_batch(batch: Any, input: Any, *size: Any) -> Any:
    whole, shape = batch.front(input), input.array.shape
    size = expand.compute(input.array, *size).shape
    new_axes = (1,) * (len(size) - len(shape))
    return expand(view_as_shape(whole, (batch.size, *new_axes, *shape)) if new_axes else whole, (batch.size, *size))


@viewing("ExpandBackward0", lambda g, shape, *size: _sum_to(g, shape), _expand_batch)
def expand(input, *size):
    """The tensor repeated along axes of length 1, and along new leading axes, without a copy.

    ``-1`` keeps the length of an axis.

    Raises:
        RuntimeError: an axis of another length than 1 would change.
    """
    size = sequence(size)
    lead = len(size) - input.ndim
    if lead < 0:
        raise RuntimeError(
            f"expand(torch.{dtypes.CASED[dtypes.of(input.dtype)]}Tensor{{{list(input.shape)}}}, size={list(size)}): "
            f"the number of sizes provided ({len(size)}) must be greater or equal to the number of dimensions in the "
            f"tensor ({input.ndim})"
        )
    strides = [0] * len(size)
    shape = list(size)
    for i, n in enumerate(size):
        if i < lead:
            if n < 0:
                raise RuntimeError(
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, non-existing dimension {i}"
                )
            continue
        have = input.shape[i - lead]
        if n == -1 or n == have:
            shape[i], strides[i] = have, input.strides[i - lead]
        elif have != 1:
            raise RuntimeError(
                f"The expanded size of the tensor ({n}) must match the existing size ({have}) at non-singleton "
                f"dimension {i}.  Target sizes: {list(size)}.  Tensor sizes: {list(input.shape)}"
            )
    if input.flags.c_contiguous and input.dtype.kind != "V":
        return np.ndarray(shape, input.dtype, input, 0, strides)  # ten times as fast as as_strided
    return strided_array(input, shape, strides)


def _sum_to(g: Any, shape: tuple) -> Any:
    from .reduce import sum_to_size

    return g if raw(g).shape == shape else sum_to_size(g, shape)


def broadcast_to(input: Tensor, size: Any) -> Tensor:
    """The tensor expanded to a shape by the rules of broadcasting, without a copy."""
    return expand(input, size)


def expand_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor expanded to the shape of another."""
    return expand(input, raw(other).shape)


def broadcast_shapes(*shapes: Any) -> Size:
    """The shape that tensors of these shapes have together.

    Raises:
        RuntimeError: they cannot be broadcast to one.

    >>> import rushlight as torch
    >>> torch.broadcast_shapes((2, 1), (3,))
    torch.Size([2, 3])
    """
    shapes = tuple((s,) if isinstance(s, int) else tuple(s) for s in shapes)
    for shape in shapes:
        if any(n < 0 for n in shape):
            raise RuntimeError(f"Trying to create tensor with negative dimension ({min(shape)}): ({min(shape)})")
    try:
        return Size(np.broadcast_shapes(*shapes))
    except ValueError:
        raise RuntimeError(
            f"Shape mismatch: objects cannot be broadcast to a single shape, got "
            f"{', '.join(map(str, map(list, shapes)))}"
        ) from None


def broadcast_tensors(*tensors: Any) -> tuple[Tensor, ...]:
    """The tensors expanded to the shape that they have together."""
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    try:
        shape = broadcast_shapes(*(tensor.array.shape for tensor in tensors))
    except RuntimeError:
        raise mismatch([tensor.array.shape for tensor in tensors]) from None
    return tuple(expand(tensor, shape) for tensor in tensors)


def mismatch(shapes: list[tuple]) -> RuntimeError:
    """The error for the first two shapes that do not go together."""
    for position, b in enumerate(shapes):
        for a in shapes[:position]:
            for i, (m, n) in enumerate(zip(a[::-1], b[::-1])):
                if m != n and 1 not in (m, n):
                    return RuntimeError(
                        f"The size of tensor a ({m}) must match the size of tensor b ({n}) at non-singleton dimension "
                        f"{max(len(a), len(b)) - 1 - i}: the shapes are {list(a)} and {list(b)}"
                    )
    return RuntimeError(f"shapes {shapes} cannot be broadcast")


# Shapes


def resolve_size(size: tuple, numel: int) -> tuple[int, ...]:
    """A shape with its ``-1`` worked out.

    Raises:
        RuntimeError: the shape does not hold this number of elements.
    """
    shape = sequence(size)
    known = math.prod(shape)
    if known == numel and known >= 0 and (not shape or min(shape) >= 0):
        return shape
    for position, n in enumerate(shape):
        if n < -1:
            raise RuntimeError(f"invalid shape dimension {n} at index {position} of shape {list(shape)}")
    unknown = shape.count(-1)
    if unknown > 1:
        raise RuntimeError("only one dimension can be inferred")
    if unknown:
        known = -known
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the unspecified dimension size "
                "-1 can be any value and is ambiguous"
            )
        if known and numel % known == 0:
            return tuple(numel // known if n == -1 else n for n in shape)
    raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")


def _view_batch(batch: Any, input: Any, *size: Any) -> Any:
    return view_as_shape(batch.front(input), (batch.size, *resolve_size(size, input.array.size)))


@viewing("ViewBackward0", lambda g, shape, *size: reshape(g, shape), _view_batch)
def view_as_shape(input, *size):
    """The same memory under another shape.

    Raises:
        RuntimeError: no strides give that shape over this memory; ``reshape`` copies where it must.
    """
    shape = size[0] if len(size) == 1 and isinstance(size[0], (tuple, list)) else size
    if shape and min(shape) < 0 or not input.size:  # what NumPy takes for unknown lengths is not what PyTorch does
        shape = resolve_size(size, input.size)
    try:
        return input.reshape(shape, copy=False)
    except ValueError:
        resolve_size(size, input.size)
        raise RuntimeError(
            "view size is not compatible with input tensor's size and stride (at least one dimension spans across two "
            "contiguous subspaces). Use .reshape(...) instead."
        ) from None


_reshape_alias = viewing("ReshapeAliasBackward0", view_as_shape.node.rule, _view_batch)(view_as_shape.compute)


def view(input: Tensor, *size: Any, dtype: dtypes.dtype | None = None) -> Tensor:
    """The same memory under another shape, or read as another type.

    Raises:
        RuntimeError: no strides give that shape over this memory (``reshape`` copies where it must), or the bytes of a
            row do not make whole elements of the type.

    >>> import rushlight as torch
    >>> torch.arange(4).view(2, -1)
    tensor([[0, 1],
            [2, 3]])
    """
    if dtype is None and len(size) == 1 and isinstance(size[0], dtypes.dtype):
        dtype = size[0]
    if dtype is None:
        return view_as_shape(input, *size)
    if dtype is input.dtype:
        return alias(input)
    out = _view_as_dtype(input, dtype)
    if out.requires_grad and not is_open(out):
        out._view = None  # it shares memory and version, but no history: what is read as another type has no derivative
    return out


def _dtype_batch(batch: Any, input: Any, dtype: dtypes.dtype) -> Any:
    if not input.array.ndim and input.array.itemsize != dtype.itemsize:
        raise RuntimeError(
            f"self.dim() cannot be 0 to view {dtypes.CASED[input.dtype]} as {dtypes.CASED[dtype]} (different element "
            "sizes)"
        )
    return _view_as_dtype(batch.front(input), dtype)


@op(None, view=True, batch=_dtype_batch)
def _view_as_dtype(input, dtype):
    target, have = dtype.numpy, input.dtype
    if input.itemsize == target.itemsize:
        return input.view(target)
    names = f"{dtypes.CASED[dtypes.of(have)]} as {dtypes.CASED[dtype]} (different element sizes)"
    if input.ndim == 0:
        raise RuntimeError(f"self.dim() cannot be 0 to view {names}")
    if input.shape[-1] != 1 and input.strides[-1] != input.itemsize:
        raise RuntimeError(f"self.stride(-1) must be 1 to view {names}, but got {input.strides[-1] // input.itemsize}")
    if input.shape[-1] * input.itemsize % target.itemsize:
        raise RuntimeError(
            f"self.size(-1) must be divisible by {target.itemsize // input.itemsize} to view {names}, but got "
            f"{input.shape[-1]}"
        )
    return input.view(target)


def view_as(input: Tensor, other: Tensor) -> Tensor:
    """The same memory under the shape of another tensor."""
    return view_as_shape(input, other.array.shape)


@op(
    "UnsafeViewBackward0",
    input=lambda g, input_shape: reshape(g, input_shape),
    batch=lambda batch, input, shape: _unsafe_view(batch.front(input), (batch.size, *shape)),
)
def _unsafe_view(input, shape):
    return input.reshape(shape)


def reshape(input, *shape):
    """The same elements in the same order under another shape: a view where that is possible, else a copy.

    >>> import rushlight as torch
    >>> torch.arange(6).reshape(2, -1)
    tensor([[0, 1, 2],
            [3, 4, 5]])
    """
    if isinstance(input, (np.ndarray, np.generic)):
        return input.reshape(resolve_size(shape, input.size))
    if input.array.flags.c_contiguous:
        return view_as_shape(input, *shape)
    size = resolve_size(shape, input.array.size)
    if _is_viewable(input.array, size):
        try:
            return _reshape_alias(input, size)
        except RuntimeError:  # under vmap, of which this array is but the first element
            pass
    check_views((input,))
    from .convert import contiguous

    return _unsafe_view(contiguous(input), size)


def _is_viewable(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    """Whether there are strides that give this shape over the memory of an array."""
    try:
        array.reshape(shape, copy=False)
    except ValueError:
        return False
    return True


def reshape_as(input: Tensor, other: Tensor) -> Tensor:
    """The same elements in the same order under the shape of another tensor."""
    return reshape(input, raw(other).shape)


def flatten(input: Tensor, start_dim: int = 0, end_dim: int = -1) -> Tensor:
    """The axes from ``start_dim`` to ``end_dim`` joined into one: a view where that is possible, else a copy.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3, 4).flatten(1).shape
    torch.Size([2, 12])
    """
    shape = raw(input).shape
    first, last = axis(start_dim, len(shape)), axis(end_dim, len(shape))
    if not shape:
        return reshape(input, (1,))
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return input
    return reshape(input, shape[:first] + (math.prod(shape[first : last + 1]),) + shape[last + 1 :])


def unflatten(input: Tensor, dim: int, sizes: Any) -> Tensor:
    """One axis split into several of these lengths, of which one may be ``-1``."""
    shape = raw(input).shape
    at = axis(dim, len(shape))
    if not sizes:
        raise RuntimeError("unflatten: sizes must be non-empty")
    try:
        sizes = resolve_size((tuple(sizes),), shape[at])
    except RuntimeError as error:
        if "invalid for input" not in str(error):
            raise
        raise RuntimeError(
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {at} ({shape[at]}) in the "
            f"input tensor"
        ) from None
    return view_as_shape(input, shape[:at] + sizes + shape[at + 1 :])


def ravel(input: Tensor) -> Tensor:
    """All elements in one axis: a view where the tensor is contiguous, else a copy."""
    from .convert import contiguous

    return view_as_shape(contiguous(input), (-1,)) if raw(input).size else view_as_shape(contiguous(input), (0,))


# Orders of axes


@viewing(
    "PermuteBackward0",
    lambda g, shape, *dims: permute(g, *inverse(sequence(dims))),
    lambda batch, input, *dims: permute(batch.front(input), (0, *_order_behind(dims, input.array.ndim))),
)
def permute(input, *dims):
    """The axes in another order.

    Raises:
        RuntimeError: not every axis is named exactly once.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3, 4).permute(2, 0, 1).shape
    torch.Size([4, 2, 3])
    """
    if dims:
        try:
            return input.transpose(*dims)
        except (ValueError, TypeError):  # the error is found below
            pass
    return input.transpose(_order(dims, input.ndim))


def _order_behind(dims: tuple, ndim: int) -> list[int]:
    """An order of the axes behind that of a batch; an axis that is not there is refused before a wrong number."""
    counted = [axis(d, ndim) for d in sequence(dims)]
    return [d + 1 for d in _order((counted,), ndim)]


def _order(dims: tuple, ndim: int) -> tuple[int, ...]:
    """An order of all axes, counted from the front."""
    dims = sequence(dims)
    if len(dims) != ndim:
        raise RuntimeError(
            f"permute(sparse_coo): number of dimensions in the tensor input does not match the length of the desired "
            f"ordering of dimensions i.e. input.dim() = {ndim} is not equal to len(dims) = {len(dims)}"
        )
    order = tuple(axis(d, ndim) for d in dims)
    if len(set(order)) != len(order):
        raise RuntimeError("permute(): duplicate dims are not allowed.")
    return order


def inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    """The order of axes that undoes another."""
    back = [0] * len(order)
    for position, dim in enumerate(order):
        back[dim] = position
    return tuple(back)


def _transpose_batch(batch: Any, input: Any, dim0: int, dim1: int) -> Any:
    whole, (dim0, dim1) = batch.front(input), moved((dim0, dim1), input.array.ndim)
    return transpose(whole, dim0, dim1) if input.array.ndim else alias(whole)


@viewing("TransposeBackward0", lambda g, shape, dim0, dim1: transpose(g, dim0, dim1), _transpose_batch)
def transpose(input, dim0, dim1):
    """Two axes exchanged.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).transpose(0, 1)
    tensor([[1, 3],
            [2, 4]])
    """
    ndim = input.ndim
    dim0, dim1 = axis(dim0, ndim), axis(dim1, ndim)
    return input.swapaxes(dim0, dim1) if ndim else input.view()


def _t_batch(batch: Any, input: Any) -> Any:
    t.compute(input.array)
    return transpose(batch.front(input), 1, 2) if input.array.ndim == 2 else alias(batch.front(input))


@viewing("TBackward0", lambda g, shape: t(g), _t_batch)
def t(input):
    """A matrix transposed; tensors of fewer than two axes as they are.

    Raises:
        RuntimeError: the tensor has more than two axes.
    """
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return input.transpose()


def swapaxes(input: Tensor, axis0: int, axis1: int) -> Tensor:
    """Two axes exchanged, as `transpose`."""
    return transpose(input, axis0, axis1)


def swapdims(input: Tensor, dim0: int, dim1: int) -> Tensor:
    """Two axes exchanged, as `transpose`."""
    return transpose(input, dim0, dim1)


def movedim(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes moved to other positions; the others keep their order.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3, 4).movedim(0, -1).shape
    torch.Size([3, 4, 2])
    """
    ndim = raw(input).ndim
    source, destination = sequence((source,)), sequence((destination,))
    if len(source) != len(destination):
        raise RuntimeError(
            f"movedim: Invalid source or destination dims: source ({list(source)} dims) should contain the same "
            f"number of dims as destination ({list(destination)} dims)"
        )
    sources, places = (tuple(axis(d, ndim) for d in dims) for dims in (source, destination))
    for name, given, dims in (("source", source, sources), ("destination", destination, places)):
        if len(set(dims)) != len(dims):
            raise RuntimeError(f"movedim: repeated dim in `{name}` ({list(given)})")
    if not ndim:
        return alias(input)
    order = [d for d in range(ndim) if d not in sources]
    for place_, dim in sorted(zip(places, sources)):
        order.insert(place_, dim)
    return permute(input, order)


def moveaxis(input: Tensor, source: Any, destination: Any) -> Tensor:
    """Axes moved to other positions, as `movedim`."""
    return movedim(input, source, destination)


def adjoint(input: Tensor) -> Tensor:
    """The last two axes exchanged, and complex numbers conjugated."""
    return conjugated(transpose(input, -2, -1)) if raw(input).ndim else input


def conjugated(input: Tensor) -> Tensor:
    """The complex conjugate; a real tensor itself."""
    return input.conj() if raw(input).dtype.kind == "c" else input


def _only_matrices(name: str, input: Tensor) -> None:
    if input.array.ndim == 1 or (name in ("H",) and input.array.ndim > 2):
        kind = "matrices (2-D tensors)" if name == "H" else "matrices or batches of matrices"
        raise RuntimeError(f"tensor.{name} is only supported on {kind}. Got {input.array.ndim}-D tensor.")


def transposed(input: Tensor) -> Tensor:
    """``.T``: the axes in reverse order."""
    ndim = input.array.ndim
    if ndim != 2:
        warnings.warn(
            "The use of `x.T` on tensors of dimension other than 2 to reverse their shape is deprecated and it will "
            "throw an error in a future release. Consider `x.mT` to transpose batches of matrices or "
            "`x.permute(*torch.arange(x.ndim - 1, -1, -1))` to reverse the dimensions of a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return permute(input, *range(ndim - 1, -1, -1))


def matrix_transposed(input: Tensor) -> Tensor:
    """``.mT``: the last two axes exchanged."""
    _only_matrices("mT", input)
    return transpose(input, -2, -1) if input.array.ndim else input


def matrix_adjoint(input: Tensor) -> Tensor:
    """``.mH``: the last two axes exchanged, and complex numbers conjugated."""
    _only_matrices("mH", input)
    return adjoint(input)


def hermitian(input: Tensor) -> Tensor:
    """``.H``: a matrix transposed, and complex numbers conjugated."""
    _only_matrices("H", input)
    return adjoint(input)


# Axes of length 1


@viewing(
    "UnsqueezeBackward0",
    lambda g, shape, dim: reshape(g, shape),
    lambda batch, input, dim: unsqueeze(batch.front(input), axis(dim, input.array.ndim + 1) + 1),
)
def unsqueeze(input, dim):
    """A new axis of length 1 before axis ``dim``.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).unsqueeze(1).shape
    torch.Size([2, 1, 3])
    """
    ndim = input.ndim
    if not -ndim - 1 <= dim <= ndim:
        raise IndexError(f"Dimension out of range (expected to be in range of [{-ndim - 1}, {ndim}], but got {dim})")
    return input[(slice(None),) * (dim % (ndim + 1)) + (None, ...)]


@viewing(
    "SqueezeBackward0",
    lambda g, shape: reshape(g, shape),
    lambda batch, input: _squeeze_axes(batch.front(input), tuple(range(1, input.array.ndim + 1))),
)
def _squeeze_all(input):
    return input.view().squeeze()  # NumPy gives the array itself back if it has no axis of length 1


def _squeeze_batch(batch: Any, input: Any, dim: Any) -> Any:
    dims = moved(dim if isinstance(dim, (tuple, list)) else (dim,), input.array.ndim)
    return _squeeze_axes(batch.front(input), dims if input.array.ndim and dim != () else ())


@viewing("SqueezeBackward1", lambda g, shape, dim: reshape(g, shape), _squeeze_batch)
def _squeeze_axis(input, dim):
    dim = axis(dim, input.ndim)
    return input.squeeze(dim) if input.ndim and input.shape[dim] == 1 else input.view()


@viewing("SqueezeBackward2", lambda g, shape, dim: reshape(g, shape), _squeeze_batch)
def _squeeze_axes(input, dim):
    dims = axes(tuple(dim), input.ndim) or ()
    return input.view().squeeze(tuple(d for d in dims if input.shape[d] == 1))


def squeeze(input: Tensor, dim: Any = None) -> Tensor:
    """The tensor without its axes of length 1: all of them, or those among ``dim``.

    >>> import rushlight as torch
    >>> torch.zeros(1, 2, 1).squeeze().shape
    torch.Size([2])
    """
    if dim is None:
        return _squeeze_all(input)
    return _squeeze_axes(input, dim) if isinstance(dim, (tuple, list)) else _squeeze_axis(input, index(dim))
