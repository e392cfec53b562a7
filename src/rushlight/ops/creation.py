"""Tensors from data and from shapes."""

from __future__ import annotations

import warnings
from operator import index
from typing import Any

import numpy as np

from .. import devices, dtypes
from ..autograd.origin import CUT, born
from ..layouts import dense_like, strided
from ..tensor import Tensor, alias, record_from, wrap
from .convert import detach, to_dtype
from .levels import Layered, known
from .promotion import as_type
from .writing import write_out

__all__ = [
    "as_tensor", "asarray", "empty", "empty_like", "empty_permuted", "empty_strided", "from_dlpack", "from_numpy",
    "frombuffer", "full", "full_like", "ones", "ones_like", "scalar_tensor", "tensor", "zeros", "zeros_like",
]  # fmt: skip


# From data


def to_array(data: Any, dtype: dtypes.dtype | None) -> np.ndarray:
    """An array with memory of its own from numbers, nested sequences, arrays or tensors.

    Raises:
        ValueError: sequences of one level differ in length.
        TypeError, RuntimeError: something in them is not a number.
    """
    if isinstance(data, Tensor):
        data = known(data, "support torch.tensor of a batched tensor: use clone()")
    elif isinstance(data, (list, tuple)):
        data = _plain(data)
    elif not isinstance(data, (np.ndarray, np.generic)) and hasattr(data, "__array__"):
        data = np.asarray(data)
    if isinstance(data, (np.ndarray, np.generic)):
        target = dtypes.of(data.dtype) if dtype is None else dtype
        return np.array(as_type(np.asarray(data), target.numpy), order="C")
    try:
        array = np.array(data)
    except (ValueError, OverflowError) as error:
        raise _unequal(data, error) from None
    if array.dtype.kind == "O" and _all_numbers(data):
        raise RuntimeError("Overflow when unpacking long long: an integer does not fit into 64 bits")
    if array.dtype.kind not in "biufcV":
        _refuse(data)
    if dtype is None:
        kind = array.dtype.kind
        if kind == "f":
            dtype = dtypes.get_default_dtype()
        elif kind == "c":
            dtype = dtypes.default_complex()
        else:
            dtype = dtypes.bool if kind == "b" else dtypes.int64
    _check_range(array, dtype)
    return array.astype(dtype.numpy, copy=False)


def _check_range(array: np.ndarray, dtype: dtypes.dtype) -> None:
    """Refuse whole numbers that a narrow type cannot hold."""
    if dtype.category == dtypes.INTEGRAL and array.dtype.kind == "i" and array.size and dtype.itemsize < 8:
        limits = np.iinfo(dtype.numpy)
        low = limits.min if dtype.is_signed else -limits.max - 1
        if array.min() < low or array.max() > limits.max:
            raise RuntimeError(f"value cannot be converted to type {dtype} without overflow")
    if array.dtype.kind == "c" and dtype.category < dtypes.COMPLEX:
        item = array.reshape(-1)[0]
        raise TypeError(f"must be real number, not complex: {item} cannot be an element of type {dtype}")


def _plain(data: Any) -> Any:
    """Nested sequences with their tensors as numbers and lists."""
    if isinstance(data, (list, tuple)):
        return [item if type(item) in _NUMBERS else _plain(item) for item in data]
    return data.tolist() if isinstance(data, Tensor) else data


_NUMBERS = frozenset((int, float, bool))


def _all_numbers(data: Any) -> bool:
    return all(map(_all_numbers, data)) if isinstance(data, list) else isinstance(data, (int, float))


def _unequal(data: Any, error: Exception) -> Exception:
    """The error for sequences of unequal length."""
    dim = 0
    level = [data]
    while level:
        lengths = [len(item) if isinstance(item, list) else None for item in level]
        for length in lengths:
            if length != lengths[0] and lengths[0] is not None:
                if length is None:
                    return TypeError(f"not a sequence: expected a sequence of length {lengths[0]} at dim {dim}")
                return ValueError(f"expected sequence of length {lengths[0]} at dim {dim} (got {length})")
        level = [part for item in level if isinstance(item, list) for part in item]
        dim += 1
    return error


