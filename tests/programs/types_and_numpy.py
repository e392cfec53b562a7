"""Type promotion, conversions and NumPy: views, copies, scalars, arrays as arguments."""

import numpy as np
import torch

a = np.arange(6, dtype=np.float32).reshape(2, 3)
t = torch.from_numpy(a)
t[0, 0] = 42
print(
    a,
    np.shares_memory(t.numpy(), a),
    torch.as_tensor(a).data_ptr() == t.data_ptr(),
    torch.tensor(a).data_ptr() == t.data_ptr(),
)
print(np.asarray(t), np.array(t).dtype, np.sum(t.numpy()), np.exp(t.numpy()[1]), t.numpy().tolist())
print(
    torch.tensor(np.float64(2.5)),
    torch.tensor(np.int32(3)).dtype,
    torch.tensor([np.float32(1), np.float32(2)]),
    torch.as_tensor(np.array([True, False])),
    torch.tensor(np.array([1 + 2j])),
)
print(
    torch.tensor([1, 2.5]).dtype,
    torch.tensor([1, 2]).dtype,
    torch.tensor([True, 2]).dtype,
    torch.tensor(1.0, dtype=torch.float64),
    torch.get_default_dtype(),
)
print(
    (torch.tensor([1]) + 1.5).dtype,
    (torch.tensor([1], dtype=torch.int32) + torch.tensor([1])).dtype,
    (torch.tensor([1.0]) + torch.tensor(1.0, dtype=torch.float64)).dtype,
    (torch.tensor([1]) / 2),
    torch.tensor([True]) + True,
    (torch.ones(1, dtype=torch.float16) + torch.ones(1)).dtype,
)
print(
    torch.promote_types(torch.int32, torch.float16),
    torch.result_type(torch.tensor([1]), 1.0),
    torch.can_cast(torch.float, torch.int),
)
print(
    torch.finfo(torch.float32).max,
    torch.finfo(torch.float16).eps,
    torch.finfo(torch.double).tiny,
    torch.iinfo(torch.int8),
    torch.finfo(torch.bfloat16),
)
x = torch.tensor([1.7, -1.7, 2.5, 300.0])
print(
    x.int(),
    x.long(),
    x.to(torch.uint8),
    x.bool(),
    x.half(),
    x.bfloat16(),
    x.double(),
    x.round(),
    x.trunc(),
    x.type(torch.int16),
    x.to(dtype=torch.float64, copy=True),
)
print(
    x.char(),
    x.short(),
    x.type_as(torch.tensor(1)),
    x.to(torch.tensor(1.0, dtype=torch.float64)).dtype,
    x.new_zeros(2),
    x.new_tensor([1, 2]),
    x.new_full((2,), 3),
    torch.zeros_like(x, dtype=torch.int),
)
torch.set_default_dtype(torch.float64)
print(torch.tensor(1.5), torch.zeros(1), torch.tensor([1.0], dtype=torch.float32))
torch.set_default_dtype(torch.float32)
print(
    torch.FloatTensor([1, 2]),
    torch.LongTensor([1, 2]),
    torch.Tensor(2, 3).shape,
    torch.Tensor([3, 4]),
    torch.ByteTensor([1, 255]),
    torch.DoubleTensor([0.5]),
    torch.IntTensor([1]),
    torch.BoolTensor([True, False]),
)
print(
    isinstance(torch.LongTensor([1]), torch.LongTensor),
    torch.zeros(1).type() == "torch.FloatTensor",
    isinstance(torch.zeros(1), torch.FloatTensor),
)
print(
    float(torch.tensor(2.5)),
    int(torch.tensor(2.9)),
    complex(torch.tensor(1.0)),
    torch.tensor(3).__index__(),
    [10, 20, 30][torch.tensor(1)],
    range(5)[torch.tensor(2)],
    bool(torch.tensor([1])),
)
print(np.float32(2) * torch.ones(2), torch.ones(2) * np.float64(2), np.add(torch.ones(2).numpy(), 1))
print(
    torch.stack([torch.as_tensor(v) for v in (np.ones(2), np.zeros(2))]),
    torch.tensor(np.stack([np.ones(2), np.zeros(2)])),
    torch.from_numpy(np.random.RandomState(0).rand(2)),
)
print(t.requires_grad_().detach().numpy(), (t * 2).detach().numpy().sum(), t.detach().cpu().numpy().shape)
c = torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, -4.0]))
print(
    c,
    c.real,
    c.imag,
    c.abs(),
    c.angle(),
    c.conj(),
    torch.view_as_real(c),
    c * 1j,
    (c * c.conj()).real,
    torch.polar(torch.tensor(1.0), torch.tensor(0.5)),
)
print(
    torch.tensor([1, 2, 3]).numpy().dtype,
    torch.ones(2, dtype=torch.bool).numpy(),
    torch.arange(3, dtype=torch.float).dtype,
    torch.arange(0.0, 3).dtype,
    torch.randint(3, (1,)).dtype,
)
print(
    torch.float32,
    torch.float,
    torch.long,
    torch.float32 is torch.float,
    torch.float32.is_floating_point,
    torch.int64.itemsize,
    str(torch.bool),
    repr(torch.device("cpu")),
    torch.device("cuda:1"),
    torch.device("cuda", 0).index,
)
print(
    t.element_size(),
    t.nelement(),
    t.nbytes,
    t.is_floating_point(),
    torch.is_floating_point(torch.tensor(1)),
    t.is_cuda,
    t.layout,
    t.get_device() if not t.is_cuda else 0,
)
b = torch.tensor([1, 0, 1], dtype=torch.uint8)
print(b.sum().dtype, b.bool().sum(), (b == 1).float().mean(), b + 255, b.float() / 3)
print(
    torch.bitwise_and(torch.tensor(6), 3),
    torch.tensor(7) ^ torch.tensor(2),
    torch.tensor([1, 2]) << 2,
    torch.tensor(10).fmod(3),
    torch.remainder(torch.tensor(-10), 3),
    torch.tensor([0.1, 0.2]).sum().double(),
)
print(
    torch.equal(torch.ones(2), torch.ones(2)),
    torch.ones(2) is torch.ones(2),
    torch.ones(2) == 1,
    torch.allclose(torch.ones(1), torch.ones(1) + 1e-6),
)
print(
    torch.nan_to_num(torch.tensor([float("nan"), float("inf"), 1.0])),
    torch.isnan(torch.tensor([float("nan"), 1])),
    torch.tensor(float("nan")) == torch.tensor(float("nan")),
    torch.isfinite(torch.tensor([1.0, float("inf")])),
)
print(
    t.untyped_storage().nbytes() if hasattr(t, "untyped_storage") else None,
    memoryview(a).shape,
    t.tolist()[1],
    torch.numel(t),
    torch.tensor(a.T).shape,
    torch.from_numpy(a.T).stride(),
    torch.from_numpy(a[:, ::2]),
)
