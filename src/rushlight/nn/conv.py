"""Convolutions over one, two or three axes, and their transposes."""

from __future__ import annotations

from typing import Any, ClassVar

from ..tensor import Tensor
from . import functional as F
from .layer import Layer, per_axis
from .linear import reset_by_fan_in
from .parameter import new_parameter

_PADDINGS = ("same", "valid")
_PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Layer):
    """What convolutions and their transposes share; a subclass says over how many `axes`, and with which function."""

    axes: ClassVar[int]
    function: ClassVar[str]  # its name in `functional`
    transposed = False
    in_channels: int
    out_channels: int

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
        output_padding: Any = 0,
    ) -> None:
        super().__init__()
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels % groups != 0:
                raise ValueError(f"{name} must be divisible by groups")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = per_axis(kernel_size, self.axes)
        self.stride = per_axis(stride, self.axes)
        self.padding = padding if isinstance(padding, str) else per_axis(padding, self.axes)
        self.dilation = per_axis(dilation, self.axes)
        self.output_padding = per_axis(output_padding, self.axes)
        self._check_padding(padding_mode)
        self.padding_mode = padding_mode

        ends = (in_channels, out_channels) if self.transposed else (out_channels, in_channels)
        shape = (ends[0], ends[1] // groups, *self.kernel_size)
        self.weight = new_parameter(*shape, device=device, dtype=dtype)
        self.register_parameter("bias", new_parameter(out_channels, device=device, dtype=dtype) if bias else None)
        self.reset_parameters()

    def _check_padding(self, mode: str) -> None:
        if isinstance(self.padding, str):
            if self.padding not in _PADDINGS:
                raise ValueError(f"Invalid padding string {self.padding!r}, should be one of {set(_PADDINGS)}")
            if self.padding == "same" and any(step != 1 for step in self.stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        if mode not in _PADDING_MODES:
            raise ValueError(f"padding_mode must be one of {set(_PADDING_MODES)}, but got padding_mode='{mode}'")

    def reset_parameters(self) -> None:
        """Draw weight and bias anew."""
        reset_by_fan_in(self.weight, self.bias)

    def extra_repr(self) -> str:
        """Its sizes and what differs from the usual."""
        usual: dict[str, Any] = {
            "padding": (0,) * len(self.padding),
            "dilation": (1,) * self.axes,
            "output_padding": (0,) * self.axes,
            "groups": 1,
        }
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += "".join(f", {name}={getattr(self, name)}" for name in usual if getattr(self, name) != usual[name])
        text += ", bias=False" if self.bias is None else ""
        return text + (f", padding_mode={self.padding_mode}" if self.padding_mode != "zeros" else "")


class _Conv(_ConvNd):
    """out[n, o] = bias[o] + Σ_c weight[o, c] ⋆ input[n, c], ⋆ the cross-correlation.

    Args:
        in_channels, out_channels: sizes of the channel axis before and after.
        kernel_size, stride, dilation: a number, or one for each axis.
        padding: a number, one for each axis, "valid" (none), or "same" (the size stays; only with stride 1).
        groups: inputs and outputs are divided into so many groups that do not see each other.
        padding_mode: what the padding holds: "zeros", "reflect", "replicate" or "circular".

    Weight and bias start as U(-√k, √k), k = groups / (in_channels · ∏kernel_size).

    Shape:
        (N, in_channels, *) or (in_channels, *) → (N, out_channels, *) or (out_channels, *), each size L becoming
        ⌊(L + 2·padding - dilation·(kernel_size - 1) - 1) / stride⌋ + 1.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias, padding_mode, device, dtype
        )

    def forward(self, input: Tensor) -> Tensor:
        """Convolve."""
        return self._conv_forward(input, self.weight, self.bias)

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        padding: Any = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._sides(), mode=self.padding_mode), 0
        return getattr(F, self.function)(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def _sides(self) -> list[int]:
        """The padding before and after each axis, the last axis first, as `F.pad` takes it."""
        sides = []
        for axis in reversed(range(self.axes)):
            if self.padding == "same":
                total = self.dilation[axis] * (self.kernel_size[axis] - 1)
                sides += [total // 2, total - total // 2]
            else:
                sides += [0 if self.padding == "valid" else self.padding[axis]] * 2
        return sides


class Conv1d(_Conv):
    """A convolution of sequences, (N, C, L)."""

    axes, function = 1, "conv1d"


class Conv2d(_Conv):
    """A convolution of images, (N, C, H, W).

    Example:
        >>> import rushlight as torch
        >>> layer = torch.nn.Conv2d(3, 8, kernel_size=3, padding=1)
        >>> layer(torch.zeros(2, 3, 10, 12)).shape
        torch.Size([2, 8, 10, 12])
    """

    axes, function = 2, "conv2d"


class Conv3d(_Conv):
    """A convolution of volumes, (N, C, D, H, W)."""

    axes, function = 3, "conv3d"


class _ConvTransposeNd(_ConvNd):
    """The transpose of a convolution: it maps as the convolution's gradient does, and so enlarges where that strides.

    `output_padding` is added to one side of the output's size, as several input sizes of the convolution lead to the
    same output size; `output_size`, given to a call, chooses it instead.

    Shape:
        (N, in_channels, *) or (in_channels, *) → (N, out_channels, *) or (out_channels, *), each size L becoming
        (L - 1)·stride - 2·padding + dilation·(kernel_size - 1) + output_padding + 1.
    """

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        super().__init__(
            in_channels,
            out_channels,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            bias,
            padding_mode,
            device,
            dtype,
            output_padding,
        )

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve transposed, to `output_size` if it is given.

        Raises:
            ValueError: no output padding smaller than the stride leads to that size.
        """
        extra = self.output_padding if output_size is None else self._padding_for(input, output_size)
        return getattr(F, self.function)(
            input, self.weight, self.bias, self.stride, self.padding, extra, self.groups, self.dilation
        )

    def _padding_for(self, input: Tensor, output_size: list[int]) -> list[int]:
        others = input.dim() - self.axes
        if len(output_size) == others + self.axes:
            output_size = output_size[others:]
        if len(output_size) != self.axes:
            raise ValueError(
                f"ConvTranspose{self.axes}D: for {input.dim()}D input, output_size must have {self.axes} or "
                f"{others + self.axes} elements (got {len(output_size)})"
            )
        smallest = [
            (input.size(others + axis) - 1) * self.stride[axis]
            - 2 * self.padding[axis]
            + self.dilation[axis] * (self.kernel_size[axis] - 1)
            + 1
            for axis in range(self.axes)
        ]
        largest = [size + stride - 1 for size, stride in zip(smallest, self.stride, strict=True)]
        if any(not low <= size <= high for low, size, high in zip(smallest, output_size, largest, strict=True)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {smallest} to {largest} "
                f"(for an input of {input.size()[2:]})"
            )
        return [size - low for size, low in zip(output_size, smallest, strict=True)]


class ConvTranspose1d(_ConvTransposeNd):
    """A transposed convolution of sequences, (N, C, L)."""

    axes, function = 1, "conv_transpose1d"


class ConvTranspose2d(_ConvTransposeNd):
    """A transposed convolution of images, (N, C, H, W)."""

    axes, function = 2, "conv_transpose2d"


class ConvTranspose3d(_ConvTransposeNd):
    """A transposed convolution of volumes, (N, C, D, H, W)."""

    axes, function = 3, "conv_transpose3d"
