"""Leaves, `.grad` and its rules, detaching and sharing, run with PyTorch and with Rushlight."""

from __future__ import annotations

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_leaves(program):
    assert_same(program)


def facts(x):
    return x.requires_grad, x.is_leaf, x.retains_grad, x.grad_fn, x.grad


# Who is a leaf


@programs
def made_by_the_user(torch):
    yield facts(torch.ones(2))
    yield facts(torch.ones(2, requires_grad=True))
    yield facts(torch.tensor([1, 2]))
    yield facts(torch.zeros(2, requires_grad=True))
    yield facts(torch.arange(3.0, requires_grad=True))
    yield facts(torch.full((2,), 3.0, requires_grad=True))


@programs
def computed(torch):
    x = torch.ones(2, requires_grad=True)
    yield facts(x * 2)
    yield facts(torch.ones(2) * 2)
    yield facts((x * 2).detach())
    yield facts(x.detach())
    yield facts(x.data)
    yield facts(x > 0)
    yield facts(x.clone())
    yield facts(x[0])
    yield facts(x.view(2))
    yield facts(torch.ones(2)[0])


@programs
def computed_without_recording(torch):
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        yield facts(x * 2)
        yield facts(x[0])
        yield facts(x.view(2))
        yield facts(torch.ones(2, requires_grad=True))
        yield facts(x.detach())


@programs
def converted(torch):
    x = torch.ones(2, requires_grad=True)
    yield facts(x.double())
    yield x.double() is x
    yield x.float() is x
    yield facts(x.to(torch.int64))


@programs
def requires_grad_in_place(torch):
    x = torch.ones(2)
    yield x.requires_grad_() is x
    yield facts(x)
    yield facts(x.requires_grad_(False))
    yield fails(lambda: torch.ones(2, dtype=torch.int64).requires_grad_())
    yield fails(lambda: torch.ones(2, dtype=torch.bool).requires_grad_(False).requires_grad)
    yield fails(lambda: torch.tensor([1, 2], requires_grad=True))
    yield facts(torch.ones(2, dtype=torch.complex64).requires_grad_())


@programs
def requires_grad_of_a_nonleaf(torch):
    y = torch.ones(2, requires_grad=True) * 2
    yield facts(y.requires_grad_())
    yield fails(lambda: y.requires_grad_(False))
    y.requires_grad = True
    yield y.requires_grad


@programs
def requires_grad_set_false_on_a_nonleaf(torch):
    y = torch.ones(2, requires_grad=True) * 2
    y.requires_grad = False


@programs
def requires_grad_of_an_integer_tensor(torch):
    x = torch.tensor([1, 2])
    x.requires_grad = True


@programs
def requires_grad_later(torch):
    x = torch.ones(2)
    y = x * 2
    x.requires_grad_()
    yield y.requires_grad
    z = x * y
    z.sum().backward()
    yield x.grad


@programs
def requires_grad_off_before_backward(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).sum()
    x.requires_grad_(False)
    yield x.is_leaf
    y.backward()
    yield x.grad


@programs
def requires_grad_of_a_view_of_a_plain_tensor(torch):
    base = torch.zeros(3)
    v = base[:2]
    v.requires_grad_()
    yield facts(v)
    (v * v + v).sum().backward()
    yield v.grad
    yield facts(base)


# retain_grad


