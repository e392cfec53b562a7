"""Clipping gradients, and parameters as one vector, as PyTorch does them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from .both import assert_same


def model(t):
    """A small network with gradients, one parameter without."""
    t.manual_seed(0)
    layers = t.nn.Sequential(t.nn.Linear(3, 4), t.nn.Linear(4, 2))
    layers(t.tensor(np.arange(6, dtype=np.float32).reshape(2, 3))).pow(2).sum().backward()
    layers[0].bias.grad = None
    return layers


def clipped(t, name, *arguments, **options):
    layers = model(t)
    returned = getattr(t.nn.utils, name)(layers.parameters(), *arguments, **options)
    return returned, [parameter.grad for parameter in layers.parameters()]


def with_gradient(t, value):
    parameter = t.nn.Parameter(t.zeros(2))
    parameter.grad = t.tensor([value, 1.0])
    return parameter


CASES = {
    "norm": lambda t: clipped(t, "clip_grad_norm_", 1.0),
    "norm already small": lambda t: clipped(t, "clip_grad_norm_", 1e6),
    "1-norm": lambda t: clipped(t, "clip_grad_norm_", 1.0, norm_type=1),
    "largest": lambda t: clipped(t, "clip_grad_norm_", 1.0, norm_type=math.inf),
    "old name": lambda t: clipped(t, "clip_grad_norm", 1.0),
    "value": lambda t: clipped(t, "clip_grad_value_", 0.5),
    "one tensor": lambda t: (lambda p: (t.nn.utils.clip_grad_norm_(p, 1.0), p.grad))(with_gradient(t, 3.0)),
    "no gradients": lambda t: t.nn.utils.clip_grad_norm_([t.nn.Parameter(t.ones(1))], 1.0),
    "nothing": lambda t: t.nn.utils.clip_grad_norm_((p for p in ()), 1.0),
    "not finite": lambda t: t.nn.utils.clip_grad_norm_([with_gradient(t, math.inf)], 1.0, error_if_nonfinite=True),
    "not finite allowed": lambda t: t.nn.utils.clip_grad_norm_([with_gradient(t, math.nan)], 1.0),
    "total": lambda t: t.nn.utils.get_total_norm([t.ones(3), t.ones(2, 3)]),
    "vector": lambda t: t.nn.utils.parameters_to_vector(model(t).parameters()),
    "from a number": lambda t: t.nn.utils.vector_to_parameters(1, model(t).parameters()),
}


@pytest.mark.parametrize("case", CASES)
def test_same(case):
    assert_same(CASES[case], rtol=1e-6)


def test_vector_to_parameters_shares_memory(library):
    layers = model(library)
    vector = library.arange(26, dtype=library.float32)
    library.nn.utils.vector_to_parameters(vector, layers.parameters())
    assert layers[0].weight[0].tolist() == [0.0, 1.0, 2.0]
    vector[0] = 9.0
    assert layers[0].weight[0, 0].item() == 9.0
    assert layers[1].bias.tolist() == [24.0, 25.0]
