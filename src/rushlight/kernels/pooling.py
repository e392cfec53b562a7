"""Pooling on arrays: the largest element or the average of each window, and maps of an axis to another size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product as combinations
from typing import Any, NamedTuple

import numpy as np

from .convolution import Geometry, inside, padded
from .matrix import product
from .native import kernel


class Windows(NamedTuple):
    """Windows along each axis: how long, how far apart, zeros on both sides, dilation, and how many there are."""

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    out: tuple[int, ...]

    def overhang(self, size: Sequence[int]) -> list[int]:
        """How far the last window reaches beyond the padded input."""
        axes = zip(self.kernel, self.stride, self.padding, self.dilation, self.out, size)
        return [max(0, (o - 1) * s + d * (k - 1) + 1 - n - 2 * p) for k, s, p, d, o, n in axes]

    def apart(self) -> bool:
        """Whether no two windows share an element."""
        return all(s > d * (k - 1) for k, s, d in zip(self.kernel, self.stride, self.dilation))

    def places(self) -> list[tuple[Any, ...]]:
        """For each element of the window, the index of where on the padded input the windows have it."""
        return Geometry(self.stride, self.padding, self.dilation).places(self.kernel, self.out)


def count(n: int, kernel: int, stride: int, padding: int, dilation: int, ceil: bool) -> int:
    """How many windows an axis has; with ``ceil`` one may reach beyond the end if it starts inside."""
    room = n + 2 * padding - dilation * (kernel - 1) - 1
    windows = (-(-room // stride) if ceil else room // stride) + 1
    return windows - 1 if ceil and (windows - 1) * stride >= n + padding else windows


def _prepared(x: np.ndarray, by: Windows, value: float) -> np.ndarray:
    """The input with its padding and what the last windows need beyond it."""
    rank = len(by.kernel)
    beyond = by.overhang(x.shape[-rank:])
    if not any(beyond):
        return padded(x, by.padding, value)
    lead = x.shape[:-rank]
    out = np.full((*lead, *(n + 2 * p + b for n, p, b in zip(x.shape[-rank:], by.padding, beyond))), value, x.dtype)
    out[inside(x.shape[-rank:], by.padding)] = x
    return out


@kernel
def largest_of_windows(x: np.ndarray, by: Windows) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window, the first among equals, NaN above all; and its flat place in the input."""
    size = x.shape[-len(by.kernel) :]
    lowest = -np.inf if x.dtype.kind in "fV" else np.iinfo(x.dtype).min
    source = _prepared(x, by, lowest)
    places = by.places()
    best, which = _first_largest(source, places)
    if (best > lowest if any(by.padding) else best == best).all():  # no NaN, and no window of padding alone
        return best, _flat_places(which, size, by)
    best = source[places[0]].copy()
    which = np.zeros(best.shape, np.int16 if len(places) < 2**15 else np.int64)
    inexact = x.dtype.kind in "fV"
    if any(by.padding):
        _start_inside(best, which, by)
    for k, place in enumerate(places[1:], 1):
        candidate = source[place]
        better = candidate > best
        if inexact:
            better |= candidate != candidate
        np.copyto(best, candidate, where=better)
        np.copyto(which, k, where=better)
    return best, _flat_places(which, size, by)


