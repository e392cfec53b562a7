"""The number of threads: where it starts, that it governs kernels and matrix products, what is refused."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import rushlight as torch
from rushlight.kernels import blas, native

SHOW = """
import rushlight as torch
from rushlight.kernels import blas, native
numbers = {torch.get_num_threads()}
if blas.get_threads:
    numbers.add(blas.get_threads())
if native.library:
    numbers.add(native.library.get_threads())
print(*numbers)
"""


@pytest.mark.parametrize(
    "variables, number",
    [
        ({"RUSHLIGHT_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}, "1"),
        ({"RUSHLIGHT_NUM_THREADS": "none", "OMP_NUM_THREADS": "1"}, "1"),
        ({"RUSHLIGHT_NUM_THREADS": "3"}, "3"),
    ],
)
def test_the_environment_says_where_it_starts(variables: dict, number: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | variables
    assert subprocess.check_output([sys.executable, "-c", SHOW], text=True, env=environment).strip() == number


def test_it_governs_kernels_and_matrix_products() -> None:
    before = torch.get_num_threads()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            assert torch.get_num_threads() == number
            assert blas.get_threads is None or blas.get_threads() == number
            assert native.library is None or native.library.get_threads() == number
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("number, error", [(0, RuntimeError), (-1, RuntimeError), (1.0, TypeError), (True, TypeError)])
def test_what_is_refused(number: object, error: type) -> None:
    with pytest.raises(error):
        torch.set_num_threads(number)  # type: ignore[arg-type]
