"""Activation functions, element by element, under the names that they have in `nn.functional`."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import functions as kernels
from ..kernels.sampling import uniform
from ..random import default_generator
from ..tensor import Tensor
from .axes import axis
from .compare import where
from .define import inplace, op
from .drawing import sampled
from .elementwise import abs, plain_div
from .fast import parametric, unary
from .forms import before, flat
from .linalg import into
from .nodes import parameters_of
from .parts import narrow
from .powers import exp
from .promotion import float32, float64, is_half
from .special import erf, sigmoid
from .trig import tanh
from .views import reshape

__all__ = [
    "celu", "celu_", "hardshrink", "prelu", "relu", "relu_", "rrelu", "rrelu_", "selu", "selu_", "threshold",
    "threshold_",
]  # fmt: skip


def elementwise(name: str, rule: Callable, back: Callable | None = None, integers: bool = False) -> Callable:
    """Declare an activation function of ``input`` and parameters: half precision is computed in float32.

    ``back`` is the rule in one call for arrays.
    """

    def declare(compute: Callable) -> Callable:
        def converted(input: np.ndarray, *args: Any, **kwargs: Any) -> np.ndarray:
            dtype = input.dtype
            if dtype is float32 or dtype is float64:
                return compute(input, *args, **kwargs)
            if dtype.kind in "biu" and not integers:
                refuse_integers(compute.__name__, dtype)
            if is_half(dtype):
                return compute(input.astype(float32), *args, **kwargs).astype(dtype)
            return compute(input, *args, **kwargs)

        operation = op(name, elementwise=True, input=rule)(compute)
        operation.op.compute = converted
        if parameters_of(rule) != ("g", *operation.op.names) or operation.op.positional < len(operation.op.names):
            return operation
        return parametric(operation, compute, rule, back=back)

    return declare


def refuse_integers(name: str, dtype: np.dtype) -> None:
    """The function is defined for floating-point numbers only."""
    raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{dtypes.CASED[dtypes.of(dtype)]}'")


def floats_only(name: str) -> Callable:
    """A check that the input has floating-point numbers."""

    def check(input: Any, *_: Any) -> None:
        if isinstance(input, np.ndarray) and input.dtype.kind in "biu":
            refuse_integers(name, input.dtype)

    return check


# Of straight lines


def _refuse_bool(input: Any, *_: Any) -> None:
    if isinstance(input, np.ndarray) and input.dtype == bool:
        raise RuntimeError("Boolean inputs not supported for relu")


relu = before(
    unary(
        "ReluBackward0", kernels.relu, lambda g, _x, y: where(y <= 0, 0, g), kernels.relu_back, doc="``max(0, x)``.",
    ),
    _refuse_bool,
)  # fmt: skip
relu.op.compute = lambda input: np.maximum(input, input.dtype.type(0))


@elementwise(
    "LeakyReluBackward0", lambda g, input, negative_slope: where(input > 0, g, g * negative_slope),
    kernels.leaky_relu_back,
)  # fmt: skip
def leaky_relu(input, negative_slope=0.01):
    """``x`` above 0, ``negative_slope * x`` below."""
    return kernels.leaky_relu(input, negative_slope)


def _between(g: Any, input: Any, low: float, high: float) -> Any:
    return where((input > low) & (input < high), g, 0)


@elementwise(
    "HardtanhBackward0", lambda g, input, min_val, max_val: _between(g, input, min_val, max_val), kernels.hardtanh_back,
    integers=True,
)  # fmt: skip
def hardtanh(input, min_val=-1.0, max_val=1.0):
    """``x`` from ``min_val`` to ``max_val``, and those beyond."""
    if input.dtype == bool:
        raise RuntimeError("Bool inputs not supported for hardtanh")
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return kernels.hardtanh(input, min_val, max_val).astype(input.dtype, copy=False)


class Preset:
    """What `inplace` asks of an activation that is another one with certain parameters."""

    def __init__(self, function: Callable, parameters: Callable) -> None:
        self.name, self.parameters = function.__name__, parameters

    def inplace(self, args: tuple, kwargs: dict, frame: Any) -> Tensor:
        """The other activation with its result written into its first argument."""
        operation, *values = self.parameters(*args, **kwargs)
        return operation.op.inplace((args[0], *values), {}, frame)


def preset(parameters: Callable) -> Callable:
    """Declare an activation by the one that it is, and the parameters that make it so."""

    def declare(function: Callable) -> Callable:
        function.op = Preset(function, parameters)  # type: ignore[attr-defined]
        return function

    return declare


@preset(lambda _input: (hardtanh, 0.0, 6.0))
def relu6(input: Tensor) -> Tensor:
    """``x`` from 0 to 6, and those beyond."""
    return hardtanh(input, 0.0, 6.0)


@elementwise("HardsigmoidBackward0", lambda g, input: _between(g * (1 / 6), input, -3, 3), kernels.hardsigmoid_back)
def hardsigmoid(input):
    """``x / 6 + 1/2`` from 0 to 1, and those beyond."""
    return kernels.hardsigmoid(input)


@elementwise(
    "HardswishBackward0",
    lambda g, input: where(input <= -3, 0, where(input < 3, g * (input * (1 / 3) + 0.5), g)),
    kernels.hardswish_back,
)
def hardswish(input):
    """``x * hardsigmoid(x)``."""
    return kernels.hardswish(input)


def _outside(g: Any, input: Any, lambd: float) -> Any:
    return where((input >= -lambd) & (input <= lambd), 0, g)


@elementwise("HardshrinkBackward0", _outside)
def hardshrink(input, lambd=0.5):
    """``x``, but 0 from ``-lambd`` to ``lambd``."""
    return _outside(input, input, lambd).astype(input.dtype)


@elementwise("SoftshrinkBackward0", _outside)
def softshrink(input, lambd=0.5):
    """``x`` moved towards 0 by ``lambd``, and 0 where it would pass it."""
    if lambd < 0:
        most, kind = dtypes.finfo(dtypes.of(input.dtype)).max, dtypes.CASED[dtypes.of(input.dtype)]
        raise RuntimeError(f"lambda must be in range [0, {most:g}] for input dtype {kind}, but found {lambd}")
    return np.where(input > lambd, input - lambd, np.where(input < -lambd, input + lambd, input * 0)).astype(
        input.dtype
    )


@elementwise("ThresholdBackward0", lambda g, input, threshold: where(input <= threshold, 0, g), integers=True)
def threshold(input, threshold, value):
    """``x`` above the threshold, else ``value``."""
    return np.where(input <= threshold, value, input).astype(input.dtype)


@op(
    "PreluKernelBackward0", elementwise=True,
    input=lambda g, input, weight: where(input > 0, g, weight * g),
    weight=lambda g, input: where(input > 0, 0, input * g),
)  # fmt: skip
def _prelu(input, weight):
    return np.where(input > 0, input, weight * input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """``x`` above 0, ``weight * x`` below, with one weight for all or one for each channel (axis 1).

    Raises:
        RuntimeError: the number of weights is neither 1 nor that of the channels, or the types differ.
    """
    shape, count = input.array.shape, weight.array.size
    if weight.array.ndim > 1:
        raise RuntimeError(f"prelu: Expected `weight` to be a scalar or 1D tensor, but got: ndim = {weight.array.ndim}")
    if input.array.dtype != weight.array.dtype:
        raise RuntimeError(f"prelu: Type promoting not supported. Got {input.dtype} and {weight.dtype}")
    if count == 1:
        return _prelu(input, reshape(weight, (1,) * len(shape)))
    if not shape:
        raise RuntimeError("Not allow zero-dim input tensor.")
    channels = shape[1] if len(shape) > 1 else 1
    if channels != count:
        raise RuntimeError(
            f"Mismatch of parameter numbers and input channel size. Found parameter numbers = {count} and channel size "
            f"= {channels}."
        )
    return _prelu(input, reshape(weight, (1, count) + (1,) * (len(shape) - 2)))


@op("RreluWithNoiseBackward0", input=lambda g, slopes: g * slopes, batch="elementwise")
def _scaled_by(input, slopes):
    return input * slopes


@elementwise("RreluWithNoiseBackward0", lambda g, input, slope: where(input > 0, g, g * slope))
def _mean_rrelu(input, slope):
    return np.where(input > 0, input, input * slope)


def _rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *, generator: Any = None
) -> tuple:
    if lower > upper:
        raise RuntimeError(f"Lower bound should be less than or equal to the upper bound, got {lower} and {upper}")
    if not training:
        return _mean_rrelu, (lower + upper) / 2
    return _scaled_by, _slopes(input, lower, upper, generator or default_generator)


@preset(_rrelu)
def rrelu(
    input: Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *, generator: Any = None
) -> Tensor:
    """``x`` above 0; below, ``x`` times a random slope in training, else times the mean slope."""
    operation, slope = _rrelu(input, lower, upper, training, generator=generator)
    return operation(input, slope)


@sampled()
def _slopes(input, lower, upper, generator):
    """1 above 0, elsewhere a random number between the bounds, drawn in order."""
    slopes = np.ones(input.shape, input.dtype)
    low = input <= 0
    slopes[low] = uniform(generator.twister, int(low.sum()), np.dtype("float64"), lower, upper)
    return slopes


# Of exponentials


def _elu_rule(g: Any, input: Any, alpha: float, scale: float, input_scale: float) -> Any:
    above = input > 0
    below = where(above, 0, input)
    slope = exp(below if input_scale == 1 else below * input_scale)
    if alpha * input_scale == 1:  # no step at 0: the slope below goes over into the one above
        return g * slope if scale == 1 else g * (slope * scale)
    return where(above, g if scale == 1 else g * scale, g * (slope * (alpha * scale * input_scale)))


@elementwise("EluBackward0", _elu_rule, kernels.elu_back)
def _scaled_elu(input, alpha=1.0, scale=1.0, input_scale=1.0):
    return kernels.elu(input, alpha, scale, input_scale)


@elementwise(
    "CeluBackward0",
    lambda g, input, alpha: _elu_rule(g, input, alpha, 1.0, 1 / alpha),
    lambda g, input, alpha: kernels.elu_back(g, input, alpha, 1.0, 1 / alpha),
)
def celu(input, alpha=1.0):
    """``x`` above 0, ``alpha * (exp(x / alpha) - 1)`` below."""
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return kernels.elu(input, alpha, 1.0, 1 / alpha)


@preset(lambda _input, alpha=1.0: (_scaled_elu, alpha))
def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """``x`` above 0, ``alpha * (exp(x) - 1)`` below."""
    return _scaled_elu(input, alpha)


SELU_ALPHA, SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


@preset(lambda _input: (_scaled_elu, SELU_ALPHA, SELU_SCALE))
def selu(input: Tensor) -> Tensor:
    """`elu` with the slope and scale that keep mean 0 and variance 1.

    Klambauer and others, "Self-normalizing neural networks" (2017).
    """
    return _scaled_elu(input, SELU_ALPHA, SELU_SCALE)


def _swish(g: Any, x: Any, _y: Any) -> Any:
    s = sigmoid(x)
    y = x * s
    return g * (s + y * (1 - s))


silu = unary("SiluBackward0", kernels.silu, _swish, kernels.silu_back, doc="``x * sigmoid(x)``.")


def _mish_rule(g: Any, x: Any, _y: Any) -> Any:
    t = tanh(softplus(x))
    return g * (t + x * sigmoid(x) * (1 - t * t))


mish = unary("MishBackward0", kernels.mish, _mish_rule, kernels.mish_back, doc="``x * tanh(softplus(x))``.")
for _activation, _name in ((silu, "silu"), (mish, "mish")):
    before(_activation, floats_only(_name))


def _softplus_rule(g: Any, scaled: Any, threshold: float) -> Any:
    return where(scaled > threshold, g, g * sigmoid(scaled))


@elementwise(
    "SoftplusBackward0",
    lambda g, input, beta, threshold: _softplus_rule(g, input if beta == 1 else input * beta, threshold),
    kernels.softplus_back,
)
def softplus(input, beta=1, threshold=20):
    """``log(1 + exp(beta * x)) / beta``, and ``x`` where ``beta * x`` exceeds the threshold."""
    return kernels.softplus(input, beta, threshold)


logsigmoid = unary(
    "LogSigmoidBackward0", kernels.logsigmoid, lambda g, x, _y: g * sigmoid(-x), kernels.logsigmoid_back,
    doc="``log(sigmoid(x))``.",
)  # fmt: skip
before(logsigmoid, floats_only("log_sigmoid"))

_TANH_SCALE, _TANH_CUBIC = math.sqrt(2 / math.pi), 0.044715
_NORMAL = 1 / math.sqrt(2 * math.pi)


def _gelu_rule(g: Any, input: Any, approximate: str) -> Any:
    if approximate == "none":
        density, below = exp(input * input * -0.5) * _NORMAL, (erf(input * math.sqrt(0.5)) + 1) * 0.5
    else:
        below = (tanh((input * input * (_TANH_CUBIC * _TANH_SCALE) + _TANH_SCALE) * input) + 1) * 0.5
        density = below * (1 - below) * (input * input * (3 * _TANH_CUBIC) + 1) * (2 * _TANH_SCALE)
    return g * (density * input + below)


def _gelu_back(g: np.ndarray, input: np.ndarray, approximate: str) -> np.ndarray:
    return (kernels.gelu_back if approximate == "none" else kernels.gelu_tanh_back)(g, input)


@elementwise("GeluBackward0", _gelu_rule, _gelu_back)
def _gelu(input, approximate):
    return (kernels.gelu if approximate == "none" else kernels.gelu_tanh)(input)


def gelu(input: Tensor, *, approximate: str = "none", out: Tensor | None = None) -> Tensor:
    """``x`` times the probability that a standard normal number is below ``x``; ``"tanh"`` approximates it.

    Hendrycks and Gimpel, "Gaussian error linear units" (2016).

    Raises:
        RuntimeError: ``approximate`` is neither ``"none"`` nor ``"tanh"``.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError(f"approximate argument must be either none or tanh, but got {approximate!r}.")
    return into(out, _gelu(input, approximate))


