"""Activations: elementwise nonlinearities, gates and softmax."""

from __future__ import annotations

import warnings
from typing import Any

from .. import ops
from ..tensor import Tensor
from . import functional as F
from . import init as initial
from .layer import Layer
from .module import Module
from .parameter import new_parameter


class _Inplace(Layer):
    """An activation that can write its result over its input."""

    shown_if_changed = {"inplace": False}

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace


class ReLU(_Inplace):
    """max(0, x).

    Example:
        >>> import rushlight as torch
        >>> torch.nn.ReLU()(torch.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.relu(input, inplace=self.inplace)


class SiLU(_Inplace):
    """x · σ(x), also known as swish."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.silu(input, inplace=self.inplace)


class Mish(_Inplace):
    """x · tanh(log(1 + eˣ))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.mish(input, inplace=self.inplace)


class SELU(_Inplace):
    """1.0507… · (max(0, x) + min(0, 1.6733… · (eˣ - 1))): keeps mean 0 and variance 1 (Klambauer et al., 2017)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.selu(input, self.inplace)


class Hardsigmoid(_Inplace):
    """min(max(x / 6 + 1/2, 0), 1)."""

    shown_if_changed = {}

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardsigmoid(input, self.inplace)


class Hardswish(_Inplace):
    """x · min(max(x / 6 + 1/2, 0), 1)."""

    shown_if_changed = {}

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardswish(input, self.inplace)


class ELU(_Inplace):
    """x where x > 0, else alpha · (eˣ - 1)."""

    shown = "alpha={alpha}"

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.alpha = alpha

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(ELU):
    """max(0, x) + min(0, alpha · (exp(x / alpha) - 1))."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.celu(input, self.alpha, self.inplace)


class LeakyReLU(_Inplace):
    """x where x > 0, else negative_slope · x."""

    shown = "negative_slope={negative_slope}"

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.negative_slope = negative_slope

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)


class RReLU(_Inplace):
    """x where x > 0, else a · x: a is drawn from U(lower, upper) in training, and is their mean in evaluation."""

    shown = "lower={lower}, upper={upper}"

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.lower, self.upper = lower, upper

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.rrelu(input, self.lower, self.upper, self.training, self.inplace)


class Threshold(_Inplace):
    """x where x > threshold, else value."""

    shown = "threshold={threshold}, value={value}"

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__(inplace)
        self.threshold, self.value = threshold, value

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.threshold(input, self.threshold, self.value, self.inplace)


class Hardtanh(_Inplace):
    """min(max(x, min_val), max_val)."""

    shown = "min_val={min_val}, max_val={max_val}"

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__(inplace)
        for old, value in (("min", min_value), ("max", max_value)):
            if value is not None:
                warnings.warn(
                    f"keyword argument `{old}_value` is deprecated and renamed to `{old}_val`",
                    FutureWarning,
                    stacklevel=2,
                )
        self.min_val = min_val if min_value is None else min_value
        self.max_val = max_val if max_value is None else max_value
        if self.max_val <= self.min_val:
            raise AssertionError(f"max_val ({self.max_val}) must be greater than min_val ({self.min_val})")

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)


class ReLU6(Hardtanh):
    """min(max(x, 0), 6)."""

    shown = ""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)


class Sigmoid(Module):
    """σ(x) = 1 / (1 + e⁻ˣ)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return ops.sigmoid(input)


class Tanh(Module):
    """tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return ops.tanh(input)


class LogSigmoid(Module):
    """log σ(x), computed without overflow."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.logsigmoid(input)


class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softsign(input)


class Tanhshrink(Module):
    """x - tanh x."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.tanhshrink(input)


class GELU(Layer):
    """x · Φ(x), Φ the normal distribution function; `approximate="tanh"` takes its tanh approximation.

    Source: Hendrycks & Gimpel, 2016.
    """

    shown = "approximate={approximate!r}"

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.gelu(input, approximate=self.approximate)


class Softplus(Layer):
    """log(1 + exp(beta · x)) / beta; x itself where beta · x > threshold."""

    shown = "beta={beta}, threshold={threshold}"

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softplus(input, self.beta, self.threshold)


class Softshrink(Layer):
    """x moved towards 0 by lambd, 0 where |x| ≤ lambd."""

    shown = "{lambd}"

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.softshrink(input, self.lambd)


class Hardshrink(Softshrink):
    """x, but 0 where |x| ≤ lambd."""

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.hardshrink(input, self.lambd)


class PReLU(Layer):
    """x where x > 0, else a · x with a learned a: one for all channels, or `num_parameters` of them.

    Shape:
        (N, C, *) → (N, C, *); weight (num_parameters), which is 1 or C.
    """

    shown = "num_parameters={num_parameters}"

    def __init__(self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = new_parameter(num_parameters, device=device, dtype=dtype)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Set the slope to where it started."""
        initial.constant_(self.weight, self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Apply it elementwise."""
        return F.prelu(input, self.weight)


class _AlongAxis(Layer):
    """An activation along one axis, `dim`."""

    shown = "dim={dim}"

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim


class GLU(_AlongAxis):
    """a · σ(b), a and b the halves of x along `dim` (Dauphin et al., 2016).

    Shape:
        (*, 2n, *) → (*, n, *).
    """

    def __init__(self, dim: int = -1) -> None:
        super().__init__(dim)

    def forward(self, input: Tensor) -> Tensor:
        """Gate one half with the other."""
        return F.glu(input, self.dim)


class Softmax(_AlongAxis):
    """exp(x) / Σ exp(x) along `dim`: positive, and of sum 1.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.Softmax(dim=0)(torch.zeros(4))
        tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise along the axis."""
        return F.softmax(input, self.dim)


class Softmin(_AlongAxis):
    """The softmax of -x along `dim`."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise along the axis."""
        return F.softmin(input, self.dim)


class LogSoftmax(_AlongAxis):
    """log softmax(x) along `dim`, computed without overflow."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise along the axis."""
        return F.log_softmax(input, self.dim)


class Softmax2d(Module):
    """Softmax over the channels at each place of an image.

    Shape:
        (N, C, H, W) or (C, H, W), and the same out.
    """

    def forward(self, input: Tensor) -> Tensor:
        """Normalise over the channels."""
        if input.dim() not in (3, 4):
            raise ValueError(f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead")
        return F.softmax(input, -3)
