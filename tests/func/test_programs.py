"""Whole programs with torch.func and forward mode, each as one would write it: every value shown as in PyTorch."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.autograd.both import assert_same, fails

SETUP = """
nn, F, fwAD, checkpoint = torch.nn, torch.nn.functional, torch.autograd.forward_ad, torch.utils.checkpoint.checkpoint
gradcheck, D = torch.autograd.gradcheck, torch.float64
x = torch.tensor([[0.5, -1.0], [2.0, 0.25], [1.5, -0.5]], dtype=D)
w = torch.tensor([[1.0, -2.0, 0.5], [0.25, 1.5, -1.0]], dtype=D)
v = x[0]
i = torch.tensor([2, 0, 1])
param = torch.tensor([1.0, 2.0], dtype=D, requires_grad=True)
torch.manual_seed(0)
"""

PROGRAMS = """
# the gradients of a network
m = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
params = dict(m.named_parameters())
functional_call(m, params, (x,))
def loss(p, a, t): return ((functional_call(m, p, (a,)) - t)**2).mean()
detached = {k: p.detach() for k, p in params.items()}
grad(loss)(detached, x, x[:, :1])
vmap(grad(loss), in_dims=(None, 0, 0))(detached, x, x[:, :1])
jacrev(lambda p: functional_call(m, p, x))(detached)
jacfwd(lambda p: functional_call(m, p, x))(detached)
hessian(lambda p: loss(p, x, x[:, :1]))(detached)
grad_and_value(loss)(detached, x, x[:, :1])
vjp(lambda p: functional_call(m, p, x), detached)[1](x[:, :1])
jvp(lambda p: functional_call(m, p, x), (detached,), (detached,))

# an ensemble
models = [nn.Linear(2, 3).double() for _ in range(4)]
params, buffers = stack_module_state(models)
params, buffers
base = models[0]
vmap(lambda p, b, a: functional_call(base, (p, b), (a,)), in_dims=(0, 0, None))(params, buffers, x)
vmap(lambda p, b, a: functional_call(base, (p, b), (a,)))(params, buffers, torch.stack([x] * 4))
stack_module_state([])
stack_module_state([nn.Linear(2, 3), nn.Linear(2, 3).eval()])
stack_module_state([nn.Linear(2, 3), nn.Linear(2, 4)])
stack_module_state([nn.Linear(2, 3), nn.ReLU()])
stack_module_state([nn.BatchNorm1d(2), nn.BatchNorm1d(2)])

# batch norm
bn = nn.BatchNorm1d(2).double()
vmap(bn)(torch.stack([x, x * 2]))
vmap(bn.eval())(torch.stack([x, x * 2]))
bn2 = nn.BatchNorm1d(2, track_running_stats=False).double()
vmap(bn2)(torch.stack([x, x * 2]))
bn3 = nn.BatchNorm1d(2, affine=False).double()
buffers = {k: torch.stack([q, q]) for k, q in bn3.named_buffers()}
vmap(lambda b, a: functional_call(bn3, b, (a,)))(buffers, torch.stack([x, x * 2]))
vmap(grad(lambda a: bn2(a).pow(3).sum()))(torch.stack([x, x * 2]))
vmap(grad(lambda a: bn(a).pow(3).sum()))(torch.stack([x, x * 2]))

# embeddings
places = torch.tensor([[0, 1], [2, 4]])
for e in (nn.Embedding(5, 3).double(), nn.Embedding(5, 3, padding_idx=1).double()):
    p = {k: q.detach() for k, q in e.named_parameters()}
    grads = vmap(grad(lambda p, t: functional_call(e, p, (t,)).pow(2).sum()), in_dims=(None, 0))(p, places)
    both = {k: q.expand(2, 5, 3) for k, q in p.items()}
    of_each = vmap(lambda p, t: functional_call(e, p, (t,)), (0, None))(both, places)
    check = {"plain": vmap(e)(places), "gradients": grads, "of each": of_each}
check

# attention
mha = nn.MultiheadAttention(4, 2, batch_first=True).double()
q = torch.linspace(-1, 1, 24, dtype=D).reshape(2, 3, 4)
vmap(lambda a: mha(a, a, a)[0])(q)
vmap(lambda a: mha(a[None], a[None], a[None])[1])(q)
p = {k: t.detach() for k, t in mha.named_parameters()}
vmap(grad(lambda p, a: functional_call(mha, p, (a, a, a))[0].pow(2).sum()), in_dims=(None, 0))(p, q)
jvp(lambda a: mha(a, a, a)[0], (q,), (q,))

