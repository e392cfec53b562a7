"""Outputs of custom Functions: changed in place, returned as they are, views, not differentiable, of any type."""

from __future__ import annotations

import pytest
import torch as pytorch

from .both import Programs, assert_same, fails, name
from .test_function_context import function, start

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_outputs(program):
    assert_same(program)


def info(tensor):
    """A tensor with what `both.plain` does not show."""
    return [tensor, tensor._is_view(), tensor._version, tensor.output_nr if tensor.requires_grad else None]


def double_(ctx, x):
    """A forward that changes its argument."""
    x.mul_(2)
    ctx.mark_dirty(x)
    return x


# Changed in place


@programs
def dirty_leaf(torch):
    my = function(torch, double_)
    x = start(torch)
    yield fails(lambda: my.apply(x))
    yield info(x)
    with torch.no_grad():
        yield info(my.apply(x)), info(x)
    x = torch.ones(2)
    y = my.apply(x)
    yield y is x, info(y)


@programs
def dirty_and_not_returned(torch):
    def forward(ctx, x):
        double_(ctx, x)
        return x * 1

    for x in (start(torch) * 1, torch.ones(2)):
        yield fails(lambda x=x: function(torch, forward).apply(x))
        yield info(x)


@programs
def dirty_and_no_input(torch):
    my = function(torch, lambda ctx, x: double_(ctx, x * 1), lambda ctx, g: g * 3)
    x = start(torch)
    y = my.apply(x)
    yield info(y), info(my.apply(torch.ones(2)))
    y.sum().backward()
    yield x.grad


@programs
def marked_what_is_no_tensor(torch):
    for method in ("mark_dirty", "mark_non_differentiable"):
        for x in (start(torch), torch.ones(2)):
            for wrong in (5, None):
                my = function(torch, lambda ctx, x, m=method, w=wrong: (getattr(ctx, m)(w), x * 2)[1])
                yield fails(lambda my=my, x=x: my.apply(x))
    for attribute in ("dirty_tensors", "non_differentiable"):
        my = function(torch, lambda ctx, x, a=attribute: (setattr(ctx, a, [x]), x * 2)[1])
        yield fails(lambda my=my: my.apply(start(torch)))


@programs
def dirty_with_another_output(torch):
    log = []

    def backward(ctx, a, b):
        log.append([a, b])
        return a * 2 + b * 6

    my = function(torch, lambda ctx, x: (double_(ctx, x), x * 3), backward)
    x = start(torch)
    y = x * 1
    a, b = my.apply(y)
    yield a is y, info(a), info(b)
    (a * 5).sum().backward(retain_graph=True)
    b.sum().backward()
    yield log, x.grad
    yield fails(lambda: my.apply((start(torch) * 1)[:1]))
    yield [info(output) for output in my.apply(torch.ones(2)[:1])]


@programs
def two_dirty_inputs(torch):
    def forward(ctx, x, y):
        x.mul_(2)
        y.mul_(3)
        ctx.mark_dirty(x, y)
        return x, y

    my = function(torch, forward, lambda ctx, a, b: (a * 2, b * 3))
    x, y = start(torch), start(torch, 3.0, 4.0)
    for given in ((x * 1, y * 1), (x * 1, torch.ones(2)), (torch.ones(2), y * 1)):
        a, b = my.apply(*given)
        yield a is given[0], b is given[1], info(a), info(b)
        (a * b).sum().backward()
        yield x.grad, y.grad


def written_to(torch):
    """Tensors that must or must not be overwritten with something that requires grad."""
    leaf = start(torch)
    yield torch.zeros(2)
    yield torch.zeros(3)[:2]
    yield leaf
    yield leaf[:]
    yield (leaf * 1)[:]
    yield leaf.detach()
    with torch.no_grad():
        views = (leaf * 1)[:], leaf[:]
    yield from views
    base = leaf * 1
    with torch.no_grad():
        views = base[:], base.detach()
    yield from views
    yield (start(torch, 1.0, 2.0, 3.0, 4.0) * 1).chunk(2)[0]


@programs
def dirty_and_written_to(torch):
    def forward(ctx, x, w):
        x.copy_(w)
        ctx.mark_dirty(x)
        return x

    my = function(torch, forward, lambda ctx, g: (None, g * 3))
    for x in written_to(torch):
        w = start(torch)
        y = fails(lambda x=x, w=w: my.apply(x, w))
        yield y, y is x, fails(lambda x=x: info(x)), None if x._base is None else fails(lambda x=x: info(x._base))
        if y is x:
            (y if y._base is None else y._base).sum().backward()
            yield w.grad


