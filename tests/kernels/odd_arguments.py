"""Calls every function of a native module with arguments at random: a program, since what it looks for ends a process.

    python tests/kernels/odd_arguments.py PATH_OF_THE_MODULE [FUNCTION ...]

The module is loaded without Rushlight, and so without definitions: what a function does not take is a TypeError. Before
each call its arguments are printed, so that the last line names the call that ended the process.
"""

from __future__ import annotations

import importlib.util
import os
import random
import re
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

CALLS = 200
DTYPES = ["f4", "f8", "f4", "f8", "i8", "?", "f2", "c8", "u1", "O", "S3", "V0"]
LENGTHS = [0, 1, 2, 3, 3, 4, 8, 12]
# What chance does not find: shapes (of positions in lists) and tuples of arguments that must go together.
MOVES = ((1, 2), (1, 0), (2, 1), 2)  # stride, padding, dilation, groups
WINDOWS = ((2, 3), (1, 2), (0, 1), (1, 1), (5, 4))  # kernel, stride, padding, dilation, windows
TOGETHER: dict[str, list[tuple | list]] = {
    "largest_of_windows": [(2, 6, 8), WINDOWS],
    "largest_of_parts": [(2, 6, 8), (3, 3)],
    "averaged": [(2, 6, 8), WINDOWS],
    "averaged_back": [(2, 5, 4), WINDOWS, (6, 8)],
    "cross_entropy": [(3, 2), [3], (2,)],
    "cross_entropy_back": [(), (3, 2), [3], (2,), (3, 2)],
    "soft_cross_entropy": [(3, 2), (3, 2)],
    "soft_cross_entropy_back": [(), (3, 2), (3, 2), (3, 2)],
    "nll_loss": [(3, 2), [3], (2,)],
    "gather": [(2, 3, 4), [2, 3, 4]],
    "scatter_add": [(2, 3, 4), [2, 3, 4], (2, 3, 4)],
    "sum_gathered": [(2, 3, 4), [2, 3, 4], (2, 3, 4)],
    "sum_rows": [(3, 3, 3), [3]],
    "with_rows_added": [(3, 3, 3), [3], (3, 3, 3)],
    "normalize": [(2, 3, 4), (4,), (4,), (2, 3, 4), (2,), (1, 1, 4)],
    "normalize_back": [(2, 3, 4), (2, 3, 4), (4,), (2, 3), (2, 3), (2, 3, 4), (2,), (1, 1, 4)],
    "normalize_by": [(2, 3, 4), (3,), (3,), (3,), (3,)],
    "normalize_by_back": [(2, 3, 4), (2, 3, 4), (3,), (3,), (3,)],
    "correlate": [(2, 4, 8, 7), (6, 2, 3, 3), (6,), MOVES, (6, 3)],
    "spread": [(2, 4, 8, 7), (4, 3, 3, 3), (6,), MOVES, (10, 15)],
    "weigh": [(2, 4, 8, 7), (2, 6, 6, 3), MOVES, (3, 3)],
    "attention": [(2, 3, 4), (2, 5, 4), (2, 5, 8), (2, 3, 5)],
    "attention_back": [(2, 3, 8), (2, 3, 4), (2, 5, 4), (2, 5, 8), (2, 3, 5), (2, 3, 8), (2, 3)],
    "gemm": [(3, 4), (4, 8)],
    "lstm": [(5, 2, 12), (2, 3), (2, 3), (12, 3), (12,)],
    "lstm_back": [(2, 5, 2, 3), (2, 3), (12, 3), (2, 5, 2, 3), (5, 2, 12)],
    "gru": [(5, 2, 9), (2, 3), (9, 3), (9,)],
    "gru_back": [(5, 2, 3), (2, 3), (9, 3), (5, 2, 3), (5, 2, 12)],
}
INTEGERS = [0, 1, 1, 2, 3, -1, -2, 7, 64, -(2**63), 2**31, 2**62, 2**63 - 1]
NUMBERS = [0.0, 1.0, 0.5, -1.0, 1e-300, 1e300, float("nan"), float("inf")]


