"""Convolution on arrays: a sum over input, weight and output positions, and its three partial derivatives.

For x (N, C, *X), w (O, C/groups, *K) and y (N, O, *Y) each of the three functions sums x·w·y over what the other two
index; each is the derivative of the others. The windows are copied beside each other, one copy for each kernel
element, and multiplied as one matrix.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product as combinations
from typing import Any, NamedTuple

import numpy as np

from .matrix import product
from .native import kernel as native


class Geometry(NamedTuple):
    """How the kernel moves, along each axis: stride, zeros added on both sides, dilation; and the number of groups."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1

    def output_size(self, size: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, ...]:
        """The lengths of the output's axes."""
        axes = zip(size, kernel, self.stride, self.padding, self.dilation)
        return tuple((n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, s, p, d in axes)

    def places(self, kernel: tuple[int, ...], out: tuple[int, ...]) -> list[tuple[Any, ...]]:
        """For each element of the kernel, the index of where on the padded input the outputs meet it."""

        def along(i: int, d: int, s: int, n: int) -> slice:
            return slice(i * d, i * d + (n - 1) * s + 1, s)

        offsets = combinations(*map(range, kernel))
        return [(..., *map(along, offset, self.dilation, self.stride, out)) for offset in offsets]


def inside(size: Iterable[int], padding: Iterable[int]) -> tuple[Any, ...]:
    """The index of an array of that size within the same array padded."""
    return (..., *(slice(p, p + n) for n, p in zip(size, padding)))


def padded(x: np.ndarray, padding: tuple[int, ...], value: float = 0) -> np.ndarray:
    """The array with so many values before and after each of its last axes."""
    if not any(padding):
        return x
    lead = x.shape[: x.ndim - len(padding)]
    size = x.shape[len(lead) :]
    out = np.full((*lead, *(n + 2 * p for n, p in zip(size, padding))), value, x.dtype)
    out[inside(size, padding)] = x
    return out


def columns(x: np.ndarray, kernel: tuple[int, ...], out: tuple[int, ...], by: Geometry) -> np.ndarray:
    """The windows of x as (C, K, N, *out)."""
    n, c = x.shape[:2]
    x = padded(x, by.padding)
    places = by.places(kernel, out)
    result = np.empty((c, len(places), n, *out), x.dtype)
    by_channel = x.swapaxes(0, 1)
    for k, place in enumerate(places):
        result[:, k] = by_channel[place]
    return result


def is_plain(kernel: tuple[int, ...], by: Geometry) -> bool:
    """Whether every input position meets exactly one output position: a product of matrices."""
    return set(kernel) <= {1} and set(by.stride) <= {1} and not any(by.padding)


@native
def correlate(
    x: np.ndarray, w: np.ndarray, bias: np.ndarray | None, by: Geometry, size: tuple[int, ...] | None = None
) -> np.ndarray:
    """y: for each output position the window of x times w; as many positions as there is room for, or ``size``.

    The bias is a number for each output channel.
    """
    return _plus(bias, _correlated(x, w, by, size))


def _plus(bias: np.ndarray | None, result: np.ndarray) -> np.ndarray:
    if bias is not None:
        result += bias.reshape(-1, *(1,) * (result.ndim - 2))
    return result


def _correlated(x: np.ndarray, w: np.ndarray, by: Geometry, size: tuple[int, ...] | None) -> np.ndarray:
    n, (o, c), kernel, groups = x.shape[0], w.shape[:2], w.shape[2:], by.groups
    out = by.output_size(x.shape[2:], kernel) if size is None else size
    if groups > 1 and c == 1:
        return _correlate_by_channel(x, w, by, out)
    if is_plain(kernel, by) and groups == 1:
        return product(w.reshape(o, c), x.reshape(n, c, -1)).reshape(n, o, *out)
    windows = columns(x, kernel, out, by)
    if groups == 1:
        y = product(w.reshape(o, -1), windows.reshape(windows.shape[0] * windows.shape[1], -1))
    else:
        y = product(w.reshape(groups, o // groups, -1), windows.reshape(groups, c * windows.shape[1], -1))
    return np.ascontiguousarray(y.reshape(o, n, *out).swapaxes(0, 1))


def _correlate_by_channel(x: np.ndarray, w: np.ndarray, by: Geometry, out: tuple[int, ...]) -> np.ndarray:
    """Each input channel is seen by kernels of its own: too little for matrix products."""
    n, channels = x.shape[:2]
    kernel = w.shape[2:]
    x = padded(x, by.padding)[:, :, None]
    w = w.reshape(channels, -1, *kernel)
    y = np.zeros((n, channels, w.shape[1], *out), x.dtype)
    factors = w.reshape(*w.shape[:2], -1)[..., *(None,) * len(out)]
    for k, place in enumerate(by.places(kernel, out)):
        y += x[place] * factors[:, :, k]
    return y.reshape(n, -1, *out)


@native
def spread(y: np.ndarray, w: np.ndarray, bias: np.ndarray | None, by: Geometry, size: tuple[int, ...]) -> np.ndarray:
    """x of the given size: each output position is spread over its window; and the bias of each channel of x.

    Weights are finite: where they are not, it depends on the kernel which positions show that.
    """
    return _plus(bias, _spread(y, w, by, size))


def _spread(y: np.ndarray, w: np.ndarray, by: Geometry, size: tuple[int, ...]) -> np.ndarray:
    n, o, out = y.shape[0], y.shape[1], y.shape[2:]
    c, kernel, groups = w.shape[1], w.shape[2:], by.groups
    if is_plain(kernel, by) and groups == 1:
        return product(w.reshape(o, c).T, y.reshape(n, o, -1)).reshape(n, c, *size)
    rows = y.swapaxes(0, 1).reshape(groups, o // groups, -1)
    weights = w.reshape(groups, o // groups, -1).mT
    places = by.places(kernel, out)
    windows = product(weights[0], rows[0]) if groups == 1 else product(weights, rows)
    windows = windows.reshape(groups * c, len(places), n, *out)
    x = np.zeros((groups * c, n, *(m + 2 * p for m, p in zip(size, by.padding))), y.dtype)
    for k, place in enumerate(places):
        x[place] += windows[:, k]
    return np.ascontiguousarray(x[inside(size, by.padding)].swapaxes(0, 1))


@native
def weigh(x: np.ndarray, y: np.ndarray, by: Geometry, kernel: tuple[int, ...]) -> np.ndarray:
    """w: each output position times its window of x."""
    o, out, groups = y.shape[1], y.shape[2:], by.groups
    windows = columns(x, kernel, out, by)
    c = windows.shape[0] // groups
    rows = y.swapaxes(0, 1).reshape(groups, o // groups, -1)
    windows = windows.reshape(groups, c * windows.shape[1], -1)
    w = product(rows[0], windows[0].T) if groups == 1 else product(rows, windows.mT)
    return w.reshape(o, c, *kernel)
