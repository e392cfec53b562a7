"""Custom Functions under torch.func: grad, vjp, jvp, vmap by a rule of their own or a generated one, nested."""

from __future__ import annotations

import importlib

import pytest

import rushlight

from .both import Programs, assert_same, fails, name
from .test_function_context import function, start

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_transforms(program):
    assert_same(program)


def func(torch):
    return importlib.import_module(f"{torch.__name__}.func")


def nothing(ctx, inputs, output):
    """A setup_context that keeps nothing."""


def cube(torch, **methods):
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    def derivative(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x**2

    return function(torch, lambda x: x**3, derivative, setup_context=setup_context, jvp=derivative, **methods)


def by_rule(torch, log=()):
    """The cube with a vmap staticmethod."""

    def rule(info, in_dims, x):
        if isinstance(log, list):
            log.append([info.batch_size, info.randomness, in_dims, type(info).__name__, list(x.shape)])
        return my.apply(x), in_dims[0]

    my = cube(torch, vmap=rule)
    return my


def generated(torch):
    """The cube with a generated rule for vmap."""
    return cube(torch, generate_vmap_rule=True)


NESTED = {
    "grad": lambda f, my, x, xx: f.grad(lambda x: my(x).sum())(x),
    "grad and value": lambda f, my, x, xx: f.grad_and_value(lambda x: my(x).sum())(x),
    "grad of grad": lambda f, my, x, xx: f.grad(lambda x: f.grad(lambda x: my(x).sum())(x).sum())(x),
    "third derivative": lambda f, my, x, xx: f.grad(f.grad(f.grad(my)))(x[0]),
    "vjp": lambda f, my, x, xx: (lambda out, pull: (out, pull(x)))(*f.vjp(my, x)),
    "jvp": lambda f, my, x, xx: f.jvp(my, (x,), (x * 2,)),
    "jvp of grad": lambda f, my, x, xx: f.jvp(f.grad(lambda x: my(x).sum()), (x,), (x * 2,)),
    "grad of jvp": lambda f, my, x, xx: f.grad(lambda x: f.jvp(my, (x,), (x.detach(),))[1].sum())(x),
    "linearize": lambda f, my, x, xx: (lambda out, push: (out, push(x * 2)))(*f.linearize(my, x)),
    "jacrev": lambda f, my, x, xx: f.jacrev(my)(x),
    "jacfwd": lambda f, my, x, xx: f.jacfwd(my)(x),
    "hessian": lambda f, my, x, xx: f.hessian(lambda x: my(x).sum())(x),
    "jacrev of jacrev": lambda f, my, x, xx: f.jacrev(f.jacrev(my))(x),
    "jacrev of jacfwd": lambda f, my, x, xx: f.jacrev(f.jacfwd(my))(x),
    "vmap": lambda f, my, x, xx: (f.vmap(my)(xx), f.vmap(my)(x)),
    "vmap along the last axis": lambda f, my, x, xx: f.vmap(my, in_dims=1, out_dims=1)(xx),
    "vmap in chunks": lambda f, my, x, xx: f.vmap(my, chunk_size=2)(xx),
    "vmap of vmap": lambda f, my, x, xx: f.vmap(f.vmap(my), in_dims=1)(xx),
    "vmap of grad": lambda f, my, x, xx: f.vmap(f.grad(lambda x: my(x).sum()))(xx),
    "grad of vmap": lambda f, my, x, xx: f.grad(lambda xx: f.vmap(my)(xx).sum())(xx),
    "grad of vmap of vmap": lambda f, my, x, xx: f.grad(lambda xx: f.vmap(f.vmap(my), in_dims=1)(xx).sum())(xx),
    "vmap of hessian": lambda f, my, x, xx: f.vmap(f.hessian(lambda x: my(x).sum()))(xx),
    "vmap of jacrev": lambda f, my, x, xx: f.vmap(f.jacrev(my))(xx),
    "jvp of vmap": lambda f, my, x, xx: f.jvp(f.vmap(my), (xx,), (xx * 2,)),
    "vmap of jvp": lambda f, my, x, xx: f.vmap(lambda x, t: f.jvp(my, (x,), (t,)))(xx, xx * 2),
    "vmap that does not reach it": lambda f, my, x, xx: f.vmap(lambda row: row * my(x))(xx),
}


@pytest.mark.parametrize("make", [by_rule, generated], ids=name)
@pytest.mark.parametrize("nested", NESTED)
def test_nested(nested, make):
    def program(torch):
        x, xx = torch.tensor([0.5, 1.5]), torch.arange(6.0).reshape(3, 2) / 3
        yield NESTED[nested](func(torch), make(torch).apply, x, xx)

    assert_same(program, rtol=1e-5)


@pytest.mark.parametrize("make", [by_rule, generated], ids=name)
def test_backward_through_vmap(make):
    def program(torch):
        f, my = func(torch), make(torch)
        for batched in (f.vmap(my.apply), f.vmap(f.grad(my.apply))):
            x = start(torch)
            batched(x).sum().backward()
            yield x.grad

    assert_same(program)


def two(torch, **methods):
    """Two outputs of two tensors and a number."""

    def setup_context(ctx, inputs, output):
        x, y, ctx.factor = inputs
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)

    def backward(ctx, g, h):
        x, y = ctx.saved_tensors
        return g * y * ctx.factor + h, g * x * ctx.factor + h, None

    def jvp(ctx, a, b, _):
        x, y = ctx.saved_tensors
        return (a * y + b * x) * ctx.factor, a + b

    return function(
        torch, lambda x, y, k: (x * y * k, x + y), backward, setup_context=setup_context, jvp=jvp, **methods
    )


