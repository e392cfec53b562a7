"""Random programs of 5 to 25 steps, with views, in-place operations, hooks and several roots, agree with PyTorch.

``python -m tests.autograd.test_random_programs 5000`` runs that many, from a random start or the one given next.
"""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import rushlight

UNARY = {
    "sin": lambda t: t.sin(),
    "tanh": lambda t: t.tanh(),
    "exp": lambda t: (t * 0.1).exp(),
    "square": lambda t: t * t,
    "sqrt": lambda t: (t * t + 1).sqrt(),
    "halved": lambda t: t / 2,
    "negated": lambda t: -t,
    "sigmoid": lambda t: t.sigmoid(),
    "clone": lambda t: t.clone(),
    "detach": lambda t: t.detach(),
    "sum": lambda t: t.sum(),
    "mean": lambda t: t.mean(0) if t.dim() else t * 1,
    "clamped": lambda t: t.clamp(-1, 1),
    "relu": lambda t: t.relu(),
}

BINARY = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
    "maximum": lambda a, b: a.maximum(b),
    "mixed": lambda a, b: a * 0.5 + b * b,
}

VIEWS = {
    "row": lambda t, n: t[n % t.shape[0]] if t.dim() else t.view(1),
    "slice": lambda t, n: t[n % 2 :] if t.dim() and t.shape[0] > 1 else t.view(t.shape),
    "stepped": lambda t, n: t[::2] if t.dim() else t.view(()),
    "column": lambda t, n: t[:, n % t.shape[1]] if t.dim() > 1 else t.unsqueeze(0),
    "transposed": lambda t, n: t.t() if t.dim() < 3 else t.transpose(0, n % 3),
    "flat": lambda t, n: t.reshape(-1),
    "unsqueezed": lambda t, n: t.unsqueeze(n % (t.dim() + 1)),
    "squeezed": lambda t, n: t.squeeze(),
    "narrowed": lambda t, n: t.narrow(0, 0, 1) if t.dim() else t.view(1),
    "expanded": lambda t, n: t.expand(2, *t.shape) if t.dim() < 3 else t.view(t.shape),
    "diagonal": lambda t, n: t.diagonal() if t.dim() == 2 else t.view(t.shape),
    "first_of_unbind": lambda t, n: t.unbind()[n % t.shape[0]] if t.dim() else t.view(()),
}

INPLACE = {
    "add_": lambda t, other: t.add_(other),
    "sub_": lambda t, other: t.sub_(other),
    "mul_": lambda t, other: t.mul_(other),
    "add_one": lambda t, other: t.add_(1),
    "double_": lambda t, other: t.mul_(2),
    "sin_": lambda t, other: t.sin_(),
    "tanh_": lambda t, other: t.tanh_(),
    "zero_": lambda t, other: t.zero_(),
    "copy_": lambda t, other: t.copy_(other),
    "set_first": lambda t, other: t[0].fill_(0.5),
    "set_part": lambda t, other: t.__setitem__(slice(None, 1), other) if t.dim() else t.add_(1),
}

FILLS = ("zero_", "copy_", "set_first", "set_part")

SAME = {"CopyBackwards": "CopySlices", "ReshapeAliasBackward0": "ViewBackward0"}
"""Names that may stand for another: of writing into a slice that is the whole, of a reshape that needs no copy."""

KINDS = ["unary", "binary", "view", "inplace", "unrecorded", "hook", "retain", "grad"]
WEIGHTS = [6, 8, 7, 5, 1, 2, 2, 1]


def steps_of(choose: random.Random) -> list[tuple]:
    """A random program: each step a kind and numbers that choose its operands."""
    count = choose.randint(5, 25)
    kinds = choose.choices(KINDS, WEIGHTS, k=count)
    return [(kind, *(choose.randrange(1 << 16) for _ in range(4))) for kind in kinds]


def pick(table: Any, number: int) -> Any:
    return list(table)[number % len(table)]


def attempt(call: Callable[[], Any]) -> Any:
    """What a call gives, or the name of its error."""
    try:
        return call()
    except Exception as error:
        return type(error).__name__


