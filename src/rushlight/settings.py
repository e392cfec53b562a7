"""Switches that PyTorch programs set when they start. Results here are deterministic and in full precision anyway."""

from __future__ import annotations

import warnings

from . import devices

_deterministic = {"mode": False, "warn_only": False}
_precision = "highest"


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Ask for deterministic algorithms; Rushlight has no others."""
    _deterministic.update(mode=bool(mode), warn_only=bool(warn_only))


def are_deterministic_algorithms_enabled() -> bool:
    """Whether deterministic algorithms were asked for."""
    return _deterministic["mode"]


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether a warning was asked for where there is no deterministic algorithm."""
    return _deterministic["warn_only"]


def set_float32_matmul_precision(precision: str) -> None:
    """Say how exact products of float32 matrices must be; they always have the highest precision.

    >>> import rushlight as torch
    >>> torch.set_float32_matmul_precision("high")
    >>> torch.get_float32_matmul_precision()
    'high'
    >>> torch.set_float32_matmul_precision("highest")
    """
    global _precision
    if precision not in ("highest", "high", "medium"):
        warnings.warn(f"{precision} is not one of 'highest', 'high', or 'medium'; it has no effect", stacklevel=2)
        return
    _precision = precision


def get_float32_matmul_precision() -> str:
    """The precision that was asked for."""
    return _precision


def set_flush_denormal(mode: bool) -> bool:
    """Ask for tiny numbers to be treated as zero; returns whether this could be done: not for True."""
    return not mode


def set_default_device(device: devices.device | str | int | None) -> None:
    """Say where new tensors live: on the CPU, the one device there is.

    Raises:
        AssertionError: CUDA is asked for.
        RuntimeError: another device is asked for.
    """
    devices.check(device)


def get_default_device() -> devices.device:
    """Where new tensors live: on the CPU."""
    return devices.cpu