def two_by_rule(torch):
    def rule(info, in_dims, x, y, factor):
        x, y = (
            t.expand(info.batch_size, *t.shape) if dim is None else t.movedim(dim, 0) for t, dim in zip((x, y), in_dims)
        )
        return my.apply(x, y, factor), (0, 0)

    my = two(torch, vmap=rule)
    return my


def two_generated(torch):
    return two(torch, generate_vmap_rule=True)


def summed(outputs):
    return sum(output.sum() for output in outputs)


@pytest.mark.parametrize("make", [two_by_rule, two_generated], ids=name)
def test_several_arguments(make):
    def program(torch):
        f, apply = func(torch), make(torch).apply
        x, y, xx = torch.tensor([0.5, 1.5]), torch.tensor([2.0, 3.0]), torch.arange(6.0).reshape(3, 2) / 3

        def loss(x, y):
            return summed(apply(x, y, 2.0))

        def batched(in_dims, out_dims=0):
            return f.vmap(apply, in_dims=(*in_dims, None), out_dims=out_dims)

        yield batched((0, None))(xx, y, 2.0), batched((None, 0))(x, xx, 2.0), batched((0, 0), (0, 1))(xx, xx + 1, 2.0)
        yield f.vmap(f.grad(loss, argnums=(0, 1)), in_dims=(0, None))(xx, y)
        yield f.vmap(f.grad(loss), in_dims=(None, 0))(y, xx)
        yield f.grad(lambda xx, y: summed(batched((0, None))(xx, y, 2.0)), argnums=(0, 1))(xx, y)
        yield f.jvp(lambda xx, y: batched((0, None))(xx, y, 2.0), (xx, y), (xx, y))
        yield f.jvp(lambda xx: batched((0, None))(xx, y, 2.0), (xx,), (xx,))
        yield f.jacrev(lambda x, y: apply(x, y, 3.0), argnums=(0, 1))(x, y)
        yield f.jacfwd(lambda x, y: apply(x, y, 3.0), argnums=(0, 1))(x, y)
        yield f.hessian(loss, argnums=(0, 1))(x, y)
        v, w = start(torch), start(torch, 3.0, 4.0)
        summed(batched((0, 0))(v, w, 2.0)).backward()
        yield v.grad, w.grad

    assert_same(program, rtol=1e-5)


@programs
def setup_context_is_required(torch):
    f = func(torch)
    my = function(torch, lambda ctx, x: x * 2)
    x = torch.ones(2)
    for call in (
        lambda: f.grad(lambda x: my.apply(x).sum())(x),
        lambda: f.vjp(my.apply, x),
        lambda: f.jvp(my.apply, (x,), (x,)),
        lambda: f.jacrev(my.apply)(x),
        lambda: f.vmap(my.apply)(x),
        lambda: f.vmap(lambda y: my.apply(x))(x),
        lambda: my.apply(x),
    ):
        yield fails(call)


