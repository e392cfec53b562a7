"""Convolutions over one, two or three axes, and their transposes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..kernels import convolution as kernels
from ..kernels.convolution import Geometry
from .define import op
from .padding import pad
from .products import _SPELLED, cased, conj
from .sizes import shaped

__all__ = [
    "conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution",
]  # fmt: skip


def _over_all_but_channels(g):
    return g.sum((0, *range(2, g.ndim)))


# vmap: where one of two tensors differs along the batch, the batch is more examples or more channels; where both do, it
# is more groups.


def _as_examples(x):
    """(B, N, C, *) as (B·N, C, *)."""
    return x.flatten(0, 1)


def _as_channels(x, groups):
    """(B, N, C, *) as (N, B·C, *), the batch within each group of channels."""
    b, n, c = x.shape[:3]
    return x.reshape(b, n, groups, c // groups, *x.shape[3:]).movedim(0, 2).reshape(n, b * c, *x.shape[3:])


def _from_channels(x, size, groups):
    """The inverse of `_as_channels`."""
    n, c = x.shape[0], x.shape[1] // size
    x = x.reshape(n, groups, size, c // groups, *x.shape[2:]).movedim(2, 0)
    return x.reshape(size, n, c, *x.shape[4:])


def _as_rows(x, groups):
    """Weights (B, O, C, *) as (B·O, C, *), the batch within each group of rows."""
    return _as_channels(x.unsqueeze(1), groups).squeeze(0)


def _from_rows(x, size, groups):
    """The inverse of `_as_rows`."""
    return _from_channels(x.unsqueeze(0), size, groups).squeeze(1)


def _wider(by, size):
    return by._replace(groups=by.groups * size)


def _with_bias(rule):
    """The rule of a convolution whose bias is added afterwards, where it may differ along the batch."""

    def batched(batch, input, weight, bias, by, size=None):
        (x, mapped_x), (w, mapped_w) = batch.parts(input), batch.parts(weight)
        if mapped_x and not mapped_w and not batch.is_mapped(bias):
            out = batch.perform((_as_examples(x), w, batch.level.lowered(bias), by, size), {})
            return out.unflatten(0, (batch.size, -1))
        out = rule(batch, x, mapped_x, w, mapped_w, by, size)
        if bias is None:
            return out
        bias, mapped = batch.parts(bias)
        return out + bias.reshape(*((batch.size, 1) if mapped else ()), -1, *(1,) * len(by.stride))

    return batched


def _convolved(out_channels):
    """How a batch is convolved whose weights differ; ``out_channels`` merges those of a batch into one weight."""

    def rule(batch, x, mapped_x, w, mapped_w, by, size):
        if mapped_x and mapped_w:  # each element of the batch is a group
            x, w, by = _as_channels(x, 1), w.flatten(0, 1), _wider(by, batch.size)
            return _from_channels(batch.perform((x, w, None, by, size), {}), batch.size, 1)
        if mapped_w:
            return _from_channels(batch.perform((x, out_channels(w, by), None, by, size), {}), batch.size, by.groups)
        out = batch.perform((_as_examples(x) if mapped_x else x, w, None, by, size), {})
        return out.unflatten(0, (batch.size, -1)) if mapped_x else out.unsqueeze(0)

    return _with_bias(rule)


def _weighed(batch, input, other, by, kernel):
    """The rule of the sum over examples and places of the products of two images, one moved against the other."""
    (x, mapped_x), (y, mapped_y) = batch.parts(input), batch.parts(other)
    if mapped_x and mapped_y:
        out = batch.perform((_as_channels(x, 1), _as_channels(y, 1), _wider(by, batch.size), kernel), {})
        return out.unflatten(0, (batch.size, -1))
    if mapped_x:
        out = batch.perform((_as_channels(x, by.groups), y, by, kernel), {})
        return out.unflatten(1, (batch.size, -1)).movedim(1, 0)
    return _from_rows(batch.perform((x, _as_channels(y, by.groups), by, kernel), {}), batch.size, by.groups)


@op(
    "ConvolutionBackward0",
    flat=True,
    input=lambda g, input, weight, by: _spread(g, conj(weight), None, by, input.shape[2:]),
    weight=lambda g, input, weight, by: _weigh(conj(input), g, by, weight.shape[2:]),
    bias=lambda g: _over_all_but_channels(g),
    batch=_convolved(lambda w, by: _as_rows(w, by.groups)),
)
def _correlate(input, weight, bias, by, size=None):
    return _computed(kernels.correlate, input, weight, bias, by, size)


@op(
    "ConvolutionBackward0",
    flat=True,
    input=lambda g, input, weight, by: _correlate(g, conj(weight), None, by, input.shape[2:]),
    weight=lambda g, input, weight, by: _weigh(g, conj(input), by, weight.shape[2:]),
    bias=lambda g: _over_all_but_channels(g),
    batch=_convolved(lambda w, by: w.movedim(0, 1).flatten(1, 2)),
)
def _spread(input, weight, bias, by, size):
    return _computed(kernels.spread, input, weight, bias, by, size)


@op(
    "ConvolutionBackwardBackward0",
    input=lambda g, other, by, input_shape: _spread(conj(other), g, None, by, input_shape[2:]),
    other=lambda g, input, by, other_shape: _correlate(conj(input), g, None, by, other_shape[2:]),
    batch=_weighed,
)
def _weigh(input, other, by, kernel):
    return _computed(kernels.weigh, input, other, by, kernel)


def _computed(kernel, *args):
    """A kernel's result, types of 16 bits computed in float32."""
    dtype = args[0].dtype
    if dtype.itemsize == 2 and dtype.kind in "fV":
        wide = (x.astype(np.float32) if isinstance(x, np.ndarray) else x for x in args)
        return kernel(*wide).astype(dtype)
    return kernel(*args)


