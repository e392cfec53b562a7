"""Gradients of every sample of a batch: vmap of grad beside PyTorch's, and beside a loop over the samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .timing import Options, compare, report, use_threads

BATCH = 64


def mlp(nn: Any) -> tuple[Any, tuple[int, ...]]:
    """A small multi-layer perceptron, and the shape of a sample."""
    return nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10)), (64,)


def cnn(nn: Any) -> tuple[Any, tuple[int, ...]]:
    """A small convolutional network, and the shape of a sample."""
    features = (nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2))
    return nn.Sequential(*features, nn.Flatten(), nn.Linear(64, 10)), (1, 14, 14)


def per_sample(torch: Any, build: Callable, loop: bool) -> Callable[[], list]:
    """Work that gives the gradients of each sample."""
    torch.manual_seed(0)
    model, shape = build(torch.nn)
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.standard_normal((BATCH, *shape)).astype("float32"))
    y = torch.tensor(rng.integers(0, 10, BATCH))
    params = {name: value.detach() for name, value in model.named_parameters()}

    def loss(params: Any, x: Any, y: Any) -> Any:
        scores = torch.func.functional_call(model, params, (x.unsqueeze(0),))
        return torch.nn.functional.cross_entropy(scores, y.unsqueeze(0))

    gradient = torch.func.grad(loss)

    def one_by_one() -> list:
        return [gradient(params, x[i], y[i]) for i in range(BATCH)]

    batched = torch.func.vmap(gradient, (None, 0, 0))
    return one_by_one if loop else lambda: [batched(params, x, y)]


MODELS = {"MLP 64-128-10": mlp, "CNN of two convolutions": cnn}


def main(options: Options) -> None:
    """Print the tables; one thread each, because those of small products wait for each other on a busy machine."""
    import torch

    import rushlight

    usual = torch.get_num_threads(), rushlight.get_num_threads()
    use_threads(1)
    libraries = (rushlight, torch)
    beside = [compare(options, n, *(per_sample(t, m, False) for t in libraries)) for n, m in MODELS.items()]
    report(f"Per-sample gradients by vmap, batch {BATCH}", beside)
    for name, library in (("Rushlight", rushlight), ("PyTorch", torch)):
        for title, model in MODELS.items():
            fast, slow = per_sample(library, model, False), per_sample(library, model, True)
            row = compare(options, title, fast, slow, rounds=7)
            print(f"{name}, {title}: a loop over the samples takes {row.ratio:.1f} times as long")
    torch.set_num_threads(usual[0])
    rushlight.set_num_threads(usual[1])
