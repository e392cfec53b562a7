"""The version of Rushlight, in one place."""

from __future__ import annotations

__version__ = "0.1.0"
cuda = None  # of CUDA: there is none
