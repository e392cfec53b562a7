"""What programs ask of PyTorch's compiler: there is none, so a compiled function is the function itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compile(model: Callable | None = None, **options: Any) -> Any:
    """The module or function itself; without one, a decorator that returns what it is given.

    >>> import rushlight as torch
    >>> @torch.compile
    ... def double(x):
    ...     return 2 * x
    >>> double(torch.tensor(2.0))
    tensor(4.)

    Raises:
        AssertionError: what is to be compiled cannot be called.
    """
    if model is None:
        return lambda given: compile(given, **options)
    if not callable(model):
        raise AssertionError(f"A callable function is expected, but {type(model)} is provided.")
    return model


def disable(fn: Callable | None = None, recursive: bool = True, **options: Any) -> Any:
    """The function itself, which is never compiled; without one, a decorator."""
    return (lambda given: given) if fn is None else fn


def is_compiling() -> bool:
    """Whether a compiler is looking on: no."""
    return False


def reset() -> None:
    """Forget what was compiled, which is nothing."""
