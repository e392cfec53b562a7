"""Modules: buffers, hooks, apply, freezing, children, state dicts, parameter groups, containers."""

import copy
from collections import OrderedDict
import torch
from torch import nn

torch.manual_seed(0)


class RunningNorm(nn.Module):
    def __init__(self, n, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.scale = nn.Parameter(torch.ones(n))
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("steps", torch.tensor(0))
        self.register_buffer("cache", torch.zeros(1), persistent=False)
        self.register_parameter("bias", None)

    def forward(self, x):
        if self.training:
            self.mean.lerp_(x.detach().mean(0), self.momentum)
            self.steps += 1
        return (x - self.mean) * self.scale

    def extra_repr(self):
        return f"{self.scale.numel()}, momentum={self.momentum}"


net = nn.Sequential(
    OrderedDict([("fc1", nn.Linear(4, 5)), ("norm", RunningNorm(5)), ("act", nn.ReLU()), ("fc2", nn.Linear(5, 2))])
)
print(net)
print(net.fc1, net[1], len(net), [n for n, _ in net.named_children()], [type(m).__name__ for m in net.modules()])
print([(n, tuple(p.shape)) for n, p in net.named_parameters()], [(n, b) for n, b in net.named_buffers()])
acts, grads = {}, {}


def save(name):
    def hook(module, inputs, output):
        acts[name] = output.detach()

    return hook


handles = [m.register_forward_hook(save(n)) for n, m in net.named_children()]
net.fc2.register_full_backward_hook(lambda m, gi, go: grads.update(fc2=(gi[0].shape, go[0].sum())))
pre = net.fc1.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
x = torch.randn(3, 4)
net(x).sum().backward()
print({k: v.shape for k, v in acts.items()}, acts["norm"], grads)
for h in handles:
    h.remove()
pre.remove()
acts.clear()
net(x)
print(acts, net.norm.mean, net.norm.steps)
net.eval()
print(net.training, net.fc1.training, net(x))
print(list(net.state_dict()), net.state_dict()["norm.steps"])


def init(m):
    if isinstance(m, nn.Linear):
        nn.init.kaiming_normal_(m.weight, nonlinearity="relu")
        nn.init.uniform_(m.bias, -0.1, 0.1)


net.apply(init)
print(net.fc1.weight, net.fc1.bias)
with torch.no_grad():
    net.fc2.weight.fill_(0.5)
    net.fc2.bias.zero_()
for p in net.fc1.parameters():
    p.requires_grad = False
net.zero_grad()
net.train()
net(x).mean().backward()
print([(n, p.requires_grad, None if p.grad is None else p.grad.norm().item()) for n, p in net.named_parameters()])
opt = torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.1)
opt.step()
print(opt)
clone = copy.deepcopy(net)
clone.fc2.weight.data.add_(1)
print(torch.equal(clone.fc2.weight, net.fc2.weight), clone.fc2.weight is net.fc2.weight)
missing = clone.load_state_dict({"fc1.weight": torch.zeros(5, 4)}, strict=False)
print(missing)
try:
    clone.load_state_dict({"fc1.weight": torch.zeros(4, 4), "zzz": torch.zeros(1)})
except RuntimeError as e:
    print(e)
try:
    net.nothing
except AttributeError as e:
    print(type(e).__name__, e)
try:
    net.fc1.weight = torch.zeros(2)
except TypeError as e:
    print(type(e).__name__, e)
net.double()
print(net.fc1.weight.dtype, net.norm.steps.dtype, net(x.double()).dtype)
net.to(torch.float32)
net.requires_grad_(False)
print(any(p.requires_grad for p in net.parameters()))


class Multi(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])
        self.heads = nn.ModuleDict({"a": nn.Linear(2, 1), "b": nn.Identity()})
        self.gains = nn.ParameterList([nn.Parameter(torch.ones(1) * i) for i in range(2)])

    def forward(self, x, head):
        for layer, gain in zip(self.layers, self.gains):
            x = torch.relu(layer(x)) * gain
        return self.heads[head](x)


multi = Multi()
print(multi)
print(multi(torch.ones(1, 2), "a").shape, "a" in multi.heads, list(multi.heads.keys()), len(multi.layers))
print(sum(p.numel() for p in multi.parameters()), nn.utils.parameters_to_vector(multi.parameters()).shape)
print(multi.get_submodule("heads.a"), multi.get_parameter("layers.0.weight").shape)
multi.layers.append(nn.Linear(2, 3))
multi.layers[0] = nn.Identity()
print(multi.layers)
