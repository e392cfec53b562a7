"""A tour of autograd."""

import torch

x = torch.ones(5)
y = torch.zeros(3)
torch.manual_seed(1)
w = torch.randn(5, 3, requires_grad=True)
b = torch.randn(3, requires_grad=True)
z = torch.matmul(x, w) + b
loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
print(z, loss)
print("Gradient function for z =", type(z.grad_fn).__name__)
print("Gradient function for loss =", type(loss.grad_fn).__name__)
loss.backward()
print(w.grad)
print(b.grad)
try:
    loss.backward()
except RuntimeError as e:
    print(type(e).__name__, "backward through the graph a second time" in str(e))
z = torch.matmul(x, w) + b
print(z.requires_grad)
with torch.no_grad():
    z = torch.matmul(x, w) + b
print(z.requires_grad, z.grad_fn)
z_det = (torch.matmul(x, w) + b).detach()
print(z_det.requires_grad)
inp = torch.eye(4, 5, requires_grad=True)
out = (inp + 1).pow(2).t()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"First call\n{inp.grad}")
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nSecond call\n{inp.grad}")
inp.grad.zero_()
out.backward(torch.ones_like(out), retain_graph=True)
print(f"\nCall after zeroing gradients\n{inp.grad}")
a = torch.tensor([2.0, 3.0], requires_grad=True)
b = torch.tensor([6.0, 4.0], requires_grad=True)
Q = 3 * a**3 - b**2
print(Q)
Q.backward(gradient=torch.tensor([1.0, 1.0]))
print(9 * a**2 == a.grad, -2 * b == b.grad)
x = torch.tensor(3.0, requires_grad=True)
y = x**2 + 2 * x
(g,) = torch.autograd.grad(y, x, create_graph=True)
(g2,) = torch.autograd.grad(g, x)
print(y, g, g2)
x = torch.randn(3, requires_grad=True)
y = x * 2
n = 0
while y.data.norm() < 1000:
    y = y * 2
    n += 1
print(y, n)
y.backward(torch.tensor([0.1, 1.0, 0.0001]))
print(x.grad)
print(x.is_leaf, y.is_leaf, x.grad_fn, y.grad_fn.next_functions[0][0].__class__.__name__)
node = loss.grad_fn
names = []
while node is not None:
    names.append(type(node).__name__)
    node = node.next_functions[0][0] if node.next_functions else None
print(names[:3])
mid = x * 3
mid.retain_grad()
mid.sin().sum().backward()
print(mid.grad, x.grad)
p = torch.tensor([1.0, 2.0], requires_grad=True)
h = p.register_hook(lambda g: g * 10)
(p**2).sum().backward()
print(p.grad)
h.remove()
p.grad = None
(p**2).sum().backward()
print(p.grad)
u = torch.tensor([1.0], requires_grad=True)
v = torch.tensor([1.0], requires_grad=True)
try:
    torch.autograd.grad((u * 2).sum(), [u, v])
except RuntimeError as e:
    print("error:", *str(e).split()[:6])
print(torch.autograd.grad((u * 2).sum(), [u, v], allow_unused=True))
try:
    torch.ones(3).sum().backward()
except RuntimeError as e:
    print("error:", *str(e).split()[:8])
try:
    torch.ones(3, requires_grad=True).backward()
except RuntimeError as e:
    print("error:", *str(e).split()[:8])
q = torch.ones(2, requires_grad=True)
try:
    q.add_(1)
except RuntimeError as e:
    print("error:", *str(e).split()[:8])
s = q.exp()
s.mul_(2)
try:
    s.sum().backward()
except RuntimeError as e:
    print("error:", "modified by an inplace operation" in str(e))
with torch.set_grad_enabled(False):
    print((q * 2).requires_grad)
with torch.inference_mode():
    r = q * 2
print(r.requires_grad, r.is_inference())
