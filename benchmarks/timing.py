"""Interleaved timing: both libraries in turn, medians of rounds, ratios."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass
class Comparison:
    """The seconds that one piece of work takes in each library."""

    name: str
    ours: float
    theirs: float

    @property
    def ratio(self) -> float:
        """PyTorch's time over Rushlight's: above 1, Rushlight is faster."""
        return self.theirs / self.ours


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Seconds of one call, over a run of several."""
    start = time.perf_counter()
    for _ in range(repeats):
        work()
    return (time.perf_counter() - start) / repeats


def compare(
    name: str,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    *,
    rounds: int = 15,
    round_seconds: float = 0.02,
) -> Comparison:
    """Time both in turn: the median over the rounds of each."""
    repeats = []
    for work in (ours, theirs):
        seconds(work, 2)
        repeats.append(max(1, int(round_seconds / seconds(work, 3))))
    times: tuple[list[float], list[float]] = ([], [])
    gc.collect()
    for _ in range(rounds):
        for work, count, kept in zip((ours, theirs), repeats, times):
            kept.append(seconds(work, count))
    return Comparison(name, *(statistics.median(kept) for kept in times))


def report(title: str, comparisons: Iterable[Comparison], per: int = 1) -> float:
    """Print a table and return the geometric mean of the ratios."""
    rows = list(comparisons)
    print(f"\n{title}\n{'':34} {'Rushlight':>12} {'PyTorch':>12} {'ratio':>7}")
    for row in rows:
        print(f"{row.name:34} {_readable(row.ours / per):>12} {_readable(row.theirs / per):>12} {row.ratio:7.2f}")
    mean = math.exp(statistics.fmean(math.log(row.ratio) for row in rows))
    print(f"{'geometric mean':34} {'':12} {'':12} {mean:7.2f}   lowest {min(row.ratio for row in rows):.2f}")
    return mean


def _readable(duration: float) -> str:
    return f"{duration * 1e6:.2f} µs" if duration < 1e-3 else f"{duration * 1e3:.2f} ms"