@programs
def dirty_view_as_second_argument(torch):
    def forward(ctx, w, x):
        x.copy_(w)
        ctx.mark_dirty(x)
        return x

    for backward in (lambda ctx, g: (g * 3, None), lambda ctx, g: (g * 3, g * 5)):
        my = function(torch, forward, backward)
        w, x = start(torch), start(torch, 1.0, 2.0, 3.0)
        base = x * 1
        my.apply(w, base[:2])
        base.sum().backward()
        yield w.grad, x.grad


@programs
def dirty_view_and_the_other_views(torch):
    my = function(torch, double_, lambda ctx, g: g * 2)
    x = start(torch, 1.0, 2.0, 3.0)
    base = x * 1
    view, other = base[1:], base[:2]
    yield my.apply(view) is view
    yield info(view), info(base), info(other)
    for part in (base * torch.tensor([1.0, 10.0, 100.0]), other, view):
        yield torch.autograd.grad(part.sum(), x, retain_graph=True)


@programs
def dirty_and_saved(torch):
    def saving(first):
        def forward(ctx, x):
            if first:
                ctx.save_for_backward(x)
            x.exp_()
            ctx.mark_dirty(x)
            if not first:
                ctx.save_for_backward(x)
            return x

        return forward

    for first in (False, True):
        my = function(torch, saving(first), lambda ctx, g: g * ctx.saved_tensors[0])
        x = start(torch)
        for shown in (lambda y: y, lambda y: y[:1]):
            y = x * 1
            my.apply(shown(y))
            (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
            yield g.detach(), torch.autograd.grad(g.sum(), x)
        y = my.apply(x * 1)
        y.mul_(2)
        yield fails(lambda y=y: y.sum().backward())


@programs
def changed_and_not_marked(torch):
    def forward(ctx, x):
        ctx.save_for_backward(x)
        x.mul_(2)
        return x * 1

    x = start(torch)
    y = x * 1
    z = function(torch, forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(y)
    yield info(y)
    z.sum().backward()
    yield x.grad


@programs
def dirty_with_hooks_and_retain_grad(torch):
    log = []
    x = start(torch)
    y = x * 1
    y.retain_grad()
    y.register_hook(lambda g: log.append(["before", g]))
    z = function(torch, double_, lambda ctx, g: g * 2).apply(y)
    yield z is y, z.retains_grad
    z.register_hook(lambda g: log.append(["after", g]))
    (z * 3).sum().backward()
    yield log, z.grad, x.grad


@programs
def dirty_in_setup_context(torch):
    def setup_context(ctx, inputs, output):
        ctx.mark_dirty(*inputs)
        ctx.save_for_backward(output)

    my = function(torch, lambda x: x.mul_(2), lambda ctx, g: g * ctx.saved_tensors[0], setup_context=setup_context)
    x = start(torch)
    y = x * 1
    yield my.apply(y) is y, info(y)
    y.sum().backward()
    yield x.grad


@programs
def dirty_integers_and_dirty_without_gradient(torch):
    def with_integers(ctx, x, i):
        return x * 2, double_(ctx, i)

    i = torch.tensor([1, 2])
    a, b = function(torch, with_integers).apply(start(torch), i)
    yield b is i, info(a), info(b)

    def silent(ctx, x):
        ctx.mark_non_differentiable(x)
        return double_(ctx, x)

    y = start(torch) * 1
    z = function(torch, silent).apply(y)
    yield z is y, info(z), info(y)


@programs
def saved_view_that_has_become_unusable(torch):
    def forward(ctx, x):
        part = x[:]
        ctx.save_for_backward(part)
        ctx.mark_non_differentiable(part)
        return double_(ctx, x), part

    x = start(torch)
    y, _ = function(torch, forward, lambda ctx, g, h: g * ctx.saved_tensors[0]).apply(x * 1)
    yield fails(lambda: y.sum().backward())


# Without gradient


@programs
def input_marked_as_not_differentiable(torch):
    log = []

    def forward(ctx, x):
        ctx.mark_non_differentiable(x)
        return x, x * 2

    def backward(ctx, a, b):
        log.append([a, b])
        return b

    for x in (start(torch), start(torch) * 1, torch.ones(2)):
        a, b = function(torch, forward, backward).apply(x)
        yield a is x, info(a), info(b), info(x)
        if b.requires_grad:
            b.sum().backward()
            yield log


@programs
def only_outputs_without_gradient(torch):
    def marking(make):
        def forward(ctx, x):
            y = make(x)
            ctx.mark_non_differentiable(y)
            return y

        return forward

    def made_with_a_graph(x):
        with torch.enable_grad():
            return x * 2

    for make in (lambda x: x * 2, lambda x: x[:1], made_with_a_graph):
        for x in (start(torch), start(torch) * 1):
            y = function(torch, marking(make)).apply(x)
            yield info(y)


@programs
def gradients_that_did_not_arrive(torch):
    log = []

    def giving(materialize):
        def forward(ctx, x):
            silent = x * 2
            ctx.mark_non_differentiable(silent)
            ctx.set_materialize_grads(materialize)
            return silent, x * 3, x > 1, 5, x * 4, None

        return forward

    def backward(ctx, *g):
        log.append(g)
        return g[1]

    for materialize in (True, False):
        x = start(torch)
        outputs = function(torch, giving(materialize), backward).apply(x)
        outputs[1].sum().backward()
        yield log, x.grad


# Views


def views(torch):
    """Forwards that return views, with their names."""
    yield "slice", lambda ctx, x: x[:1]
    yield "slice of a new tensor", lambda ctx, x: (x * 2)[:1]
    yield "two slices", lambda ctx, x: (x[:1], x[1:])
    yield "slice and new tensor", lambda ctx, x: (x[:1], x * 2)
    yield "chunks", lambda ctx, x: x.chunk(2)
    yield "detached", lambda ctx, x: x.detach()
    yield "whole", lambda ctx, x: x.view_as(x)
    yield "itself", lambda ctx, x: x
    yield "itself twice", lambda ctx, x: (x, x)
    yield "itself and new tensor", lambda ctx, x: (x, x * 2)
    yield "data", lambda ctx, x: x.data
    yield "expanded", lambda ctx, x: x.expand(3, 2)


INPUTS = {
    "leaf": lambda torch: start(torch),
    "result": lambda torch: start(torch) * 1,
    "constant": lambda torch: torch.ones(2),
    "view": lambda torch: (start(torch, 1.0, 2.0, 3.0) * 1)[1:],
}


@pytest.mark.parametrize("given", INPUTS)
@pytest.mark.parametrize("kind", [kind for kind, _ in views(pytorch)])
def test_views(kind, given):
    def program(torch):
        my = function(torch, dict(views(torch))[kind], lambda ctx, *g: g[0].sum().expand(2) * 7)

        def apply(x):
            outputs = my.apply(x)
            return outputs if isinstance(outputs, tuple) else (outputs,)

        x = INPUTS[given](torch)
        outputs = apply(x)
        yield [(info(y), y is x, y._base is x, y._base is None) for y in outputs]
        yield fails(lambda: info(outputs[0].mul_(2))), info(x)
        x = INPUTS[given](torch)
        outputs = apply(x)
        with torch.no_grad():
            yield fails(lambda: outputs[0].mul_(2).tolist())
        yield [fails(lambda y=y: info(y)) for y in outputs], fails(lambda: info(x))
        if not x.is_leaf:
            x = INPUTS[given](torch)
            outputs = apply(x)
            x.mul_(2)
            yield info(x), [fails(lambda y=y: info(y)) for y in outputs]

    assert_same(program)


# Other outputs

RETURNED = {
    "none": lambda x: None,
    "number": lambda x: 5,
    "list": lambda x: [x * 2, x * 3],
    "dictionary": lambda x: {"a": x * 2},
    "nothing": lambda x: (),
    "one": lambda x: (x * 2,),
    "nested": lambda x: (x * 2, (x * 3,)),
    "with none": lambda x: (x * 2, None),
    "with list": lambda x: (x * 2, [x]),
    "integers": lambda x: (x * 2, x.long(), x > 1),
    "twice the same": lambda x: (lambda y: (y, y))(x * 2),
}


@pytest.mark.parametrize("kind", RETURNED)
@pytest.mark.parametrize("recorded", [False, True])
def test_returned(kind, recorded):
    def program(torch):
        log = []

        def backward(ctx, *g):
            log.append(g)
            return g[0]

        x = start(torch) if recorded else torch.ones(2)
        result = function(torch, lambda ctx, x: RETURNED[kind](x), backward).apply(x)
        yield result, type(result).__name__
        outputs = [y for y in (result if isinstance(result, tuple) else (result,)) if hasattr(y, "grad_fn")]
        yield [(info(y), y is outputs[0]) for y in outputs]
        if recorded and outputs:
            outputs[0].sum().backward()
            yield log, x.grad

    assert_same(program)


@programs
def tensors_from_outside_returned(torch):
    with torch.no_grad():
        without = (start(torch) * 1)[:1]
    views = start(torch)[:1], (start(torch) * 1)[:1], torch.ones(3)[:2], without
    for outside in (start(torch), start(torch) * 2, torch.ones(2), *views):
        my = function(torch, lambda ctx, x, outside=outside: outside)
        for x in (torch.ones(2), start(torch)):
            y = my.apply(x)
            yield y is outside, info(y)


@programs
def made_with_a_graph_inside(torch):
    w = start(torch)

    def forward(ctx, x):
        with torch.enable_grad():
            return x * w

    my = function(torch, forward, lambda ctx, g: g * 10)
    yield info(my.apply(torch.ones(2)))
    x = start(torch)
    y = my.apply(x)
    yield info(y)
    y.sum().backward()
    yield x.grad, w.grad
