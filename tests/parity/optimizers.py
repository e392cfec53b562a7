"""Compares optimizers over PyTorch's optimizer database: `python -m tests.parity.optimizers [names ...]`.

For every configuration: ten steps on a small least-squares problem, the same with two parameter groups, the printed
form, the state_dict, and that a new optimizer goes on from a loaded state_dict as the old one would have.
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
from tests.parity.report import Result, describe_call
from tests.parity.resolve import lookup
from tests.parity.sides import Side

STEPS = 10
# A quasi-Newton method makes 20 iterations a step, and each multiplies rounding: in single precision PyTorch parts from
# itself when a parameter changes by its last bit. So only the first step is compared, and only in double precision.
STEPS_OF = {"LBFGS": 1}


@cache
def database() -> tuple[Any, ...]:
    """PyTorch's optimizer database."""
    from torch.testing._internal.common_optimizers import optim_db

    return tuple(optim_db)


def name_of(info: Any) -> str:
    """The name of an optimizer's class."""
    return info.optim_cls.__name__


def plan(
    names: list[str], dtypes: list[str], lib: ModuleType, options: Options
) -> tuple[list[Any], dict[str, list[str]], int]:
    """The comparisons to run, what is missing, and the number of optimizers in the database."""
    chosen = [o for o in database() if not names or any(fnmatchcase(name_of(o), n) for n in names)]
    sparse = [o for o in chosen if o.only_supports_sparse_grads]
    lacking = [o for o in chosen if o not in sparse and lookup(lib, f"optim.{name_of(o)}") is None]
    kinds = [getattr(torch, name) for name in dtypes]
    there = [o for o in chosen if o not in lacking and o not in sparse]
    missing = {
        "missing": sorted(map(name_of, lacking)),
        "for sparse gradients only, not compared": sorted(map(name_of, sparse)),
    }
    cases = [
        OptimizerComparison(o, d, lib, options).compare
        for o in there
        for d in kinds
        if d is torch.float64 or name_of(o) not in STEPS_OF
    ]
    return cases, missing, len(chosen)


@dataclass
class OptimizerComparison:
    """The comparison of one optimizer class in one dtype."""

    info: Any
    dtype: torch.dtype
    lib: ModuleType
    options: Options
    at: str = ""

    def __post_init__(self) -> None:
        self.result = Result(name_of(self.info), str(self.dtype).removeprefix("torch."))

    def compare(self) -> Result:
        """Run every configuration of the database."""
        start = time.perf_counter()
        for number, given in enumerate(self.info.optim_inputs_func(device="cpu")):
            for grouped in (False, True) if self.info.supports_param_groups else (False,):
                if self.options.sample in (None, number):
                    groups = ", in two groups" if grouped else ""
                    self.at = f"#{number} {given.desc} ({describe_call((), given.kwargs)}{groups})"
                    compare_steps(self.result, self.at, self._steps(given, grouped), self.lib, self.options.traceback)
        self.result.seconds = time.perf_counter() - start
        return self.result

    def _steps(self, given: Any, grouped: bool) -> Steps:
        def steps(side: Side) -> Iterator[tuple[str, Any]]:
            side.seed(SEED)
            problem = Problem(side, self.dtype)
            optimizer = self._optimizer(side, problem, given, grouped)
            yield "repr", repr(optimizer)
            losses = [problem.step(optimizer) for _ in range(STEPS_OF.get(name_of(self.info), STEPS))]
            yield "parameters", list(problem.parameters)
            yield "losses", losses
            state = optimizer.state_dict()
            yield "state_dict", state
            resumed = self._optimizer(side, problem, given, grouped)
            resumed.load_state_dict(state)
            problem.step(resumed)
            yield "parameters after load_state_dict", list(problem.parameters)
            optimizer.zero_grad()
            yield "gradients after zero_grad", [p.grad for p in problem.parameters]

        return steps

    def _optimizer(self, side: Side, problem: Problem, given: Any, grouped: bool) -> Any:
        cls = lookup(side.lib, f"optim.{name_of(self.info)}")
        first, second = problem.parameters
        groups = [{"params": [first]}, {"params": [second], "lr": 0.005}] if grouped else [first, second]
        return cls(groups, **side.convert(given.kwargs, {}))


class Problem:
    """Least squares with a product of two matrices: every parameter has two dimensions, which some optimizers need."""

    def __init__(self, side: Side, dtype: torch.dtype) -> None:
        generator = torch.Generator().manual_seed(SEED)
        shapes = ((5, 4), (5, 2), (4, 3), (3, 2))
        made = [torch.randn(shape, dtype=dtype, generator=generator) for shape in shapes]
        self.x, self.y = map(side.tensor, made[:2])
        self.parameters = [side.lib.nn.Parameter(side.tensor(t)) for t in made[2:]]

    def step(self, optimizer: Any) -> Any:
        """One step of the optimizer; returns the loss that it returned."""

        def closure() -> Any:
            optimizer.zero_grad()
            first, second = self.parameters
            loss = ((self.x @ first @ second - self.y) ** 2).mean()
            loss.backward()
            return loss

        return optimizer.step(closure)


if __name__ == "__main__":
    from tests.parity.__main__ import main

    sys.exit(main(["--optimizers", *sys.argv[1:]]))
