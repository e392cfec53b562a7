"""Errors about sizes: below PyTorch's words, the shape of every operand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..autograd.node import explained
from ..tensor import Tensor
from .promotion import broadcast_error

ABOUT_SIZES = re.compile("size|shape|dim|match|broadcast|element|channel|out of|squar|multipl|number of|matri|vector")
KINDS = (RuntimeError, ValueError, IndexError)
"""The errors that may be about sizes."""


def with_shapes(error: Exception, operation: str, operands: Iterable[tuple[str, Any]]) -> Exception:
    """An error of an operation, with the shapes of its operands if it is about sizes and does not tell them itself."""
    given = [(name, value) for name, value in operands if shape_of(value)]
    if type(error) is ValueError:
        error = broadcast_error(error, [value.array for _, value in given if isinstance(value, Tensor)])
    message = str(error)
    about = ABOUT_SIZES.search(message) and "dtype" not in message
    if not about or isinstance(error, NotImplementedError) or error.args != (message,):
        return error
    if any(part not in message for _, value in given for part in shape_of(value).split(" and ")):
        error.args = (shaped(message, operation, **dict(given)),)
    return error


def shaped(words: str, operation: str, **operands: Any) -> str:
    """The message of an error about sizes: the words, and the shapes of the operands."""
    shapes = ", ".join(f"{name} {shape_of(value)}" for name, value in operands.items() if shape_of(value))
    return explained(words, f"{operation}: {shapes}")


def shape_of(value: Any) -> str:
    """The shape of a tensor or array, or those of the first few of a list, in words; nothing for anything else."""
    if isinstance(value, (Tensor, np.ndarray)):
        return str(list(value.shape))
    if type(value) in (list, tuple) and value and all(isinstance(one, (Tensor, np.ndarray)) for one in value):
        return " and ".join([str(list(one.shape)) for one in value[:MOST]] + ["..."] * (len(value) > MOST))
    return ""


MOST = 6
