"""torch.linalg: values, both gradients and node names, and errors, as PyTorch's."""

from __future__ import annotations

import pytest
import torch

import rushlight
from tests.ops.gradients import assert_same_gradients
from tests.ops.oracle import outcome

CALLS = {
    "inv(a)": [(2, 3, 3)], "solve(a, b)": [(3, 3), (3, 2)], "solve(a, b, left=False)": [(3, 3), (2, 3)],
    "solve_triangular(a, b, upper=True)": [(3, 3), (3, 2)], "det(a)": [(2, 3, 3)], "slogdet(a)[1]": [(3, 3)],
    "cholesky(a @ a.mT + 1)": [(3, 3)], "qr(a)[1]": [(4, 3)], "qr(a)[0]": [(4, 3)], "eigvalsh(a + a.mT)": [(3, 3)],
    "eigh(a + a.mT)[1].abs()": [(3, 3)], "svdvals(a)": [(4, 3)], "svd(a, full_matrices=False)[0].abs()": [(3, 4)],
    "pinv(a)": [(4, 3)], "matrix_exp(a)": [(2, 3, 3)], "matrix_power(a, -2)": [(3, 3)],
    "multi_dot([a, b, c])": [(2, 5), (5, 3), (3,)],
    "cross(a, b)": [(2, 3), (2, 3)], "cond(a)": [(3, 3)],
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_same_gradients(call):
    names = "abc"[: len(CALLS[call])]

    def function(library, *tensors):
        return eval(call, vars(library.linalg), dict(zip(names, tensors, strict=True)))

    assert_same_gradients(function, *CALLS[call], node=False, second=True)


@pytest.mark.parametrize(
    "code",
    ["inv(o(2, 2))", "inv(o(2, 3))", "solve(o(2, 2), o(2))", "cholesky(-o(2, 2))", "det(o(3))", "multi_dot([o(2)])"],
)
def test_errors(code):
    """The same class, and PyTorch's first words."""
    expected, got = (outcome(f"torch.linalg.{code}", lib, {"o": lib.ones}) for lib in (torch, rushlight))
    assert got[0].lstrip("_") == expected[0].lstrip("_")
    assert got[1].startswith(expected[1][:25])
