"""One side of a comparison: carries PyTorch values into a library, and the library's values out to NumPy."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.parity import resolve

# The dtype in which PyTorch's own rounding is too small to matter to a result of the dtype on the left.
WIDER = {
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex64: torch.complex128,
}


class Unconvertible(Exception):
    """A sample holds something that the library has no counterpart for (a sparse tensor, a dtype it lacks)."""


def own_copy(tensor: torch.Tensor) -> np.ndarray:
    """The values of a strided tensor in an array of its own with the same strides (bfloat16 as its bits)."""
    source = tensor.numpy() if tensor.dtype != torch.bfloat16 else tensor.view(torch.int16).numpy()
    extent = 1 + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.stride(), strict=True))
    copy = np.lib.stride_tricks.as_strided(np.empty(extent, source.dtype), source.shape, source.strides)
    copy[...] = source
    return copy


class Side:
    """A library under comparison. `wide=True` raises every inexact dtype to double precision on the way in."""

    def __init__(self, lib: ModuleType, wide: bool = False) -> None:
        self.lib = lib
        self.wide = wide

    def seed(self, seed: int) -> None:
        """Seed every generator that an op may draw from."""
        random.seed(seed)
        np.random.seed(seed)
        if hasattr(self.lib, "manual_seed"):
            self.lib.manual_seed(seed)

    def constant(self, value: Any) -> Any:
        """The library's object of the same name as a dtype, layout or memory format of PyTorch."""
        name = str(value).removeprefix("torch.")
        if not hasattr(self.lib, name):
            raise Unconvertible(str(value))
        return getattr(self.lib, name)

    def dtype(self, dtype: torch.dtype) -> Any:
        """The library's dtype for one of PyTorch's."""
        return self.constant(WIDER.get(dtype, dtype) if self.wide else dtype)

    def tensor(self, tensor: torch.Tensor) -> Any:
        """A tensor of the library's own with the same values, strides and requires_grad."""
        if tensor.layout != torch.strided:
            raise Unconvertible(str(tensor.layout))
        if tensor.device.type != "cpu" or tensor.dim() > 64:
            raise Unconvertible(f"a tensor of {tensor.dim()} dimensions on {tensor.device}")
        if tensor.dtype == torch.complex32 or tensor.is_quantized:
            raise Unconvertible(str(tensor.dtype))
        source = tensor.detach().resolve_conj().resolve_neg()
        dtype = self.dtype(source.dtype)
        if self.wide:
            source = source.to(WIDER.get(source.dtype, source.dtype))
        if source.numel() == 0:
            result = self.lib.empty(tuple(source.shape), dtype=dtype)  # unlike NumPy's memory, this may be resized
            return result.requires_grad_(True) if tensor.requires_grad else result
        if source.storage_offset():
            whole = self.tensor(source.as_strided((source.untyped_storage().nbytes() // source.itemsize,), (1,), 0))
            result = whole.as_strided(tuple(source.shape), source.stride(), source.storage_offset())
        else:
            result = self.lib.from_numpy(own_copy(source))
        if source.dtype == torch.bfloat16:
            result = result.view(dtype)
        return result.requires_grad_(True) if tensor.requires_grad else result

    def convert(self, value: Any, memo: dict[int, tuple[Any, Any]]) -> Any:
        """`value` with every PyTorch object in it replaced by the library's; one tensor stays one tensor."""
        if id(value) in memo:
            return memo[id(value)][1]
        for kinds, rule in self._rules():
            if isinstance(value, kinds):
                result = rule(value, memo)
                memo[id(value)] = value, result  # holding the value keeps its id from being given to another
                return result
        if dataclasses.is_dataclass(value) and type(value).__module__.startswith("torch"):
            fields = {f.name: self.convert(getattr(value, f.name), memo) for f in dataclasses.fields(value)}
            return self.attribute(f"nn.{type(value).__name__}")(**fields)
        return resolve.rebind(value, self.lib) if callable(value) else value

    def _rules(self) -> tuple[tuple[Any, Callable[[Any, dict[int, tuple[Any, Any]]], Any]], ...]:
        return (
            (torch.Tensor, lambda v, memo: self.tensor(v)),
            (torch.dtype, lambda v, memo: self.dtype(v)),
            ((torch.layout, torch.memory_format), lambda v, memo: self.constant(v)),
            (torch.device, lambda v, memo: self.lib.device(str(v))),
            (torch.Size, lambda v, memo: self.attribute("Size")(tuple(v))),
            (torch.Generator, lambda v, memo: self.generator(v)),
            (torch.nn.Module, lambda v, memo: self.module(v)),
            ((list, tuple), lambda v, memo: type(v)(self.convert(x, memo) for x in v)),
            (dict, lambda v, memo: {k: self.convert(x, memo) for k, x in v.items()}),
            (slice, lambda v, memo: slice(*(self.convert(x, memo) for x in (v.start, v.stop, v.step)))),
        )

    def attribute(self, dotted: str) -> Any:
        """The library's attribute under a dotted name."""
        found = resolve.lookup(self.lib, dotted)
        if found is None:
            raise Unconvertible(dotted)
        return found

    def generator(self, generator: torch.Generator) -> Any:
        """The library's generator in the same state."""
        twin = self.lib.Generator()
        twin.set_state(self.tensor(generator.get_state()))
        return twin

    def module(self, module: torch.nn.Module) -> Any:
        """The library's module of the same class, arguments and state."""
        name = type(module).__name__
        if name not in MODULE_ARGUMENTS:
            raise Unconvertible(f"nn.{name} as an argument")
        memo: dict[int, tuple[Any, Any]] = {}
        twin = self.attribute(f"nn.{name}")(**self.convert(MODULE_ARGUMENTS[name](module), memo))
        twin.load_state_dict(self.convert(dict(module.state_dict()), memo))
        return twin

    def is_tensor(self, value: Any) -> bool:
        """Whether `value` is a tensor of this library."""
        return isinstance(value, self.lib.Tensor)

    def array(self, tensor: Any) -> np.ndarray:
        """A copy of a tensor's values as an array (bfloat16 and sparse tensors in a form that NumPy can hold)."""
        plain = tensor.detach()
        if isinstance(plain, torch.Tensor):
            plain = plain.resolve_conj().resolve_neg()
            plain = torch.zeros(plain.shape, dtype=plain.dtype) if plain._is_zerotensor() else plain
            plain = plain.to_dense() if plain.layout != torch.strided else plain
            plain = plain.dequantize() if plain.is_quantized else plain
        narrow = {"torch.bfloat16": "float32", "torch.complex32": "complex64"}.get(str(plain.dtype))
        plain = plain.to(getattr(self.lib, narrow)) if narrow else plain
        return np.array(plain.numpy())

    def flatten(self, tree: Any) -> Iterator[Any]:
        """The tensors in nested tuples, lists and dicts, in order."""
        if self.is_tensor(tree):
            yield tree
        elif isinstance(tree, (list, tuple)):
            for branch in tree:
                yield from self.flatten(branch)
        elif isinstance(tree, dict):
            yield from self.flatten(list(tree.values()))


def _encoder_layer(layer: Any) -> dict[str, Any]:
    return {
        "d_model": layer.linear1.in_features,
        "nhead": layer.self_attn.num_heads,
        "dim_feedforward": layer.linear1.out_features,
        "dropout": layer.dropout.p,
        "activation": layer.activation,
        "layer_norm_eps": layer.norm1.eps,
        "batch_first": layer.self_attn.batch_first,
        "norm_first": layer.norm_first,
        "bias": layer.linear1.bias is not None,
        "dtype": layer.linear1.weight.dtype,
    }


# Modules that occur as arguments: the arguments that make an equal one.
MODULE_ARGUMENTS: dict[str, Callable[[Any], dict[str, Any]]] = {
    "PairwiseDistance": lambda m: {"p": m.norm, "eps": m.eps, "keepdim": m.keepdim},
    "TransformerEncoderLayer": _encoder_layer,
}
