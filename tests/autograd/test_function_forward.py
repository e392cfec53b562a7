"""Custom Functions in forward mode: what jvp gets and may return, in-place changes, views, with backward."""

from __future__ import annotations

import importlib

import pytest

from .both import Programs, assert_same, fails, name
from .test_function_context import function, start

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_forward_mode(program):
    assert_same(program)


def forward_ad(torch):
    return importlib.import_module(f"{torch.__name__}.autograd.forward_ad")


def dual(torch, primal, *tangent):
    return forward_ad(torch).make_dual(primal, torch.tensor(tangent or (1.0, 2.0)))


def parts(torch, tensor):
    """A dual number's values; an error as it is."""
    if not isinstance(tensor, torch.Tensor):
        return tensor
    primal, tangent = forward_ad(torch).unpack_dual(tensor)
    return [
        primal.detach(),
        primal.requires_grad,
        None if tangent is None else [tangent.detach(), tangent.requires_grad],
    ]


def product(torch, log):
    """``x * y * factor``, with everything."""

    def forward(ctx, x, y, factor):
        log.append([torch.is_grad_enabled(), ctx.needs_input_grad, parts(torch, x)])
        ctx.save_for_backward(x, y)
        ctx.save_for_forward(x, y)
        ctx.factor = factor
        return x * y * factor

    def backward(ctx, g):
        x, y = ctx.saved_tensors
        return g * y * ctx.factor, g * x * ctx.factor, None

    def jvp(ctx, a, b, c):
        x, y = ctx.saved_tensors
        log.append([torch.is_grad_enabled(), a, b, c, parts(torch, x)])
        return ctx.factor * (y * a + x * b)

    return function(torch, forward, backward, jvp=jvp)


@programs
def values(torch):
    log = []
    my = product(torch, log)
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    with forward_ad(torch).dual_level():
        d = dual(torch, x, 1.0, 10.0)
        for arguments in ((d, y), (y, d), (d, d), (x, y)):
            yield parts(torch, my.apply(*arguments, 2.0)), log
        with torch.no_grad():
            yield parts(torch, my.apply(d, y, 2.0))


@programs
def with_backward(torch):
    my = product(torch, [])
    x, y = start(torch), start(torch, 3.0, 4.0)
    with forward_ad(torch).dual_level():
        out = my.apply(dual(torch, x, 1.0, 10.0), y, 2.0)
        yield parts(torch, out), out.requires_grad
        for root in (out.sum(), (out * out).sum()):
            for create_graph in (False, True):
                found = torch.autograd.grad(root, (x, y), retain_graph=True, create_graph=create_graph)
                yield [parts(torch, g)[0] for g in found]
                yield [None if (t := forward_ad(torch).unpack_dual(g).tangent) is None else t.detach() for g in found]
        tangent = forward_ad(torch).unpack_dual(out).tangent
        yield torch.autograd.grad(tangent.sum(), (x, y))


@programs
def twice(torch):
    my = product(torch, [])
    x = start(torch)
    with forward_ad(torch).dual_level():
        out = my.apply(dual(torch, x, 1.0, 0.0), torch.ones(2), 1.0)
        yield parts(torch, my.apply(out, out, 3.0))


@programs
def without_jvp(torch):
    my = function(torch, lambda ctx, x: x * 2)
    with forward_ad(torch).dual_level():
        yield fails(lambda: my.apply(dual(torch, torch.ones(2))))
        yield my.apply(torch.ones(2))


RETURNED = {
    "the tangent": lambda torch, t: t,
    "in a tuple": lambda torch, t: (t,),
    "two": lambda torch, t: (t, t),
    "nothing": lambda torch, t: (),
    "none": lambda torch, t: None,
    "number": lambda torch, t: 5.0,
    "list": lambda torch, t: [t],
    "other length": lambda torch, t: torch.ones(3),
    "one": lambda torch, t: torch.ones(1),
    "double": lambda torch, t: t.double(),
    "complex": lambda torch, t: t * 1j,
    "integers": lambda torch, t: t.long(),
    "leaf": lambda torch, t: start(torch),
    "error": lambda torch, t: 1 / 0,
}


