"""Training steps, each written once as a function of the library: the same code runs in Rushlight and in PyTorch.

A builder makes model, data and optimizer from fixed seeds and returns the step (forward, backward, optimizer), which
returns its loss.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Step = Callable[[], Any]


def training(torch: Any, model: Any, loss: Callable[[], Any], optimizer: str = "Adam", lr: float = 1e-3) -> Step:
    """The step that minimizes a loss over the parameters of a model."""
    chosen = getattr(torch.optim, optimizer)(model.parameters(), lr=lr)

    def step() -> Any:
        chosen.zero_grad()
        value = loss()
        value.backward()
        chosen.step()
        return value

    return step


def normal(torch: Any, *shape: int) -> Any:
    """Normally distributed data, the same in both libraries."""
    return torch.tensor(np.random.default_rng(0).standard_normal(shape).astype("float32"))


def labels(torch: Any, classes: int, *shape: int) -> Any:
    """Class numbers, the same in both libraries."""
    return torch.tensor(np.random.default_rng(1).integers(0, classes, shape))


def regression(torch: Any) -> Step:
    """Linear regression by hand."""
    x, y = normal(torch, 64, 3), normal(torch, 64)
    w, b = torch.zeros(3, requires_grad=True), torch.zeros((), requires_grad=True)

    def step() -> Any:
        loss = ((x @ w + b - y) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            for parameter in (w, b):
                parameter -= 0.1 * parameter.grad
                parameter.grad.zero_()
        return loss

    return step


def mlp(torch: Any, sizes: list[int], batch: int) -> Step:
    """A multi-layer perceptron that classifies."""
    nn = torch.nn
    torch.manual_seed(0)
    layers: list[Any] = []
    for fan_in, fan_out in zip(sizes, sizes[1:]):
        layers += [nn.Linear(fan_in, fan_out), nn.ReLU()]
    model = nn.Sequential(*layers[:-1])
    x, y, loss = normal(torch, batch, sizes[0]), labels(torch, sizes[-1], batch), nn.CrossEntropyLoss()
    return training(torch, model, lambda: loss(model(x), y))


def cnn(torch: Any, batch: int) -> Step:
    """A convolutional network in the manner of LeNet."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(800, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    )
    x, y = normal(torch, batch, 1, 28, 28), labels(torch, 10, batch)
    return training(torch, model, lambda: torch.nn.functional.cross_entropy(model(x), y))


