import torch, warnings
from torch import nn
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(0)


# saved tensor hooks
def pack(x):
    print("pack", tuple(x.shape))
    return x.numpy().copy() if not x.requires_grad else x.detach().numpy().copy()


def unpack(a):
    print("unpack")
    return torch.from_numpy(a)


x = torch.randn(3, requires_grad=True)
with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
    y = (x.exp() * x).sum()
y.backward()
print(x.grad)
with torch.autograd.graph.save_on_cpu():
    z = (x * x).sum()
z.backward()
print(x.grad)
# checkpoint
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2))
inp = torch.randn(5, 4, requires_grad=True)
for reentrant in (True, False):
    torch.manual_seed(3)
    net.zero_grad()
    inp.grad = None
    out = checkpoint(net, inp, use_reentrant=reentrant)
    out.pow(2).sum().backward()
    print(inp.grad.sum(), net[0].weight.grad.abs().sum())
torch.manual_seed(3)
net.zero_grad()
inp.grad = None
net(inp).pow(2).sum().backward()
print(inp.grad.sum(), net[0].weight.grad.abs().sum())
out = checkpoint_sequential(net, 2, inp, use_reentrant=False)
print(out.shape)
# hooks
h = []
a = torch.tensor([1.0, 2.0], requires_grad=True)
b = a * 3
b.retain_grad()
b.register_hook(lambda g: h.append(("b", g.tolist())) or g * 2)
a.register_hook(lambda g: h.append(("a", g.tolist())))
a.register_post_accumulate_grad_hook(lambda t: h.append(("acc", t.grad.tolist())))
b.grad_fn.register_hook(
    lambda gi, go: h.append(("node", [None if q is None else q.tolist() for q in gi], [q.tolist() for q in go]))
)
b.grad_fn.register_prehook(lambda go: h.append(("pre", [q.tolist() for q in go])))
(b * b).sum().backward()
print(h, a.grad, b.grad)
m = nn.Linear(2, 2)
m.register_full_backward_hook(
    lambda mod, gi, go: print("full", [q.shape if q is not None else None for q in gi], [q.shape for q in go])
)
m.register_full_backward_pre_hook(lambda mod, go: print("prefull", [q.shape for q in go]))
m(torch.randn(3, 2, requires_grad=True)).sum().backward()
cnt = []
t1 = torch.ones(2, requires_grad=True)
t2 = torch.ones(2, requires_grad=True)
hd = torch.autograd.graph.register_multi_grad_hook(
    [t1, t2], lambda gs: cnt.append([None if g is None else g.tolist() for g in gs])
)
(t1 * 2 + t2 * 3).sum().backward()
print(cnt)
hd.remove()
# anomaly
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    try:
        with torch.autograd.detect_anomaly():
            q = torch.tensor([0.0], requires_grad=True)
            (q.sqrt() * 0).sum().backward()
    except RuntimeError as e:
        print(str(e).split(".")[0])


# custom function double backward and forward
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2

    @staticmethod
    def jvp(ctx, t):
        (x,) = ctx.saved_tensors
        return t * 3 * x**2

    generate_vmap_rule = False

    @staticmethod
    def vmap(info, in_dims, x):
        return Cube.apply(x), in_dims[0]


x = torch.tensor([1.0, 2.0], dtype=torch.double, requires_grad=True)
print(torch.autograd.gradcheck(Cube.apply, (x,), check_forward_ad=True), torch.autograd.gradgradcheck(Cube.apply, (x,)))
print(torch.func.vmap(torch.func.grad(lambda v: Cube.apply(v)))(torch.tensor([1.0, 2.0])))
print(torch.func.jvp(Cube.apply, (torch.tensor(2.0),), (torch.tensor(1.0),)))
# functional
from torch.autograd.functional import jacobian, hessian, vjp, jvp, vhp, hvp

f = lambda a, b: (a * b).sin().sum() + (a**3).sum()
u, v = torch.tensor([1.0, 2.0]), torch.tensor([0.5, 0.3])
print(jacobian(f, (u, v)))
print(hessian(f, (u, v)))
print(jacobian(lambda a: a.sin(), u, vectorize=True, strategy="forward-mode"))
print(vjp(lambda a: a.sin(), u, v))
print(jvp(lambda a: a.sin(), u, v))
print(vhp(lambda a: (a**3).sum(), u, v))
print(hvp(lambda a: (a**3).sum(), u, v))
from torch.autograd import forward_ad as fwAD

with fwAD.dual_level():
    p = {n: fwAD.make_dual(q.detach(), torch.ones_like(q)) for n, q in net.named_parameters()}
    o = torch.func.functional_call(net.eval(), p, (torch.ones(1, 4),))
    print(fwAD.unpack_dual(o).tangent)
print(
    torch.autograd.graph.get_gradient_edge(x).node.name(),
    (x * 2).grad_fn.next_functions[0][0].name(),
    (x * x).grad_fn._saved_self,
)


def reent(g):
    with torch.enable_grad():
        s = torch.tensor(2.0, requires_grad=True)
        (s * s).backward()
    return g * s.grad


k = torch.tensor(3.0, requires_grad=True)
kk = k * 2
kk.register_hook(reent)
kk.backward()
print(k.grad)
