"""Choice between the elements of two arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from .native import kernel

MANY = 2048  # elements, from which on the bits are faster
BITS: dict[np.dtype, Any] = {np.dtype(np.float32): np.dtype(np.int32), np.dtype(np.float64): np.dtype(np.int64)}


def choose(condition: Any, a: Any, b: Any) -> np.ndarray:
    """`np.where`, in which a number beside an array is one of its type."""
    if type(a) is np.ndarray:
        if type(b) is not np.ndarray:
            b = _beside(a, b)
    elif type(b) is np.ndarray:
        a = _beside(b, a)
    return select(condition, a, b)


def _beside(array: np.ndarray, number: Any) -> Any:
    single = array.dtype.kind == "f" and (type(number) is int or type(number) is float)
    return np.array(number, array.dtype) if single else number


@kernel
def select(condition: Any, a: Any, b: Any) -> np.ndarray:
    """`np.where`; of many numbers by their bits, as processors guess branches that depend on data wrong half the time.

    That takes a tenth of the time or less where one side is 0, as in the derivatives of what is flat on one side.
    """
    if type(condition) is not np.ndarray or condition.size < MANY or condition.dtype != bool:
        return np.where(condition, a, b)
    like = a if type(a) is np.ndarray and a.ndim else b
    bits = BITS.get(like.dtype) if type(like) is np.ndarray and _alike(condition, like) else None
    if bits is None:
        return np.where(condition, a, b)
    holds = condition.view(np.int8)
    if _is_zero(b, like.dtype):
        mask = np.negative(holds, dtype=bits)
        return np.bitwise_and(mask, a.view(bits), out=mask).view(a.dtype)
    if _is_zero(a, like.dtype):
        mask = np.subtract(holds, 1, dtype=bits)
        return np.bitwise_and(mask, b.view(bits), out=mask).view(b.dtype)
    if type(a) is type(b) is np.ndarray and a.dtype == b.dtype and _alike(a, b):
        mask = np.negative(holds, dtype=bits)
        mask &= a.view(bits) ^ b.view(bits)
        mask ^= b.view(bits)
        return mask.view(a.dtype)
    return np.where(condition, a, b)


def _alike(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.flags.c_contiguous and b.flags.c_contiguous


def _is_zero(x: Any, dtype: np.dtype) -> bool:
    """Whether this is one number, and that is zero (but not minus zero)."""
    if type(x) is int:
        return x == 0
    return type(x) is np.ndarray and not x.ndim and x.dtype == dtype and not x.view(BITS[dtype])
