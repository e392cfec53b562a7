"""nn.init draws the numbers that PyTorch's draws from the same seed, and refuses what it refuses."""

from __future__ import annotations

import pytest

from .both import assert_same


def fill(t, name, shape, *arguments, generator=False, **options):
    tensor = t.empty(shape) if 0 not in shape else t.zeros(shape)
    if generator:
        options["generator"] = t.Generator().manual_seed(7)
    t.manual_seed(1)
    returned = getattr(t.nn.init, name)(tensor, *arguments, **options)
    return returned, returned is tensor, t.rand(2)  # what is drawn next shows how much was consumed


SMALL, MATRIX, WEIGHT = (3, 2), (6, 5), (4, 3, 3, 2)
FILLS = [
    ("uniform_", SMALL, (), {}),
    ("uniform_", MATRIX, (-2.0, 3.0), {}),
    ("uniform_", MATRIX, (), {"generator": True}),
    ("normal_", SMALL, (1.0, 2.0), {}),
    ("normal_", MATRIX, (), {"std": 0.5}),
    ("trunc_normal_", MATRIX, (), {}),
    ("trunc_normal_", MATRIX, (0.0, 2.0, -1.0, 1.0), {"generator": True}),
    ("trunc_normal_", MATRIX, (0.0, 1.0, 1.5, 1.8), {}),
    ("trunc_normal_", MATRIX, (0.0, 1.0, -4.0, -3.0), {}),
    ("constant_", SMALL, (0.3,), {}),
    ("ones_", SMALL, (), {}),
    ("zeros_", SMALL, (), {}),
    ("eye_", MATRIX, (), {}),
    ("dirac_", (4, 3, 3), (), {}),
    ("dirac_", (4, 2, 3, 3), (2,), {}),
    ("dirac_", (2, 4, 3, 2, 3), (), {}),
    ("xavier_uniform_", MATRIX, (), {}),
    ("xavier_uniform_", WEIGHT, (0.5,), {"generator": True}),
    ("xavier_normal_", MATRIX, (), {}),
    ("xavier_normal_", WEIGHT, (), {"gain": 2.0}),
    ("kaiming_uniform_", MATRIX, (), {}),
    ("kaiming_uniform_", WEIGHT, (0.2, "fan_out"), {}),
    ("kaiming_uniform_", MATRIX, (), {"nonlinearity": "tanh"}),
    ("kaiming_uniform_", (0, 3), (), {}),
    ("kaiming_normal_", MATRIX, (), {"mode": "fan_out", "nonlinearity": "relu"}),
    ("kaiming_normal_", WEIGHT, (), {"generator": True}),
    ("orthogonal_", MATRIX, (), {}),
    ("orthogonal_", (5, 6), (), {"gain": 2.0}),
    ("orthogonal_", WEIGHT, (), {}),
    ("orthogonal_", (0, 2), (), {}),
    ("sparse_", MATRIX, (0.4,), {}),
    ("sparse_", MATRIX, (0.1, 2.0), {}),
    ("xavier_uniform", MATRIX, (), {}),
    ("kaiming_normal", MATRIX, (), {}),
    ("constant", SMALL, (1.0,), {}),
    ("eye_", (3,), (), {}),
    ("dirac_", MATRIX, (), {}),
    ("dirac_", (3, 2, 2), (2,), {}),
    ("sparse_", (3,), (0.5,), {}),
    ("orthogonal_", (3,), (), {}),
    ("xavier_normal_", (3,), (), {}),
    ("kaiming_uniform_", (3,), (), {}),
    ("kaiming_uniform_", MATRIX, (), {"mode": "fan_up"}),
    ("kaiming_uniform_", MATRIX, (), {"nonlinearity": "swish"}),
]  # fmt: skip


@pytest.mark.parametrize("case", FILLS, ids=lambda case: f"{case[0]}{case[1]}{case[2]}{case[3]}")
def test_fill(case):
    name, shape, arguments, options = case
    # A normal number is a logarithm and a cosine: the last bits are the C library's. A QR adds its own rounding.
    tolerance = {"rtol": 1e-6, "atol": 1e-6} if "orth" in name or "norm" in name or "sparse" in name else {}
    assert_same(lambda t: fill(t, name, shape, *arguments, **options), **tolerance)


@pytest.mark.parametrize(
    "nonlinearity", ["linear", "conv2d", "conv_transpose3d", "sigmoid", "tanh", "relu", "selu", "no"]
)
def test_gain(nonlinearity):
    assert_same(lambda t: float(t.nn.init.calculate_gain(nonlinearity)))


@pytest.mark.parametrize("slope", [None, 0.2, 1, "x", True])
def test_leaky_relu_gain(slope):
    assert_same(lambda t: t.nn.init.calculate_gain("leaky_relu", slope))


def test_records_nothing():
    def function(t):
        weight = t.nn.Parameter(t.empty(3, 3))
        for name in (
            "uniform_",
            "normal_",
            "ones_",
            "zeros_",
            "eye_",
            "xavier_uniform_",
            "kaiming_normal_",
            "orthogonal_",
        ):
            getattr(t.nn.init, name)(weight)
        return weight.grad_fn, weight.requires_grad, weight.is_leaf

    assert_same(function)
