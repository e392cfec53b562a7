"""Resident memory over ten thousand training steps, with the garbage collector and without it."""

from __future__ import annotations

import subprocess
import sys

STEPS, SHOWN = 10_000, 5
PROGRAM = """
import gc, os
import rushlight as torch
from benchmarks.training import mlp

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


def measure(disabled: bool) -> list[tuple[int, float]]:
    """The number of objects that the collector knows, and resident MiB: after a hundred steps, and on the way."""
    program = PROGRAM.format(disabled=disabled, steps=STEPS, shown=SHOWN)
    output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    return [(int(count), float(size)) for count, size in (line.split() for line in output.splitlines())]


def main() -> None:
    """Print the table."""
    print("\nMemory while an MLP 64-128-10 is trained with Adam, batch 64")
    for disabled in (False, True):
        print(f"\n{'without' if disabled else 'with'} the garbage collector")
        print(f"{'steps':>8} {'resident':>12} {'objects':>10}")
        for place, (count, size) in enumerate(measure(disabled)):
            print(f"{100 + place * STEPS // SHOWN:8} {size:8.2f} MiB {count:10}")