# Checks, in PyTorch's order and words


def _per_axis(name: str, value: Any, rank: int) -> tuple[int, ...]:
    if isinstance(value, int):
        return (value,) * rank
    value = tuple(value)
    if len(value) == 1:
        return value * rank
    if len(value) != rank:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {rank} values to match the convolution "
            f"dimensions, but got {name}={list(value)}"
        )
    return value


def _check_weight(x: Any, w: Any, rank: int) -> None:
    if w.ndim < 3:
        raise RuntimeError(
            f"weight should have at least three dimensions: {rank + 2} for {rank}-dimensional convolution, but got "
            f"{list(w.shape)}"
        )
    if w.ndim != rank + 2:
        raise RuntimeError(
            f"Expected {w.ndim}-dimensional input for {w.ndim}-dimensional weight {list(w.shape)}, but got "
            f"{x.ndim}-dimensional input of size {list(x.shape)} instead: {rank}-dimensional convolution has "
            f"{rank + 2}-dimensional weight"
        )


def _check(input: Any, weight: Any, bias: Any, by: Geometry, rank: int, transposed: bool) -> None:
    x, w = input.array, weight.array
    _check_weight(x, w, rank)
    for name, values, least in (("padding", by.padding, 0), ("stride", by.stride, 1), ("dilation", by.dilation, 1)):
        if min(values) < least:
            if name == "padding":
                raise RuntimeError(f"negative padding is not supported, got {list(values)}")
            raise RuntimeError(
                f"non-positive {name} is not supported, got {list(values)}"
                if name == "stride"
                else "dilation should be greater than zero"
            )
    groups = by.groups
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if w.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but got weight of size "
            f"{list(w.shape)} instead"
        )
    if w.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, but got weight of "
            f"size [{list(w.shape)}] instead"
        )
    expected = w.shape[0] if transposed else w.shape[1] * groups
    if x.shape[1] != expected:
        how = "transposed=1" if transposed else f"groups={groups}"
        raise RuntimeError(
            f"Given {how}, weight of size {list(w.shape)}, expected input{list(x.shape)} to have {expected} "
            f"channels, but got {x.shape[1]} channels instead"
        )
    out_channels = w.shape[1] * groups if transposed else w.shape[0]
    if bias is not None and bias.array.shape != (out_channels,):
        raise RuntimeError(
            f"Given {'transposed=1, ' if transposed else ''}weight of size {list(w.shape)}, expected bias to be "
            f"1-dimensional with {out_channels} elements, but got bias of size {list(bias.array.shape)} instead"
        )
    if not transposed:
        _check_kernel_fits(x, w, by)
    if bias is not None and bias.array.dtype != x.dtype:
        spelled = [_SPELLED.get(t.dtype.name, t.dtype.name) for t in (x, bias.array)]
        raise RuntimeError(f"Input type ({spelled[0]}) and bias type ({spelled[1]}) should be the same")
    if x.dtype != w.dtype:
        raise RuntimeError(f"expected scalar type {cased(x)} but found {cased(w)}: convert the input or the module")


def _check_kernel_fits(x: np.ndarray, w: np.ndarray, by: Geometry) -> None:
    have = [n + 2 * p for n, p in zip(x.shape[2:], by.padding)]
    reach = [d * (k - 1) + 1 for d, k in zip(by.dilation, w.shape[2:])]
    if any(n < k for n, k in zip(have, reach)):
        sizes, kernel = (" x ".join(map(str, values)) for values in (have, reach))
        words = (
            f"Calculated padded input size per channel: ({sizes}). Kernel size: ({kernel}). Kernel size can't be "
            "greater than actual input size"
        )
        raise RuntimeError(shaped(words, "convolution", input=x, weight=w))