def _refuse(data: Any) -> None:
    item = data
    while isinstance(item, (list, tuple)) and item:
        item = next((part for part in item if isinstance(part, (str, list)) or part is None), item[0])
    if isinstance(item, str):
        if item is not data:
            raise ValueError(f"too many dimensions 'str': a tensor holds numbers, got {item!r} among them")
        raise TypeError(f"new(): invalid data type 'str': a tensor holds numbers, got {item!r}")
    raise RuntimeError(f"Could not infer dtype of {type(item).__name__}")


def check_dtype(name: str, dtype: Any) -> Any:
    """A data type, for Python's ``float``, ``int``, ``bool`` and ``complex`` too, or None; refuses anything else."""
    if dtype is None or isinstance(dtype, dtypes.dtype):
        return dtype
    if dtype not in dtypes.OF_PYTHON:
        raise TypeError(f"{name}(): argument 'dtype' must be torch.dtype, not {type(dtype).__name__}")
    return dtypes.OF_PYTHON[dtype]


def tensor(
    data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, pin_memory: bool = False
) -> Tensor:
    """A tensor with a copy of numbers, nested sequences or an array.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
            [3, 4]])

    Raises:
        ValueError: sequences of one level differ in length.
        TypeError, RuntimeError: something in them is not a number.
    """
    dtype = check_dtype("tensor", dtype)
    if isinstance(data, Tensor):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
            "sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
    out = finish(to_array(data, dtype), device, requires_grad)
    if _has_graph(data):
        born(out, CUT)
    return out


def _has_graph(data: Any) -> bool:
    """Whether gradients end at a copy of this data."""
    if isinstance(data, (list, tuple)):
        return any(type(item) not in _NUMBERS and _has_graph(item) for item in data)
    return isinstance(data, Tensor) and data.requires_grad


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """A tensor of the data, sharing memory and history where they are a tensor or an array of the type already.

    >>> import rushlight as torch
    >>> torch.as_tensor([1, 2])
    tensor([1, 2])
    """
    devices.check(device)
    dtype = check_dtype("as_tensor", dtype)
    if isinstance(data, Tensor):
        return data if dtype is None or dtype is data.dtype else to_dtype(data, dtype.numpy)
    if isinstance(data, np.ndarray) and (dtype is None or dtype.numpy == data.dtype):
        return from_numpy(data)
    return finish(to_array(data, dtype))


def asarray(
    obj: Any, *, dtype: Any = None, device: Any = None, copy: bool | None = None, requires_grad: bool = False
) -> Tensor:
    """A tensor of an object: tensor, array, what speaks DLPack or the buffer protocol, number or sequence.

    ``copy``: True for memory of its own, False to refuse a copy, None to share where that is possible.
    """
    devices.check(device)
    if isinstance(obj, Tensor):
        out = as_tensor(obj, dtype)
        if out is obj and copy:
            from .convert import clone

            out = clone(obj)
        shared = out is obj
        if not requires_grad and out.requires_grad:
            out = born(alias(out), CUT)
    elif isinstance(obj, (np.ndarray, np.generic)) and not copy:
        out = as_tensor(np.asarray(obj), dtype)
        shared = out.array is obj
    elif hasattr(obj, "__dlpack__") and not copy:
        out = as_tensor(from_dlpack(obj), dtype)
        shared = dtype is None or out.dtype is dtype
    elif isinstance(obj, (bytes, bytearray, memoryview)):
        out = frombuffer(obj, dtype=dtype or dtypes.get_default_dtype())
        out, shared = (wrap(out.array.copy()), False) if copy else (out, True)
    else:
        out, shared = finish(to_array(obj, dtype)), False
    if copy is False and not shared:
        raise ValueError("can't alias arbitrary sequence into a tensor: a copy is needed, which copy=False forbids")
    return record_from(out) if requires_grad else out


