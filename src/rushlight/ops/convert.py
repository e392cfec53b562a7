"""Copies and conversions: clone, contiguous, to another type, detach, and changes of a tensor's own memory."""

from __future__ import annotations

import warnings
import weakref
from typing import Any

import numpy as np

from .. import devices, dtypes
from ..autograd.modes import inferring
from ..autograd.node import Node, current_frame
from ..autograd.origin import detached
from ..autograd.versions import Moved, inference_cell
from ..kernels.layout import arranged, flat, storage_of, strides_of
from ..layouts import (
    contiguous_format,
    dense_copy,
    layout,
    memory_format,
    preserve_format,
    strided,
)
from ..tensor import Tensor, alias, edge_of
from .define import op
from .levels import Layered
from .promotion import as_type, raw

__all__ = ["clone", "contiguous", "detach", "detach_", "get_device", "is_tensor", "numel", "resize_as_"]


def _in_format(copy: Any, whole: Tensor, format: memory_format | None) -> Tensor:
    """A copy of a batch; the order in memory of images is that of each element."""
    if format is None or format.axes is None:
        return copy(whole, format)
    from .views import flatten, unflatten

    return unflatten(copy(flatten(whole, 0, 1), format), 0, whole.array.shape[:2])


def _dtype_batch(batch: Any, input: Any, dtype: np.dtype, format: memory_format | None = None) -> Tensor:
    return _in_format(lambda x, format: to_dtype(x, dtype, format), batch.front(input), format)


def _clone_batch(batch: Any, input: Any, *, memory_format: memory_format | None = None) -> Tensor:
    return _in_format(lambda x, format: clone(x, memory_format=format), batch.front(input), memory_format)


@op("ToCopyBackward0", input=lambda g, input_dtype: to_dtype(g, input_dtype), batch=_dtype_batch)
def to_dtype(input, dtype, format=None):
    """A copy as another type; complex numbers lose their imaginary part, floating-point ones their fraction."""
    if input.dtype.kind == "c" and dtype.kind not in "cb":
        warnings.warn(
            "Casting complex values to real discards the imaginary part", np.exceptions.ComplexWarning, stacklevel=5
        )
    converted = arranged(input.astype(dtype), (input,)) if dtype.kind == "b" else as_type(input, dtype)
    if format is not None:
        return format.copy(converted)
    return dense_copy(converted) if converted is input else converted


@op("CloneBackward0", input=lambda g: g, batch=_clone_batch)
def clone(input, *, memory_format=None):
    """A copy with memory of its own, through which gradients pass.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).clone()
    tensor([1., 2.])
    """
    return (preserve_format if memory_format is None else memory_format).copy(input)


def contiguous(input: Tensor, memory_format: memory_format | None = None) -> Tensor:
    """The tensor itself if its elements lie in memory in the order of its indices, else a copy whose elements do.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3).t().contiguous().stride()
    (2, 1)
    """
    if memory_format is None and raw(input).flags.c_contiguous:
        return input
    wanted = contiguous_format if memory_format is None else memory_format
    if wanted is preserve_format:
        raise RuntimeError("preserve memory format is unsupported by the contiguous operator")
    return input if wanted.holds(raw(input)) else clone(input, memory_format=wanted)


def detach(input: Tensor) -> Tensor:
    """The same memory without the history: changes of one are seen in the other, and by autograd.

    >>> import rushlight as torch
    >>> torch.ones(2, requires_grad=True).detach().requires_grad
    False
    """
    return detached(input.detached() if isinstance(input, Layered) else alias(input), input)


def detach_(input: Tensor) -> Tensor:
    """Cut the tensor itself off from its history.

    Raises:
        RuntimeError: it is a view, whose history belongs to its base.
    """
    if inferring.get():
        return input
    if input._view is not None:
        raise RuntimeError(
            "Can't detach views in-place. Use detach() instead. If you are using DistributedDataParallel (DDP) for "
            "training, and gradient_as_bucket_view is set as True, gradients are views of DDP buckets, and hence "
            "detach_() cannot be called on these gradients. To fix this error, please refer to the "
            "Optimizer.zero_grad() function in torch/optim/optimizer.py as the solution."
        )
    detached(input, input)
    if input.node is not None and input.version is not inference_cell:
        input.version[0] = Moved(input.version[0], input.array, weakref.ref(input))
    input.node, input.leaf = None, False
    return input


# To another type or device


def converted(input: Tensor, dtype: Any = None, copy: bool = False, format: memory_format | None = None) -> Tensor:
    """The tensor as a type: itself if nothing changes and no copy is asked for."""
    target = raw(input).dtype if dtype is None else dtype.numpy
    if target == raw(input).dtype and (format is None or format.holds(raw(input))):
        return clone(input, memory_format=format) if copy else input
    return to_dtype(input, target) if format is None else to_dtype(input, target, format)


