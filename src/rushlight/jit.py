"""What programs ask of TorchScript: there is no second language here, so scripted code is the Python code itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Final = Any


def script(obj: Any, **options: Any) -> Any:
    """The function, class or module itself.

    >>> import rushlight as torch
    >>> @torch.jit.script
    ... def swish(x):
    ...     return x * x.sigmoid()
    >>> swish(torch.tensor(0.0))
    tensor(0.)
    """
    return obj


def trace(func: Any, example_inputs: Any = None, **options: Any) -> Any:
    """The function or module itself; it is not called with the example inputs."""
    return func


def export(fn: Callable) -> Callable:
    """The method itself."""
    return fn


def unused(fn: Callable) -> Callable:
    """The method itself."""
    return fn


def ignore(drop: Any = False, **options: Any) -> Any:
    """The method itself; a decorator if it is called without one."""
    return drop if callable(drop) else lambda fn: fn


def is_scripting() -> bool:
    """Whether code is being compiled: no."""
    return False


def is_tracing() -> bool:
    """Whether code is being traced: no."""
    return False
