"""The constructors of older programs: ``FloatTensor``, ``LongTensor`` and the like, one for each type of elements."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import dtypes
from .size import Size
from .tensor import Tensor, wrap


class TensorType(type):
    """The class of these constructors: a call makes a tensor, ``isinstance`` asks for a tensor's type of elements."""

    dtype: dtypes.dtype

    def __call__(cls, *data: Any) -> Tensor:
        """An uninitialised tensor of a shape, or a tensor of this type from data."""
        kind = cls.dtype.numpy
        if len(data) == 1 and isinstance(data[0], Tensor):
            if data[0].dtype != cls.dtype:
                raise TypeError(f"expected a tensor of {cls.dtype}, got one of {data[0].dtype}; use .to({cls.dtype})")
            return wrap(data[0].array)
        if len(data) == 1 and not isinstance(data[0], (int, Size)):
            if np.ndim(data[0]) == 0:
                raise TypeError(f"new(): data must be a sequence (got {type(data[0]).__name__})")
            return wrap(np.asarray(data[0]).astype(kind))
        return wrap(np.empty(data[0] if data and isinstance(data[0], Size) else data or 0, kind))

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, Tensor) and instance.array.dtype == cls.dtype.numpy

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


TYPES = {
    f"{cased}Tensor": TensorType(f"{cased}Tensor", (), {"dtype": kind})
    for kind, cased in dtypes.CASED.items()
    if not (kind.is_complex or cased.startswith("UInt"))
}
globals().update(TYPES)


def typename(obj: Any, /) -> str:
    """The name of a tensor's type, as of its constructor; of anything else that of its class, or of a class its own.

    >>> import rushlight as torch
    >>> torch.typename(torch.ones(2))
    'torch.FloatTensor'
    """
    if isinstance(obj, Tensor):
        return f"torch.{dtypes.CASED[obj.dtype]}Tensor"
    kind = obj if hasattr(obj, "__qualname__") else type(obj)
    module = getattr(kind, "__module__", None) or ""
    home = "" if module == "builtins" else f"{module.replace('rushlight', 'torch', 1)}."
    return f"{home}{kind.__qualname__}"


def set_default_tensor_type(t: Any, /) -> None:
    """Make the element type of a constructor, or of its name such as "torch.DoubleTensor", the default dtype.

    Raises:
        TypeError: it is no such constructor, or not one of floating-point numbers.
    """
    kind = TYPES.get(t.removeprefix("torch.")) if isinstance(t, str) else t
    if not isinstance(kind, TensorType):
        raise TypeError(f"invalid type object: expected a constructor such as torch.DoubleTensor, got {t!r}")
    if not kind.dtype.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {t!r}")
    dtypes.set_default_dtype(kind.dtype)