def from_numpy(ndarray: np.ndarray) -> Tensor:
    """A tensor on the memory of an array: changes of one are seen in the other.

    Raises:
        TypeError: it is not an array, or of a type that tensors do not have.
        ValueError: its strides are negative, or its bytes in foreign order.
    """
    if not isinstance(ndarray, np.ndarray):
        kind = type(ndarray)
        place = "" if kind.__module__ == "builtins" else f"{kind.__module__}."
        raise TypeError(f"expected np.ndarray (got {place}{kind.__name__})")
    dtypes.of(ndarray.dtype)
    if not ndarray.dtype.isnative:
        raise ValueError(
            "given numpy array has byte order different from the native byte order. Conversion between byte orders is "
            "currently not supported."
        )
    if any(stride < 0 for stride, n in zip(ndarray.strides, ndarray.shape) if n > 1):
        raise ValueError(
            "At least one stride in the given numpy array is negative, and tensors with negative strides are not "
            "currently supported. (You can probably work around this by making a copy of your array with "
            "array.copy().)"
        )
    if not ndarray.flags.writeable:
        warnings.warn(
            "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. This means "
            "writing to this tensor will result in undefined behavior. You may want to copy the array to protect its "
            "data or make it writable before converting it to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return born(wrap(ndarray if type(ndarray) is np.ndarray else np.asarray(ndarray)))


def frombuffer(
    buffer: Any, *, dtype: dtypes.dtype, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """A flat tensor on the memory of an object with the buffer protocol.

    Raises:
        ValueError: the buffer does not hold that many elements.
    """
    size = memoryview(buffer).nbytes
    if size == 0 or count == 0:
        raise ValueError(f"both buffer length ({size}) and count ({count}) must not be 0")
    if not 0 <= offset < size:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length ({size} bytes) minus 1"
        )
    if count < 0 and (size - offset) % dtype.itemsize:
        raise ValueError(
            f"buffer length ({size - offset} bytes) after offset ({offset} bytes) must be a multiple of element size "
            f"({dtype.itemsize})"
        )
    if count > 0 and offset + count * dtype.itemsize > size:
        raise ValueError(
            f"requested buffer length ({count} * {dtype.itemsize} bytes) after offset ({offset} bytes) must not be "
            f"greater than actual buffer length ({size} bytes)"
        )
    array = np.frombuffer(buffer, dtype.numpy, count, offset)
    if not array.flags.writeable:
        warnings.warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. This means you can "
            "write to the underlying (supposedly non-writable) buffer using the tensor. You may want to copy the "
            "buffer to protect its data or make it writable before converting it to a tensor.",
            UserWarning,
            stacklevel=2,
        )
    return finish(array, None, requires_grad)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """A tensor on the memory of an object that speaks DLPack."""
    devices.check(device)
    if isinstance(ext_tensor, Tensor):
        return detach(ext_tensor)
    array = np.from_dlpack(ext_tensor, copy=copy)
    if not array.flags.writeable and isinstance(ext_tensor, np.ndarray):
        array = np.asarray(ext_tensor)
    return born(wrap(array))


