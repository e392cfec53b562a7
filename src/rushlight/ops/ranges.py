"""Tensors of evenly spaced numbers, the identity matrix and the places of triangles."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor, wrap
from .compare import where
from .convert import to_dtype
from .creation import check_dtype, finish
from .levels import Layered
from .promotion import as_type

__all__ = ["arange", "eye", "linspace", "logspace", "range", "tril_indices", "triu_indices"]


def _as_number(value: Any) -> Any:
    return value.item() if isinstance(value, (Tensor, np.generic)) else value


def arange(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Numbers from ``start`` up to, not including, ``end``, ``step`` apart.

    >>> import rushlight as torch
    >>> torch.arange(1, 2, 0.5)
    tensor([1.0000, 1.5000])

    Raises:
        RuntimeError: ``step`` is zero or leads away from ``end``.
    """
    dtype = check_dtype("arange", dtype)
    tensors = [value for value in (start, end, step) if isinstance(value, Tensor)]
    start, end, step = _as_number(start), _as_number(end), _as_number(step)
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if math.isinf(start) or math.isinf(end) or math.isnan(start) or math.isnan(end):
        raise RuntimeError(f"unsupported range: {start} -> {end}")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    whole = all(isinstance(value, int) for value in (start, end, step))
    if dtype is None:
        if out is not None:
            dtype = out.dtype
        elif not whole:
            floating = [t.dtype for t in tensors if t.dtype.is_floating_point]
            dtype = max(floating, key=lambda d: d.itemsize) if floating else dtypes.get_default_dtype()
        else:
            dtype = dtypes.int64
    if dtype.category == dtypes.INTEGRAL:
        count = -(-(end - start) // step) if whole else math.ceil((end - start) / step)
        if int(step) == 0:
            raise ValueError(f"step must be nonzero: {step} is zero as {dtype}")
        array = (int(start) + int(step) * np.arange(count)).astype(dtype.numpy)
    else:
        count = math.ceil((end - start) / step)
        array = _progression(start, step, count, dtype)
    return finish(array, device, requires_grad, out)


def _progression(start: Any, step: Any, count: int, dtype: dtypes.dtype) -> np.ndarray:
    """``start + step * i``, computed in double precision and rounded once."""
    return (start + step * np.arange(count, dtype=np.float64)).astype(dtype.numpy)


def range(
    start: Any = 0, end: Any = None, step: Any = 1, *, out: Any = None, dtype: Any = None, **options: Any
) -> Tensor:
    """Numbers from ``start`` up to and including ``end``; deprecated in favour of `arange`."""
    warnings.warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is inconsistent with "
        "Python's range builtin. Instead, use torch.arange, which produces values in [start, end).",
        UserWarning,
        stacklevel=2,
    )
    if end is None:
        start, end = 0, start
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError("upper bound and lower bound inconsistent with step sign")
    dtype = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    array = _progression(start, step, math.floor((end - start) / step) + 1, dtype)
    return finish(array, options.get("device"), options.get("requires_grad", False), out)


