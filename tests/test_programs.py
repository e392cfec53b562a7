"""Programs as people write them with PyTorch print the same on Rushlight, unmodified, but for the last digits."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).resolve().parent / "programs"
NAMES = sorted(path.stem for path in PROGRAMS.glob("*.py") if path.stem != "run")
NUMBER = re.compile(r"[-+]?\d+(?:\.\d*)?(?:e[-+]?\d+)?")
# Under both libraries one thread, so that sums are added in one order and tests side by side do not wait for cores.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


def printed(*launcher: str) -> dict[str, str]:
    """What each program prints."""
    command = [sys.executable, *launcher, str(PROGRAMS / "run.py"), *NAMES]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def unit(number: str) -> float:
    """The value of one in the last printed place."""
    digits, _, exponent = number.partition("e")
    return 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))


def agree(ours: str, theirs: str) -> bool:
    """Whether two lines are the same but for spaces and the last digits of numbers that are not whole.

    A number may be off by 1e-4 of its size or by one in its last printed place; sums that are zero but for rounding
    may be off by 2e-6.
    """
    if re.sub(r"\s", "", NUMBER.sub("#", ours)) != re.sub(r"\s", "", NUMBER.sub("#", theirs)):
        return False
    for a, b in zip(NUMBER.findall(ours), NUMBER.findall(theirs), strict=True):
        if a == b:
            continue
        tolerance = max(1e-4 * abs(float(b)), 1.01 * min(unit(a), unit(b)), 2e-6)
        if a.lstrip("+-").isdigit() or b.lstrip("+-").isdigit() or not abs(float(a) - float(b)) <= tolerance:
            return False
    return True


def differences(ours: str, theirs: str) -> list[str]:
    """The lines of one program's two outputs that do not agree."""
    left, right = ours.splitlines(), theirs.splitlines()
    length = max(len(left), len(right))
    pairs = zip(left + [""] * (length - len(left)), right + [""] * (length - len(right)), strict=True)
    return [f"line {n}: {a!r}, PyTorch {b!r}" for n, (a, b) in enumerate(pairs, 1) if not agree(a, b)]


def test_the_same_is_printed():
    ours, theirs = printed("-m", "rushlight", "run"), printed()
    wrong = {name: differences(ours[name], theirs[name]) for name in NAMES}
    shown = [f"{name}: {line}" for name, lines in wrong.items() for line in lines[:8]]
    assert not shown, "\n".join(shown)
    assert len(NAMES) > 20 and not [name for name in NAMES if "Traceback" in theirs[name]]


def test_what_agrees():
    assert agree("loss 0.8095 at 1.0e-05", "loss  0.8096 at 1.1e-05")
    assert agree("tensor(-4.1e-8)", "tensor(3.0e-8)")
    for ours, theirs in (("1", "2"), ("0.81", "0.83"), ("nan", "0.5"), ("12.345", "12.355"), ("[1, 2]", "[1, 2, 3]")):
        assert not agree(ours, theirs)