@programs
def vmap_support_is_required(torch):
    f = func(torch)
    x = torch.ones(3, 2)
    for my in (cube(torch), cube(torch, generate_vmap_rule=True, vmap=lambda info, in_dims, x: (x, 0))):
        yield fails(lambda my=my: f.vmap(my.apply)(x))
        yield fails(lambda my=my: f.vmap(lambda row: row * my.apply(x[0]))(x))
        yield fails(lambda my=my: f.jacfwd(my.apply)(x[0]))
        yield f.grad(lambda x, my=my: my.apply(x).sum())(x)
    yield fails(lambda: torch.autograd.Function.vmap(None, (), x))


@programs
def without_jvp(torch):
    f = func(torch)
    my = function(torch, lambda x: x * 2, setup_context=nothing)
    yield fails(lambda: f.jvp(my.apply, (torch.ones(2),), (torch.ones(2),)))
    yield f.grad(lambda x: my.apply(x).sum())(torch.ones(2))


@programs
def what_the_rule_is_told(torch):
    f, log = func(torch), []
    my = by_rule(torch, log)
    xx = torch.arange(6.0).reshape(3, 2)
    f.vmap(my.apply)(xx)
    f.vmap(my.apply, randomness="different")(xx)
    f.vmap(f.vmap(my.apply))(xx)
    f.vmap(f.grad(lambda x: my.apply(x).sum()), randomness="same")(xx)
    f.vmap(my.apply, chunk_size=2)(xx)
    yield log


RULES = {
    "pair": lambda info, in_dims, x: (x, 0),
    "last axis": lambda info, in_dims, x: (x, 1),
    "negative axis": lambda info, in_dims, x: (x, -1),
    "no axis": lambda info, in_dims, x: (x, None),
    "tuples": lambda info, in_dims, x: ((x,), (0,)),
    "two and one axis": lambda info, in_dims, x: ((x, x), 0),
    "two and two": lambda info, in_dims, x: ((x, x), (0, None)),
    "no pair": lambda info, in_dims, x: x,
    "one": lambda info, in_dims, x: (x,),
    "three": lambda info, in_dims, x: (x, 0, 0),
    "list": lambda info, in_dims, x: [x, 0],
    "too many axes": lambda info, in_dims, x: (x, (0, 0)),
}


@pytest.mark.parametrize("rule", RULES)
def test_what_the_rule_returns(rule):
    def program(torch):
        my = cube(torch, vmap=RULES[rule])
        yield fails(lambda: func(torch).vmap(lambda x: my.apply(x))(torch.arange(9.0).reshape(3, 3)))

    assert_same(program)


@programs
def broadcast_gradients(torch):
    f = func(torch)

    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    my = function(
        torch,
        lambda x, y: x * y,
        lambda ctx, g: (g * ctx.saved_tensors[1], g * ctx.saved_tensors[0]),
        setup_context=setup_context,
        generate_vmap_rule=True,
    )
    x, s, xx = torch.tensor([0.5, 1.5]), torch.tensor(3.0), torch.arange(6.0).reshape(3, 2)
    yield f.vmap(f.grad(lambda x, s: my.apply(x, s).sum(), argnums=(0, 1)), in_dims=(0, None))(xx, s)
    yield f.grad(lambda xx, s: f.vmap(my.apply, in_dims=(0, None))(xx, s).sum(), argnums=(0, 1))(xx, s)
    yield f.grad(lambda s: f.vmap(my.apply, in_dims=(None, 0))(x, s).sum())(torch.ones(3))


@programs
def in_place(torch):
    f = func(torch)

    def setup_context(ctx, inputs, output):
        ctx.mark_dirty(inputs[0])

    my = function(
        torch,
        lambda x: x.mul_(2),
        lambda ctx, g: g * 2,
        setup_context=setup_context,
        jvp=lambda ctx, t: t.mul_(2),
        vmap=lambda info, in_dims, x: (my.apply(x), in_dims[0]),
    )

    def doubled(x):
        y = x * 1
        my.apply(y)
        return y

    x, xx = torch.ones(2), torch.ones(3, 2)
    yield f.grad(lambda x: doubled(x).sum())(x), f.jvp(doubled, (x,), (x * 3,))
    yield f.vmap(doubled)(xx), f.vmap(f.grad(lambda x: doubled(x).sum()))(xx)
    yield f.grad(lambda xx: f.vmap(doubled)(xx).sum())(xx), f.jvp(f.vmap(doubled), (xx,), (xx * 3,))


