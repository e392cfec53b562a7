"""Finds in another library the counterpart of a function of PyTorch's, or of a test helper written with PyTorch's.

PyTorch's op database wraps many ops in lambdas (`lambda x, *args: x.expand(*args)`, `wrapper_set_seed(torch.rand…)`).
Those are not adapted one by one: the function is made again with every PyTorch name it reads replaced.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

NAMESPACES = ("", "nn.functional", "nn", "linalg", "special", "fft", "masked", "Tensor", "autograd", "nested", "sparse")

# Modules of the library that are there but fail to import, and why: a run that met one has failed.
unimportable: dict[str, str] = {}


def lookup(lib: Any, dotted: str) -> Any:
    """The object under a dotted name below `lib`, or None, also where a module on the way cannot be imported."""
    for part in filter(None, dotted.removeprefix("torch.").split(".")):
        try:
            lib = getattr(lib, part, None)
        except ModuleNotFoundError:
            return None
        except ImportError as error:
            unimportable[f"{getattr(lib, '__name__', lib)}.{part}"] = str(error)
            return None
        if lib is None:
            return None
    return lib


def public_name(function: Any) -> str | None:
    """The dotted name under which PyTorch offers `function`, or None if it is not public."""
    name = getattr(function, "__name__", None)
    if not isinstance(name, str):
        return None
    for space in NAMESPACES:
        if getattr(lookup(torch, space), name, None) is function:
            return f"{space}.{name}" if space else name
    return None


def rebind(value: Any, lib: Any) -> Any:
    """`value` with PyTorch replaced by `lib`: a module, class or function of PyTorch's, or code that uses them."""
    if isinstance(value, types.ModuleType):
        if value.__name__ == "torch" or value.__name__.startswith("torch.nn") or value.__name__ == "torch.linalg":
            return lookup(lib, value.__name__.removeprefix("torch"))
        return value
    if isinstance(value, functools.partial):
        return functools.partial(rebind(value.func, lib), *value.args, **value.keywords)
    if isinstance(value, torch.dtype):
        return getattr(lib, str(value).removeprefix("torch."), None)
    if not callable(value):
        return value
    if (dotted := public_name(value)) is not None:
        return lookup(lib, dotted) or missing(dotted)
    if getattr(value, "__name__", None) == "wrapper_set_seed":
        return functools.partial(call_with_seed, lib)
    if isinstance(value, types.FunctionType) and (value.__module__ or "").startswith("torch.testing"):
        return _remake(value, lib)
    return value


def missing(dotted: str) -> Callable[..., Any]:
    """A stand-in that raises when called, for a name that the library lacks inside otherwise usable code."""

    def absent(*args: Any, **kwargs: Any) -> Any:
        raise AttributeError(f"no {dotted} in the library under comparison")

    return absent


def call_with_seed(lib: Any, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """The database's wrapper for random ops: call under a fixed seed."""
    lib.manual_seed(42)
    return function(*args, **kwargs)


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _remake(function: types.FunctionType, lib: Any) -> types.FunctionType:
    known = function.__globals__
    scope = {name: rebind(known[name], lib) for name in set(_names(function.__code__)) if name in known}
    scope["__builtins__"] = known["__builtins__"]
    cells = tuple(types.CellType(rebind(cell.cell_contents, lib)) for cell in function.__closure__ or ())
    remade = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, cells)
    remade.__kwdefaults__ = function.__kwdefaults__
    return remade


def is_internal(op: Any) -> bool:
    """Whether an op is PyTorch's inner machinery (the dispatcher's own names, CUDA's just-in-time ops), not its API."""
    last = op.name.rpartition(".")[2]
    private = last.startswith("_") and not last.startswith("__")
    return private or op.name.startswith("torch.") or not _offers(torch, op.name)


def _offers(lib: Any, name: str) -> bool:
    return any(lookup(lib, place) is not None for place in (name, f"Tensor.{name}", f"Tensor.{name}_"))


def function(op: Any, lib: Any) -> Callable[..., Any] | None:
    """The counterpart of an op's function, or None if the library has nothing under its name."""
    if is_internal(op):
        return None
    if op.op is lookup(torch, op.name):
        return lookup(lib, op.name)
    if op.op is lookup(torch.Tensor, op.name):
        return lookup(lib, f"Tensor.{op.name}")
    return rebind(op.op, lib) if _offers(lib, op.name) else None


def variant(form: Any, name: str, lib: Any) -> Callable[..., Any] | None:
    """The counterpart of a method or in-place form named `name`, or None."""
    if form is getattr(torch.Tensor, name, None):
        return lookup(lib, f"Tensor.{name}")
    return rebind(form, lib)
