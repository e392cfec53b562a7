"""Padding: elements added before and after the last axes.

`padding` is a number for all sides, or one for each side: before and after the last axis, then the one before it …
"""

from __future__ import annotations

from typing import ClassVar

from ..tensor import Tensor
from . import functional as F
from .layer import Layer, per_axis


class _Pad(Layer):
    axes: ClassVar[int]
    mode: ClassVar[str]
    shown = "{padding}"

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__()
        self.padding = per_axis(padding, 2 * self.axes)

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last axes."""
        return F.pad(input, self.padding, self.mode)


class _ConstantPad(_Pad):
    mode = "constant"
    shown = "padding={padding}, value={value}"

    def __init__(self, padding: int | tuple[int, ...], value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last axes."""
        return F.pad(input, self.padding, self.mode, self.value)


class ConstantPad1d(_ConstantPad):
    """Pads the last axis with `value`."""

    axes = 1


class ConstantPad2d(_ConstantPad):
    """Pads the last two axes with `value`.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.ConstantPad2d((1, 0, 0, 1), 9.0)(torch.zeros(1, 2))
        tensor([[9., 0., 0.],
                [9., 9., 9.]])
    """

    axes = 2


class ConstantPad3d(_ConstantPad):
    """Pads the last three axes with `value`."""

    axes = 3


class ZeroPad1d(ConstantPad1d):
    """Pads the last axis with zeros."""

    shown = "{padding}"

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)


class ZeroPad2d(ConstantPad2d):
    """Pads the last two axes with zeros."""

    shown = "{padding}"

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)


class ZeroPad3d(ConstantPad3d):
    """Pads the last three axes with zeros."""

    shown = "{padding}"

    def __init__(self, padding: int | tuple[int, ...]) -> None:
        super().__init__(padding, 0.0)


class _ReflectionPad(_Pad):
    mode = "reflect"


class ReflectionPad1d(_ReflectionPad):
    """Pads the last axis with its mirror image, the border not repeated."""

    axes = 1


class ReflectionPad2d(_ReflectionPad):
    """Pads the last two axes with their mirror image, the border not repeated."""

    axes = 2


class ReflectionPad3d(_ReflectionPad):
    """Pads the last three axes with their mirror image, the border not repeated."""

    axes = 3


class _ReplicationPad(_Pad):
    mode = "replicate"


class ReplicationPad1d(_ReplicationPad):
    """Pads the last axis with its border."""

    axes = 1


class ReplicationPad2d(_ReplicationPad):
    """Pads the last two axes with their border."""

    axes = 2


class ReplicationPad3d(_ReplicationPad):
    """Pads the last three axes with their border."""

    axes = 3


class _CircularPad(_Pad):
    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        """Pad the last axes."""
        if input.dim() not in (self.axes + 1, self.axes + 2):
            raise ValueError(f"expected {self.axes + 1}D or {self.axes + 2}D input (got {input.dim()}D input)")
        return super().forward(input)


class CircularPad1d(_CircularPad):
    """Pads the last axis with what is at its other end."""

    axes = 1


class CircularPad2d(_CircularPad):
    """Pads the last two axes with what is at their other ends."""

    axes = 2


class CircularPad3d(_CircularPad):
    """Pads the last three axes with what is at their other ends."""

    axes = 3
