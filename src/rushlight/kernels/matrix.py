"""Matrix products on arrays; in the definitions what BLAS can take at once is handed to it at once."""

from __future__ import annotations

import functools
import math

import numpy as np

from .native import kernel


@kernel
def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """`a @ b`; types of 16 bits are multiplied in float32 and rounded afterwards.

    A stack of matrices times one matrix is a single product of two matrices.
    """
    dtype = a.dtype
    if dtype.itemsize == 2 and dtype.kind in "fV":
        return product(a.astype(np.float32), b.astype(np.float32)).astype(dtype)
    if b.ndim <= 2:
        if a.ndim <= 2:
            return a.dot(b)  # a third of the overhead of np.matmul
        return a.reshape(math.prod(a.shape[:-1]), a.shape[-1]).dot(b).reshape((*a.shape[:-1], *b.shape[1:]))
    if a.ndim > 1 and a.shape[-1] == b.shape[-2] == 1:
        return np.multiply(a, b, order="C")  # columns times rows: four times faster than products of matrices
    return np.matmul(_for_blas(a), _for_blas(b))


@kernel
def linear(x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None) -> np.ndarray:
    """`x @ weight.T + bias`."""
    result = product(x, weight.T)
    return result if bias is None else np.add(result, bias, out=result)


def _for_blas(x: np.ndarray) -> np.ndarray:
    """The array, copied if its matrices have neither rows nor columns of neighbouring elements."""
    return x if x.ndim < 2 or x.itemsize in x.strides[-2:] else np.ascontiguousarray(x)


def contract(a: np.ndarray, b: np.ndarray, a_axes: str, b_axes: str, out_axes: str) -> np.ndarray:
    """Sum `a * b` over the axes that are not named in the result, as one matrix product or a stack of them.

    Axes are named by letters. An axis that only one operand has must be in the result.
    """
    counts, a_order, b_order, order = _orders(a_axes, b_axes, out_axes)
    left, right = a.transpose(a_order), b.transpose(b_order)
    first, rows, columns = counts  # of the axes of the stack, and of those that only one has
    summed = len(a_axes) - first - rows
    batch, k = left.shape[:first], math.prod(left.shape[first + rows :])
    kept, others = left.shape[first : first + rows], right.shape[first + summed :]
    if first:
        stack = math.prod(batch)
        left, right = left.reshape(stack, math.prod(kept), k), right.reshape(stack, k, math.prod(others))
    else:
        left, right = left.reshape(math.prod(kept), k), right.reshape(k, math.prod(others))
    return product(left, right).reshape((*batch, *kept, *others)).transpose(order)


@functools.lru_cache(256)
def _orders(a_axes: str, b_axes: str, out_axes: str) -> tuple:
    """How many axes the stack and each operand alone have, and the order in which the axes of each are needed."""
    shared = [x for x in a_axes if x in b_axes]
    batch = [x for x in shared if x in out_axes]
    summed = [x for x in shared if x not in out_axes]
    rows = [x for x in a_axes if x not in b_axes]
    columns = [x for x in b_axes if x not in a_axes]
    a_order = tuple(map(a_axes.index, (*batch, *rows, *summed)))
    b_order = tuple(map(b_axes.index, (*batch, *summed, *columns)))
    found = (*batch, *rows, *columns)
    return (len(batch), len(rows), len(columns)), a_order, b_order, tuple(map(found.index, out_axes))


def cross(a: np.ndarray, b: np.ndarray, axis: int) -> np.ndarray:
    """The vector product along an axis of length 3."""
    a, b = np.moveaxis(a, axis, 0), np.moveaxis(b, axis, 0)
    parts = (a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0])
    return np.stack(parts, axis)