def resnet(torch: Any, batch: int) -> Step:
    """A residual network with batch normalization: three stages of one block on pictures of 32 by 32."""
    nn, F = torch.nn, torch.nn.functional

    class Block(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
            self.norm1 = nn.BatchNorm2d(after)
            self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
            self.norm2 = nn.BatchNorm2d(after)
            projection = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
            self.shortcut = nn.Identity() if before == after and stride == 1 else projection

        def forward(self, x: Any) -> Any:
            y = F.relu(self.norm1(self.conv1(x)))
            return F.relu(self.norm2(self.conv2(y)) + self.shortcut(x))

    torch.manual_seed(0)
    model = nn.Sequential(
        *(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
        *(Block(16, 16, 1), Block(16, 32, 2), Block(32, 64, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10)),
    )
    x, y = normal(torch, batch, 3, 32, 32), labels(torch, 10, batch)
    return training(torch, model, lambda: F.cross_entropy(model(x), y), "SGD")


def gpt(torch: Any, batch: int, width: int = 128, depth: int = 4, heads: int = 4, length: int = 64) -> Step:
    """A transformer that predicts the next of 65 characters."""
    nn, F, letters = torch.nn, torch.nn.functional, 65

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            queries = self.qkv(self.norm1(x)).view(*x.shape[:2], 3, heads, -1).permute(2, 0, 3, 1, 4)
            mixed = F.scaled_dot_product_attention(*queries.unbind(0), is_causal=True)
            x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
            return x + self.mlp(self.norm2(x))

    class GPT(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.letters, self.places = nn.Embedding(letters, width), nn.Embedding(length, width)
            self.blocks = nn.Sequential(*(Block() for _ in range(depth)))
            self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, letters)

        def forward(self, text: Any) -> Any:
            x = self.letters(text) + self.places(torch.arange(length))
            return self.head(self.norm(self.blocks(x)))

    torch.manual_seed(0)
    model, text = GPT(), labels(torch, letters, batch, length + 1)
    x, y = text[:, :-1].contiguous(), text[:, 1:].reshape(-1)
    return training(torch, model, lambda: F.cross_entropy(model(x).view(-1, letters), y), "AdamW")


def recurrent(torch: Any, layer: str, batch: int, length: int = 50) -> Step:
    """An LSTM or GRU of 32 inputs and 64 units, whose states a linear layer maps to a number each."""
    nn = torch.nn
    torch.manual_seed(0)
    rnn, head = getattr(nn, layer)(32, 64, batch_first=True), nn.Linear(64, 1)
    x, y = normal(torch, batch, length, 32), normal(torch, batch, length, 1)
    return training(torch, nn.ModuleList([rnn, head]), lambda: nn.functional.mse_loss(head(rnn(x)[0]), y))


def pinn(torch: Any, points: int) -> Step:
    """A physics-informed network: the residual of Burgers' equation, which has a second derivative."""
    nn = torch.nn
    torch.manual_seed(0)
    layers = (nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh())
    model = nn.Sequential(*layers, nn.Linear(64, 1))
    x, t = (column.clone().requires_grad_() for column in normal(torch, points, 2).split(1, dim=1))

    def derivatives(value: Any, *inputs: Any) -> Any:
        return torch.autograd.grad(value, inputs, torch.ones_like(value), create_graph=True)

    def loss() -> Any:
        u = model(torch.cat([x, t], dim=1))
        u_x, u_t = derivatives(u, x, t)
        (u_xx,) = derivatives(u_x, x)
        return ((u_t + u * u_x - 0.01 * u_xx) ** 2).mean()

    return training(torch, model, loss)


def vae(torch: Any, batch: int) -> Step:
    """A variational autoencoder 784-400-20."""
    nn, F = torch.nn, torch.nn.functional
    torch.manual_seed(0)
    encoder = nn.Sequential(nn.Linear(784, 400), nn.ReLU(), nn.Linear(400, 40))
    decoder = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())
    x = normal(torch, batch, 784).sigmoid()

    def loss() -> Any:
        mean, log_variance = encoder(x).chunk(2, dim=1)
        sample = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
        divergence = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return F.binary_cross_entropy(decoder(sample), x, reduction="sum") + divergence

    return training(torch, nn.ModuleList([encoder, decoder]), loss)


def factorization(torch: Any, batch: int) -> Step:
    """A matrix of 2000 users and 1000 items as a product of embeddings."""
    nn = torch.nn
    torch.manual_seed(0)
    users, items = nn.Embedding(2000, 32), nn.Embedding(1000, 32)
    user, item, rating = labels(torch, 2000, batch), labels(torch, 1000, batch), normal(torch, batch)

    def loss() -> Any:
        return nn.functional.mse_loss((users(user) * items(item)).sum(dim=1), rating)

    return training(torch, nn.ModuleList([users, items]), loss)


MODELS: dict[str, Callable[[Any], Step]] = {
    "linear regression by hand": regression,
    "digits: MLP 64-128-10, batch 64": lambda torch: mlp(torch, [64, 128, 10], 64),
    "MLP 784-128-64-10, batch 32": lambda torch: mlp(torch, [784, 128, 64, 10], 32),
    "MLP 784-128-64-10, batch 256": lambda torch: mlp(torch, [784, 128, 64, 10], 256),
    "MLP 1024³, batch 512": lambda torch: mlp(torch, [1024] * 4, 512),
    "CNN like LeNet, batch 64": lambda torch: cnn(torch, 64),
    "ResNet with batch norm, batch 32": lambda torch: resnet(torch, 32),
    "GPT, batch 16": lambda torch: gpt(torch, 16),
    "LSTM, batch 16": lambda torch: recurrent(torch, "LSTM", 16),
    "GRU, batch 16": lambda torch: recurrent(torch, "GRU", 16),
    "physics-informed network": lambda torch: pinn(torch, 1024),
    "VAE 784-400-20, batch 128": lambda torch: vae(torch, 128),
    "matrix factorization, batch 1024": lambda torch: factorization(torch, 1024),
}
