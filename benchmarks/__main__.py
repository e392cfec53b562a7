"""Run the benchmarks that are named, or all."""

from __future__ import annotations

import argparse
import importlib
import time

from .timing import Options, use_threads

NAMES = ("per_op", "lines", "training", "kernels", "matmul", "per_sample", "imports", "memory")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Rushlight beside PyTorch, interleaved.")
    words = f"which to run, by default all: {', '.join(NAMES)}; words after a name choose rows: `kernels softmax gelu`"
    parser.add_argument("words", nargs="*", help=words)
    parser.add_argument("--quick", action="store_true", help="fewer rounds")
    parser.add_argument("--threads", type=int, metavar="N", help="let both libraries use N threads")
    parser.add_argument(
        "--cpu-time", action="store_true", help="seconds on the processor: for a busy machine, with --threads 1"
    )
    given = parser.parse_args()
    chosen = [word for word in given.words if word in NAMES]
    if given.words and given.words[0] not in NAMES:
        parser.error(f"no benchmark {given.words[0]}: there are {', '.join(NAMES)}")
    if given.threads is not None:
        use_threads(given.threads)
    clock = time.process_time if given.cpu_time else time.perf_counter
    options = Options(tuple(word for word in given.words if word not in NAMES), given.quick, given.threads, clock)
    for name in chosen or NAMES:
        importlib.import_module(f".{name}", __package__).main(options)


main()
