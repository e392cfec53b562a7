"""Sorting, the largest few, distinct values, and searching in what is sorted."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import order
from ..kernels.layout import arranged
from ..layouts import in_order
from ..tensor import Tensor, wrap
from .axes import axis, numpy_names
from .define import op
from .levels import DYNAMIC, known
from .pick import put_back
from .reduce import called, require_real, to_out, widened, written
from .views import reshape, unsqueeze

__all__ = [
    "argsort", "bucketize", "isin", "msort", "searchsorted", "sort", "topk", "unique", "unique_consecutive",
]  # fmt: skip


def _sorted(x: np.ndarray, dim: int, descending: bool) -> tuple[np.ndarray, np.ndarray]:
    """The elements in order along an axis, and the indices that they came from."""
    require_real("sort", x)
    line = axis(dim, x.ndim)
    if not x.ndim:
        return x.copy(), np.zeros((), np.int64)
    values, indices = order.sort(_as_last(line, widened(x)), descending)
    return _in_place_of(line, values), _in_place_of(line, indices)


def _as_last(line: int, x: np.ndarray) -> np.ndarray:
    """The array with one axis as the last."""
    return x if line == x.ndim - 1 else np.moveaxis(x, line, -1)


def _in_place_of(line: int, found: np.ndarray) -> np.ndarray:
    """What was found along the last axis, along the one that came there; in order in memory."""
    return in_order(found if line == found.ndim - 1 else np.moveaxis(found, -1, line))


def _sorter(node: str) -> Any:
    @op(
        node,
        batch="dim",
        outputs=("values", "indices"),
        nondifferentiable=("indices",),
        input=lambda g, indices, input_shape, dim: put_back(g, indices, dim, input_shape),
    )
    def sort(input, dim, descending):
        values, indices = _sorted(input, dim, descending)
        values = values.astype(input.dtype, copy=False)
        if input.flags.c_contiguous:
            return values, indices
        return arranged(values, (input,)), arranged(indices, (input,))

    return sort


_sort, _stable_sort = _sorter("SortBackward0"), _sorter("SortBackward1")


@numpy_names
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool | None = None, *, out: Any = None) -> Any:
    """The elements in order along an axis, and the indices that they came from; equals stay in their order.

    NaN counts as larger than any number.

    >>> import rushlight as torch
    >>> torch.sort(torch.tensor([3, 1, 2]), descending=True).values
    tensor([3, 2, 1])
    """
    return (_sort if stable is None else _stable_sort)(input, dim, descending, **to_out(out))


def msort(input: Any, *, out: Any = None) -> Any:
    """The elements in order along the first axis."""
    return written(sort(input, 0).values, out)


@op(batch="dim")
def argsort(input, dim=-1, descending=False, stable=False):
    """The indices that put the elements in order along an axis."""
    return _sorted(input, dim, descending)[1]


@op(
    "TopkBackward0",
    batch="dim",
    outputs=("values", "indices"),
    nondifferentiable=("indices",),
    input=lambda g, indices, input_shape, dim: put_back(g, indices, dim, input_shape),
)
def topk(input, k, dim=-1, largest=True, sorted=True):
    """The ``k`` largest elements along an axis, or the smallest, best first, and their indices.

    Raises:
        RuntimeError: a line has fewer than ``k`` elements.

    >>> import rushlight as torch
    >>> torch.topk(torch.tensor([1, 3, 2]), 2).values
    tensor([3, 2])
    """
    require_real("topk", input)
    line = axis(dim, input.ndim)
    if not 0 <= k <= (input.shape[line] if input.ndim else 1):
        raise RuntimeError(f"selected index k out of range: got {k} along dimension {dim} of shape {list(input.shape)}")
    if not input.ndim:
        return input.copy(), np.zeros((), np.int64)
    values, indices = order.top(_as_last(line, widened(input)), k, largest)
    return _in_place_of(line, values).astype(input.dtype, copy=False), _in_place_of(line, indices)


# Distinct values


def _distinct(input: Any, results: tuple, wanted: tuple) -> Any:
    tensors = tuple(wrap(np.asarray(r)) for r, w in zip(results, (True, *wanted), strict=True) if w)
    return tensors if len(tensors) > 1 else tensors[0]


def unique(
    input: Tensor,
    sorted: bool = True,
    return_inverse: bool = False,
    return_counts: bool = False,
    dim: int | None = None,
) -> Any:
    """The distinct elements in order, or the distinct slices along ``dim``.

    Args:
        sorted: they are in order either way.
        return_inverse: also where each element of the input is among them.
        return_counts: also how often each occurs.

    >>> import rushlight as torch
    >>> torch.unique(torch.tensor([2, 1, 2]), return_counts=True)
    (tensor([1, 2]), tensor([1, 2]))
    """
    x = known(input, f"{DYNAMIC} unique")
    if dim is not None:
        return _unique_slices(input, axis(dim, x.ndim), True, (return_inverse, return_counts))
    require_real("unique", x)
    flat = x.reshape(-1)
    ranked = np.argsort(widened(flat), kind="stable")
    starts = _starts(flat[ranked][:, None])
    inverse = np.empty(flat.size, np.int64)
    inverse[ranked] = np.cumsum(starts) - 1
    values = flat[ranked][starts]
    return _distinct(input, (values, inverse.reshape(x.shape), _run_lengths(starts)), (return_inverse, return_counts))


def unique_consecutive(
    input: Tensor, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """The elements, or the slices along ``dim``, without those that equal the one before.

    >>> import rushlight as torch
    >>> torch.unique_consecutive(torch.tensor([1, 1, 2, 1]))
    tensor([1, 2, 1])
    """
    wanted = (return_inverse, return_counts)
    x = known(input, f"{DYNAMIC} unique_consecutive")
    if dim is not None:
        return _unique_slices(input, axis(dim, x.ndim), False, wanted)
    flat = x.reshape(-1)
    starts = _starts(flat[:, None])
    inverse = (np.cumsum(starts) - 1).reshape(x.shape)
    return _distinct(input, (flat[starts], inverse, _run_lengths(starts)), wanted)


def _starts(rows: np.ndarray) -> np.ndarray:
    """Which rows differ from the one before."""
    starts = np.ones(len(rows), bool)
    starts[1:] = (rows[1:] != rows[:-1]).any(1)
    return starts


def _run_lengths(starts: np.ndarray) -> np.ndarray:
    return np.diff(np.append(np.flatnonzero(starts), starts.size))


def _unique_slices(input: Tensor, dim: int, in_order: bool, wanted: tuple[bool, bool]) -> Any:
    slices = np.moveaxis(input.array, dim, 0)
    if slices.size == 0 and len(slices):
        raise RuntimeError("There are 0 sized dimensions, and they aren't selected, so unique cannot be applied")
    rows = slices.reshape(len(slices), math.prod(slices.shape[1:]))
    ranked = np.lexsort(widened(rows).T[::-1]) if in_order and rows.size else np.arange(len(rows))
    starts = _starts(rows[ranked])
    inverse = np.empty(len(rows), np.int64)
    inverse[ranked] = np.cumsum(starts) - 1
    values = np.ascontiguousarray(np.moveaxis(slices[ranked][starts], 0, dim))
    return _distinct(input, (values, inverse, _run_lengths(starts)), wanted)


# Searching


def _search(boundaries: np.ndarray, values: Any, out_int32: bool, right: bool) -> np.ndarray:
    found = order.row_search(widened(boundaries), widened(np.asarray(values)), "right" if right else "left")
    return np.asarray(found, np.int32 if out_int32 else np.int64)


def _search_batch(batch: Any, sorted_sequence: Any, input: Any, *, sorter: Any = None, **options: Any) -> Any:
    ndim = sorted_sequence.array.ndim
    input = input if isinstance(input, Tensor) else wrap(np.asarray(input))
    alike = ndim == 1 and not batch.any_mapped((sorted_sequence, sorter))
    sequence, sorter = map(batch.level.lowered if alike else batch.front, (sorted_sequence, sorter))
    values = batch.flat(input) if ndim == 1 and not alike else batch.front(input)
    found = searchsorted(sequence, values, sorter=sorter, **options)
    return reshape(found, (batch.size, *input.array.shape)) if ndim == 1 else found


def _bucketize_batch(batch: Any, input: Any, boundaries: Any, **options: Any) -> Any:
    return _search_batch(batch, boundaries, input, **options)


def _isin_batch(batch: Any, elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False):
    if not batch.is_mapped(test_elements):
        lowered = batch.level.lowered(test_elements)
        return isin(batch.front(elements), lowered, assume_unique=assume_unique, invert=invert)
    elements = elements if isinstance(elements, Tensor) else wrap(np.asarray(elements))
    each = reshape(batch.front(elements), (batch.size, elements.array.size, 1))
    found = (each == unsqueeze(batch.flat(test_elements), 1)).any(-1)
    return reshape(found == (not invert), (batch.size, *elements.array.shape))


@op(batch=_search_batch)
def searchsorted(sorted_sequence, input, *, out_int32=False, right=False, side=None, sorter=None):
    """Where each element would have to be put in to keep the lines of ``sorted_sequence`` in order.

    Args:
        right: behind elements that equal it; ``side="right"`` says the same.
        sorter: the indices that put ``sorted_sequence`` in order, if it is not.

    Raises:
        RuntimeError: the shapes but the last axis differ, or ``side`` contradicts ``right``.

    >>> import rushlight as torch
    >>> torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([3, 6]))
    tensor([1, 3])
    """
    if side not in (None, "left", "right"):
        raise RuntimeError(f"torch.searchsorted(): side can only be 'left' or 'right' but got {side}")
    if side == "left" and right:
        raise RuntimeError(
            "torch.searchsorted(): side and right can't be set to opposites, got side of left while right was True"
        )
    if sorted_sequence.ndim == 0:
        raise RuntimeError(
            "torch.searchsorted(): boundaries tensor should have positive dimension, but got 0 dimension"
        )
    values = np.asarray(input)
    if sorted_sequence.ndim > 1 and sorted_sequence.shape[:-1] != values.shape[:-1]:
        raise RuntimeError(
            f"torch.searchsorted(): boundaries tensor should be 1 dimension or the first N-1 dimensions of boundaries "
            f"tensor and input value tensor must match, but we got boundaries tensor {list(sorted_sequence.shape)} and "
            f"input value tensor {list(values.shape)}"
        )
    if sorter is not None:
        if sorter.shape != sorted_sequence.shape:
            raise RuntimeError(
                f"torch.searchsorted(): boundary and sorter must have the same size, but got boundary tensor "
                f"{list(sorted_sequence.shape)} and got sorter tensor {list(sorter.shape)}"
            )
        if sorter.dtype != np.int64:
            raise RuntimeError(
                f"torch.searchsorted(): sorter must be a tensor of long dtype but got dtype {called(sorter)}"
            )
        sorted_sequence = np.take_along_axis(sorted_sequence, sorter, -1)
    return _search(sorted_sequence, values, out_int32, right or side == "right")


@op(batch=_bucketize_batch)
def bucketize(input, boundaries, *, out_int32=False, right=False):
    """The number of the interval between ``boundaries``, in increasing order, that each element lies in.

    >>> import rushlight as torch
    >>> torch.bucketize(torch.tensor([0, 2, 9]), torch.tensor([1, 5]))
    tensor([0, 1, 2])
    """
    if boundaries.ndim != 1:
        raise RuntimeError(f"boundaries tensor must be 1 dimension, but got dim({boundaries.ndim})")
    return _search(boundaries, input, out_int32, right)


@op(batch=_isin_batch)
def isin(elements, test_elements, *, assume_unique=False, invert=False):
    """Whether each element is among ``test_elements``.

    >>> import rushlight as torch
    >>> torch.isin(torch.tensor([1, 2, 3]), torch.tensor([1, 3]))
    tensor([ True, False,  True])
    """
    return np.isin(elements, test_elements, assume_unique=False, invert=invert)
