"""Random programs of 5 to 40 steps, with views, in-place operations, hooks and several roots, agree with PyTorch.

``python -m tests.autograd.test_random_programs 5000`` runs that many, from a random start or the one given next.
"""

from __future__ import annotations

import random
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import torch

import rushlight

from .both import words_of
from .random_programs import SECOND_FAILED, Run, described, steps_of


def agree(want: Any, have: Any) -> bool:
    """Whether two entries of the logs are the same: arrays within rounding, errors in class and key words."""
    if isinstance(want, np.ndarray) and isinstance(have, np.ndarray):
        same = (want.dtype, want.shape) == (have.dtype, have.shape)
        return same and bool(np.allclose(want, have, rtol=1e-8, atol=max(1e-10, 1e-13 * largest(want)), equal_nan=True))
    if isinstance(want, tuple) and isinstance(have, tuple):
        return len(want) == len(have) and all(map(agree, want, have))
    if isinstance(want, Exception):
        return type(want).__name__ == type(have).__name__ and all(words in str(have) for words in words_of(want))
    return type(want) is type(have) and bool(want == have)


def largest(array: np.ndarray) -> float:
    """The size of the largest number of an array: beside it, sums that came to nothing have rounding errors."""
    return float(np.abs(array[np.isfinite(array)]).max(initial=0))


def difference(seed: int) -> str | None:
    """What the two libraries disagree on in the program of this number."""
    steps = steps_of(random.Random(seed))
    logs = []
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for library in (torch, rushlight):
            before = library.get_default_dtype()
            library.set_default_dtype(library.float64)
            try:
                logs.append(Run(library, steps).log)
            finally:
                library.set_default_dtype(before)
    expected, got = logs
    for want, have in zip(expected, got):
        if "INTERNAL ASSERT FAILED" in str(want):
            return None  # a bug of PyTorch's
        if want[1] is SECOND_FAILED and have[1] is not SECOND_FAILED:
            return None  # on a way that Rushlight does not go, as it knows that the gradient is constant
        if not agree(want, have):
            return f"program {seed}: PyTorch {want}, Rushlight {have}\n" + described(steps)
    if len(expected) != len(got):
        return f"program {seed}: logs of {len(expected)} and {len(got)} entries\n" + described(steps)
    return None


@pytest.mark.parametrize("start", range(0, 150, 25))
def test_random_programs(start):
    found = [text for seed in range(start, start + 25) if (text := difference(seed)) is not None]
    assert not found, found[0]


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    start = int(sys.argv[2]) if len(sys.argv) > 2 else random.SystemRandom().randrange(1 << 30)
    found = [text for seed in range(start, start + count) if (text := difference(seed)) is not None]
    print(*found[:10], sep="\n")
    print(f"{len(found)} of {count} programs from {start} differ")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