@pytest.mark.parametrize("returned", RETURNED)
def test_what_jvp_returns(returned):
    def program(torch):
        my = function(torch, lambda ctx, x: x * 2, jvp=lambda ctx, t: RETURNED[returned](torch, t))
        with forward_ad(torch).dual_level():
            result = fails(lambda: my.apply(dual(torch, torch.ones(2))))
            yield type(result).__name__ if returned == "error" else parts(torch, result)

    assert_same(program)


def silent(ctx, x):
    y = x * 3
    ctx.mark_non_differentiable(y)
    return x * 2, y


FORWARDS = {
    "two": lambda ctx, x: (x * 2, x * 3),
    "integers": lambda ctx, x: (x * 2, x.long()),
    "number": lambda ctx, x: (x * 2, 5),
    "none": lambda ctx, x: (x * 2, None),
    "not differentiable": silent,
}


@pytest.mark.parametrize("forward", FORWARDS)
def test_two_outputs(forward):
    def program(torch):
        for jvp in (
            lambda ctx, t: (t * 2, t * 3), lambda ctx, t: (t, None), lambda ctx, t: (None, t),
            lambda ctx, t: t, lambda ctx, t: (t, t, t),
        ):  # fmt: skip
            my = function(torch, FORWARDS[forward], jvp=jvp)
            with forward_ad(torch).dual_level():
                outputs = fails(lambda my=my: my.apply(dual(torch, torch.ones(2))))
                yield [parts(torch, y) for y in outputs] if isinstance(outputs, tuple) else outputs

    assert_same(program)


@programs
def tangents_that_are_not_there(torch):
    log = []
    for materialize in (True, False):

        def forward(ctx, x, y, i, k, materialize=materialize):
            ctx.set_materialize_grads(materialize)
            return x + y

        def jvp(ctx, *tangents):
            log.append(tangents)
            return tangents[0] if tangents[0] is not None else tangents[1]

        my = function(torch, forward, jvp=jvp)
        with forward_ad(torch).dual_level():
            d, plain, integers = dual(torch, torch.ones(2)), torch.ones(2).double(), torch.tensor([1, 2])
            yield parts(torch, my.apply(d, plain, integers, 5)), log
            yield parts(torch, my.apply(torch.ones(2), d, integers, None)), log


@programs
def what_jvp_finds_saved(torch):
    log = []

    def jvp(ctx, t):
        log.append([parts(torch, tensor) for tensor in ctx.saved_tensors])
        return t

    def saving(method):
        def forward(ctx, x):
            y = x * 2
            getattr(ctx, method)(x, y, None)
            return y

        return forward

    for method in ("save_for_backward", "save_for_forward"):
        my = function(torch, saving(method), jvp=jvp)
        with forward_ad(torch).dual_level():
            for x in (torch.ones(2), start(torch)):
                y = my.apply(dual(torch, x))
                yield log
            yield len(y.grad_fn.saved_tensors), y.grad_fn.saved_for_forward


@programs
def with_setup_context(torch):
    log = []

    def setup_context(ctx, inputs, output):
        log.append([[parts(torch, x) for x in inputs], parts(torch, output), output.requires_grad])
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    my = function(
        torch,
        lambda x, y: x * y,
        lambda ctx, g: (g * ctx.saved_tensors[1], g * ctx.saved_tensors[0]),
        setup_context=setup_context,
        jvp=lambda ctx, a, b: a * ctx.saved_tensors[1] + b * ctx.saved_tensors[0],
    )
    x, y = start(torch), start(torch, 3.0, 4.0)
    with forward_ad(torch).dual_level():
        out = my.apply(dual(torch, x), dual(torch, y, 1.0, 5.0))
        yield parts(torch, out), log
        yield [parts(torch, g) for g in torch.autograd.grad(out.sum(), (x, y))]


