"""Fused multiply-add, `a * b + c` with one rounding, in NumPy: compiled code rounds so, and equal bits need it."""

from __future__ import annotations

import numpy as np

Numbers = np.ndarray | np.floating | float
_SPLITTER = 2.0**27 + 1
_LOST_BITS, _HALF_WAY = (1 << 29) - 1, 1 << 28  # of a float64 significand, when it becomes a float32


def fma(a: np.ndarray, b: Numbers, c: Numbers) -> np.ndarray:
    """`a * b + c` rounded once, for float32 or float64 `a`; `b` and `c` are numbers of the same type.

    Boldo and Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd",
    IEEE Transactions on Computers 57 (2008).
    """
    if a.dtype == np.float32:
        return _fma32_exact(a, b, c)
    product, error = _two_product(a, b)
    upper, lower = _two_sum(np.asarray(c), error)
    total, rest = _two_sum(upper, product)
    return total + _sum_to_odd(rest, lower)


def fma32(a: np.ndarray, b: Numbers, c: Numbers) -> np.ndarray:
    """`a * b + c` rounded to float32, for numbers of float32 of which those in `b` are held as float64.

    It is rounded to float64 in between: once in some hundred million numbers the last bit is the neighbour's.
    """
    total = a.astype(np.float64)  # in which the product of two float32 numbers is exact
    total *= b
    total += c
    return total.astype(np.float32)


def _fma32_exact(a: np.ndarray, b: Numbers, c: Numbers) -> np.ndarray:
    product = a.astype(np.float64)
    product *= b
    total = product + c
    rounded = total.astype(np.float32)
    # Rounding twice differs from rounding once only where the first one lands in the middle of two float32 numbers.
    middle = (total.view(np.int64) & _LOST_BITS) == _HALF_WAY
    if middle.any():
        rounded[middle] = _sum_to_odd(product[middle], np.asarray(c, np.float64)).astype(np.float32)
    return rounded


def _two_sum(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    total = a + b
    shadow = total - a
    return total, (a - (total - shadow)) + (b - shadow)


def _two_product(a: np.ndarray, b: Numbers) -> tuple[np.ndarray, np.ndarray]:
    product = a * b
    a_upper, a_lower = _halves(a)
    b_upper, b_lower = _halves(np.asarray(b))
    return product, ((a_upper * b_upper - product) + a_upper * b_lower + a_lower * b_upper) + a_lower * b_lower


def _halves(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scaled = a * _SPLITTER
    upper = scaled - (scaled - a)
    return upper, a - upper


def _sum_to_odd(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a + b`, and where that is inexact, the neighbour on the side of the true sum whose last bit is one."""
    total, error = _two_sum(a, b)
    bits = total.view(np.int64)
    wrong = (error != 0) & (bits & 1 == 0)
    bits += np.where(wrong, np.where((error > 0) == (total > 0), 1, -1), 0)
    return total
