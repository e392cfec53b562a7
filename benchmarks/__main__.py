"""Run the benchmarks that are named, or all."""

from __future__ import annotations

import argparse
import importlib

NAMES = ("per_op", "lines", "training", "per_sample", "imports", "memory")


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Rushlight beside PyTorch, interleaved.")
    parser.add_argument("names", nargs="*", help=f"which to run, by default all: {', '.join(NAMES)}")
    chosen = parser.parse_args().names
    unknown = set(chosen) - set(NAMES)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}: there are {', '.join(NAMES)}")
    for name in chosen or NAMES:
        importlib.import_module(f".{name}", __package__).main()


main()
