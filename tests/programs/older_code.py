"""Idioms of older code that still run: Variable, .data, uppercase constructors, addmm_, deprecated spellings."""

import warnings
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from torch.nn.parameter import Parameter
from torch.nn.modules.module import Module
from torch.nn import init
from torch.optim.lr_scheduler import StepLR
from torch.utils.data.dataset import Dataset
from torch.utils.data.dataloader import DataLoader

warnings.filterwarnings("ignore")
torch.manual_seed(0)
a = torch.Tensor(2, 3).fill_(1)
b = torch.FloatTensor([[1, 2, 3], [4, 5, 6]])
print(
    a,
    b,
    torch.mm(a, b.t()),
    a.add(b),
    a.mul(2).sub(1),
    b.size()[0],
    torch.addmm(torch.zeros(2, 2), a, b.t(), beta=0.5, alpha=2),
)
x = Variable(torch.ones(2, 2), requires_grad=True)
y = x + 2
z = y * y * 3
out = z.mean()
out.backward()
print(x.grad, x.data, x.grad.data, out.data.numpy(), out.item(), type(x.data) is type(x))


class Layer(Module):
    def __init__(self, i, o):
        super(Layer, self).__init__()
        self.weight = Parameter(torch.Tensor(o, i))
        self.bias = Parameter(torch.Tensor(o))
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / self.weight.size(1) ** 0.5
        self.weight.data.uniform_(-stdv, stdv)
        self.bias.data.zero_()

    def forward(self, input):
        return F.linear(input, self.weight, self.bias)

    def __repr__(self):
        return self.__class__.__name__ + " (" + str(self.weight.size(1)) + " -> " + str(self.weight.size(0)) + ")"


net = nn.Sequential()
net.add_module("l1", Layer(3, 4))
net.add_module("act", nn.Sigmoid())
net.add_module("l2", Layer(4, 2))
print(net)


def weights_init(m):
    if isinstance(m, Layer):
        init.xavier_normal_(m.weight.data, gain=init.calculate_gain("sigmoid"))


net.apply(weights_init)
optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
scheduler = StepLR(optimizer, step_size=5, gamma=0.1)


class Data(Dataset):
    def __init__(self):
        self.x, self.y = torch.randn(20, 3), torch.LongTensor(20).random_(0, 2)

    def __getitem__(self, index):
        return self.x[index], self.y[index]

    def __len__(self):
        return self.x.size(0)


loader = DataLoader(Data(), batch_size=5, shuffle=True)
for epoch in range(3):
    for batch_idx, (data, target) in enumerate(loader):
        data, target = Variable(data), Variable(target)
        optimizer.zero_grad()
        output = F.log_softmax(net(data), dim=1)
        loss = F.nll_loss(output, target)
        loss.backward()
        optimizer.step()
    scheduler.step()
    pred = output.data.max(1, keepdim=True)[1]
    correct = pred.eq(target.data.view_as(pred)).cpu().sum()
    print("Epoch {} \tLoss: {:.6f} \tcorrect {}".format(epoch, loss.item(), correct))
for p in net.parameters():
    p.data.add_(-0.1 * p.grad.data)
print(
    F.sigmoid(torch.zeros(1)),
    F.tanh(torch.ones(1)),
    torch.norm(b),
    torch.norm(b, 1, 1),
    b.norm(p=2, dim=0, keepdim=True),
)
print(
    torch.cat((a, b), 0).size(),
    torch.squeeze(b[0:1]),
    b.expand(2, 2, 3).size(),
    b.contiguous().view(-1, 2),
    b.new(2).zero_(),
    b.clone().resize_(3, 2),
    b.max(1)[1],
    b.type("torch.LongTensor"),
    b.long().type(),
)
print(
    torch.range(0, 3) if hasattr(torch, "range") else None,
    torch.ger(b[0], b[0]) if hasattr(torch, "ger") else None,
    b.mean(0).numpy(),
    b.sum(0)[0],
)
print(
    b.index_select(0, torch.LongTensor([1])),
    b.masked_select(b.gt(2)),
    torch.zeros(2, 3).scatter_(1, torch.LongTensor([[0], [2]]), 1),
    b.std(1),
    b.lt(3),
    b.t_().size(),
)
print(
    torch.lerp(a, a + 1, 0.3),
    torch.addcmul(a, a, a, value=0.5),
    torch.addcdiv(a, a, a + 1),
    torch.rsqrt(a + 3),
    torch.frac(a / 3),
    torch.sign(-a),
    torch.cross(torch.eye(3)[0], torch.eye(3)[1], dim=0),
)
u = nn.UpsamplingNearest2d(scale_factor=2)(torch.arange(4.0).view(1, 1, 2, 2))
print(
    u,
    nn.NLLLoss(size_average=False)(output, target),
    nn.MSELoss(reduce=False)(a, b.t()).shape,
    nn.Dropout2d(0.5).eval()(u).sum(),
    nn.LogSoftmax(1)(a),
    nn.Softmax2d()(u[None, 0]).shape,
)
h = Variable(torch.zeros(1, 2, 4))
rnn = nn.RNN(3, 4, 1, nonlinearity="relu")
o, h = rnn(Variable(torch.ones(5, 2, 3)), h)
print(o[-1], h.size(), torch.is_tensor(h.data))
with torch.no_grad():
    net.l1.weight[0] = 0
    net.l1.weight.copy_(torch.eye(4, 3))
print(net.l1.weight, list(net._modules), net.l2.bias.data.tolist())
s = nn.utils.clip_grad_norm(net.parameters(), 1) if hasattr(nn.utils, "clip_grad_norm") else None
print(s is None or float(s) > 0)


def repackage_hidden(h):
    return h.detach() if isinstance(h, torch.Tensor) else tuple(repackage_hidden(v) for v in h)


print(repackage_hidden((h, h))[0].requires_grad)