def _first_largest(source: np.ndarray, places: list) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each window, and which of its elements is the first that equals it; none equals NaN."""
    best = source[places[0]].copy()
    for place in places[1:]:
        np.maximum(best, source[place], out=best)
    which = np.zeros(best.shape, np.int16 if len(places) < 2**15 else np.int64)
    later = np.ones(best.shape, bool)
    for place in places[:-1]:
        later &= source[place] != best
        which += later
    return best, which


def _start_inside(best: np.ndarray, which: np.ndarray, by: Windows) -> None:
    """A window of the lowest values alone has its place at its first element inside of the input."""
    rank = len(by.kernel)
    first = np.zeros(by.out, which.dtype)
    for axis in range(rank):
        starts = np.arange(by.out[axis]) * by.stride[axis] - by.padding[axis]
        steps = np.maximum(0, -(starts // by.dilation[axis]))
        shape = [1] * rank
        shape[axis] = -1
        first += (steps * math.prod(by.kernel[axis + 1 :])).astype(which.dtype).reshape(shape)
    which[...] = first


def _flat_places(which: np.ndarray, size: tuple[int, ...], by: Windows) -> np.ndarray:
    """From the number of an element in its window to its place in the input."""
    rank = len(size)
    offsets = np.array(list(combinations(*map(range, by.kernel))), np.int64).reshape(-1, rank) * by.dilation
    steps = np.array([math.prod(size[axis + 1 :]) for axis in range(rank)])
    flat = np.take(offsets @ steps, which)
    for axis in range(rank):
        shape = [1] * rank
        shape[axis] = -1
        flat += ((np.arange(by.out[axis]) * by.stride[axis] - by.padding[axis]) * steps[axis]).reshape(shape)
    return flat


def fractional_starts(sample: np.ndarray, size: int, count: int, kernel: int) -> np.ndarray:
    """Where the windows begin that pool an axis to ``count`` elements: evenly apart, shifted, (*, count)."""
    shift, spacing = sample[..., None], (size - kernel) / max(count - 1, 1)
    steps = np.arange(count, dtype=sample.dtype)
    starts = ((steps + shift) * spacing).astype(np.int64) - (shift * spacing).astype(np.int64)
    starts[..., -1] = size - kernel
    return starts


def largest_at(x: np.ndarray, windows: tuple[tuple[np.ndarray, int], ...]) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of windows given along each axis by their starts and their length; and its flat place."""
    rank = len(windows)
    lead, size = x.shape[: x.ndim - rank], x.shape[x.ndim - rank :]
    places = np.zeros((*lead, 1, 1), np.int64)
    for (starts, length), n in zip(windows, size):
        along = starts[..., None] + np.arange(length)
        # One more axis of windows and one of elements, each then joined to those before it.
        joined = places[..., :, None, :, None] * n + along[..., None, :, None, :]
        places = joined.reshape(*lead, joined.shape[-4] * joined.shape[-3], joined.shape[-2] * length)
    elements = gather(x, places, rank)
    which = elements.argmax(-1)[..., None]
    out = (*lead, *(starts.shape[-1] for starts, _ in windows))
    return np.take_along_axis(elements, which, -1).reshape(out), np.take_along_axis(places, which, -1).reshape(out)


@kernel
def add_at_places(values: np.ndarray, indices: np.ndarray, size: tuple[int, ...], unique: bool) -> np.ndarray:
    """Zeros of the given last axes with each value added at its flat place; ``unique`` if no place occurs twice.

    A place outside of them is that of a window of padding alone, whose value goes nowhere.
    """
    rank = len(size)
    lead, total = values.shape[: values.ndim - rank], math.prod(size)
    rows = math.prod(lead)
    indices = indices.reshape(rows, math.prod(indices.shape[len(lead) :]))
    places = indices + (np.arange(rows) * total)[:, None]
    inside = (indices >= 0) & (indices < total)
    if not inside.all():
        places, values = places[inside], values.reshape(places.shape)[inside]
    if unique:
        sums = np.zeros(rows * total, values.dtype)
        sums[places.reshape(-1)] = values.reshape(-1)
    else:
        sums = np.bincount(places.reshape(-1), values.reshape(-1), rows * total).astype(values.dtype)
    return sums.reshape(*lead, *size)


def gather(values: np.ndarray, indices: np.ndarray, rank: int) -> np.ndarray:
    """The values at flat places of the last axes."""
    lead = values.shape[: values.ndim - rank]
    flat, places = (x.reshape(*lead, math.prod(x.shape[len(lead) :])) for x in (values, indices))
    return np.take_along_axis(flat, places, -1).reshape(indices.shape)


@kernel
def averaged(x: np.ndarray, by: Windows, divisor: float | np.ndarray) -> np.ndarray:
    """The sum of each window over a number, or over one for each window."""
    source = _prepared(x, by, 0)
    places = by.places()
    total = source[places[0]].copy()
    for place in places[1:]:
        total += source[place]
    return (total / divisor).astype(x.dtype, copy=False)


