"""Views, joins, gather and scatter, creation: what PyTorch's op database does not look at."""

from __future__ import annotations

import pytest

from tests.ops.oracle import assert_same, assert_same_error

NAMES = {
    "x": lambda torch: torch.arange(24.0).view(4, 6).requires_grad_(),
    "c": lambda torch: torch.arange(24.0).view(2, 3, 4).requires_grad_(),
    "v": lambda torch: torch.arange(4.0).requires_grad_(),
    "i": lambda torch: torch.tensor([1, 0]),
    "m": lambda torch: torch.arange(6) > 2,
}

VALUES = """
x.view(24); x.view(-1, 8); x.view((2, 12)); x.view(torch.int32); x.view(torch.float64); x.view(torch.uint8)
x.view_as(x)
x.reshape(3, 8); x.t().reshape(24); x.reshape(-1); x.permute(1, 0); x.t(); v.t(); x.T; c.mT; x.H; x.adjoint()
c.transpose(0, -1)
c.swapaxes(0, 1); c.movedim(0, -1); c.movedim((0, 1), (1, 2)); c[None].squeeze(); c[None].squeeze(0)
c[None].squeeze((0, 1))
c.unsqueeze(-1); v.expand(3, 4); v.expand(-1); v.expand(2, 3, -1); torch.broadcast_to(v, (2, 4))
torch.broadcast_tensors(v, v[:, None])
x.split(3); x.split([1, 3]); x.split(4, 1); x.chunk(3); x.chunk(5, 1); x.tensor_split(3, 1); x.tensor_split((1, 3))
x.hsplit(2); x.vsplit(2)
c.dsplit(2); x.unbind(1); v.unfold(0, 2, 1); x.unfold(1, 3, 2); x.diagonal(1); x.diag(); v.diag(); v.diag(-1)
torch.diag_embed(v); torch.diagflat(c[0])
c.permute(2, 0, 1).clone().as_strided((4,), (3,), 2); c.transpose(1, 2).clone().untyped_storage().tolist()
x.select(1, 2); x.narrow(0, 1, 2); x.as_strided((2, 2), (1, 2), 3); c.flatten(); c.flatten(1)
x.unflatten(1, (2, 3)); x.t().ravel()
x.roll(1); x.roll((1, 2), (0, 1)); x.flip(0, 1); x.rot90(); x.repeat(2, 1); x.tile(2); v.repeat_interleave(2)
x.repeat_interleave(i + 1, 1) if 0 else v
torch.cat([x, x]); torch.cat([x, x.int()], 1); torch.stack([v, v], -1); torch.hstack([v, v]); torch.vstack([v, v])
torch.dstack([v, v])
torch.column_stack([v, x]); torch.block_diag(x, v); torch.cartesian_prod(v, v[:2]); torch.combinations(v.detach(), 2)
torch.atleast_2d(v); torch.atleast_3d(v, x); torch.meshgrid(v, v, indexing='xy'); torch.cat([v, torch.tensor([1, 2])])
x.index_select(1, i); x.gather(0, i[None]); x.scatter(1, i[:, None], 5.0); x.scatter_add(0, i[None], x)
x.index_add(0, i, x[:2], alpha=2)
x.index_fill(0, i, 1.5); x.index_copy(0, i, x[2:]); x.masked_fill(m, -1.0); x.masked_select(m); x.take(i)
x.tril(1); x.triu(-1)
x.index_put((i, i), v[0]); x.double(); x.to(torch.float16); x.clone(); x.t().contiguous(); x.float() is x
x.to('cpu') is x
torch.arange(5); torch.arange(1, 2, 0.25); torch.arange(3.0); torch.linspace(0, 1, 7); torch.logspace(0, 2, 3)
torch.eye(2, 3); torch.full((2,), True)
torch.zeros(2, 0); torch.zeros(()); torch.ones((2, 3), dtype=torch.int16); torch.tensor([[1, 2.5]])
torch.tensor([True, 2]); torch.tensor([1, 2j])
torch.tensor([]); torch.tensor([v[1], 2.0]); x.new_zeros(2); x.new_full((2,), 3); torch.zeros_like(x.t())
torch.empty_strided((2, 3), (1, 2)).stride()
torch.scalar_tensor(3); torch.range(0, 2); torch.tril_indices(3, 3); torch.triu_indices(2, 3, 1)
torch.vander(v.detach(), 3)
x.type(); x.long().type(); x.type('torch.DoubleTensor'); x.layout; torch.channels_last; 3.0 in x
torch.broadcast_shapes((2, 1), (3,))
torch.nonzero(x > 20); torch.nonzero(x > 20, as_tuple=True); torch.argwhere(m)
c.contiguous(memory_format=torch.contiguous_format)
torch.zeros(1, 2, 3, 4).contiguous(memory_format=torch.channels_last)
torch.empty(1, 2, 3, 4, memory_format=torch.channels_last).stride()
list(x[:2, :2]); x.is_set_to(x.detach()); x.untyped_storage().nbytes(); x.t().clone(); v.expand(2, 4).clone()
x[:, 1:3].clone()
torch.nn.functional.pad(x, (1, -1)); torch.nn.functional.pad(c, (1, 2), mode='reflect')
torch.nn.functional.one_hot(i, 3)
torch.nn.functional.embedding(i, x, padding_idx=0)
"""


@pytest.mark.parametrize("code", [part.strip() for part in VALUES.replace("\n", ";").split(";") if part.strip()])
def test_values_strides_nodes(code):
    assert_same(code, **NAMES)


