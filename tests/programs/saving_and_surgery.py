"""Saving, loading, copying, pickling, state dicts of modules and optimizers, param groups, module surgery."""

import copy
import io
import pickle
from collections import OrderedDict
import torch
from torch import nn

torch.manual_seed(0)
buf = io.BytesIO()
obj = {
    "a": torch.arange(3),
    "b": [torch.ones(2, 2), 1.5],
    "c": (None, "x"),
    "d": OrderedDict(k=torch.tensor(True)),
    "p": nn.Parameter(torch.zeros(1)),
}
torch.save(obj, buf)
print(buf.getvalue()[:2])
buf.seek(0)
back = torch.load(buf, map_location="cpu")
print(back, type(back["d"]).__name__, back["p"].requires_grad)
x = torch.arange(6.0).view(2, 3)
torch.save([x, x[0], x.t()], f := io.BytesIO())
f.seek(0)
a, b, c = torch.load(f, weights_only=True, map_location=torch.device("cpu"))
a[0, 0] = 100
print(b, c, a.data_ptr() == b.data_ptr(), c.stride())
y = pickle.loads(pickle.dumps(x))
print(torch.equal(x, y), copy.copy(x).data_ptr() == x.data_ptr(), copy.deepcopy(x).data_ptr() == x.data_ptr())
model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 2))
print(
    model[:2],
    model[-1],
    model[1:][0],
    [type(m).__name__ for m in reversed(model)] if hasattr(model, "__reversed__") else "",
)
for k, v in model.state_dict().items():
    print(k, tuple(v.shape), v.dtype)
sd = model.state_dict()
sd2 = {k.replace("3.", "head."): v for k, v in sd.items()}
try:
    model.load_state_dict(sd2)
except RuntimeError as e:
    print(e)
print(model.load_state_dict(sd2, strict=False))
opt = torch.optim.Adam(
    [{"params": model[0].parameters(), "lr": 1e-2}, {"params": model[3].parameters()}], lr=1e-3, amsgrad=True
)
opt.add_param_group({"params": model[1].parameters(), "weight_decay": 0.1})
print(len(opt.param_groups), [(g["lr"], g["weight_decay"], len(g["params"])) for g in opt.param_groups])
for _ in range(3):
    opt.zero_grad(set_to_none=False)
    model(torch.randn(5, 3)).pow(2).sum().backward()
    opt.step()
s = opt.state_dict()
print(s["param_groups"][0], sorted(s["state"]), {k: v.shape if v.dim() else v for k, v in s["state"][0].items()})
opt2 = torch.optim.Adam(
    [{"params": model[0].parameters()}, {"params": model[3].parameters()}, {"params": model[1].parameters()}]
)
opt2.load_state_dict(copy.deepcopy(s))
print(
    opt2.param_groups[0]["lr"],
    opt2.state[model[0].weight]["step"],
    torch.equal(opt2.state[model[0].weight]["exp_avg"], opt.state[model[0].weight]["exp_avg"]),
)
for g in opt.param_groups:
    g["lr"] *= 0.1
print([g["lr"] for g in opt.param_groups])
model[3] = nn.Linear(4, 7)
model.append(nn.Dropout(0.5)).insert(0, nn.Identity())
model.extend([nn.Tanh()])
del model[-1]
print(model, model.pop(0), len(model))
model.add_module("extra", nn.Linear(7, 1))
model.fresh = nn.Parameter(torch.ones(1))
print([n for n, _ in model.named_children()], [n for n, _ in model.named_parameters()], hasattr(model, "fresh"))
del model.fresh
setattr(model, "tag", "hello")
print(model.tag, hasattr(model, "fresh"), model.extra is model._modules["extra"], nn.Module.__call__ is not None)
shared = nn.Linear(2, 2)
m = nn.Sequential(shared, shared)
print(
    len(list(m.parameters())),
    len(list(m.modules())),
    len(m.state_dict()),
    [n for n, _ in m.named_parameters(remove_duplicate=False)],
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("table", torch.arange(3.0))
        self.net = nn.Linear(3, 3)
        self.scale = 2.0

    def get_extra_state(self):
        return {"scale": self.scale}

    def set_extra_state(self, state):
        self.scale = state["scale"]


n1, n2 = Net(), Net()
n1.scale = 5.0
n2.load_state_dict(n1.state_dict())
print(n2.scale, list(n1.state_dict().keys()))
n1.half()
print(
    n1.table.dtype,
    n1.net.weight.dtype,
    n1.float().net.weight.dtype,
    n1.to(torch.float64).table.dtype,
    n1.type(torch.float32).table.dtype,
)
n1.eval().requires_grad_(False)
print(
    n1.training, [p.requires_grad for p in n1.parameters()], sum(p.numel() * p.element_size() for p in n1.parameters())
)
torch.save(n1.state_dict(), g := io.BytesIO())
g.seek(0)
print(torch.load(g, weights_only=False).keys())
vec = nn.utils.parameters_to_vector(n2.parameters())
nn.utils.vector_to_parameters(vec * 0 + 1, n2.parameters())
print(vec.shape, n2.net.weight)
with torch.no_grad():
    for p, q in zip(n1.parameters(), n2.parameters()):
        p.copy_(q)
print(all(torch.equal(p, q) for p, q in zip(n1.parameters(), n2.parameters())))
snap = {k: v.detach().clone() for k, v in n2.state_dict().items() if isinstance(v, torch.Tensor)}
n2.net.weight.data.mul_(3)
print((n2.net.weight - snap["net.weight"]).abs().max())


class Encoder(nn.Module):
    def __init__(self, **kw):
        super().__init__()
        self.__dict__.update(kw)
        self.layers = nn.ModuleDict({"a": nn.Linear(1, 1)})
        self.layers["b"] = nn.Linear(1, 2)
        self.layers.update({"c": nn.ReLU()})
        self.plist = nn.ParameterList([torch.zeros(1), torch.ones(2)])
        self.pdict = nn.ParameterDict({"w": nn.Parameter(torch.ones(2, 2))})


e = Encoder(width=3)
print(e, e.width, list(e.layers), "b" in e.layers, e.layers.pop("c"), e.pdict["w"].shape, [p.shape for p in e.plist])
print([n for n, _ in e.named_parameters()], e.get_parameter("pdict.w").sum(), [n for n, _ in e.named_modules()])
