"""Compares two libraries that go through the same steps, each showing something on the way."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import torch

from tests.parity.compare import as_near, brief, error_line, flags_of, same_class, trees_differ, without_values
from tests.parity.outcome import describe
from tests.parity.report import Result
from tests.parity.sides import Side, Unconvertible

Steps = Callable[[Side], Iterator[tuple[str, Any]]]


@dataclass
class Record:
    """What one side showed, by check, and the exception that ended it."""

    shown: dict[str, Any] = field(default_factory=dict)
    error: Exception | None = None


def observe(side: Side, steps: Steps) -> Record:
    """Go through the steps on one side; each yields the name of a check and what is to be compared."""
    record = Record()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for check, value in steps(side):
                record.shown[check] = describe(side, value)
        except Unconvertible:
            raise
        except Exception as error:
            record.error = error
    return record


def compare_steps(result: Result, text: str, steps: Steps, lib: ModuleType, trace: bool = False) -> None:
    """Go through the steps in PyTorch and in `lib`, and record where they first part."""
    result.checks += 1
    try:
        expected, got = observe(Side(torch), steps), observe(Side(lib), steps)
    except Unconvertible as lack:
        result.skipped[f"no counterpart of {lack}"] += 1
        return
    rounded = False
    for check, value in expected.shown.items():
        if check not in got.shown:
            result.fail(check, text, error_line(got.error, trace))
            return
        if found := _differ(value, got.shown[check], result.case):
            if _no_less_exact(check, steps, value, got.shown[check]):
                rounded = True
            else:
                result.fail(check, text, found)
    result.no_less_exact += rounded
    last = list(expected.shown)[-1] if expected.shown else "construction"
    if expected.error is None and got.error is None:
        return
    if expected.error is not None:
        result.skipped[f"PyTorch itself raises (after {last}): {error_line(expected.error)[:90]}"] += 1
    if expected.error is None or got.error is None or not same_class(expected.error, got.error):
        lines = [error_line(e, trace) if e else "nothing raised" for e in (expected.error, got.error)]
        result.fail(f"after {last}", text, f"expected {lines[0]}, got {lines[1]}")


def _no_less_exact(check: str, steps: Steps, expected: Any, got: Any) -> bool:
    """Whether the difference is PyTorch's own rounding: its steps in double precision are then as near to `got`."""
    if trees_differ(without_values(expected), without_values(got), ""):
        return False
    truth = observe(Side(torch, wide=True), steps).shown.get(check)
    return as_near(truth, expected, got)


def _differ(expected: Any, got: Any, name: str) -> str | None:
    if isinstance(expected, str) and isinstance(got, str) and expected != got:
        pairs = zip((expected + "\n").splitlines(), (got + "\n").splitlines(), strict=False)
        line = next(((e, g) for e, g in pairs if e != g), (brief(expected), brief(got)))
        return f"expected {line[0]!r}, got {line[1]!r}"
    found = trees_differ(expected, got, name)
    if not found and flags_of(expected) != flags_of(got):
        return f"requires_grad: expected {flags_of(expected)}, got {flags_of(got)}"
    return found