def unaligned(x: np.ndarray) -> np.ndarray:
    memory = np.empty(x.nbytes + 1, "u1")[1:]
    memory[:] = np.frombuffer(x.tobytes(), "u1")
    return memory.view(x.dtype).reshape(x.shape)


def locked(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x.flags.writeable = False
    return x


# The same numbers in other ways.
GUISES: list[Callable[[np.ndarray], np.ndarray]] = [
    np.copy,
    unaligned,
    locked,
    lambda x: x.astype(x.dtype.newbyteorder()),
    lambda x: x.copy("F"),
    lambda x: np.repeat(x, 2, -1)[..., ::2] if x.ndim else x,
    lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x,
]


class Arguments:
    """Makes arguments by the types in a signature; arrays of a call have shapes and types that go together, mostly."""

    def __init__(self, chance: random.Random, together: list[tuple | list]) -> None:
        self.chance = chance
        self.together = list(together)
        self.dtype = chance.choice(DTYPES[:4] * 3 + DTYPES)
        self.shape = self._shape()

    def _shape(self) -> tuple[int, ...]:
        return tuple(self.chance.choices(LENGTHS, k=self.chance.choice([0, 1, 2, 2, 3, 3, 4, 5])))

    def _related(self) -> tuple[int, ...]:
        """The shape in the table or of the call; also with an axis less, more, changed or exchanged; or another."""
        shape = list(self.together.pop(0) if self.together else self.shape)
        choice = self.chance.randrange(16)
        at = self.chance.randrange(len(shape)) if shape else 0
        if choice == 0:
            return self._shape()
        if choice == 1 and shape:
            del shape[at]
        elif choice == 2:
            shape.insert(at, self.chance.choice(LENGTHS))
        elif choice == 3 and shape:
            shape[at] = self.chance.choice(LENGTHS)
        elif choice == 4:
            shape.reverse()
        return tuple(shape)

    def array(self) -> Any:
        shape = self._related()
        if self.chance.random() < 0.02:
            return self.chance.choice([None, "text", 1.5, [1.0], np.float32(2), np.ma.zeros(3), np.matrix([[1.0]])])
        dtype = self.dtype if self.chance.random() < 0.9 else self.chance.choice(DTYPES)
        if self.chance.random() < 0.02:  # as large as can be, without memory of its own
            return np.broadcast_to(np.zeros((), "f4" if dtype == "O" else dtype), (2**20, 2**20))
        x = np.array([self.chance.randrange(4) for _ in range(int(np.prod(shape)))]).reshape(shape)
        return x.astype(dtype) if dtype != "V0" else np.zeros(shape, "V0")

    def positions(self) -> Any:
        """Integers within small lengths, mostly."""
        x = self.array()
        if isinstance(x, np.ndarray) and x.size < 10_000:
            if self.chance.random() < 0.1:
                return np.zeros(x.shape, "f4")
            values = [0, 1] if self.chance.random() < 0.7 else [0, 1, 2, -1, -(2**63), 2**62, 5]
            return np.array(self.chance.choices(values, k=x.size), "i8").reshape(x.shape)
        return x

    def changed(self, value: Any) -> Any:
        """The same, or with other integers in it."""
        if isinstance(value, tuple):
            value = value[:-1] if self.chance.random() < 0.05 else value
            return tuple(self.changed(x) for x in value)
        return value if self.chance.random() < 0.95 else self.chance.choice(INTEGERS)

    def of(self, kind: str) -> Any:
        """An argument of a type as a signature names it."""
        if "None" in kind and self.chance.random() < 0.5:
            self.together = self.together[1:] if "ndarray" in kind or "tuple" in kind else self.together
            return None
        if "tuple" in kind and self.together:
            return self.changed(self.together.pop(0))
        if "ndarray" in kind:
            wanted = type(self.together[0]) is list if self.together else self.chance.random() < 0.25
            return self.positions() if wanted else self.array()
        if "bool" in kind:
            return self.chance.random() < 0.5
        if "int" in kind:
            return self.chance.choice(INTEGERS if self.chance.random() < 0.2 else INTEGERS[:5])
        if "str" in kind:
            return self.chance.choice(["mean", "sum", "none", "other"])
        if "float" in kind:
            return self.chance.choice(NUMBERS)
        if "tuple" in kind:
            return self.chance.choice(
                [self.shape, self._related(), tuple(self.chance.choices(INTEGERS, k=2)), (1.5, None)]
            )
        several = self.chance.choice([0, 1, 1, 2])
        make = self.chance.choice(
            [self.array, self.array, self.positions, lambda: self.of("int"), lambda: np.zeros((), "f4")]
        )
        return [make() for _ in range(several)]


def kinds(signature: str) -> list[str]:
    """The types of the arguments of ``def name(arg0: ndarray, arg1: int, /) -> ndarray``."""
    return [kind.strip() for kind in re.findall(r"\w+: ((?:[^,()\[\]]|\[[^\]]*\])+)", signature.rsplit(" -> ", 1)[0])]


def signatures(function: Callable) -> set[str]:
    """Those that nanobind gives; of elementwise functions, which have none, those that they may have."""
    known = getattr(function, "__nb_signature__", None)
    if known is not None:
        return {signature for signature, *_ in known}
    return {
        f"def f({', '.join(['x: ndarray'] * arrays + ['x: float'] * numbers + ['x: ndarray'] * out)}) -> ndarray"
        for arrays in range(1, 4)
        for numbers in range(4)
        for out in range(2)
    }


def arrays_of(result: Any) -> list[np.ndarray]:
    return [np.asarray(x) for x in (result if isinstance(result, tuple) else (result,)) if x is not None]


def check(function: Callable, name: str, signature: str, seed: int) -> bool:
    """Makes a call, and if it is good the same again with arrays in other guises; whether it was good."""
    chance = random.Random(f"{name} {signature} {seed}")
    make = Arguments(chance, TOGETHER.get(name, []))
    arguments = [make.of(kind) for kind in kinds(signature)]
    show = [f"{x.dtype}{x.shape}" if isinstance(x, np.ndarray) else x for x in arguments]
    print(name, seed, show, flush=True)
    try:
        want = arrays_of(function(*arguments))
    except Exception:
        return False
    if any(isinstance(x, list) for x in arguments) or any(x is y for x in want for y in arguments):  # changed in place
        return True
    for guise in GUISES:
        others = [
            guise(x) if type(x) is np.ndarray and x.size < 10_000 and x.dtype.kind not in "OV" else x for x in arguments
        ]
        try:
            got = arrays_of(function(*others))
        except TypeError:  # not taken
            continue
        for ours, theirs in zip(got, want, strict=True):
            if theirs.dtype.kind in "fc" and theirs.size < 10_000:
                np.testing.assert_allclose(ours, theirs, 1e-4, 1e-4)
    return True


def main(path: str, names: list[str]) -> None:
    spec = importlib.util.spec_from_file_location(path.rsplit("/", 1)[-1].split(".")[0], path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    np.seterr(all="ignore")
    if resource is not None and "san" not in os.environ.get("LD_PRELOAD", ""):  # sanitizers need terabytes of addresses
        resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
    others = {"otherwise", "get_threads", "set_threads"}
    for name in names or sorted(name for name in dir(module) if not name.startswith("_") and name not in others):
        function, good = getattr(module, name), 0
        for signature in sorted(signatures(function)):
            calls = CALLS if hasattr(function, "__nb_signature__") else CALLS // 20
            good += sum(check(function, name, signature, seed) for seed in range(calls))
        print(name, good, "good calls", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
