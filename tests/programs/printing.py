"""The printed forms of many kinds of tensors and objects."""

import torch
from torch import nn

torch.manual_seed(0)
for t in (
    torch.zeros(3),
    torch.ones(2, 3) * 1e5,
    torch.tensor([1e-5, 1.0]),
    torch.tensor([1e-3, 1e3]),
    torch.tensor([123456.789]),
    torch.tensor([1.0, 2.5, 1000.0]),
    torch.tensor([1e8, 1.0]),
    torch.tensor([0.1 + 0.2]),
    torch.tensor(1 / 3),
    torch.tensor([1, -2, 300]),
    torch.tensor([[1000000, 2]]),
    torch.tensor([True]),
    torch.tensor(False),
    torch.tensor([1.0, float("nan")]),
    torch.tensor([float("inf"), -1.0, 2.5]),
    torch.tensor([]),
    torch.empty(0, 2),
    torch.empty(2, 0),
    torch.tensor([0.0, -0.0]),
    torch.tensor([1.5], dtype=torch.float64),
    torch.tensor([1.5], dtype=torch.float16),
    torch.tensor([1.5, 2], dtype=torch.bfloat16),
    torch.tensor([1], dtype=torch.int8),
    torch.tensor([1], dtype=torch.int32),
    torch.tensor([3], dtype=torch.uint8),
    torch.tensor([1 + 1j]),
    torch.tensor(2 - 3j),
    torch.tensor([1e-7 + 1e3j, 1j]),
    torch.tensor([1.0], requires_grad=True),
    torch.tensor([1.0], requires_grad=True) * 2,
    nn.Parameter(torch.zeros(2)),
    torch.arange(1001),
    torch.arange(2000).view(2, 1000),
    torch.randn(2, 2, 2),
    torch.randn(1, 2, 1, 2),
    torch.rand(20),
    torch.rand(3, 30),
    torch.rand(1100, 2) * 100,
    torch.rand(12, 100, 2),
    torch.tensor(3.0e-20),
    torch.tensor([3.0e-20, 2e-20]),
    torch.tensor(16777216.0),
    torch.tensor([99999999.0, 1]),
    torch.tensor([1e15]),
    torch.tensor([1.0, 10.0, 100.0, 1e4, 1e5]),
    torch.tensor([0.00012345]),
    torch.tensor([12345.678, 0.001]),
):
    print(t)
x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
for y in (
    x.sum(),
    x + 1,
    x.t(),
    x @ x,
    x[0],
    x.relu(),
    x.view(4),
    x.exp().log(),
    x.max(),
    x.max(0),
    x.mean(),
    torch.cat([x, x]),
    x.softmax(0),
    nn.functional.mse_loss(x, x * 0),
    x.clone(),
    x.std(),
    x.norm(),
    x.unbind()[0],
    x.split(1)[0],
    nn.Linear(2, 1)(x),
    x.sort(),
    x[x > 2],
    x.detach(),
):
    print(y)
print([torch.tensor(1), torch.tensor([2.0])], {"a": torch.tensor(1.5)}, (torch.zeros(1),))
print(
    str(torch.tensor(1.5)),
    repr(torch.tensor([1])),
    f"{torch.tensor(2)}",
    f"{torch.tensor([1.0, 2.0])}",
    "%s" % torch.tensor(3),
    "%.3f" % torch.tensor(3.14159),
    "{:.1e}".format(torch.tensor(12345.0)),
    f"{torch.tensor(7):>5}",
    f"{torch.tensor(0.256):.1%}",
)
torch.set_printoptions(precision=2)
print(torch.tensor([1.23456, 100.5]))
torch.set_printoptions(sci_mode=True)
print(torch.tensor([1.23456, 100.5]))
torch.set_printoptions(profile="default", sci_mode=False)
print(torch.tensor([1e-9, 1.0]))
torch.set_printoptions(threshold=5, edgeitems=2, linewidth=40)
print(torch.arange(10), torch.rand(6, 6).shape, torch.arange(36.0).view(6, 6))
torch.set_printoptions(profile="full")
print(torch.arange(1010)[-3:])
torch.set_printoptions(profile="short")
print(torch.rand(3))
torch.set_printoptions(profile="default", sci_mode=None)
print(
    torch.Size([1, 2]),
    x.shape,
    x.shape[0],
    tuple(x.shape),
    x.shape == (2, 2),
    x.shape + (1,),
    x.shape.numel(),
    *x.shape,
)
print(
    torch.max(x, 0), torch.topk(x, 1), torch.linalg.eigh(x.detach() @ x.detach().T).eigenvalues, type(x.max(0)).__name__
)
for m in (
    nn.Linear(2, 3, bias=False),
    nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False),
    nn.BatchNorm2d(4),
    nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True),
    nn.Embedding(5, 2, padding_idx=0),
    nn.Dropout(0.2),
    nn.LayerNorm([2, 3]),
    nn.MaxPool2d(2),
    nn.ReLU(inplace=True),
    nn.LeakyReLU(0.1),
    nn.GELU(),
    nn.Softmax(dim=-1),
    nn.CrossEntropyLoss(),
    nn.MSELoss(),
    nn.Sequential(),
    nn.Sequential(nn.Linear(1, 1), nn.Sequential(nn.ReLU())),
    nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()]),
    nn.Upsample(scale_factor=2),
    nn.GroupNorm(2, 4),
    nn.ConvTranspose2d(1, 1, 2),
    nn.AdaptiveAvgPool2d((1, 1)),
    nn.MultiheadAttention(4, 2),
    nn.TransformerEncoderLayer(4, 2),
    nn.Flatten(),
    nn.Unflatten(1, (2, 2)),
    nn.PReLU(),
    nn.Identity(),
    nn.Bilinear(2, 3, 4),
    nn.GRUCell(2, 3),
    nn.InstanceNorm1d(3),
    nn.ZeroPad2d(1),
    nn.PixelShuffle(2),
    nn.CosineSimilarity(),
    nn.Hardtanh(),
    nn.ELU(),
    nn.Softplus(),
    nn.Threshold(0.1, 20),
):
    print(m)
for o in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad):
    print(o([x], lr=0.1))
print(
    torch.finfo(torch.float32),
    torch.iinfo(torch.int32),
    torch.device("cpu"),
    torch.strided,
    torch.contiguous_format,
    torch.Generator().initial_seed(),
)
print(x.grad_fn, type((x + 1).grad_fn).__name__, (x * 2).grad_fn.name(), torch.float64, torch.no_grad.__name__)
