"""Padding, and images as columns of patches."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor
from .batching_rules import merged, of_last_axes, refuse_scalars
from .define import op
from .place import zeros_as
from .promotion import raw
from .views import sequence

__all__ = ["constant_pad_nd"]


def _pairs(pad: tuple, ndim: int) -> list[tuple[int, int]]:
    """What to add before and after each axis: ``pad`` counts from the last one."""
    given = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (ndim - len(given)) + given[::-1]


def _pad_batch(batch: Any, input: Any, pad: Any, value: Any = 0) -> Any:
    refuse_scalars(batch, len(pad) // 2, (input, pad, value), {})
    return constant_pad_nd(batch.front(input), pad, value)


@op("ConstantPadNdBackward0", batch=_pad_batch, input=lambda g, pad: constant_pad_nd(g, tuple(-n for n in pad)))
def constant_pad_nd(input, pad, value=0):
    """The tensor with ``value`` put around, or with borders cut off where ``pad`` is negative.

    ``pad`` counts from the last axis: (before the last, after the last, before the one before it, ...).
    """
    pad = tuple(pad)
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * input.ndim:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has {input.ndim} dimensions."
        )
    pairs = _pairs(pad, input.ndim)
    shape = [n + a + b for n, (a, b) in zip(input.shape, pairs)]
    for n, (a, b), wanted in zip(input.shape, pairs, shape):
        if wanted < 0:
            raise RuntimeError(
                f"The input size {n}, plus negative padding {a} and {b} resulted in a negative output size, which is "
                "invalid. Check dimension 0 of your input."
            )
    out = np.full(shape, value, input.dtype)
    inner = tuple(slice(max(a, 0), n - max(b, 0)) for n, (a, b) in zip(shape, pairs))
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(input.shape, pairs))
    out[inner] = input[kept]
    return out


def _positions(mode: str, length: int, before: int, after: int) -> np.ndarray:
    """Which position of an axis each position of the padded axis shows."""
    places = np.arange(-before, length + after)
    if mode == "replicate":
        return places.clip(0, length - 1)
    if mode == "circular":
        return places % length
    if length == 1:
        return np.zeros_like(places)
    period = 2 * (length - 1)
    places = np.abs(places) % period
    return np.minimum(places, period - places)


def _pad_by_positions(input: np.ndarray, pad: tuple, mode: str) -> np.ndarray:
    for dim, (a, b) in enumerate(_pairs(pad, input.ndim)):
        if a or b:
            input = input.take(_positions(mode, input.shape[dim], a, b), dim)
    return np.array(input) if not any(pad) else input


def _sum_padded(g: Any, shape: tuple, pad: tuple, mode: str) -> Any:
    """Each gradient added to the position that it shows."""
    from .rows import index_add

    for dim, (a, b) in enumerate(_pairs(pad, len(shape))):
        if a or b:
            narrowed = raw(g).shape[:dim] + (shape[dim],) + raw(g).shape[dim + 1 :]
            g = index_add(zeros_as(g, narrowed), dim, _positions(mode, shape[dim], a, b), g)
    return g


def _border(name: str, mode: str) -> Callable:
    @op(
        name,
        flat=mode != "circular",
        batch="leading",
        input=lambda g, input, pad: _sum_padded(g, input.shape, pad, mode),
    )
    def padded(input, pad):
        return _pad_by_positions(input, pad, mode)

    return padded


BORDERS = {
    (mode, axes): _border(f"{word}Pad{axes}DBackward0", mode)
    for mode, word in (("reflect", "Reflection"), ("replicate", "Replication"), ("circular", "Circular"))
    for axes in (1, 2, 3)
}
"""The paddings that repeat the tensor itself, by mode and number of padded axes."""


def pad(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """The tensor with a border: of a value, or of its own elements mirrored, repeated or continued from the other side.

    Args:
        pad: how many positions before and after the last axis, then the one before it, and so on.
        mode: "constant", "reflect", "replicate" or "circular".
        value: what "constant" puts there; 0 by default.

    Raises:
        RuntimeError: ``pad`` has an odd number of entries or more than two per axis, or is more than mirroring allows.
        NotImplementedError: the mode does not serve this number of axes.

    >>> import rushlight as torch
    >>> torch.nn.functional.pad(torch.tensor([1.0, 2.0]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    pad, ndim = sequence((pad,)), input.array.ndim
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if len(pad) > 2 * ndim:
        raise RuntimeError(
            f"Padding length should be less than or equal to two times the input dimension but got padding length "
            f"{len(pad)} and input of dimension {ndim}"
        )
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    axes = len(pad) // 2
    if not (1 <= axes <= 3 and ndim in (axes + 1, axes + 2)):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {ndim}D input tensor.\n"
            f"Supported combinations for non-constant padding:\n"
            f"  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            f"  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            f"  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    _check_border(input.array.shape, pad, mode)
    if mode == "circular" and min(pad) < 0:  # it continues what is left after cutting
        input, pad = constant_pad_nd(input, tuple(min(n, 0) for n in pad)), tuple(max(n, 0) for n in pad)
    return BORDERS[mode, axes](input, pad)


def _check_border(shape: tuple, pad: tuple, mode: str) -> None:
    for back in range(len(pad) // 2):
        length, before, after = shape[-1 - back], pad[2 * back], pad[2 * back + 1]
        dim = len(shape) - 1 - back
        if mode == "circular" and max(before, after) > length:
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if mode == "reflect" and max(before, after) >= length:
            raise RuntimeError(
                f"Argument #{4 + 2 * back}: Padding size should be less than the corresponding input dimension, but "
                f"got: padding ({before}, {after}) at dimension {dim} of input {list(shape)}"
            )
        if length + before + after < 1:
            padded = length + before + after
            raise RuntimeError(f"input (length: {length}) is too small, calculated output length: {padded}")


# Patches


def _two(value: Any) -> tuple[int, int]:
    value = sequence((value,))
    return (value[0], value[0]) if len(value) == 1 else value


def _windows(size: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> tuple[int, int]:
    """How many places a kernel has along each axis of an image."""
    return tuple(
        (n + 2 * p - d * (k - 1) - 1) // s + 1 for n, k, d, p, s in zip(size, kernel, dilation, padding, stride)
    )


def _check_windows(shape: tuple, windows: tuple, kernel: tuple, dilation: tuple, padding: tuple) -> None:
    if min(windows) < 1:
        raise RuntimeError(
            f"Given input with spatial size {shape[-2:]}, kernel_size={kernel}, dilation={dilation}, "
            f"padding={padding}, calculated shape of the array of sliding blocks as {windows}, but its components must "
            "be at least one."
        )


def _seen(i: int, j: int, windows: tuple, dilation: tuple, stride: tuple) -> tuple[Any, ...]:
    """The index of what one element of a kernel sees of an image in all its places."""
    starts = (i * dilation[0], j * dilation[1])
    return (..., *(slice(start, start + n * step, step) for start, n, step in zip(starts, windows, stride)))


def _im2col(input: np.ndarray, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple) -> np.ndarray:
    """The patches of images (N, C, H, W) as (N, C * kernel, places)."""
    n, c = input.shape[:2]
    size = input.shape[2:]
    rows, columns = windows = _windows(size, kernel, dilation, padding, stride)
    _check_windows(input.shape, windows, kernel, dilation, padding)
    padded = np.pad(input, ((0, 0), (0, 0), *((p, p) for p in padding)))
    out = np.empty((n, c, *kernel, rows, columns), input.dtype)
    for i, j in itertools.product(*map(range, kernel)):
        out[:, :, i, j] = padded[_seen(i, j, windows, dilation, stride)]
    return out.reshape(n, c * kernel[0] * kernel[1], rows * columns)


def _col2im(
    input: np.ndarray, size: tuple, kernel: tuple, dilation: tuple, padding: tuple, stride: tuple
) -> np.ndarray:
    """Patches (N, C * kernel, places) added up to images (N, C, H, W)."""
    rows, columns = _windows(size, kernel, dilation, padding, stride)
    n = input.shape[0]
    patches = input.reshape(n, input.shape[1] // (kernel[0] * kernel[1]), *kernel, rows, columns)
    out = np.zeros((n, patches.shape[1], size[0] + 2 * padding[0], size[1] + 2 * padding[1]), input.dtype)
    for i, j in itertools.product(*map(range, kernel)):
        out[_seen(i, j, (rows, columns), dilation, stride)] += patches[:, :, i, j]
    return out[:, :, padding[0] : padding[0] + size[0], padding[1] : padding[1] + size[1]]


def _patches(ndim: int) -> Callable:
    """The batching rule of what takes batches of tensors of ``ndim`` axes, or one of them."""
    one = of_last_axes(ndim)
    return lambda batch, input, *numbers: (one if input.array.ndim <= ndim else merged)(batch, input, *numbers)


@op(
    "Im2ColBackward0",
    batch=_patches(3),
    input=lambda g, input_shape, kernel, dilation, padding, stride: _fold(
        g, input_shape[-2:], kernel, dilation, padding, stride),
)  # fmt: skip
def _unfold(input, kernel, dilation, padding, stride):
    if input.ndim not in (3, 4) or 0 in input.shape[-3:]:
        raise RuntimeError(
            f"Expected 3D or 4D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    images = input if input.ndim == 4 else input[None]
    out = _im2col(images, kernel, dilation, padding, stride)
    return out if input.ndim == 4 else out[0]


@op(
    "Col2ImBackward0",
    batch=_patches(2),
    input=lambda g, kernel, dilation, padding, stride: _unfold(g, kernel, dilation, padding, stride),
)
def _fold(input, output_size, kernel, dilation, padding, stride):
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    area = kernel[0] * kernel[1]
    if input.shape[-2] % area:
        raise RuntimeError(
            f"Expected size of input's dimension 1 to be divisible by the product of kernel_size, but got "
            f"input.size(1)="
            f"{input.shape[-2]} and kernel_size={kernel}."
        )
    windows = _windows(output_size, kernel, dilation, padding, stride)
    if windows[0] * windows[1] != input.shape[-1] or min(windows) < 1:
        raise RuntimeError(
            f"Given output_size={output_size}, kernel_size={kernel}, dilation={dilation}, padding={padding}, "
            f"stride={stride}, expected size of input's dimension 2 to match the calculated number of sliding blocks "
            f"{windows[0]} * {windows[1]} = {windows[0] * windows[1]}, but got input.size(2)={input.shape[-1]}."
        )
    out = _col2im(input if input.ndim == 3 else input[None], output_size, kernel, dilation, padding, stride)
    return np.ascontiguousarray(out if input.ndim == 3 else out[0])


def unfold(input: Tensor, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> Tensor:
    """The patches of images (N, C, H, W) as columns: (N, C * kernel, places)."""
    return _unfold(input, *_checked(kernel_size, dilation, padding, stride))


def fold(
    input: Tensor, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Tensor:
    """Columns of patches (N, C * kernel, places) added up to images (N, C, H, W)."""
    return _fold(input, _two(output_size), *_checked(kernel_size, dilation, padding, stride))


def _checked(kernel_size: Any, dilation: Any, padding: Any, stride: Any) -> tuple:
    """The numbers of a sliding window for both axes."""
    values = tuple(map(_two, (kernel_size, dilation, padding, stride)))
    for name, value, least in zip(("kernel_size", "dilation", "padding", "stride"), values, (1, 1, 0, 1)):
        if min(value) < least:
            word = "greater than zero" if least else "non-negative"
            raise RuntimeError(f"{name} should be {word}, but got {name}={value}")
    return values
