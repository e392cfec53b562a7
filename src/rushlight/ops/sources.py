"""What may be written at positions of an axis: the checks of sources, in PyTorch's order."""

from __future__ import annotations

import numpy as np

from .. import dtypes


def check_source(name: str, input: np.ndarray, dim: int, index: np.ndarray, source: np.ndarray) -> None:
    """Refuse what cannot be combined in at positions of an axis."""
    if input.dtype != source.dtype:
        raise RuntimeError(
            f"{name}(): self ({dtypes.CASED[dtypes.of(input.dtype)]}) and source "
            f"({dtypes.CASED[dtypes.of(source.dtype)]}) must have the same scalar type"
        )
    have = source.shape[dim] if source.ndim else 1
    if have != index.size:
        if not source.ndim:
            raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions: it is the source of {name}")
        raise RuntimeError(
            f"{name}(): Number of indices ({index.size}) should be equal to source.size(dim): ({have}), for dim: {dim}"
        )
    if source.ndim and _slices(source, dim) != _slices(input, dim):
        raise RuntimeError(
            f"source tensor shape must match self tensor shape, excluding the specified dimension. Got self.shape = "
            f"{list(input.shape)} source.shape = {list(source.shape)}"
        )


def _slices(array: np.ndarray, dim: int) -> tuple:
    """The shape of the slices along an axis."""
    return array.shape[:dim] + array.shape[dim + 1 :]


def check_copied(input: np.ndarray, dim: int, index: np.ndarray, source: np.ndarray) -> None:
    """Refuse what cannot be copied to positions of an axis."""
    if not source.ndim and index.size != 1:
        raise IndexError(f"index_copy_(): When source is scalar, index should have one element (got {index.size})")
    if source.ndim != input.ndim and source.ndim and input.ndim:
        raise IndexError(
            "index_copy_(): When source and destination are not scalars, their dimensionality must match. Source "
            f"dimensionality ({source.ndim}), destination dimensionality ({input.ndim})"
        )
    if input.dtype != source.dtype:
        have, given = (dtypes.CASED[dtypes.of(array.dtype)] for array in (input, source))
        raise RuntimeError(
            f"index_copy_(): self and source expected to have the same dtype, but got (self) {have} and (source) "
            f"{given}"
        )
    if source.ndim and _slices(source, dim) != _slices(input, dim):
        raise RuntimeError(
            "index_copy_(): Source/destination tensor must have same slice shapes. Destination slice shape: "
            f"{list(_slices(input, dim))} at dimension {dim} and source slice shape: {list(_slices(source, dim))} at "
            f"dimension {dim}."
        )
    if source.ndim and source.shape[dim] != index.size:
        raise IndexError(
            f"index_copy_(): Number of indices ({index.size}) should be equal to source.size(dim) ({source.shape[dim]})"
        )
