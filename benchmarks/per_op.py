"""The cost of one small operation: forward and backward of chains on 3-element and 0-dim tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .timing import Comparison, Options, compare, report

LENGTH = 50


def mul(torch: Any) -> Callable[[], None]:
    x, y = (torch.tensor(values, requires_grad=True) for values in ([0.5, 1.5, -0.7], [0.9, 1.1, -1.0]))

    def work() -> None:
        z = x
        for _ in range(LENGTH):
            z = z * y
        z.sum().backward()

    return work


def tanh(torch: Any) -> Callable[[], None]:
    x = torch.tensor([0.5, 1.5, -0.7], requires_grad=True)

    def work() -> None:
        z = x
        for _ in range(LENGTH):
            z = z.tanh()
        z.sum().backward()

    return work


def add_scalar(torch: Any) -> Callable[[], None]:
    x = torch.tensor([0.5, 1.5, -0.7], requires_grad=True)

    def work() -> None:
        z = x
        for _ in range(LENGTH):
            z = z + 1.5
        z.sum().backward()

    return work


def zero_dim(torch: Any) -> Callable[[], None]:
    x, a, b = (torch.tensor(value, requires_grad=True) for value in (0.5, 0.9, 0.1))

    def work() -> None:
        z = x
        for _ in range(LENGTH // 2):
            z = z * a + b
        z.backward()

    return work


def wide_sum(torch: Any) -> Callable[[], None]:
    leaves = [torch.tensor(row.tolist(), requires_grad=True) for row in np.linspace(-1, 1, 3 * LENGTH).reshape(-1, 3)]

    def work() -> None:
        z = leaves[0]
        for leaf in leaves[1:]:
            z = z + leaf
        z.sum().backward()

    return work


CHAINS = {
    "z * y": mul,
    "z.tanh()": tanh,
    "z + 1.5": add_scalar,
    "0-dim z * a + b": zero_dim,
    "sum of 50 leaves": wide_sum,
}


def comparisons(options: Options) -> Iterator[Comparison]:
    """Each chain in both libraries."""
    import torch

    import rushlight

    for name, chain in CHAINS.items():
        if options.wants(name):
            yield compare(options, name, chain(rushlight), chain(torch))


def main(options: Options) -> None:
    """Print the table."""
    report(f"One small operation, forward + backward (chains of {LENGTH})", comparisons(options), per=LENGTH)
