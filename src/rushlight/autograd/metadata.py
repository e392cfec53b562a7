"""What the gradients look like that a node gets, for those who ask."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from .. import devices, dtypes
from ..size import Size


class InputMetadata(NamedTuple):
    """What the gradient of one output of a node looks like."""

    meta: tuple[tuple, Any]
    device: devices.device = devices.cpu
    is_tensor_subclass: bool = False
    is_nested_tensor: bool = False
    is_cpp_nested_tensor: bool = False

    @property
    def shape(self) -> Size:
        """Its shape."""
        return Size(self.meta[0])

    @property
    def dtype(self) -> dtypes.dtype:
        """Its type."""
        return dtypes.of(self.meta[1])


noted: WeakKeyDictionary[Any, tuple] = WeakKeyDictionary()
"""The shape and type of a node's result, which a node does not keep itself: noted as somebody asks for the node."""


def note(node: Any, tensor: Any) -> None:
    """Note the shape and type of a tensor for the node that made it."""
    if not node.several:
        noted[node] = tensor.array.shape, tensor.array.dtype


def metadata(node: Any) -> tuple[InputMetadata, ...]:
    """What the gradients of a node's outputs look like.

    Raises:
        RuntimeError: the node has been reached from another one, not from its result.
    """
    if node.several:
        return tuple(map(InputMetadata, node.outputs))
    if node not in noted:
        raise RuntimeError(f"the shape of the result of {node.name()} is not known: get the node from the result")
    return (InputMetadata(noted[node]),)
