"""Jacobians at a point, by finite differences, by backward and by forward mode.

A Jacobian is a matrix of NumPy's, with a row for each direction in which an input moves and a column for each element
of an output. The row of a complex input holds the derivative by the real part plus i times that by the imaginary part:
the convention of gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .gradients import grad

Direction = tuple[tuple | None, np.ndarray, np.ndarray]
"""An element that moves, if it is a single one; how far the real parts move, and how far the imaginary parts."""


def each_element(array: np.ndarray) -> Iterator[Direction]:
    """The directions in which one element moves by one."""
    for index in np.ndindex(array.shape):
        unit = np.zeros(array.shape)
        unit[index] = 1
        yield index, unit, unit


def as_tuple(value: Any) -> tuple:
    """Inputs or outputs as a tuple."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def by_differences(
    func: Callable, inputs: tuple, place: int, directions: Iterable[Direction], eps: float
) -> list[np.ndarray]:
    """For each output, its central differences by one input.

    Raises:
        AssertionError: an output has another shape or type beside the point.
    """
    array = inputs[place].array
    rows = []
    for index, real, imaginary in directions:
        row = _difference(func, inputs, array, index, eps * real, eps)
        if array.dtype.kind == "c":
            row = [a + 1j * b for a, b in zip(row, _difference(func, inputs, array, index, 1j * eps * imaginary, eps))]
        rows.append(row)
    if not rows:
        return [np.zeros((0, output.numel()), array.dtype) for output in as_tuple(func(*inputs))]
    return [np.array(column) for column in zip(*rows)]


def _difference(
    func: Callable, inputs: tuple, array: np.ndarray, index: tuple | None, step: np.ndarray, eps: float
) -> list[np.ndarray]:
    """How fast each output changes with a step of one input, which is moved where it is."""
    kept = array.copy()
    try:
        array[...] = kept - step
        before = [output.array.copy() for output in as_tuple(func(*inputs))]
        array[...] = kept + step
        after = [output.array.copy() for output in as_tuple(func(*inputs))]
    finally:
        array[...] = kept
    for a, b in zip(before, after):
        _demand_same("shape", wrap(a).shape, wrap(b).shape, index, eps)
        _demand_same("dtype", wrap(a).dtype, wrap(b).dtype, index, eps)
    return [_change(a, b).reshape(-1) / (2 * eps) for a, b in zip(before, after)]


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The difference of two values, as a number that can be divided."""
    change = np.subtract(after, before, dtype=np.int64 if after.dtype.kind in "biu" else None)
    return change.astype(np.float64) if change.dtype.kind == "i" else change


def _demand_same(what: str, before: Any, after: Any, index: tuple | None, eps: float) -> None:
    if before != after:
        where = "" if index is None else f"on index {index} "
        raise AssertionError(
            f"Expected `func` to return outputs with the same {what} when inputs are perturbed {where}by {eps}, but "
            f"got: {what}s {before} and {after}."
        )


def by_backward(output: Tensor, checked: tuple, starts: Iterable[np.ndarray]) -> list[list]:
    """For each checked input the gradients of one output, one for each gradient that backward starts from."""
    runs = [
        grad(output, checked, wrap(start.astype(output.array.dtype)), retain_graph=True, allow_unused=True)
        for start in starts
    ]
    return [list(gradients) for gradients in zip(*runs)] if runs else [[] for _ in checked]


def columns(gradients: list, input: Tensor) -> np.ndarray:
    """Gradients by one input side by side: the Jacobian, if they are those of the elements of an output."""
    matrix = np.zeros((input.numel(), len(gradients)), input.array.dtype)
    for column, gradient in enumerate(gradients):
        if gradient is not None:
            matrix[:, column] = gradient.array.reshape(-1)
    return matrix
