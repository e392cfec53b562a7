"""Derivatives of sampled functions by finite differences."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from .axes import axis
from .convert import to_dtype
from .join import cat
from .parts import slice_along
from .views import reshape

__all__ = ["gradient"]


def gradient(input, *, spacing=None, dim=None, edge_order=1):
    """The derivative along each of some axes, from the values at three neighbouring places.

    Args:
        spacing: the distance of places, one for all axes or a number for each; or for each axis a tensor of places.
        dim: the axes; all by default.
        edge_order: 1 takes two places at the ends, 2 takes three.

    Returns:
        A tuple of tensors of the shape of ``input``, one for each axis.

    Raises:
        RuntimeError: an axis is too short, or ``spacing`` does not fit the axes.

    >>> import rushlight as torch
    >>> torch.gradient(torch.tensor([1.0, 4.0, 9.0, 16.0]))
    (tensor([3., 4., 6., 7.]),)

    Fornberg, "Generation of finite difference formulas on arbitrarily spaced grids", 1988.
    """
    axes = range(input.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    axes = [axis(d, input.ndim) for d in axes]
    _check(input, spacing, axes, dim, edge_order)
    if not input.dtype.is_floating_point and not input.dtype.is_complex:
        input = to_dtype(input, dtypes.get_default_dtype().numpy)
    each = list(spacing) if isinstance(spacing, (list, tuple)) else [1 if spacing is None else spacing] * len(axes)
    return tuple(_along(input, step, d, edge_order) for step, d in zip(each, axes))


def _check(input: Any, spacing: Any, axes: list[int], dim: Any, edge_order: int) -> None:
    if edge_order not in (1, 2):
        raise RuntimeError("torch.gradient only supports edge_order=1 and edge_order=2.")
    if isinstance(spacing, (list, tuple)) and len(spacing) != len(axes):
        expected, why = ("self.dim()", "was not given") if dim is None else ("dim", "was given")
        raise RuntimeError(
            f"torch.gradient expected spacing to be unspecified, a scalar, or a list of length equal to '{expected} = "
            f"{len(axes)}', since dim argument {why}, but got a list of length {len(spacing)}"
        )
    for place, d in enumerate(axes):
        if d in axes[:place]:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
        if input.shape[d] < edge_order + 1:
            raise RuntimeError("torch.gradient expected each dimension size to be at least edge_order+1")


def _along(x: Any, step: Any, d: int, edge_order: int) -> Any:
    n = x.shape[d]

    def part(low: int, high: int) -> Any:
        return slice_along(x, d, low, high, 1)

    if isinstance(step, (int, float, complex)):
        inner = (part(2, n) - part(0, n - 2)) / (2 * step)
        before = after = first = last = step
    else:
        widths = reshape(step[1:] - step[:-1], (-1, *(1,) * (x.ndim - d - 1)))
        first, last = widths[:1], widths[-1:]
        before, after = widths[:-1], widths[1:]
        inner = (
            part(0, n - 2) * (-after / (before * (before + after)))
            + part(1, n - 1) * ((after - before) / (before * after))
            + part(2, n) * (before / (after * (before + after)))
        )
    if edge_order == 1:
        return cat([(part(1, 2) - part(0, 1)) / first, inner, (part(n - 1, n) - part(n - 2, n - 1)) / last], d)
    second, before_last = (first, last) if isinstance(step, (int, float, complex)) else (widths[1:2], widths[-2:-1])
    low = _end(part(0, 1), part(1, 2), part(2, 3), first, second)
    high = _end(part(n - 1, n), part(n - 2, n - 1), part(n - 3, n - 2), -last, -before_last)
    return cat([low, inner, high], d)


def _end(a: Any, b: Any, c: Any, near: Any, far: Any) -> Any:
    """The derivative at the first of three places that are ``near`` and ``far`` apart."""
    whole = near + far
    return a * (-(near + whole) / (near * whole)) + b * (whole / (near * far)) - c * (near / (far * whole))
