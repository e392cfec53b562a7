"""Resampling of images, signals and volumes: to another size, along a grid, by an affine map."""

from __future__ import annotations

import math
import warnings
from typing import Any

from ..kernels import resampling as kernels
from .pool import adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, separable

__all__: list[str] = []

_MODES = {
    "nearest": {1: "UpsampleNearest1D", 2: "UpsampleNearest2D", 3: "UpsampleNearest3D"},
    "nearest-exact": {1: "UpsampleNearestExact1D", 2: "UpsampleNearestExact2D", 3: "UpsampleNearestExact3D"},
    "linear": {1: "UpsampleLinear1D"},
    "bilinear": {2: "UpsampleBilinear2D"},
    "trilinear": {3: "UpsampleTrilinear3D"},
    "bicubic": {2: "UpsampleBicubic2D"},
}
_apply = {
    (mode, rank): separable(f"{name}Backward0") for mode, by_rank in _MODES.items() for rank, name in by_rank.items()
}
_SMOOTH = ("linear", "bilinear", "bicubic", "trilinear")
_adaptive = {1: adaptive_avg_pool1d, 2: adaptive_avg_pool2d, 3: adaptive_avg_pool3d}


def interpolate(
    input,
    size=None,
    scale_factor=None,
    mode="nearest",
    align_corners=None,
    recompute_scale_factor=None,
    antialias=False,
):
    """Resize the last axes of (N, C, *) to ``size``, or by ``scale_factor``.

    Args:
        mode: "nearest", "nearest-exact", "area", "linear" (3-D input), "bilinear" or "bicubic" (4-D),
            "trilinear" (5-D).
        align_corners: the corner elements keep their values; for the linear and cubic modes.
        recompute_scale_factor: take the factor from the sizes rather than as given.
        antialias: when it gets smaller, average over what each element covers; for "bilinear" and "bicubic".

    Raises:
        ValueError, NotImplementedError: the arguments do not fit each other or the input.
    """
    rank = input.ndim - 2
    if mode in ("nearest", "area", "nearest-exact") and align_corners is not None:
        raise ValueError(
            "align_corners option can only be set with the interpolating modes: linear | bilinear | bicubic | trilinear"
        )
    sizes, factors = _sizes(input, size, scale_factor, rank)
    align = bool(align_corners)
    if recompute_scale_factor is not None and recompute_scale_factor and size is not None:
        raise ValueError("recompute_scale_factor is not meaningful with an explicit size.")
    if mode == "area":
        return _adaptive[rank](input, sizes)
    if recompute_scale_factor:
        factors = None
    if antialias and not (mode in ("bilinear", "bicubic") and rank == 2):
        raise ValueError(
            "Anti-alias option is restricted to bilinear and bicubic modes and requires a 4-D tensor as input"
        )
    chosen = _apply.get((mode, rank))
    if chosen is None:
        _refuse_mode(mode, rank)
    kind = "cubic" if mode == "bicubic" else "linear" if mode in _SMOOTH else mode
    matrices = tuple(
        kernels.matrix(kind, n, out, align, None if factors is None else factors[axis], antialias)
        for axis, (n, out) in enumerate(zip(input.shape[2:], sizes))
    )
    return chosen(input, matrices)


def _refuse_mode(mode: str, rank: int) -> None:
    if mode in _MODES:
        needs = max(_MODES[mode]) + 2
        raise NotImplementedError(f"Got {rank + 2}D input, but {mode} mode needs {needs}D input")
    raise NotImplementedError(
        f"Input Error: Only 3D, 4D and 5D input Tensors supported (got {rank + 2}D) for the modes: nearest | linear "
        f"| bilinear | bicubic | trilinear | area | nearest-exact (got {mode})"
    )


def _sizes(input: Any, size: Any, scale_factor: Any, rank: int) -> tuple[list[int], list[float] | None]:
    """The new lengths, and the factors if they were given."""
    if size is not None and scale_factor is not None:
        raise ValueError("only one of size or scale_factor should be defined")
    if size is not None:
        if isinstance(size, (tuple, list)):
            if len(size) != rank:
                raise ValueError(
                    "Input and output must have the same number of spatial dimensions, but got input with spatial "
                    f"dimensions of {list(input.shape[2:])} and output size of {size}. Please provide input tensor in "
                    "(N, C, d1, d2, ...,dK) format and output size in (o1, o2, ...,oK) format."
                )
            return [int(n) for n in size], None
        return [int(size)] * rank, None
    if scale_factor is None:
        raise ValueError("either size or scale_factor should be defined")
    if isinstance(scale_factor, (tuple, list)):
        if len(scale_factor) != rank:
            raise ValueError(
                f"Input and scale_factor must have the same number of spatial dimensions, but got input with spatial "
                f"dimensions of {list(input.shape[2:])} and scale_factor of shape {scale_factor}. Please provide "
                "input tensor in (N, C, d1, d2, ...,dK) format and scale_factor in (s1, s2, ...,sK) format."
            )
        factors = [float(f) for f in scale_factor]
    else:
        factors = [float(scale_factor)] * rank
    return [math.floor(n * f) for n, f in zip(input.shape[2:], factors)], factors


def upsample(input, size=None, scale_factor=None, mode="nearest", align_corners=None):
    """`interpolate` under its old name."""
    warnings.warn("`nn.functional.upsample` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2)
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input, size=None, scale_factor=None):
    """`interpolate` to the nearest element."""
    warnings.warn(
        "`nn.functional.upsample_nearest` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="nearest")


def upsample_bilinear(input, size=None, scale_factor=None):
    """`interpolate` linearly along both axes, corners aligned."""
    warnings.warn(
        "`nn.functional.upsample_bilinear` is deprecated. Use `nn.functional.interpolate` instead.", stacklevel=2
    )
    return interpolate(input, size, scale_factor, mode="bilinear", align_corners=True)
