"""`Parameter` and `Buffer`: the tensors that a module recognises as its own."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..tensor import Parameter, Tensor

__all__ = ["Buffer", "Parameter", "new_parameter"]


class _BufferMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and getattr(instance, "_is_buffer", False)


class Buffer(metaclass=_BufferMeta):
    """A tensor that becomes a buffer of the module it is assigned to; saved with it if `persistent`.

    Example:
        >>> import rushlight as torch
        >>> module = torch.nn.Module()
        >>> module.steps = torch.nn.Buffer(torch.zeros(()))
        >>> list(module.state_dict())
        ['steps']
    """

    def __new__(cls, data: Tensor | None = None, *, persistent: bool = True) -> Any:
        data = ops.empty(0) if data is None else data
        buffer = data.detach().requires_grad_(data.requires_grad)
        buffer.persistent, buffer._is_buffer = persistent, True
        return buffer


def new_parameter(*shape: int, device: Any = None, dtype: Any = None) -> Parameter:
    """A parameter of this shape, not yet filled."""
    return Parameter(ops.empty(shape, device=device, dtype=dtype))
