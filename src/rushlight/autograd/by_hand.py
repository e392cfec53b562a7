"""One node called by hand: its rule, without hooks and without what comes after it."""

from __future__ import annotations

from typing import Any

from .engine import FREED
from .node import Bundle, explained, freed_by, here


def call(node: Any, gradients: tuple) -> Any:
    """The gradients of a node's inputs from those of its outputs, as Tensors or None.

    Raises:
        TypeError: there are not as many gradients as outputs, or one is neither a tensor nor None.
        RuntimeError: what the node saved has been freed, or changed in place.
    """
    count = len(node.outputs) if node.several else 1
    if len(gradients) != count:
        raise TypeError(
            explained(f"expected {count} arguments, got {len(gradients)} instead", f"in the call of {node} at {here()}")
        )
    for place, gradient in enumerate(gradients):
        if gradient is not None and not hasattr(gradient, "array"):
            raise TypeError(f"argument {place} is not a Variable, but a {type(gradient).__name__}")
    if node.saved is None:
        raise RuntimeError(explained(FREED, *freed_by(node)))
    given = {index: gradient for index, gradient in enumerate(gradients) if gradient is not None}
    if not given:
        parts = node.run_undefined(True)
    else:
        parts = node.run_recorded(Bundle(count, given) if node.several else gradients[0])
    parts = parts[node.listed]
    return parts[0] if len(parts) == 1 else parts
