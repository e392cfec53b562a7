"""Solve Burgers' equation with a network that knows only the equation: a physics-informed network.

Shows derivatives of a network with respect to its inputs, first and second, by autograd.grad(create_graph=True); the
training then differentiates through them. The equation is

    u_t + u u_x = nu u_xx        for x in [-1, 1], t in [0, 1], nu = 0.05

with values given at t = 0 and at both ends. Its solution is a front that travels at speed 1/2,
u(x, t) = (1 - tanh((x - t/2) / (4 nu))) / 2, so the error can be printed. Method: Raissi, Perdikaris and Karniadakis,
Journal of Computational Physics 378 (2019), https://doi.org/10.1016/j.jcp.2018.10.045.

    rushlight run examples/pinn.py
    python examples/pinn.py                         # with PyTorch
    rushlight run examples/pinn.py --steps 5000
"""

from __future__ import annotations

import argparse

import torch
from torch import nn

NU = 0.05


def solution(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """The exact solution."""
    return (1 - torch.tanh((x - t / 2) / (4 * NU))) / 2


class Solution(nn.Module):
    """A network u(x, t)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1)
        )

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return self.layers(torch.cat([x, t], dim=1))


def derivative(y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """dy/dx, row by row, that can be differentiated again."""
    return torch.autograd.grad(y, x, torch.ones_like(y), create_graph=True)[0]


def residual(u: nn.Module, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """How far u is from solving the equation at each point."""
    x.requires_grad_()
    t.requires_grad_()
    value = u(x, t)
    u_x, u_t = derivative(value, x), derivative(value, t)
    return u_t + value * u_x - NU * derivative(u_x, x)


def given(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Points at which the solution is given: t = 0, x = -1 and x = 1."""
    start = torch.cat([torch.rand(count, 1) * 2 - 1, torch.zeros(count, 1)], dim=1)
    ends = torch.cat([torch.randint(0, 2, (count, 1)) * 2.0 - 1, torch.rand(count, 1)], dim=1)
    return torch.cat([start, ends]).split(1, dim=1)


def train(u: nn.Module, steps: int) -> None:
    """Make the residual and the error at the given points small, at new random points in every step."""
    optimizer = torch.optim.Adam(u.parameters(), lr=5e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    for step in range(steps):
        equation = residual(u, torch.rand(256, 1) * 2 - 1, torch.rand(256, 1)).square().mean()
        x, t = given(64)
        values = (u(x, t) - solution(x, t)).square().mean()
        loss = equation + 10 * values
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        scheduler.step()
        if step % max(1, steps // 5) == 0:
            print(f"step {step:5}  equation {equation.item():.2e}  given values {values.item():.2e}")


@torch.no_grad()
def error(u: nn.Module) -> float:
    """The error in the whole domain relative to the solution, both as root mean squares."""
    x, t = torch.meshgrid(torch.linspace(-1, 1, 101), torch.linspace(0, 1, 51), indexing="ij")
    x, t = x.reshape(-1, 1), t.reshape(-1, 1)
    exact = solution(x, t)
    return ((u(x, t) - exact).square().mean() / exact.square().mean()).sqrt().item()


def main() -> None:
    parser = argparse.ArgumentParser(description="Solve Burgers' equation with a physics-informed network.")
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    torch.manual_seed(options.seed)
    u = Solution()
    print(f"relative error before training: {error(u):.2%}")
    train(u, options.steps)
    print(f"relative error after {options.steps} steps: {error(u):.2%}")


if __name__ == "__main__":
    main()
