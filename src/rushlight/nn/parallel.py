"""`DataParallel` for programs that wrap their model in it: with one device there is nothing to divide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .module import Module


class DataParallel(Module):
    """A module whose batches would be divided among several devices; on the CPU it calls the module itself.

    The parameters' names begin with ``module.``, as in checkpoints that were written with it.

    >>> import rushlight as torch
    >>> list(torch.nn.DataParallel(torch.nn.Linear(2, 1)).state_dict())
    ['module.weight', 'module.bias']

    Raises:
        AssertionError: devices are named, which are not there.
    """

    def __init__(
        self, module: Module, device_ids: Sequence[Any] | None = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        if device_ids:
            raise AssertionError(f"Invalid device id: Rushlight computes on the CPU, got device_ids={list(device_ids)}")
        self.module = module
        self.device_ids: list = []

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """What the module makes of them."""
        return self.module(*inputs, **kwargs)