@programs
def retain_grad_of_a_nonleaf(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    yield y.retains_grad
    y.retain_grad()
    yield y.retains_grad
    z = y * y
    z.sum().backward()
    yield y.grad
    yield z.grad
    yield x.grad


@programs
def retain_grad_twice(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    (y * y).sum().backward()
    yield y.grad


@programs
def retain_grad_accumulates_or_not(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    z = (y * y).sum()
    z.backward(retain_graph=True)
    first = y.grad
    z.backward()
    yield y.grad
    yield first is y.grad
    yield x.grad


@programs
def retain_grad_of_a_leaf(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.retain_grad()
    yield x.retains_grad
    (x * 2).sum().backward()
    yield x.grad


@programs
def retain_grad_without_requires_grad(torch):
    torch.ones(2).retain_grad()


@programs
def retain_grad_of_the_root(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.retain_grad()
    y.backward()
    yield y.grad


@programs
def retain_grad_of_outputs_of_one_operation(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, b, c = x.unbind()
    a.retain_grad()
    c.retain_grad()
    (a * b + c).backward()
    yield a.grad, b.grad, c.grad, x.grad


@programs
def retain_grad_of_a_shared_value(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 3
    y.retain_grad()
    (y * y + y.exp() * 0.01).backward()
    yield y.grad


@programs
def retain_grad_with_create_graph(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    y.retain_grad()
    (y**3).backward(create_graph=True)
    yield y.grad.detach()
    yield y.grad.requires_grad


@programs
def retain_grad_and_grad(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    y.retain_grad()
    torch.autograd.grad(y * 3, x)
    yield y.grad


@programs
def retain_grad_of_the_target_of_grad(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    y.retain_grad()
    yield torch.autograd.grad(y * 3, y)
    yield y.grad


@programs
def retain_grad_after_an_inplace_change(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    yield y.retains_grad
    (y * y).sum().backward()
    yield y.grad
    yield x.grad


# .grad


@programs
def grad_assigned(torch):
    x = torch.ones(2, requires_grad=True)
    given = torch.tensor([5.0, 6.0])
    x.grad = given
    yield x.grad is given
    (x * 2).sum().backward()
    yield x.grad
    yield x.grad is given


@programs
def grad_assigned_to_what_needs_none(torch):
    x = torch.ones(2)
    x.grad = torch.tensor([5.0, 6.0])
    yield x.grad


def assigning(value):
    def program(torch):
        x = torch.ones(2, requires_grad=True)
        x.grad = value(torch, x)
        yield x.grad

    return program


for title, value in {
    "shape": lambda torch, x: torch.ones(3),
    "broadcastable_shape": lambda torch, x: torch.ones(1),
    "dtype": lambda torch, x: torch.ones(2, dtype=torch.float64),
    "number": lambda torch, x: 1.0,
    "list": lambda torch, x: [1.0, 1.0],
    "itself": lambda torch, x: x,
    "none": lambda torch, x: None,
    "other_leaf": lambda torch, x: torch.ones(2, requires_grad=True),
}.items():
    program = assigning(value)
    program.__name__ = f"assign_{title}"
    programs(program)


@programs
def grad_deleted(torch):
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    del x.grad
    yield x.grad


@programs
def grad_keeps_its_identity(torch):
    x = torch.ones(2, requires_grad=True)
    (x * 2).sum().backward()
    yield x.grad is x.grad
    yield facts(x.grad)


# detach and data


@programs
def detach_shares(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    yield d.data_ptr() == x.data_ptr()
    d[0] = 7
    yield x
    yield x._version, d._version
    yield facts(d)


@programs
def detach_of_a_nonleaf_counts_versions_with_it(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    d = y.detach()
    d.mul_(2)
    yield y._version, d._version
    y.sum().backward()


@programs
def detach_is_a_view_or_not(torch):
    x = torch.ones(2)
    yield x.detach()._is_view(), x.data._is_view()
    y = torch.ones(2, requires_grad=True) * 2
    yield y.detach()._is_view()


@programs
def data_counts_its_own_versions(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()
    y.data.mul_(2)
    yield y
    yield y._version
    y.sum().backward()
    yield x.grad


@programs
def data_assigned(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.data = torch.tensor([5.0, 6.0])
    yield x
    yield x._version
    (x * x).sum().backward()
    yield x.grad


@programs
def data_assigned_between_forward_and_backward(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    x.data = torch.tensor([5.0, 6.0])
    y.backward()
    yield x.grad


@programs
def data_assigned_another_shape(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.data = torch.ones(3)
    (x * 2).sum().backward()
    yield x.grad


@programs
def data_assigned_shares(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    other = torch.zeros(2)
    x.data = other
    other[0] = 3
    yield x
    yield x.data_ptr() == other.data_ptr()


@programs
def data_assigned_a_number(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    yield type(fails(lambda: setattr(x, "data", 1.0))).__name__


@programs
def update_under_no_grad(torch):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(3):
        (w * w).sum().backward()
        with torch.no_grad():
            w -= 0.1 * w.grad
            w.grad.zero_()
        yield w
        yield w._version


@programs
def update_through_data(torch):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    (w * w).sum().backward()
    w.data -= 0.1 * w.grad
    yield w
    yield w._version


@programs
def detach_in_place(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    yield y.detach_() is y
    yield facts(y)
    yield facts(x.detach_())


@programs
def detach_in_place_of_a_view(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    v = (x * 2)[0]
    v.detach_()


@programs
def detach_cuts(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    (y.detach() * x).backward()
    yield x.grad


@programs
def clone_and_detach(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    c = x.detach().clone()
    c[0] = 9
    yield x
    c.requires_grad_()
    (c * c).sum().backward()
    yield c.grad
    yield x.grad


# Parameters


@programs
def parameters(torch):
    p = torch.nn.Parameter(torch.ones(2))
    yield facts(p)
    yield facts(torch.nn.Parameter(torch.ones(2), requires_grad=False))
    yield facts(p * 2)
    yield facts(torch.nn.Parameter(p * 2))
    yield type(p * 2).__name__, type(p.detach()).__name__, type(p.data).__name__
    (p * p).sum().backward()
    yield p.grad


@programs
def numpy_of_what_requires_grad(torch):
    x = torch.ones(2, requires_grad=True)
    yield str(fails(lambda: x.numpy())).splitlines()[0]
    yield x.detach().numpy()
    yield x.numpy(force=True)


# The type of a gradient


@programs
def grad_dtype_is_that_of_the_leaf(torch):
    x = torch.ones(3, requires_grad=True)
    yield x.grad_dtype
    yield torch.ones(3, dtype=torch.int64).grad_dtype
    yield fails(lambda: (x * 2).grad_dtype)
    yield fails(lambda: setattr(x * 2, "grad_dtype", torch.float64))
    yield fails(lambda: setattr(x, "grad_dtype", 3))
    x.grad = torch.ones(3)
    yield fails(lambda: setattr(x, "grad_dtype", torch.float64))
    x.grad_dtype = torch.float32


@programs
def grad_dtype_of_accumulated_gradients(torch):
    x = torch.ones(3, requires_grad=True)
    x.grad_dtype = torch.float64
    x.register_hook(lambda g: g * (2 if g.dtype == torch.float64 else 5))
    for _ in range(2):
        (x * 3).sum().backward()
        yield x.grad
    yield torch.autograd.grad((x * 3).sum(), x)
    (x**2).sum().backward(create_graph=True)
    yield x.grad
    yield fails(lambda: setattr(x, "grad", torch.ones(3)))
    x.grad = torch.ones(3, dtype=torch.float64)
    yield x.grad


@programs
def grad_dtype_may_be_any(torch):
    x = torch.ones(3, requires_grad=True)
    x.grad_dtype = None
    yield x.grad_dtype
    x.grad = torch.ones(3, dtype=torch.float64)
    yield x.grad


@programs
def data_must_stay_differentiable(torch):
    x = torch.ones(3, requires_grad=True)
    yield fails(lambda: setattr(x, "data", torch.ones(3, dtype=torch.int64)))
    yield fails(lambda: x.set_(torch.ones(2)))
    yield x


@pytest.mark.parametrize("convert", [float, int, complex])
def test_a_warning_where_a_number_leaves_the_graph(convert):
    import rushlight

    with pytest.warns(UserWarning, match="Converting a tensor with requires_grad=True to a scalar"):
        assert convert(rushlight.tensor(2.0, requires_grad=True)) == 2