def to(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The tensor as another type, or on a device: ``to(dtype)``, ``to(device, dtype)``, ``to(other)``.

    Further: ``non_blocking``, ``copy`` (also when nothing changes) and ``memory_format``.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2]).to(torch.float32)
    tensor([1., 2.])

    Raises:
        TypeError: the arguments are neither of these.
    """
    names = ["device", "dtype", "non_blocking", "copy"]
    if args and isinstance(args[0], (dtypes.dtype, type)):
        names = names[1:]
    elif args and isinstance(args[0], Tensor):
        kwargs["dtype"] = args[0].dtype
        args, names = args[1:], names[2:]
    elif "other" in kwargs:
        kwargs["dtype"] = kwargs.pop("other").dtype
    given = {**dict(zip(names, args)), **kwargs}
    dtype, device = given.pop("dtype", None), given.pop("device", None)
    if isinstance(dtype, type):
        dtype = dtypes.OF_PYTHON.get(dtype, dtype)
    copy, format = given.pop("copy", False), given.pop("memory_format", None)
    given.pop("non_blocking", None)
    known = device is None or isinstance(device, (str, int, devices.device))
    if given or len(args) > len(names) or not known or not (dtype is None or isinstance(dtype, dtypes.dtype)):
        kinds = ", ".join(type(arg).__name__ for arg in (*args, *kwargs.values()))
        raise TypeError(
            f"to() received an invalid combination of arguments - got ({kinds}), but expected one of: (device, dtype, "
            f"non_blocking, copy), (dtype, non_blocking, copy) or (Tensor other, non_blocking, copy), and memory_format"
        )
    devices.check(device)
    return converted(input, dtype, copy, None if format is preserve_format else format)


def type_as(input: Tensor, other: Tensor) -> Tensor:
    """The tensor as the type of another."""
    return converted(input, other.dtype)


def type_(input: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The name of the tensor's type, such as "torch.FloatTensor"; with ``dtype``, the tensor as that type."""
    if dtype is None:
        return f"torch.{TENSOR_NAMES[input.dtype]}Tensor"
    if isinstance(dtype, str):
        by_name = {f"torch.{name}Tensor": known for known, name in TENSOR_NAMES.items()}
        if dtype not in by_name:
            raise ValueError(f"invalid type: '{dtype}'")
        dtype = by_name[dtype]
    elif isinstance(dtype, type):
        dtype = vars(dtype)["dtype"]  # of a constructor such as torch.LongTensor
    return converted(input, dtype)


TENSOR_NAMES = dtypes.CASED
"""What PyTorch calls tensors of each type."""


def conversion(name: str, dtype_name: str) -> Any:
    """A method such as ``float()``: the tensor as that type."""

    def method(self: Tensor, memory_format: Any = None) -> Tensor:
        format = None if memory_format is preserve_format else memory_format
        return converted(self, getattr(dtypes, dtype_name), format=format)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"The tensor as ``torch.{dtype_name}``: itself if it is that already."
    return method


CONVERSIONS = {name: conversion(name, name) for name in (
    "float", "double", "half", "bfloat16", "int", "long", "short", "bool", "cfloat", "cdouble",
)} | {"char": conversion("char", "int8"), "byte": conversion("byte", "uint8")}  # fmt: skip
"""The methods that convert to a type."""


def cpu(input: Tensor, memory_format: Any = None) -> Tensor:
    """The tensor in the CPU's memory: itself."""
    return converted(input, format=None if memory_format is preserve_format else memory_format)


def cuda(input: Tensor, device: Any = None, non_blocking: bool = False, memory_format: Any = None) -> Tensor:
    """Refuses: there is no CUDA device."""
    devices.check("cuda")
    return input


# What it is


def is_tensor(obj: Any) -> bool:
    """Whether an object is a tensor."""
    return isinstance(obj, Tensor)


def numel(input: Tensor) -> int:
    """The number of elements of a tensor."""
    return input.array.size


def layout_of(input: Tensor) -> layout:
    """How the tensor is stored: ``torch.strided``."""
    return strided


def get_device(input: Tensor) -> int:
    """The number of the tensor's device: -1, the CPU has none."""
    return -1


def is_set_to(input: Tensor, tensor: Tensor) -> bool:
    """Whether both show the same memory in the same way."""
    a, b = input.array, tensor.array
    return a.shape == b.shape and strides_of(a) == strides_of(b) and input.data_ptr() == tensor.data_ptr()


# Memory


