"""Operations whose results but the first serve their own gradient only: on plain tensors those stay bare arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..autograd.modes import recording
from ..autograd.node import current_frame
from ..tensor import Parameter, Tensor, wrap
from .define import Op
from .promotion import float32, float64
from .sizes import KINDS

TYPES = (float32, float64, np.dtype("int64"))


class Aside:
    """An array that is kept for backward, in the place of the Tensor of a result."""

    __slots__ = ("array", "version")

    def __init__(self, array: np.ndarray) -> None:
        self.array, self.version = array, [0]


def with_arrays(operation: Callable) -> Callable:
    """An operation whose results after the first are bare arrays where all operands are plain tensors."""
    spec: Op = operation.op  # type: ignore[attr-defined]
    compute = spec.compute

    def call(*args: Any) -> tuple:
        arrays = []
        mode = recording.get()
        for value in args:
            kind = type(value)
            if kind is Tensor or kind is Parameter:
                array = value.array
                if array.dtype not in TYPES:
                    return operation(*args)
                arrays.append(array)
            elif isinstance(value, Tensor):
                return operation(*args)
            else:
                arrays.append(value)
        if mode is not True and mode:
            return operation(*args)
        try:
            result, *others = compute(*arrays)
        except KINDS:
            return operation(*args)  # which words the error
        out = wrap(result)
        edges = spec.edges(args) if mode else None
        if edges is None:
            spec._remember(out, edges, args, current_frame(1))
        else:
            out.node = spec.record(args, edges, (out, *map(Aside, others)), current_frame(1))
        return out, *others

    return call
