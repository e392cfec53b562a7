"""Exponentials and logarithms next to PyTorch: node names, infinities, ties; results that are exact in both."""

from __future__ import annotations

import pytest

from tests.ops.oracle import assert_same

INFINITE = "[[0.0, 1000.0, float('inf'), float('-inf'), float('nan')]]"
NAMES = {"x": lambda torch: torch.tensor([-1000.0, 0.0, 1000.0], requires_grad=True)}

SAME = [
    "torch.logaddexp(x, x.flip(0))",
    "torch.autograd.grad(torch.logaddexp(x, x).sum(), x)",
    "torch.logaddexp(x, torch.tensor(float('-inf'))).sum()",
    f"t = torch.tensor({INFINITE}); out = torch.logaddexp(t, t.T).isfinite()",
    f"t = torch.tensor({INFINITE}); out = torch.logaddexp2(t, -t).isposinf()",
    f"t = torch.tensor({INFINITE}); out = [f(t).isfinite() for f in (torch.exp, torch.log, torch.log1p, torch.expm1)]",
    "torch.xlogy(torch.zeros(2), torch.tensor([0.0, float('nan')])).isnan()",
    "[f(x).grad_fn.name() for f in (torch.exp, torch.exp2, torch.expm1, torch.log, torch.log2, torch.log1p)]",
    "[(x ** 2).grad_fn.name(), (2 ** x).grad_fn.name(), (x ** x).grad_fn.name(), x.sqrt().grad_fn.name()]",
    "torch.autograd.grad((x ** 0).sum(), x)",
    "torch.tensor([2, 3]) ** -1",
    "torch.tensor([2, -1, 1, 0]) ** torch.tensor([-1, -3, -2, 0])",
]


@pytest.mark.parametrize("code", SAME)
def test_same_as_pytorch(code):
    assert_same(code, **NAMES)