def scalar_tensor(
    s: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """A 0-dim tensor of a number, of the default type if none is asked for."""
    return finish(to_array(s, dtypes.get_default_dtype() if dtype is None else dtype), device, requires_grad)


# From shapes


def shape_of(size: tuple, name: str) -> tuple[int, ...]:
    """The shape that a creation function of this name was given, as numbers or as one sequence.

    Raises:
        TypeError: something in it is not a whole number.
    """
    first = size[0] if len(size) == 1 else None
    shape = first if isinstance(first, (tuple, list)) else size
    if type(first) is not bool:
        try:
            return tuple(map(index, shape))
        except TypeError:
            pass
    wrong, place = next((n, i) for i, n in enumerate(shape, 1) if type(n) is bool or not hasattr(n, "__index__"))
    if wrong is first:
        kind = type(wrong).__name__
        raise TypeError(f"{name}(): argument 'size' (position 1) must be tuple of ints, not {kind}")
    raise TypeError(
        f"{name}(): argument 'size' failed to unpack the object at pos {place} with error \"type must be tuple of ints,"
        f'but got {type(wrong).__name__}"'
    )


def finish(array: np.ndarray, device: Any = None, requires_grad: bool = False, out: Tensor | None = None) -> Tensor:
    """The tensor of a creation function from its array and the options that all of them have."""
    devices.check(device)
    if out is not None:
        write_out(out, array.astype(out.array.dtype))
        return out
    out = born(wrap(array))
    return record_from(out) if requires_grad else out


def _checked(name: str, size: Any, dtype: Any, layout: Any = None) -> tuple[tuple[int, ...], np.dtype]:
    shape = shape_of(size, name)
    if shape and min(shape) < 0:
        raise RuntimeError(f"{name}: Dimension size must be non-negative.")
    dtype = check_dtype(name, dtype)
    if layout is not None and layout is not strided:
        raise RuntimeError(f"{name}(): the only layout is torch.strided, got {layout}")
    return shape, (dtypes.get_default_dtype() if dtype is None else dtype).numpy


def filled(name: str, make: Any, doc: str) -> Any:
    """A creation function of a shape: ``zeros``, ``ones`` or ``empty``."""

    def create(
        *size: Any, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
        requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None, names: Any = None,
        **named: Any,
    ) -> Tensor:  # fmt: skip
        if named:
            size = (named.pop("size"),) if "size" in named else size
        if named:
            raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(named))}'")
        if not size:
            raise TypeError(f'{name}() missing 1 required positional arguments: "size"')
        if out is not None and dtype is None:
            dtype = out.dtype
        shape, numpy_dtype = _checked(name, size, dtype, layout)
        array = make(shape, numpy_dtype)
        if memory_format is not None and memory_format.axes:
            array = memory_format.copy(array)
        return finish(array, device, requires_grad, out)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = doc
    return create


zeros = filled("zeros", np.zeros, """Zeros of a shape.

    >>> import rushlight as torch
    >>> torch.zeros(2, 3)
    tensor([[0., 0., 0.],
            [0., 0., 0.]])
    """)  # fmt: skip
ones = filled("ones", np.ones, """Ones of a shape.

    >>> import rushlight as torch
    >>> torch.ones(2)
    tensor([1., 1.])
    """)  # fmt: skip
empty = filled("empty", np.empty, "An uninitialised tensor of a shape.")


def full(
    size: Any, fill_value: Any, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, names: Any = None,
) -> Tensor:  # fmt: skip
    """One number in every place of a shape; the type is the number's.

    >>> import rushlight as torch
    >>> torch.full((2,), 7)
    tensor([7, 7])
    """
    value = _number("full", fill_value, 2)
    if dtype is None:
        dtype = out.dtype if out is not None else dtypes.of_scalar(value)
    if not isinstance(size, (tuple, list)):
        raise TypeError(f"full(): argument 'size' (position 1) must be tuple of ints, not {type(size).__name__}")
    shape, numpy_dtype = _checked("full", (size,), dtype, layout)
    return finish(np.full(shape, as_type(np.array(value), numpy_dtype)), device, requires_grad, out)


def _number(name: str, value: Any, position: int) -> Any:
    if isinstance(value, Tensor) and value.array.size == 1:
        return value.item()
    if not isinstance(value, (int, float, complex, np.generic)):
        raise TypeError(
            f"{name}(): argument 'fill_value' (position {position}) must be Number, not {type(value).__name__}"
        )
    return value


def _like(input: Tensor, dtype: Any, format: Any) -> np.ndarray:
    """An uninitialised array of a tensor's shape, with its order of axes in memory."""
    target = input.array.dtype if dtype is None else dtype.numpy
    if format is not None and (format.axes or format.order == "C"):
        return format.empty(input.array.shape, target)
    return dense_like(input.array, target)


