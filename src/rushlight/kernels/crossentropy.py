"""Cross entropy on arrays: rows of logits or log-probabilities and the number of the right class of each."""

from __future__ import annotations

import numpy as np


def rows_of(x: np.ndarray) -> np.ndarray:
    """(C,), (N, C) or (N, C, *) as rows of classes."""
    return x.reshape(1, -1) if x.ndim == 1 else x if x.ndim == 2 else np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


def unrowed(rows: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Rows of classes back in the shape that `rows_of` took them from."""
    if len(shape) <= 2:
        return rows.reshape(shape)
    return np.ascontiguousarray(np.moveaxis(rows.reshape(shape[0], *shape[2:], shape[1]), -1, 1))


def row_weights(
    target: np.ndarray, weight: np.ndarray | None, ignore: int | None, dtype: np.dtype
) -> np.ndarray | None:
    """What each row counts for: its class's weight, nothing for the ignored class; None if all count 1."""
    if ignore is None:
        return None if weight is None else weight[target]
    counted = target != ignore
    return counted.astype(dtype) if weight is None else np.where(counted, weight[np.where(counted, target, 0)], 0)


def log_normalised(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The logarithms of softmax, and softmax, of each row."""
    shifted = rows - np.maximum.reduce(rows, 1, keepdims=True)
    exponentials = np.exp(shifted)
    sums = np.add.reduce(exponentials, 1, keepdims=True)
    exponentials /= sums
    shifted -= np.log(sums, out=sums)
    return shifted, exponentials


def picked(rows: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The element of each row that its class names; any for a class out of range."""
    return rows[np.arange(len(rows)), target]


def placed(values: np.ndarray, target: np.ndarray, classes: int) -> np.ndarray:
    """Rows of zeros with each value at its class."""
    rows = np.zeros((len(target), classes), values.dtype)
    rows[np.arange(len(target)), target] = values
    return rows