@programs
def an_error_in_jvp(torch):
    def jvp(ctx, t):
        raise KeyError("failed")

    with forward_ad(torch).dual_level():
        d = dual(torch, torch.ones(2))
        yield type(fails(lambda: function(torch, lambda ctx, x: x * 2, jvp=jvp).apply(d))).__name__
        yield torch.is_grad_enabled(), parts(torch, d * 2)


@programs
def tangents_that_require_grad(torch):
    my = function(torch, lambda ctx, x: x * 2, jvp=lambda ctx, t: t * 2)
    with forward_ad(torch).dual_level():
        t = start(torch)
        y = my.apply(forward_ad(torch).make_dual(torch.ones(2), t))
        yield parts(torch, y)
        yield torch.autograd.grad(forward_ad(torch).unpack_dual(y).tangent.sum(), t)
        with torch.no_grad():
            yield parts(torch, my.apply(forward_ad(torch).make_dual(torch.ones(2), t)))


# In place


def scale_(ctx, x, y):
    """A forward that multiplies its first argument."""
    x.mul_(y)
    ctx.mark_dirty(x)
    ctx.save_for_forward(y)
    return x


IN_PLACE = {
    "in place": lambda ctx, t, u: t.mul_(ctx.saved_tensors[0]),
    "a new tensor": lambda ctx, t, u: t * 3,
    "unchanged": lambda ctx, t, u: t,
    "none": lambda ctx, t, u: None,
    "changed, but a copy": lambda ctx, t, u: t.mul_(2) * 1,
}


@pytest.mark.parametrize("jvp", IN_PLACE)
def test_in_place(jvp):
    def program(torch):
        my = function(torch, scale_, lambda ctx, g: (g, None), jvp=IN_PLACE[jvp])
        factor = torch.tensor([2.0, 3.0])

        def shown(base, x, *arguments):
            y = fails(lambda: my.apply(x, *arguments))
            return [y is x, parts(torch, y), parts(torch, base), base._version]

        with forward_ad(torch).dual_level():
            d = dual(torch, torch.ones(2))
            yield shown(d, d, factor)
            x = torch.ones(2)
            yield shown(x, x, dual(torch, factor))
            x = torch.ones(3)
            yield shown(x, x[:2], dual(torch, factor))
            d = dual(torch, torch.ones(3), 1.0, 2.0, 3.0)
            yield shown(d, d[:2], factor)
            d = dual(torch, start(torch) * 1)
            yield shown(d, d, factor)

    assert_same(program)


# Views

SHOWN = {
    "slice": lambda ctx, x: x[:1],
    "itself": lambda ctx, x: x,
    "new": lambda ctx, x: x * 2,
    "whole": lambda ctx, x: x.view_as(x),
    "detached": lambda ctx, x: x.detach(),
}
MOVED = {
    "slice": lambda ctx, t: t[:1],
    "itself": lambda ctx, t: t,
    "new": lambda ctx, t: t * 2,
    "new slice": lambda ctx, t: t[:1] * 2,
    "whole": lambda ctx, t: t.view_as(t),
}


@pytest.mark.parametrize("forward", SHOWN)
@pytest.mark.parametrize("jvp", MOVED)
def test_views(forward, jvp):
    def program(torch):
        my = function(torch, SHOWN[forward], lambda ctx, g: g.sum().expand(2), jvp=MOVED[jvp])
        with forward_ad(torch).dual_level():
            for x in (torch.ones(2), start(torch), start(torch) * 1):
                d = dual(torch, x)
                y = fails(lambda d=d: my.apply(d))
                yield parts(torch, y)
                if isinstance(y, torch.Tensor):
                    yield y._is_view()
                    if not x.requires_grad:
                        yield parts(torch, y.mul_(2)), parts(torch, d)

    assert_same(program)
