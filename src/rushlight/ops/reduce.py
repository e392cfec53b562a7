"""Reductions over axes: sums, means, norms, extremes."""

from __future__ import annotations

import numpy as np

from .axes import axes
from .define import op
from .views import expand, reshape

__all__ = ["sum"]


def spread(g, shape, dim, keepdim):
    """The gradient of a sum: the same number for everything that was added."""
    if dim is not None and not keepdim:
        kept = tuple(1 if i in (axes(dim, len(shape)) or range(len(shape))) else n for i, n in enumerate(shape))
        g = reshape(g, kept)
    return expand(g, shape)


@op("SumBackward0", input=lambda g, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim))
def sum(input, dim=None, keepdim=False, *, dtype=None):
    """The sum of all elements, or along the axes ``dim``.

    >>> import rushlight as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
    tensor([4., 6.])
    """
    wide = dtype.numpy if dtype is not None else np.dtype("int64") if input.dtype.kind in "biu" else input.dtype
    return np.add.reduce(input, axes(dim, input.ndim), dtype=wide, keepdims=keepdim)


@op("SumBackward1", input=lambda g, input_shape: expand(g, input_shape))
def sum_to_size(input, size):
    """Sum over the axes along which a tensor of shape ``size`` would have to be broadcast to this one's shape."""
    lead = input.ndim - len(size)
    along = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(size) if n == 1 and input.shape[i + lead] != 1)
    return np.add.reduce(input, along, keepdims=True).reshape(size)