# a transformer layer
t = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True).double()
q = torch.linspace(-1, 1, 24, dtype=D).reshape(2, 3, 4).sin()
p = {k: s.detach() for k, s in t.named_parameters()}
vmap(lambda a: t(a))(q)
vmap(grad(lambda p, a: functional_call(t, p, (a,)).pow(2).sum()), in_dims=(None, 0))(p, q)
t.eval(); vmap(lambda a: functional_call(t, p, (a,)))(q)
t(q)

# gradients per sample and a neural tangent kernel
conv = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(8, 3)).double()
im = torch.linspace(-1, 1, 72, dtype=D).reshape(2, 1, 6, 6).mul(40).sin()
p = {k: s.detach() for k, s in conv.named_parameters()}
def loss(p, a, y): return F.cross_entropy(functional_call(conv, p, (a.unsqueeze(0),)), y.unsqueeze(0))
vmap(grad(loss), in_dims=(None, 0, 0))(p, im, torch.tensor([0, 2]))
vmap(grad(loss), in_dims=(None, 0, 0), chunk_size=1)(p, im, torch.tensor([0, 2]))
def fnet(p, a): return functional_call(conv, p, (a.unsqueeze(0),)).squeeze(0)
def ntk(p, x1, x2):
    j1 = vmap(jacrev(fnet), (None, 0))(p, x1)
    j2 = vmap(jacrev(fnet), (None, 0))(p, x2)
    return sum(torch.einsum('Naf,Mbf->NMab', a.flatten(2), b.flatten(2)) for a, b in zip(j1.values(), j2.values()))
ntk(p, im, im)
def ntk2(x1, x2):
    def k(a, b):
        out, pull = vjp(lambda p: fnet(p, a), p)
        def col(vec): return jvp(lambda p: fnet(p, b), (p,), (pull(vec)[0],))[1]
        return vmap(col)(torch.eye(3, dtype=D))
    return vmap(vmap(k, (None, 0)), (0, None))(x1, x2)
ntk2(im, im)

# learning to learn, and products with Hessians
m = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)).double()
p0 = {k: t.detach() for k, t in m.named_parameters()}
def net(p, a): return functional_call(m, p, (a,)).squeeze(-1)
def inner(p, a, t):
    def l(q): return (net(q, a) - t).pow(2).mean()
    for _ in range(2):
        g = grad(l)(p)
        p = {k: p[k] - 0.1 * g[k] for k in p}
    return p
def outer(p, a, t): return (net(inner(p, a, t), a) - t).pow(2).mean()
grad(outer)(p0, x, x[:, 0])
passes = torch.stack([x, x * 2, x.cos()])
def meta(p): return vmap(outer, in_dims=(None, 0, 0))(p, passes, passes[..., 0]).mean()
grad(meta)(p0)
grad_and_value(meta)(p0)
hess = hessian(lambda b: net(p0, b))
vmap(hess)(x)
def hvp(f, a, t): return jvp(grad(f), (a,), (t,))[1]
hvp(lambda a: net(p0, a).sum(), x, x)
def hvp2(f, a, t): return grad(lambda b: (grad(f)(b) * t).sum())(a)
hvp2(lambda a: net(p0, a).sum(), x, x)
def hvp3(f, a, t): return vjp(grad(f), a)[1](t)[0]
hvp3(lambda a: net(p0, a).sum(), x, x)
def hvp4(f, a, t): return grad(lambda b: jvp(f, (b,), (t,))[1])(a)
hvp4(lambda a: net(p0, a).sum(), x, x)
vmap(lambda t: hvp(lambda a: net(p0, a).sum(), v, t))(torch.eye(2, dtype=D))

# a network that solves a differential equation
class PINN(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 1))
    def forward(self, t, s):
        return self.net(torch.stack([t, s], -1)).squeeze(-1)
pinn = PINN().double()
pp = {k: q.detach() for k, q in pinn.named_parameters()}
def u(p, t, s): return functional_call(pinn, p, (t, s))
def res(p, t, s):
    ut = grad(u, argnums=1)(p, t, s)
    uss = grad(grad(u, argnums=2), argnums=2)(p, t, s)
    return ut + u(p, t, s) * grad(u, 2)(p, t, s) - 0.1 * uss
vmap(res, in_dims=(None, 0, 0))(pp, x[:, 0], x[:, 1])
def L(p): return vmap(res, in_dims=(None, 0, 0))(p, x[:, 0], x[:, 1]).pow(2).mean()
grad(L)(pp)
def lap(p, q): return torch.trace(hessian(lambda q: u(p, q[0], q[1]))(q))
vmap(lap, (None, 0))(pp, x)
grad(lambda p: vmap(lap, (None, 0))(p, x).sum())(pp)
vmap(lambda q: jacfwd(jacrev(lambda q: u(pp, q[0], q[1])))(q))(x)
def uss_fwd(p, t, s):
    f = lambda s: u(p, t, s)
    return jvp(lambda s: jvp(f, (s,), (torch.ones_like(s),))[1], (s,), (torch.ones_like(s),))[1]
