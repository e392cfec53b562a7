"""What `import` costs: seconds and resident memory, each in fresh interpreters; and what is on the disk."""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys
from pathlib import Path

from .timing import Options

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


def installed(module: str) -> float:
    """MB of a package's files, with the shared libraries that its wheel brings, without bytecode."""
    [folder] = map(Path, importlib.util.find_spec(module).submodule_search_locations)
    paths = [*folder.rglob("*"), *folder.with_name(f"{module}.libs").rglob("*")]
    return sum(path.stat().st_size for path in paths if path.is_file() and path.suffix != ".pyc") / 1e6


def main(options: Options) -> None:
    """Print the table."""
    rounds = 3 if options.quick else 9
    runs: dict[str, list[tuple[float, float]]] = {module: [] for module in MODULES}
    for module in MODULES:
        measure(module)
    for _ in range(rounds):
        for module in MODULES:
            runs[module].append(measure(module))
    numpy_time = statistics.median(duration for duration, _ in runs["numpy"])
    columns = ("time", "of NumPy", "resident", "installed")
    print(f"\nImport, median of {rounds} fresh interpreters\n{'':12}" + "".join(f"{column:>14}" for column in columns))
    for module, measured in runs.items():
        duration, memory = (statistics.median(column) for column in zip(*measured))
        times = f"{duration * 1e3:11.1f} ms {duration / numpy_time:13.2f}"
        print(f"{module:12}{times} {memory:9.1f} MiB {installed(module):10.1f} MB")
    print(f"{'Rushlight and NumPy':54} {installed('numpy') + installed('rushlight'):10.1f} MB")
