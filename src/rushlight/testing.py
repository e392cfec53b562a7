"""Comparison of tensors in tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from . import dtypes
from .tensor import Tensor, wrap

__all__ = ["assert_close"]

TOLERANCES = {
    dtypes.float16: (1e-3, 1e-5),
    dtypes.bfloat16: (1.6e-2, 1e-5),
    dtypes.float32: (1.3e-6, 1e-5),
    dtypes.float64: (1e-7, 1e-7),
    dtypes.complex64: (1.3e-6, 1e-5),
    dtypes.complex128: (1e-7, 1e-7),
}
"""The relative and absolute tolerance of each type; those of integers are zero."""


def assert_close(
    actual: Any,
    expected: Any,
    *,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    allow_subclasses: bool = True,
    msg: str | Callable[[str], str] | None = None,
) -> None:
    """Check that two tensors, or sequences or mappings of tensors, are close.

    Values are close if ``|actual - expected| <= atol + rtol * |expected|``, with tolerances by type unless given.

    Raises:
        AssertionError: they are not; the message tells how many elements differ and by how much.
        ValueError: only one of ``rtol`` and ``atol`` is given.

    >>> import rushlight as torch
    >>> torch.testing.assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-7]))
    """
    if (rtol is None) != (atol is None):
        raise ValueError(
            f"rtol and atol must both be specified or both be unspecified, got rtol={rtol} and atol={atol}"
        )
    problem = _difference(actual, expected, rtol, atol, equal_nan, check_dtype, check_stride, "")
    if problem:
        raise AssertionError(problem if msg is None else msg(problem) if callable(msg) else msg)


def _difference(
    actual: Any, expected: Any, rtol: Any, atol: Any, equal_nan: bool, dtype: bool, stride: bool, at: str
) -> str | None:
    """What is different, in words; None if nothing is."""
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"The keys of the mappings do not match: {sorted(actual)} and {sorted(expected)}"
        pairs: Any = ((f"[{key!r}]", actual[key], expected[key]) for key in actual)
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = ((f"[{i}]", a, e) for i, (a, e) in enumerate(zip(actual, expected, strict=True)))
    else:
        problem = _tensor_difference(_as_tensor(actual), _as_tensor(expected), rtol, atol, equal_nan, dtype, stride)
        return f"{problem}\n\nThe failure occurred for item {at}" if problem and at else problem
    for key, a, e in pairs:
        problem = _difference(a, e, rtol, atol, equal_nan, dtype, stride, at + key)
        if problem:
            return problem
    return None


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _as_tensor(value: Any) -> Tensor:
    if isinstance(value, Tensor):
        return value
    if isinstance(value, (bool, int, float, complex)):
        return wrap(np.asarray(value))
    if isinstance(value, np.ndarray):
        return wrap(value)
    raise TypeError(
        f"No comparison pair was able to handle inputs of type {type(value)}: tensors and numbers are compared"
    )


def _tensor_difference(
    actual: Tensor, expected: Tensor, rtol: Any, atol: Any, equal_nan: bool, dtype: bool, stride: bool
) -> str | None:
    if actual.shape != expected.shape:
        return f"The values for attribute 'shape' do not match: {actual.shape} != {expected.shape}."
    if dtype and actual.dtype is not expected.dtype:
        return f"The values for attribute 'dtype' do not match: {actual.dtype} != {expected.dtype}."
    if stride and actual.stride() != expected.stride():
        return f"The values for attribute 'stride()' do not match: {actual.stride()} != {expected.stride()}."
    if rtol is None:
        chosen = (TOLERANCES.get(actual.dtype, (0.0, 0.0)), TOLERANCES.get(expected.dtype, (0.0, 0.0)))
        rtol, atol = (max(pair) for pair in zip(*chosen, strict=True))
    a, e = (t.array.astype(_exact(t.array.dtype)) for t in (actual, expected))
    close = np.isclose(a, e, rtol=rtol, atol=atol, equal_nan=equal_nan)
    if close.all():
        return None
    wrong = ~close
    with np.errstate(all="ignore"):
        absolute = np.where(wrong, np.abs(a - e), 0)
        relative = np.where(wrong, absolute / np.abs(e), 0)
    worst_absolute, worst_relative = (
        tuple(map(int, np.unravel_index(np.argmax(np.where(np.isnan(d), np.inf, d)), d.shape)))
        for d in (absolute, relative)
    )
    return (
        f"Tensor-likes are not close!\n\n"
        f"Mismatched elements: {wrong.sum()} / {wrong.size} ({100 * wrong.mean():.1f}%)\n"
        f"Greatest absolute difference: {absolute[worst_absolute]} at index {worst_absolute} (up to {atol:g} allowed)\n"
        f"Greatest relative difference: {relative[worst_relative]} at index {worst_relative} (up to {rtol:g} allowed)"
    )


def _exact(dtype: np.dtype) -> Any:
    """A type in which differences of this one can be told."""
    return {"c": np.complex128, "f": np.float64, "V": np.float64}.get(
        dtype.kind, np.int64 if dtype.kind != "u" else np.float64
    )
