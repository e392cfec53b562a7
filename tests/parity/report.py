"""What a run found: failures, counts, and how they are printed."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch

from tests.parity.compare import LOOSER

SHOWN_PER_CHECK = 3


@dataclass
class Failure:
    """One sample of one case that differs."""

    case: str
    dtype: str
    check: str
    sample: str
    what: str

    def __str__(self) -> str:
        return f"FAIL {self.case} {self.dtype} {self.check} | {self.sample} | {self.what}"


@dataclass
class Result:
    """What was found about one op, module or optimizer in one dtype."""

    case: str
    dtype: str
    failures: list[Failure] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)
    checks: int = 0
    no_less_exact: int = 0
    known: Counter[str] = field(default_factory=Counter)
    loops: set[str] = field(default_factory=set)  # checks in which a batch was computed by a loop, for lack of a rule
    seconds: float = 0.0

    def fail(self, check: str, sample: str, what: str) -> None:
        """Record a failure."""
        self.failures.append(Failure(self.case, self.dtype, check, sample, what))

    def show(self, verbose: bool = False, only: str | None = None) -> int:
        """Print the failures, a few of each check unless `verbose`, and return how many lines count as failed."""
        chosen = [f for f in self.failures if only in (None, f.check)]
        for check, count in Counter(f.check for f in chosen).items():
            lines = [f for f in chosen if f.check == check]
            for line in lines if verbose else lines[:SHOWN_PER_CHECK]:
                print(line, flush=True)
            if not verbose and count > SHOWN_PER_CHECK:
                rest = count - SHOWN_PER_CHECK
                print(f"     {self.case} {self.dtype} {check} | … and {rest} more samples", flush=True)
        return len(chosen)


def describe(value: Any) -> str:
    """An argument in a few characters: `f32[2,3]` for a tensor, `~(1,2)` after it when it is not contiguous."""
    if isinstance(value, torch.Tensor):
        kind = str(value.dtype).removeprefix("torch.").replace("float", "f").replace("int", "i").replace("complex", "c")
        strided = value.layout == torch.strided
        strides = f"~({','.join(map(str, value.stride()))})" if strided and not value.is_contiguous() else ""
        return f"{kind}[{','.join(map(str, value.shape))}]{strides}"
    if isinstance(value, (list, tuple)) and type(value).__name__ in ("list", "tuple", "Size"):
        inner = ", ".join(describe(v) for v in value)
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{k}: {describe(v)}" for k, v in value.items()) + "}"
    return textwrap.shorten(repr(value), 60)


def describe_call(args: Iterable[Any], kwargs: dict[str, Any]) -> str:
    """The arguments of a call in one line."""
    parts = [describe(a) for a in args] + [f"{k}={describe(v)}" for k, v in kwargs.items()]
    return ", ".join(parts)


def closing_table(kind: str, results: list[Result], missing: dict[str, list[str]], total: int) -> int:
    """Print the summary of a run and return the number of failed cases."""
    compared = {r.case for r in results}
    failed = {r.case for r in results if r.failures}
    known = {r.case for r in results if r.known} - failed
    rows = {
        f"{kind} in PyTorch's database": total,
        "compared": len(compared),
        "  passed": len(compared - failed - known),
        "  different, known": len(known),
        "  failed": len(failed),
        "calls compared": sum(r.checks for r in results),
        "  of these beyond the tolerance, but no less exact than PyTorch": sum(r.no_less_exact for r in results),
    }
    rows |= {title: len(names) for title, names in missing.items()}
    print()
    for title, number in rows.items():
        print(f"{title:<66}{number:>8}")
    for reason, number in sum((r.skipped for r in results), Counter()).most_common():
        print(f"{'samples cut short, ' + reason:<66}{number:>8}")
    for name in sorted({r.case.split()[0] for r in results} & LOOSER.keys()):
        factor, reason = LOOSER[name]
        print(f"tolerance of {name} times {factor:g}: {reason}")
    for case in sorted({r.case for r in results if r.known}):
        for reason, calls in sum((r.known for r in results if r.case == case), Counter()).items():
            print(f"different, known: {case} in {calls} calls: {reason}")
    looped = {
        f"without a rule for batches ({c})": [r.case for r in results if c in r.loops] for c in ("batched", "vmap")
    }
    for title, names in {**missing, **looped, "failed": sorted(failed)}.items():
        if names:
            text = textwrap.fill(", ".join(names), 116, break_on_hyphens=False)
            print(f"\n{title}:\n{textwrap.indent(text, '  ')}")
    return len(failed)
