"""Compares what else is done with an op: forward mode, forward over reverse, batches, gradients through in-place forms.

Where PyTorch itself raises, or gives NaN, there is nothing to compare with: such samples are counted, with the reason.
What PyTorch refuses to do in place must be refused.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import torch

from tests.parity import resolve
from tests.parity.compare import KNOWN, TIED, TIES, as_near, error_line, leaves_of, same_class, trees_differ
from tests.parity.observe import Record, observe
from tests.parity.ops import SECOND_SIZE, SEED, UNINITIALISED, Numbered, Options, full_name, samples_of
from tests.parity.outcome import Leaf, cotangents
from tests.parity.report import Result
from tests.parity.sides import WIDER, Side, Unconvertible

MODES = {
    "forward": "tangents of the outputs instead (dual numbers), of in-place forms too",
    "forward-over-reverse": "tangents of the gradients instead",
    "batched": "gradients for a batch of cotangents, and vmap of the op, instead",
    "inplace": "gradients through the in-place form, on a copy and on a part of one, instead",
    "gradcheck": "whether gradcheck and gradgradcheck (in fast mode) accept the op instead",
}
STEP = 1e-6
OF_MATRICES = (
    "gradcheck_wrapper_hermitian_input",
    "gradcheck_wrapper_triangular_input",
    "gradcheck_wrapper_triangular_input_real_positive_diagonal",
)
NEAR = {
    "cholesky_inverse": (1e-3, "PyTorch is 3e-5 off the tangent that fractions give, Rushlight 4e-16"),
    "logcumsumexp": (1e-5, "PyTorch takes logarithms of tangents: of a first element it is 5e-6 off the input's own"),
}
"""Ops whose tangents PyTorch has to fewer digits: how near the two must be, and why."""
BATCH = 3
MAPPED = 3  # arguments of a call that are mapped over one by one, before all are together
UNMAPPED = dict.fromkeys(
    ("resize_", "resize_as_"),
    "refused inside of vmap, where PyTorch resizes the memory of the whole batch, and rows get others' elements",
)
SORTED = {"bucketize", "searchsorted"}  # ops of what is sorted, or sorts something: it is not turned around
LOOPS = "loops"
Shown = Iterator[tuple[str, Any]]


@dataclass(frozen=True)
class Call:
    """One sample of an op, to be called with other tensors in the places of its own."""

    op: Any
    numbered: Numbered

    @property
    def tensors(self) -> list[torch.Tensor]:
        """PyTorch's tensors among the arguments, each once."""
        found = Side(torch).flatten([*self.numbered.arguments, self.numbered.sample.kwargs])
        return list({id(tensor): tensor for tensor in found}.values())

    def given(self, side: Side) -> tuple[dict[int, Any], list[int]]:
        """The side's own tensors by the identity of PyTorch's, and the identities of those to be differentiated."""
        given = {id(tensor): side.tensor(tensor) for tensor in self.tensors}
        return given, [key for key, tensor in given.items() if tensor.requires_grad]

    def function(self, side: Side) -> Callable[..., Any]:
        """The op on a side; one of symmetric or triangular matrices only moves within those."""
        function, wrapper = resolve.function(self.op, side.lib), self.op.gradcheck_wrapper
        if wrapper.__name__ in OF_MATRICES:
            function = partial(resolve.rebind(wrapper, side.lib), function)
        return function  # type: ignore[return-value]

    def in_place(self, side: Side) -> Callable[..., Any]:
        """The op's in-place form on a side."""
        return resolve.variant(self.op.inplace_variant, f"{self.op.name}_", side.lib)  # type: ignore[return-value]

    def run(self, side: Side, function: Callable[..., Any], given: dict[int, Any]) -> list[Any]:
        """The tensors that the function gives for the sample with the given tensors in it."""
        sample = self.numbered.sample
        memo = {id(tensor): (tensor, given[id(tensor)]) for tensor in self.tensors}
        args, kwargs = side.convert((list(self.numbered.arguments), sample.kwargs), memo)
        side.seed(SEED)
        result = function(*args, **kwargs)
        process = sample.output_process_fn_grad
        if not process.__qualname__.startswith("SampleInput.__init__"):
            result = resolve.rebind(process, side.lib)(result)
        return list(side.flatten(result))


