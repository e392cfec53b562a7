"""Interleaved timing: the libraries in turn, medians of rounds, ratios."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        words: Measure only rows whose names contain one of them.
        quick: Fewer rounds.
        threads: How many threads both libraries use, if not as many as they like.
        clock: What tells the time in seconds.
    """

    words: tuple[str, ...] = ()
    quick: bool = False
    threads: int | None = None
    clock: Callable[[], float] = time.perf_counter

    def wants(self, name: str) -> bool:
        """Whether a row of this name is to be measured."""
        return not self.words or any(word.lower() in name.lower() for word in self.words)


@dataclass
class Comparison:
    """The seconds that one piece of work takes: in Rushlight, in PyTorch, and perhaps in a third library."""

    name: str
    ours: float
    theirs: float
    third: float | None = None

    @property
    def ratio(self) -> float:
        """PyTorch's time over Rushlight's: above 1, Rushlight is faster."""
        return self.theirs / self.ours


def use_threads(number: int) -> None:
    """Let both libraries compute with this number of threads."""
    import torch

    import rushlight

    for library in (torch, rushlight):
        library.set_num_threads(number)


def seconds(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds of one call, over a run of several."""
    start = clock()
    for _ in range(repeats):
        work()
    return (clock() - start) / repeats


def compare(
    options: Options,
    name: str,
    *works: Callable[[], object],
    rounds: int = 15,
    round_seconds: float = 0.02,
    longest: float = 60.0,
    rest: float = 0.0,
) -> Comparison:
    """Time Rushlight's work and the others' in turn: the median over the rounds of each.

    Args:
        options: Which clock, and whether a quarter of rounds and time is enough.
        name: What is compared.
        works: The work in Rushlight, in PyTorch and, optionally, in a third library.
        rounds: How often each has its turn; at least 3 times in any case.
        round_seconds: How long a turn takes, unless one call takes longer.
        longest: Seconds for all of it.
        rest: Seconds to wait before each turn, in which the idle threads of the library before it go to sleep.
    """
    if options.quick:
        rounds, longest = rounds // 4, longest / 4
    repeats, turn = [], 0.0
    for work in works:
        seconds(work, 2)
        once = seconds(work, 3 if seconds(work, 1) < round_seconds else 1)
        repeats.append(max(1, int(round_seconds / once)))
        turn += max(once, round_seconds)
    times: list[list[float]] = [[] for _ in works]
    gc.collect()
    for _ in range(max(3, min(rounds, int(longest / turn)))):
        for work, count, kept in zip(works, repeats, times):
            time.sleep(rest)
            kept.append(seconds(work, count, options.clock))
    return Comparison(name, *(statistics.median(kept) for kept in times))


def geometric_mean(ratios: Iterable[float]) -> float:
    """The mean that treats twice as fast and twice as slow alike."""
    return math.exp(statistics.fmean(map(math.log, ratios)))


def report(title: str, comparisons: Iterable[Comparison], per: int = 1) -> None:
    """Print a table, each row as soon as it is measured, then geometric mean and lowest of the ratios."""
    print(f"\n{title}\n{'':34} {'Rushlight':>12} {'PyTorch':>12} {'ratio':>7}")
    ratios = []
    for row in comparisons:
        ratios.append(row.ratio)
        line = f"{row.name:34} {_readable(row.ours / per):>12} {_readable(row.theirs / per):>12} {row.ratio:7.2f}"
        jax = f"   JAX {_readable(row.third / per)}, ratio {row.third / row.ours:.2f}" if row.third else ""
        print(line + jax, flush=True)
    if ratios:
        print(f"{'geometric mean':34} {'':12} {'':12} {geometric_mean(ratios):7.2f}   lowest {min(ratios):.2f}")


def _readable(duration: float) -> str:
    return f"{duration * 1e6:.2f} µs" if duration < 1e-3 else f"{duration * 1e3:.2f} ms"