def softsign(input: Tensor) -> Tensor:
    """``x / (1 + |x|)``."""
    return plain_div(input, abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """``x - tanh(x)``."""
    return input - tanh(input)


# Gates


def _glu_rule(g: Any, input: Any, dim: int) -> Any:
    from . import cat

    half = input.shape[dim] // 2
    value, gate = narrow(input, dim, 0, half), sigmoid(narrow(input, dim, half, half))
    return cat([g * gate, g * value * (gate * (1 - gate))], dim)


@op("GluBackward0", promote="common", input=_glu_rule, batch="dim")
def glu(input, dim=-1):
    """The first half along an axis, times the sigmoid of the second half.

    Raises:
        RuntimeError: the axis cannot be halved.
    """
    if input.ndim == 0:
        raise RuntimeError("glu does not support 0-dimensional tensors")
    size = input.shape[axis(dim, input.ndim)]
    if size % 2:
        raise RuntimeError(f"Halving dimension must be even, but dimension {axis(dim, input.ndim)} is size {size}")
    value, gate = np.split(input, 2, dim)
    return value / (np.exp(-gate) + 1)


def with_inplace(operation: Callable) -> Callable:
    """An activation function with PyTorch's flag ``inplace`` as its last parameter."""
    changed = inplace(operation)
    count = getattr(operation, "__wrapped__", operation).__code__.co_argcount

    @functools.wraps(operation)
    def call(input: Tensor, *args: Any, inplace: bool = False, **kwargs: Any) -> Tensor:
        if len(args) == count:
            *args, inplace = args  # type: ignore[assignment]
        return (changed if inplace else operation)(input, *args, **kwargs)

    return call


flat(relu, leaky_relu, hardtanh, hardshrink, softshrink, threshold, _prelu, _scaled_by, _mean_rrelu)

relu_, selu_, celu_, threshold_, rrelu_ = (inplace(f) for f in (relu, selu, celu, threshold, rrelu))
elu_, leaky_relu_, hardtanh_ = (inplace(f) for f in (elu, leaky_relu, hardtanh))
