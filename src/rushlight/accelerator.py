"""The questions that programs ask about the machine's accelerator, answered: there is none."""

from __future__ import annotations


def is_available() -> bool:
    """Whether there is one: no.

    >>> import rushlight as torch
    >>> torch.accelerator.current_accelerator().type if torch.accelerator.is_available() else "cpu"
    'cpu'
    """
    return False


def device_count() -> int:
    """The number of its devices: none."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """Its device: None."""