class Run:
    """One run of a program with one library."""

    def __init__(self, library: ModuleType, steps: list[tuple]) -> None:
        self.library, self.log = library, []
        values = np.random.default_rng(0).uniform(0.5, 2.0, (3, 2, 3))
        self.leaves = [library.tensor(values[i].tolist(), dtype=library.float64, requires_grad=i < 2) for i in range(3)]
        self.tensors = [*self.leaves, self.leaves[0] * 1]
        self.retained: list = []
        self.pruned = False  # in grad(), where only the hooks on the way to the inputs are sure to be called
        for number, step in enumerate(steps):
            self.step(number, *step)
        self.finish(steps)

    def step(self, number: int, kind: str, a: int, b: int, c: int, d: int) -> None:
        # operands from the later ones mostly, so that programs grow deep rather than wide
        x, y = (self.tensors[-1 - place % min(len(self.tensors), 6)] for place in (a, b))
        self.pruned = False
        result = attempt(lambda: getattr(self, kind)(number, x, y, c, d))
        if isinstance(result, str):
            self.log.append((number, kind, result))
        elif result is not None:
            self.log.append((number, kind, self.facts(result)))
            self.tensors.append(result)

    def facts(self, tensor: Any) -> tuple:
        """What is compared after each step; reading the node of a stale view may be an error itself."""
        node = attempt(lambda: type(tensor.grad_fn).__name__)
        node = SAME.get(node, node)
        return tensor.detach().numpy().copy(), tensor.requires_grad, node, tensor._version

    def unary(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        return UNARY[pick(UNARY, c)](x)

    def binary(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        return BINARY[pick(BINARY, c)](x, y)

    def view(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        return VIEWS[pick(VIEWS, c)](x, d)

    def inplace(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        attempt(lambda: x.grad_fn)  # until asked, PyTorch takes a view whose base has got a history since for a leaf
        if x is not y and np.may_share_memory(x.detach().numpy(), y.detach().numpy()):
            y = y.clone()  # what PyTorch reads of an operand that it is overwriting is not defined
        expanded = any(stride == 0 and length > 1 for stride, length in zip(x.stride(), x.shape, strict=True))
        if expanded and pick(INPLACE, c) in FILLS:
            return  # PyTorch lets expanded tensors be filled, but its backward then raises an error
        INPLACE[pick(INPLACE, c)](x, y)
        self.log.append((number, "changed", self.facts(x)))

    def unrecorded(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        with self.library.no_grad():
            if d % 2:
                return UNARY[pick(UNARY, c)](x)
            self.inplace(number, x, y, c, d)
        return None

    def hook(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        def hook(g: Any) -> Any:
            if not self.pruned:
                self.log.append((number, "hook", g.detach().numpy().copy()))
            return g * 2 if d % 2 else None

        if not (x.is_leaf and x._is_view()):  # PyTorch crashes on one that shows a base which requires grad
            x.register_hook(hook)

    def retain(self, number: int, x: Any, y: Any, c: int, d: int) -> None:
        x.retain_grad()
        self.retained.append(x)

    def grad(self, number: int, x: Any, y: Any, c: int, d: int) -> Any:
        gradient, self.pruned = self.library.autograd.grad, True
        (g,) = gradient(x.sum(), self.leaves[c % 2], create_graph=bool(d % 2), retain_graph=True, allow_unused=True)
        if g is not None and g.requires_grad:
            seconds = gradient((g * g).sum(), self.leaves[:2], retain_graph=True, materialize_grads=True)
        else:  # Rushlight may know that a gradient is constant where PyTorch computes a second derivative of zero
            seconds = [self.library.zeros_like(leaf) for leaf in self.leaves[:2]]
        self.log.append((number, "second", *(second.numpy().copy() for second in seconds)))
        return None if g is None else g.detach().clone()

    def finish(self, steps: list[tuple]) -> None:
        roots = [t for t in self.tensors[-1 - steps[-1][1] % 3 :] if t.requires_grad]
        losses = attempt(lambda: [root.sum() for root in roots])
        if isinstance(losses, list) and losses:
            failed = attempt(lambda: self.library.autograd.backward(losses))
            self.log.append(("backward", failed))
            if failed:  # PyTorch may have accumulated some gradients by then, Rushlight has not
                return
        for tensor in (*self.leaves, *self.retained):
            gradient = tensor.grad
            self.log.append(("grad", None if gradient is None else gradient.detach().numpy().copy()))


def agree(a: Any, b: Any) -> bool:
    """Whether two entries of the logs are the same, arrays within rounding."""
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and bool(np.allclose(a, b, rtol=1e-8, atol=1e-10, equal_nan=True))
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(agree, a, b))
    return type(a) is type(b) and bool(a == b)


def difference(seed: int) -> str | None:
    """What the two libraries disagree on in the program of this number."""
    steps = steps_of(random.Random(seed))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        expected, got = Run(torch, steps).log, Run(rushlight, steps).log
    for want, have in zip(expected, got):
        if not agree(want, have):
            return f"program {seed}: PyTorch {want}, Rushlight {have}\n" + described(steps)
    if len(expected) != len(got):
        return f"program {seed}: logs of {len(expected)} and {len(got)} entries\n" + described(steps)
    return None


def described(steps: list[tuple]) -> str:
    tables = {"unary": UNARY, "binary": BINARY, "view": VIEWS, "inplace": INPLACE, "unrecorded": (UNARY, INPLACE)}
    lines = []
    for number, (kind, a, b, c, d) in enumerate(steps):
        table = tables.get(kind)
        if kind == "unrecorded":
            table = UNARY if d % 2 else INPLACE
        lines.append(f"  {number} {kind} {pick(table, c) if table else ''} of -{a} and -{b}, {d % 2}")
    return "\n".join(lines)


@settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.integers(0, 1 << 30))
def test_random_programs(seed):
    found = difference(seed)
    assert found is None, found


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 30)
    found = [text for seed in range(start, start + count) if (text := difference(seed)) is not None]
    print(*found[:10], sep="\n")
    print(f"{len(found)} of {count} programs from {start} differ")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
