"""How many threads the kernels and the matrix products use."""

from __future__ import annotations

import os

from .kernels import blas, native

__all__ = ["get_num_threads", "set_num_threads"]


def _at_start() -> int:
    """What the environment says, else what OpenBLAS has found out: from its own variables or the processor."""
    asked = os.environ.get("RUSHLIGHT_NUM_THREADS", "")
    if not asked.isdecimal() or not int(asked):
        if blas.get_threads is not None:
            return blas.get_threads()
        asked = os.environ.get("OMP_NUM_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) else os.cpu_count() or 1


def get_num_threads() -> int:
    """The number of threads that one operation uses at most.

    At the start it is what the environment variables ``RUSHLIGHT_NUM_THREADS``, ``OPENBLAS_NUM_THREADS`` or
    ``OMP_NUM_THREADS`` say, else the number of processors.
    """
    return _number


def set_num_threads(number: int) -> None:
    """Set the number of threads that one operation uses at most, in kernels and matrix products, in every thread.

    Raises:
        RuntimeError: the number is not positive.
        TypeError: it is not an integer.
    """
    global _number
    if not isinstance(number, int) or isinstance(number, bool):
        raise TypeError(f"set_num_threads expects an int, but got {type(number).__name__}")
    if number < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    _number = number
    if blas.set_threads is not None:
        blas.set_threads(number)
    if native.library is not None:
        native.library.set_threads(number)


_number = _at_start()
set_num_threads(_number)
