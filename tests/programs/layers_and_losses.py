"""One forward and backward pass through nearly every kind of layer, with shapes, means and gradients."""

import torch
from torch import nn

torch.manual_seed(0)
x1, x2, x3 = torch.randn(2, 4, 10), torch.randn(2, 4, 8, 8), torch.randn(2, 4, 4, 4, 4)
cases = [
    (nn.Linear(10, 3), x1),
    (nn.Bilinear(10, 10, 2), (x1, x1)),
    (nn.Conv1d(4, 6, 3, stride=2, padding=1), x1),
    (nn.Conv2d(4, 6, (3, 2), dilation=2, groups=2), x2),
    (nn.Conv3d(4, 2, 2), x3),
    (nn.Conv2d(4, 4, 3, padding="same", padding_mode="reflect"), x2),
    (nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular", bias=False), x2),
    (nn.ConvTranspose1d(4, 2, 3, stride=2), x1),
    (nn.ConvTranspose2d(4, 2, 3, stride=2, padding=1, output_padding=1), x2),
    (nn.ConvTranspose3d(4, 2, 2), x3),
    (nn.MaxPool1d(2), x1),
    (nn.MaxPool2d(3, 2, 1), x2),
    (nn.MaxPool3d(2), x3),
    (nn.AvgPool1d(2), x1),
    (nn.AvgPool2d(2, count_include_pad=False, padding=1), x2),
    (nn.AdaptiveAvgPool2d((3, None)), x2),
    (nn.AdaptiveMaxPool1d(3), x1),
    (nn.LPPool2d(2, 2), x2),
    (nn.BatchNorm1d(4), x1),
    (nn.BatchNorm2d(4, affine=False), x2),
    (nn.BatchNorm3d(4, momentum=None), x3),
    (nn.LayerNorm(10), x1),
    (nn.LayerNorm((8, 8), elementwise_affine=False), x2),
    (nn.GroupNorm(2, 4), x2),
    (nn.InstanceNorm2d(4, affine=True), x2),
    (nn.LocalResponseNorm(2), x2),
    (nn.RMSNorm(10), x1),
    (nn.Flatten(), x2),
    (nn.Unflatten(1, (2, 2)), x2),
    (nn.Upsample(scale_factor=2, mode="bilinear"), x2),
    (nn.Upsample(size=(5, 5)), x2),
    (nn.PixelShuffle(2), x2),
    (nn.PixelUnshuffle(2), x2),
    (nn.ChannelShuffle(2), x2),
    (nn.ZeroPad2d((1, 2, 0, 1)), x2),
    (nn.ReflectionPad1d(2), x1),
    (nn.ReplicationPad2d(1), x2),
    (nn.ConstantPad1d(1, 3.0), x1),
    (nn.CircularPad2d(1), x2),
    (nn.Unfold(2), x2),
    (nn.Fold((4, 4), 2), torch.randn(2, 16, 9)),
    (nn.Softmax(1), x1),
    (nn.LogSoftmax(-1), x1),
    (nn.Softmin(1), x1),
    (nn.Softmax2d(), x2),
    (nn.GLU(1), x1),
    (nn.PReLU(4), x1),
    (nn.Identity(), x1),
    (nn.GRU(10, 3, 2, batch_first=True, bidirectional=True), x1),
    (nn.LSTM(10, 5, proj_size=2), x1),
    (nn.RNN(10, 3, nonlinearity="relu"), x1),
    (nn.GRUCell(10, 3), x1[0]),
    (nn.RNNCell(10, 3), x1[0]),
    (nn.TransformerEncoderLayer(10, 2, 8, dropout=0.0, batch_first=True, activation="gelu"), x1),
    (nn.TransformerDecoderLayer(10, 2, 8, dropout=0.0, norm_first=True), (x1, x1)),
    (nn.MultiheadAttention(10, 5, add_bias_kv=True, kdim=10, vdim=10), (x1, x1, x1)),
    (nn.CosineSimilarity(1), (x1, x1 + 1)),
    (nn.PairwiseDistance(), (x1[0], x1[1])),
]
cases += [
    (a(), x1)
    for a in (
        nn.ReLU,
        nn.ReLU6,
        nn.LeakyReLU,
        nn.ELU,
        nn.SELU,
        nn.CELU,
        nn.GELU,
        nn.SiLU,
        nn.Mish,
        nn.Softplus,
        nn.Softsign,
        nn.Tanhshrink,
        nn.Softshrink,
        nn.Hardshrink,
        nn.Hardtanh,
        nn.Hardsigmoid,
        nn.Hardswish,
        nn.Sigmoid,
        nn.LogSigmoid,
        nn.Tanh,
    )
]
cases += [(nn.Threshold(0.1, -1), x1), (nn.GELU("tanh"), x1), (nn.Softplus(2, 1), x1)]
for layer, given in cases:
    args = tuple(t.clone().requires_grad_() for t in (given if isinstance(given, tuple) else (given,)))
    out = layer(*args)
    first = out[0] if isinstance(out, tuple) else out
    (first * torch.linspace(-1, 1, first.numel()).view(first.shape)).sum().backward()
    print(
        type(layer).__name__,
        tuple(first.shape),
        f"{first.mean().item():.4f} {first.std().item():.4f}",
        f"{args[0].grad.abs().mean().item():.4f}",
        [f"{p.grad.norm().item():.3f}" for p in layer.parameters()][:2],
    )
logits, target = torch.randn(6, 4, requires_grad=True), torch.tensor([0, 1, 2, 3, 1, 0])
a, b, c = torch.rand(6, 4).requires_grad_(), torch.rand(6, 4), torch.randn(6, 4)
for loss, args in [
    (nn.CrossEntropyLoss(), (logits, target)),
    (nn.CrossEntropyLoss(weight=torch.arange(1.0, 5), label_smoothing=0.2, ignore_index=1), (logits, target)),
    (nn.CrossEntropyLoss(reduction="sum"), (logits, b.softmax(1))),
    (nn.NLLLoss(reduction="none"), (logits.log_softmax(1), target)),
    (nn.MSELoss(), (a, b)),
    (nn.L1Loss(reduction="sum"), (a, b)),
    (nn.SmoothL1Loss(beta=0.1), (a, b)),
    (nn.HuberLoss(delta=0.2), (a, b)),
    (nn.BCELoss(), (a, b)),
    (nn.BCEWithLogitsLoss(pos_weight=torch.ones(4) * 2), (logits, b)),
    (nn.KLDivLoss(reduction="batchmean"), (logits.log_softmax(1), b.softmax(1))),
    (nn.KLDivLoss(log_target=True, reduction="sum"), (logits.log_softmax(1), b.log_softmax(1))),
    (nn.PoissonNLLLoss(), (logits, b)),
    (nn.GaussianNLLLoss(), (a, b, b + 1)),
    (nn.HingeEmbeddingLoss(), (a, c.sign())),
    (nn.MarginRankingLoss(0.1), (a, b, c.sign())),
    (nn.CosineEmbeddingLoss(), (a, b, c[:, 0].sign())),
    (nn.TripletMarginLoss(), (a, b, c)),
    (nn.MultiMarginLoss(), (logits, target)),
    (nn.MultiLabelSoftMarginLoss(), (logits, (b > 0.5).float())),
    (nn.SoftMarginLoss(), (logits, c.sign())),
    (nn.MultiLabelMarginLoss(), (logits, torch.tensor([[0, 2, -1, 1]] * 6))),
]:
    value = loss(*args)
    (g,) = torch.autograd.grad(value.sum(), args[0], retain_graph=True)
    print(type(loss).__name__, value.detach(), f"{g.abs().sum().item():.4f}")
ad = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4, 8])
o = ad(torch.randn(5, 8), torch.tensor([0, 5, 11, 3, 9]))
print(o.loss, o.output, ad.predict(torch.randn(2, 8)))
pool, unpool = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
o, idx = pool(x2)
print(unpool(o, idx).sum(), idx[0, 0])
lazy = nn.Sequential(nn.LazyLinear(3), nn.LazyBatchNorm1d())
print(lazy, lazy(torch.randn(4, 7)).shape, lazy)
for init in (
    nn.init.xavier_uniform_,
    nn.init.kaiming_uniform_,
    nn.init.kaiming_normal_,
    nn.init.xavier_normal_,
    nn.init.normal_,
    nn.init.uniform_,
    nn.init.ones_,
    nn.init.trunc_normal_,
):
    print(init.__name__, init(torch.empty(2, 3)))
