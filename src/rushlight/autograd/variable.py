"""`Variable`, what a tensor that requires grad was called once."""

from __future__ import annotations

from typing import Any


class _VariableMeta(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        from ..tensor import Tensor

        return isinstance(instance, Tensor)


class Variable(metaclass=_VariableMeta):
    """The old way to wrap a tensor; gives the tensor itself, sharing its memory.

    >>> import rushlight as torch
    >>> x = torch.autograd.Variable(torch.ones(2), requires_grad=True)
    >>> isinstance(x, torch.autograd.Variable), x.requires_grad
    (True, True)
    """

    def __new__(cls, data: Any, requires_grad: bool = False, volatile: Any = None) -> Any:
        from ..tensor import alias

        return alias(data).requires_grad_(requires_grad)
