"""What PyTorch has under `torch.autograd.grad_mode`: the modes, and a switch that has nothing to switch."""

from __future__ import annotations

from contextvars import ContextVar

from .modes import _Mode, enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["enable_grad", "inference_mode", "no_grad", "set_grad_enabled", "set_multithreading_enabled"]

multithreading: ContextVar[bool] = ContextVar("multithreading", default=True)


def is_multithreading_enabled() -> bool:
    """Whether backward might use threads, which it never does here: a backward runs in the thread that calls it."""
    return multithreading.get()


class set_multithreading_enabled(_Mode):
    """Let backward use threads or not, from here on; as a context manager, until its end.

    It makes no difference: a backward runs in the thread that calls it, as in PyTorch on the CPU. Several threads may
    run backward at the same time, also to shared leaves.

    >>> import rushlight as torch
    >>> with torch.autograd.set_multithreading_enabled(False):
    ...     torch.tensor(1.0, requires_grad=True).backward()
    """

    def __init__(self, mode: bool) -> None:
        self.mode = mode
        self._before = is_multithreading_enabled()
        multithreading.set(mode)

    def clone(self) -> set_multithreading_enabled:
        return set_multithreading_enabled(self.mode)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exception: object) -> None:
        multithreading.set(self._before)
