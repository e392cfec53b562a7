"""Rows of a table by number: embedding, and numbers as one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import no_grad
from ..kernels import indexing as kernels
from ..tensor import Tensor, wrap
from .compare import where
from .define import op
from .levels import everything, top_level
from .place import zeros_as
from .promotion import like, raw

__all__: list[str] = []


def _check_rows(indices: np.ndarray, rows: int) -> None:
    if indices.size and (indices.min() < 0 or indices.max() >= rows):
        raise IndexError("index out of range in self")


def _in_one_table(batch, indices, rows):
    """vmap: numbers of rows in the tables of all elements, one below the other."""
    first = wrap(np.arange(batch.size) * rows).reshape(-1, *(1,) * indices.ndim)
    return batch.front(indices) + first


def _rows_for_each(batch, weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    if not batch.is_mapped(weight) and not scale_grad_by_freq:
        return batch.perform((*map(batch.level.lowered, (weight, indices)), padding_idx), {})
    _check_rows(everything(indices), weight.shape[0])
    table = batch.front(weight).flatten(0, 1)
    rows = batch.perform((table, _in_one_table(batch, indices, weight.shape[0]), -1, scale_grad_by_freq), {})
    return rows if padding_idx < 0 else where((batch.front(indices) == padding_idx).unsqueeze(-1), rows.detach(), rows)


def _added_for_each(batch, g, shape, indices, padding_idx, counts):
    g = batch.front(g)
    if padding_idx >= 0:
        g = where((batch.front(indices) == padding_idx).unsqueeze(-1), 0, g)
    counts = counts if counts is None else batch.front(counts).flatten()
    whole = (batch.size * shape[0], shape[1])
    return batch.perform((g, whole, _in_one_table(batch, indices, shape[0]), -1, counts), {}).unflatten(
        0, (-1, shape[0])
    )


def _counted_for_each(batch, indices, rows, dtype):
    counts = batch.perform((_in_one_table(batch, indices, rows), batch.size * rows, dtype), {})
    return counts.unflatten(0, (-1, rows))


@op(
    "EmbeddingBackward0",
    weight=lambda g, weight_shape, indices, padding_idx, scale_grad_by_freq: _embedding_backward(
        g, weight_shape, indices, padding_idx, scale_grad_by_freq),
    batch=_rows_for_each,
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
    return kernels.take_rows(weight, 0, indices, False)


@op(
    "EmbeddingDenseBackwardBackward0",
    g=lambda g, indices, padding_idx, counts: rows_of(_weighted(g, padding_idx, counts), indices, padding_idx),
    batch=_added_for_each,
)
def _add_rows(g, shape, indices, padding_idx, counts):
    out = kernels.sum_rows(g, 0, indices, shape[0], False, padding_idx)
    return out / counts[:, None] if counts is not None else out


def _weighted(g: Any, padding_idx: int, counts: Any) -> Any:
    """The second derivative's cotangent: rows divided by their counts, that of the padding zero."""
    g = g if counts is None else g / counts[:, None]
    if padding_idx < 0:
        return g
    factor = np.ones((g.shape[0], 1), raw(g).dtype)
    factor[padding_idx] = 0
    return g * like(g, factor)


@op(batch=_counted_for_each)
def _frequencies(indices, rows, dtype):
    """How often each row is named, 1 where it is not."""
    return np.maximum(np.bincount(indices.reshape(-1), minlength=rows), 1).astype(dtype)


def _embedding_backward(g: Any, shape: tuple, indices: Any, padding_idx: int, by_frequency: bool) -> Any:
    if not raw(g).size:
        return zeros_as(g, shape)
    counts = _frequencies(indices, shape[0], raw(g).dtype) if by_frequency else None
    add = _add_rows.op.compute if type(g) is np.ndarray else _add_rows
    return add(g, shape, indices, padding_idx, counts)


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
            renormalise(weight, input, max_norm, norm_type)
    return rows_of(weight, input, padding_idx, scale_grad_by_freq, sparse)


def renormalise(weight: Tensor, indices: Tensor, max_norm: float, norm_type: float) -> None:
    """Scale the named rows of a larger norm down to ``max_norm``."""
    from .index import setitem
    from .norms import vector_norm

    if top_level((weight, indices)) is not None:
        norms = vector_norm(weight, norm_type, 1, True)
        named = one_hot(indices.reshape(-1), weight.shape[0]).any(0).unsqueeze(-1)
        weight.copy_(where(named & (norms > max_norm), weight * (max_norm / (norms + 1e-7)), weight))
        return
    named = np.unique(indices.array)
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
    if tensor.array.dtype != np.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    classes = everything(tensor)
    if not classes.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return _one_hot(tensor, num_classes)
    if classes.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(tensor.max()) + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif classes.max() >= num_classes:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return _one_hot(tensor, num_classes)


@op(batch="elementwise")
def _one_hot(input, classes):
    return (input[..., None] == np.arange(classes)).astype(np.int64)
