"""Evaluates one expression with PyTorch and with Rushlight and compares what comes out."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import numpy as np
import torch

import rushlight


def described(value: Any) -> Any:
    """A value as plain data: tensors by type, shape, strides, node and elements."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        made_by = value.grad_fn.name().rpartition(":")[2] if value.grad_fn is not None else None
        strides = [step for step, n in zip(value.stride(), value.shape, strict=True) if n > 1]
        return str(value.dtype), tuple(value.shape), strides, made_by, value.requires_grad, repr(value.tolist())
    if isinstance(value, (list, tuple)):
        return [described(item) for item in value]
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.tolist()
    return value if isinstance(value, (bool, int, float, complex, type(None))) else str(value)


def outcome(code: str, library: ModuleType, given: dict[str, Any]) -> Any:
    """What an expression gives, or what the name ``out`` has after statements, or the error."""
    names = {"torch": library, "np": np, **given}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if "\n" in code or ";" in code:
                exec(code, names)
                return described(names["out"])
            return described(eval(code, names))
        except Exception as error:
            return type(error).__name__, str(error)


def assert_same(code: str, **given: Any) -> None:
    """Assert that both libraries give the same, or raise the same class with the same words.

    ``given`` holds functions that make the names of the expression from a library.
    """
    expected, got = (
        outcome(code, library, {name: make(library) for name, make in given.items()}) for library in (torch, rushlight)
    )
    assert got == expected


def assert_same_error(code: str, words: str, **given: Any) -> None:
    """Assert that both libraries raise the same class, with these words in both messages."""
    expected, got = (
        outcome(code, library, {name: make(library) for name, make in given.items()}) for library in (torch, rushlight)
    )
    assert got[0] == expected[0]
    assert words in expected[1] and words in got[1], (expected, got)