def linspace(
    start: Any, end: Any, steps: int, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    >>> import rushlight as torch
    >>> torch.linspace(0, 1, 3)
    tensor([0.0000, 0.5000, 1.0000])
    """
    if isinstance(start, Layered) or isinstance(end, Layered):
        return _between(start, end, steps, _range_dtype(start, end, dtype, out).numpy)
    array = _spaced("linspace", start, end, steps, dtype, out)
    return finish(array, device, requires_grad, out)


def _spaced(name: str, start: Any, end: Any, steps: int, dtype: Any, out: Any) -> np.ndarray:
    start, end = _end_point(name, "start", start), _end_point(name, "end", end)
    if isinstance(steps, float):
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got ({type(start).__name__}, "
            f"{type(end).__name__}, float), but expected one of: (start, end, int steps)"
        )
    if steps < 0:
        raise RuntimeError("number of steps must be non-negative")
    target = _range_dtype(start, end, dtype, out)
    kind = target.numpy
    if target.category == dtypes.INTEGRAL:
        start, end = int(start), int(end)
    if steps == 1:
        return np.full(1, start, kind)
    # PyTorch walks from both ends towards the middle, in the type of the result
    work = kind if kind.kind in "fc" and kind.itemsize > 2 else np.dtype("float64" if kind.kind in "biu" else "float32")
    start_, end_ = work.type(start), work.type(end)
    step = (
        (end_ - start_) / work.type(max(steps - 1, 1))
        if target.category != dtypes.INTEGRAL
        else work.type((end - start) / max(steps - 1, 1))
    )
    places = np.arange(steps).astype(work.type(0).real.dtype)
    values = np.where(places < steps // 2, start_ + step * places, end_ - step * (steps - 1 - places))
    return as_type(values.astype(work, copy=False), kind)


def _between(start: Any, end: Any, steps: int, kind: np.dtype) -> Tensor:
    """`_spaced` in operations on tensors, for end points that stand for several."""
    whole = kind.kind in "biu"
    work = np.dtype(np.float64) if whole else kind
    ends = (value.detach() if isinstance(value, Tensor) else wrap(np.array(value)) for value in (start, end))
    first, last = (to_dtype(to_dtype(value, kind) if whole else value, work) for value in ends)
    step = (last - first) / max(steps - 1, 1)
    places = np.arange(steps)
    before = where(wrap(places < steps // 2), first + step * wrap(places), last - step * wrap(steps - 1 - places))
    return to_dtype(before if steps > 1 else first.expand(steps), kind)


def _end_point(name: str, which: str, value: Any) -> Any:
    if isinstance(value, Tensor) and value.array.ndim:
        raise RuntimeError(
            f"{name} only supports 0-dimensional start and end tensors, but got {which} with {value.array.ndim} "
            f"dimension(s)."
        )
    return _as_number(value)


def _range_dtype(start: Any, end: Any, dtype: Any, out: Any) -> dtypes.dtype:
    if dtype is not None:
        if not dtype.is_complex and (isinstance(start, complex) or isinstance(end, complex)):
            have = dtypes.default_complex()
            raise RuntimeError(f"inferred dtype {have} can't be safely cast to passed dtype {dtype}")
        return dtype
    if isinstance(start, complex) or isinstance(end, complex):
        return dtypes.default_complex()
    if out is None and (isinstance(start, Layered) or isinstance(end, Layered)):
        ends = start + end  # computed with, unlike plain tensors, of which only the numbers count
        return ends.dtype if ends.is_floating_point() or ends.is_complex() else dtypes.get_default_dtype()
    return out.dtype if out is not None else dtypes.get_default_dtype()


def logspace(
    start: Any, end: Any, steps: int, base: float = 10.0, *, out: Any = None, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """``base`` to the powers that `linspace` gives.

    >>> import rushlight as torch
    >>> torch.logspace(0, 2, 3)
    tensor([  1.,  10., 100.])
    """
    layered = isinstance(start, Layered) or isinstance(end, Layered)
    if not layered:
        start, end = _end_point("logspace", "start", start), _end_point("logspace", "end", end)
    target = _range_dtype(start, end, dtype, out)
    work = target if target.category > dtypes.INTEGRAL and target.itemsize > 2 else dtypes.float64
    if layered:
        return to_dtype(base ** _between(start, end, steps, work.numpy), target.numpy)
    if target.category == dtypes.INTEGRAL:
        start, end = int(start), int(end)
    powers = _spaced("logspace", start, end, steps, work, None)
    if target.category == dtypes.INTEGRAL:
        array = np.power(powers.dtype.type(base), powers).astype(target.numpy)
    else:
        array = as_type(np.power(base, powers).astype(work.numpy), target.numpy)
    return finish(array, device, requires_grad, out)


def eye(
    n: int, m: int | None = None, *, out: Any = None, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False, pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """Ones on the diagonal of a matrix of zeros.

    >>> import rushlight as torch
    >>> torch.eye(2)
    tensor([[1., 0.],
            [0., 1.]])
    """
    for name, length in (("n", n), ("m", m)):
        if length is not None and length < 0:
            raise RuntimeError(f"{name} must be greater or equal to 0, got {length}")
    dtype = check_dtype("eye", dtype)
    target = dtype or (out.dtype if out is not None else dtypes.get_default_dtype())
    return finish(np.eye(n, m, dtype=target.numpy), device, requires_grad, out)


def _triangle(find: Any, row: int, col: int, offset: int, dtype: Any, device: Any) -> Tensor:
    for name, length in (("row", row), ("col", col)):
        if length < 0:
            raise RuntimeError(f"{name} must be non-negative, got {length}")
    target = dtypes.int64 if dtype is None else dtype
    if target not in (dtypes.int64, dtypes.int32):
        raise NotImplementedError(f"\"{find.__name__[:4]}_indices\" not implemented for '{dtypes.CASED[target]}'")
    return finish(np.stack(find(row, offset, col)).astype(target.numpy), device)


def tril_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The rows and columns of the lower triangle of a matrix, row by row."""
    return _triangle(np.tril_indices, row, col, offset, dtype, device)


def triu_indices(
    row: int, col: int, offset: int = 0, *, dtype: Any = None, device: Any = None, layout: Any = None,
    pin_memory: bool = False,
) -> Tensor:  # fmt: skip
    """The rows and columns of the upper triangle of a matrix, row by row."""
    return _triangle(np.triu_indices, row, col, offset, dtype, device)
