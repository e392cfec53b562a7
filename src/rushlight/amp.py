"""Mixed precision as training scripts ask for it: computation here is in the tensors' own types.

`autocast` for a device that is not there does nothing, as in PyTorch; on the CPU it is refused rather than ignored.
`GradScaler` scales losses so that small gradients of half precision do not vanish, and skips steps whose gradients
overflowed: Micikevicius et al., "Mixed precision training" (2018).
"""

from __future__ import annotations

import warnings
from contextlib import ContextDecorator
from typing import Any

from . import dtypes
from .tensor import Tensor


class autocast(ContextDecorator):
    """A region of a program that PyTorch would compute in half precision; a context manager and decorator.

    >>> import rushlight as torch
    >>> with torch.autocast("cpu", enabled=False):
    ...     torch.ones(2).dtype
    torch.float32

    Raises:
        RuntimeError: it is enabled for the CPU, or the device is not known.
    """

    def __init__(
        self,
        device_type: str,
        dtype: dtypes.dtype | None = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if device_type not in ("cpu", "cuda", "mps", "xpu"):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        if enabled and device_type == "cpu":
            raise RuntimeError(
                "autocast on the CPU is not supported: Rushlight computes in the tensors' own types. Pass "
                "enabled=False, or convert the model and its inputs with .to(torch.bfloat16)"
            )
        if enabled:
            warnings.warn(f"{device_type.upper()} is not available. Disabling autocast.", stacklevel=2)

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: Any) -> None:
        pass


def is_autocast_enabled(device_type: str | None = None) -> bool:
    """Whether computation is in half precision without having been asked for tensor by tensor: no."""
    return False


class GradScaler:
    """Multiplies losses by a factor that adapts itself, and undoes it before the optimizer's step.

    Args:
        device: for "cuda", which is not there, the scaler is disabled and leaves everything as it is.
        init_scale: the first factor.
        growth_factor: what the factor is multiplied by after ``growth_interval`` steps without overflow.
        backoff_factor: what it is multiplied by after an overflow.

    >>> import rushlight as torch
    >>> scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    >>> scaler.scale(torch.tensor(2.0))
    tensor(8.)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device != "cpu":
            warnings.warn(f"GradScaler is enabled, but {device} is not available. Disabling.", stacklevel=2)
        self._enabled = enabled and device == "cpu"
        self._scale = float(init_scale)
        self._growth, self._backoff, self._interval = growth_factor, backoff_factor, growth_interval
        self._good_steps = 0
        self._finite: dict[int, bool] = {}  # of the optimizers whose gradients are unscaled: are they finite?

    def scale(self, outputs: Any) -> Any:
        """A tensor, or each of a list of tensors, times the factor."""
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        return type(outputs)(map(self.scale, outputs))

    def unscale_(self, optimizer: Any) -> None:
        """Divide the gradients of an optimizer's parameters by the factor, for example before they are clipped.

        Raises:
            RuntimeError: it was done already since the last `update`.
        """
        if not self._enabled:
            return
        if id(optimizer) in self._finite:
            raise RuntimeError("unscale_() has already been called on this optimizer since the last update().")
        finite = True
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    gradient = parameter.grad.detach()
                    gradient *= 1 / self._scale
                    finite = finite and bool(gradient.isfinite().all())
        self._finite[id(optimizer)] = finite

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """The optimizer's step with unscaled gradients, left out if one of them is infinite or NaN."""
        if self._enabled and id(optimizer) not in self._finite:
            self.unscale_(optimizer)
        return optimizer.step(*args, **kwargs) if self._finite.get(id(optimizer), True) else None

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adapt the factor after a step, or set it.

        Raises:
            AssertionError: no step was taken since the last `update`.
        """
        if not self._enabled:
            return
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._finite:
            raise AssertionError("No inf checks were recorded prior to update.")
        elif not all(self._finite.values()):
            self._scale *= self._backoff
            self._good_steps = 0
        else:
            self._good_steps += 1
            if self._good_steps == self._interval:
                self._scale *= self._growth
                self._good_steps = 0
        self._finite = {}

    def get_scale(self) -> float:
        """The factor; 1 if the scaler is disabled."""
        return self._scale if self._enabled else 1.0

    def is_enabled(self) -> bool:
        """Whether the scaler does anything."""
        return self._enabled

    def state_dict(self) -> dict[str, Any]:
        """The factor and how it adapts; empty if the scaler is disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth,
            "backoff_factor": self._backoff,
            "growth_interval": self._interval,
            "_growth_tracker": self._good_steps,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a `state_dict`.

        Raises:
            RuntimeError: it is empty: it was taken from a disabled scaler.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty, possibly because it was saved from a disabled GradScaler."
            )
        self._scale, self._good_steps = state_dict["scale"], state_dict["_growth_tracker"]
        self._growth, self._backoff = state_dict["growth_factor"], state_dict["backoff_factor"]
        self._interval = state_dict["growth_interval"]
