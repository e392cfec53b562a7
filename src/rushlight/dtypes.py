"""Data types: PyTorch's names over NumPy's, their limits, and the rules by which they meet."""

from __future__ import annotations

import builtins
from functools import cache
from typing import Any

import numpy as np

__all__ = [
    "bfloat16", "bool", "can_cast", "cdouble", "cfloat", "complex64", "complex128", "double", "dtype", "finfo", "float",
    "float16", "float32", "float64", "get_default_dtype", "half", "iinfo", "int", "int8", "int16", "int32", "int64",
    "long",
    "promote_types", "set_default_dtype", "short", "uint8", "uint16", "uint32", "uint64",
]  # fmt: skip


class dtype:
    """The type of a tensor's elements, for example ``float32``.

    >>> import rushlight as torch
    >>> torch.float32, torch.float32.itemsize, torch.int64.is_floating_point
    (torch.float32, 4, False)
    """

    __slots__ = ("_name", "_numpy", "category", "is_complex", "is_floating_point", "is_signed", "itemsize")

    def __init__(self, name: str, kind: str, itemsize: builtins.int) -> None:
        self._name = name
        self._numpy: np.dtype | None = None
        self.itemsize = itemsize
        self.is_floating_point = kind == "f"
        self.is_complex = kind == "c"
        self.is_signed = kind in "ifc"
        self.category = "buifc".index(kind) if kind in "bfc" else 2  # bool < integers < floats < complex

    @property
    def numpy(self) -> np.dtype:
        """The NumPy data type behind it."""
        if self._numpy is None:
            self._numpy = _bfloat16()
            _by_numpy[self._numpy] = self
        return self._numpy

    def to_real(self) -> dtype:
        """The type of the real part of its values."""
        return _REAL.get(self, self)

    def to_complex(self) -> dtype:
        """The complex type with parts of its precision."""
        return _COMPLEX.get(self, self)

    def __repr__(self) -> str:
        return f"torch.{self._name}"

    def __reduce__(self) -> str:
        return self._name


def _bfloat16() -> np.dtype:
    try:
        from ml_dtypes import bfloat16
    except ImportError:
        raise ImportError("torch.bfloat16 needs the ml_dtypes package: pip install 'rushlight[bfloat16]'") from None
    return np.dtype(bfloat16)


float16 = half = dtype("float16", "f", 2)
float32 = float = dtype("float32", "f", 4)
float64 = double = dtype("float64", "f", 8)
bfloat16 = dtype("bfloat16", "f", 2)
complex64 = cfloat = dtype("complex64", "c", 8)
complex128 = cdouble = dtype("complex128", "c", 16)
uint8 = dtype("uint8", "u", 1)
uint16 = dtype("uint16", "u", 2)
uint32 = dtype("uint32", "u", 4)
uint64 = dtype("uint64", "u", 8)
int8 = dtype("int8", "i", 1)
int16 = short = dtype("int16", "i", 2)
int32 = int = dtype("int32", "i", 4)
int64 = long = dtype("int64", "i", 8)
bool = dtype("bool", "b", 1)

ALL: tuple[dtype, ...] = (float16, float32, float64, bfloat16, complex64, complex128, uint8, uint16, uint32, uint64)
ALL += (int8, int16, int32, int64, bool)
_by_numpy: dict[np.dtype, dtype] = {}
for _dtype in ALL:
    if _dtype is not bfloat16:
        _dtype._numpy = np.dtype(_dtype._name)
        _by_numpy[_dtype._numpy] = _dtype
_REAL = {complex64: float32, complex128: float64}
_COMPLEX = {float16: complex64, bfloat16: complex64, float32: complex64, float64: complex128}

BOOL, INTEGRAL, FLOATING, COMPLEX = 0, 2, 3, 4


def of(numpy_dtype: np.dtype) -> dtype:
    """The data type that stands for a NumPy one.

    Raises:
        TypeError: NumPy has the type, tensors do not (strings, objects, dates, long doubles).
    """
    found = _by_numpy.get(numpy_dtype)
    if found is None:
        native = numpy_dtype.newbyteorder("=")
        if native in _by_numpy:
            return _by_numpy[native]
        if numpy_dtype.name == "bfloat16":
            return of(bfloat16.numpy)
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{numpy_dtype.type.__name__}. The only supported types are: "
            "float64, float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, uint16, "
            "uint8, and bool."
        )
    return found


_default = [float32]


def get_default_dtype() -> dtype:
    """The type that floating-point values get when none is asked for.

    >>> import rushlight as torch
    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default[0]


def set_default_dtype(d: dtype) -> None:
    """Set the type that floating-point values get when none is asked for.

    Raises:
        TypeError: ``d`` is not a floating-point type.
    """
    if not isinstance(d, dtype):
        raise TypeError(f"invalid dtype object: expected a floating-point torch.dtype, got {type(d).__name__}")
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default[0] = d


def default_complex() -> dtype:
    """The complex type with parts of the default type."""
    return _default[0].to_complex()


OF_PYTHON = {builtins.bool: bool, builtins.int: int64, builtins.float: float64, complex: complex128}
"""The types that Python's own stand for, where they are given as a ``dtype``."""


