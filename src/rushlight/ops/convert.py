"""Copies and conversions: clone, contiguous, to another type, detach."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import devices, dtypes
from ..tensor import Tensor, alias, wrap
from .define import as_type, op

__all__ = ["clone", "detach"]

@op("ToCopyBackward0", input=lambda g, input_dtype: to_dtype(g, input_dtype))
def to_dtype(input, dtype):
    """A copy as another type; complex numbers lose their imaginary part, floating-point ones their fraction."""
    return np.array(as_type(input, dtype), order="K")


@op("CloneBackward0", input=lambda g: g)
def clone(input, *, memory_format=None):
    """A copy with memory of its own, through which gradients pass.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0]).clone()
    tensor([1., 2.])
    """
    return input.copy(order="K" if memory_format is None else memory_format.order)


def detach(input: Tensor) -> Tensor:
    """The same memory without the history: changes of one are seen in the other, and by autograd."""
    out = alias(input)
    return out