vmap(uss_fwd, (None, 0, 0))(pp, x[:, 0], x[:, 1])
grad(lambda p: vmap(uss_fwd, (None, 0, 0))(p, x[:, 0], x[:, 1]).pow(2).sum())(pp)

# optimizers beside transformations
lin = nn.Linear(2, 1).double()
opt = torch.optim.SGD(lin.parameters(), lr=0.1, momentum=0.9)
for _ in range(3):
    opt.zero_grad()
    per = vmap(lambda a: functional_call(lin, dict(lin.named_parameters()), (a,)).pow(2).sum())(x)
    per.mean().backward()
    opt.step()
lin.weight, lin.bias
lin.weight.grad
for _ in range(2):
    g, l = grad_and_value(lambda p: functional_call(lin, p, (x,)).pow(2).mean())(dict(lin.named_parameters()))
    with torch.no_grad():
        for k, q in lin.named_parameters(): q.sub_(g[k], alpha=0.1)
g
lin.weight
def F_(p): return vmap(grad(lambda p, a: functional_call(lin, p, (a,)).pow(2).sum()), (None, 0))(p, x)
g = F_({k: q.detach() for k, q in lin.named_parameters()})
flat = torch.cat([q.flatten(1) for q in g.values()], 1)
fim = flat.T @ flat / 3
torch.linalg.solve(fim + 0.1 * torch.eye(3, dtype=D), flat.mean(0))

# transformations within custom Functions
def fixed(a, b):
    class Solve(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return torch.sqrt(a + b)
        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            with torch.enable_grad():
                y = torch.sqrt(a + b).detach()
                _, f = vjp(lambda y: y * y, y)
            u = g / f(torch.ones_like(y))[0]
            return u, u
    return Solve.apply(a, b)
a = torch.tensor([1.0, 2.0], dtype=D, requires_grad=True)
fixed(a, a).sum().backward()
a.grad
gradcheck(fixed, (a, a))
class G(torch.autograd.Function):
    @staticmethod
    def forward(a): return jvp(torch.sin, (a,), (a,))[1]
    @staticmethod
    def setup_context(ctx, inputs, output): ctx.save_for_backward(*inputs)
    @staticmethod
    def backward(ctx, g):
        a, = ctx.saved_tensors
        return vjp(lambda q: q * q.cos(), a)[1](g)[0]
    @staticmethod
    def vmap(info, in_dims, a): return G.apply(a), in_dims[0]
grad(lambda a: G.apply(a).sum())(v)
vmap(G.apply)(x)
vmap(grad(lambda a: G.apply(a).sum()))(x)
jacrev(G.apply)(v)
hessian(lambda a: G.apply(a).sum())(v)
grad(grad(lambda a: G.apply(a).sum()))(v[0])

# a network of dual numbers
with fwAD.dual_level():
    mm = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.ReLU(), nn.Linear(3, 2), nn.Softmax(-1)).double()
    tang = {k: torch.ones_like(q) for k, q in mm.named_parameters()}
    for name, q in list(mm.named_parameters()):
        mod, _, leaf = name.rpartition(".")
        delattr(mm.get_submodule(mod), leaf)
        setattr(mm.get_submodule(mod), leaf, fwAD.make_dual(q.detach(), tang[name]))
    out = mm(x)
    r = tuple(fwAD.unpack_dual(out))
r

# dual numbers in place
with fwAD.dual_level():
    d = fwAD.make_dual(x, w.t())
    e = d.clone()
    e[0] = 3
    e.mul_(d)
    e[:, 1].sin_()
    r1 = tuple(fwAD.unpack_dual(e))
    c = torch.zeros(3, 2, dtype=D)
    c.copy_(d)
    c[1:] += d[:2]
    r2 = tuple(fwAD.unpack_dual(c))
    r3 = tuple(fwAD.unpack_dual(torch.zeros(3, dtype=D).index_add_(0, i, d[:, 0])))
    r4 = tuple(fwAD.unpack_dual(d.detach()))
    with torch.no_grad():
        r5 = tuple(fwAD.unpack_dual(d * 2))
    r6 = (d._is_view(), d._base is x, d.is_leaf, d.requires_grad)
    lvl = fwAD.make_dual(x.clone().requires_grad_(), w.t())
    r7 = (lvl._is_view(), lvl.is_leaf, lvl.requires_grad)
    lvl.pow(2).sum().backward()
    cat = torch.cat([d, x]).chunk(3)
    r8 = tuple(fwAD.unpack_dual(cat[1]))
    r9 = tuple(fwAD.unpack_dual(cat[0]))
