"""Programs of a first tour of gradients, up to gradient descent by hand: printed outputs in both libraries."""

from __future__ import annotations


def test_a_parabola(torch, printed):
    x = torch.tensor(3.0, requires_grad=True)
    print(f"x = {x}")
    y = x**2
    print(f"y = {y}")
    y.backward()
    print(f"dy/dx = {x.grad}")
    print(x, y, x.grad)
    # In an f-string a tensor without dimensions is formatted as its number.
    assert printed("""
        x = 3.0
        y = 9.0
        dy/dx = 6.0
        tensor(3., requires_grad=True) tensor(9., grad_fn=<PowBackward0>) tensor(6.)
    """)


def test_two_variables(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = torch.tensor(3.0, requires_grad=True)
    z = x**2 + 2 * x * y + y**2
    print("z =", z)
    z.backward()
    print("dz/dx =", x.grad)
    print("dz/dy =", y.grad)
    assert printed("""
        z = tensor(25., grad_fn=<AddBackward0>)
        dz/dx = tensor(10.)
        dz/dy = tensor(10.)
    """)


def test_gradients_accumulate(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    y.backward()
    print(f"After first backward: {x.grad}")
    y = x**2
    y.backward()
    print(f"After second backward: {x.grad}")
    x.grad.zero_()
    print(f"After zero_: {x.grad}")
    assert printed("""
        After first backward: 4.0
        After second backward: 8.0
        After zero_: 0.0
    """)


def test_no_grad_and_detach(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    print(y.requires_grad)
    z = y.detach()
    print(z.requires_grad)
    with torch.no_grad():
        y = x**2
        print(y.requires_grad)
    assert printed("True\nFalse\nFalse")


def test_finding_a_minimum(torch, printed):
    x = torch.tensor(0.0, requires_grad=True)
    learning_rate = 0.1
    for i in range(20):
        y = (x - 5) ** 2
        y.backward()
        with torch.no_grad():
            x -= learning_rate * x.grad
        x.grad.zero_()
        if i % 5 == 0:
            print(f"Step {i}: x = {x.item():.3f}, f(x) = {y.item():.3f}")
    print(f"\nFinal: x = {x.item():.3f} (should be close to 5)")
    # Each step leaves 0.8 of the distance to 5, so that x after step i is 5 (1 - 0.8^(i + 1)).
    assert printed("""
        Step 0: x = 1.000, f(x) = 25.000
        Step 5: x = 3.689, f(x) = 2.684
        Step 10: x = 4.571, f(x) = 0.288
        Step 15: x = 4.859, f(x) = 0.031

        Final: x = 4.942 (should be close to 5)
    """)
