"""The type of a leaf's gradient where the user wants another than the leaf's own."""

from __future__ import annotations

from typing import Any

from .. import dtypes
from .hooks import OWN, hooks_at
from .node import explained, here
from .origin import made


def get(leaf: Any) -> Any:
    """The type that ``.grad`` of a leaf has, or None for any.

    Raises:
        RuntimeError: it is not a leaf.
    """
    _check_leaf(leaf, "accessed")
    hooks = leaf._hooks
    return leaf.dtype if hooks is None or hooks.grad_dtype is OWN else hooks.grad_dtype


def put(leaf: Any, dtype: Any) -> None:
    """Say which type ``.grad`` of a leaf is to have.

    Raises:
        RuntimeError: it is not a leaf, has a gradient of another type, or this is not a type.
    """
    _check_leaf(leaf, "set")
    if dtype is not None and not isinstance(dtype, dtypes.dtype):
        raise RuntimeError(f"grad_dtype must be a torch.dtype or None, but got {type(dtype).__name__}")
    grad = leaf._grad
    if grad is not None and dtype is not None and grad.dtype is not dtype:
        raise RuntimeError(
            explained(
                f"Cannot set grad_dtype to '{dtypes.CASED[dtype]}' because there is already a gradient with dtype "
                f"'{dtypes.CASED[grad.dtype].lower()}'.",
                f"The gradient: {made(grad)}",
                "Clear it first (.grad = None).",
            )
        )
    hooks_at(leaf).grad_dtype = dtype


def _check_leaf(tensor: Any, what: str) -> None:
    if not tensor.is_leaf:
        raise RuntimeError(
            explained(
                f"grad_dtype can only be {what} on leaf tensors.",
                f"This one is {made(tensor)}",
                f"It is {what} at {here()}",
            )
        )
