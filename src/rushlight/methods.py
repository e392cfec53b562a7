"""Which operation is which method of Tensor: one readable table."""

from __future__ import annotations

from .ops import convert, elementwise, reduce, views
from .ops.define import inplace
from .tensor import Tensor

METHODS = {
    elementwise: "add sub mul tanh exp sin cos",
    reduce: "sum sum_to_size",
    views: "reshape expand as_strided copy_",
    convert: "clone detach",
}
"""The methods that are a module's function of the same name."""

INPLACE = {elementwise: "add sub mul tanh exp sin cos"}
"""The methods with a trailing underscore: a module's function, written into the tensor."""

OPERATORS = {
    "__add__": elementwise.add, "__radd__": elementwise.add, "__sub__": elementwise.sub, "__mul__": elementwise.mul,
    "__rmul__": elementwise.mul,
}  # fmt: skip
"""Operators and other methods whose name differs from the function's."""


def attach() -> None:
    """Give Tensor its methods."""
    for module, names in METHODS.items():
        for name in names.split():
            setattr(Tensor, name, getattr(module, name))
    for module, names in INPLACE.items():
        for name in names.split():
            setattr(Tensor, f"{name}_", inplace(getattr(module, name)))
    for name, function in OPERATORS.items():
        setattr(Tensor, name, function)


attach()
