"""The examples, shortened: each runs unmodified with `rushlight run`, learns, and agrees with PyTorch."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
RUSHLIGHT = [sys.executable, "-m", "rushlight", "run"]
PYTORCH = [sys.executable]
# Tests run side by side: threads of several programs that wait for each other's cores would take longer than one.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}
NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?")


def run(launcher: list[str], example: str, *args: str) -> str:
    """What an example prints."""
    done = subprocess.run(
        [*launcher, str(EXAMPLES / example), *args], env=ENVIRONMENT, capture_output=True, encoding="utf-8", timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(output: str, label: str) -> list[float]:
    """The numbers after each occurrence of a label, up to the end of its line."""
    lines = re.findall(rf"{re.escape(label)}(.*)", output)
    return [float(number) for line in lines for number in NUMBER.findall(line)]


def test_digits(tmp_path):
    picture = tmp_path / "new" / "folder" / "digits.png"
    output = run(RUSHLIGHT, "digits.py", "--epochs", "3", "--out", str(picture))
    accuracy, hits, held_out, _ = numbers(output, "test accuracy:")
    assert held_out == 359 and accuracy == pytest.approx(100 * hits / held_out, abs=0.01)
    assert accuracy > 95
    assert f"picture: {picture}" in output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_regression():
    steps = "--steps", "300"
    ours, theirs = (run(launcher, "regression.py", *steps) for launcher in (RUSHLIGHT, PYTORCH))
    assert numbers(ours, "loss") == pytest.approx(numbers(theirs, "loss"), abs=2e-5)
    assert numbers(ours, "fitted") == pytest.approx(numbers(theirs, "fitted"), abs=2e-4)
    assert numbers(ours, "fitted") == pytest.approx(numbers(ours, "least squares "), abs=0.05)


def test_pinn():
    ours, theirs = (run(launcher, "pinn.py", "--steps", "100") for launcher in (RUSHLIGHT, PYTORCH))
    # Differences in the last bit grow with every step; the first printed steps are equal.
    for label in "equation", "given values":
        assert numbers(ours, label)[:2] == pytest.approx(numbers(theirs, label)[:2], rel=0.02)
    before, after = (numbers(ours, f"relative error {when}") for when in ("before training:", "after 100 steps:"))
    assert after[0] < 0.3 * before[0]


def test_char_transformer():
    args = "--steps", "40", "--length", "32", "--characters", "50", "--prompt", "And Noah "
    output = run(RUSHLIGHT, "char_transformer.py", *args)
    held_out, blind = numbers(output, "held-out loss:")
    assert held_out < 0.75 * blind
    sample = output.partition("\n\n")[2].removesuffix("\n")
    assert sample.startswith("And Noah ") and len(sample) == len("And Noah ") + 50
    assert run(RUSHLIGHT, "char_transformer.py", *args).partition("\n\n")[2] == sample + "\n"


def test_char_transformer_names_characters_it_does_not_know():
    command = [*RUSHLIGHT, str(EXAMPLES / "char_transformer.py"), "--prompt", "Noah 7"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=60)
    assert done.returncode == 2 and "not in it: ['7']" in done.stderr
