"""Anomaly detection: backward stops at the first operation whose gradient is NaN."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .node import Node, Slot, describe


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


class set_detect_anomaly:
    """Switch anomaly detection on or off from here on; as a context manager, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = _State.enabled, _State.check_nan
        _State.enabled, _State.check_nan = mode, check_nan

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        _State.enabled, _State.check_nan = self._before


class detect_anomaly:
    """Inside, a backward that meets NaN raises an error that names the operation and the line that made it.

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
        _State.enabled, _State.check_nan = True, self.check_nan

    def __exit__(self, *exception: object) -> None:
        _State.enabled, _State.check_nan = self._before


@contextmanager
def watching(nodes: Iterable[Node]) -> Iterator[None]:
    """Look for NaN in what each of these nodes gives."""
    handles = [node.register_hook(_check(node)) for node in nodes if type(node) is not Slot]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _check(node: Node) -> Callable:
    def check(gradients: tuple, _: Any) -> None:
        for place, gradient in enumerate(gradients):
            if gradient is not None and np.isnan(gradient.array).any():
                raise RuntimeError(
                    f"Function '{node.name()}' returned nan values in its {place}th output. It was recorded at "
                    f"{describe(node)}"
                )

    return check
