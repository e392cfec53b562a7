"""Runs one function with PyTorch and with Rushlight and compares what comes out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch

import rushlight

FAST_PATHS = ("enable_nested_tensor is True", "LSTM with projections")
"""How the warnings begin in which PyTorch speaks of its own fast paths."""


def outcome(function: Callable[[ModuleType], Any], library: ModuleType) -> tuple:
    """`("value", what it returned)`, or `("error", class name, words)`, and how its warnings begin."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = "value", plain(function(library))
        except Exception as error:
            result = "error", type(error).__name__, str(error)
    words = [str(warning.message) for warning in caught if warning.category in (UserWarning, FutureWarning)]
    return result, [message[:40] for message in words if not message.startswith(FAST_PATHS)]


def plain(value: Any) -> Any:
    """`value` with tensors as arrays, and library classes as their names, so that two libraries compare."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (torch.nn.Module, rushlight.nn.Module)):
        return repr(value)
    return value if value is None or isinstance(value, (bool, int, float, str, np.ndarray)) else str(value)


def assert_same(function: Callable[[ModuleType], Any], words: int | None = None, **tolerance: float) -> None:
    """Assert that both libraries give the same values (equal, or within a tolerance), errors and warnings.

    Of an error's words so many characters count, all by default.
    """
    expected, got = outcome(function, torch), outcome(function, rushlight)
    if words is not None:
        expected, got = ((*result[:-1], result[-1][:words]) for result in (expected[0], got[0]))
    assert_equal(got, expected, **tolerance)


def assert_equal(got: Any, expected: Any, **tolerance: float) -> None:
    """Assert that two plain values are equal, arrays within the tolerance."""
    if isinstance(expected, np.ndarray):
        assert isinstance(got, np.ndarray) and got.dtype == expected.dtype and got.shape == expected.shape, (
            got,
            expected,
        )
        np.testing.assert_allclose(got, expected, **({"rtol": 0, "atol": 0} | tolerance))
    elif isinstance(expected, (list, tuple)) and isinstance(got, (list, tuple)):
        assert len(got) == len(expected), (got, expected)
        for one, other in zip(got, expected, strict=True):
            assert_equal(one, other, **tolerance)
    elif isinstance(expected, dict) and isinstance(got, dict):
        assert list(got) == list(expected)
        for key in expected:
            assert_equal(got[key], expected[key], **tolerance)
    else:
        assert got == expected
