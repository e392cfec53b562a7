"""Fit a curve to noisy measurements by gradient descent, every step written out by hand.

Shows tensors with requires_grad, backward(), .grad and an update under no_grad(): no module, no optimizer. The
measurements come from the cubic 0.5 - 2x + 0.3x² + 1.5x³ with noise; the fit is compared with the least-squares
solution, which for a polynomial is known in closed form.

    rushlight run examples/regression.py
    python examples/regression.py                   # with PyTorch
    rushlight run examples/regression.py --steps 2000 --lr 0.1
"""

from __future__ import annotations

import argparse

import numpy as np
import torch

TRUTH = (0.5, -2.0, 0.3, 1.5)


def measure(count: int, noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Powers 1, x, x², x³ of random positions, (count, 4), and the noisy values there, (count,)."""
    x = torch.rand(count) * 2 - 1
    powers = torch.stack([x**degree for degree in range(len(TRUTH))], dim=1)
    return powers, powers @ torch.tensor(TRUTH) + noise * torch.randn(count)


def fit(powers: torch.Tensor, values: torch.Tensor, steps: int, lr: float) -> torch.Tensor:
    """Coefficients that make the mean squared error small."""
    coefficients = torch.zeros(powers.shape[1], requires_grad=True)
    for step in range(steps):
        loss = ((powers @ coefficients - values) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            coefficients -= lr * coefficients.grad
        coefficients.grad.zero_()
        if step % max(1, steps // 5) == 0:
            print(f"step {step:5}  loss {loss.item():.5f}")
    return coefficients.detach()


def main() -> None:
    parser = argparse.ArgumentParser(description="Fit a cubic to noisy measurements.")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--lr", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    powers, values = measure(count=200, noise=0.1)
    fitted = fit(powers, values, options.steps, options.lr)
    best = torch.from_numpy(np.linalg.lstsq(powers.numpy(), values.numpy())[0])

    print(f"\n{'':14} {'1':>8} {'x':>8} {'x²':>8} {'x³':>8}")
    for name, row in ("truth", TRUTH), ("fitted", fitted.tolist()), ("least squares", best.tolist()):
        print(f"{name:14} " + " ".join(f"{value:8.4f}" for value in row))
    print(f"largest distance to least squares: {(fitted - best).abs().max().item():.1e}")


if __name__ == "__main__":
    main()
