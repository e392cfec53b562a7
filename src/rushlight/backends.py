"""What programs ask about PyTorch's backends."""

from __future__ import annotations


class _Absent:
    """A backend that is not there; its switches can be set and have nothing to act on."""

    deterministic = benchmark = enabled = allow_tf32 = False

    @staticmethod
    def is_available() -> bool:
        """Whether the backend can be used: no."""
        return False

    @staticmethod
    def is_built() -> bool:
        """Whether the backend is compiled in: no."""
        return False


cuda, cudnn, mps, mkldnn, xpu = _Absent(), _Absent(), _Absent(), _Absent(), _Absent()
