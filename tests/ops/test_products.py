"""Matrix products: values, gradients, node names and errors of every rank and form, as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rushlight
from tests.ops.gradients import assert_same_gradients
from tests.ops.oracle import outcome

RANKS = [
    ((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((2, 3), (3, 4)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
    ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((5, 2, 3), (5, 3, 4)), ((2, 1, 2, 3), (5, 3, 4)),
    ((0, 3), (3, 4)), ((2, 0), (0, 4)),
    ((5, 5, 0), (0, 5)),
]  # fmt: skip


@pytest.mark.parametrize("a, b", RANKS)
def test_matmul(a, b):
    assert_same_gradients(lambda lib, x, y: x @ y, a, b)


@pytest.mark.parametrize("name, shapes", {
    "mm": [(2, 3), (3, 4)], "bmm": [(5, 2, 3), (5, 3, 4)], "mv": [(2, 3), (3,)], "dot": [(3,), (3,)],
    "vdot": [(3,), (3,)],
    "outer": [(2,), (3,)], "ger": [(2,), (3,)], "inner": [(2, 3), (4, 3)], "addmm": [(4,), (2, 3), (3, 4)],
    "addmv": [(2,), (2, 3), (3,)], "addr": [(2, 3), (2,), (3,)], "addbmm": [(2, 4), (5, 2, 3), (5, 3, 4)],
    "baddbmm": [(5, 2, 4), (5, 2, 3), (5, 3, 4)], "kron": [(2, 3), (3, 2)], "trace": [(3, 3)],
}.items())  # fmt: skip
def test_named(name, shapes):
    assert_same_gradients(lambda lib, *x: getattr(lib, name)(*x), *shapes)


@pytest.mark.parametrize("shapes", [
    [(2, 3), (4, 3), (4,)], [(2, 3), (4, 3)], [(5, 2, 3), (4, 3), (4,)], [(5, 2, 3), (4, 3)], [(3,), (4, 3), (4,)],
    [(3,), (4, 3)], [(2, 3), (3,)],
])  # fmt: skip
def test_linear(shapes):
    assert_same_gradients(lambda lib, *x: lib.nn.functional.linear(*x), *shapes)


@pytest.mark.parametrize("equation, shapes", [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("bij,bjk->bik", [(5, 2, 3), (5, 3, 4)]),
    ("...ij,...jk->...ik", [(2, 1, 2, 3), (5, 3, 4)]), ("ij->ji", [(2, 3)]), ("ii->i", [(3, 3)]), ("ii", [(3, 3)]),
    ("i,j->ij", [(2,), (3,)]), ("ij,ij->", [(2, 3), (2, 3)]), ("bn,anm,bm->ba", [(2, 3), (4, 3, 5), (2, 5)]),
    ("bhqd,bhkd->bhqk", [(2, 3, 4, 5), (2, 3, 6, 5)]), ("ij,j->i", [(2, 3), (1,)]), ("iij->j", [(3, 3, 2)]),
])  # fmt: skip
def test_einsum(equation, shapes):
    assert_same_gradients(lambda lib, *x: lib.einsum(equation, *x), *shapes, node=False)


def test_einsum_of_lists():
    x, y = rushlight.ones(2, 3), rushlight.ones(3, 4)
    assert rushlight.einsum(x, [0, 1], y, [1, 2], [2, 0]).tolist() == [[3.0, 3.0]] * 4


ERRORS = """
torch.ones(2, 3) @ torch.ones(4, 5); torch.ones(3) @ torch.ones(4); torch.ones(2, 3) @ torch.ones(4)
torch.ones(4) @ torch.ones(3, 2); torch.ones(2, 3, 4) @ torch.ones(2, 5, 6); torch.ones(2, 3, 4) @ torch.ones(3, 4, 6)
torch.ones(2, 3, 4) @ torch.ones(5, 6); torch.ones(()) @ torch.ones(3); torch.ones(2, 3) @ torch.ones(3, 2).double()
torch.ones(3) @ torch.ones(3).double(); torch.ones(2, 2).bool() @ torch.ones(2, 2).bool()
torch.matmul(torch.ones(2), 3)
torch.mm(torch.ones(2), torch.ones(2, 3)); torch.bmm(torch.ones(2, 3), torch.ones(2, 3)); torch.ones(2) @ 3
torch.bmm(torch.ones(2, 3, 4), torch.ones(3, 4, 5)); torch.mv(torch.ones(2, 3), torch.ones(2))
torch.dot(torch.ones(2), torch.ones(3)); torch.dot(torch.ones(2, 2), torch.ones(3))
torch.addmm(torch.ones(5), torch.ones(2, 3), torch.ones(4, 5))
torch.addmm(torch.ones(4), torch.ones(2, 3), torch.ones(3, 5))
torch.nn.functional.linear(torch.ones(2, 3), torch.ones(5, 4), torch.ones(5))
torch.outer(torch.ones(2, 2), torch.ones(2))
torch.nn.functional.linear(torch.ones(2, 3), torch.ones(5, 3).double(), torch.ones(5).double())
torch.einsum("ij,jk", torch.ones(2, 3), torch.ones(4, 5)); torch.einsum("ij", torch.ones(2, 3, 4))
torch.einsum("ij,jk->il", torch.ones(2, 3), torch.ones(3, 5)); torch.tensordot(torch.ones(2, 3), torch.ones(4, 5), 1)
torch.cross(torch.ones(2, 4), torch.ones(2, 4), dim=1); torch.trace(torch.ones(3))
torch.matrix_power(torch.ones(2, 3), 2)
"""


@pytest.mark.parametrize("code", [part.strip() for part in ERRORS.replace("\n", ";").split(";") if part.strip()])
def test_errors(code):
    """The same class, and PyTorch's first words."""
    expected, got = outcome(code, torch, {}), outcome(code, rushlight, {})
    assert got[0] == expected[0]
    assert got[1].startswith(expected[1][:60])


@given(st.integers(0, 4), st.integers(0, 4), st.integers(0, 4), st.integers(0, 2**32 - 1))
def test_product_is_linear(n, k, m, seed):
    generator = np.random.default_rng(seed)
    a, b, c = (rushlight.from_numpy(generator.standard_normal(shape)) for shape in ((n, k), (k, m), (k, m)))
    np.testing.assert_allclose((a @ (b + c)).numpy(), (a @ b + a @ c).numpy(), atol=1e-12)
