"""Batching rules that several families of operations share, for ``batch=`` in their declarations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .levels import DYNAMIC, dynamic, mapped
from .promotion import raw


def of_last_axes(rank: int) -> Callable:
    """The rule of operations on the last ``rank`` axes of their tensors, which take any number of axes before them."""

    def rule(batch: Any, *args: Any, **kwargs: Any) -> Any:
        refuse_scalars(batch, rank, args, kwargs)
        return batch.perform(mapped(batch.front, args), mapped(batch.front, kwargs))

    return rule


def refuse_scalars(batch: Any, rank: int, args: tuple, kwargs: dict) -> None:
    """Raise what the operation raises for a tensor of fewer than ``rank`` axes."""
    spec = batch.spec
    if raw(spec.values(args, kwargs)[0]).ndim < rank:
        spec.evaluate([raw(value) for value in args], {key: raw(value) for key, value in kwargs.items()})


def no_axis() -> IndexError:
    """vmap's error for an operation along an axis of tensors that have none in each element of the batch."""
    return IndexError("Dimension out of range (expected to be in range of [-1, 0], but got 1)")


def refused(batch: Any, *args: Any, **kwargs: Any) -> Any:
    """The rule of operations whose results have a shape that depends on values."""
    raise dynamic(f"{DYNAMIC} {batch.spec.name}")


def merged(batch: Any, *args: Any, **kwargs: Any) -> Any:
    """The rule of operations that take a batch axis of their own first: both as one."""
    from .views import flatten, unflatten

    first = raw(batch.spec.values(args, kwargs)[0]).shape[0]
    joined = lambda x: flatten(batch.front(x), 0, 1)  # noqa: E731
    outs = batch.perform(mapped(joined, args), mapped(joined, kwargs))
    parted = lambda x: unflatten(x, 0, (batch.size, first))  # noqa: E731
    return mapped(parted, outs if not isinstance(outs, tuple) else list(outs))
