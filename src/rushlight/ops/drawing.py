"""Random numbers inside of vmap: drawn once for the whole batch, or for each of its elements.

Which of the two the vmap that was opened last says by its ``randomness``, or refuses. What it draws is in turn the
matter of the vmaps around it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from ..tensor import Tensor, wrap
from .batching import Batch, BatchLevel, batched
from .define import inplace, op
from .levels import Layered, below, mapped, open_levels
from .views import expand, reshape


def innermost() -> BatchLevel | None:
    """The vmap that was opened last of those that are open."""
    return next((level for level in reversed(open_levels.get()) if isinstance(level, BatchLevel)), None)


def check_random(level: BatchLevel, differs: bool = False) -> None:
    """Refuse a random operation that a vmap does not allow; ``differs``: its operands do along the batch.

    Raises:
        RuntimeError: "error" is its randomness; or it is "same", and what decides about the numbers differs.
    """
    if level.randomness == "error":
        raise RuntimeError(
            "vmap: called random operation while in randomness error mode. Please either use the 'same' or 'different' "
            "randomness flags on vmap or perform the randomness operation out of vmap"
        )
    if level.randomness == "same" and differs:
        raise RuntimeError(
            "Vmap does not currently support same randomness with a batched tensor input: its draws would differ. Use "
            "randomness='different', or draw outside of vmap."
        )


def drawn(like: np.ndarray, draw: Callable[[np.ndarray], np.ndarray]) -> Tensor:
    """What ``draw`` gives for an array of this shape and type."""
    level = innermost() if open_levels.get() else None
    if level is None:
        return wrap(draw(like))
    check_random(level)
    with below(level):
        if level.randomness == "same":
            return batched(level, drawn(like, draw), False)
        return batched(level, drawn(np.empty((level.size, *like.shape), like.dtype), draw))


def sampled(name: str | None = None, rule: Callable | None = None, fills: bool = False, **options: Any) -> Callable:
    """Declare an operation on tensors that draws random numbers.

    Args:
        name: of its node, see `define.op`, which takes ``options``.
        rule: how it is done where each element of a batch has draws of its own; by default all at once.
        fills: its first operand is a tensor to be filled, on whose values the numbers do not depend.
    """
    draw = rule or for_all

    def declare(compute: Callable) -> Callable:
        def carried_out(batch: Batch, *args: Any, **kwargs: Any) -> Any:
            check_random(batch.level, batch.any_mapped((args[1:] if fills else args, kwargs)))
            batch.perform = lambda args, kwargs: call(*args, **kwargs)
            if batch.level.randomness == "different":
                return draw(batch, *args, **kwargs)
            out = call(*(batch.element(x, 0) if isinstance(x, Tensor) else x for x in args), **kwargs)
            return expand(out, (batch.size, *out.array.shape))

        operation = op(name, random=True, batch=carried_out, **options)(compute)

        @functools.wraps(compute)
        def call(*args: Any, **kwargs: Any) -> Any:
            level = innermost() if open_levels.get() else None
            if level is not None:
                args = tuple(lifted(level, x) if isinstance(x, Tensor) else x for x in args)
            return operation(*args, **kwargs)

        call.op = operation.op  # type: ignore[attr-defined]
        return call

    return declare


def lifted(level: BatchLevel, tensor: Tensor) -> Tensor:
    """A tensor of a lower level as one of this."""
    return tensor if isinstance(tensor, Layered) and tensor.level.number >= level.number else level.lift(tensor)


def for_all(batch: Batch, *args: Any, **kwargs: Any) -> Any:
    """Draws for each element of each operand, aligned behind the batch axis."""
    rank = max(x.array.ndim for x in args if isinstance(x, Tensor))

    def whole(x: Tensor) -> Tensor:
        shape = x.array.shape
        return reshape(batch.front(x), (batch.size, *(1,) * (rank - len(shape)), *shape))

    return batch.perform(mapped(whole, args), kwargs)


def filling(operation: Callable) -> Callable:
    """The in-place form of an operation that fills a tensor."""
    fill = inplace(operation)

    def method(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        level = innermost() if open_levels.get() else None
        if level is None:
            return fill(self, *args, **kwargs)
        others = any(map(level.is_mapped, args))
        check_random(level, others)
        if level.randomness == "different" and not level.is_mapped(self):
            raise RuntimeError(unbatched(fill.__name__, others))
        if isinstance(self, Layered):
            return fill(self, *args, **kwargs)
        with below(level):
            return method(self, *mapped(level.lowered, args), **kwargs)

    return method


def unbatched(name: str, others: bool) -> str:
    """The words that refuse to fill a tensor with other numbers for each element of a batch, which it does not have."""
    if others:
        return (
            f"vmap: inplace {name.strip('_')}(self, *extra_args) is not possible because there exists a Tensor `other` "
            "in extra_args that has more elements than `self`. This happened due to `other` being vmapped over but "
            "`self` not being vmapped over in a vmap. Use the out-of-place form of the operation instead."
        )
    return (
        "vmap: Cannot ask for different inplace randomness on an unbatched tensor. This will appear like same "
        "randomness. Draw out of place, or make a tensor with the batch, for example by zeros_like."
    )
