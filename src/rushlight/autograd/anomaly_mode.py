"""Anomaly detection: backward stops at the first gradient that is NaN, and errors tell where it came from."""

from __future__ import annotations

import warnings

from ..ops.saving import activate, current
from . import engine
from .anomalies import State, remember, watching

__all__ = ["detect_anomaly", "set_detect_anomaly"]


def _set(enabled: bool, check_nan: bool) -> None:
    for place, (name, value) in enumerate((("enabled", enabled), ("check_nan", check_nan)), 1):
        if not isinstance(value, bool):
            kind = type(value).__name__
            raise TypeError(f"set_anomaly_enabled(): argument '{name}' (position {place}) must be bool, not {kind}")
    State.enabled, State.check_nan = enabled, check_nan
    engine.watchers[:] = [watch for watch in engine.watchers if watch is not watching] + [watching] * enabled
    others = tuple(recorder for recorder in current().recorders if recorder is not remember)
    activate(current()._replace(recorders=(*others, remember) if enabled else others))


class set_detect_anomaly:
    """Switch anomaly detection on or off from here on; as a context manager, until its end."""

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        self._before = State.enabled, State.check_nan
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
        self._before = State.enabled, State.check_nan
        _set(True, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        _set(*self._before)
