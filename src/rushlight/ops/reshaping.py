"""Views in place: a tensor shown in another shape from now on, such as ``x.t_()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd.hooks import leave
from ..autograd.modes import recording
from ..autograd.node import current_frame
from ..autograd.versions import Moved, inference_cell
from ..tensor import Tensor, edge_of
from . import views
from .levels import is_open
from .nodes import make_node
from .promotion import unrecordable
from .showing import in_order, node_class
from .strided import Geometry, as_strided_within
from .writing import bump, check_counted, check_history


def reshaping(name: str, operation: Callable, node: str) -> Callable:
    """The in-place form of a view."""
    compute: Any = operation.compute  # type: ignore[attr-defined]
    cls = node_class(node, operation.node.rule)  # type: ignore[attr-defined]

    def method(self: Any, *parameters: Any, **options: Any) -> Tensor:
        if options:
            parameters = in_order(compute, parameters, options)
        check_history(self, name)
        check_counted(self, name)
        before, view = self.array, self._view
        edge = edge_of(self) if recording.get() else None
        if edge is not None and before.dtype.kind not in "fcV":
            raise unrecordable(before)
        if is_open(self):
            show = lambda tensor: operation(tensor, *parameters)  # noqa: E731
            self.level.reshape(self, show, lambda part: method(part, *parameters))
        else:
            self.array = compute(before, *parameters)
            if self.version is not inference_cell:
                self.version[0] = Moved(self.version[0], before, self.array)
        bump(self, name, current_frame(1))
        if edge is not None:
            node = make_node(cls, (edge,), (), current_frame(1))
            node.fit = before.shape, parameters
            leave(edge, node)
            self.node = node
            if view is not None:
                view.seen = self._version
        if view is not None and view.replay is not None:
            first = view.replay
            view.replay = lambda base: operation(first(base), *parameters)
        return self

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` in place: the tensor itself has the other shape from now on."
    return method


t_ = reshaping("t_", views.t, "TBackward1")
transpose_ = reshaping("transpose_", views.transpose, "TransposeBackward1")
swapaxes_ = reshaping("swapaxes_", views.transpose, "TransposeBackward1")
swapdims_ = reshaping("swapdims_", views.transpose, "TransposeBackward1")
unsqueeze_ = reshaping("unsqueeze_", views.unsqueeze, "UnsqueezeBackward1")
_squeeze_all = reshaping("squeeze_", views._squeeze_all, "SqueezeBackward3")
_squeeze_axis = reshaping("squeeze_", views._squeeze_axis, "SqueezeBackward4")
_squeeze_axes = reshaping("squeeze_", views._squeeze_axes, "SqueezeBackward5")
_as_strided = reshaping("as_strided_", as_strided_within, "AsStridedBackward1")


def squeeze_(self: Tensor, dim: Any = None) -> Tensor:
    """`squeeze` in place: the tensor itself has the other shape from now on."""
    if dim is None:
        return _squeeze_all(self)
    return _squeeze_axes(self, dim) if isinstance(dim, (tuple, list)) else _squeeze_axis(self, dim)


def as_strided_(self: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """`as_strided` in place: the tensor itself has the other shape from now on."""
    seen = Geometry.of(self.array)
    target = Geometry(tuple(size), tuple(stride), seen.offset if storage_offset is None else storage_offset)
    return _as_strided(self, target, seen)