@programs
def outputs_without_gradient(torch):
    f, log = func(torch), []

    def setup_context(ctx, inputs, output):
        ctx.mark_non_differentiable(output[1])
        ctx.set_materialize_grads(False)

    def backward(ctx, g, h):
        log.append([g is None, h is None])
        return g * 2

    my = function(torch, lambda x: (x * 2, x * 3), backward, setup_context=setup_context, generate_vmap_rule=True)
    x = torch.ones(2)
    yield f.grad(lambda x: my.apply(x)[0].sum())(x), f.grad(lambda x: my.apply(x)[1].sum())(x)
    yield f.vmap(my.apply)(x), f.vmap(f.grad(lambda x: my.apply(x)[0]))(x)
    yield f.grad(lambda x: f.vmap(my.apply)(x)[0].sum())(x)
    yield log


@programs
def views_returned(torch):
    f = func(torch)
    for forward in (lambda x: x, lambda x: x.view_as(x), lambda x: x[..., :]):
        my = function(torch, forward, lambda ctx, g: g * 5, setup_context=nothing, generate_vmap_rule=True)
        x, xx = torch.ones(2), torch.ones(3, 2)
        yield f.grad(lambda x, my=my: my.apply(x).sum())(x), f.vmap(my.apply)(xx)
        yield f.vmap(f.grad(lambda x, my=my: my.apply(x).sum()))(xx)
        yield f.grad(lambda xx, my=my: f.vmap(my.apply)(xx).sum())(xx)


@programs
def batched_gradients(torch):
    x = start(torch)

    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    old = function(torch, forward, lambda ctx, g: 2 * g * ctx.saved_tensors[0])
    for my in (cube(torch), old):
        yield torch.autograd.grad(my.apply(x), x, torch.eye(2), is_grads_batched=True)
        yield torch.autograd.functional.jacobian(my.apply, x.detach(), vectorize=True)
        yield torch.autograd.functional.hessian(lambda x, my=my: my.apply(x).sum(), x.detach())


@programs
def matrices(torch):
    f = func(torch)

    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs[:2])

    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w, g.t() @ x, g.sum(0)

    my = function(torch, lambda x, w, b: x @ w.t() + b, backward, setup_context=setup_context, generate_vmap_rule=True)
    x, w, b = torch.arange(12.0).reshape(4, 3) / 5, torch.arange(6.0).reshape(2, 3) / 3, torch.ones(2)

    def loss(w, b, x):
        return (my.apply(x, w, b) ** 2).sum()

    yield f.grad(loss, argnums=(0, 1, 2))(w, b, x)
    yield f.vmap(f.grad(loss, argnums=(0, 1)), in_dims=(None, None, 0))(w, b, x.unsqueeze(1))
    yield f.jacrev(f.grad(loss))(w, b, x), f.jacrev(lambda w: my.apply(x, w, b))(w)


@pytest.mark.parametrize("make", [by_rule, generated], ids=name)
def test_forward_mode_of_forward_mode(make):
    """PyTorch does not see within jvp that its inputs move, and gives zeros; here the second derivative is right."""
    f, my, x = func(rushlight), make(rushlight).apply, rushlight.tensor([0.5, 1.5])
    _, moved = f.jvp(lambda x: f.jvp(my, (x,), (rushlight.ones(2),))[1], (x,), (rushlight.tensor([1.0, 10.0]),))
    assert moved.tolist() == [3.0, 90.0]
    assert f.jacfwd(f.jacfwd(my))(x[0]).item() == 3.0


def test_generated_rule_in_place():
    """PyTorch's generated rule loses that an output is an input; here it may be changed in place."""
    f, xx = func(rushlight), rushlight.ones(3, 2)

    def setup_context(ctx, inputs, output):
        ctx.mark_dirty(inputs[0])

    my = function(
        rushlight,
        lambda x: x.mul_(2),
        lambda ctx, g: g * 2,
        setup_context=setup_context,
        generate_vmap_rule=True,
    )

    def doubled(x):
        y = x * 1
        my.apply(y)
        return y

    assert f.vmap(doubled)(xx).tolist() == (xx * 2).tolist()
    assert f.vmap(f.grad(lambda x: doubled(x).sum()))(xx).tolist() == (xx * 2).tolist()
    assert f.grad(lambda xx: f.vmap(doubled)(xx).sum())(xx).tolist() == (xx * 2).tolist()