def alike(of: Tensor, made: Tensor) -> Tensor:
    """A tensor with its values, of the levels of transformations that another is of: it can be written into there."""
    if not isinstance(of, Layered):
        return made
    from .inplace import at_levels_of

    out = detach(at_levels_of(of, made))
    return record_from(out) if made.requires_grad else out


def like(name: str, value: int | None, doc: str) -> Any:
    """A creation function of another tensor's shape: ``zeros_like``, ``ones_like`` or ``empty_like``."""

    def create(
        input: Tensor, *, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False,
        pin_memory: bool = False, memory_format: Any = None,
    ) -> Tensor:  # fmt: skip
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}")
        dtype = check_dtype(name, dtype)
        array = _like(input, dtype, memory_format)
        if value is not None:
            array.fill(value)
        return alike(input, finish(array, device, requires_grad))

    create.__name__ = create.__qualname__ = name
    create.__doc__ = doc
    return create


zeros_like = like("zeros_like", 0, "Zeros of another tensor's shape and type.")
ones_like = like("ones_like", 1, "Ones of another tensor's shape and type.")
empty_like = like("empty_like", None, "An uninitialised tensor of another tensor's shape and type.")


def full_like(
    input: Tensor, fill_value: Any, *, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """One number in every place of another tensor's shape, in its type."""
    array = _like(input, check_dtype("full_like", dtype), memory_format)
    array[...] = as_type(np.array(_number("full_like", fill_value, 2)), array.dtype)
    return alike(input, finish(array, device, requires_grad))


def empty_strided(
    size: Any, stride: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """An uninitialised tensor of a shape with these strides, counted in elements."""
    from .strided import Geometry

    geometry = Geometry(shape_of((size,), "empty_strided"), shape_of((stride,), "empty_strided"), 0)
    target = (dtypes.get_default_dtype() if dtype is None else dtype).numpy
    return finish(geometry.of_flat(np.zeros(geometry.extent(), target)), device, requires_grad)


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """An uninitialised tensor of a shape whose axes lie in memory in the order ``physical_layout``."""
    from .views import inverse, permute

    size, order = (shape_of((given,), "empty_permuted") for given in (size, physical_layout))
    if len(size) != len(order):
        raise RuntimeError(
            f"Number of dimensions in size does not match the length of the physical_layout; i.e. len(size) = "
            f"{len(size)} is not equal to len(physical_layout) = {len(order)}"
        )
    for position, d in enumerate(order):
        if not 0 <= d < len(size):
            raise RuntimeError(
                f"Dimension out of range (expected to be between 0 and {len(size) - 1}, but got {d} at index "
                f"{position})."
            )
        if d in order[:position]:
            raise RuntimeError("Duplicate dim not allowed")
    requires_grad = options.pop("requires_grad", False)
    stored = empty(tuple(size[d] for d in order), **options)
    return finish(permute(stored.array, *inverse(order)), None, requires_grad)


def new_of(name: str, create: Any) -> Any:
    """A method such as ``new_zeros``: a creation function with this tensor's type as default."""

    def method(self: Tensor, *size: Any, dtype: Any = None, **options: Any) -> Tensor:
        return alike(self, create(*size, dtype=self.dtype if dtype is None else dtype, **options))

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`torch.{name[4:]}` with this tensor's type."
    return method


def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False, **layout: Any
) -> Tensor:
    """A tensor with a copy of the data in this tensor's type."""
    return finish(to_array(data, self.dtype if dtype is None else dtype), device, requires_grad)


def new(self: Tensor, *data: Any) -> Tensor:
    """A tensor of this tensor's type from data, or uninitialised of a shape."""
    if len(data) == 1 and not isinstance(data[0], int) and type(data[0]).__name__ != "Size":
        return new_tensor(self, data[0])
    return empty(*(data or (0,)), dtype=self.dtype)


NEW = {
    f"new_{function.__name__}": new_of(f"new_{function.__name__}", function)
    for function in (zeros, ones, empty, full, empty_strided)
}
"""The methods that create a tensor of the same type."""
