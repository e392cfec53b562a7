import torch, torch.nn as nn, torch.nn.functional as F
from torch.func import functional_call, vmap, grad, stack_module_state, jacrev, jacfwd, vjp, jvp, hessian
import copy

torch.manual_seed(1)


class SimpleCNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.fc1 = nn.Linear(16 * 5 * 5, 32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


data = torch.randn(6, 1, 14, 14)
targets = torch.randint(0, 10, (6,))
model = SimpleCNN()
params = {k: v.detach() for k, v in model.named_parameters()}
buffers = {k: v.detach() for k, v in model.named_buffers()}


def compute_loss(params, buffers, sample, target):
    batch = sample.unsqueeze(0)
    t = target.unsqueeze(0)
    predictions = functional_call(model, (params, buffers), (batch,))
    return F.nll_loss(predictions, t)


ft = vmap(grad(compute_loss), in_dims=(None, None, 0, 0))
ps = ft(params, buffers, data, targets)
for k, g in ps.items():
    print(k, tuple(g.shape), round(g.abs().sum().item(), 2))


def one(sample, target):
    p = model(sample.unsqueeze(0))
    return torch.autograd.grad(F.nll_loss(p, target.unsqueeze(0)), list(model.parameters()))


naive = [one(data[i], targets[i]) for i in range(6)]
for a, b in zip(zip(*naive), ps.values()):
    assert torch.allclose(torch.stack(a), b, atol=1e-4), "differ"
# ensembling
models = [SimpleCNN() for _ in range(3)]
mp, mb = stack_module_state(models)
base = copy.deepcopy(models[0])


def fmodel(params, buffers, x):
    return functional_call(base, (params, buffers), (x,))


out = vmap(fmodel, in_dims=(0, 0, None))(mp, mb, data)
print(out.shape, torch.allclose(out, torch.stack([m(data) for m in models]), atol=1e-4))
out2 = vmap(fmodel)(mp, mb, torch.stack([data, data, data]))
print(torch.allclose(out, out2, atol=1e-4))
# jacobians
D = 4


def predict(w, b, x):
    return F.linear(x, w, b).tanh()


w = torch.randn(D, D)
b = torch.randn(D)
x = torch.randn(D)
J = jacrev(predict, argnums=2)(w, b, x)
J2 = jacfwd(predict, argnums=2)(w, b, x)
print(torch.allclose(J, J2, atol=1e-5), J.shape)
H = hessian(predict, argnums=2)(w, b, x)
print(H.shape)
bh = vmap(hessian(predict, argnums=2), in_dims=(None, None, 0))(w, b, torch.randn(3, D))
print(bh.shape)
print(jvp(lambda x: predict(w, b, x), (x,), (torch.ones(D),))[1])


# NTK
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.l = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))

    def forward(self, x):
        return self.l(x)


net = Net()
npar = {k: v.detach() for k, v in net.named_parameters()}


def fnet(p, x):
    return functional_call(net, p, (x.unsqueeze(0),)).squeeze(0)


def ntk(x1, x2):
    j1 = vmap(jacrev(fnet), (None, 0))(npar, x1)
    j2 = vmap(jacrev(fnet), (None, 0))(npar, x2)
    j1 = [j.flatten(2) for j in j1.values()]
    j2 = [j.flatten(2) for j in j2.values()]
    return torch.stack([torch.einsum("Naf,Mbf->NMab", a, b) for a, b in zip(j1, j2)]).sum(0)


k = ntk(torch.randn(3, 3), torch.randn(2, 3))
print(k.shape, round(k.sum().item(), 1))
# batchnorm eval, dropout, LSTM, attention per sample
bn = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Dropout(0.5), nn.Linear(4, 1)).eval()
bp = dict(bn.named_parameters())


def l(p, x):
    return functional_call(bn, p, (x,)).sum()


g = vmap(grad(l), (None, 0))(bp, torch.randn(5, 3))
print({k: tuple(v.shape) for k, v in g.items()})
enc = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dropout=0.0).train()
ep = dict(enc.named_parameters())
g = vmap(grad(lambda p, x: functional_call(enc, p, (x.unsqueeze(0),)).pow(2).sum()), (None, 0))(
    ep, torch.randn(3, 5, 8)
)
print(sum(round(v.abs().sum().item(), 1) for v in g.values()) > 0, {k: tuple(v.shape) for k, v in list(g.items())[:3]})
lstm = nn.LSTM(3, 4, batch_first=True)
lp = dict(lstm.named_parameters())
g = (
    vmap(grad(lambda p, x: functional_call(lstm, p, (x.unsqueeze(0),))[0].sum()), (None, 0))(lp, torch.randn(3, 5, 3))
    if torch.__name__ != "x"
    else 0
)
print({k: tuple(v.shape) for k, v in g.items()})
emb = nn.Embedding(7, 3)
g = vmap(grad(lambda p, i: functional_call(emb, p, (i,)).pow(2).sum()), (None, 0))(
    dict(emb.named_parameters()), torch.tensor([[1, 2], [3, 3]])
)
print(g["weight"].sum(-1))
