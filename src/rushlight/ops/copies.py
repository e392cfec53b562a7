"""Views as copies: ``permute_copy`` and the like, a view's elements in memory of their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..layouts import contiguous_format
from ..tensor import Tensor
from . import parts, views
from .convert import clone
from .define import op
from .promotion import raw
from .showing import in_order
from .splitting import split_with_sizes, unbind
from .strided import Geometry, as_strided_within

__all__ = [
    "alias_copy", "as_strided_copy", "detach_copy", "diagonal_copy", "expand_copy", "narrow_copy", "permute_copy",
    "select_copy", "slice_copy", "split_with_sizes_copy", "squeeze_copy", "t_copy", "transpose_copy", "unbind_copy",
    "unfold_copy", "unsqueeze_copy", "view_copy",
]  # fmt: skip


def copying(name: str, view: Callable) -> Callable:
    """The copying form of a view."""
    compute: Any = view.compute  # type: ignore[attr-defined]
    node: Any = view.node  # type: ignore[attr-defined]

    def copied(input, parameters):
        return np.array(compute(input, *parameters), order="C")

    copied.__name__ = name

    def in_batch(batch: Any, input: Any, parameters: tuple) -> Any:
        return clone(batch.ruled(view, input, *parameters), memory_format=contiguous_format)

    rule = node.rule
    backward = lambda g, input_shape, parameters: rule(g, input_shape, *parameters)  # noqa: E731
    operation = op(f"{node.__name__}_copy", input=backward, batch=in_batch)(copied)

    def call(input: Any, *parameters: Any, out: Tensor | None = None, **options: Any) -> Any:
        if options:
            parameters = in_order(compute, parameters, options)
        return operation(input, parameters) if out is None else operation(input, parameters, out=out)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"`{name[:-5]}` as a copy."
    return call


alias_copy = copying("alias_copy", views.alias)
diagonal_copy = copying("diagonal_copy", parts.diagonal)
expand_copy = copying("expand_copy", views.expand)
permute_copy = copying("permute_copy", views.permute)
select_copy = copying("select_copy", parts.select)
slice_copy = copying("slice_copy", parts.slice_along)
t_copy = copying("t_copy", views.t)
transpose_copy = copying("transpose_copy", views.transpose)
unfold_copy = copying("unfold_copy", parts.unfold)
unsqueeze_copy = copying("unsqueeze_copy", views.unsqueeze)
_view_copy = copying("view_copy", views.view_as_shape)
_squeeze_all = copying("squeeze_copy", views._squeeze_all)
_squeeze_axis = copying("squeeze_copy", views._squeeze_axis)
_squeeze_axes = copying("squeeze_copy", views._squeeze_axes)
_strided_copy = copying("as_strided_copy", as_strided_within)


def view_copy(input: Tensor, size: Any = None, *, dtype: Any = None, out: Tensor | None = None) -> Tensor:
    """`view` as a copy."""
    if dtype is None and isinstance(size, (tuple, list)):
        return _view_copy(input, size, out=out)
    return alias_copy(views.view(input, size if dtype is None else dtype), out=out)


def squeeze_copy(input: Tensor, dim: Any = None, *, out: Tensor | None = None) -> Tensor:
    """`squeeze` as a copy."""
    if dim is None:
        return _squeeze_all(input, out=out)
    return (_squeeze_axes if isinstance(dim, (tuple, list)) else _squeeze_axis)(input, dim, out=out)


def as_strided_copy(
    input: Tensor, size: Any, stride: Any, storage_offset: int | None = None, *, out: Tensor | None = None
) -> Tensor:
    """`as_strided` as a copy."""
    seen = Geometry.of(raw(input))
    target = Geometry(tuple(size), tuple(stride), seen.offset if storage_offset is None else storage_offset)
    return _strided_copy(input, target, seen, out=out)


def narrow_copy(input: Tensor, dim: int, start: int, length: int, *, out: Tensor | None = None) -> Tensor:
    """`narrow` as a copy."""
    if dim >= input.array.ndim > 0:
        raise RuntimeError(
            f"Expected dim < self_sizes.size() to be true, but got false: dim is {dim}, of {input.array.ndim} "
            "dimensions"
        )
    if length < 0 < input.array.ndim:
        raise RuntimeError(f"start ({start}) + length ({length}) exceeds dimension size ({input.array.shape[dim]}).")
    return alias_copy(parts.narrow(input, dim, start, length), out=out)


def detach_copy(input: Tensor, *, out: Tensor | None = None) -> Tensor:
    """`detach` as a copy."""
    return alias_copy(input.detach(), out=out)


def _each(parts: tuple, out: Any) -> Any:
    """Copies of several views, in new tensors or in those given."""
    if out is None:
        return tuple(alias_copy(part) for part in parts)
    for target, part in zip(out, parts, strict=True):
        alias_copy(part, out=target)
    return None


def split_with_sizes_copy(input: Tensor, split_sizes: Any, dim: int = 0, *, out: Any = None) -> Any:
    """`split_with_sizes` as copies."""
    return _each(split_with_sizes(input, split_sizes, dim), out)


def unbind_copy(input: Tensor, dim: int = 0, *, out: Any = None) -> Any:
    """`unbind` as copies."""
    return _each(unbind(input, dim), out)
