"""Read handwritten digits: a small convolutional network, trained in seconds on 1797 real images.

Shows nn.Module, DataLoader, Adam, a learning-rate schedule, and a picture of what was learnt.

    rushlight run examples/digits.py                # with Rushlight: python -m rushlight run does the same
    python examples/digits.py                       # with PyTorch, unmodified and to the same numbers
    rushlight run examples/digits.py --epochs 5 --seed 1 --out digits.png
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset, random_split
from tqdm import tqdm

HERE = Path(__file__).resolve().parent
BLUE, ORANGE, RED, GREY = "#2f6db3", "#e08a1e", "#c62f2f", "#555555"


class DigitNet(nn.Module):
    """Two convolutions and a linear layer: (N, 8, 8) images to (N, 10) logits."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.4), nn.Linear(32 * 4 * 4, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(images.unsqueeze(1)))


def load() -> TensorDataset:
    """The images, scaled to 0..1, and their labels."""
    with np.load(HERE / "data" / "digits.npz") as data:
        images = torch.from_numpy(data["images"]).float() / 16
        labels = torch.from_numpy(data["labels"]).long()
    return TensorDataset(images, labels)


def train(model: nn.Module, data: Dataset, epochs: int) -> list[float]:
    """Train and return the loss of every step."""
    loader = DataLoader(data, batch_size=64, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    losses = []
    model.train()
    with tqdm(total=epochs * len(loader), unit="step") as progress:
        for epoch in range(1, epochs + 1):
            progress.set_description(f"epoch {epoch:2}/{epochs}")
            for images, labels in loader:
                loss = F.cross_entropy(model(images), labels)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(loss.item())
                progress.set_postfix(loss=f"{losses[-1]:.4f}", refresh=False)
                progress.update()
            scheduler.step()
    return losses


@torch.no_grad()
def predict(model: nn.Module, data: Dataset) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Images, labels and predicted labels of a whole data set."""
    model.eval()
    images, labels = next(iter(DataLoader(data, batch_size=len(data))))
    return images, labels, model(images).argmax(dim=1)


def draw(path: Path, losses: list[float], steps_per_epoch: int, result: tuple[torch.Tensor, ...]) -> None:
    """Write the picture: the loss on the left, held-out digits with predictions on the right."""
    images, labels, predicted = (tensor.numpy() for tensor in result)
    figure = Figure(figsize=(12, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(5, 6))
    draw_losses(left, losses, steps_per_epoch)

    rows, columns = 4, 8
    wrong = np.flatnonzero(predicted != labels)[:columns]
    shown = np.concatenate([np.flatnonzero(predicted == labels)[: rows * columns - len(wrong)], wrong])
    hits = int((predicted == labels).sum())
    right.suptitle(f"{hits} of {len(labels)} held-out digits read correctly ({hits / len(labels):.1%})")
    right.supxlabel("above each digit: what the network reads; in red, what it misread", fontsize="small", color=GREY)
    for axes, index in zip(right.subplots(rows, columns).flat, shown, strict=False):
        guess, truth = predicted[index], labels[index]
        axes.imshow(images[index], cmap="gray_r", vmin=0, vmax=1)
        axes.set_title(
            str(guess) if guess == truth else f"{guess}, is {truth}", fontsize=10, color=GREY if guess == truth else RED
        )
        axes.set(xticks=[], yticks=[])
        for spine in axes.spines.values():
            spine.set_color("#dddddd" if guess == truth else RED)

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


def draw_losses(figure: Figure, losses: list[float], steps_per_epoch: int) -> None:
    """Plot the loss of every step and the mean of every epoch."""
    axes = figure.subplots()
    epochs = np.arange(1, len(losses) + 1) / steps_per_epoch
    means = np.reshape(losses, (-1, steps_per_epoch)).mean(axis=1)
    axes.semilogy(epochs, losses, color=BLUE, alpha=0.35, linewidth=1, label="each step")
    axes.semilogy(np.arange(len(means)) + 0.5, means, color=ORANGE, linewidth=2, marker="o", label="mean of the epoch")
    axes.set(title="Training loss", xlabel="epoch", ylabel="cross-entropy", xlim=(0, epochs[-1]))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.grid(axis="y", color="#eeeeee")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)


def main() -> None:
    parser = argparse.ArgumentParser(description="Train a network to read handwritten digits.")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=HERE / "output" / "digits.png", help="where the picture goes")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error("--epochs must be at least 1")

    torch.manual_seed(options.seed)
    data = load()
    held_out = len(data) // 5
    training, test = random_split(data, [len(data) - held_out, held_out])
    model = DigitNet()
    print(f"{len(training)} images to learn from, {held_out} held out; ", end="")
    print(f"{sum(p.numel() for p in model.parameters())} parameters")

    start = time.perf_counter()
    losses = train(model, training, options.epochs)
    seconds = time.perf_counter() - start
    images, labels, predicted = predict(model, test)
    hits = (predicted == labels).sum().item()
    print(f"test accuracy: {hits / held_out:.2%} ({hits} of {held_out}), trained in {seconds:.1f} s")

    draw(options.out, losses, len(losses) // options.epochs, (images, labels, predicted))
    print(f"picture: {options.out}")


if __name__ == "__main__":
    main()
