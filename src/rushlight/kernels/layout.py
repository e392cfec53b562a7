"""Other shapes over the same memory."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

ndarray = np.ndarray


def strided(array: ndarray, shape: tuple[int, ...], strides: tuple[int, ...]) -> ndarray:
    """A view from an array's first element with these lengths and strides in bytes."""
    try:
        return ndarray(shape, array.dtype, array, 0, strides)  # a tenth of the time, for contiguous memory
    except (ValueError, TypeError):
        return as_strided(array, shape, strides)
