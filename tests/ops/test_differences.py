"""torch.gradient, bytes resampled, attention of 16 bits, misplaced arguments, linear_cross_entropy: as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight
from tests.ops.oracle import outcome

CALLS = {
    "gradient(x)": (5,),
    "gradient(x, spacing=2.0, edge_order=2)": (4, 3),
    "gradient(x, spacing=[0.5, 2.0], dim=(1, 0))": (3, 4),
    "gradient(x, spacing=(v([0.0, 1.0, 3.0, 7.0]),), dim=-1, edge_order=2)": (2, 4),
    "gradient(x, dim=0)": (3, 2),
}


@pytest.mark.parametrize("call", CALLS)
def test_gradient(call):
    values = np.random.default_rng(0).standard_normal(CALLS[call])
    results = []
    for library in (torch, rushlight):
        x = library.tensor(values).requires_grad_()
        parts = eval(call, vars(library), {"x": x, "v": lambda n, lib=library: lib.tensor(n, dtype=lib.float64)})
        sum((p * p).sum() for p in parts).backward()
        results.append([p.detach().numpy() for p in parts] + [x.grad.numpy()])
    for expected, got in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "code",
    [
        "gradient(o(1))",
        "gradient(o(3), edge_order=3)",
        "gradient(o(3, 3), spacing=[1.0])",
        "gradient(o(3, 3), dim=(0, 0))",
        "mm(1, o(2, 2))",
        "mm(o(2, 2), 1)",
        "dot(o(2), 2)",
        "linalg.inv(2)",
        "linalg.solve(o(2, 2), 2)",
        "addmm(1, o(2), o(2))",
        "nn.functional.linear_cross_entropy(o(2, 3), o(4, 5), o(2))",
        "nn.functional.linear_cross_entropy(o(3), o(3), o(2))",
        "nn.functional.max_pool1d(o(2, 2), 5)",
        "nn.functional.avg_pool2d(o(0, 1, 9), 2, padding=4)",
        "nn.functional.conv1d(o(1, 1, 4), o(1, 2))",
    ],
)
def test_errors(code):
    """The same class, and PyTorch's first words."""
    expected, got = (outcome(f"torch.{code}", lib, {"o": lib.ones}) for lib in (torch, rushlight))
    assert got[0].lstrip("_") == expected[0].lstrip("_")
    assert got[1].startswith(expected[1][:25])


@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(5, 9), (3, 2), (14, 8)])
@pytest.mark.parametrize("antialias", [False, True])
def test_resampled_bytes(mode, size, antialias):
    image = np.random.default_rng(1).integers(0, 256, (2, 3, 8, 7), dtype=np.uint8)
    expected, got = (
        lib.nn.functional.interpolate(lib.from_numpy(image.copy()), size, mode=mode, antialias=antialias).numpy()
        for lib in (torch, rushlight)
    )
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_attention_of_16_bits(dtype):
    x = rushlight.randn(2, 4, 8).to(getattr(rushlight, dtype)).requires_grad_()
    result = rushlight.nn.functional.scaled_dot_product_attention(x, x, x)
    exact = rushlight.nn.functional.scaled_dot_product_attention(*[x.detach().double()] * 3)
    result.sum().backward()
    assert result.dtype is x.dtype and x.grad.dtype is x.dtype
    assert (result.detach().double() - exact).abs().max().item() < 1e-2


@pytest.mark.parametrize("shape", [(4, 3), (4, 2, 3)])
def test_linear_cross_entropy(shape):
    rng = np.random.default_rng(2)
    values = [rng.standard_normal((5, 3)), rng.standard_normal(shape), rng.standard_normal(shape[:-1])]
    classes = rng.integers(0, 4, (5, *shape[1:-1]))
    gradients = []
    for library in (torch, rushlight):
        x, weight, bias = (library.tensor(v).requires_grad_() for v in values)
        target = library.tensor(classes)
        library.nn.functional.linear_cross_entropy(x, weight, target, linear_bias=bias).backward()
        gradients.append([t.grad.numpy() for t in (x, weight, bias)])
    for expected, got in zip(*gradients, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10, atol=1e-12)
