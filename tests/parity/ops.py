"""Compares one entry of PyTorch's op database in one dtype, in every form that the op has."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.parity import resolve
from tests.parity.compare import (
    accept_known,
    error_line,
    no_less_exact,
    outcomes_differ,
    same_class,
    same_form,
    shares_key_words,
)
from tests.parity.outcome import SECOND, VALUE, Call, Leaf, Outcome, run
from tests.parity.report import Result, describe_call
from tests.parity.sides import WIDER, Side, Unconvertible

# Ops whose values are whatever memory held.
UNINITIALISED = {"empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided"}

SEED = 20260101
FORM_SAMPLES = 8  # samples on which the method, in-place, operator and out= forms are run
SECOND_SAMPLES = 8  # samples whose second gradient is taken
SECOND_SIZE = 2000  # elements above which a sample's second gradient is left out
LARGEST = 20_000  # elements above which a reference input is left out
ALIAS_SAMPLES = 2


@dataclass(frozen=True)
class Options:
    """What a run is asked for."""

    samples: int = 25
    sample: int | None = None
    errors: bool = False
    strides: bool = False
    traceback: bool = False
    modes: tuple[str, ...] = ()


@cache
def database() -> tuple[Any, ...]:
    """PyTorch's op database."""
    from torch.testing._internal.common_methods_invocations import op_db

    return tuple(op_db)


def full_name(op: Any) -> str:
    """The op's name with its variant: `max.reduction_with_dim`."""
    return f"{op.name}.{op.variant_test_name}" if op.variant_test_name else op.name


def matches(op: Any, patterns: list[str]) -> bool:
    """Whether one of the patterns (a name, the last part of a name, an alias, a glob) means this op."""
    names = {op.name, full_name(op), op.name.rpartition(".")[2], *(alias.name for alias in op.aliases)}
    return not patterns or any(fnmatchcase(name, pattern) for name in names for pattern in patterns)


def absent(ops: list[Any], lib: ModuleType) -> dict[str, list[str]]:
    """The names of ops and aliases that `lib` lacks, PyTorch's inner ones apart."""
    lacking = [op for op in ops if resolve.function(op, lib) is None]
    aliases = {a.name for op in ops if op not in lacking for a in op.aliases if resolve.lookup(lib, a.name) is None}
    public = {full_name(op) for op in lacking if not resolve.is_internal(op)}
    return {
        "missing": sorted(public),
        "missing aliases of ops that are there": sorted(aliases),
        "PyTorch's inner machinery, not looked for": sorted({full_name(op) for op in lacking} - public),
    }