def forward(side: Side, call: Call, in_place: bool = False, step: float | None = None) -> Shown:
    """The tangents of the outputs, for random tangents of the inputs."""
    function = call.function(side)
    if in_place:
        variant = call.in_place(side)

        def function(input: Any, *args: Any, **kwargs: Any) -> Any:
            return variant(input.clone(), *args, **kwargs)

    with side.lib.autograd.forward_ad.dual_level():
        outputs = call.run(side, function, _moving(side, call, step)[0])
        yield from _unpacked(side, outputs, "tangent")


def forward_over_reverse(side: Side, call: Call, step: float | None = None) -> Shown:
    """The tangents of the gradients, for random tangents of the inputs."""
    with side.lib.autograd.forward_ad.dual_level():
        given, places = _moving(side, call, step)
        outputs = _differentiable(call.run(side, call.function(side), given))
        if outputs:
            weights = cotangents(side, outputs, SEED + 1)
            duals = [given[key] for key in places]
            gradients = side.lib.autograd.grad(outputs, duals, weights, allow_unused=True)
            yield from _unpacked(side, gradients, "tangent of the gradient")


def _moving(side: Side, call: Call, step: float | None) -> tuple[dict[int, Any], list[int]]:
    """The arguments with random tangents, as dual numbers, or moved a step along the tangents."""
    given, places = call.given(side)
    for key, tangent in zip(places, cotangents(side, [given[key] for key in places], SEED), strict=True):
        if step is None:
            given[key] = side.lib.autograd.forward_ad.make_dual(given[key], tangent)
        else:
            given[key] = (given[key].detach() + step * tangent).requires_grad_()
    return given, places


def numerical(steps: partial[Shown]) -> list[np.ndarray]:
    """PyTorch's values in place of its tangents: how they change along the tangents."""
    ahead, behind = (
        list(leaves_of(observe(Side(torch), partial(steps, step=s)).shown["primal"])) for s in (STEP, -STEP)
    )
    return [(a.array - b.array) / (2 * STEP) for a, b in zip(ahead, behind, strict=True)]


def batched_gradient(side: Side, call: Call) -> Shown:
    """The gradients for a batch of cotangents."""
    given, places = call.given(side)
    outputs = _differentiable(call.run(side, call.function(side), given))
    if outputs:
        rows = [cotangents(side, outputs, SEED + row) for row in range(BATCH)]
        weights = [side.lib.stack(column) for column in zip(*rows, strict=True)]
        grad = partial(side.lib.autograd.grad, allow_unused=True, is_grads_batched=True)
        yield from _noting_loops("gradient", grad, outputs, [given[key] for key in places], weights)


def mapped(side: Side, call: Call, chosen: Sequence[torch.Tensor]) -> Shown:
    """What vmap makes of the op, over a batch of some of its arguments."""
    one, batches = _over_batches(side, call, chosen)
    yield from _noting_loops("value", side.lib.vmap(one), *batches)


def looped(side: Side, call: Call, chosen: Sequence[torch.Tensor]) -> Shown:
    """What `mapped` must give."""
    one, batches = _over_batches(side, call, chosen)
    rows = [one(*(batch[place].clone() for batch in batches)) for place in range(BATCH)]
    yield "value", _plain([side.lib.stack(column) for column in zip(*rows, strict=True)])


