"""Anomaly detection: backward stops at the first gradient that is NaN, and errors tell where it came from."""

from __future__ import annotations

import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .node import Node, Slot, current_frame, describe, is_library

__all__ = ["detect_anomaly", "set_detect_anomaly"]

TRACEBACK, PARENT = "traceback_", "parent_"  # where a node's metadata has the traceback, and the node it came about by

evaluating: ContextVar[Node | None] = ContextVar("evaluating", default=None)
"""The node that runs here, of a backward in which anomalies are looked for."""


class _State:
    """Whether anomalies are looked for, in all threads."""

    enabled = False
    check_nan = True


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return _State.enabled


def is_anomaly_check_nan_enabled() -> bool:
    """Whether anomaly detection, when it is on, looks for NaN."""
    return _State.check_nan


def _set(enabled: bool, check_nan: bool) -> None:
    from ..ops.saving import activate, current

    for place, (name, value) in enumerate((("enabled", enabled), ("check_nan", check_nan)), 1):
        if not isinstance(value, bool):
            kind = type(value).__name__
            raise TypeError(f"set_anomaly_enabled(): argument '{name}' (position {place}) must be bool, not {kind}")
    _State.enabled, _State.check_nan = enabled, check_nan
    others = tuple(recorder for recorder in current().recorders if recorder is not remember)
    activate(current()._replace(recorders=(*others, remember) if enabled else others))


class set_detect_anomaly:
    """Switch anomaly detection on or off from here on; as a context manager, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _State.enabled, _State.check_nan
        _set(mode, check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _set(*self._before)


class detect_anomaly:
    """Inside, a backward that meets NaN raises an error, and a warning shows where the operation was called.

    Operations that are recorded inside remember the traceback of their call. Whatever error a backward raises, a
    warning then shows the traceback of the operation whose gradient it was, and, where that operation was part of an
    earlier backward with ``create_graph=True``, of the operation whose gradient that was.

    >>> import warnings
    >>> import rushlight as torch
    >>> warnings.simplefilter("ignore")
    >>> x = torch.tensor(0.0, requires_grad=True)
    >>> with torch.autograd.detect_anomaly():
    ...     (x.sqrt() * 0).backward()
    Traceback (most recent call last):
    RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should only be enabled for "
            "debugging.",
            stacklevel=2,
        )

    def __enter__(self) -> None:
        self._before = _State.enabled, _State.check_nan
        _set(True, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        _set(*self._before)


def remember(node: Node) -> None:
    """Keep the traceback of the call that is recorded, and the node whose gradient it is part of."""
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
        if not _State.check_nan:
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
