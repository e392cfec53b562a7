"""Errors about shapes: PyTorch's class and words first, and the shape of every operand."""

from __future__ import annotations

import pytest
import torch

import rushlight

CALLS = """
ones(2, 3) + ones(4)
ones(2, 3) * ones(3, 2)
ones(2, 3).add_(ones(4))
ones(3).add_(ones(2, 3))
ones(2, 3) == ones(2)
torch.maximum(ones(2, 3), ones(2))
torch.where(ones(2) > 0, ones(3), ones(2))
torch.lerp(ones(2), ones(3), 0.5)
torch.clamp(ones(3), ones(2), ones(2))
torch.broadcast_tensors(ones(2), ones(3))
ones(2, 3).copy_(ones(4))
ones(4, 3) @ ones(2, 3)
ones(2, 3) @ ones(2)
ones(3) @ ones(2)
ones(5, 2, 3) @ ones(4, 3, 2)
ones(5, 2, 3) @ ones(5, 4, 2)
torch.mm(ones(3), ones(2, 3))
torch.dot(ones(2), ones(3))
torch.bmm(ones(2, 2, 3), ones(3, 3, 2))
torch.addmm(ones(5, 5), ones(2, 3), ones(3, 4))
torch.einsum('ij,jk->ik', ones(2, 3), ones(4, 3))
torch.tensordot(ones(2, 3), ones(4, 3), dims=([1], [0]))
torch.linalg.solve(ones(2, 2), ones(3))
torch.cdist(ones(2, 3), ones(2, 4))
torch.cat([ones(2, 3), ones(2, 4)])
torch.cat([ones(2, 3), ones(2)])
torch.stack([ones(2), ones(3)])
F.linear(ones(2, 3), ones(4, 5))
F.linear(ones(2, 3), ones(4, 3), ones(5))
F.bilinear(ones(2, 3), ones(2, 4), ones(5, 3, 3))
F.conv1d(ones(1, 2, 5), ones(3, 4, 3))
F.conv2d(ones(1, 2, 5, 5), ones(3, 4, 3, 3))
F.conv2d(ones(1, 2, 2, 2), ones(3, 2, 3, 3))
F.conv_transpose2d(ones(1, 2, 5, 5), ones(3, 4, 3, 3))
F.mse_loss(ones(2), ones(3))
F.l1_loss(ones(2, 3), ones(4))
F.cross_entropy(ones(2, 3), ones(4).long())
F.nll_loss(ones(2, 3, 4), ones(2, 5).long())
F.binary_cross_entropy(ones(2), ones(3))
F.kl_div(ones(2), ones(3))
F.cosine_similarity(ones(2, 3), ones(2, 4))
F.layer_norm(ones(2, 3), [4])
F.batch_norm(ones(2, 3), ones(4), ones(4))
F.embedding(ones(1).long() * 5, ones(3, 2))
ones(2, 3).reshape(4, 2)
ones(2, 3).view(4, -1)
ones(2, 3).expand(4, 3)
ones(2, 3).permute(0)
ones(2, 3).transpose(0, 2)
ones(2, 3).sum(2)
ones(2, 3).softmax(2)
ones(2, 3).topk(4)
ones(2, 3).kthvalue(4)
ones(2, 3)[2]
ones(2, 3)[0, 3]
ones(2, 3)[0, 0, 0]
ones(2, 3)[ones(3) > 0]
ones(2, 3).gather(1, ones(3, 1).long())
ones(2, 3).index_select(0, ones(1).long() * 2)
ones(2, 3).index_add(0, ones(2).long(), ones(3, 3))
ones(2, 3).masked_scatter(ones(2, 3) > 0, ones(2))
""".strip().splitlines()


def error_of(library, call):
    shapes = []

    def ones(*size):
        shapes.append(list(size))
        return library.ones(size)

    with pytest.raises(Exception) as raised:
        eval(call, {"torch": library, "F": library.nn.functional, "ones": ones})
    return raised.value, shapes


@pytest.mark.parametrize("call", CALLS)
def test_errors_tell_every_shape(call):
    theirs, _ = error_of(torch, call)
    ours, shapes = error_of(rushlight, call)
    assert type(ours) is type(theirs), repr(ours)
    assert str(theirs).split(":")[0].rstrip(".")[:50] in str(ours)
    for shape in shapes:
        spelled = {str(shape), "(" + ", ".join(map(str, shape)) + ")"}
        assert any(words in str(ours) for words in spelled), str(ours)
