"""Runs one call in one library and records everything that is compared, in NumPy's terms."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from tests.parity import resolve
from tests.parity.sides import Side, Unconvertible

VALUE, GRADIENT, SECOND = "value", "gradient", "second gradient"


@dataclass
class Leaf:
    """A tensor as seen from outside; `array` is None where the values mean nothing (uninitialised memory)."""

    array: np.ndarray | None
    dtype: str
    shape: tuple[int, ...]
    requires_grad: bool
    strides: tuple[int, ...]


@dataclass
class Call:
    """One call to run: the positional and keyword arguments are PyTorch's and are carried over by each side."""

    args: Sequence[Any]
    kwargs: dict[str, Any]
    seed: int
    stages: int = 1
    in_place: bool = False
    process: Callable[[Any], Any] | None = None  # PyTorch's; each side makes its own of it
    has_values: bool = True


@dataclass
class Outcome:
    """What a call gave, stage by stage; `error` is the first exception and `failed` the stage that raised it."""

    output: Any = None
    processed: Any = None
    inputs: list[Leaf] = field(default_factory=list)
    is_self: bool = True
    gradients: list[Leaf | None] = field(default_factory=list)
    second: list[Leaf | None] = field(default_factory=list)
    failed: str | None = None
    error: Exception | None = None


def leaf(side: Side, tensor: Any, has_values: bool = True) -> Leaf:
    """Describe a tensor of a side."""
    strided = str(getattr(tensor, "layout", torch.strided)) == "torch.strided"
    strides = tuple(tensor.stride()) if strided else ()
    array = side.array(tensor) if has_values else None
    return Leaf(array, str(tensor.dtype), tuple(tensor.shape), bool(tensor.requires_grad), strides)


def describe(side: Side, value: Any, has_values: bool = True) -> Any:
    """`value` with tensors as leaves and a library's own constants as their names."""
    if side.is_tensor(value):
        return leaf(side, value, has_values)
    if isinstance(value, (list, tuple)):
        branches = [describe(side, x, has_values) for x in value]
        names = getattr(type(value), "__match_args__", ())
        if names:
            return dict(zip(names, branches, strict=True))
        return branches if type(value) is list else tuple(branches)
    if isinstance(value, dict):
        return {k: describe(side, v, has_values) for k, v in value.items()}
    return value if isinstance(value, (bool, int, float, complex, str, type(None), np.ndarray)) else str(value)


def cotangents(side: Side, tensors: Sequence[Any], seed: int, requires_grad: bool = False) -> list[Any]:
    """Random tensors like `tensors`, the same on every side (few bits, so that every dtype holds them exactly)."""
    result = []
    for index, tensor in enumerate(tensors):
        shape = (2, *tensor.shape)
        real, imaginary = np.random.default_rng((seed, index)).integers(-48, 49, shape) / 16
        values = np.asarray(real + 1j * imaginary if tensor.dtype.is_complex else real)
        made = torch.from_numpy(values).to(getattr(torch, str(tensor.dtype).removeprefix("torch.")))
        result.append(side.tensor(made.requires_grad_(requires_grad)))
    return result


def _of(side: Side, gradients: Sequence[Any]) -> list[Leaf | None]:
    return [None if g is None else leaf(side, g) for g in gradients]


def run(side: Side, function: Callable[..., Any], call: Call) -> Outcome:
    """Run `call` with the side's `function`: the value, then as many derivatives as the call has stages for.

    An exception of the library ends the run and is recorded; `Unconvertible` is raised on.
    """
    outcome = Outcome()
    memo: dict[int, tuple[Any, Any]] = {}
    args, kwargs = side.convert((list(call.args), call.kwargs), memo)
    sources = list(side.flatten([args, kwargs]))
    leaves = list({id(t): t for t in sources if t.requires_grad}.values())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            outcome.failed = VALUE
            if call.in_place:
                args[0] = [t.clone() for t in args[0]] if isinstance(args[0], (list, tuple)) else args[0].clone()
            side.seed(call.seed)
            result = function(*args, **kwargs)
            outcome.is_self = result is args[0] if call.in_place else True
            outcome.output = describe(side, result, call.has_values)
            processed = resolve.rebind(call.process, side.lib)(result) if call.process else result
            outcome.processed = describe(side, processed, call.has_values) if call.process else outcome.output
            outcome.inputs = [leaf(side, t, call.has_values) for t in sources]
            outputs = [t for t in side.flatten(processed) if t.requires_grad]
            if call.stages > 1 and outputs and leaves:
                _differentiate(side, outcome, outputs, leaves, call)
            outcome.failed = None
        except Unconvertible:
            raise
        except Exception as error:
            outcome.error = error
    return outcome


def _differentiate(side: Side, outcome: Outcome, outputs: list[Any], leaves: list[Any], call: Call) -> None:
    grad = side.lib.autograd.grad
    outcome.failed = GRADIENT
    twice = call.stages > 2
    weights = cotangents(side, outputs, call.seed, requires_grad=twice)
    first = grad(outputs, leaves, weights, allow_unused=True, create_graph=twice)
    outcome.gradients = _of(side, first)
    again = [g for g in first if g is not None and g.requires_grad]
    if twice and again:
        outcome.failed = SECOND
        vectors = cotangents(side, again, call.seed + 1)
        outcome.second = _of(side, grad(again, leaves + weights, vectors, allow_unused=True))
