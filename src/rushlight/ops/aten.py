"""``torch.ops.aten``: operations under the names that PyTorch's dispatcher knows them by.

Programs need them to say which operations they mean, above all in the policy of a checkpoint:
``torch.ops.aten.mm.default``.
"""

from __future__ import annotations

import functools
import importlib
import re
from collections.abc import Callable
from typing import Any

# Where the name is another than that of the node, which names an operation here.
RENAMED = {
    "adaptive_avg_pool2d": "_adaptive_avg_pool2d",
    "adaptive_avg_pool3d": "_adaptive_avg_pool3d",
    "conj": "_conj",
    "embedding_bag": "_embedding_bag",
    "log_softmax": "_log_softmax",
    "nll_loss": "nll_loss_forward",
    "scaled_dot_product_flash_attention_for_cpu": "_scaled_dot_product_flash_attention_for_cpu",
    "softmax": "_softmax",
    "to_copy": "_to_copy",
    "unsafe_view": "_unsafe_view",
}
# Names that no function or method here has.
UNNAMED = {
    *RENAMED.values(),
    *("constant_pad_nd", "convolution", "max_pool2d_with_indices", "native_batch_norm", "native_dropout"),
    *("native_group_norm", "native_layer_norm", "slice", "upsample_nearest2d", "upsample_bilinear2d"),
}
# The overload that a call usually means, where it is not "default".
OVERLOADS = {
    "Tensor": (
        "add arctan2 bitwise_and bitwise_or bitwise_xor div eq floor_divide fmod ge gt index le lt mul ne "
        "remainder slice split sub true_divide xlogy"
    ),
    "Tensor_Scalar": "pow",
    "Scalar": "lerp masked_fill rsub",
    "self": "where",
    "int": "select transpose unbind",
}
BY_NODE = {
    "MaxBackward0": "dim",
    "MeanBackward1": "dim",
    "MinBackward0": "dim",
    "PowBackward1": "Tensor_Tensor",
    "StdBackward0": "correction",
    "SumBackward1": "dim_IntList",
    "VarBackward0": "correction",
}
USUAL = {name: overload for overload, names in OVERLOADS.items() for name in names.split()}


class OpOverload:
    """One form of an operation; called, it is the operation."""

    namespace = "aten"

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket, self._overloadname = packet, overload
        self.__name__ = f"{packet.__name__}.{overload}"

    def name(self) -> str:
        """Its full name, as in ``aten::add.Tensor``."""
        suffix = "" if self._overloadname == "default" else f".{self._overloadname}"
        return f"aten::{self.overloadpacket.__name__}{suffix}"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.overloadpacket(*args, **kwargs)

    def __str__(self) -> str:
        return f"aten.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.overloadpacket}', overload='{self._overloadname}')>"


class OpOverloadPacket:
    """An operation in all its forms, which are its attributes: ``mm.default``, ``add.Tensor``."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, overload: str) -> OpOverload:
        if overload.startswith("__"):
            raise AttributeError(overload)
        form = self.__dict__[overload] = OpOverload(self, overload)
        return form

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for home in homes():
            function = getattr(home, self.__name__.lstrip("_"), None)
            if function is not None:
                return function(*args, **kwargs)
        raise RuntimeError(f"aten.{self.__name__} names an operation; it cannot be called")

    def __repr__(self) -> str:
        return f"aten.{self.__name__}"


def homes() -> tuple:
    """Where functions and methods are: loaded by name, as these are layers above this one."""
    package = importlib.import_module("rushlight")
    return package, package.Tensor, package.nn.functional


@functools.cache
def packet(name: str) -> OpOverloadPacket:
    """The operation of this name."""
    return OpOverloadPacket(name)


def _product(a: Any, b: Any) -> str:
    return "bmm" if a.ndim > 2 and b.ndim > 2 else "mm"


# Of more than two axes, products are one operation here and a matrix product between views in PyTorch.
PRODUCTS: dict[str, Callable[..., str]] = {
    "contract": lambda *operands: "bmm",
    "linear": lambda input, weight, bias=None: "mm" if bias is None else "addmm",
    "matmul": _product,
}


def overload_of(op: Any, args: tuple) -> OpOverload:
    """The form of an operation that a call of it is, as PyTorch's dispatcher would have it."""
    name, node = op.name, op.node.__name__ if op.places else ""
    if name in PRODUCTS and node.removeprefix("Unsafe") == "ViewBackward0":
        name = PRODUCTS[name](*args)
    elif node:
        words = re.sub(r"(\d)D", r"\1d", node.partition("Backward")[0])
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", words).lower()
    return getattr(packet(RENAMED.get(name, name)), BY_NODE.get(node) or USUAL.get(name, "default"))


def __getattr__(name: str) -> OpOverloadPacket:
    if not name.startswith("__") and (name in UNNAMED or any(hasattr(home, name) for home in homes())):
        return packet(name)
    raise AttributeError(f"'_OpNamespace' 'aten' object has no attribute '{name}'")
