"""Pooling: the maximum, mean or norm of each window, or of each part of an input divided into a given number."""

from __future__ import annotations

from typing import Any, ClassVar

from ..tensor import Tensor
from . import functional as F
from .layer import Layer, per_axis


class _Windowed(Layer):
    """Pooling over windows; the stride is the size of the window unless it is given.

    Shape:
        (N, C, *) or (C, *), each size L becoming ⌊(L + 2·padding - dilation·(kernel_size - 1) - 1) / stride⌋ + 1,
        rounded up with `ceil_mode`.
    """

    function: ClassVar[str]  # its name in `functional`


class _MaxPoolNd(_Windowed):
    shown = "kernel_size={kernel_size}, stride={stride}, padding={padding}, dilation={dilation}, ceil_mode={ceil_mode}"

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """Take the maximum of each window, and with `return_indices` also where it is."""
        return getattr(F, self.function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.dilation,
            ceil_mode=self.ceil_mode,
            return_indices=self.return_indices,
        )


class MaxPool1d(_MaxPoolNd):
    """The maximum of each window of a sequence, (N, C, L)."""

    function = "max_pool1d"


class MaxPool2d(_MaxPoolNd):
    """The maximum of each window of an image, (N, C, H, W).

    Example:
        >>> import rushlight as torch
        >>> torch.nn.MaxPool2d(2)(torch.zeros(1, 3, 8, 6)).shape
        torch.Size([1, 3, 4, 3])
    """

    function = "max_pool2d"


class MaxPool3d(_MaxPoolNd):
    """The maximum of each window of a volume, (N, C, D, H, W)."""

    function = "max_pool3d"


