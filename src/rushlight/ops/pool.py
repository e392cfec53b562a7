"""Pooling: the largest element or the average of each window, over one, two or three axes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from ..kernels import pooling as kernels
from ..kernels.pooling import Windows
from .define import op
from .fast import parametric
from .products import cased

__all__ = [
    "adaptive_avg_pool1d", "adaptive_max_pool1d", "avg_pool1d", "max_pool1d", "max_pool1d_with_indices", "max_pool2d",
    "max_pool3d",
]  # fmt: skip

# Values at places: what maxima are and what their gradients do


@op(
    "GatherBackward0",
    input=lambda g, indices, rank, input_shape: _scatter(g, indices, tuple(input_shape[-rank:]), False),
    batch="leading",
)
def _gather(input, indices, rank):
    return kernels.gather(input, indices, rank)


@op("ScatterBackward0", input=lambda g, indices, size: _gather(g, indices, len(size)), batch="leading")
def _scatter(input, indices, size, unique):
    return kernels.add_at_places(input, indices, size, unique)


def _named(kind: str, rank: int, more: str = "") -> str:
    """The name of the last node; over one axis PyTorch pools over two and takes one away again."""
    return "SqueezeBackward1" if rank == 1 else f"{kind}{rank}D{more}Backward0"


def maximal(name: str, compute: Any) -> Any:
    """An operation that picks elements: ``compute`` gives them and their flat places from (input, parameters)."""

    @op(
        name,
        flat=True,
        input=lambda g, indices, by, input: _scatter(
            g, indices, tuple(input.shape[len(input.shape) - _rank(by) :]), isinstance(by, Windows) and by.apart()
        ),
        outputs=("out", "indices"),
        nondifferentiable=("indices",),
        batch="leading",
    )
    def pick(input, by):
        return compute(input, by)

    return pick


def _rank(by: Any) -> int:
    return len(by.out if isinstance(by, Windows) else by)


_largest = {rank: maximal(_named("MaxPool", rank, "WithIndices"), kernels.largest_of_windows) for rank in (1, 2, 3)}
_largest_of_parts = {rank: maximal(_named("AdaptiveMaxPool", rank), kernels.largest_of_parts) for rank in (1, 2, 3)}

# Averages


def _averages(name: str) -> Any:
    def gradient(g, input, by, divisor):
        return back(g, by, divisor, tuple(input.shape[-len(by.out) :]))

    @op(name, flat=True, input=gradient, batch="leading")
    def average(input, by, divisor):
        return kernels.averaged(_wide(input), by, divisor).astype(input.dtype, copy=False)

    @op(f"{name[:-1]}Backward0", input=lambda g, by, divisor: average(g, by, divisor), batch="leading")
    def back(input, by, divisor, size):
        return kernels.averaged_back(_wide(input), by, divisor, size).astype(input.dtype, copy=False)

    average = parametric(average, average.op.compute, gradient)
    return average


def _wide(x: np.ndarray) -> np.ndarray:
    """Types of 16 bits as float32, to compute in."""
    return x.astype(np.float32) if x.dtype.itemsize == 2 and x.dtype.kind in "fV" else x


def _averages_of_parts(name: str) -> Any:
    def gradient(g, input, out):
        return back(g, tuple(input.shape[-len(out) :]))

    @op(name, flat=True, input=gradient, batch="leading")
    def average(input, out):
        return kernels.averages_of_parts(_wide(input), out).astype(input.dtype, copy=False)

    @op(
        f"{name[:-1]}Backward0",
        input=lambda g, input_shape, size: average(g, input_shape[-len(size) :]),
        batch="leading",
    )
    def back(input, size):
        return kernels.averages_of_parts_back(_wide(input), size).astype(input.dtype, copy=False)

    return parametric(average, average.op.compute, gradient)


_average = {rank: _averages(_named("AvgPool", rank)) for rank in (1, 2, 3)}
_average_of_parts = {rank: _averages_of_parts(_named("AdaptiveAvgPool", rank)) for rank in (1, 2, 3)}


def separable(name: str) -> Any:
    """An operation that maps each of the last axes by a matrix, which carries its gradient back transposed."""

    def back(g, matrices):
        return transpose(g, tuple(None if m is None else m.T for m in matrices))

    def forth(g, matrices):
        return apply(g, tuple(None if m is None else m.T for m in matrices))

    @op(name, input=back, batch="leading")
    def apply(input, matrices):
        if input.dtype.kind == "u":
            return kernels.bytes_along_axes(input, matrices)
        return kernels.along_axes(_wide(input), matrices).astype(input.dtype, copy=False)

    @op(f"{name[:-1]}Backward0", input=forth, batch="leading")
    def transpose(input, matrices):
        return kernels.along_axes(_wide(input), matrices).astype(input.dtype, copy=False)

    return apply


# Parameters


def numbers(value: Any, rank: int, name: str) -> tuple[int, ...]:
    """One number for each axis, from one for all or a tuple."""
    if isinstance(value, int):
        return (value,) * rank
    value = tuple(value)
    if len(value) not in (1, rank):
        raise RuntimeError(f"{name} must either be a single int, or a tuple of {rank} ints, got {list(value)}")
    return value * rank if len(value) == 1 else value


def _windows(
    input: Any, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, name: str
) -> Windows:
    """The windows that the parameters describe, checked."""
    given = (kernel_size, stride, padding, dilation)
    parameters = (value if isinstance(value, int) or value is None else tuple(value) for value in given)
    return _windows_over(tuple(input.shape), rank, *parameters, bool(ceil_mode), name)


@lru_cache(256)
def _windows_over(
    shape: tuple, rank: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, name: str
) -> Windows:
    ndim = len(shape)
    if min(numbers(padding, rank, f"{name}: padding")) < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {min(numbers(padding, rank, name))}")
    if ndim not in (rank + 1, rank + 2):
        if rank == 1:
            raise RuntimeError(
                f"{name}: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for input, but "
                f"got:{list(shape)}"
            )
        raise RuntimeError(
            f"non-empty {rank + 1}D or {rank + 2}D (batch mode) tensor expected for input, got {list(shape)}"
        )
    kernel = numbers(kernel_size, rank, f"{name}: kernel_size")
    empty = stride is None or stride == ()
    stride = kernel if empty else numbers(stride, rank, f"{name}: stride")
    padding, dilation = numbers(padding, rank, f"{name}: padding"), numbers(dilation, rank, f"{name}: dilation")
    if min(kernel) < 1:
        raise RuntimeError(f"kernel size should be greater than zero, but got {list(kernel)}")
    if min(stride) < 1:
        zero = "max_pool1d() stride must be greater than zero, but got 0" if rank == 1 else "stride should not be zero"
        raise RuntimeError(zero if 0 in stride else f"stride must be greater than zero, but got {list(stride)}")
    if min(dilation) < 1:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    for p, k, d in zip(padding, kernel, dilation):
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, kernel_size={k} and "
                f"dilation={d}"
            )
    if 0 in shape[-rank - 1 :]:
        if rank == 3:
            raise RuntimeError(
                f"{name}: Expected input's non-batch dimensions to have positive length, but input has a shape of "
                f"{list(shape)} and non-batch dimension {shape[-rank - 1 :].index(0)} has length zero!"
            )
        raise RuntimeError(
            f"Expected {rank + 1}D or {rank + 2}D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got: {list(shape)}"
        )
    size = shape[-rank:]
    out = tuple(kernels.count(*axis, ceil_mode) for axis in zip(size, kernel, stride, padding, dilation))
    if min(out) < 1:
        have, made = ("x".join(map(str, (shape[-rank - 1], *lengths))) for lengths in (size, out))
        if name == "max_pool1d":
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {out[0]}: no window fits into {have}")
        raise RuntimeError(f"Given input size: ({have}). Calculated output size: ({made}). Output size is too small")
    return Windows(kernel, stride, padding, dilation, out)


def _refuse(input: Any, kernel: str, kinds: str) -> None:
    if input.array.dtype.kind not in kinds:
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{cased(input.array)}': convert with .float()")


# Maxima


def _max_pool(rank: int) -> Any:
    name = f"max_pool{rank}d"

    def max_pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False):
        by = _windows(input, rank, kernel_size, stride, padding, dilation, ceil_mode, name)
        _refuse(input, name, "fiuV")
        out, indices = _largest[rank](input, by)
        return (out, indices) if return_indices else out

    max_pool.__name__ = max_pool.__qualname__ = name
    max_pool.__doc__ = f"""The largest element of each window over {rank} axes: (N, C, *) or (C, *).

    Args:
        stride: how far apart windows are; by default as long as a window.
        padding: how far windows may begin before the input; at most half of a window.
        ceil_mode: a window may reach beyond the end.
        return_indices: also give the flat place of each maximum, for `max_unpool{rank}d`.

    Raises:
        RuntimeError: no window fits, or a parameter is out of its range.
    """
    return max_pool


max_pool1d, max_pool2d, max_pool3d = _max_pool(1), _max_pool(2), _max_pool(3)


def _with_indices(rank: int) -> Any:
    name = f"max_pool{rank}d_with_indices"

    def max_pool(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=True):
        pool = (max_pool1d, max_pool2d, max_pool3d)[rank - 1]
        return pool(input, kernel_size, stride, padding, dilation, ceil_mode, True)

    max_pool.__name__ = max_pool.__qualname__ = name
    max_pool.__doc__ = f"`max_pool{rank}d` and the flat place of each maximum."
    return max_pool


max_pool1d_with_indices, max_pool2d_with_indices, max_pool3d_with_indices = map(_with_indices, (1, 2, 3))


def _parts(input: Any, output_size: Any, rank: int, name: str) -> tuple[int, ...]:
    """The wished lengths of the last axes; None keeps one."""
    wished = tuple(output_size) if isinstance(output_size, (tuple, list)) else output_size
    return _parts_of(tuple(input.array.shape), wished, rank, name)


@lru_cache(256)
def _parts_of(shape: tuple, output_size: Any, rank: int, name: str) -> tuple[int, ...]:
    ndim = len(shape)
    if rank > 1 and ndim <= rank and isinstance(output_size, tuple):
        raise ValueError(f"Input dimension should be at least {rank + 1}, got {ndim}")
    if ndim not in (rank + 1, rank + 2):
        raise RuntimeError(f"{name}(): Expected {rank + 1}D or {rank + 2}D tensor, but got {list(shape)}")
    wished = (output_size,) * rank if isinstance(output_size, int) or output_size is None else tuple(output_size)
    wished = wished * rank if len(wished) == 1 else wished
    if len(wished) != rank:
        raise RuntimeError(f"{name}: output_size must be {rank}, got {len(wished)} sizes")
    out = tuple(n if w is None else w for w, n in zip(wished, shape[-rank:]))
    if min(out) < 0:
        if "max" in name:
            shape = (*shape[:-rank], *out)
            raise RuntimeError(f"Trying to create tensor with negative dimension {min(out)}: {list(shape)}")
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received {list(out)}"
        )
    if 0 in shape[-rank:]:
        raise RuntimeError(
            f"{name}(): Expected input to have non-zero size for non-batch dimensions, but input has sizes "
            f"{list(shape)}"
        )
    return out


def _adaptive_max_pool(rank: int) -> Any:
    name = f"adaptive_max_pool{rank}d"

    def adaptive_max_pool(input, output_size, return_indices=False):
        parts = _parts(input, output_size, rank, name)
        out, indices = _largest_of_parts[rank](input, parts)
        return (out, indices) if return_indices else out

    adaptive_max_pool.__name__ = adaptive_max_pool.__qualname__ = name
    adaptive_max_pool.__doc__ = f"""The largest element of each of ``output_size`` parts along the last axes ({rank}).

    Raises:
        RuntimeError: the input has another number of axes than {rank + 1} or {rank + 2}, or an empty one.
    """
    return adaptive_max_pool


_adaptive_max = {rank: _adaptive_max_pool(rank) for rank in (1, 2, 3)}
adaptive_max_pool2d, adaptive_max_pool3d = _adaptive_max[2], _adaptive_max[3]


def adaptive_max_pool1d_with_indices(input, output_size, return_indices=True):
    """`adaptive_max_pool1d` and the flat place of each maximum."""
    return _adaptive_max[1](input, output_size, True)


adaptive_max_pool1d = _adaptive_max[1]

# Back to where maxima came from


def _max_unpool(rank: int) -> Any:
    name = f"max_unpool{rank}d"
    unpool = _unpooling(_named("MaxUnpool", rank))

    def max_unpool(input, indices, kernel_size, stride=None, padding=0, output_size=None):
        kernel = numbers(kernel_size, rank, "kernel_size")
        step = kernel if stride is None else numbers(stride, rank, "stride")
        pads = numbers(padding, rank, "padding")
        default = tuple((n - 1) * s - 2 * p + k for n, s, p, k in zip(input.shape[-rank:], step, pads, kernel))
        size = default if output_size is None else _checked_size(tuple(output_size)[-rank:], default, step)
        if indices.shape != input.shape:
            raise RuntimeError(f"Expected shape of indices to be: {list(input.shape)} but got: {list(indices.shape)}")
        return unpool(input, indices, size)

    max_unpool.__name__ = max_unpool.__qualname__ = name
    max_unpool.__doc__ = f"""Zeros with each value at the place that `max_pool{rank}d` gave as its index.

    Args:
        output_size: the shape of the pooled input, where several are possible.

    Raises:
        ValueError: the size is not one that pooling could have started from.
        RuntimeError: indices have another shape than the input, or point outside of the output.
    """
    return max_unpool


def _checked_size(size: tuple, default: tuple, step: tuple) -> tuple:
    for n, d, s in zip(size, default, step):
        if not d - s < n < d + s:
            low, high = [d - s for d, s in zip(default, step)], [d + s for d, s in zip(default, step)]
            raise ValueError(f'invalid output_size "{size}" (dim 0 must be between {low} and {high})')
    return size


def _unpooling(name: str) -> Any:
    @op(name, linear=True, input=lambda g, indices, size: _gather(g, indices, len(size)), batch="leading")
    def unpool(input, indices, size):
        total = math.prod(size)
        if indices.size and not 0 <= indices.min() <= indices.max() < total:
            wrong = indices.max() if indices.max() >= total else indices.min()
            raise RuntimeError(
                f"found an invalid max index: {wrong} (output volumes are of size {'x'.join(map(str, size))}"
            )
        lead = input.shape[: input.ndim - len(size)]
        out = np.zeros((*lead, total), input.dtype)
        np.put_along_axis(out, indices.reshape(*lead, -1), input.reshape(*lead, -1), -1)
        return out.reshape(*lead, *size)

    return unpool


max_unpool1d, max_unpool2d, max_unpool3d = map(_max_unpool, (1, 2, 3))

# Averages


def _avg_pool(rank: int) -> Any:
    name = f"avg_pool{rank}d"

    def avg_pool(
        input,
        kernel_size,
        stride=None,
        padding=0,
        ceil_mode=False,
        count_include_pad=True,
        divisor_override=None,
        *,
        out=None,
    ):
        by = _windows(input, rank, kernel_size, stride, padding, 1, ceil_mode, name)
        if divisor_override == 0:
            raise RuntimeError("divisor must be not zero")
        _refuse(input, name, "fVi")
        divisor = divisor_override or kernels.divisors(by, tuple(input.shape[-rank:]), count_include_pad)
        return _average[rank](input, by, divisor) if out is None else _average[rank](input, by, divisor, out=out)

    avg_pool.__name__ = avg_pool.__qualname__ = name
    avg_pool.__doc__ = f"""The average of each window over {rank} axes: (N, C, *) or (C, *).

    Args:
        stride: how far apart windows are; by default as long as a window.
        count_include_pad: zeros of the padding count as elements.
        divisor_override: divide by this number rather than by that of elements.

    Raises:
        RuntimeError: no window fits, or a parameter is out of its range.
    """
    return avg_pool


avg_pool1d, avg_pool2d, avg_pool3d = _avg_pool(1), _avg_pool(2), _avg_pool(3)


def _adaptive_avg_pool(rank: int) -> Any:
    name = f"adaptive_avg_pool{rank}d"

    def adaptive_avg_pool(input, output_size):
        parts = _parts(input, output_size, rank, name)
        _refuse(input, name, "fV")
        if set(parts) == {1} and rank > 1:
            return input.mean(tuple(range(-rank, 0)), keepdim=True)
        return _average_of_parts[rank](input, parts)

    adaptive_avg_pool.__name__ = adaptive_avg_pool.__qualname__ = name
    adaptive_avg_pool.__doc__ = f"""The average of each of ``output_size`` parts along each of the last axes ({rank}).

    Raises:
        RuntimeError: the input has another number of axes than {rank + 1} or {rank + 2}, or an empty one.
    """
    return adaptive_avg_pool


adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d = map(_adaptive_avg_pool, (1, 2, 3))


# Norms


def _lp_pool(rank: int) -> Any:
    name = f"lp_pool{rank}d"
    average = (avg_pool1d, avg_pool2d, avg_pool3d)[rank - 1]

    def lp_pool(input, norm_type, kernel_size, stride=None, ceil_mode=False):
        elements = math.prod(numbers(kernel_size, rank, "kernel_size"))
        means = average(input**norm_type, kernel_size, stride, 0, ceil_mode)
        return ((means.sign() * means.abs().relu()) * elements) ** (1.0 / norm_type)

    lp_pool.__name__ = lp_pool.__qualname__ = name
    lp_pool.__doc__ = f"The p-norm of each window over {rank} axes, (Σ xᵖ)^(1/p) with p = ``norm_type``."
    return lp_pool


lp_pool1d, lp_pool2d, lp_pool3d = map(_lp_pool, (1, 2, 3))
