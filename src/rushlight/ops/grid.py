"""Sampling an image or volume at any places, and the grid of places of an affine map."""

from __future__ import annotations

import warnings
from itertools import product as combinations
from typing import Any

import numpy as np

from ..tensor import wrap
from .along import gather
from .bounds import clamp
from .compare import where
from .products import bmm
from .promotion import raw
from .rounding import floor, round

__all__: list[str] = []

_MODES, _PADDINGS = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")


def grid_sample(input, grid, mode="bilinear", padding_mode="zeros", align_corners=None):
    """Values of (N, C, H, W) or (N, C, D, H, W) at places (N, *, 2) or (N, *, 3) between -1 and 1, x first.

    Args:
        mode: "bilinear", "nearest" or, over two axes, "bicubic".
        padding_mode: what lies outside: "zeros", the "border", or the "reflection".
        align_corners: -1 and 1 are the centres of the corner elements rather than their outer edges.

    Raises:
        ValueError: there is no such mode.
        RuntimeError: the shapes do not fit.

    Jaderberg et al., "Spatial Transformer Networks", 2015.
    """
    if mode not in _MODES:
        raise ValueError(
            f"nn.functional.grid_sample(): expected mode to be 'bilinear', 'nearest' or 'bicubic', but got: '{mode}'"
        )
    if padding_mode not in _PADDINGS:
        raise ValueError(
            f"nn.functional.grid_sample(): expected padding_mode to be 'zeros', 'border', or 'reflection', but got: "
            f"'{padding_mode}'"
        )
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            stacklevel=2,
        )
    _check(input, grid, mode)
    align = bool(align_corners)
    sizes = tuple(input.shape[2:])
    n, channels = input.shape[:2]
    places = []
    for axis, size in enumerate(sizes):
        c = grid[..., len(sizes) - 1 - axis].reshape(n, -1)
        c = (c + 1) * ((size - 1) / 2) if align else ((c + 1) * size - 1) / 2
        places.append(c if mode == "bicubic" else _inside(c, size, padding_mode, align))
    flat = input.reshape(n, channels, -1)
    total: Any = 0
    of_axes = [_inner_taps(c, size, mode, padding_mode, align) for c, size in zip(places, sizes)]
    for taps in combinations(*of_axes):
        index, weight = 0, 1
        for (place, factor), size in zip(taps, sizes):
            index = index * size + place
            weight = weight * factor
        where_from = index.unsqueeze(1).expand(n, channels, index.shape[-1])
        total = total + gather(flat, 2, where_from) * weight.unsqueeze(1)
    return total.reshape(n, channels, *grid.shape[1:-1])


def _check(input: Any, grid: Any, mode: str) -> None:
    if input.ndim not in (4, 5) or input.ndim != grid.ndim:
        raise RuntimeError(
            "grid_sampler(): expected 4D or 5D input and grid with same number of dimensions, but got input with "
            f"sizes {list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if input.shape[0] != grid.shape[0]:
        raise RuntimeError(
            "grid_sampler(): expected grid and input to have same batch size, but got input with sizes "
            f"{list(input.shape)} and grid with sizes {list(grid.shape)}"
        )
    if grid.shape[-1] != input.ndim - 2:
        raise RuntimeError(
            f"grid_sampler(): expected grid to have size {input.ndim - 2} in last dimension, but got grid with sizes "
            f"{list(grid.shape)}"
        )
    if 0 in input.shape[2:]:
        raise RuntimeError(
            "grid_sampler(): expected input to have non-empty spatial dimensions, but input has sizes "
            f"{list(input.shape)}"
        )
    if mode == "bicubic" and input.ndim == 5:
        raise RuntimeError("grid_sampler(): bicubic interpolation only supports 4D input")


def _inside(c: Any, size: int, padding_mode: str, align: bool) -> Any:
    """Places brought into the image, as the padding asks for."""
    if padding_mode == "zeros":
        return c
    if padding_mode == "reflection":
        low, span = (0.0, size - 1.0) if align else (-0.5, float(size))
        if span == 0:
            return c * 0
        c = (c - low).abs()
        turns = floor(c.detach() / span)
        rest = c - turns * span
        c = where(turns % 2 == 0, rest + low, span - rest + low)
    return clamp(c, 0, size - 1)


def _inner_taps(c: Any, size: int, mode: str, padding_mode: str, align: bool) -> list[tuple[Any, Any]]:
    """The same as `_taps`, with a weight of zero where there is no element."""
    return [
        (clamp(place, 0, size - 1), factor * ((place >= 0) & (place < size)).to(factor.dtype))
        for place, factor in _taps(c, size, mode, padding_mode, align)
    ]


def _taps(c: Any, size: int, mode: str, padding_mode: str, align: bool) -> list[tuple[Any, Any]]:
    """The elements along one axis that count at each place, and how much."""
    at = c.detach()
    if mode == "nearest":
        return [(round(at).long(), c * 0 + 1)]  # nothing depends on where exactly: a zero gradient
    below = floor(at)
    t = c - below
    first = below.long()
    if mode == "bilinear":
        return [(first, 1 - t), (first + 1, t)]
    weights = (_far(t + 1), _near(t), _near(1 - t), _far(2 - t))
    result = []
    for step, weight in zip((-1, 0, 1, 2), weights):
        result.append((_inside(below + step, size, padding_mode, align).long(), weight))
    return result


_A = -0.75  # Keys, "Cubic convolution interpolation for digital image processing", 1981


def _near(x: Any) -> Any:
    return ((_A + 2) * x - (_A + 3)) * x * x + 1


def _far(x: Any) -> Any:
    return ((_A * x - 5 * _A) * x + 8 * _A) * x - 4 * _A


def affine_grid(theta, size, align_corners=None):
    """The places (N, *, 2) or (N, *, 3) that affine maps (N, 2, 3) or (N, 3, 4) take a grid to, for `grid_sample`.

    Raises:
        ValueError: the shape of ``theta`` does not fit ``size``.
    """
    if align_corners is None:
        warnings.warn(
            "Default grid_sample and affine_grid behavior has changed to align_corners=False since 1.3.0. Please "
            "specify align_corners=True if the old behavior is desired. See the documentation of grid_sample for "
            "details.",
            stacklevel=2,
        )
    rank = len(size) - 2
    if rank not in (2, 3):
        raise NotImplementedError(
            "affine_grid only supports 4D and 5D sizes, for 2D and 3D affine transforms, respectively. Got size "
            f"{tuple(size)}."
        )
    if theta.ndim != 3 or tuple(theta.shape[1:]) != (rank, rank + 1):
        raise ValueError(
            f"Expected a batch of {rank}D affine matrices of shape Nx{rank}x{rank + 1} for size {tuple(size)}. Got "
            f"{tuple(theta.shape)}."
        )
    if min(size) <= 0:
        raise ValueError(f"Expected non-zero, positive output size. Got {tuple(size)}")
    return affine_grid_generator(theta, size, bool(align_corners))


def affine_grid_generator(theta, size, align_corners):
    """`affine_grid` without its checks."""
    dtype = raw(theta).dtype
    axes = [np.linspace(-1, 1, n) * (1.0 if align_corners else (n - 1) / n) if n > 1 else np.zeros(1) for n in size[2:]]
    grids = np.meshgrid(*axes, indexing="ij")[::-1]
    base = np.stack([*(g.reshape(-1) for g in grids), np.ones(grids[0].size)], -1).astype(dtype)
    base = wrap(np.ascontiguousarray(np.broadcast_to(base, (size[0], *base.shape))))
    return bmm(base, theta.transpose(1, 2)).reshape(size[0], *size[2:], len(size) - 2)
