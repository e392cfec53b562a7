"""Backward through what forward mode, vmap and the transformations of `torch.func` computed, as in PyTorch."""

from __future__ import annotations

import importlib

import pytest

from .both import Programs, assert_same, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_mixed(program):
    assert_same(program)


def func(torch):
    return importlib.import_module(f"{torch.__name__}.func")


def number(x):
    return (x**3 * x.sin()).sum()


def leaves(torch):
    return tuple(torch.tensor(values, dtype=torch.float64, requires_grad=True) for values in ([1.0, 2.0], [0.5, 0.3]))


def shown(torch, value, *inputs):
    """The value, and the gradients of the sum of its squares."""
    return [x.detach() for x in (value, *torch.autograd.grad((value * value).sum(), inputs))]


@programs
def tangent_of_a_value(torch):
    x, t = leaves(torch)
    with torch.autograd.forward_ad.dual_level():
        tangent = torch.autograd.forward_ad.unpack_dual(number(torch.autograd.forward_ad.make_dual(x, t))).tangent
    yield shown(torch, tangent, x, t)


@programs
def tangent_of_a_gradient(torch):
    x, t = leaves(torch)
    with torch.autograd.forward_ad.dual_level():
        dual = torch.autograd.forward_ad.make_dual(x, t)
        (gradient,) = torch.autograd.grad(number(dual), dual, create_graph=True)
        tangent = torch.autograd.forward_ad.unpack_dual(gradient).tangent
    yield shown(torch, tangent, x, t)


@programs
def jvp_of_grad(torch):
    x, t = leaves(torch)
    yield shown(torch, func(torch).jvp(func(torch).grad(number), (x,), (t,))[1], x, t)


@programs
def grad_of_jvp_of_grad(torch):
    x, t = leaves(torch)

    def along(x):
        return func(torch).jvp(func(torch).grad(number), (x,), (t,))[1].sum()

    yield func(torch).grad(along)(x.detach())
    yield shown(torch, func(torch).grad(along)(x), x, t)


@programs
def jvp_of_grad_of_what_it_closes_over(torch):
    x, t = leaves(torch)
    gradient = func(torch).grad(lambda y: (y * x).sin().sum())
    yield shown(torch, func(torch).jvp(gradient, (x * 2,), (x * t,))[1], x, t)


@programs
def second_derivatives(torch):
    x, _ = leaves(torch)
    hessian, jacfwd, jacrev = func(torch).hessian, func(torch).jacfwd, func(torch).jacrev
    for matrix in (hessian(number), jacfwd(jacfwd(number)), jacrev(jacrev(number)), jacrev(jacfwd(number))):
        yield shown(torch, matrix(x), x)


@programs
def batches_of_gradients(torch):
    x, t = leaves(torch)
    batch = torch.stack([x, t, x * t])
    yield shown(torch, func(torch).vmap(func(torch).grad(number))(batch), x, t)
    yield shown(torch, func(torch).vmap(func(torch).hessian(number))(batch), x, t)


@programs
def jacobian_of_a_batch_of_gradients(torch):
    x, t = leaves(torch)
    yield shown(
        torch,
        func(torch).jacfwd(lambda z: func(torch).vmap(func(torch).grad(number))(torch.stack([z, z * t])))(x),
        x,
        t,
    )


@programs
def vjp_of_grad(torch):
    x, t = leaves(torch)
    _, pull = func(torch).vjp(func(torch).grad(number), x)
    yield shown(torch, pull(t)[0], x, t)


@programs
def changes_in_place(torch):
    x, t = leaves(torch)

    def changing(x):
        return ((x * 1).mul_(x).mul_(x).exp_() * x.clone().sin_()).sum()

    yield shown(torch, func(torch).jvp(changing, (x,), (t,))[1], x, t)
    yield shown(torch, func(torch).jacfwd(changing)(x), x)
    yield shown(torch, func(torch).grad(changing)(x), x)
    yield shown(torch, func(torch).hessian(changing)(x), x)


# What PyTorch refuses inside of a function that is transformed

REFUSED = {
    "backward": lambda torch, x: (x * 2).sum().backward(),
    "requires_grad_": lambda torch, x: x.requires_grad_(),
    "requires_grad_ of another tensor": lambda torch, x: torch.ones(3).requires_grad_(),
    "retain_grad": lambda torch, x: x.retain_grad(),
    "hessian": lambda torch, x: torch.autograd.functional.hessian(lambda y: (y**2).sum(), torch.ones(3)),
}


@pytest.mark.parametrize(
    "transformation, refused",
    [
        (transformation, refused)
        for transformation in ("grad", "vmap", "jvp")
        for refused in REFUSED
        if transformation == "grad" or refused != "retain_grad"  # which needs a tensor that requires grad
    ],
)
def test_refused_when_transformed(transformation, refused):
    def program(torch):
        def f(x):
            REFUSED[refused](torch, x)
            return x.sum()

        ones = torch.ones(3) if transformation == "grad" else torch.ones(2, 3)
        if transformation == "jvp":
            yield func(torch).jvp(f, (ones,), (ones,))
        else:
            yield getattr(func(torch), transformation)(f)(ones)

    assert_same(program)


@programs
def hooks_of_batched_gradients_are_not_transformed(torch):
    x = torch.ones(3, requires_grad=True)
    y = x * x
    seen = []
    y.register_hook(lambda g: seen.append(torch.ones(3).requires_grad_().requires_grad))
    yield torch.autograd.grad(y, x, torch.ones(2, 3), is_grads_batched=True)
    yield seen
