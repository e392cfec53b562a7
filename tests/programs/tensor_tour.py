"""A tour of tensors: creating, looking at, indexing, joining, computing."""

import math
import numpy as np
import torch

data = [[1, 2], [3, 4]]
x_data = torch.tensor(data)
print(x_data, x_data.dtype, x_data.shape, x_data.device)
x_np = torch.from_numpy(np.array(data))
print(x_np)
print(torch.ones_like(x_data), torch.rand_like(x_data, dtype=torch.float).shape)
shape = (
    2,
    3,
)
print(torch.zeros(shape), torch.ones(shape), torch.empty(shape).shape)
torch.manual_seed(0)
print(torch.rand(shape))
print(torch.randn(2, 2))
print(torch.randint(0, 10, (3, 4)))
print(torch.randperm(8))
t = torch.rand(3, 4)
print(f"Shape of tensor: {t.shape}")
print(f"Datatype of tensor: {t.dtype}")
print(f"Device tensor is stored on: {t.device}")
device = "cuda" if torch.cuda.is_available() else "cpu"
t = t.to(device)
t = torch.ones(4, 4)
print(f"First row: {t[0]}")
print(f"First column: {t[:, 0]}")
print(f"Last column: {t[..., -1]}")
t[:, 1] = 0
print(t)
t1 = torch.cat([t, t, t], dim=1)
print(t1)
y1 = t @ t.T
y2 = t.matmul(t.T)
y3 = torch.rand_like(y1)
torch.matmul(t, t.T, out=y3)
print(y1.equal(y2), torch.equal(y2, y3))
agg = t.sum()
print(agg, agg.item(), type(agg.item()))
print(t, "\n")
t.add_(5)
print(t)
n = t.numpy()
t.add_(1)
print(f"t: {t}\nn: {n}")
n = np.ones(5)
t = torch.from_numpy(n)
np.add(n, 1, out=n)
print(f"t: {t}\nn: {n}")
print(torch.arange(10), torch.arange(0, 1, 0.25), torch.linspace(0, 1, 5), torch.logspace(0, 2, 3), torch.eye(3))
print(torch.full((2, 2), 3.14), torch.full((2,), 7), torch.tensor([True, False]))
x = torch.arange(24).reshape(2, 3, 4)
print(x, x.size(), x.size(0), x.dim(), x.ndim, x.numel(), len(x), x.stride(), x.is_contiguous())
print(x.permute(2, 0, 1).shape, x.transpose(0, 1).is_contiguous(), x.view(-1).shape, x.flatten(1).shape)
print(x[0, 1, 2], x[0, 1, 2].item(), x[..., 1], x[:, ::2], x[-1, [0, 2]], x[x > 20])
print(x.float().mean(), x.float().std(dim=0), x.sum(0), x.max(), x.argmax(), x.float().mean((0, 2), keepdim=True))
print(
    torch.stack([torch.zeros(2), torch.ones(2)]),
    torch.vstack([torch.zeros(2), torch.ones(2)]),
    torch.hstack([torch.zeros(2), torch.ones(2)]),
)
a, b = x.chunk(2)
print(a.shape, b.shape, [p.shape for p in x.split(2, dim=2)], [p.tolist() for p in torch.arange(5).unbind()])
print(x.unsqueeze(0).shape, x.unsqueeze(0).squeeze().shape, x[None].shape, x[:, None, :].shape)
print(torch.is_tensor(x), torch.is_tensor([1]), isinstance(x, torch.Tensor), type(x))
print(x.type(), x.float().type(), x.double().dtype, x.to(torch.int8).dtype, x.bool().dtype, x.half().dtype)
print(
    torch.sin(torch.tensor(math.pi / 2)),
    torch.tensor(1e-8),
    torch.tensor(123456789.0),
    torch.tensor([1e-8, 1.0]),
    torch.tensor([1e10, 1.0]),
)
print(
    torch.tensor([1.5, float("nan"), float("inf"), -float("inf")]), torch.tensor([]), torch.tensor(5), torch.tensor(2.5)
)
print(torch.tensor([1 + 2j, 3 - 1j]), torch.rand(0, 3), torch.tensor([[]]).shape)
print(torch.pi, torch.inf, torch.nan, torch.e)
print(torch.randn(1000, 3).shape, torch.zeros(1001))
print(torch.zeros(2000, 2))