@dataclass(frozen=True)
class Numbered:
    """A sample, its number in the database's order, and whether its derivatives are compared."""

    number: int
    sample: Any
    differentiable: bool

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The positional arguments."""
        return (self.sample.input, *self.sample.args)

    @property
    def size(self) -> int:
        """How many elements the arguments have together."""
        return sum(t.numel() for t in Side(torch).flatten([*self.arguments, self.sample.kwargs]))

    def __str__(self) -> str:
        return f"#{self.number} ({describe_call(self.arguments, self.sample.kwargs)})"


def samples_of(op: Any, dtype: torch.dtype, options: Options, references: bool = True) -> list[Numbered]:
    """The op's samples, thinned evenly to the number asked for.

    Ops with few samples get, for values only, the database's reference inputs as well, unless they are not wanted:
    strided and broadcast arguments, mixed dtypes, NaN, infinities, large and small numbers.
    """
    inexact = dtype.is_floating_point or dtype.is_complex
    differentiable = op.supports_autograd and inexact and dtype in op.backward_dtypes
    _seed_sampling()
    ordinary = [
        Numbered(i, s, True) for i, s in enumerate(op.sample_inputs("cpu", dtype, requires_grad=differentiable))
    ]
    further = []
    few = options.sample is not None or len(ordinary) < (options.samples or 1e9)
    if references and op.reference_inputs_func is not None and few:
        inputs = enumerate(op.reference_inputs("cpu", dtype), len(ordinary))
        further = [n for n in (Numbered(i, s, False) for i, s in inputs) if n.size <= LARGEST]
    if options.sample is not None:
        return [n for n in ordinary + further if n.number == options.sample]
    if not options.samples:
        return ordinary + further
    chosen = _thinned(ordinary, options.samples)
    return chosen + _thinned(further, options.samples - len(chosen))


def _thinned(samples: list[Numbered], count: int) -> list[Numbered]:
    """One sample of each of `count` equal stretches, at a varying place: a fixed step could miss an option."""
    if len(samples) <= count:
        return samples
    edges = np.linspace(0, len(samples), count + 1).astype(int)
    rng = np.random.default_rng(SEED)
    return [samples[rng.integers(low, high)] for low, high in zip(edges[:-1], edges[1:], strict=True)]


def _seed_sampling() -> None:
    torch.manual_seed(SEED)
    np.random.seed(SEED % 2**32)
    random.seed(SEED)


class Comparison:
    """The comparison of one op in one dtype."""

    def __init__(self, op: Any, dtype: torch.dtype, lib: ModuleType, options: Options) -> None:
        self.op, self.dtype, self.options = op, dtype, options
        self.result = Result(full_name(op), str(dtype).removeprefix("torch."))
        self.theirs, self.ours, self.wide = Side(torch), Side(lib), Side(torch, wide=True)
        self.lib = lib
        self.seconds_to_take = SECOND_SAMPLES
        self.at = ""

    def compare(self) -> Result:
        """Run every sample, and every error input if asked for."""
        start = time.perf_counter()
        for place, numbered in enumerate(samples_of(self.op, self.dtype, self.options)):
            self._guarded(str(numbered), self._sample, numbered, place)
        if self.options.errors and self.op.error_inputs_func is not None:
            _seed_sampling()
            for number, erroneous in enumerate(self.op.error_inputs("cpu")):
                numbered = Numbered(number, erroneous.sample_input, False)
                self._guarded(f"error {numbered}", self._error_input, numbered, erroneous.error_regex)
        self.result.seconds = time.perf_counter() - start
        return self.result

    def _guarded(self, text: str, check: Callable[..., None], *args: Any) -> None:
        self.at = text
        try:
            check(text, *args)
        except Unconvertible as lack:
            self.result.skipped[f"no counterpart of {lack}"] += 1
        except Exception as error:
            self.result.fail("comparison", text, error_line(error, self.options.traceback))

    def _sample(self, text: str, numbered: Numbered, place: int) -> None:
        op, sample = self.op, numbered.sample
        reference = self._check("", text, op.op, resolve.function(op, self.lib), self._call(numbered))
        if reference.failed:
            reason = f"PyTorch itself raises ({reference.failed}): {error_line(reference.error)[:90]}"
            self.result.skipped[reason] += 1
        if reference.failed == VALUE:
            return
        if place < FORM_SAMPLES:
            for label, theirs, ours, in_place in self._forms(sample):
                self._check(label, text, theirs, ours, self._call(numbered, in_place, once=True))
            if op.supports_out:
                self._out(text, numbered, reference)
        if place < ALIAS_SAMPLES:
            for alias in op.aliases:
                if (ours := resolve.lookup(self.lib, alias.name)) is not None:
                    self._check(f"alias {alias.name}: ", text, alias.op, ours, self._call(numbered, once=True))

    def _call(self, numbered: Numbered, in_place: bool = False, once: bool = False) -> Call:
        """The call of a sample; its second gradient is left out with `once`, and when enough have been taken."""
        op, sample = self.op, numbered.sample
        differentiable = numbered.differentiable and (op.supports_inplace_autograd or not in_place)
        stages = 2 if differentiable else 1
        if (
            differentiable
            and not once
            and op.supports_gradgrad
            and self.seconds_to_take
            and numbered.size <= SECOND_SIZE
        ):
            self.seconds_to_take -= 1
            stages = 3
        process = sample.output_process_fn_grad
        if process.__qualname__.startswith("SampleInput.__init__"):
            process = None
        has_values = op.name not in UNINITIALISED and not op.has_nondeterministic_output
        return Call(numbered.arguments, sample.kwargs, SEED, stages, in_place, process, has_values)

    def _forms(self, sample: Any) -> Iterator[tuple[str, Any, Any, bool]]:
        """The op's other forms as (label, PyTorch's function, the library's, whether it works in place)."""
        op = self.op
        if op.method_variant is not None:
            yield "method: ", op.method_variant, resolve.variant(op.method_variant, op.name, self.lib), False
        if op.inplace_variant is not None and not sample.broadcasts_input:
            yield "in-place: ", op.inplace_variant, resolve.variant(op.inplace_variant, f"{op.name}_", self.lib), True
        if op.operator_variant is not None and not sample.kwargs and len(sample.args) <= 1:
            yield "operator: ", op.operator_variant, op.operator_variant, False

    def _check(self, label: str, text: str, theirs: Any, ours: Any, call: Call) -> Outcome:
        """Run one call on both sides, record how they differ, and return PyTorch's outcome."""
        expected = run(self.theirs, theirs, call)
        if ours is None:
            if not expected.failed:
                self.result.fail(f"{label}value", text, "the library has no such form")
            return expected
        got = run(self.ours, ours, call)
        self.result.checks += 1
        if reason := accept_known(expected, got, self.op.name):
            self.result.known[reason] += 1
        strides = self.options.strides and not label
        found = list(outcomes_differ(expected, got, self.op.name, strides, self.options.traceback))
        if found and self._no_less_exact(theirs, ours, call, expected, got):
            self.result.no_less_exact += 1
            return expected
        for check, what in found:
            self.result.fail(f"{label}{check}", text, what)
        return expected

    def _no_less_exact(self, theirs: Any, ours: Any, call: Call, expected: Outcome, got: Outcome) -> bool:
        """Whether the difference is PyTorch's own rounding in a narrow dtype."""
        if self.dtype not in WIDER:
            return False
        if expected.failed == SECOND:  # what differs comes before that
            call = replace(call, stages=2)
            expected, got = run(self.theirs, theirs, call), run(self.ours, ours, call)
        return same_form(expected, got) and no_less_exact(run(self.wide, theirs, call), expected, got)

    def _out(self, text: str, numbered: Numbered, reference: Outcome) -> None:
        """The `out=` form into tensors of the right shape and dtype, and into empty ones, which it must resize."""
        call = self._call(numbered, once=True)
        theirs = _keeping_out(self.op.op, call.process)
        ours = _keeping_out(resolve.function(self.op, self.lib), resolve.rebind(call.process, self.lib))
        args, kwargs = _without_grad((list(call.args), call.kwargs))
        for label, resize in (("out=: ", False), ("out= resized: ", True)):
            if (out := _out_tensors(reference.output, resize)) is None:
                return
            writing = Call(args, {**kwargs, "out": out}, SEED, has_values=call.has_values)
            if not run(self.theirs, theirs, writing).failed:
                self._check(label, text, theirs, ours, writing)

    def _error_input(self, text: str, numbered: Numbered, pattern: str) -> None:
        """A call that must raise: the same class, and the key words of PyTorch's message."""
        call = Call(numbered.arguments, numbered.sample.kwargs, SEED)
        expected = run(self.theirs, self.op.op, call)
        if expected.failed is None:
            return
        if "not resizable" in str(expected.error) and not re.search(pattern, str(expected.error)):
            self.result.skipped["errors of arguments that share memory, which copies do not"] += 1
            return
        got = run(self.ours, resolve.function(self.op, self.lib), call)
        self.result.checks += 1
        wanted, raised = error_line(expected.error), error_line(got.error, self.options.traceback)
        if got.failed is None:
            self.result.fail("error", text, f"expected {wanted}, but nothing was raised")
        elif not same_class(expected.error, got.error):
            self.result.fail("error", text, f"expected {wanted}, got {raised}")
        elif not shares_key_words(pattern, str(expected.error), str(got.error)):
            self.result.fail("error key words", text, f"expected {wanted}, got {raised}")


