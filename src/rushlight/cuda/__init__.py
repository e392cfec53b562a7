"""The questions that programs ask about CUDA, answered: there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from ..kernels.memory import empty_cache as empty_cache
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


def memory_allocated(device: Any = None) -> int:
    """The bytes of CUDA memory in use: none."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_allocated


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """Whether a CUDA device computes in bfloat16: there is none."""
    return False


def _needing_a_device(name: str) -> Callable:
    def function(*args: Any, **kwargs: Any) -> NoReturn:
        raise AssertionError(
            f"Torch not compiled with CUDA enabled: torch.cuda.{name} needs a CUDA device, and Rushlight computes on "
            "the CPU. Ask torch.cuda.is_available() first."
        )

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`torch.cuda.{name}` of a device: an AssertionError, because there is none."
    return function


for _name in ("current_device", "get_device_capability", "get_device_name", "get_device_properties", "synchronize"):
    globals()[_name] = _needing_a_device(_name)


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise AttributeError(
        f"module 'rushlight.cuda' has no attribute {name!r}: Rushlight computes on the CPU and "
        "torch.cuda.is_available() is False"
    )
