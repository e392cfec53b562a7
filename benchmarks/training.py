"""Whole training steps: forward, backward and optimizer of small models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .timing import Comparison, compare, report


def mlp(torch: Any, sizes: list[int], batch: int, optimizer: str = "Adam", lr: float = 1e-3) -> Callable[[], None]:
    """A step of a multi-layer perceptron with cross-entropy."""
    nn = torch.nn
    torch.manual_seed(0)
    layers: list[Any] = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    step = getattr(torch.optim, optimizer)(model.parameters(), lr=lr)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((batch, sizes[0])).astype("float32"))
    y = torch.tensor(rng.integers(0, sizes[-1], batch))
    loss_fn = nn.CrossEntropyLoss()

    def work() -> None:
        step.zero_grad()
        loss_fn(model(x), y).backward()
        step.step()

    return work


def regression(torch: Any) -> Callable[[], None]:
    """A step of linear regression by hand."""
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((64, 3)).astype("float32"))
    y = torch.tensor(rng.standard_normal(64).astype("float32"))
    w, b = torch.zeros(3, requires_grad=True), torch.zeros((), requires_grad=True)

    def work() -> None:
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for parameter in (w, b):
                parameter -= 0.1 * parameter.grad
                parameter.grad.zero_()

    return work


STEPS: dict[str, Callable[[Any], Callable[[], None]]] = {
    "linear regression by hand": regression,
    "digits: MLP 64-128-10, batch 64": lambda torch: mlp(torch, [64, 128, 10], 64),
    "MLP 784-128-64-10, batch 32": lambda torch: mlp(torch, [784, 128, 64, 10], 32),
    "MLP 784-128-64-10, batch 256": lambda torch: mlp(torch, [784, 128, 64, 10], 256),
}


def comparisons() -> Iterator[Comparison]:
    """Each step in both libraries."""
    import torch

    import rushlight

    for name, build in STEPS.items():
        yield compare(name, build(rushlight), build(torch), round_seconds=0.05)


def main() -> None:
    """Print the table."""
    report("Training steps", comparisons())
