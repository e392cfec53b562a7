"""What `import` costs: seconds and resident memory of NumPy, Rushlight and PyTorch, each in fresh interpreters."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

MODULES = ("numpy", "rushlight", "torch")
PROGRAM = """
import time
start = time.perf_counter()
import {module}
duration = time.perf_counter() - start
with open("/proc/self/status") as status:
    resident = next(line for line in status if line.startswith("VmRSS"))
print(duration, int(resident.split()[1]) / 1024)
"""


def measure(module: str) -> tuple[float, float]:
    """Seconds to import in a new interpreter, and its resident MiB afterwards."""
    # An installed package comes with its bytecode: the first import of a source tree has to be allowed to write it.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    output = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(module=module)],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    ).stdout
    duration, memory = map(float, output.split())
    return duration, memory


def main(rounds: int = 9) -> None:
    """Print the table."""
    runs: dict[str, list[tuple[float, float]]] = {module: [] for module in MODULES}
    for module in MODULES:
        measure(module)
    for _ in range(rounds):
        for module in MODULES:
            runs[module].append(measure(module))
    numpy_time = statistics.median(duration for duration, _ in runs["numpy"])
    print(f"\nImport, median of {rounds} fresh interpreters\n{'':12} {'time':>10} {'of NumPy':>10} {'resident':>12}")
    for module, measured in runs.items():
        duration, memory = (statistics.median(column) for column in zip(*measured))
        print(f"{module:12} {duration * 1e3:7.1f} ms {duration / numpy_time:10.2f} {memory:8.1f} MiB")
