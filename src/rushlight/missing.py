"""Errors for names that a module does not have: they say where Rushlight has them, or what is spelled alike."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import NoReturn


def refuse(module_name: str) -> Callable[[str], NoReturn]:
    """The ``__getattr__`` of a module, which raises AttributeError with the nearest name; that is looked for only then.

    >>> import rushlight as torch
    >>> torch.Linear
    Traceback (most recent call last):
    AttributeError: module 'rushlight' has no attribute 'Linear'; the nearest that Rushlight has is 'torch.nn.Linear'
    """

    def __getattr__(name: str) -> NoReturn:
        running = "torch" in sys.modules and sys.modules["torch"] is sys.modules["rushlight"]
        known_as = module_name.replace("rushlight", "torch", 1) if running else module_name
        message, module = f"module {known_as!r} has no attribute {name!r}", sys.modules[module_name]
        # While the module is being loaded, and before its submodules are, the import machinery asks for them.
        if not name.startswith("_") and not getattr(module.__spec__, "_initializing", False):
            from .torch_imports import hint, submodule_exists

            if not submodule_exists(module, name):
                message += hint(module, name)
        raise AttributeError(message, name=name)  # with no object, or Python would add a suggestion of its own

    return __getattr__