def through_in_place(side: Side, call: Call, view: bool) -> Shown:
    """Value, gradient and second gradient through the in-place form, on a copy or on a part of one."""
    variant = call.in_place(side)
    whole: list[Any] = []

    def changing(input: Any, *args: Any, **kwargs: Any) -> Any:
        whole.append(side.lib.stack([input, input]) if view else input.clone())
        return variant(whole[0][0] if view else whole[0], *args, **kwargs)

    given, places = call.given(side)
    outputs = [*call.run(side, changing, given), *whole]
    yield "value", outputs
    outputs = _differentiable(outputs)
    if not call.numbered.differentiable or not outputs:
        return
    twice = call.op.supports_gradgrad and call.numbered.size <= SECOND_SIZE
    leaves = [given[key] for key in places]
    weights = cotangents(side, outputs, SEED, requires_grad=twice)
    first = side.lib.autograd.grad(outputs, leaves, weights, allow_unused=True, create_graph=twice)
    yield "gradient", _plain(first)
    again = _differentiable(first) if twice else []
    if again:
        vectors = cotangents(side, again, SEED + 1)
        second = side.lib.autograd.grad(again, leaves + weights, vectors, allow_unused=True, materialize_grads=True)
        yield "second gradient", _plain(second)


def accepted(side: Side, call: Call, check: str) -> Shown:
    """That the library's own gradcheck, or gradgradcheck, accepts the op."""
    given, places = call.given(side)
    wrapper, function = resolve.rebind(call.op.gradcheck_wrapper, side.lib), call.function(side)

    def outputs(*tensors: Any) -> tuple[Any, ...]:
        varied = given | dict(zip(places, tensors, strict=True))
        return tuple(_differentiable(call.run(side, partial(wrapper, function), varied)))

    verdict = getattr(side.lib.autograd, check)(
        outputs, [given[key] for key in places], fast_mode=True, nondet_tol=call.op.gradcheck_nondet_tol
    )
    yield check, verdict


def _differentiable(tensors: Sequence[Any]) -> list[Any]:
    return [tensor for tensor in tensors if tensor is not None and tensor.requires_grad]


def _plain(tensors: Sequence[Any]) -> list[Any]:
    return [None if tensor is None else tensor.detach() for tensor in tensors]


def _unpacked(side: Side, duals: Sequence[Any], name: str) -> Shown:
    """Primals and tangents; a missing tangent is one of zeros."""
    pairs = [side.lib.autograd.forward_ad.unpack_dual(dual) for dual in duals if dual is not None]
    yield "primal", [pair.primal.detach() for pair in pairs]
    yield name, [side.lib.zeros_like(pair.primal) if pair.tangent is None else pair.tangent for pair in pairs]


def _over_batches(side: Side, call: Call, chosen: Sequence[torch.Tensor]) -> tuple[Callable[..., Any], list[Any]]:
    """The op as a function of some of its arguments, and a batch of each of these."""
    given = {id(tensor): side.tensor(tensor.detach()) for tensor in call.tensors}
    function = call.function(side)

    def one(*samples: Any) -> tuple[Any, ...]:
        varied = {id(tensor): sample for tensor, sample in zip(chosen, samples, strict=True)}
        return tuple(call.run(side, function, given | varied))

    return one, [side.tensor(_batch(tensor.detach(), call.op.name)) for tensor in chosen]


def _batch(tensor: torch.Tensor, op: str) -> torch.Tensor:
    """A tensor and variations of it that an op accepts where it accepts the tensor."""
    if op in SORTED and not tensor.dtype.is_floating_point:
        return torch.stack([tensor] * BATCH)
    if tensor.dtype.is_floating_point or tensor.dtype.is_complex:
        return torch.stack([tensor * (1 - place / 4) for place in range(BATCH)])
    return torch.stack([tensor.flip(0) if place == 1 and tensor.dim() else tensor for place in range(BATCH)])


def _subsets(tensors: list[torch.Tensor]) -> list[list[torch.Tensor]]:
    """Each of the first few alone, and all together."""
    alone = [[tensor] for tensor in tensors[:MAPPED]]
    return alone if len(tensors) < 2 else [*alone, tensors]


