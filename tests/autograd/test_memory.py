"""Training steps of many kinds leave nothing behind, with the garbage collector switched off: no reference cycles."""

from __future__ import annotations

import gc

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils.checkpoint import checkpoint

WARM, STEPS = 4, 12


@pytest.fixture(autouse=True)
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.1), nn.Linear(8, 3))


STEPPERS = {}


def stepper(make):
    """Register a function that sets up a training and returns one step of it."""
    STEPPERS[make.__name__] = make
    return make


@stepper
def adam():
    net = model()
    optimizer = torch.optim.AdamW(net.parameters())
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 100)
    x, y = torch.randn(6, 4), torch.tensor([0, 1, 2, 0, 1, 2])

    def step():
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()

    return step


@stepper
def gradient_penalty():
    net, x = model(), torch.randn(6, 4)

    def step():
        inputs = x.clone().requires_grad_()
        (g,) = torch.autograd.grad(net(inputs).sum(), inputs, create_graph=True)
        (g.norm() - 1).square().backward()
        net.zero_grad()

    return step


@stepper
def higher_derivatives():
    x = torch.linspace(0.1, 1, 5, requires_grad=True)

    def step():
        y = (x.sin() * x.exp()).sum()
        for _ in range(3):
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            y = (g * g).sum()

    return step


@stepper
def retained_graphs_and_gradients():
    x = torch.randn(5, requires_grad=True)

    def step():
        y = x.exp()
        y.retain_grad()
        z = (y * x).sum()
        z.backward(retain_graph=True)
        z.backward()
        x.grad = None

    return step


@stepper
def hooks():
    x = torch.randn(5, requires_grad=True)

    def step():
        y = x.exp()
        y.register_hook(lambda g: g * 2)
        y.grad_fn.register_hook(lambda inputs, outputs: None)
        y.grad_fn.register_prehook(lambda outputs: None)
        handle = x.register_post_accumulate_grad_hook(lambda t: None)
        with torch.autograd.graph.register_multi_grad_hook((x, y), lambda grads: None):
            y.sum().backward()
        handle.remove()

    return step


@stepper
def in_place_and_views():
    x = torch.randn(3, 4, requires_grad=True)

    def step():
        y = x.clone()
        row = y[1]
        row.mul_(2)
        y[:, 0] = x[:, 1]
        y.t().add_(1).unsqueeze_(0)
        a, b = y.split([1, 2])
        (a.sum() * b.sum() + row.sum()).backward()

    return step


class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x**3
        ctx.save_for_backward(x, y)
        return y, x * 2

    @staticmethod
    def backward(ctx, g, h):
        x, _ = ctx.saved_tensors
        return 3 * g * x**2 + 2 * h


@stepper
def custom_functions():
    x = torch.randn(5, requires_grad=True)

    def step():
        y, z = Cube.apply(x)
        (g,) = torch.autograd.grad((y * z).sum(), x, create_graph=True)
        g.sum().backward()

    return step


@stepper
def a_backward_inside_of_another():
    x = torch.randn(5, requires_grad=True)

    def hook(g):
        with torch.enable_grad():
            inner = (x * 2).exp().sum()
        inner.backward()

    def step():
        y = x * 3
        y.register_hook(hook)
        y.sum().backward()

    return step


@stepper
def errors_in_a_backward():
    x = torch.randn(5, requires_grad=True)

    def hook(g):
        raise ValueError("of the user")

    def step():
        y = x.exp()
        y.register_hook(hook)
        with pytest.raises(ValueError, match="of the user"):
            (y * x).sum().backward()
        z = (x * x).sum()
        z.backward()
        with pytest.raises(RuntimeError, match="a second time"):
            z.backward()

    return step


@stepper
def graphs_that_nobody_runs():
    net, x = model(), torch.randn(6, 4)

    def step():
        net(x).sum()
        with torch.no_grad():
            net(x)
        net(x).detach()

    return step


@stepper
def checkpoints():
    net, x = model(), torch.randn(6, 4, requires_grad=True)

    def step():
        for reentrant in (False, True):
            checkpoint(net, x, use_reentrant=reentrant).sum().backward()
        net.zero_grad()

    return step


@stepper
def hooks_on_what_is_saved():
    net, x = model(), torch.randn(6, 4)

    def step():
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: t):
            net(x).sum().backward()
        with torch.autograd.graph.save_on_cpu():
            net(x).sum().backward()

    return step


@stepper
def anomaly_detection():
    net, x = model(), torch.randn(6, 4)

    def step():
        with torch.autograd.set_detect_anomaly(True):
            net(x).sum().backward()

    return step


@stepper
def forward_mode():
    x, t = torch.randn(5, requires_grad=True), torch.ones(5)

    def step():
        with torch.autograd.forward_ad.dual_level():
            dual = torch.autograd.forward_ad.make_dual(x, t)
            y = (dual.sin() * dual).sum()
            torch.autograd.forward_ad.unpack_dual(y).tangent.backward()

    return step


@stepper
def transformations():
    weight, x = torch.randn(3, 4), torch.randn(6, 4)

    def loss(weight, x):
        return (weight @ x).tanh().square().sum()

    def step():
        torch.func.vmap(torch.func.grad(loss), (None, 0))(weight, x)
        torch.func.jacrev(lambda x: loss(weight, x))(x[0])
        torch.func.hessian(lambda x: loss(weight, x))(x[0])

    return step


@pytest.mark.parametrize("make", STEPPERS.values(), ids=STEPPERS)
def test_nothing_is_left(make):
    step = make()
    for _ in range(WARM):
        step()
    before = len(gc.get_objects())
    for _ in range(STEPS):
        step()
    assert len(gc.get_objects()) - before < STEPS
