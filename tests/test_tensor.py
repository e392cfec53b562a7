"""Tensor's memory and Python protocols: sharing, strides, data, detach, the ways out to NumPy, copy and pickle."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import rushlight
from tests.ops.oracle import assert_same, assert_same_error

NAMES = {
    "x": lambda torch: torch.arange(6.0).view(2, 3),
    "w": lambda torch: torch.ones(2, 2, requires_grad=True),
}

SAME = """
x.stride(); x.t().stride(); x[:, 1:].storage_offset(); x.t().is_contiguous(); x[:, 1].is_contiguous()
x[1:].is_contiguous(); x.element_size()
x[0].data_ptr() == x.data_ptr(); x[1].data_ptr() - x.data_ptr(); x.detach().data_ptr() == x.data_ptr(); x.nbytes
x.ndim; x.dim(); x.numel(); len(x)
x[0, 0].item(); x.long()[1, 2].item(); x.bool().tolist(); x.tolist(); x[0, 0].tolist(); float(x[0, 1])
int(x[1, 0]); bool(x[0, 1]); complex(x[0, 1])
x.numpy(); np.asarray(x); x.__array__(np.float64); np.add(x.numpy(), 1); w.detach().numpy(); w.numpy(force=True)
x.is_floating_point(); x.device
x._is_view(); x[0]._is_view(); x[0]._base is x._base; w[0]._base is w; w.data.requires_grad; w.is_leaf
(w * 2).is_leaf; w.detach().requires_grad
torch.from_dlpack(x); torch.from_dlpack(np.arange(3)); np.from_dlpack(x); torch.as_tensor(np.arange(3))
torch.asarray([1.5]); x.__dlpack_device__()[1]
torch.frombuffer(bytearray(b'abcd'), dtype=torch.uint8); torch.from_numpy(np.array(3.0)); x in {x}; f'{x[0, 1]:.2f}'
x.size(); x.size(-1); x.shape.numel(); x.is_signed(); x.retains_grad; x.output_nr; x.grad; x.T.T.is_contiguous()
x.is_inference()
"""


@pytest.mark.parametrize("code", [part.strip() for part in SAME.replace("\n", ";").split(";") if part.strip()])
def test_attribute(code):
    assert_same(code, **NAMES)


SHARING = """
y = x.view(-1); y[0] = 9; out = x, y._version, x._version
y = x.detach(); y[0] = 9; out = x, x._version
y = x.data; y[0] = 9; out = x, x._version
a = x.numpy(); a[0] = 9; out = x, x._version
a = np.zeros(3); y = torch.from_numpy(a); y[0] = 5; a[1] = 6; out = y, a
y = torch.from_dlpack(x); y[0] = 5; out = x
y = x.clone(); y[0] = 9; out = x
y = x.t().contiguous(); y[0] = 9; out = x
y = x.reshape(6); y[0] = 9; out = x
y = x.t().reshape(6); y[0] = 9; out = x
w.data = torch.zeros(3); out = w, w.shape, w.is_leaf
w.data.add_(1); out = w, w._version
y = w * 2; y.detach_(); out = y, y.is_leaf
x.resize_(2, 2); out = x
y = torch.empty(0); y.set_(x); y[0, 0] = 7; out = x
"""


@pytest.mark.parametrize("code", SHARING.strip().split("\n"))
def test_sharing(code):
    assert_same(code, **NAMES)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("w.numpy()", "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead."),
        ("x.item()", "a Tensor with 6 elements cannot be converted to Scalar"),
        ("bool(x)", "Boolean value of Tensor with more than one value is ambiguous"),
        ("bool(x[:0])", "Boolean value of Tensor with no values is ambiguous"),
        ("len(x[0, 0])", "len() of a 0-d tensor"),
        ("w.__dlpack__()", "Can't export tensors that require gradient, use tensor.detach()"),
        (
            "copy.deepcopy(w * 2)",
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol",
        ),
        ("x.size(2)", "Dimension out of range (expected to be in range of [-2, 1], but got 2)"),
    ],
)
def test_errors(code, words):
    assert_same_error(code, words, copy=lambda torch: copy, **NAMES)


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda tensor: pickle.loads(pickle.dumps(tensor))], ids=["deepcopy", "pickle"]
)
def test_duplicate_keeps_what_belongs_to_the_tensor(duplicate):
    tensor = rushlight.ones(2, 3, requires_grad=True)
    tensor.note = ["mine"]
    made = duplicate(tensor)
    assert made.requires_grad and made.shape == (2, 3) and made.note == ["mine"] and made.note is not tensor.note
    with rushlight.no_grad():
        made[0] = 5
    assert tensor[0, 0].item() == 1


def test_attributes_and_identity():
    tensor = rushlight.zeros(2)
    tensor.label = "a"
    assert tensor.label == "a" and {tensor: 1}[tensor] == 1 and hash(tensor) == hash(tensor)
    assert tensor not in [None] and any(tensor is other for other in [tensor])


def test_iteration_gives_views():
    tensor = rushlight.zeros(3, 2)
    for row in tensor:
        row += 1
    assert tensor.sum().item() == 6
    assert [type(row).__name__ for row in tensor] == ["Tensor"] * 3
    assert np.array_equal(np.stack(list(map(np.asarray, tensor))), tensor.numpy())


def test_dlpack_both_ways_shares_memory():
    ours, theirs = rushlight.zeros(2, 3), torch.zeros(2, 3)
    seen_by_torch, seen_here = torch.from_dlpack(ours.t()), rushlight.from_dlpack(theirs)
    seen_by_torch[0, 1], seen_here[1, 2] = 5, 7
    assert ours[1, 0].item() == 5 and theirs[1, 2].item() == 7
    assert tuple(seen_by_torch.stride()) == ours.t().stride()


def test_numpy_shares_memory_with_torch_too():
    theirs = torch.arange(4.0)
    ours = rushlight.from_numpy(theirs.numpy())
    ours.mul_(2)
    assert theirs.tolist() == [0, 2, 4, 6]
