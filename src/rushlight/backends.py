"""What programs ask about PyTorch's backends."""

from __future__ import annotations

from types import ModuleType


class _Absent(ModuleType):
    """A backend that is not there; its switches can be set and have nothing to act on."""

    deterministic = benchmark = enabled = allow_tf32 = False
    matmul: _Absent

    def __init__(self, name: str) -> None:
        super().__init__(f"{__name__}.{name}", self.__doc__)

    @staticmethod
    def is_available() -> bool:
        """Whether the backend can be used: no."""
        return False

    @staticmethod
    def version() -> None:
        """The backend's version: None."""

    @staticmethod
    def is_built() -> bool:
        """Whether the backend is compiled in: no."""
        return False


cuda, cudnn, mps, mkldnn, xpu = map(_Absent, ("cuda", "cudnn", "mps", "mkldnn", "xpu"))
cuda.matmul = _Absent("cuda.matmul")
