"""Copies in other shapes and orders: flip, roll, repeat, diagonals, triangles, parts written into a copy."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..layouts import dense_like, in_order
from ..tensor import Tensor, wrap
from .axes import axis, moved
from .batching_rules import merged, no_axis, of_last_axes, refuse_scalars
from .convert import clone, contiguous
from .define import op
from .join import cat
from .levels import is_open
from .parts import diagonal, select, slice_along
from .place import place, zeros_as
from .promotion import as_type, raw
from .rows import index_select
from .views import expand, flatten, reshape, sequence, unsqueeze

__all__ = [
    "channel_shuffle", "diag", "diag_embed", "diagflat", "diagonal_scatter", "flip", "fliplr", "flipud",
    "pixel_shuffle",
    "pixel_unshuffle", "repeat_interleave", "roll", "rot90", "select_scatter", "slice_scatter", "tile", "tril",
    "triu", "vander",
]  # fmt: skip


# Orders


def _distinct(dims: Any, ndim: int) -> tuple[int, ...]:
    """Axes counted from the front, each named once."""
    counted = tuple(axis(d, ndim) for d in sequence(dims))
    for position, d in enumerate(counted):
        if d in counted[:position]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return counted


def _flip_batch(batch: Any, input: Any, dims: Any) -> Any:
    ndim = input.array.ndim
    counted = _distinct(dims, ndim)
    if counted and not ndim:
        raise no_axis()
    return _flip(batch.front(input), tuple(d + 1 for d in counted))


@op(
    "FlipBackward0",
    input=lambda g, dims: _flip(g, dims),
    batch=_flip_batch,
)
def _flip(input, dims):
    dims = _distinct(dims, input.ndim)
    out = dense_like(input)
    out[...] = np.flip(input, dims) if input.ndim else input
    return out


def flip(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """A copy with the order along these axes reversed.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2, 3]).flip(0)
    tensor([3, 2, 1])
    """
    return _flip(input, (named["dims"],) if named else dims)


def backwards(input: Tensor) -> Tensor:
    """What ``reversed`` gives: a copy with the order along the first axis reversed; a 0-dim tensor itself."""
    return flip(input, 0) if input.array.ndim else input


def fliplr(input: Tensor) -> Tensor:
    """A copy with the order along the second axis reversed."""
    if input.array.ndim < 2:
        raise RuntimeError("Input must be >= 2-d.")
    return flip(input, 1)


def flipud(input: Tensor) -> Tensor:
    """A copy with the order along the first axis reversed."""
    if input.array.ndim < 1:
        raise RuntimeError("Input must be >= 1-d.")
    return flip(input, 0)


def _roll_batch(batch: Any, input: Any, shifts: tuple, dims: tuple) -> Any:
    if dims:
        return _roll(batch.front(input), shifts, tuple(d + 1 for d in dims))
    return reshape(_roll(batch.flat(input), shifts, (1,)), (batch.size, *input.array.shape))


@op("RollBackward0", input=lambda g, shifts, dims: roll(g, tuple(-s for s in shifts), dims), batch=_roll_batch)
def _roll(input, shifts, dims):
    return in_order(np.roll(input, shifts, dims or None)) if input.ndim and input.size else input.copy()


def roll(input: Tensor, shifts: Any, dims: Any = ()) -> Tensor:
    """A copy with the elements moved along axes, those moved out coming in at the other end.

    Without ``dims``, along the flattened tensor.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2, 3]).roll(1)
    tensor([3, 1, 2])
    """
    shifts, dims = sequence((shifts,)), sequence((dims,))
    if not dims and len(shifts) == 1:
        return _roll(input, shifts, ())
    if not shifts:
        raise RuntimeError("`shifts` required")
    if len(shifts) != len(dims):
        raise RuntimeError(f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}")
    if not raw(input).ndim:
        raise IndexError(f"Dimension specified as {dims[0]} but tensor has no dimensions")
    return _roll(input, shifts, tuple(axis(d, raw(input).ndim) for d in dims))


def _rot90_batch(batch: Any, input: Any, k: int = 1, dims: tuple = (0, 1)) -> Any:
    refuse_scalars(batch, 2, (input, k, dims), {})
    return rot90(batch.front(input), k, moved(dims, input.array.ndim))


@op("Rot90Backward0", input=lambda g, k, dims: rot90(g, -k, dims), batch=_rot90_batch)
def rot90(input, k=1, dims=(0, 1)):
    """A copy turned ``k`` times by 90 degrees in the plane of two axes, from the first towards the second."""
    if len(dims) != 2:
        raise RuntimeError(f"expected total rotation dims == 2, but got dims = {len(dims)}")
    if input.ndim < 2:
        raise RuntimeError(f"expected total dims >= 2, but got total dims = {input.ndim}")
    if dims[0] == dims[1] or abs(dims[0] - dims[1]) == input.ndim:
        raise RuntimeError(f"expected rotation dims to be different, but got dim0 = {dims[0]} and dim1 = {dims[1]}")
    for d in dims:
        if not -input.ndim <= d < input.ndim:
            raise RuntimeError(f"Rotation dim out of range, dim = {d}")
    return np.array(np.rot90(input, k, dims))


# Repetition


def _repeat_batch(batch: Any, input: Any, repeats: tuple) -> Any:
    refuse_scalars(batch, len(repeats) + 1, (input, repeats), {})
    shape = input.array.shape
    wide = reshape(batch.front(input), (batch.size, *(1,) * (len(repeats) - len(shape)), *shape))
    return _repeat(wide, (1, *repeats))


@op(
    "RepeatBackward0",
    input=lambda g, input_shape, repeats: _sum_repeats(g, input_shape, repeats),
    batch=_repeat_batch,
)
def _repeat(input, repeats):
    if len(repeats) < input.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    if any(n < 0 for n in repeats):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(repeats)}: {list(repeats)}")
    return np.array(np.tile(input, repeats))


def _sum_repeats(g: Any, shape: tuple, repeats: tuple) -> Any:
    """The sum over the copies."""
    from .reduce import sum

    if not raw(g).size:
        return zeros_as(g, shape)
    lead = len(repeats) - len(shape)
    pairs = [n for i, times in enumerate(repeats) for n in (times, shape[i - lead] if i >= lead else 1)]
    return reshape(sum(reshape(g, tuple(pairs)), tuple(range(0, len(pairs), 2))), shape) if pairs else g


def repeat(input: Tensor, *repeats: Any) -> Tensor:
    """A copy repeated that often along each axis; more numbers than axes make new leading ones.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).repeat(2, 2)
    tensor([[1, 2, 1, 2],
            [1, 2, 1, 2]])
    """
    return _repeat(input, sequence(repeats))


def tile(input: Tensor, *dims: Any, **named: Any) -> Tensor:
    """A copy repeated that often along the last axes."""
    repeats = sequence((named["dims"],) if named else dims)
    return _repeat(input, (1,) * (raw(input).ndim - len(repeats)) + repeats)


def repeat_interleave(
    input: Tensor, repeats: Any = None, dim: int | None = None, *, output_size: int | None = None
) -> Tensor:
    """Each position of an axis repeated: all equally often, or each as often as ``repeats`` says.

    Without ``dim``, of the flattened tensor. With ``repeats`` alone, the positions themselves.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).repeat_interleave(2)
    tensor([1, 1, 2, 2])
    """
    if repeats is None:
        return _repeated(input)
    if isinstance(repeats, Tensor) and repeats.array.size == 1 and repeats.array.ndim <= 1 and not is_open(repeats):
        _counts(repeats)
        repeats = int(repeats)
    if dim is None:
        input, dim = flatten(input), 0
    elif not input.array.ndim:
        input = reshape(input, (1,))
    at = axis(dim, input.array.ndim)
    if isinstance(repeats, Tensor):
        counts = _counts(repeats)
        if counts.size != input.array.shape[at]:
            raise RuntimeError(
                f"repeats must have the same size as input along dim, but got repeats.size(0) = {counts.size} and "
                f"input.size(0) = {input.array.shape[at]}"
            )
        return index_select(input, at, _repeated(repeats))
    if repeats < 0:
        raise RuntimeError("repeats has to be positive")
    shape = input.array.shape
    wide = expand(unsqueeze(input, at + 1), shape[: at + 1] + (repeats,) + shape[at + 1 :])
    return reshape(clone(wide, memory_format=_plain_order()), shape[:at] + (shape[at] * repeats,) + shape[at + 1 :])


def _plain_order() -> Any:
    from ..layouts import contiguous_format

    return contiguous_format


@op()
def _repeated(repeats):
    """Each position as often as a vector says."""
    counts = _counts(repeats)
    return np.repeat(np.arange(counts.size), counts)


def _counts(repeats: Any) -> np.ndarray:
    array = raw(repeats)
    if array.ndim > 1:
        raise RuntimeError("repeat_interleave only accept 1D vector as repeat")
    if array.dtype.name not in ("int32", "int64"):
        raise RuntimeError("repeats has to be Long or Int tensor")
    if array.size and array.min() < 0:
        raise RuntimeError("repeats can not be negative")
    return array.reshape(-1)


# Diagonals and triangles


def _diag_embed_batch(batch: Any, input: Any, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    refuse_scalars(batch, 1, (input, offset, dim1, dim2), {})
    return diag_embed(batch.front(input), offset, *moved((dim1, dim2), input.array.ndim + 1))


@op(
    "DiagEmbedBackward0",
    input=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
    batch=_diag_embed_batch,
)
def diag_embed(input, offset=0, dim1=-2, dim2=-1):
    """The last axis as the diagonal of matrices that are zero elsewhere.

    >>> import rushlight as torch
    >>> torch.diag_embed(torch.tensor([1, 2]))
    tensor([[1, 0],
            [0, 2]])
    """
    ndim = input.ndim + 1
    a, b = axis(dim1, ndim), axis(dim2, ndim)
    if a == b:
        raise RuntimeError(f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    n = input.shape[-1] + abs(offset)
    shape = list(input.shape[:-1])
    for d in sorted((a, b)):
        shape.insert(d, n)
    return place(input, tuple(shape), diagonal, offset, a, b)


@op(
    "DiagonalBackward0_copy",
    input=lambda g, input_shape, offset: place(g, input_shape, diagonal, offset),
    batch=lambda batch, input, offset: clone(diagonal(batch.front(input), offset, 1, 2)),
)
def _diagonal_copy(input, offset):
    return diagonal(input, offset).copy()


def diag(input: Tensor, diagonal: int = 0, *, out: Tensor | None = None) -> Tensor:
    """The matrix with a vector on its diagonal, or a copy of the diagonal of a matrix.

    >>> import rushlight as torch
    >>> torch.diag(torch.tensor([[1, 2], [3, 4]]))
    tensor([1, 4])
    """
    options = {} if out is None else {"out": out}
    if input.array.ndim == 1:
        return diag_embed(input, diagonal, **options)
    if input.array.ndim == 2:
        return _diagonal_copy(input, diagonal, **options)
    raise RuntimeError(f"diag(): Supports 1D or 2D tensors. Got {input.array.ndim}D")


def diagflat(input: Tensor, offset: int = 0) -> Tensor:
    """The matrix with all elements of a tensor on its diagonal."""
    return diag_embed(reshape(contiguous(input), (-1,)), offset)


def _written(name: str, input: np.ndarray, src: np.ndarray, show: Any, *which: Any) -> np.ndarray:
    """A copy of ``input`` with ``src`` in the part that ``show`` is a view of."""
    out = np.array(input, order="K")
    part = show(out, *which)
    if part.shape != src.shape:
        raise RuntimeError(
            f"expected src to have a size equal to the slice of self. src size = {list(src.shape)}, slice size = "
            f"{list(part.shape)}"
        )
    part[...] = as_type(src, out.dtype)
    return out


@op(
    "SelectScatterBackward0",
    batch="dim",
    input=lambda g, src_shape, dim, index: select_scatter(g, zeros_as(g, src_shape), dim, index),
    src=lambda g, dim, index: select(g, dim, index),
)
def select_scatter(input, src, dim, index):
    """A copy with ``src`` at one position of an axis."""
    return _written("select_scatter", input, src, select, dim, index)


@op(
    "SliceScatterBackward0",
    batch="dim",
    input=lambda g, src_shape, dim, start, end, step: slice_scatter(g, zeros_as(g, src_shape), dim, start, end, step),
    src=lambda g, dim, start, end, step: slice_along(g, dim, start, end, step),
)
def slice_scatter(input, src, dim=0, start=None, end=None, step=1):
    """A copy with ``src`` at every ``step``-th position from ``start`` up to ``end`` of an axis."""
    return _written("slice_scatter", input, src, slice_along, dim, start, end, step)


@op(
    "DiagonalScatterBackward0",
    batch="dim1 dim2",
    input=lambda g, src_shape, offset, dim1, dim2: diagonal_scatter(g, zeros_as(g, src_shape), offset, dim1, dim2),
    src=lambda g, offset, dim1, dim2: diagonal(g, offset, dim1, dim2),
)
def diagonal_scatter(input, src, offset=0, dim1=0, dim2=1):
    """A copy with ``src`` on a diagonal."""
    return _written("diagonal_scatter", input, src, diagonal, offset, dim1, dim2)


def _triangle(name: str, keep: Any, input: np.ndarray, diagonal: int) -> np.ndarray:
    if input.ndim < 2:
        raise RuntimeError(f"{name}: input tensor must have at least 2 dimensions")
    return in_order(keep(input, diagonal))


@op("TrilBackward0", idempotent=True, batch=of_last_axes(2), input=lambda g, diagonal: tril(g, diagonal))
def tril(input, diagonal=0):
    """The lower triangle of matrices, with zeros above the diagonal ``diagonal``.

    >>> import rushlight as torch
    >>> torch.tril(torch.ones(2, 2))
    tensor([[1., 0.],
            [1., 1.]])
    """
    return _triangle("tril", np.tril, input, diagonal)


@op("TriuBackward0", idempotent=True, batch=of_last_axes(2), input=lambda g, diagonal: triu(g, diagonal))
def triu(input, diagonal=0):
    """The upper triangle of matrices, with zeros below the diagonal ``diagonal``."""
    return _triangle("triu", np.triu, input, diagonal)


def vander(x: Tensor, N: int | None = None, increasing: bool = False) -> Tensor:
    """The matrix whose columns are powers of a vector, falling ones unless ``increasing``."""
    from .creation import ones
    from .cumulative import cumprod

    if x.array.ndim != 1:
        raise RuntimeError("x must be a one-dimensional tensor.")
    n = x.array.size if N is None else N
    if n < 0:
        raise RuntimeError("N must be non-negative.")
    if n == 0:
        return wrap(np.empty((x.array.size, 0), x.array.dtype))
    dtype = x.dtype if x.dtype.category >= dtypes.FLOATING else dtypes.int64
    first = ones(x.array.size, 1, dtype=dtype)
    out = first if n == 1 else cat([first, cumprod(expand(unsqueeze(x, 1), (x.array.size, n - 1)), 1)], 1)
    return out if increasing else flip(out, 1)


# Pixels and channels


def _check_pixels(name: str, input: np.ndarray, factor: int) -> None:
    if input.ndim < 3:
        raise RuntimeError(
            f"{name} expects input to have at least 3 dimensions, but got input with {input.ndim} dimension(s)"
        )
    if factor <= 0:
        word = "upscale_factor" if name == "pixel_shuffle" else "downscale_factor"
        raise RuntimeError(f"{name} expects a positive {word}, but got {factor}")


@op("PixelShuffleBackward0", batch=of_last_axes(3), input=lambda g, upscale_factor: pixel_unshuffle(g, upscale_factor))
def pixel_shuffle(input, upscale_factor):
    """Channels spread over space: (..., C r², H, W) as (..., C, H r, W r)."""
    _check_pixels("pixel_shuffle", input, upscale_factor)
    r = upscale_factor
    *batch, c, h, w = input.shape
    if c % (r * r):
        raise RuntimeError(
            f"pixel_shuffle expects its input's 'channel' dimension to be divisible by the square of upscale_factor, "
            f"but input.size(-3)={c} is not divisible by {r * r}"
        )
    n = len(batch)
    split = input.reshape(*batch, c // (r * r), r, r, h, w)
    return np.ascontiguousarray(split.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)).reshape(
        *batch, c // (r * r), h * r, w * r
    )


@op(
    "PixelUnshuffleBackward0",
    batch=of_last_axes(3),
    input=lambda g, downscale_factor: pixel_shuffle(g, downscale_factor),
)
def pixel_unshuffle(input, downscale_factor):
    """Space gathered into channels: (..., C, H r, W r) as (..., C r², H, W)."""
    _check_pixels("pixel_unshuffle", input, downscale_factor)
    r = downscale_factor
    *batch, c, h, w = input.shape
    for length, word in ((h, "height"), (w, "width")):
        if length % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {word} to be divisible by downscale_factor, but "
                f"input.size({-2 if word == 'height' else -1})"
                f"={length} is not divisible by {r}"
            )
    n = len(batch)
    split = input.reshape(*batch, c, h // r, r, w // r, r)
    return np.ascontiguousarray(split.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)).reshape(
        *batch, c * r * r, h // r, w // r
    )


def _channels_batch(batch: Any, input: Any, groups: int) -> Any:
    refuse_scalars(batch, 3, (input, groups), {})
    return merged(batch, input, groups)


@op(
    "ChannelShuffleBackward0",
    input=lambda g, input_shape, groups: channel_shuffle(g, input_shape[1] // groups),
    batch=_channels_batch,
)
def channel_shuffle(input, groups):
    """The channels (axis 1) of several groups interleaved."""
    if input.ndim <= 2:
        raise RuntimeError(f"channel_shuffle expects input with > 2 dims, but got input with sizes {list(input.shape)}")
    if groups <= 0:
        raise RuntimeError(f"Number of groups to divide channels in must be positive. Value of groups:{groups}")
    batch, channels, *rest = input.shape
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and {groups} groups."
        )
    split = input.reshape(batch, groups, channels // groups, *rest)
    return np.ascontiguousarray(split.swapaxes(1, 2)).reshape(input.shape)
