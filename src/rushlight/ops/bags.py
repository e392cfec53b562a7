"""Bags of embeddings: rows of a table looked up and reduced together."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .. import dtypes, ops
from ..autograd.modes import no_grad
from ..tensor import Tensor, wrap
from .define import op
from .embeddings import renormalise, rows_of
from .levels import everything

__all__: list[str] = []


def embedding_bag(
    input: Tensor, weight: Tensor, offsets: Tensor | None = None, max_norm: float | None = None, norm_type: float = 2,
    scale_grad_by_freq: bool = False, mode: str = "mean", sparse: bool = False,
    per_sample_weights: Tensor | None = None, include_last_offset: bool = False, padding_idx: int | None = None,
) -> Tensor:  # fmt: skip
    """The rows of ``weight`` that the numbers in ``input`` name, reduced in bags.

    Args:
        input: the numbers, (B, N) for B bags of N, or (N) in one row.
        offsets: where in one row the bags begin, (B).
        mode: "sum", "mean" or "max"; a bag without rows gives zeros.
        per_sample_weights: factors of the rows, of the input's shape, for "sum".
        include_last_offset: the last of ``offsets`` is where the last bag ends.
        padding_idx: a row that no bag counts.

    Returns:
        One row for each bag, (B, D). The other arguments are those of `embedding`.

    Raises:
        ValueError: input, offsets, weights and mode do not fit together.

    >>> import rushlight as torch
    >>> rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([0, 1, 1]), rows, torch.tensor([0, 2]), mode="sum")
    tensor([[4., 6.],
            [3., 4.]])
    """
    if weight.dtype == dtypes.int64 and input.is_floating_point():
        warnings.warn("embedding_bag takes the numbers first, then the table: (input, weight, ...)", stacklevel=2)
        weight, input = input, weight
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if weight.dim() != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}")
    starts = _starts(input, offsets, include_last_offset)
    _check_mode(mode, scale_grad_by_freq, sparse, per_sample_weights)
    indices = input.reshape(-1)
    if max_norm is not None:
        with no_grad():
            renormalise(weight, indices, max_norm, norm_type)
    padding = -1 if padding_idx is None else padding_idx % weight.shape[0]
    bags, sizes = _bags(indices, starts, padding, weight.array.dtype)
    rows = rows_of(weight, indices, scale_grad_by_freq=scale_grad_by_freq)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1).unsqueeze(-1)
    return _reduced(rows, bags, sizes, mode, padding >= 0)


def _starts(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> Tensor:
    """Where each bag begins in the row of all numbers."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        return wrap(np.arange(input.shape[0]) * input.shape[1])
    if input.dim() != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}")
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    starts = everything(offsets)
    if starts.size and starts[..., 0].any():
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. However, "
            f"got {starts[..., 0].max()}"
        )
    if starts.size and starts[..., -1].max() > input.numel():
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {input.numel()} but got offsets[-1] of "
            f"{starts[..., -1].max()}"
        )
    return offsets[:-1] if include_last_offset else offsets


def _check_mode(mode: str, scale_grad_by_freq: bool, sparse: bool, per_sample_weights: Tensor | None) -> None:
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if mode != "sum" and per_sample_weights is not None:
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}')."
        )


def _bags_for_each(batch: Any, indices: Any, starts: Any, padding: int, dtype: Any) -> list:
    """vmap: the bags of all elements one after the other."""
    indices, starts = batch.front(indices), batch.front(starts)
    (size, length), count = indices.shape, starts.shape[1]
    before = wrap(np.arange(size)[:, None])
    flat = indices.flatten(), (starts + before * length).flatten(), padding, dtype
    bags, sizes = (x.unflatten(0, (size, -1)) for x in batch.perform(flat, {}))
    return [ops.where(bags == size * count, count, bags - before * count), sizes]


@op(outputs=("bags", "sizes"), batch=_bags_for_each)
def _bags(indices, starts, padding, dtype):
    """The bag of each number, a spare one for the padding; and how many numbers there are in each bag."""
    bags = np.searchsorted(starts, np.arange(indices.size), "right") - 1
    if padding >= 0:
        bags[indices == padding] = starts.size
    return bags, np.bincount(bags, minlength=starts.size)[: starts.size].astype(dtype)


def _reduced(rows: Tensor, bags: Tensor, sizes: Tensor, mode: str, spare: bool) -> Tensor:
    """The rows of each bag reduced; there may be a spare bag of those that are not counted."""
    if mode == "max" and rows.numel():
        largest = _largest(rows.detach(), bags, sizes.shape[0])
        return rows.gather(0, largest).masked_fill(ops.eq(sizes, 0).unsqueeze(-1), 0)
    sums = ops.zeros(sizes.shape[0] + spare, rows.shape[1], dtype=rows.dtype).index_add(0, bags, rows)
    sums = sums[:-1] if spare else sums
    return sums / sizes.clamp(min=1).unsqueeze(-1) if mode == "mean" else sums


def _largest_for_each(batch: Any, rows: Any, bags: Any, count: int) -> Any:
    rows, bags = batch.front(rows), batch.front(bags)
    size, length = rows.shape[:2]
    before = wrap(np.arange(size)[:, None])
    flat = ops.where(bags == count, size * count, bags + before * count).flatten()
    places = batch.perform((rows.flatten(0, 1), flat, size * count), {}).unflatten(0, (size, count))
    return (places - (before * length).unsqueeze(-1)).clamp(min=0)


@op(batch=_largest_for_each)
def _largest(rows, bags, count):
    """The places of each bag's largest elements, the first for a bag without rows."""
    counted = np.flatnonzero(bags < count)
    starts = np.searchsorted(bags[counted], np.arange(count + 1))
    places = np.zeros((count, rows.shape[1]), np.int64)
    all_counted = counted.size == bags.size
    rows = rows if all_counted else rows[counted]
    for bag, (start, stop) in enumerate(zip(starts[:-1], starts[1:])):
        if start < stop:
            places[bag] = start + rows[start:stop].argmax(0)
    return places if all_counted or not counted.size else counted[places]
