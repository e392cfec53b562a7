"""The questions that programs ask about CUDA, answered: there is none."""

from __future__ import annotations

from typing import Any

from . import amp as amp


def is_available() -> bool:
    """Whether tensors can live on a CUDA device: no.

    >>> import rushlight as torch
    >>> torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device(type='cpu')
    """
    return False


def device_count() -> int:
    """The number of CUDA devices: none."""
    return 0


def is_initialized() -> bool:
    """Whether CUDA is in use: no."""
    return False


def manual_seed(seed: int) -> None:
    """Seed the CUDA generators, of which there are none."""


def manual_seed_all(seed: int) -> None:
    """Seed the CUDA generators, of which there are none."""


def empty_cache() -> None:
    """Give back cached CUDA memory, of which there is none."""


def memory_allocated(device: Any = None) -> int:
    """The bytes of CUDA memory in use: none."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(
        f"module 'rushlight.cuda' has no attribute {name!r}: Rushlight computes on the CPU and "
        "torch.cuda.is_available() is False"
    )
