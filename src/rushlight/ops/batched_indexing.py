"""How vmap brings the axes of a batch into an order in which NumPy's indexing does what it does for each element."""

from __future__ import annotations

from typing import Any

import numpy as np

from .levels import Layered
from .promotion import raw
from .views import inverse, movedim, permute, reshape


class Arrangement:
    """How vmap indexes: the axes that have positions come first, behind the batch axis, so that they stay together.

    Attributes:
        order: of the axes of an element of the batch.
        start: where the axes of the result that stand for the positions begin; ``rank`` of them.
        others: the number of axes without positions.
    """

    def __init__(self, batch: Any, ndim: int, positions: tuple) -> None:
        chosen = [dim for dim, p in enumerate(positions) if p is not None]
        rest = [dim for dim in range(ndim) if dim not in chosen]
        self.batch, self.order, self.others = batch, chosen + rest, len(rest)
        self.start = chosen[0] if chosen == list(range(chosen[0], chosen[-1] + 1)) else 0
        self.given = [positions[dim] for dim in chosen]
        self.rank = max(raw(p).ndim for p in self.given)
        self.differ = batch.any_mapped(self.given)

    def positions(self, numbered: bool) -> tuple:
        """The positions, with those of the elements of the batch before them if these are to be ``numbered``."""
        if not self.differ:
            found = [self.batch.level.lowered(p) for p in self.given]
            lead: list = [None]
        else:
            found = [self.batch.aligned(p, self.rank) for p in self.given]
            lead = [np.arange(self.batch.size).reshape(-1, *(1,) * self.rank)]
        plain = [raw(p).copy() if not isinstance(p, Layered) else p for p in found]
        return (*lead, *plain) if numbered else tuple(plain)

    def arranged(self, whole: Any, lead: int) -> Any:
        """A tensor with its axes in order, ``lead`` batch axes before them."""
        if self.order == sorted(self.order):
            return whole
        return permute(whole, (*range(lead), *(dim + lead for dim in self.order)))

    def back(self, whole: Any) -> Any:
        """A batch whose axes are in order with them where they were."""
        return whole if self.order == sorted(self.order) else permute(whole, inverse((0, *(d + 1 for d in self.order))))

    def result(self, out: Any) -> Any:
        """What was read, its axes where indexing puts them."""
        block = range(1, 1 + self.rank)
        return movedim(out, tuple(block), tuple(i + self.start for i in block)) if self.start and self.rank else out

    def values(self, values: Any) -> Any:
        """Values to be written, their axes in the order of what is written to."""
        rank, shape = self.rank + self.others, values.array.shape
        lead = int(self.batch.is_mapped(values))
        shape = (1,) * (rank - len(shape)) + shape[max(len(shape) - rank, 0) :]
        inner = self.batch.level.lowered(values)
        inner = reshape(inner, (self.batch.size, *shape) if lead else shape)
        block = range(lead, lead + self.rank)
        return movedim(inner, tuple(i + self.start for i in block), tuple(block)) if self.start and self.rank else inner