class _MaxUnpoolNd(_Windowed):
    """Puts maxima back to where `indices`, of a max pooling, say they were; zeros elsewhere."""

    axes: ClassVar[int]
    shown = "kernel_size={kernel_size}, stride={stride}, padding={padding}"

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size = per_axis(kernel_size, self.axes)
        self.stride = self.kernel_size if stride is None else per_axis(stride, self.axes)
        self.padding = per_axis(padding, self.axes)

    def forward(self, input: Tensor, indices: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Put the values back, into a tensor of `output_size` if it is given."""
        return getattr(F, self.function)(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool1d(_MaxUnpoolNd):
    """The partial inverse of MaxPool1d."""

    axes, function = 1, "max_unpool1d"


class MaxUnpool2d(_MaxUnpoolNd):
    """The partial inverse of MaxPool2d."""

    axes, function = 2, "max_unpool2d"


class MaxUnpool3d(_MaxUnpoolNd):
    """The partial inverse of MaxPool3d."""

    axes, function = 3, "max_unpool3d"


class AvgPool1d(_Windowed):
    """The mean of each window of a sequence, (N, C, L); padding counts as zeros, or not at all."""

    shown = "kernel_size={kernel_size}, stride={stride}, padding={padding}"

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = per_axis(kernel_size, 1)
        self.stride = self.kernel_size if stride is None else per_axis(stride, 1)
        self.padding = per_axis(padding, 1)
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Take the mean of each window."""
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_Windowed):
    """The mean of each window of an image, (N, C, H, W); padding counts as zeros, or not at all.

    The sum of a window is divided by `divisor_override` instead of its size, if that is given.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.AvgPool2d(2)(torch.ones(1, 1, 2, 2))
        tensor([[[[1.]]]])
    """

    function = "avg_pool2d"
    shown = "kernel_size={kernel_size}, stride={stride}, padding={padding}"

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding
        self.ceil_mode, self.count_include_pad = ceil_mode, count_include_pad
        self.divisor_override = divisor_override

    def forward(self, input: Tensor) -> Tensor:
        """Take the mean of each window."""
        return getattr(F, self.function)(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(AvgPool2d):
    """The mean of each window of a volume, (N, C, D, H, W); see AvgPool2d."""

    function = "avg_pool3d"


class _LPPoolNd(_Windowed):
    shown = "norm_type={norm_type}, kernel_size={kernel_size}, stride={stride}, ceil_mode={ceil_mode}"

    def __init__(self, norm_type: float, kernel_size: Any, stride: Any = None, ceil_mode: bool = False) -> None:
        super().__init__()
        self.norm_type, self.kernel_size, self.stride, self.ceil_mode = norm_type, kernel_size, stride, ceil_mode

    def forward(self, input: Tensor) -> Tensor:
        """Take the norm of each window."""
        return getattr(F, self.function)(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool1d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of a sequence, p the `norm_type`."""

    function = "lp_pool1d"


class LPPool2d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of an image, p the `norm_type`."""

    function = "lp_pool2d"


class LPPool3d(_LPPoolNd):
    """(Σ xᵖ)^(1/p) of each window of a volume, p the `norm_type`."""

    function = "lp_pool3d"


class _Adaptive(Layer):
    """Pooling of an input divided into `output_size` parts; None for an axis leaves it as it is."""

    function: ClassVar[str]
    shown = "output_size={output_size}"

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size


class _AdaptiveAvgPoolNd(_Adaptive):
    def forward(self, input: Tensor) -> Tensor:
        """Take the mean of each part."""
        return getattr(F, self.function)(input, self.output_size)


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` parts of a sequence."""

    function = "adaptive_avg_pool1d"


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` parts of an image.

    Example:
        >>> import rushlight as torch
        >>> torch.nn.AdaptiveAvgPool2d((1, None))(torch.zeros(2, 3, 8, 9)).shape
        torch.Size([2, 3, 1, 9])
    """

    function = "adaptive_avg_pool2d"


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """The mean of each of `output_size` parts of a volume."""

    function = "adaptive_avg_pool3d"


class _AdaptiveMaxPoolNd(_Adaptive):
    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices

    def forward(self, input: Tensor) -> Any:
        """Take the maximum of each part, and with `return_indices` also where it is."""
        return getattr(F, self.function)(input, self.output_size, self.return_indices)


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """The maximum of each of `output_size` parts of a sequence."""

    function = "adaptive_max_pool1d"


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """The maximum of each of `output_size` parts of an image."""

    function = "adaptive_max_pool2d"


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """The maximum of each of `output_size` parts of a volume."""

    function = "adaptive_max_pool3d"


class _FractionalMaxPool(Layer):
    """The maximum of windows whose places are drawn at random, so that the size shrinks by a fraction.

    Exactly one of `output_size` and `output_ratio` is given.

    Source: Graham, 2014.
    """

    axes: ClassVar[int]

    def __init__(
        self,
        kernel_size: Any,
        output_size: Any = None,
        output_ratio: Any = None,
        return_indices: bool = False,
        _random_samples: Tensor | None = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if output_size is None and output_ratio is None:
            raise ValueError(f"{name} requires specifying either an output size, or a pooling ratio")
        if output_size is not None and output_ratio is not None:
            raise ValueError("only one of output_size and output_ratio may be specified")
        self.kernel_size = per_axis(kernel_size, self.axes)
        self.return_indices = return_indices
        self.register_buffer("_random_samples", _random_samples)
        self.output_size = None if output_size is None else per_axis(output_size, self.axes)
        self.output_ratio = None if output_ratio is None else per_axis(output_ratio, self.axes)
        if not all(0 < ratio < 1 for ratio in self.output_ratio or ()):
            raise ValueError(f"output_ratio must be between 0 and 1 (got {output_ratio})")

    def forward(self, input: Tensor) -> Any:
        """Take the maximum of each window, and with `return_indices` also where it is."""
        pool = getattr(F, f"fractional_max_pool{self.axes}d")
        sizes = self.kernel_size, self.output_size, self.output_ratio
        return pool(input, *sizes, self.return_indices, self._random_samples)


class FractionalMaxPool2d(_FractionalMaxPool):
    """Fractional max pooling of images, (N, C, H, W)."""

    axes = 2


class FractionalMaxPool3d(_FractionalMaxPool):
    """Fractional max pooling of volumes, (N, C, D, H, W)."""

    axes = 3
