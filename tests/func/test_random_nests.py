"""Random functions under random nests of transformations agree with PyTorch.

``python -m tests.func.test_random_nests 5000`` runs that many, from the first or the one given next.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import torch.func

import rushlight
import rushlight.func

STEPS: dict[str, Callable[[ModuleType, Any], Any]] = {
    "sin": lambda t, x: x.sin(),
    "tanh": lambda t, x: x.tanh(),
    "square": lambda t, x: x * x,
    "softmax": lambda t, x: x.softmax(-1),
    "sum": lambda t, x: x.sum(0),
    "mean": lambda t, x: x.mean(),
    "cumsum": lambda t, x: x.cumsum(0),
    "flip": lambda t, x: x.flip(0),
    "transposed": lambda t, x: x.t() if x.dim() == 2 else x,
    "flat": lambda t, x: x.reshape(-1),
    "unsqueezed": lambda t, x: x.unsqueeze(-1),
    "squeezed": lambda t, x: x.squeeze(),
    "first": lambda t, x: x[0],
    "rest": lambda t, x: x[1:] if x.shape[0] > 1 else x,
    "max": lambda t, x: x.max(0)[0],
    "sort": lambda t, x: x.sort(-1)[0],
    "norm": lambda t, x: (x * x + 1).sum().sqrt(),
    "clamp": lambda t, x: x.clamp(-0.8, 0.8),
    "relu": lambda t, x: x.relu(),
    "index": lambda t, x: x[[0, 0]],
    "cat": lambda t, x: t.cat([x, x * 2]),
    "stack": lambda t, x: t.stack([x, x.cos()]),
    "product": lambda t, x: x @ x.t() if x.dim() == 2 else x,
    "where": lambda t, x: t.where(x > 0, x, x * 0.5),
    "gelu": lambda t, x: t.nn.functional.gelu(x),
    "logsumexp": lambda t, x: x.logsumexp(-1),
    "var": lambda t, x: x.var(0, unbiased=False),
    "prod": lambda t, x: x.prod(0),
    "expand": lambda t, x: x.expand(2, *x.shape) if x.dim() < 3 else x,
    "detached": lambda t, x: x.detach() * x,
    "roll": lambda t, x: x.roll(1, 0),
    "tril": lambda t, x: x.tril() if x.dim() == 2 else x,
    "diagonal": lambda t, x: x.diagonal() if x.dim() == 2 else x,
    "log_softmax": lambda t, x: x.log_softmax(0),
    "gather": lambda t, x: x.gather(0, t.zeros(x.shape, dtype=t.int64)),
    "pad": lambda t, x: t.nn.functional.pad(x, (1, 0)),
    "einsum": lambda t, x: t.einsum("ij,kj->ik", x, x) if x.dim() == 2 else x,
    "minimum": lambda t, x: t.minimum(x, x.cos()),
    "split": lambda t, x: sum(part.sum() for part in x.split(1)),
    "add_": lambda t, x: x.clone().add_(x.sin()),
    "turned_mul_": lambda t, x: x.transpose(0, -1).clone().mul_(x.transpose(0, -1)),
    "turned_row": lambda t, x: changed(x.transpose(0, -1), lambda y: y[0].sin_()),
    "mul_row": lambda t, x: changed(x, lambda y: y[0].mul_(2)),
    "set_row": lambda t, x: changed(x, lambda y: y.__setitem__(0, y[-1] * 2)),
    "zero_row": lambda t, x: changed(x, lambda y: y[:1].zero_()),
    "copy_row": lambda t, x: changed(x, lambda y: y[0].copy_(x[-1].sin())),
    "relu_": lambda t, x: x.clone().relu_(),
}


def changed(x: Any, change: Callable) -> Any:
    """A copy that has been changed in place."""
    y = x.clone()
    change(y)
    return y


NESTS: dict[str, Callable[[Any, Callable, Callable, Any], Any]] = {
    # From torch.func, the function, the sum of the function, and the input.
    "vmap": lambda F, f, s, x: F.vmap(f)(x),
    "vmap of another axis": lambda F, f, s, x: F.vmap(f, in_dims=1, out_dims=-1)(x),
    "vmap vmap": lambda F, f, s, x: F.vmap(F.vmap(f))(x),
    "grad": lambda F, f, s, x: F.grad(s)(x),
    "vmap grad": lambda F, f, s, x: F.vmap(F.grad(s))(x),
    "grad vmap": lambda F, f, s, x: F.grad(lambda y: F.vmap(f)(y).sum())(x),
    "jvp": lambda F, f, s, x: F.jvp(f, (x,), (x.cos(),)),
    "vmap jvp": lambda F, f, s, x: F.vmap(lambda y: F.jvp(f, (y,), (y.cos(),))[1])(x),
    "jvp vmap": lambda F, f, s, x: F.jvp(lambda y: F.vmap(f)(y), (x,), (x.cos(),)),
    "jacrev": lambda F, f, s, x: F.jacrev(f)(x),
    "jacfwd": lambda F, f, s, x: F.jacfwd(f)(x),
    "hessian": lambda F, f, s, x: F.hessian(s)(x),
    "vmap hessian": lambda F, f, s, x: F.vmap(F.hessian(s))(x),
    "jacfwd jacfwd": lambda F, f, s, x: F.jacfwd(F.jacfwd(s))(x),
    "jacrev jacfwd": lambda F, f, s, x: F.jacrev(F.jacfwd(s))(x),
    "jvp grad": lambda F, f, s, x: F.jvp(F.grad(s), (x,), (x.cos(),)),
    "grad jvp": lambda F, f, s, x: F.grad(lambda y: F.jvp(f, (y,), (y.cos(),))[1].sum())(x),
    "grad grad": lambda F, f, s, x: F.grad(lambda y: F.grad(s)(y).pow(2).sum())(x),
    "vmap jacfwd": lambda F, f, s, x: F.vmap(F.jacfwd(f))(x),
    "vmap jacrev vmap": lambda F, f, s, x: F.vmap(F.jacrev(lambda y: F.vmap(f)(y)))(x),
}


def composed(torch: ModuleType, steps: list[str]) -> Callable:
    """The function that does these steps one after the other; what has no axes only takes part where it can."""

    def function(x: Any) -> Any:
        for step in steps:
            x = STEPS[step](torch, x) if x.dim() or step in ("sin", "tanh", "square") else x
        return x

    return function


def outcome(library: ModuleType, nest: str, steps: list[str], data: np.ndarray) -> Any:
    """All results as arrays, or the error."""
    function = composed(library, steps)
    x = library.tensor(data, dtype=library.float64)
    try:
        found = NESTS[nest](library.func, function, lambda y: function(y).sum(), x)
    except Exception as error:
        return error
    return [part.detach().numpy(force=True) for part in (found if isinstance(found, tuple) else (found,))]


def mismatch(seed: int) -> str | None:
    """How the libraries differ on one random nest, or None; where PyTorch fails nothing is expected."""
    choice = random.Random(seed)
    steps = [choice.choice(list(STEPS)) for _ in range(choice.randint(1, 5))]
    nest = choice.choice(list(NESTS))
    shape = (2, 3, 2) if nest in ("vmap vmap", "vmap jacrev vmap") else choice.choice([(3, 2), (2, 3), (3, 2, 2)])
    data = np.random.default_rng(seed).normal(size=shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, got = (outcome(library, nest, steps, data) for library in (torch, rushlight))
    if isinstance(expected, Exception):
        return None
    place = f"{seed}: {nest} of {steps} on {shape}"
    if isinstance(got, Exception):
        return f"{place}: {got!r}"
    same = len(got) == len(expected) and all(
        a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-8, equal_nan=True) for a, b in zip(expected, got)
    )
    return None if same else f"{place}: other values"


@pytest.mark.parametrize("start", range(0, 200, 20))
def test_random_nests(start: int) -> None:
    """Twenty of them."""
    assert not [found for found in map(mismatch, range(start, start + 20)) if found]


if __name__ == "__main__":
    count, first = (int(argument) for argument in (*sys.argv[1:], "0")[:2])
    wrong = [found for found in map(mismatch, range(first, first + count)) if found]
    print(*wrong, f"{count} nests from {first}, {len(wrong)} mismatches", sep="\n")
    sys.exit(bool(wrong))
