"""Programs of a quick reference of autograd and its common mistakes: printed outputs and errors in both libraries."""

from __future__ import annotations

import pytest

import rushlight


def test_gradient_of_a_sum(torch, printed):
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = x * x + 3 * x + 1
    y.sum().backward()
    print(x.grad)
    assert printed("tensor([7., 9.])")


def test_gradient_of_a_sum_of_squares(torch, printed):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = 2 * x + 3
    z = y.pow(2).sum()
    z.backward()
    print("x:", x)
    print("Gradient of z w.r.t x:", x.grad)
    # The derivative of (2x + 3)² is 4(2x + 3).
    assert printed("""
        x: tensor([1., 2., 3.], requires_grad=True)
        Gradient of z w.r.t x: tensor([20., 28., 36.])
    """)


def test_backward_of_a_vector_that_tracks_nothing(torch, printed):
    x = torch.tensor([1.0, 2.0, 3.0])
    y = x * 2
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn") as raised:
        y.backward()
    if torch is rushlight:
        # There are two mistakes here; PyTorch speaks of the first only.
        assert "grad can be implicitly created only for scalar outputs" in str(raised.value)

    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y.backward(torch.tensor([1.0, 1.0, 1.0]))
    print("Gradients:", x.grad)
    assert printed("Gradients: tensor([2., 2., 2.])")


def test_backward_of_a_vector_needs_a_gradient(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    with pytest.raises(RuntimeError, match="grad can be implicitly created only for scalar outputs"):
        y.backward()
    assert x.grad is None
    with pytest.raises(RuntimeError, match=r"Mismatch in shape: .*has a shape of torch.Size\(\[2\]\)"):
        y.backward(torch.ones(2))


def test_gradients_add_up_until_they_are_cleared(torch, printed):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    optimizer = torch.optim.SGD([x], lr=0.1)
    for _ in range(2):
        (x * 3).sum().backward()
    print(x.grad)
    optimizer.zero_grad()
    print(x.grad)
    (x * 3).sum().backward()
    print(x.grad)
    assert printed("""
        tensor([6., 6.])
        None
        tensor([3., 3.])
    """)


def test_changing_in_place_what_backward_needs(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y.pow(2)
    y += 1
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        z.sum().backward()


def test_detach_stops_tracking(torch, printed):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).detach()
    print(y, y.requires_grad)
    assert printed("tensor([2., 4.]) False")
