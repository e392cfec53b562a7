"""Whole training steps: forward, backward and optimizer, with all threads and with one."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator

from .models import MODELS
from .timing import Comparison, Options, compare, report, use_threads


def comparisons(options: Options, jax: bool) -> Iterator[Comparison]:
    """Each step in both libraries and, for some, in JAX."""
    import torch

    import rushlight

    if jax:
        if options.threads is not None:
            os.environ["NPROC"] = str(options.threads)  # JAX reads it when its threads are made
        from .jax_models import MODELS as compiled
    for name, build in MODELS.items():
        if options.wants(name):
            steps = [build(rushlight), build(torch)]
            if jax and name in compiled:
                steps.append(compiled[name]())
            yield compare(options, name, *steps, round_seconds=0.05, longest=5.0, rest=0.03)


def main(options: Options) -> None:
    """Print the tables; JAX, whose threads can only be set before it is imported, is beside the first."""
    import torch

    import rushlight

    usual = torch.get_num_threads(), rushlight.get_num_threads()
    jax = importlib.util.find_spec("jax") is not None
    if options.threads is not None:
        report(f"Training steps, threads: {options.threads}", comparisons(options, jax))
        return
    report(f"Training steps, threads: {usual[1]}, {usual[0]}", comparisons(options, jax))
    use_threads(1)
    report("Training steps, one thread", comparisons(options, False))
    torch.set_num_threads(usual[0])
    rushlight.set_num_threads(usual[1])
