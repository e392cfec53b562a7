"""Broadcasting, advanced indexing, gather and scatter, masks, where, in-place idioms, einsum."""

import torch

x = torch.arange(12).view(3, 4)
print(x[1], x[:, 1], x[1:, ::2], x[[0, 2]], x[[0, 2], [1, 3]], x[torch.tensor([2, 0])], x[x % 2 == 0])
print(
    x[..., None].shape,
    x[None, :, None].shape,
    x[torch.tensor([[0, 1], [2, 0]])].shape,
    x[:, [True, False, True, False]],
)
idx = torch.tensor([0, 2, 1])
print(x.gather(1, idx.unsqueeze(1)), x[torch.arange(3), idx], torch.take_along_dim(x, idx[:, None], 1))
print(
    torch.zeros(3, 4).scatter_(1, idx.unsqueeze(1), 1.0),
    torch.zeros(3, 5).scatter(1, torch.tensor([[0, 1, 2]]), torch.tensor([[1.0, 2, 3]])),
)
print(torch.nn.functional.one_hot(idx, 4), torch.eye(4)[idx])
src = torch.tensor([1.0, 2, 3, 4, 5])
seg = torch.tensor([0, 1, 0, 2, 1])
print(
    torch.zeros(3).scatter_add_(0, seg, src),
    torch.zeros(3).index_add(0, seg, src),
    torch.zeros(3).scatter_reduce(0, seg, src, reduce="amax", include_self=False),
)
print(torch.where(x > 5, x, -x), torch.where(x.float() > 5.5, 1.0, 0.0), torch.where(x > 9), torch.nonzero(x > 9))
print(x.masked_fill(x < 4, 0), x.masked_select(x > 8), x.clamp(2, 8), x.index_select(1, torch.tensor([3, 0])))
y = x.clone()
y[y > 6] = -1
y[0] = torch.tensor([9, 8, 7, 6])
y[:, -1] += 100
y[[0, 1], [0, 1]] *= 2
print(y)
y[1:, 1:3] = torch.zeros(2, dtype=torch.long)
y[torch.tensor([0, 2]), :2] = 5
print(y)
a = torch.ones(2, 1, 3)
b = torch.arange(4.0).view(4, 1)
print(
    (a + b).shape,
    (a * b)[0],
    torch.broadcast_shapes((2, 1, 3), (4, 1)),
    [t.shape for t in torch.broadcast_tensors(a, b)],
)
print(
    b.expand(4, 3),
    b.expand(-1, 2).shape,
    b.repeat(1, 2),
    torch.tile(torch.tensor([1, 2]), (2, 2)),
    torch.tensor([1, 2]).repeat_interleave(torch.tensor([2, 3])),
)
A, B = torch.arange(6.0).view(2, 3), torch.arange(12.0).view(3, 4)
print(
    torch.einsum("ij,jk->ik", A, B),
    torch.einsum("ij->j", A),
    torch.einsum("ii->", torch.eye(3)),
    torch.einsum("i,j->ij", A[0], A[1]),
)
print(
    torch.einsum("bij,bjk->bik", torch.ones(2, 2, 3), torch.ones(2, 3, 2)),
    torch.einsum("...ij->...ji", A).shape,
    torch.einsum("bhqd,bhkd->bhqk", torch.ones(1, 2, 3, 4), torch.ones(1, 2, 5, 4)).shape,
)
print(
    torch.tensordot(A, B, dims=1),
    torch.tensordot(torch.ones(2, 3, 4), torch.ones(4, 3, 2), dims=([1, 2], [1, 0])),
    torch.bmm(A[None], B[None]),
    torch.outer(A[0], A[1]),
)
v, i = torch.sort(torch.tensor([3, 1, 2]), descending=True)
print(
    v,
    i,
    torch.tensor([[5, 1], [2, 7]]).sort(0),
    torch.tensor([3, 1, 2]).argsort(),
    torch.topk(torch.tensor([1.0, 5, 3]), 2),
)
print(
    x.cumsum(1),
    x.cumprod(0),
    torch.diff(torch.tensor([1, 4, 9])),
    x.flip(0),
    x.roll(1, 1),
    torch.rot90(x),
    x.tril(),
    x.triu(1),
    x.diagonal(),
    torch.diag(torch.tensor([1, 2])),
)
print(
    x.max(1),
    x.min(0).values,
    x.amax((0, 1)),
    x.float().mean(1),
    x.prod(),
    x.any(),
    (x >= 0).all(),
    x.float().norm(dim=1),
    x.count_nonzero(),
)
print(
    torch.unique(torch.tensor([3, 1, 3, 2]), return_inverse=True),
    torch.bucketize(torch.tensor([0.5, 2.5]), torch.arange(4.0)),
    torch.searchsorted(torch.tensor([1, 3, 5]), torch.tensor([2, 5])),
)
print(
    torch.isin(torch.tensor([1, 2, 3]), torch.tensor([2])),
    torch.tensor([1, 2]).tolist(),
    torch.isclose(torch.tensor(1.0), torch.tensor(1.0 + 1e-9)),
    torch.logical_and(torch.tensor([True, False]), torch.tensor([True, True])),
)
t = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
t += 1
t *= 2
t -= 0.5
t /= 3
t **= 2
print(t, t.sqrt_(), t.neg_(), t.abs_().add_(1).log_(), t.zero_())
z = torch.zeros(2, 2)
z[0, 0], z[1, 1] = 1, torch.tensor(2.0)
z.t()[0, 1] = 5
w = z.view(4)
w[3] = 7
print(z, w, z.data_ptr() == w.data_ptr(), z.storage_offset(), z[1].storage_offset())
batch = torch.arange(24.0).view(2, 3, 4)
print(
    batch[torch.arange(2), torch.tensor([0, 2])],
    batch[:, -1],
    batch[..., 0],
    batch.swapaxes(0, 2).shape,
    batch.movedim(0, -1).shape,
    batch.unfold(2, 2, 1).shape,
)
print(
    7 // torch.tensor([2, -2]),
    torch.tensor([-7, 7]) % 3,
    torch.tensor([7, -7]) // 2,
    torch.div(torch.tensor([-7.0]), 2, rounding_mode="trunc"),
    2 ** torch.arange(4),
    -torch.tensor([1, 2]),
    ~torch.tensor([True, False]),
    torch.tensor([1, 2]) & 3,
    torch.tensor(5) >> 1,
)
for row in x:
    print(row.sum().item(), end=" ")
print([int(e) for e in x[0]], 3 in x, x.tolist(), *x[0])
a, b, c = torch.tensor([1, 2, 3])
print(
    a,
    b + c,
    max(x[0]),
    sum(x[0]),
    sorted(x[2], reverse=True)[0],
    bool(a == 1),
    not b,
    f"{c.item():03d}",
    f"{torch.tensor(3.14159):.2f}",
    round(torch.tensor(2.567).item(), 1),
)
