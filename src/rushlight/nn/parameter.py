"""`Parameter` and `Buffer`: the tensors that a module recognises as its own."""

from __future__ import annotations

from typing import Any

from .. import ops
from ..tensor import Parameter, Tensor, wrap

__all__ = ["Buffer", "Parameter", "UninitializedBuffer", "UninitializedParameter", "is_lazy", "new_parameter"]


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


class _Uninitialized(Tensor):
    """A tensor of a lazy module: it has a dtype and no shape until `materialize` gives it one."""

    __slots__ = ()

    @property
    def shape(self) -> Any:
        """Refused: there is none yet."""
        raise RuntimeError(
            "Can't access the shape of an uninitialized parameter or buffer. This error usually happens in "
            "`load_state_dict` when trying to load an uninitialized parameter into an initialized one. "
            "Call `forward` to initialize the parameters before accessing their attributes."
        )

    def materialize(self, shape: Any, device: Any = None, dtype: Any = None) -> None:
        """Become an ordinary parameter or buffer of this shape, not yet filled."""
        self.data = ops.empty(shape, device=device, dtype=self.dtype if dtype is None else dtype)
        self.__class__ = Parameter if isinstance(self, Parameter) else Tensor

    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        return f"<{type(self).__name__}>"

    def __reduce_ex__(self, protocol: Any) -> tuple:
        return type(self), (self.requires_grad, None, self.dtype)

    def __deepcopy__(self, memo: dict) -> Any:
        return memo.setdefault(id(self), type(self)(self.requires_grad, None, self.dtype))


class UninitializedParameter(_Uninitialized, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet."""

    __slots__ = ()

    def __new__(cls, requires_grad: bool = True, device: Any = None, dtype: Any = None) -> Any:
        return Parameter.__new__(cls, ops.empty(0, device=device, dtype=dtype), requires_grad)


class UninitializedBuffer(_Uninitialized):
    """A buffer whose shape is not known yet."""

    __slots__ = ()

    def __new__(
        cls, requires_grad: bool = False, device: Any = None, dtype: Any = None, persistent: bool = True
    ) -> Any:
        buffer = wrap(ops.empty(0, device=device, dtype=dtype).array, cls)
        buffer.persistent, buffer._is_buffer = persistent, True
        return buffer.requires_grad_(requires_grad)


def is_lazy(tensor: Any) -> bool:
    """Whether it is a parameter or buffer whose shape is not known yet."""
    return isinstance(tensor, _Uninitialized)