@kernel
def averaged_back(y: np.ndarray, by: Windows, divisor: float | np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Each value over its divisor added to every element of its window: the transpose of `averaged`."""
    y = (y / divisor).astype(y.dtype, copy=False)
    lead = y.shape[: y.ndim - len(size)]
    whole = [n + 2 * p + b for n, p, b in zip(size, by.padding, by.overhang(size))]
    x = np.zeros((*lead, *whole), y.dtype)
    for place in by.places():
        x[place] += y
    return np.ascontiguousarray(x[inside(size, by.padding)])


def divisors(by: Windows, size: tuple[int, ...], count_padding: bool) -> np.ndarray | float:
    """How many elements each window has: inside of the padded input, or of the input alone."""
    if not any(by.overhang(size)) and (count_padding or not any(by.padding)):
        return float(math.prod(by.kernel))
    counts: np.ndarray = np.ones(())
    for axis, n in enumerate(size):
        k, s, p, o = by.kernel[axis], by.stride[axis], by.padding[axis], by.out[axis]
        starts = np.arange(o) * s - p
        ends = np.minimum(starts + k, n + p)
        lengths = ends - starts if count_padding else np.minimum(ends, n) - np.maximum(starts, 0)
        counts = counts[..., None] * lengths
    return counts


# Separable maps: a matrix for each axis


def along_axes(x: np.ndarray, matrices: Sequence[np.ndarray | None]) -> np.ndarray:
    """The last axes of x each mapped by a matrix (new length, old length); None leaves an axis as it is."""
    rank = len(matrices)
    for axis, matrix in enumerate(matrices, x.ndim - rank):
        if matrix is None:
            continue
        matrix = matrix.astype(x.dtype, copy=False)
        if axis == x.ndim - 1:
            x = product(x, matrix.T)
        else:
            lead, tail = x.shape[:axis], x.shape[axis + 1 :]
            x = np.matmul(matrix, x.reshape(-1, x.shape[axis], math.prod(tail))).reshape(*lead, len(matrix), *tail)
    return x


def bytes_along_axes(x: np.ndarray, matrices: Sequence[np.ndarray | None]) -> np.ndarray:
    """`along_axes` of bytes, from the last axis to the first: weights of 16 bits, and a result of bytes each time."""
    for axis, matrix in reversed(list(enumerate(matrices, x.ndim - len(matrices)))):
        if matrix is None:
            continue
        bits = 0
        while bits < 22 and matrix.max() * (1 << (bits + 1)) + 0.5 < 1 << 15:
            bits += 1
        weights = np.trunc(matrix * (1 << bits) + np.copysign(0.5, matrix)).astype(np.int64)
        sums = np.moveaxis(x, axis, -1).astype(np.int64) @ weights.T
        x = np.moveaxis(np.clip((sums + (1 << (bits - 1))) >> bits, 0, 255).astype(np.uint8), -1, axis)
    return x


def part_bounds(n: int, out: int) -> list[tuple[int, int]]:
    """An axis of length n in `out` parts of nearly equal length that cover it, as (start, end)."""
    return [(i * n // out, -(-(i + 1) * n // out)) for i in range(out)]


@kernel
def averages_of_parts(x: np.ndarray, out: tuple[int, ...]) -> np.ndarray:
    """The average of each part, along one axis after the other."""
    for axis, parts in enumerate(out, x.ndim - len(out)):
        y = np.empty((*x.shape[:axis], parts, *x.shape[axis + 1 :]), x.dtype)
        for i, (start, end) in enumerate(part_bounds(x.shape[axis], parts)):
            np.moveaxis(y, axis, 0)[i] = np.moveaxis(x, axis, 0)[start:end].sum(0) / (end - start)
        x = y
    return x


@kernel
def averages_of_parts_back(y: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """Each value over the number of elements added to those of its part: the transpose of `averages_of_parts`."""
    for axis, n in enumerate(size, y.ndim - len(size)):
        x = np.zeros((*y.shape[:axis], n, *y.shape[axis + 1 :]), y.dtype)
        for i, (start, end) in enumerate(part_bounds(n, y.shape[axis])):
            np.moveaxis(x, axis, 0)[start:end] += np.moveaxis(y, axis, 0)[i] / (end - start)
        y = x
    return y


@kernel
def largest_of_parts(x: np.ndarray, out: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """The largest element of each part, the first among equals, NaN above all; and its flat place."""
    size = x.shape[x.ndim - len(out) :]
    lead = x.shape[: x.ndim - len(out)]
    values, indices = np.empty((*lead, *out), x.dtype), np.empty((*lead, *out), np.int64)
    places = np.arange(math.prod(size)).reshape(size)
    bounds = [part_bounds(n, o) for n, o in zip(size, out)]
    for cell in combinations(*map(range, out)):
        part: tuple[Any, ...] = (..., *(slice(*bounds[axis][i]) for axis, i in enumerate(cell)))
        elements = x[part]
        elements = elements.reshape(*lead, math.prod(elements.shape[len(lead) :]))
        which = elements.argmax(-1)
        missing = elements != elements
        if missing.any():  # the last NaN
            last = elements.shape[-1] - 1 - missing[..., ::-1].argmax(-1)
            which = np.where(missing.any(-1), last, which)
        at: tuple[Any, ...] = (..., *cell)
        values[at] = np.take_along_axis(elements, which[..., None], -1)[..., 0]
        indices[at] = places[part].reshape(-1)[which]
    return values, indices