def _keeping_out(function: Any, process: Callable[[Any], Any] | None) -> Callable[..., Any]:
    """`function` writing into tensors like `out`: these, and whether each returned tensor is the one that was given."""

    def call(*args: Any, out: Any, **kwargs: Any) -> Any:
        several = isinstance(out, (list, tuple))
        given = tuple(t.clone() for t in out) if several else out.clone()
        returned = function(*args, out=given, **kwargs)
        same = [r is g for r, g in zip(returned, given, strict=True)] if several else returned is given
        return {"out": process(given) if process else given, "returned the given tensors": same}

    return call


def _out_tensors(output: Any, resize: bool) -> Any:
    """Tensors to write a described output into, or None where it is not one tensor or a sequence of them."""
    if isinstance(output, Leaf):
        shape = (0,) if resize else output.shape
        return torch.full(shape, 7, dtype=getattr(torch, output.dtype.removeprefix("torch.")))
    branches = list(output.values()) if isinstance(output, dict) else output
    if not isinstance(branches, (list, tuple)) or not branches or not all(isinstance(b, Leaf) for b in branches):
        return None
    return type(branches)(_out_tensors(b, resize) for b in branches)


def _without_grad(tree: Any) -> Any:
    if isinstance(tree, torch.Tensor):
        return tree.detach()
    if type(tree) in (list, tuple):
        return type(tree)(map(_without_grad, tree))
    return {k: _without_grad(v) for k, v in tree.items()} if isinstance(tree, dict) else tree