r1, r2, r3, r4, r5, r6, r7, r8, r9
fwAD.unpack_dual(d)
d * 2
fwAD.make_dual(x, x)
fwAD.exit_dual_level()
fwAD.enter_dual_level(), fwAD.exit_dual_level()
with fwAD.dual_level(): fwAD.enter_dual_level()
fwAD.exit_dual_level()

# dual numbers, bases and views
with fwAD.dual_level():
    y = x.clone()
    d = fwAD.make_dual(y, x)
    d.add_(1)
    r1 = y.clone()
    y.mul_(2)
    r2 = tuple(fwAD.unpack_dual(d))
    r3 = tuple(fwAD.unpack_dual(y))
    r4 = tuple(fwAD.unpack_dual(d.view(-1)[1:]))
    d.view(-1)[1:].zero_()
    r5 = tuple(fwAD.unpack_dual(d))
r1, r2, r3, r4, r5

# a checkpoint of dual numbers
checkpoint = torch.utils.checkpoint.checkpoint
with fwAD.dual_level():
    d = fwAD.make_dual(x.clone().requires_grad_(), x)
    o = checkpoint(lambda a: a.sin() * a, d, use_reentrant=False)
    r = tuple(fwAD.unpack_dual(o))
    s = fwAD.unpack_dual(o).tangent
    g = torch.autograd.grad(s.sum(), d, allow_unused=True)
r, g

# modes within transformations
q = torch.ones(2, dtype=D, requires_grad=True)
vmap(lambda a: a * q)(x)
vmap(lambda a: (a * q).detach())(x)
def f(a):
    with torch.no_grad():
        return a * q
vmap(f)(x)
grad(lambda a: f(a).sum())(v)
jvp(f, (v,), (v,))
def f(a):
    with torch.no_grad():
        b = a ** 2
    return (a - b).sum()
grad(f)(v), jvp(f, (v,), (v,)), jacrev(f)(v), jacfwd(f)(v), hessian(f)(v), vmap(grad(f))(x)
with torch.no_grad():
    r1 = grad(lambda a: (a ** 2).sum())(v)
    r2 = grad(lambda a: (a * q).sum())(v)
    r3 = vjp(lambda a: a ** 2, v)
    r4 = r3[1](v)
    r5 = jacrev(lambda a: a ** 2 * q)(v)
    r6 = hessian(lambda a: (a ** 3 * q).sum())(v)
    r7 = jvp(lambda a: a ** 2 * q, (v,), (v,))
    r8 = grad(lambda a: grad(lambda b: (b ** 3).sum())(a).sum())(v)
r1, r2, r3[0], r4, r5, r6, r7, r8
r3[1](v)
def f(a):
    with torch.no_grad():
        with torch.enable_grad():
            return (a ** 2).sum()
grad(f)(v)
with torch.inference_mode():
    r = grad(lambda a: (a ** 2).sum())(v)
r
with torch.inference_mode():
    r = vmap(lambda a: (a ** 2).sum())(x)
r
with torch.set_grad_enabled(False):
    r = vmap(grad(lambda a: (a ** 2).sum()))(x)
r
"""


def shown(torch: ModuleType, program: str) -> Iterator:
    """Runs a program; the values of the expressions that it consists of, or their errors."""
    names = {**vars(importlib.import_module(f"{torch.__name__}.func")), "torch": torch}
    exec(SETUP, names)
    for statement in ast.parse(program).body:
        if isinstance(statement, ast.Expr):
            code = compile(ast.Expression(statement.value), "<program>", "eval")
            yield unrecorded(fails(lambda code=code: eval(code, names)))
        else:
            exec(compile(ast.Module([statement], []), "<program>", "exec"), names)


def unrecorded(value: Any) -> Any:
    """The same without nodes of the graph, which each library names in its own way; but whether there are any."""
    if isinstance(value, dict):
        return {key: unrecorded(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [unrecorded(part) for part in value]
    return [value.detach(), value.requires_grad] if getattr(value, "grad_fn", None) is not None else value


@pytest.mark.parametrize("program", PROGRAMS.strip().split("\n\n"), ids=lambda program: program.split("\n")[0][2:])
def test_programs(program: str) -> None:
    """Both libraries show the same."""
    assert_same(lambda torch: shown(torch, program))
