"""Runs one differentiable function with PyTorch and with Rushlight and compares value, node name and gradients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import rushlight


def assert_same_gradients(
    function: Callable[..., Any],
    *shapes: tuple[int, ...],
    node: bool = True,
    second: bool = False,
    positive: bool = False,
) -> None:
    """Assert that ``function(library, *tensors)`` gives the same value and gradients for tensors of these shapes.

    ``node``: the name of the last node counts; ``second``: second gradients too; ``positive``: the values are.
    """
    arrays = [np.random.default_rng(seed).standard_normal(shape) for seed, shape in enumerate(shapes)]
    arrays = [np.abs(array) + 0.1 for array in arrays] if positive else arrays
    results = []
    for library in (torch, rushlight):
        leaves = [library.from_numpy(array.copy()).requires_grad_() for array in arrays]
        out = function(library, *leaves)
        first = library.autograd.grad(out.sin().sum(), leaves, create_graph=second, allow_unused=True)
        found = [out, *first]
        if second:
            total = sum((g * g).sum() for g in first if g is not None)
            found += library.autograd.grad(total, leaves, allow_unused=True)
        values = [None if tensor is None else tensor.detach().numpy() for tensor in found]
        results.append((values, type(out.grad_fn).__name__))
    (expected, expected_node), (got, got_node) = results
    for want, have in zip(expected, got, strict=True):
        assert (want is None) == (have is None)
        if want is not None:
            assert have.shape == want.shape and have.dtype == want.dtype
            np.testing.assert_allclose(have, want, rtol=1e-9, atol=1e-10)
    assert not node or got_node == expected_node