def of_scalar(value: object) -> dtype:
    """The type that a Python number has as a tensor."""
    if isinstance(value, (np.bool_, builtins.bool)):
        return bool
    if isinstance(value, builtins.int):
        return int64
    if isinstance(value, complex):
        return default_complex()
    if isinstance(value, np.generic):
        return of(value.dtype)
    if isinstance(value, builtins.float):
        return _default[0]
    raise TypeError(f"a number or a Tensor is expected, not {type(value).__name__}")


@cache
def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that both can be converted to, by PyTorch's rules.

    >>> import rushlight as torch
    >>> torch.promote_types(torch.int64, torch.float16)
    torch.float16
    """
    if type1 is type2:
        return type1
    low, high = sorted((type1, type2), key=lambda t: t.category)
    if high.category == COMPLEX:
        if low.category == COMPLEX:
            return complex128
        return complex128 if low is float64 or high is complex128 else complex64
    if high.category == FLOATING:
        if low.category < FLOATING:
            return high
        if {low, high} == {float16, bfloat16}:
            return float32
        return low if low.itemsize > high.itemsize else high
    if low.category == BOOL:
        return high
    return _promote_integers(low, high)


def _promote_integers(a: dtype, b: dtype) -> dtype:
    for unsigned in (a, b):
        if not unsigned.is_signed and unsigned is not uint8:
            raise RuntimeError(
                "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
                f"{CASED[a]} and {CASED[b]}"
            )
    if a.is_signed != b.is_signed:
        signed = a if a.is_signed else b
        return int16 if signed is int8 else signed
    return a if a.itemsize > b.itemsize else b


CASED = {
    float16: "Half", float32: "Float", float64: "Double", bfloat16: "BFloat16", complex64: "ComplexFloat",
    complex128: "ComplexDouble", uint8: "Byte", uint16: "UInt16", uint32: "UInt32", uint64: "UInt64", int8: "Char",
    int16: "Short", int32: "Int", int64: "Long", bool: "Bool",
}  # fmt: skip
"""The names by which PyTorch's messages call the types."""


def can_cast(from_: dtype, to: dtype) -> builtins.bool:
    """Whether a result of the first type may be written into a tensor of the second.

    >>> import rushlight as torch
    >>> torch.can_cast(torch.float64, torch.float32), torch.can_cast(torch.float32, torch.int64)
    (True, False)
    """
    return from_.category <= to.category


def meet(dimensioned: dtype | None, zero_dim: dtype | None, scalar: dtype | None) -> dtype:
    """The result type of operands grouped by their weight: tensors with axes, 0-dim tensors, Python numbers.

    A lighter group decides only when it is of a higher category (bool, integer, float, complex) than the heavier ones.
    """
    result = dimensioned
    for lighter in (zero_dim, scalar):
        if lighter is None:
            continue
        if result is None:
            result = lighter
        elif lighter.category > result.category:
            keeps_precision = result.category == FLOATING  # a complex guest does not widen a float host
            result = result.to_complex() if keeps_precision else lighter
    if result is None:
        raise ValueError("result_type needs at least one operand")
    return result


class finfo:
    """The limits of a floating-point type.

    >>> import rushlight as torch
    >>> torch.finfo(torch.float32).eps
    1.1920928955078125e-07
    """

    def __init__(self, type: dtype | None = None) -> None:
        type = _default[0] if type is None else type
        if not (type.is_floating_point or type.is_complex):
            raise TypeError(f"torch.finfo() requires a floating point input type. Use torch.iinfo to handle {type!r}")
        if type is bfloat16:
            from ml_dtypes import finfo

            info: Any = finfo(type.numpy)
        else:
            info = np.finfo(type.to_real().numpy)
        self.bits = type.to_real().itemsize * 8
        self.eps, self.max, self.min, self.tiny = (builtins.float(v) for v in (info.eps, info.max, info.min, info.tiny))
        self.smallest_normal = self.tiny
        self.resolution = 10.0**-info.precision
        self.dtype = type.to_real()._name

    def __repr__(self) -> str:
        limits = ", ".join(
            f"{name}={getattr(self, name):g}" for name in ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        )
        return f"finfo({limits}, dtype={self.dtype})"


class iinfo:
    """The limits of an integer type.

    >>> import rushlight as torch
    >>> torch.iinfo(torch.int8).max
    127
    """

    def __init__(self, type: dtype) -> None:
        if type.category != INTEGRAL:
            raise TypeError(f"torch.iinfo() requires an integer input type. Use torch.finfo to handle {type!r}")
        info = np.iinfo(type.numpy)
        self.bits, self.max, self.min, self.dtype = info.bits, info.max, info.min, type._name

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