class UntypedStorage:
    """The bytes behind a tensor and its views."""

    __slots__ = ("_owner",)

    def __init__(self, owner: np.ndarray) -> None:
        self._owner = owner

    def nbytes(self) -> int:
        """How many bytes there are."""
        return self._owner.nbytes

    size = __len__ = nbytes

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return self._owner.__array_interface__["data"][0] if self._owner.size else 0

    @property
    def device(self) -> devices.device:
        """The CPU."""
        return devices.cpu

    def _bytes(self) -> np.ndarray:
        return flat(self._owner).view(np.uint8)

    def __getitem__(self, index: int) -> int:
        return int(self._bytes()[index])

    def tolist(self) -> list[int]:
        """The bytes as numbers."""
        return self._bytes().tolist()


class TypedStorage(UntypedStorage):
    """The elements behind a tensor and its views, counted by their type."""

    __slots__ = ("dtype",)

    def __init__(self, owner: np.ndarray, dtype: dtypes.dtype) -> None:
        super().__init__(owner)
        self.dtype = dtype

    def size(self) -> int:
        """How many elements there are."""
        return self._owner.nbytes // self.dtype.itemsize

    __len__ = size

    def _bytes(self) -> np.ndarray:
        return super()._bytes().view(self.dtype.numpy)

    def __getitem__(self, index: int) -> Any:
        return self._bytes()[index].item()


def untyped_storage(input: Tensor) -> UntypedStorage:
    """The bytes that the tensor and its views share."""
    return UntypedStorage(storage_of(input.array))


def storage(input: Tensor) -> TypedStorage:
    """The elements that the tensor and its views share."""
    return TypedStorage(storage_of(input.array), input.dtype)


def _own_memory(input: Tensor, name: str) -> None:
    if input.requires_grad:
        raise RuntimeError(f"cannot {name} variables that require grad")
    _plain_memory(input, name)


def _plain_memory(input: Tensor, name: str) -> None:
    if isinstance(input, Layered):
        raise RuntimeError(f"{name}_ changes the memory of a tensor: inside of vmap or forward mode it has none")


def resize_(input: Tensor, *sizes: Any, memory_format: Any = None) -> Tensor:
    """Give the tensor another shape over its own memory, and more memory if it needs it: new elements are undefined.

    Raises:
        RuntimeError: it requires grad.
    """
    from .views import sequence

    _own_memory(input, "resize")
    shape = sequence(sizes)
    if any(n < 0 for n in shape):
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    count = int(np.prod(shape, dtype=np.int64))
    storage = flat(storage_of(input.array)).view(input.array.dtype)
    start = input.storage_offset()
    if start + count > storage.size:
        grown = np.zeros(start + count, storage.dtype)
        grown[: storage.size] = storage
        storage = grown
    input.array = storage[start : start + count].reshape(shape)
    return input


def resize_as_(input: Tensor, the_template: Tensor, memory_format: Any = None) -> Tensor:
    """`resize_` to the shape of another tensor."""
    return resize_(input, the_template.array.shape)


def set_(input: Tensor, source: Any = None, storage_offset: int = 0, size: Any = None, stride: Any = None) -> Tensor:
    """Show another tensor's memory from now on; without ``source``, none.

    With a storage as source: from ``storage_offset`` with these sizes and strides.

    Raises:
        RuntimeError: the tensor is a leaf that requires grad, or ``source`` is of another type.

    >>> import rushlight as torch
    >>> torch.ones(3).set_(torch.zeros(2))
    tensor([0., 0.])
    """
    from .nodes import make_node
    from .strided import as_strided
    from .writing import bump, check_history, needs_record, set_history

    _plain_memory(input, "set")
    linked = isinstance(source, Tensor) and needs_record(source)
    check_history(input, "set_", linked)
    edges = (edge_of(input),) if linked or needs_record(input) else None
    if source is None:
        input.array = np.empty(0, input.array.dtype)
    elif isinstance(source, UntypedStorage):
        whole = flat(source._owner).view(np.uint8).view(input.array.dtype)
        shape = (whole.size,) if size is None else tuple(size)
        steps = strides_of(np.empty(shape, np.int8)) if stride is None else tuple(stride)
        input.array = as_strided(whole, shape, steps, storage_offset)
    elif size is not None:
        input.array = as_strided(source.array, size, stride or strides_of(np.empty(size, np.int8)), storage_offset)
    else:
        if source.array.dtype != input.array.dtype:
            raise RuntimeError(f"Could not set tensor of type {source.dtype} to a tensor of type {input.dtype}")
        input.array = source.array
    bump(input, "set_", current_frame(1))
    if edges is not None and input._view is None:
        set_history(input, make_node(SetBackward, edges, (), current_frame(1)))
    return input


class SetBackward(Node):
    """Other memory has no derivative."""

    __slots__ = ()

    def run(self, g: Any) -> tuple:
        raise RuntimeError("derivative for set_ is not implemented")

    run_recorded = run


SetBackward.__name__ = "NotImplemented"  # as PyTorch calls it
