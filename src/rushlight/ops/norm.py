"""Normalisation: layer, batch, group, instance, root mean square, local response."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from .. import dtypes
from ..autograd.modes import no_grad
from ..kernels import normalize as kernels
from ..tensor import wrap
from .batching import BatchLevel
from .define import op
from .levels import Layered, mapped, open_levels, top_level
from .padding import pad
from .pool import avg_pool2d
from .products import cased
from .promotion import is_half, raw
from .sizes import shaped

__all__ = ["batch_norm", "group_norm", "instance_norm", "layer_norm", "rms_norm"]

SMALLEST_STEPS = {np.dtype(name): float(np.finfo(name).eps) for name in ("float32", "float64")}


def _wide(x: np.ndarray | None) -> np.ndarray | None:
    """Types of 16 bits as float32, to compute in."""
    return x if x is None or x.dtype.itemsize > 2 else x.astype(np.float32)


def _like(g: np.ndarray, x: np.ndarray) -> np.ndarray:
    """A gradient in the shape and type of what it belongs to."""
    g = g if g.ndim == x.ndim else g.reshape(x.shape)
    return g if g.dtype is x.dtype else g.astype(x.dtype)


def _norm_back(g, input, weight, bias, layout, centred, mean, scale, needs):
    """The gradients of input, weight and bias."""
    shape, in_rows = input.shape, not input.flags.c_contiguous and _has_channels_last(input, layout.axes)
    if in_rows:
        g, input, layout = _rows(g), _rows(input), _of_rows(layout)
    weight_wide = weight if weight is None else _wide(weight)
    found = kernels.normalize_back(g, input, weight_wide, mean, scale, *layout, centred, needs[0])
    of_input, of_weight, of_bias = found
    if in_rows and needs[0]:
        of_input = _unrowed(of_input, shape)
    return of_input, _like(of_weight, weight) if needs[1] else None, _like(of_bias, bias) if needs[2] else None


# Where the channels lie last in memory, and are what is normalised, there are rows of them.

LAST = {4: (0, 2, 3, 1), 5: (0, 2, 3, 4, 1)}  # the axes with channels last, by their number, and the way back
BACK = {4: (0, 3, 1, 2), 5: (0, 4, 1, 2, 3)}


def _has_channels_last(x: np.ndarray, axes: tuple = (0, 2)) -> bool:
    return x.ndim in LAST and axes[:2] == (0, 2) and x.transpose(LAST[x.ndim]).flags.c_contiguous


def _rows(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x.transpose(LAST[x.ndim]).reshape(-1, x.shape[1]))


def _unrowed(rows: np.ndarray, shape: tuple) -> np.ndarray:
    return rows.reshape(shape[0], *shape[2:], shape[1]).transpose(BACK[len(shape)])


class Layout(NamedTuple):
    """How an array is seen to be normalised: in which shape, over which axes, and how weight and bias meet it."""

    view: tuple[int, ...]
    axes: tuple[int, ...]
    affine: tuple[int, ...]


def _of_rows(layout: Layout) -> Layout:
    """The layout of the rows in place of that of the array."""
    shape, channels = layout.view, layout.view[1]
    return Layout((math.prod(shape) // channels, channels), (0,), (1, channels))


def _norm_composite(input, weight, bias, layout, eps, centred):
    view, axes, affine = layout
    x = input.reshape(view)
    x = x - x.mean(axes, keepdim=True) if centred else x
    y = x * ((x * x).mean(axes, keepdim=True) + eps).rsqrt()
    y = y if weight is None else y * weight.reshape(affine)
    y = y if bias is None else y + bias.reshape(affine)
    return y.reshape(input.shape)


def _norm_of_all(batch, input, weight, bias, layout, eps, centred):
    """vmap: the batch is one more axis of the input, and of weight and bias if they differ along it."""
    view, axes, affine = layout
    differs = batch.is_mapped(weight) or batch.is_mapped(bias)
    place = batch.front if differs else batch.level.lowered
    parameters = [None if x is None else place(x) for x in (weight, bias)]
    axes, affine = tuple(axis + 1 for axis in axes), (batch.size if differs else 1, *affine)
    return batch.perform((batch.front(input), *parameters, Layout((batch.size, *view), axes, affine), eps, centred), {})


def _norm(name: str, flat: bool = True) -> Any:
    """Normalisation over axes of a view of the input, times weight plus bias.

    Where it is not ``centred``, the mean is taken for 0.
    """

    @op(
        name,
        flat=flat,
        **{"input, weight, bias": _norm_back},
        outputs=("result", "mean", "variance", "scale"),
        nondifferentiable=("mean", "variance", "scale"),
        composite=_norm_composite,
        batch=_norm_of_all,
        aside=True,
    )
    def norm(input, weight, bias, layout, eps, centred):
        _check_types(input, weight, bias)
        x, in_rows = input, not input.flags.c_contiguous and _has_channels_last(input, layout.axes)
        if in_rows:
            x, layout = _rows(input), _of_rows(layout)
        result, *rest = kernels.normalize(_wide(x), _wide(weight), _wide(bias), *layout, eps, centred)
        if in_rows:
            result = _unrowed(result, input.shape)
        return result if result.dtype is input.dtype else result.astype(input.dtype), *rest

    return norm


_layer, _batch = _norm("NativeLayerNormBackward0"), _norm("NativeBatchNormBackward0")
_instance = _norm("ViewBackward0")  # as PyTorch calls the last step of it
_group, _root_mean_square = _norm("NativeGroupNormBackward0", False), _norm("MulBackward0", False)


def _floating(input: Any, kernel: str) -> None:
    if raw(input).dtype.kind not in "fV":
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{cased(raw(input))}': convert with .float()")


def _check_types(input: np.ndarray, *parameters: np.ndarray | None) -> None:
    """Refuse parameters of another type than the input, which, if it is of 16 bits, may have all of them in float32."""
    dtype = input.dtype
    for x in parameters:
        if x is not None and x.dtype is not dtype and x.dtype != dtype:
            other = x.dtype
            break
    else:
        return
    first = next(x.dtype for x in parameters if x is not None)
    names = f"the input is {cased(input)}, the parameters {', '.join(cased(x) for x in parameters if x is not None)}"
    if first == dtype:
        raise RuntimeError(f"expected scalar type {cased(input)} but found {dtypes.CASED[dtypes.of(other)]}: {names}")
    if any(x is not None and x.dtype != np.float32 for x in parameters):
        raise RuntimeError(f"mixed dtype (CPU): expect parameter to have scalar type of Float: {names}")
    if not is_half(dtype):
        raise RuntimeError(f"mixed dtype (CPU): all inputs must share same datatype. {names[:1].upper() + names[1:]}")


def _check_normalized_shape(input: Any, shape: tuple, weight: Any, bias: Any, how: str = "[*, {}]") -> None:
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one element, but got "
            "normalized_shape = []"
        )
    for name, x in (("weight", weight), ("bias", bias)):
        if x is not None and raw(x).shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape {list(x.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if raw(input).shape[-len(shape) :] != shape:
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape "
            f"{how.format(', '.join(map(str, shape)))}, but "
            f"got input of size{list(input.shape)}"
        )


def _as_shape(function: str, shape: Any) -> tuple[int, ...]:
    if isinstance(shape, int):
        raise TypeError(f"{function}(): argument 'normalized_shape' (position 2) must be tuple of ints, not int")
    return tuple(shape)


def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """Normalise over the last axes, which have the shape ``normalized_shape``; then times weight plus bias.

    Raises:
        RuntimeError: shapes do not fit.

    >>> import rushlight as torch
    >>> torch.nn.functional.layer_norm(torch.tensor([1.0, 3.0]), (2,), eps=0.0)
    tensor([-1.,  1.])
    """
    shape = normalized_shape if type(normalized_shape) is tuple else _as_shape("layer_norm", normalized_shape)
    _check_normalized_shape(input, shape, weight, bias)
    _floating(input, "LayerNormKernelImpl")
    return _layer(input, weight, bias, _last_axes(raw(input).shape, shape), eps, True)[0]


def _last_axes(whole: tuple, shape: tuple) -> Layout:
    """The layout of a normalisation over the last axes, for which weight and bias have a shape."""
    lead = len(whole) - len(shape)
    return Layout(whole, tuple(range(lead, len(whole))), (1,) * lead + shape)


def batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5):
    """Normalise each channel, axis 1, over all other axes; then times weight plus bias.

    Args:
        training: use the batch's own mean and variance, and move the running ones by ``momentum`` towards them;
            otherwise use the running ones.

    Raises:
        ValueError: in training each channel has one value only.
        RuntimeError: a parameter or statistic has another length than there are channels.
    """
    x = raw(input)
    if training and x.size:
        if x.ndim < 2:
            raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")
        if x.size == x.shape[1]:
            raise ValueError(f"Expected more than 1 value per channel when training, got input size {input.shape}")
    return _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def _check_length(name: str, x: Any, channels: int, input: Any) -> None:
    if x is not None and raw(x).size != channels:
        words = f"{name} should contain {channels} elements not {x.numel()}"
        raise RuntimeError(shaped(words, "normalization", input=input, **{name: x}))


def _batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps):
    """`batch_norm` without the check that there is more than one value."""
    x = raw(input)
    if not x.size:
        return _of_nothing(input, weight, bias)
    shape, channels = x.shape, x.shape[1]
    if not training and (running_mean is None or running_var is None):
        name = "running_mean" if running_mean is None else "running_var"
        raise RuntimeError(f"{name} must be defined in evaluation mode")
    _check_length("running_mean", running_mean, channels, input)
    _check_length("running_var", running_var, channels, input)
    _check_length("weight", weight, channels, input)
    _check_length("bias", bias, channels, input)
    if training and open_levels.get():
        _check_running(input, running_mean, running_var)
    _floating(input, "batch_norm")
    if training and running_mean is not None:
        _check_types(x, raw(weight), raw(bias), raw(running_mean), raw(running_var))
    if not training:
        return _with_statistics(input, running_mean, running_var, weight, bias, eps)
    rest = (1,) * (len(shape) - 2)
    layout = Layout(shape, (0, *range(2, len(shape))), (1, channels, *rest))
    out, mean, variance, _ = _batch(input, weight, bias, layout, eps, True)
    if running_mean is not None:
        n = x.size // channels
        _move(running_mean, mean, momentum, 1.0)
        _move(running_var, variance, momentum, n / max(n - 1, 1))
    return out


def _check_running(input: Any, *running: Any) -> None:
    """Refuse to move statistics of all elements of a batch towards those of each."""
    level = top_level((input, *running))
    if not isinstance(level, BatchLevel) or not level.is_mapped(input):
        return
    if any(x is not None and not level.is_mapped(x) for x in running):
        raise RuntimeError(
            "Batch norm got a batched tensor as input while the running_mean or running_var, which will be updated in "
            "place, were not batched.\nIf you are using a module and do not need eval mode, please set "
            "`track_running_stats` to be False, or stack the statistics too, as torch.func.stack_module_state does."
        )


def _of_nothing(input, weight, bias):
    out = input.clone()
    out = out if weight is None else out * weight[0]
    return out if bias is None else out + bias[0]


def _move(running: Any, towards: Any, momentum: float, factor: float) -> None:
    """Move running statistics, in place, towards those of a batch times a factor; as in PyTorch, nobody counts that."""
    if type(towards) is np.ndarray and running.array.dtype is towards.dtype and not isinstance(running, Layered):
        kernels.move_statistics(running.array, towards, momentum, factor)
        return
    with no_grad():
        step = (wrap(towards) if type(towards) is np.ndarray else towards).reshape(-1) * (momentum * factor)
        running.mul_(1 - momentum).add_(step.to(running.dtype))


def _statistics_back(g, input, mean, variance, weight, bias, eps, needs):
    if type(g) is np.ndarray:
        statistics = (x if x is None else x.astype(g.dtype, copy=False) for x in (mean, variance, weight))
        shape, in_rows = input.shape, not input.flags.c_contiguous and _has_channels_last(input)
        if in_rows:
            g, input = _rows(g), _rows(input)
        found = kernels.normalize_by_back(g, input, *statistics, eps, needs[0])
        if in_rows and needs[0]:
            found = _unrowed(found[0], shape), *found[1:]
        of_weight, of_bias = (of if needed else None for of, needed in zip(found[1:], needs[3:]))
        return found[0], None, None, of_weight, of_bias
    affine = kernels.along_channels(raw(input))
    rest = tuple(axis for axis in range(len(affine)) if axis != 1)
    scale = ((variance + eps) ** -0.5).reshape(affine)
    of_input = g * (scale if weight is None else scale * weight.reshape(affine)) if needs[0] else None
    of_weight = (g * (input - mean.reshape(affine)) * scale).sum(rest) if needs[3] else None
    return of_input, None, None, of_weight, g.sum(rest) if needs[4] else None


def _with_statistics_of_all(batch, input, mean, variance, weight, bias, eps):
    """vmap: the batch is more examples, unless a statistic or parameter differs along it."""
    if not any(map(batch.is_mapped, (mean, variance, weight, bias))):
        rest = mapped(batch.level.lowered, (mean, variance, weight, bias))
        return batch.perform((batch.front(input).flatten(0, 1), *rest, eps), {}).unflatten(0, (batch.size, -1))
    affine = kernels.along_channels(input.array)

    def shaped(x):
        x, differs = batch.parts(x)
        return x.reshape(*(batch.size,) * differs, *affine)

    scale = (shaped(variance) + eps).rsqrt()
    scale = scale if weight is None else scale * shaped(weight)
    out = (batch.level.lowered(input) - shaped(mean)) * scale
    return out if bias is None else out + shaped(bias)


@op(
    "NativeBatchNormBackward0",
    flat=True,
    **{"input, mean, variance, weight, bias": _statistics_back},
    batch=_with_statistics_of_all,
)
def _with_statistics(input, mean, variance, weight, bias, eps):
    _check_types(input, weight, bias, mean, variance)
    x, in_rows = input, not input.flags.c_contiguous and _has_channels_last(input)
    if in_rows:
        x = _rows(input)
    result = kernels.normalize_by(_wide(x), *map(_wide, (mean, variance, weight, bias)), eps)
    if in_rows:
        result = _unrowed(result, input.shape)
    return result.astype(input.dtype, copy=False)


def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """Normalise each of ``num_groups`` groups of channels, axis 1; then each channel times weight plus bias.

    Raises:
        RuntimeError: the channels do not divide into the groups, or a parameter does not fit.
        ValueError: a group has one value only.
    """
    shape = raw(input).shape
    if len(shape) < 2:
        raise RuntimeError(f"Expected at least 2 dimensions for input tensor but received {len(shape)}")
    n, channels, *space = shape
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of shape "
            f"{list(shape)} and num_groups={num_groups}"
        )
    each = channels // num_groups
    if n == 1 and each * math.prod(space) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {[each, num_groups, *space]}"
        )
    _check_per_channel("weight", weight, channels, shape)
    _check_per_channel("bias", bias, channels, shape)
    _floating(input, "GroupNormKernelImpl")
    layout = Layout((n, num_groups, each, math.prod(space)), (2, 3), (1, num_groups, each, 1))
    return _group(input, weight, bias, layout, eps, True)[0]


def _check_per_channel(name: str, x: Any, channels: int, shape: tuple) -> None:
    if x is not None and raw(x).shape != (channels,):
        raise RuntimeError(
            f"Expected {name} to be a vector of size equal to the number of channels in input, but got {name} of "
            f"shape {list(x.shape)} and input of shape {list(shape)}"
        )


def instance_norm(
    input, running_mean=None, running_var=None, weight=None, bias=None, use_input_stats=True, momentum=0.1, eps=1e-5
):
    """Normalise each channel of each example; then times weight plus bias.

    Raises:
        ValueError: there is one value only for each channel.
        RuntimeError: a parameter or statistic does not fit.
    """
    shape = input.shape
    if use_input_stats:
        if math.prod(shape[2:]) == 1:
            raise ValueError(f"Expected more than 1 spatial element when training, got input size {shape}")
    elif running_mean is None or running_var is None:
        raise RuntimeError("Expected running_mean and running_var to be defined when use_input_stats is false")
    n, channels = shape[:2]
    _check_length("running_mean", running_mean, channels, input)
    _check_length("running_var", running_var, channels, input)
    fit = (weight is None or raw(weight).size == channels) and (bias is None or raw(bias).size == channels)
    if fit and use_input_stats and running_mean is None and running_var is None and raw(input).size:
        _floating(input, "batch_norm")
        layout = Layout((n, channels, math.prod(shape[2:])), (2,), (1, channels, 1))
        return _instance(input, weight, bias, layout, eps, True)[0]
    one_batch = input.reshape(1, n * channels, *shape[2:])
    means, variances = (None if x is None else x.repeat(n) for x in (running_mean, running_var))
    weight, bias = (None if x is None else x.repeat(n) for x in (weight, bias))
    out = _batch_norm(one_batch, means, variances, weight, bias, use_input_stats, momentum, eps)
    if use_input_stats and running_mean is not None:
        with no_grad():
            running_mean.copy_(means.reshape(n, channels).mean(0))
            running_var.copy_(variances.reshape(n, channels).mean(0))
    return out.reshape(shape)


def rms_norm(input, normalized_shape, weight=None, eps=None):
    """Divide by the root of the mean square over the last axes; then times weight.

    Args:
        eps: added under the root; by default the smallest step of the type.

    Raises:
        RuntimeError: shapes do not fit.
    """
    shape = normalized_shape if type(normalized_shape) is tuple else _as_shape("rms_norm", normalized_shape)
    _check_normalized_shape(input, shape, weight, None, "[*{}]")
    x = raw(input)
    if x.dtype in SMALLEST_STEPS and x.flags.c_contiguous and (weight is None or raw(weight).dtype is x.dtype):
        eps = SMALLEST_STEPS[x.dtype] if eps is None else float(eps)
        return _root_mean_square(input, weight, None, _last_axes(x.shape, shape), eps, False)[0]
    wide = input.to(dtypes.float32) if x.dtype.itemsize == 2 else input
    eps = np.finfo(wide.array.dtype).eps if eps is None else eps
    axes = tuple(range(-len(shape), 0))
    y = wide * ((wide * wide).mean(axes, keepdim=True) + float(eps)).rsqrt()
    y = y if weight is None else y * weight
    return y if y.array.dtype is x.dtype else y.to(input.dtype)


def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """Divide by (k + alpha · mean of squares over ``size`` neighbouring channels)^beta.

    Raises:
        ValueError: the input has less than three axes.
    """
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if input.numel() == 0:
        return input
    n, channels = input.shape[:2]
    squares = pad((input * input).reshape(n, 1, channels, -1), (0, 0, size // 2, (size - 1) // 2))
    means = avg_pool2d(squares, (size, 1), 1).reshape(input.shape)
    return input / (means * alpha + k) ** beta