IN_PLACE = """
y.t_(); y.transpose_(0, 1); y.unsqueeze_(0); y.unsqueeze_(0).squeeze_(); y.fill_(3.0); y.zero_()
y.fill_diagonal_(2.0); y.copy_(v[:1])
y.index_fill_(0, i, 1.0); y.masked_fill_(m, 2.0); y.scatter_(0, i[None], 3.0); y.index_add_(0, i, x[:2]); y.tril_()
y.index_put_((i,), x[0])
y[1:].zero_(); y.view(-1)[::2].fill_(1.0); y.t()[0].copy_(v); y.diagonal().zero_(); y.select(1, 0).fill_(v[1])
"""


@pytest.mark.parametrize("code", [part.strip() for part in IN_PLACE.replace("\n", ";").split(";") if part.strip()])
def test_in_place_forms(code):
    assert_same(f"y = x * 2\n{code}\n(y * y).sum().backward()\nout = y, x.grad.tolist(), y._version", **NAMES)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("x.view(5)", "shape '[5]' is invalid for input of size 24"),
        ("x.view(-1, -1)", "only one dimension can be inferred"),
        ("x.view(-2)", "invalid shape dimension -2 at index 0 of shape [-2]"),
        ("x.t().view(24)", "view size is not compatible with input tensor's size and stride"),
        ("x.squeeze(3)", "Dimension out of range (expected to be in range of [-2, 1], but got 3)"),
        ("x.permute(0)", "number of dimensions in the tensor input does not match the length of the desired ordering"),
        ("x.permute(0, 0)", "duplicate dims are not allowed."),
        ("x.unsqueeze(4)", "Dimension out of range (expected to be in range of [-3, 2], but got 4)"),
        (
            "x.expand(4, 5)",
            "The expanded size of the tensor (5) must match the existing size (6) at non-singleton dimension 1.",
        ),
        (
            "x.expand(6)",
            "the number of sizes provided (1) must be greater or equal to the number of dimensions in the tensor (2)",
        ),
        (
            "x.split([1, 2])",
            "split_with_sizes expects split_sizes to sum exactly to 4 (input tensor's size at dimension 0)",
        ),
        ("x.chunk(0)", "chunk expects `chunks` to be greater than 0, got: 0"),
        ("x.select(0, 4)", "select(): index 4 out of range for tensor of size [4, 6] at dimension 0"),
        ("x.narrow(0, 3, 2)", "start (3) + length (2) exceeds dimension size (4)."),
        ("x.as_strided((100,), (1,))", "are out of bounds for storage of size 96"),
        ("torch.cat([])", "expected a non-empty list of Tensors"),
        (
            "torch.cat([x, x[:, :2]])",
            "Sizes of tensors must match except in dimension 0. Expected size 6 but got size 2 for tensor number 1",
        ),
        ("torch.cat([x, v])", "Tensors must have same number of dimensions: got 2 and 1"),
        ("torch.cat([x, 1])", "expected Tensor as element 1 in argument 0, but got int"),
        (
            "torch.stack([x, v])",
            "stack expects each tensor to be equal size, but got [4, 6] at entry 0 and [4] at entry 1",
        ),
        ("x.gather(0, torch.tensor([[5]]))", "index 5 is out of bounds for dimension 0 with size 4"),
        ("x.gather(0, i)", "Index tensor must have the same number of dimensions as input tensor"),
        ("x.index_select(0, i + 9)", "index out of range in self"),
        ("x.masked_fill(m.long(), 1.0)", "masked_fill_ only supports boolean masks"),
        ("x.take(i + 99)", "out of range: tried to access index 100 on a tensor of 24 elements."),
        ("x.repeat(2)", "Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor"),
        ("torch.tril(v)", "input tensor must have at least 2 dimensions"),
        ("torch.eye(-1)", "n must be greater or equal to 0, got -1"),
        ("torch.arange(0, 1, -1)", "upper bound and lower bound inconsistent with step sign"),
        ("torch.arange(0, 1, 0)", "step must be nonzero"),
        ("torch.tensor([[1], [1, 2]])", "expected sequence of length 1 at dim 1 (got 2)"),
        ("torch.tensor('a')", "invalid data type 'str'"),
        ("torch.tensor(None)", "Could not infer dtype of NoneType"),
        ("torch.zeros(-1)", "Dimension size must be non-negative."),
        ("torch.zeros(2, dtype='float32')", "argument 'dtype' must be torch.dtype, not str"),
        ("torch.from_numpy([1])", "expected np.ndarray (got list)"),
        ("torch.from_numpy(np.arange(3)[::-1])", "At least one stride in the given numpy array is negative"),
        ("x.to('cpu', 'float32')", "to() received an invalid combination of arguments - got (str, str)"),
        ("x[0].detach_()", "Can't detach views in-place. Use detach() instead."),
        ("'a' in x", "Tensor.__contains__ only supports Tensor or scalar"),
        ("x.resize_(2)", "cannot resize variables that require grad"),
        ("iter(v[0])", "iteration over a 0-d tensor"),
        ("torch.nn.functional.pad(x, (1,))", "Padding length must be divisible by 2"),
        ("torch.nn.functional.embedding(i + 9, x)", "index out of range in self"),
        ("torch.nn.functional.one_hot(i, 1)", "Class values must be smaller than num_classes."),
    ],
)
def test_errors(code, words):
    assert_same_error(code, words, **NAMES)
