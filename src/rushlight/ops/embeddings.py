"""Rows of a table by number: embedding, and numbers as one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import no_grad
from ..kernels.scatter import add_rows
from ..tensor import Tensor, wrap
from .define import op
from .place import zeros_as
from .promotion import raw

__all__: list[str] = []


@op(
    "EmbeddingBackward0",
    weight=lambda g, weight_shape, indices, padding_idx, scale_grad_by_freq: _embedding_backward(
        g, weight_shape, indices, padding_idx, scale_grad_by_freq),
)  # fmt: skip
def rows_of(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """The rows of a table that ``indices`` names; those of ``padding_idx`` pass no gradient."""
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    if indices.dtype.name not in ("int64", "int32"):
        raise RuntimeError(
            f"Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"torch.{dtypes.CASED[dtypes.of(indices.dtype)]}Tensor instead (while checking arguments for embedding)"
        )
    if indices.size and (indices.min() < 0 or indices.max() >= weight.shape[0]):
        raise IndexError("index out of range in self")
    return weight.take(indices, 0)


@op(
    "EmbeddingDenseBackwardBackward0",
    g=lambda g, indices, padding_idx, scale: rows_of(_weighted(g, indices, padding_idx, scale), indices, padding_idx),
)
def _add_rows(g, shape, indices, padding_idx, scale):
    out = np.zeros(shape, g.dtype)
    rows, values = indices.reshape(-1), g.reshape(-1, shape[1])
    if padding_idx >= 0:
        kept = rows != padding_idx
        rows, values = rows[kept], values[kept]
    add_rows(out, rows, values)
    return out / scale[:, None] if scale is not None else out


def _weighted(g: Any, indices: Any, padding_idx: int, scale: Any) -> Any:
    """The second derivative's cotangent: rows divided by their counts, that of the padding zero."""
    factor = np.ones(raw(g).shape[0], raw(g).dtype) if scale is None else 1 / np.asarray(raw(scale))
    if padding_idx >= 0:
        factor[padding_idx] = 0
    return g * (factor[:, None] if raw(g) is g else wrap(factor[:, None]))


def _embedding_backward(g: Any, shape: tuple, indices: Any, padding_idx: int, by_frequency: bool) -> Any:
    scale = None
    if by_frequency:
        counts = np.bincount(raw(indices).reshape(-1), minlength=shape[0])
        scale = np.maximum(counts, 1).astype(raw(g).dtype)
    if not raw(g).size:
        return zeros_as(g, shape)
    return _add_rows(g, shape, indices, padding_idx, scale)


def embedding(
    input: Tensor, weight: Tensor, padding_idx: int | None = None, max_norm: float | None = None,
    norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
) -> Tensor:  # fmt: skip
    """The rows of ``weight`` that the numbers in ``input`` name.

    Args:
        padding_idx: the row that passes no gradient.
        max_norm: rows of a larger norm are scaled down to it, in place.
        norm_type: which norm.
        scale_grad_by_freq: divide a row's gradient by how often it was named.

    Raises:
        IndexError: there is no such row.

    >>> import rushlight as torch
    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    tensor([[3., 4.],
            [1., 2.]])
    """
    if weight.array.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, got one of shape {list(weight.array.shape)}")
    rows = weight.array.shape[0]
    if padding_idx is None:
        padding_idx = -1
    else:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        with no_grad():
            renormalise(weight, input.array, max_norm, norm_type)
    return rows_of(weight, input, padding_idx, scale_grad_by_freq, sparse)


def renormalise(weight: Tensor, indices: np.ndarray, max_norm: float, norm_type: float) -> None:
    """Scale the named rows of a larger norm down to ``max_norm``."""
    from .index import setitem

    named = np.unique(indices)
    rows = weight.array[named]
    norms = np.linalg.norm(rows, norm_type, axis=1, keepdims=True)
    scaled = np.where(norms > max_norm, rows * (max_norm / (norms + 1e-7)), rows)
    setitem(weight, wrap(named), wrap(scaled.astype(rows.dtype)))


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Each number as a row of zeros with a one in its place.

    Raises:
        RuntimeError: a number is negative or not smaller than ``num_classes``, by default the largest plus one.

    >>> import rushlight as torch
    >>> torch.nn.functional.one_hot(torch.tensor([0, 2]))
    tensor([[1, 0, 0],
            [0, 0, 1]])
    """
    classes = tensor.array
    if classes.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if not classes.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return wrap(np.empty((*classes.shape, num_classes), np.int64))
    if classes.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(classes.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif classes.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return wrap((classes[..., None] == np.arange(num_classes)).astype(np.int64))
