"""The command `python -m tests.parity`; see the package's docstring for its use."""

from __future__ import annotations

import argparse
import difflib
import importlib
import multiprocessing
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from types import FrameType, ModuleType

import torch

import tests.parity
from tests.parity import derivatives, modules, ops, optimizers, resolve
from tests.parity.compare import error_line
from tests.parity.report import Result, closing_table

SECONDS_PER_CASE = 60


def parser() -> argparse.ArgumentParser:
    """The command line."""
    form = argparse.RawTextHelpFormatter
    p = argparse.ArgumentParser("tests.parity", description=tests.parity.__doc__, formatter_class=form)
    p.add_argument("names", nargs="*", help="names, aliases, last parts of names, or globs; all when none is given")
    p.add_argument("--module", default="rushlight", help="the library under comparison (torch: PyTorch with itself)")
    p.add_argument("--dtype", help="dtypes, separated by commas (float32 and float64; of other derivatives float64)")
    p.add_argument("--all-dtypes", action="store_true", help="every dtype that PyTorch's op takes")
    p.add_argument("--samples", type=int, help="samples per op and dtype, evenly taken (25, or 8); 0 for all")
    p.add_argument("--sample", type=int, help="the sample of this number only")
    p.add_argument("--errors", action="store_true", help="also the inputs that must raise")
    p.add_argument("--strides", action="store_true", help="compare the strides of outputs too")
    p.add_argument("--only", help="show only failures of this check")
    p.add_argument("--fail-fast", action="store_true", help="stop at the first op that fails")
    p.add_argument("--verbose", action="store_true", help="every failing sample, and the seconds of each op")
    p.add_argument("--traceback", action="store_true", help="the whole traceback of an exception")
    p.add_argument("--list-missing", action="store_true", help="print what the library lacks and stop")
    p.add_argument("--jobs", type=int, default=1, help="processes")
    for mode, compared in derivatives.MODES.items():
        p.add_argument(f"--{mode}", action="append_const", dest="modes", const=mode, help=compared)
    kinds = p.add_mutually_exclusive_group()
    kinds.add_argument("--modules", action="store_true", help="compare nn modules instead of ops")
    kinds.add_argument("--optimizers", action="store_true", help="compare optimizers instead of ops")
    return p


def main(arguments: list[str] | None = None) -> int:
    """Run the comparison and return the exit status."""
    asked = parser().parse_intermixed_args(arguments)
    asked.modes = tuple(asked.modes or ())
    asked.dtype = asked.dtype or ("float64" if asked.modes else "float32,float64")
    if asked.samples is None:
        asked.samples = 8 if asked.modes else 25
    torch.set_num_threads(1)
    lib = importlib.import_module(asked.module)
    options = ops.Options(asked.samples, asked.sample, asked.errors, asked.strides, asked.traceback, asked.modes)
    kind, cases, missing, total = _plan(asked, lib, options)
    if asked.list_missing:
        print("\n".join(missing["missing"]))
        return 0
    if not total:
        print(f"nothing in PyTorch's database is named {', '.join(asked.names)}; near: {', '.join(_near(asked.names))}")
        return 2
    results = []
    for result in _run(cases, asked.jobs):
        results.append(result)
        shown = result.show(asked.verbose, asked.only)
        if asked.verbose:
            print(f"     {result.case} {result.dtype}: {result.checks} calls in {result.seconds:.2f} s", flush=True)
        if shown and asked.fail_fast:
            break
    failed = closing_table(kind, results, missing, total)
    for module, reason in resolve.unimportable.items():
        print(f"\n{module} cannot be imported: {reason}")
    return 1 if failed or resolve.unimportable or not results else 0


def _plan(
    asked: argparse.Namespace, lib: ModuleType, options: ops.Options
) -> tuple[str, list[Callable[[], Result]], dict[str, list[str]], int]:
    """What is compared, as one function per case; what is missing; and how many the database has."""
    if asked.modules:
        return "modules", *modules.plan(asked.names, asked.dtype.split(","), lib, options)
    if asked.optimizers:
        return "optimizers", *optimizers.plan(asked.names, asked.dtype.split(","), lib, options)
    chosen = [op for op in ops.database() if ops.matches(op, asked.names)]
    return "ops", list(_op_cases(chosen, asked, lib, options)), ops.absent(chosen, lib), len(chosen)


def _op_cases(
    chosen: Iterable[ops.Any], asked: argparse.Namespace, lib: ModuleType, options: ops.Options
) -> Iterator[Callable[[], Result]]:
    dtypes = [getattr(torch, name) for name in asked.dtype.split(",")]
    comparison = derivatives.Derivatives if asked.modes else ops.Comparison
    for op in chosen:
        if resolve.function(op, lib) is not None:
            wanted = sorted(op.dtypes, key=str) if asked.all_dtypes else [d for d in dtypes if d in op.dtypes]
            # An op without any of the dtypes (of integers only, say) is compared in one that it has.
            for dtype in wanted or sorted(op.dtypes, key=str)[-1:]:
                yield comparison(op, dtype, lib, options).compare


def _near(names: list[str]) -> list[str]:
    known = {op.name for op in ops.database()}
    return [near for name in names for near in difflib.get_close_matches(name, known)] or ["(none)"]


_CASES: list[Callable[[], Result]] = []  # inherited by forked workers, which are sent numbers only


def _run(cases: list[Callable[[], Result]], jobs: int) -> Iterator[Result]:
    _CASES[:] = cases
    if jobs <= 1:
        yield from map(_run_case, range(len(cases)))
        return
    with multiprocessing.get_context("fork").Pool(jobs) as pool:
        yield from pool.imap(_run_case, range(len(cases)), chunksize=4)


def _run_case(number: int) -> Result:
    """Run one case under a time limit; whatever it raises becomes a failure of that case alone."""
    comparison = _CASES[number].__self__
    start = time.perf_counter()
    signal.signal(signal.SIGALRM, _out_of_time)
    signal.alarm(SECONDS_PER_CASE)
    try:
        return comparison.compare()
    except (Exception, OutOfTime) as error:
        comparison.result.fail("comparison", comparison.at, error_line(error))
        comparison.result.seconds = time.perf_counter() - start
        return comparison.result
    finally:
        signal.alarm(0)


class OutOfTime(BaseException):
    """Raised by the alarm: not an Exception, so that it is never taken for an error of the op."""


def _out_of_time(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime(f"not done in {SECONDS_PER_CASE} s")


if __name__ == "__main__":
    sys.exit(main())
