"""Compares nn modules over PyTorch's module database: `python -m tests.parity.modules [names ...]`.

For every input of the database, in training and in evaluation: the printed form, the names in the state_dict, the
initial values from the same seed, the output, the gradients of inputs and parameters, and the state afterwards.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from types import ModuleType
from typing import Any

import torch

from tests.parity.observe import Steps, compare_steps
from tests.parity.ops import SEED, Options
from tests.parity.outcome import cotangents
from tests.parity.report import Result, describe_call
from tests.parity.resolve import lookup
from tests.parity.sides import Side


@cache
def database() -> tuple[Any, ...]:
    """PyTorch's module database."""
    from torch.testing._internal.common_modules import module_db

    return tuple(module_db)


def plan(
    names: list[str], dtypes: list[str], lib: ModuleType, options: Options
) -> tuple[list[Any], dict[str, list[str]], int]:
    """The comparisons to run, what is missing, and the number of modules in the database."""
    chosen = [
        m for m in database() if not names or any(fnmatchcase(m.name, f"nn.{n.removeprefix('nn.')}") for n in names)
    ]
    lacking = [m for m in chosen if lookup(lib, m.name) is None]
    kinds = [getattr(torch, name) for name in dtypes]
    comparisons = [ModuleComparison(m, d, lib, options) for m in chosen if m not in lacking for d in kinds]
    return (
        [c.compare for c in comparisons if c.dtype in c.info.dtypes],
        {"missing": sorted(m.name for m in lacking)},
        len(chosen),
    )


@dataclass
class ModuleComparison:
    """The comparison of one module class in one dtype."""

    info: Any
    dtype: torch.dtype
    lib: ModuleType
    options: Options
    at: str = ""

    def __post_init__(self) -> None:
        self.result = Result(self.info.name, str(self.dtype).removeprefix("torch."))

    def compare(self) -> Result:
        """Run every input of the database."""
        start = time.perf_counter()
        for training in (True, False) if self.info.train_and_eval_differ else (True,):
            for number, given in enumerate(self._inputs(training)):
                if self.options.sample in (None, number):
                    self.at = self._text(number, given, training)
                    compare_steps(self.result, self.at, self._steps(given, training), self.lib, self.options.traceback)
        self.result.seconds = time.perf_counter() - start
        return self.result

    def _inputs(self, training: bool) -> list[Any]:
        torch.manual_seed(SEED)
        make = self.info.module_inputs_func
        given = list(make(self.info, device="cpu", dtype=self.dtype, requires_grad=True, training=training))
        step = max(1, len(given) // self.options.samples) if self.options.samples else 1
        return given[::step]

    def _text(self, number: int, given: Any, training: bool) -> str:
        built = describe_call(given.constructor_input.args, given.constructor_input.kwargs)
        called = given.forward_input
        mode = "" if training else ".eval()"
        return f"#{number} ({built}){mode}({describe_call(called.args, called.kwargs) if called else ''})"

    def _steps(self, given: Any, training: bool) -> Steps:
        def steps(side: Side) -> Iterator[tuple[str, Any]]:
            memo: dict[int, tuple[Any, Any]] = {}
            construct, call = (
                side.convert(([*part.args], dict(part.kwargs)), memo) if part is not None else None
                for part in (given.constructor_input, given.forward_input)
            )
            side.seed(SEED)
            module = lookup(side.lib, self.info.name)(*construct[0], **construct[1])
            module = module.to(side.dtype(self.dtype)).train(training)
            yield "repr", repr(module)
            yield "state_dict keys", list(module.state_dict())
            if not self.info.is_lazy:
                yield "initial values", dict(module.state_dict())
                module.load_state_dict(side.convert(self._state(given), memo))
            if call is None:
                return
            side.seed(SEED)
            output = module(*call[0], **call[1])
            yield "output", output
            yield "state afterwards", dict(module.state_dict())
            yield "gradient", _gradients(side, module, call, output)

        return steps

    def _state(self, given: Any) -> dict[str, torch.Tensor]:
        """The state that both sides start from: PyTorch's own initial values."""
        torch.manual_seed(SEED)
        module = self.info.module_cls(*given.constructor_input.args, **given.constructor_input.kwargs)
        return dict(module.to(self.dtype).state_dict())


def _gradients(side: Side, module: Any, call: Any, output: Any) -> dict[str, Any]:
    """The gradients of parameters, by name, and of inputs, by place."""
    named = {name: p for name, p in module.named_parameters() if p.requires_grad}
    named |= {f"input {i}": t for i, t in enumerate(side.flatten(list(call))) if t.requires_grad}
    outputs = [t for t in side.flatten(output) if t.requires_grad]
    if not outputs or not named:
        return {}
    weights = cotangents(side, outputs, SEED)
    gradients = side.lib.autograd.grad(outputs, list(named.values()), weights, allow_unused=True)
    return dict(zip(named, gradients, strict=True))


if __name__ == "__main__":
    from tests.parity.__main__ import main

    sys.exit(main(["--modules", *sys.argv[1:]]))
