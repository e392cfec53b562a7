"""Programs of a set of hands-on labs about autograd, with their exercises: printed outputs in both libraries."""

from __future__ import annotations

import math

import pytest


def fit(torch, target, *, lr=0.05, epochs=201, clear=True, report=50):
    """Fit y = wx + b to four points of a line by hand; return w, b and the losses as tensors."""
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    y_true = torch.tensor([target(value) for value in (1.0, 2.0, 3.0, 4.0)])
    w = torch.tensor(0.0, requires_grad=True)
    b = torch.tensor(0.0, requires_grad=True)
    losses = []
    for epoch in range(epochs):
        y_pred = w * x + b
        loss = ((y_pred - y_true) ** 2).mean()
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
            b -= lr * b.grad
        if epoch % report == 0:
            print(f"epoch={epoch:3d} loss={loss.item():.4f} w={w.item():.4f} b={b.item():.4f}")
        if clear:
            w.grad.zero_()
            b.grad.zero_()
        losses.append(loss)
    return w.item(), b.item(), losses


def line(x):
    return 2 * x + 1


def test_one_parameter_one_gradient(torch, printed):
    w = torch.tensor(2.0, requires_grad=True)
    loss = (w * 3 - 10) ** 2
    print("loss:", loss.item())
    loss.backward()
    print("w.grad:", w.grad.item())
    assert printed("loss: 16.0\nw.grad: -24.0")


def test_the_gradient_is_not_the_update(torch, printed):
    w = torch.tensor(2.0, requires_grad=True)
    lr = 0.1
    for step in range(1, 6):
        loss = (w * 3 - 10) ** 2
        loss.backward()
        with torch.no_grad():
            w -= lr * w.grad
        print(f"step={step} w={w.item():.4f} loss={loss.item():.4f} grad={w.grad.item():.4f}")
        w.grad.zero_()
    assert printed("""
        step=1 w=4.4000 loss=16.0000 grad=-24.0000
        step=2 w=2.4800 loss=10.2400 grad=19.2000
        step=3 w=4.0160 loss=6.5536 grad=-15.3600
        step=4 w=2.7872 loss=4.1943 grad=12.2880
        step=5 w=3.7702 loss=2.6844 grad=-9.8304
    """)


def test_gradient_accumulation(torch, printed):
    x = torch.tensor(3.0, requires_grad=True)
    y1 = x**2
    y1.backward()
    print("after first backward:", x.grad.item())
    y2 = 2 * x
    y2.backward()
    print("after second backward:", x.grad.item())
    x.grad.zero_()
    y3 = 2 * x
    y3.backward()
    print("after zero and third backward:", x.grad.item())
    assert printed("""
        after first backward: 6.0
        after second backward: 8.0
        after zero and third backward: 2.0
    """)


def test_two_parameters_by_hand(torch, printed):
    fit(torch, line)
    assert printed("""
        epoch=  0 loss=41.0000 w=1.7500 b=0.6000
        epoch= 50 loss=0.0030 w=2.0452 b=0.8672
        epoch=100 loss=0.0007 w=2.0212 b=0.9375
        epoch=150 loss=0.0001 w=2.0100 b=0.9706
        epoch=200 loss=0.0000 w=2.0047 b=0.9862
    """)


def test_tracked_detached_untracked(torch, printed):
    w = torch.tensor(5.0, requires_grad=True)
    tracked = w * 2
    detached = tracked.detach()
    with torch.no_grad():
        untracked = w * 3
    print("tracked.requires_grad:", tracked.requires_grad)
    print("detached.requires_grad:", detached.requires_grad)
    print("untracked.requires_grad:", untracked.requires_grad)
    assert printed("""
        tracked.requires_grad: True
        detached.requires_grad: False
        untracked.requires_grad: False
    """)


def test_backward_a_second_time(torch):
    w = torch.tensor(2.0, requires_grad=True)
    loss = (w * 3 - 10) ** 2
    loss.backward(retain_graph=True)
    loss.backward()
    assert w.grad.item() == -48
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        loss.backward()
    assert w.grad.item() == -48


def test_to_numpy_only_after_detach(torch):
    tracked = torch.tensor(5.0, requires_grad=True) * 2
    with pytest.raises(RuntimeError, match=r"Can't call numpy\(\) on Tensor that requires grad"):
        tracked.numpy()
    assert tracked.detach().numpy() == 10


def test_exercise_another_line(torch):
    w, b, _ = fit(torch, lambda x: 3 * x - 2, epochs=400)
    assert (w, b) == pytest.approx((3, -2), abs=0.01)


def test_exercise_without_clearing_gradients_the_loss_stays_large(torch):
    _, _, losses = fit(torch, line, clear=False)
    assert max(loss.item() for loss in losses[-50:]) > 1


def test_exercise_learning_rates(torch):
    small, good, large = (fit(torch, line, lr=lr)[-1][-1].item() for lr in (0.005, 0.05, 0.5))
    assert small > 100 * good
    assert not math.isfinite(large) or large > 1e6


def test_exercise_a_kept_loss_keeps_its_graph(torch):
    _, _, losses = fit(torch, line, epochs=5)
    assert all(loss.requires_grad and loss.grad_fn.next_functions for loss in losses)
    assert all(type(loss.item()) is float and loss.detach().grad_fn is None for loss in losses)
