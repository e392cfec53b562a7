"""Products of square matrices in GFLOP/s, and whether the rate depends on which library is imported first."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from .timing import Options, compare, seconds

SIZES = (64, 256, 512, 1024, 2048)
LIBRARIES = ("rushlight", "torch", "numpy")
ORDERS = (("numpy", "rushlight"), ("scipy.linalg", "rushlight"), ("torch", "rushlight"), ("rushlight", "numpy"))
PROGRAM = """
import time
import {imports}
import rushlight
from benchmarks.matmul import best_rate
if {threads}:
    rushlight.set_num_threads({threads})
print(*(best_rate(library, "float32", 1024, time.{clock}) for library in ("rushlight", "numpy")))
"""


def product(library: str, dtype: str, n: int) -> Callable[[], Any]:
    """The work of one product of matrices of n rows and columns."""
    module: Any = importlib.import_module(library)
    x, y = np.random.default_rng(0).standard_normal((2, n, n)).astype(dtype)
    if library != "numpy":
        x, y = module.from_numpy(x), module.from_numpy(y)
    return lambda: x @ y


def rate(n: int, duration: float) -> float:
    """GFLOP/s of one product that takes so many seconds."""
    return 2 * n**3 / duration / 1e9


def best_rate(library: str, dtype: str, n: int, clock: Callable[[], float], rounds: int = 10) -> float:
    """The best rate of several rounds."""
    work = product(library, dtype, n)
    return rate(n, min(seconds(work, 2, clock) for _ in range(rounds)))


def main(options: Options) -> None:
    """Print the tables."""
    print("\nMatrix products, GFLOP/s")
    print(
        f"{'':14} {'n':>6}" + "".join(f"{library:>12}" for library in LIBRARIES) + "   of the best other   of PyTorch"
    )
    for dtype in ("float32", "float64"):
        for n in SIZES:
            works = [product(library, dtype, n) for library in LIBRARIES]
            row = compare(options, dtype, *works, rounds=12, longest=2.0, rest=0.03)
            ours, theirs, numpys = (rate(n, duration) for duration in (row.ours, row.theirs, row.third))
            rates = "".join(f"{value:12.1f}" for value in (ours, theirs, numpys))
            print(f"{dtype:14} {n:6}{rates} {ours / max(theirs, numpys):18.2f} {ours / theirs:12.2f}", flush=True)
    print("\nfloat32, n = 1024, each import order in an interpreter of its own, GFLOP/s")
    print(f"{'':34} {'Rushlight':>12} {'NumPy':>12}")
    for order in ORDERS:
        if importlib.util.find_spec(order[0].partition(".")[0]) is None:
            continue
        clock = options.clock.__name__
        program = PROGRAM.format(imports=", ".join(order), threads=options.threads or 0, clock=clock)
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        print(f"{', then '.join(order):34}" + "".join(f"{float(value):13.1f}" for value in done.stdout.split()))
