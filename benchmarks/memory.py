"""Memory: the peak of training larger models, and resident memory over ten thousand steps of a small one."""

from __future__ import annotations

import subprocess
import sys

from .timing import Options

# The peak is that of the process itself, not of the one that started it, which `ru_maxrss` would tell.
PEAK = """
import {library} as torch
import benchmarks.models

def status(entry):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(entry))

if {threads}:
    torch.set_num_threads({threads})
imported = status("VmRSS")
step = benchmarks.models.MODELS[{model!r}](torch)
for _ in range({steps}):
    step()
print(imported, status("VmHWM"))
"""
MODELS = ("MLP 1024³, batch 512", "GPT, batch 16")

STEPS, SHOWN = 10_000, 5
LONG = """
import gc, os
import rushlight as torch
from benchmarks.models import mlp

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

if {disabled}:
    gc.disable()
step = mlp(torch, [64, 128, 10], 64)
for _ in range(100):
    step()
print(len(gc.get_objects()), resident())
for _ in range({shown}):
    for _ in range({steps} // {shown}):
        step()
    print(len(gc.get_objects()), resident())
"""


def printed(program: str) -> list[list[float]]:
    """The numbers that a program prints in a new interpreter, line by line."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return [[float(number) for number in line.split()] for line in done.stdout.splitlines()]


def peak(library: str, model: str, options: Options) -> tuple[float, float]:
    """MiB at the peak of training, less what was resident after importing the library; and in all."""
    steps = 3 if options.quick else 12
    program = PEAK.format(library=library, model=model, steps=steps, threads=options.threads or 0)
    [[imported, highest]] = printed(program)
    return highest - imported, highest


def main(options: Options) -> None:
    """Print the tables."""
    print("\nPeak memory of training, less what importing takes; in brackets: in all")
    print(f"{'':34} {'Rushlight':>22} {'PyTorch':>22} {'of PyTorch':>12}")
    for model in MODELS:
        both = [peak(library, model, options) for library in ("rushlight", "torch")]
        columns = "".join(f"{used:12.1f} ({total:.0f}) MiB" for used, total in both)
        print(f"{model:34} {columns} {both[0][0] / both[1][0]:12.2f}", flush=True)
    steps = 2_000 if options.quick else STEPS
    print("\nMemory while an MLP 64-128-10 is trained with Adam, batch 64")
    for disabled in (False, True):
        print(f"\n{'without' if disabled else 'with'} the garbage collector")
        print(f"{'steps':>8} {'resident':>12} {'objects':>10}")
        for place, (count, size) in enumerate(printed(LONG.format(disabled=disabled, steps=steps, shown=SHOWN))):
            print(f"{100 + place * steps // SHOWN:8} {size:8.2f} MiB {count:10.0f}")