def _noting_loops(name: str, function: Callable[..., Any], *args: Any) -> Shown:
    """The tensors that a call gives, and the warnings that say that an op has no rule for batches."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tensors = function(*args)
    yield name, _plain(tensors)
    yield LOOPS, [str(warning.message) for warning in caught if "performance drop" in str(warning.message)]


class Derivatives:
    """The comparison of one op in one dtype, in the modes asked for."""

    def __init__(self, op: Any, dtype: torch.dtype, lib: ModuleType, options: Options) -> None:
        self.op, self.dtype, self.lib, self.options = op, dtype, lib, options
        self.result = Result(full_name(op), str(dtype).removeprefix("torch."))
        self.at = ""

    def compare(self) -> Result:
        """Run every sample in every mode."""
        start = time.perf_counter()
        for numbered in samples_of(self.op, self.dtype, self.options, references=False):
            self.at = str(numbered)
            for check, steps in self._checks(Call(self.op, numbered)):
                try:
                    self._compare(check, steps)
                except Unconvertible as lack:
                    self.result.skipped[f"no counterpart of {lack}"] += 1
        self.result.seconds = time.perf_counter() - start
        return self.result

    def _checks(self, call: Call) -> Iterator[tuple[str, partial[Shown]]]:
        """What is done with a sample, the same on both sides."""
        op, sample, modes = self.op, call.numbered.sample, self.options.modes
        in_place = op.inplace_variant and isinstance(sample.input, torch.Tensor) and not sample.broadcasts_input
        differentiable = call.numbered.differentiable
        if op.name in UNINITIALISED:
            return
        if "forward" in modes and differentiable:
            yield "forward", partial(forward, call=call)
            if in_place:
                yield "forward in place", partial(forward, call=call, in_place=True)
        if "forward-over-reverse" in modes and differentiable and call.numbered.size <= SECOND_SIZE:
            yield "forward over reverse", partial(forward_over_reverse, call=call)
        if "batched" in modes:
            if differentiable:
                yield "batched", partial(batched_gradient, call=call)
            if op.name in UNMAPPED:
                self.result.known[UNMAPPED[op.name]] += 1
            elif not op.has_nondeterministic_output:
                for chosen in _subsets(call.tensors):
                    yield "vmap", partial(mapped, call=call, chosen=chosen)
        if "gradcheck" in modes and differentiable:
            yield "gradcheck", partial(accepted, call=call, check="gradcheck")
            if op.supports_gradgrad and call.numbered.size <= SECOND_SIZE:
                yield "gradgradcheck", partial(accepted, call=call, check="gradgradcheck")
        if "inplace" in modes and in_place:
            yield "in-place", partial(through_in_place, call=call, view=False)
            yield "in-place on a view", partial(through_in_place, call=call, view=True)

    def _compare(self, check: str, steps: partial[Shown]) -> None:
        """Go through the steps on both sides, and record where they first part."""
        expected, got = observe(Side(torch), steps), observe(Side(self.lib), steps)
        self.result.checks += 1
        expected.shown.pop(LOOPS, None)
        if got.shown.pop(LOOPS, None):
            self.result.loops.add(check)
        if expected.error is not None:
            self.result.skipped[f"PyTorch itself raises ({check}): {error_line(expected.error)[:90]}"] += 1
        found = self._parting(expected, got)
        if found and self._no_less_exact(steps, expected, got):
            self.result.no_less_exact += 1
            return
        if check == "vmap" and got.error is None:
            off = self._parting(observe(Side(self.lib), _loop_of(steps)), got)
            if off and found:
                self._fail("vmap against a loop", off)
                return
            if (off or found) and self._parting(observe(Side(torch), _loop_of(steps)), expected):
                self.result.known["PyTorch's vmap gives something else than a loop"] += 1
                return
            found = found or off
        if found and check.startswith("forward") and self._only_we_are_right(steps, expected, got):
            self.result.known["PyTorch's tangent is not how its values change, and this one is"] += 1
            return
        if found is None and "in-place" in check:
            found = self._refusal(expected, got)
        if found:
            self._fail(check, found)

    def _fail(self, check: str, found: str) -> None:
        self.result.fail(check, self.at, found)

    def _parting(self, expected: Record, got: Record) -> str | None:
        """The first thing shown in which two records differ, or None."""
        for name, value in expected.shown.items():
            if name not in got.shown:
                return f"{name}: {error_line(got.error, self.options.traceback)}"
            self._accept(name, value, got.shown[name])
            if found := trees_differ(value, got.shown[name], self.op.name, at=name):
                return found
        return None

    def _only_we_are_right(self, steps: partial[Shown], expected: Record, got: Record) -> bool:
        """Whether the numerical derivative of PyTorch's values is our tangent, and not PyTorch's."""
        if "primal" not in got.shown or got.error is not None:
            return False
        if trees_differ(expected.shown["primal"], got.shown["primal"], self.op.name):
            return False
        truth = numerical(steps)
        theirs, ours = (list(leaves_of(list(record.shown.values())[-1])) for record in (expected, got))
        return _all_near(truth, ours) and not _all_near(truth, theirs)

    def _no_less_exact(self, steps: partial[Shown], expected: Record, got: Record) -> bool:
        """Whether two records differ by no more than rounding in the narrow dtypes among the arguments."""
        if got.error or expected.error or not any(t.dtype in WIDER for t in steps.keywords["call"].tensors):
            return False
        truth = observe(Side(torch, wide=True), steps)
        shown = [list(record.shown.values()) for record in (truth, expected, got)]
        return len({len(values) for values in shown}) == 1 and as_near(*shown)

    def _accept(self, name: str, expected: Any, got: Any) -> None:
        """Take over from PyTorch what is NaN, and gradients that are known to differ."""
        known = KNOWN.get(self.op.name) or KNOWN.get(self.result.case)
        for e, g in zip(leaves_of(expected), leaves_of(got), strict=False):
            if e.shape != g.shape or e.dtype != g.dtype:
                continue
            places = {}
            if e.array.dtype.kind in "fc":
                places["PyTorch gives NaN"] = np.isnan(e.array) & ~np.isnan(g.array)
            elif self.op.name in TIED:
                places[TIES] = e.array != g.array
            if known is not None and e.array.dtype.kind in "fc" and name != "value":
                places[known.reason] = known.places(e.array, g.array)
            if "tangent" in name and self.op.name in NEAR:
                distance, reason = NEAR[self.op.name]
                places[reason] = (np.abs(e.array - g.array) < distance) & (e.array != g.array)
            for reason, where in places.items():
                if where.any():
                    g.array = np.where(where, e.array, g.array)
                    self.result.known[reason] += 1

    def _refusal(self, expected: Record, got: Record) -> str | None:
        """How two records differ in what was refused."""
        wanted, raised = (error_line(r.error, self.options.traceback) for r in (expected, got))
        if isinstance(expected.error, NotImplementedError) or "not implemented" in wanted:
            return None  # PyTorch lacks a kernel or a derivative
        if expected.error is None and got.error is None or same_class(expected.error, got.error):
            return None
        return f"expected {wanted}, got {raised}"


def _all_near(truth: Sequence[np.ndarray], tangents: Sequence[Leaf]) -> bool:
    """Whether tangents are numerical derivatives, to the few digits that these have."""
    pairs = zip(truth, (tangent.array for tangent in tangents), strict=True)
    return all(np.allclose(t, g, rtol=1e-4, atol=1e-4 * (1 + np.abs(t).max(initial=0.0))) for t, g in pairs)


def _loop_of(steps: partial[Shown]) -> partial[Shown]:
    return partial(looped, **steps.keywords)
