"""What anomaly detection does: keep tracebacks of forward calls, look for NaN in backward, tell where it came from."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .node import Node, Slot, current_frame, describe, is_library

TRACEBACK, PARENT = "traceback_", "parent_"  # where a node's metadata has the traceback, and the node it came about by

evaluating: ContextVar[Node | None] = ContextVar("evaluating", default=None)
"""The node that runs here, of a backward in which anomalies are looked for."""


class State:
    """Whether anomalies are looked for, in all threads."""

    enabled = False
    check_nan = True


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return State.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection, when it is on, looks for NaN."""
    return State.check_nan


def remember(node: Node) -> None:
    """Keep the traceback of the call that is recorded, and the node whose gradient it is part of."""
    import traceback  # only here: it would slow the import of the library

    stack = traceback.extract_stack(current_frame(1))
    while stack and is_library(stack[-1].filename):
        stack.pop()
    node.metadata[TRACEBACK] = stack.format()
    if (parent := evaluating.get()) is not None:
        node.metadata[PARENT] = parent


@contextmanager
def watching(nodes: Iterable[Node]) -> Iterator[None]:
    """Look for NaN in what each of these nodes gives, and for which of them runs."""
    handles = []
    outer = evaluating.get()
    for node in nodes:
        if type(node) is not Slot:
            handles.append(node.register_prehook(_note(node)))
            handles.append(node.register_hook(_check(node)))
    try:
        yield
    finally:
        evaluating.set(outer)
        for handle in handles:
            handle.remove()


def _note(node: Node) -> Callable:
    return lambda _: evaluating.set(node) and None


def _check(node: Node) -> Callable:
    def check(gradients: tuple, _: Any) -> None:
        if not State.check_nan:
            return
        for place, gradient in enumerate(gradients):
            if gradient is not None and np.isnan(gradient.array).any():
                raise RuntimeError(f"Function '{node.name()}' returned nan values in its {place}th output.")

    return check


def report(node: Node | None) -> None:
    """Warn where the call was made whose gradient a backward failed at; without a node, at a leaf."""
    if node is None:
        warnings.warn(_at("Error detected in torch::autograd::AccumulateGrad.", "", None), stacklevel=2)
    words = "Error detected in {}.", "caused the error"
    while node is not None:
        warnings.warn(_at(words[0].format(node.name()), words[1], node), stacklevel=2)
        node = node.metadata.get(PARENT)
        words = "\n\nPrevious calculation was induced by {}.", "induced the previous calculation"


def _at(what: str, did: str, node: Node | None) -> str:
    lines = None if node is None else node.metadata.get(TRACEBACK)
    if lines is not None:
        return f"{what} Traceback of forward call that {did}:\n{''.join(lines)}"
    place = "" if node is None else f" The operation was recorded at {describe(node)}"
    return (
        f"{what} No forward pass information available. Enable detect anomaly during forward pass for more "
        f"information.{place}"
    )