def _batched(name: str, input: Any, rank: int) -> bool:
    """Whether the input has the batch axis."""
    if input.ndim not in (rank + 1, rank + 2):
        raise RuntimeError(
            f"Expected {rank + 1}D (unbatched) or {rank + 2}D (batched) input to {name}, but got input of size: "
            f"{list(input.array.shape)}"
        )
    return input.ndim == rank + 2


def _convolve(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, rank):
    by = Geometry(
        _per_axis("stride", stride, rank),
        _per_axis("padding", padding, rank),
        _per_axis("dilation", dilation, rank),
        groups,
    )
    _check(input, weight, bias, by, rank, transposed)
    if not transposed:
        return _correlate(input, weight, bias, by)
    extra = _per_axis("output_padding", output_padding, rank)
    if any(e >= max(s, d) for e, s, d in zip(extra, by.stride, by.dilation)):
        axes = ("depth", "height", "width")[-max(rank, 2) :]
        stated = " ".join(
            f"{what}_{axis}: {value}"
            for what, values in (("output_padding", extra), ("stride", by.stride), ("dilation", by.dilation))
            for axis, value in zip(axes, values)
        )
        raise RuntimeError(f"output padding must be smaller than either stride or dilation, but got {stated}")
    size = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, s, p, d, k, e in zip(input.shape[2:], by.stride, by.padding, by.dilation, weight.shape[2:], extra)
    )
    if min(size) < 1:
        raise RuntimeError(
            f"Given input size per channel: {list(input.shape[2:])}. Calculated output size per channel: "
            f"{list(size)}. Output size is too small"
        )
    return _spread(input, weight, bias, by, size)


def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """The convolution that all others are cases of; ``transposed`` gives its transpose."""
    rank = input.ndim - 2
    return _convolve(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups, rank)


def _conv(rank: int):
    name = f"conv{rank}d"

    def conv(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        batched = _batched(name, input, rank)
        input = input if batched else input.unsqueeze(0)
        if isinstance(padding, str):
            _check_weight(input, weight, rank)
            input, padding = _named_padding(input, weight, stride, padding, dilation, rank)
        out = _convolve(input, weight, bias, stride, padding, dilation, False, 0, groups, rank)
        return out if batched else out.squeeze(0)

    conv.__name__ = conv.__qualname__ = name
    conv.__doc__ = f"""The cross-correlation over {rank} axes: (N, C, *) with weight (O, C/groups, *K) to (N, O, *).

    Args:
        stride, dilation: a number or one for each axis.
        padding: zeros added on both sides, a number or one for each axis; "valid" for none, "same" to keep the size.
        groups: inputs and outputs are divided into so many groups that do not see each other.

    Raises:
        RuntimeError: sizes, types or parameters do not fit.

    >>> import rushlight as torch
    >>> image, weight = torch.ones(1, 1, {", ".join("3" * rank)}), torch.ones(1, 1, {", ".join("2" * rank)})
    >>> torch.nn.functional.{name}(image, weight).shape
    torch.Size([1, 1, {", ".join("2" * rank)}])
    """
    return conv


def _named_padding(input: Any, weight: Any, stride: Any, padding: str, dilation: Any, rank: int) -> tuple[Any, Any]:
    """The input and the numbers that a padding given by name stands for; an odd zero goes after the data."""
    if padding == "valid":
        return input, 0
    if padding != "same":
        raise RuntimeError(f"Invalid padding string: '{padding}': it is 'valid' or 'same'")
    if any(s != 1 for s in _per_axis("stride", stride, rank)):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(_per_axis("dilation", dilation, rank), weight.shape[2:])]
    if any(n % 2 for n in total):
        input = pad(input, [side for n in reversed(total) for side in (0, n % 2)])
    return input, tuple(n // 2 for n in total)


def _conv_transpose(rank: int):
    name = f"conv_transpose{rank}d"

    def conv_transpose(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
        batched = _batched(name, input, rank)
        input = input if batched else input.unsqueeze(0)
        out = _convolve(input, weight, bias, stride, padding, dilation, True, output_padding, groups, rank)
        return out if batched else out.squeeze(0)

    conv_transpose.__name__ = conv_transpose.__qualname__ = name
    conv_transpose.__doc__ = f"""The transpose of `conv{rank}d`: (N, C, *) with weight (C, O/groups, *K) to (N, O, *).

    Each size L becomes (L - 1)·stride - 2·padding + dilation·(K - 1) + output_padding + 1.

    Raises:
        RuntimeError: sizes, types or parameters do not fit.
    """
    return conv_transpose


conv1d, conv2d, conv3d = _conv(1), _conv(2), _conv(3)
conv_transpose1d, conv_transpose2d, conv_transpose3d = _conv_transpose(1), _conv_transpose(2), _conv_transpose(3)
