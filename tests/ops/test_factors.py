"""LU, eigenvalues, least squares, reflections, Cholesky and the old names: gradients and names as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight
from tests.ops.gradients import assert_same_gradients
from tests.ops.oracle import outcome

CALLS = {
    "linalg.lu(a)[1]": [(4, 3)], "linalg.lu(a)[2]": [(2, 3, 4)], "linalg.lu_factor(a)[0]": [(3, 3)],
    "linalg.lu_solve(*linalg.lu_factor(a), b)": [(3, 3), (3, 2)], "linalg.eigvals(a).abs()": [(3, 3)],
    "linalg.lu_solve(*linalg.lu_factor(a), b, left=False, adjoint=True)": [(3, 3), (2, 3)],
    "linalg.lstsq(a, b).solution": [(4, 3), (4, 2)], "linalg.lstsq(a, b, driver='gels').residuals": [(4, 3), (4, 2)],
    "linalg.householder_product(a, b)": [(4, 3), (2,)], "ormqr(a, b, c)": [(4, 3), (3,), (4, 2)],
    "cholesky_inverse(a)": [(3, 3)], "cholesky_solve(a, b)": [(3, 2), (3, 3)],
    "triangular_solve(a, b, transpose=True)[0]": [(3, 2), (3, 3)], "svd(a)[2].abs()": [(3, 4)], "qr(a)[1]": [(4, 3)],
}  # fmt: skip


def evaluated(call, library, tensors):
    return eval(call, {**vars(library), "linalg": library.linalg}, tensors)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_same_gradients(call):
    names = "abc"[: len(CALLS[call])]

    def function(library, *tensors):
        return evaluated(call, library, dict(zip(names, tensors, strict=True)))

    assert_same_gradients(function, *CALLS[call], node=False, second=True)


NODES = {
    "linalg.lu(a)[1]", "linalg.lu_factor(a)[0]", "linalg.lu_solve(*linalg.lu_factor(a), a)", "linalg.eigvals(a)",
    "linalg.lstsq(a, a)[0]", "linalg.householder_product(a, a[0])", "cholesky_inverse(a)", "cholesky_solve(a, a)",
    "linalg.svdvals(a)", "linalg.eigvalsh(a)", "lu_unpack(*linalg.lu_factor(a))[1]",
}  # fmt: skip


@pytest.mark.parametrize("call", sorted(NODES))
def test_node_names(call):
    names = []
    for library in (torch, rushlight):
        a = (library.eye(3) * 2).requires_grad_()
        names.append(type(evaluated(call, library, {"a": a}).grad_fn).__name__)
    assert names[1] == names[0]


@pytest.mark.parametrize(
    "code",
    [
        "linalg.lu_factor(o(2, 2))", "linalg.lu(o(2))", "linalg.eig(o(2, 3))", "linalg.lstsq(o(()), o(2))",
        "linalg.householder_product(o(2, 3), o(3))", "cholesky_solve(o(2), o(2, 2))",
        "linalg.lstsq(o(2, 2), o(2, 2), driver='best')", "linalg.lu(o(2, 2), pivot=False)",
    ],
)  # fmt: skip
def test_errors(code):
    """The same class, and PyTorch's first words."""
    expected, got = (outcome(f"torch.{code}", lib, {"o": lib.ones}) for lib in (torch, rushlight))
    assert got[0].lstrip("_") == expected[0].lstrip("_")
    assert got[1].startswith(expected[1][:25])


@pytest.mark.parametrize("shape", [(5, 5), (4, 7), (70, 40), (3, 4, 4), (2, 0, 3)])
def test_factors_multiply_to_the_matrix(shape):
    a = rushlight.randn(*shape, dtype=rushlight.float64)
    p, lower, upper = rushlight.linalg.lu(a)
    assert np.allclose((p @ lower @ upper).numpy(), a.numpy())
    assert lower.abs().max().item() <= 1 if a.numel() else lower.numel() == 0


def test_equal_singular_values_have_a_gradient():
    a = rushlight.eye(3).requires_grad_()
    rushlight.linalg.svdvals(a).sum().backward()
    rushlight.testing.assert_close(a.grad, rushlight.eye(3))
