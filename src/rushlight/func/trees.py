"""Nested tuples, lists and dictionaries of tensors: taken apart into their leaves and put together again."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from ..tensor import Tensor


def children(tree: Any) -> tuple[list, Callable] | None:
    """The parts of a tuple, list or dictionary, and how to make one like it of other parts; None for a leaf."""
    kind = type(tree)
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return list(tree), lambda parts: kind(*parts)
    if isinstance(tree, tuple) and kind is not tuple:  # the named results of operations
        return list(tree), lambda parts: kind(parts)
    if kind is tuple or kind is list:
        return list(tree), kind
    if isinstance(tree, defaultdict):
        keys = list(tree)
        return list(tree.values()), lambda parts: kind(tree.default_factory, zip(keys, parts))
    if isinstance(tree, dict):
        keys = list(tree)
        return list(tree.values()), lambda parts: kind(zip(keys, parts))
    if kind is deque:
        return list(tree), lambda parts: deque(parts, tree.maxlen)
    return None


def flatten(tree: Any) -> tuple[list, Callable[[list], Any]]:
    """The leaves of a tree, and how to make a tree like it of other leaves."""
    found = children(tree)
    if found is None:
        return [tree], lambda leaves: leaves[0]
    parts, make = found
    flat = [flatten(part) for part in parts]
    leaves = [leaf for part, _ in flat for leaf in part]

    def rebuild(new: list) -> Any:
        made, start = [], 0
        for part, build in flat:
            made.append(build(new[start : start + len(part)]))
            start += len(part)
        return make(made)

    return leaves, rebuild


def changed(change: Callable, tree: Any) -> Any:
    """The tree with ``change(leaf)`` for each leaf."""
    leaves, rebuild = flatten(tree)
    return rebuild([change(leaf) for leaf in leaves])


def structure(tree: Any) -> Any:
    """The form of a tree, to compare and to print."""
    found = children(tree)
    if found is None:
        return "*"
    inner = ", ".join(str(structure(part)) for part in found[0])
    if isinstance(tree, dict):
        inner = ", ".join(f"{key!r}: {structure(tree[key])}" for key in tree)
        return f"{{{inner}}}"
    if isinstance(tree, list):
        return f"[{inner}]"
    name = "" if type(tree) is tuple else type(tree).__name__
    return f"{name}({inner}{',' if len(tree) == 1 else ''})"


def spread(value: Any, tree: Any) -> list | None:
    """For each leaf of a tree the entry that a smaller tree of the same form has for it; None if the forms differ."""
    found, given = children(tree), children(value)
    if given is None:
        return [value] * len(flatten(tree)[0])
    if found is None or len(found[0]) != len(given[0]) or not _alike(value, tree):
        return None
    entries: list = []
    for part, below in zip(given[0], found[0]):
        inner = spread(part, below)
        if inner is None:
            return None
        entries += inner
    return entries


def _alike(value: Any, tree: Any) -> bool:
    if isinstance(tree, dict):  # entries go by their order, as in PyTorch
        return isinstance(value, dict) and value.keys() == tree.keys()
    return type(value) is type(tree)


def only_tensors(tree: Any, what: str) -> list[Tensor]:
    """The leaves of what a function returned; ``what`` names the transformation and its arguments.

    Raises:
        RuntimeError: there are none, or one of them is no Tensor.
    """
    leaves, _ = flatten(tree)
    if tree is None or not leaves:
        raise RuntimeError(f"{what}: Expected f to be a function that has non-empty output (got output = {leaves})")
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(
                f"{what}: expected f(*primals) to return only tensors, got unsupported type {type(leaf)}"
            )
    return leaves


def changed_aux(change: Callable, tree: Any) -> Any:
    """What a function returned beside its output, with ``change(leaf)`` for each leaf.

    Raises:
        RuntimeError: one of the leaves is no Tensor.
    """
    leaves, rebuild = flatten(tree)
    for leaf in leaves:
        if not isinstance(leaf, Tensor):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(leaf)} in what comes with has_aux=True")
    return rebuild([change(leaf) for leaf in leaves])


def only_real(leaves: list, what: str) -> None:
    """Refuse complex tensors: a Jacobian has one column for each real number.

    Raises:
        RuntimeError: a leaf is complex.
    """
    for place, leaf in enumerate(leaves):
        if isinstance(leaf, Tensor) and leaf.array.dtype.kind == "c":
            raise RuntimeError(f"{what} to be real but received complex tensor at flattened input idx: {place}")
