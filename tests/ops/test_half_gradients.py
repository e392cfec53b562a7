"""Derivatives of half precision: computed in float32, returned in the type of the input."""

from __future__ import annotations

import pytest
import torch

import rushlight

CALLS = {
    "div": lambda t, x: x / (x * x + 1),
    "hypot": lambda t, x: t.hypot(x, x + 1),
    "var": lambda t, x: x.var(),
    "norm": lambda t, x: x.norm(),
    "softmax": lambda t, x: t.softmax(x, 0),
    "logcumsumexp": lambda t, x: t.logcumsumexp(x, 0),
    "cat": lambda t, x: t.cat([x, x * 2]),
}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("name", CALLS)
def test_gradients(name, dtype):
    values = [0.5, -1.25, 2.0, 0.75]
    exact = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    half = rushlight.tensor(values, dtype=getattr(rushlight, dtype), requires_grad=True)
    CALLS[name](torch, exact).sum().backward()
    CALLS[name](rushlight, half).sum().backward()
    assert half.grad.dtype is half.dtype
    digits = 2e-3 if dtype == "float16" else 1.6e-2
    torch.testing.assert_close(torch.tensor(half.grad.double().numpy()), exact.grad, rtol=digits, atol=digits)


def test_second_derivative_of_logcumsumexp_where_the_incoming_gradient_is_zero():
    x = rushlight.tensor([0.5, -1.0, 2.0], dtype=rushlight.float64, requires_grad=True)
    g = rushlight.zeros(3, dtype=rushlight.float64, requires_grad=True)

    def first(g):
        return rushlight.autograd.grad(rushlight.logcumsumexp(x, 0), x, g, create_graph=True)

    assert rushlight.autograd.gradcheck(first, (g,))
