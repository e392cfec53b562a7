"""Indexing, read and write: values, types, strides, sharing, node names and errors as PyTorch's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import rushlight
from tests.ops.oracle import assert_same, assert_same_error


def matrix(torch):
    return torch.arange(24.0).view(4, 6)


def leaf(torch):
    return torch.arange(24.0).view(4, 6).requires_grad_()


def cube(torch):
    return torch.arange(24).view(2, 3, 4)


def mask(torch):
    return torch.arange(24).view(4, 6) % 3 == 0


NAMES = {"x": leaf, "c": cube, "m": mask}

READS = """
0; -1; 1, 2; 1:3; :; ...; None; (); ::2; 5:2; -3:-1; :, 0; :, None; 0:4; 1:3, 2:4; ..., 0; ..., 1:; 0, ..., None
None, 0
1:3, None, ::3; True; False; None, True; [0, 1]; [True, False, True, False]; (0, 1), ; range(2); np.array([2, 0])
torch.tensor([0, 3]); torch.tensor([[0, 1], [2, 3]]); torch.tensor(1); torch.tensor(True)
torch.tensor([], dtype=torch.int64)
m; m[:, 0]; :, m[0]; torch.tensor([0, 1]), 1:; :, torch.tensor([0, 1]); torch.tensor([0, 1]), torch.tensor([1, 2])
0, torch.tensor([1, -1]); torch.tensor([[0], [1]]), torch.tensor([0, 1]); torch.tensor([0, 1]), None; np.int64(2)
torch.tensor([0, 1], dtype=torch.int32); torch.tensor(1):3; [torch.tensor([0]), torch.tensor([1])]; ..., [0, 1]
[[0, 1], [2, 3]]
"""


@pytest.mark.parametrize("index", [part.strip() for part in READS.replace("\n", ";").split(";") if part.strip()])
def test_read(index):
    assert_same(f"x[{index}]", **NAMES)


@pytest.mark.parametrize(
    "index", ["0, :, [0, 1]", ":, 0, [1, 2]", "[0, 1], :, [1, 2]", "[0, 1], 0, [1, 2]", "..., None, [1, 0]", "m3"]
)
def test_read_three_axes(index):
    assert_same(f"c[{index}]", m3=lambda torch: torch.arange(6).view(2, 3) > 2, **NAMES)


@pytest.mark.parametrize("index", ["0, 1", "1:3, None", "0, ..., None", "None, 0", "[0, 1]", "[0, 1], 1:", "0, [0, 1]"])
def test_chain_of_nodes(index):
    names = (
        "def names(node):\n"
        "    return [node.name()] + names(node.next_functions[0][0]) if node is not None else []\n"
        f"out = names(x[{index}].grad_fn)"
    )
    assert_same(names.replace("torch::autograd::", ""), **NAMES)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x[5]", "index 5 is out of bounds for dimension 0 with size 4"),
        ("x[0, 7]", "index 7 is out of bounds for dimension 1 with size 6"),
        ("x[0, 0, 0]", "too many indices for tensor of dimension 2"),
        ("x[0][0][0]", "invalid index of a 0-dim tensor"),
        ("x[[5]]", "index 5 is out of bounds for dimension 0 with size 4"),
        ("x[[0, 1], [0, 1, 2]]", "indexing tensors could not be broadcast together with shapes [2], [3]"),
        (
            "x[[True, False]]",
            "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [4, 6] at index 0",
        ),
        ("x[torch.tensor([1.0])]", "tensors used as indices must be long, int, byte or bool tensors"),
        (
            "x[1.0]",
            "slices (`:`), ellipsis (`...`), None and long or byte Variables are valid indices (got float)",
        ),
        ("x['a']", "invalid data type 'str'"),
        ("x[::-1]", "step must be greater than zero"),
    ],
)
def test_read_errors(code, words):
    assert_same_error(code, words, **NAMES)


WRITES = """
x[0] = 1.0; x[0, 1] = 2; x[1:3] = 5; x[:] = 7; x[...] = torch.arange(6.0)
x[:, ::2] = torch.tensor([[1.0], [2], [3], [4]])
x[m] = 0; x[m] = torch.arange(8.0); x[[0, 2]] = torch.ones(6); x[0, [1, 2]] = 3; x[:, [0, 1]] = torch.ones(4, 1)
x[0] = torch.ones(1, 1, 6)
x[[0, 1], [0, 1]] = torch.tensor([8, 9]); x[None] = 1; x[True] = 4; x[False] = 4
x[0] = torch.tensor(3, dtype=torch.int32)
x[m[:, 0]] = 1; x[1] = x[2]; x[:, 0] = x[0, :4]; x[torch.tensor(2)] = 6; x[-1, -1] = True; x[0] = float('inf')
"""


@pytest.mark.parametrize("code", [part.strip() for part in WRITES.replace("\n", ";").split(";") if part.strip()])
@pytest.mark.parametrize("make", [matrix, leaf], ids=["plain", "recorded"])
def test_write(code, make):
    program = f"y = x.clone()\nx = y\n{code}\nout = y.sum().isnan(), y.nan_to_num(), y._version"
    if make is leaf:
        program = f"z = x\nx = z * 1\n{code}\n(x * x).nansum().backward()\nout = x, z.grad"
    assert_same(program, x=make, m=mask)


def test_write_differentiates_the_value():
    program = (
        "v = torch.tensor([2.0, 3.0], requires_grad=True)\ny = x * 1\n{}\n(y * y).sum().backward()\n"
        "out = v.grad, x.grad"
    )
    for code in ("y[0, :2] = v", "y[[0, 1], [2, 3]] = v", "y[m] = v[0]", "y[:, 0] = v[1]"):
        assert_same(program.format(code), **NAMES)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            "x[0] = torch.ones(3)",
            "must match the existing size (3) at non-singleton dimension 0.  Target sizes: [6].  Tensor sizes: [3]",
        ),
        (
            "x[[0, 1]] = torch.ones(3)",
            "value tensor of shape [3] cannot be broadcast to indexing result of shape [2, 6]",
        ),
        ("x[0] = 'a'", "can't assign a str to a torch.FloatTensor"),
        ("x[0] = [1, 2]", "can't assign a list to a torch.FloatTensor"),
        ("x[9] = 1", "index 9 is out of bounds for dimension 0 with size 4"),
    ],
)
def test_write_errors_change_nothing(code, words):
    assert_same_error(f"{code}\nout = 0", words, x=matrix)


def test_write_to_leaf_is_refused():
    words = "view of a leaf Variable that requires grad is being used in an in-place operation"
    assert_same_error("x[0] = 1\nout = 0", words, x=lambda torch: torch.ones(2, 2, requires_grad=True))


slice_ends = st.none() | st.integers(-3, 3)
index_parts = st.one_of(st.integers(-2, 1), st.just(Ellipsis), st.none(), st.builds(slice, slice_ends, slice_ends))


@given(st.lists(index_parts, max_size=4).filter(lambda parts: parts.count(Ellipsis) <= 1))
def test_basic_index_is_numpys(parts):
    array = np.arange(24).reshape(2, 3, 4)
    tensor = rushlight.from_numpy(array)
    index = tuple(parts)
    try:
        expected = array[index]
    except IndexError:
        with pytest.raises(IndexError):
            tensor[index]
    else:
        got = tensor[index]
        assert got.numpy().shape == np.shape(expected) and (got.numpy() == expected).all()
        assert got._version == tensor._version and got._base is tensor
