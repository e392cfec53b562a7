"""Random states of other devices than the CPU, of which there are none."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class DefaultDeviceType:
    """The type of device whose random state belongs to a checkpoint where no argument says it."""

    _type = "cpu"

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Set the type."""
        DefaultDeviceType._type = device

    @staticmethod
    def get_device_type() -> str:
        """The type."""
        return DefaultDeviceType._type


def get_device_states(*args: Any) -> tuple[list[int], list]:
    """The devices of the tensors among the arguments, other than the CPU, and their random states: none."""
    return [], []


def set_device_states(devices: Sequence, states: Sequence, *, device_type: str | None = None) -> None:
    """Set the random states of devices other than the CPU.

    Raises:
        RuntimeError: there are devices among them.
    """
    if list(devices):
        raise RuntimeError(f"there are no devices {list(devices)} here: the only one is the CPU")
