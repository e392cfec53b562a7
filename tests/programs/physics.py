"""A physics-informed loss, Euler and Runge-Kutta steps, a neural ODE, an implicit layer with a fixed point."""

import math
import torch
import torch.nn as nn

torch.manual_seed(123)


class FCN(nn.Module):
    def __init__(self, n_in, n_out, n_hidden, n_layers):
        super().__init__()
        act = nn.Tanh
        self.fcs = nn.Sequential(*[nn.Linear(n_in, n_hidden), act()])
        self.fch = nn.Sequential(*[nn.Sequential(*[nn.Linear(n_hidden, n_hidden), act()]) for _ in range(n_layers - 1)])
        self.fce = nn.Linear(n_hidden, n_out)

    def forward(self, x):
        return self.fce(self.fch(self.fcs(x)))


pinn = FCN(1, 1, 12, 2)
print(pinn)
t_boundary = torch.tensor(0.0).view(-1, 1).requires_grad_(True)
t_physics = torch.linspace(0, 1, 20).view(-1, 1).requires_grad_(True)
d, w0 = 2, 10
mu, k = 2 * d, w0**2
optimiser = torch.optim.Adam(pinn.parameters(), lr=1e-3)
for i in range(12):
    optimiser.zero_grad()
    u = pinn(t_boundary)
    loss1 = (torch.squeeze(u) - 1) ** 2
    dudt = torch.autograd.grad(u, t_boundary, torch.ones_like(u), create_graph=True)[0]
    loss2 = (torch.squeeze(dudt) - 0) ** 2
    u = pinn(t_physics)
    dudt = torch.autograd.grad(u, t_physics, torch.ones_like(u), create_graph=True)[0]
    d2udt2 = torch.autograd.grad(dudt, t_physics, torch.ones_like(dudt), create_graph=True)[0]
    loss3 = torch.mean((d2udt2 + mu * dudt + k * u) ** 2)
    loss = loss1 + 1e-1 * loss2 + 1e-4 * loss3
    loss.backward()
    optimiser.step()
    if i % 4 == 0:
        print(i, loss.item(), loss1.item(), loss2.item(), loss3.item())
print(pinn(t_physics)[:3], d2udt2[:2])


def rk4(f, y, t, h):
    k1 = f(t, y)
    k2 = f(t + h / 2, y + h / 2 * k1)
    k3 = f(t + h / 2, y + h / 2 * k2)
    k4 = f(t + h, y + h * k3)
    return y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


A = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
y = torch.tensor([1.0, 0.0], dtype=torch.float64)
for s in range(20):
    y = rk4(lambda t, y: A @ y, y, s * 0.1, 0.1)
print(
    y,
    torch.tensor([math.cos(2.0), -math.sin(2.0)], dtype=torch.float64),
    (y - torch.matrix_exp(2 * A) @ torch.tensor([1.0, 0.0], dtype=torch.float64)).abs().max() < 1e-5,
)
field = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 2))
opt = torch.optim.RMSprop(field.parameters(), lr=1e-2, momentum=0.5)
target = torch.tensor([[0.0, -1.0]])
for it in range(5):
    y = torch.tensor([[1.0, 0.0]])
    path = [y]
    for s in range(8):
        y = rk4(lambda t, y: field(y), y, 0.0, 0.2)
        path.append(y)
    loss = (y - target).pow(2).sum() + 0.01 * torch.cat(path).diff(dim=0).pow(2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(it, loss.item())


class FixedPoint(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.W = nn.Linear(n, n, bias=False)
        self.W.weight.data *= 0.4

    def forward(self, x, tol=1e-5):
        with torch.no_grad():
            z = torch.zeros_like(x)
            for self.steps in range(100):
                new = torch.tanh(self.W(z) + x)
                err = torch.norm(new - z)
                z = new
                if err < tol:
                    break
        z = torch.tanh(self.W(z) + x)
        z0 = z.clone().detach().requires_grad_()
        f0 = torch.tanh(self.W(z0) + x)

        def backward_hook(g):
            y = g
            for _ in range(100):
                y_new = torch.autograd.grad(f0, z0, y, retain_graph=True)[0] + g
                done = torch.norm(y_new - y) < tol
                y = y_new
                if done:
                    break
            return y

        if z.requires_grad:
            z.register_hook(backward_hook)
        return z


layer = FixedPoint(4)
x = torch.randn(2, 4, requires_grad=True)
z = layer(x)
print(z, layer.steps)
z.sum().backward()
print(x.grad, layer.W.weight.grad.norm())
u = torch.zeros(16)
u[8] = 1
kernel = torch.tensor([1.0, -2.0, 1.0]).view(1, 1, 3)
for _ in range(10):
    u = u + 0.2 * nn.functional.conv1d(nn.functional.pad(u.view(1, 1, -1), (1, 1), mode="circular"), kernel).flatten()
print(u, u.sum())
