"""The older path to `torch.amp` for CUDA: there is no CUDA device, so nothing here changes a computation."""

from __future__ import annotations

from typing import Any

from .. import amp, dtypes


class autocast(amp.autocast):
    """`torch.amp.autocast` for CUDA."""

    def __init__(self, enabled: bool = True, dtype: dtypes.dtype = dtypes.float16, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`torch.amp.GradScaler` for CUDA."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("cuda", *args, **kwargs)
