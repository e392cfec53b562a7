"""The context of custom Functions: what it saves and shows, arguments by name, life and death of its node."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest

import rushlight

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_context(program):
    assert_same(program)


def start(torch, *values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


def function(torch, forward, backward=lambda ctx, *g: g[0], **methods):
    """A Function of these static methods."""
    methods |= {"forward": forward, "backward": backward}
    namespace = {name: staticmethod(value) if callable(value) else value for name, value in methods.items()}
    return type("My", (torch.autograd.Function,), namespace)


def save(*tensors):
    """A forward that saves and doubles."""

    def forward(ctx, x):
        ctx.save_for_backward(x, *tensors)
        return x * 2

    return forward


@programs
def names_of_the_module(torch):
    module = torch.autograd.function
    yield sorted(module.__all__)
    yield (
        isinstance(torch.autograd.Function, module.FunctionMeta),
        issubclass(torch.autograd.Function, module.FunctionCtx),
    )
    node = function(torch, save()).apply(start(torch)).grad_fn
    yield isinstance(node, torch.autograd.graph.Node), isinstance(node, module.BackwardCFunction)
    yield isinstance(node, module.FunctionCtx)


@programs
def the_node(torch):
    my = function(torch, save())
    node = my.apply(start(torch)).grad_fn
    yield node.name(), type(node) is my._backward_cls, node._forward_cls is my
    yield node.needs_input_grad, node.metadata, node.next_functions
    yield node.to_save, node.dirty_tensors, node.non_differentiable, node.saved_for_forward
    yield repr(node).split(" object at ")[0]


@programs
def attributes_in_forward_and_backward(torch):
    log = []

    def show(ctx):
        log.append([ctx.to_save, ctx.dirty_tensors, ctx.non_differentiable, ctx.saved_for_forward])
        log.append([ctx.needs_input_grad, fails(lambda: ctx.saved_tensors), ctx.name(), ctx.next_functions])

    def forward(ctx, x):
        show(ctx)
        ctx.save_for_backward(x)
        show(ctx)
        ctx.save_for_forward(x, None)
        ctx.mark_non_differentiable()
        show(ctx)
        ctx.note = 5
        return x * 2

    def backward(ctx, g):
        show(ctx)
        log.append([ctx.note, type(fails(lambda: ctx.other)).__name__])
        ctx.other = 7
        return g

    y = function(torch, forward, backward).apply(start(torch))
    y.sum().backward()
    yield log
    yield y.grad_fn.other


@programs
def the_context_of_what_is_not_recorded(torch):
    kept = []

    def forward(ctx, x):
        ctx.save_for_backward(x)
        kept.append(ctx)
        return x * 2

    my = function(torch, forward)
    yield my.apply(torch.ones(2))
    with torch.no_grad():
        yield my.apply(start(torch))
    yield [(ctx.to_save, ctx.saved_tensors, ctx.next_functions, ctx.needs_input_grad) for ctx in kept]


@programs
def saved_tensors_are_the_same_objects(torch):
    log = []

    def forward(ctx, x, y):
        product, other = x * y, x + 1
        ctx.save_for_backward(x, y, product, other, None)
        return product

    def backward(ctx, g):
        a, b, product, other, nothing = ctx.saved_tensors
        log.append([a is x, b is y, product is z, product.grad_fn is z.grad_fn, nothing])
        log.append([a, b, product, other])
        return g * b, g * a

    x = start(torch)
    y = x * 3
    z = function(torch, forward, backward).apply(x, y)
    z.sum().backward()
    yield log
    yield x.grad


@programs
def saved_parameters_and_attributes(torch):
    log = []

    def backward(ctx, g):
        a, b = ctx.saved_tensors
        log.append([type(a).__name__, a is parameter, b.note])
        return g

    parameter, constant = torch.nn.Parameter(torch.ones(2)), torch.ones(2)
    constant.note = 5
    function(torch, save(constant), backward).apply(parameter).sum().backward()
    yield log


@programs
def saving_again_in_backward(torch):
    log = []

    def backward(ctx, g):
        ctx.save_for_backward(g)
        log.append([ctx.to_save, ctx.saved_tensors])
        return g

    y = function(torch, save(None), backward).apply(start(torch))
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    yield log


@programs
def what_cannot_be_saved(torch):
    for wrong in (5, "word", [torch.ones(2)], {"a": 1}):
        my = function(torch, save(wrong))
        yield fails(lambda my=my: my.apply(start(torch)))
        yield fails(lambda my=my: my.apply(torch.ones(2)))

    def forward(ctx, x):
        ctx.to_save = [x]
        return x * 2

    yield fails(lambda: function(torch, forward).apply(start(torch)))
    yield fails(lambda: torch.autograd.function.FunctionCtx().save_for_forward(5))

    def loud(ctx, x):
        ctx.set_materialize_grads(5)
        return x * 2

    yield fails(lambda: function(torch, loud).apply(start(torch)))


@programs
def after_backward_nothing_saved_is_there(torch):
    for forward in (save(), save(None), lambda ctx, x: x * 2):
        my = function(torch, forward)
        y = my.apply(start(torch))
        yield len(y.grad_fn.saved_tensors)
        y.sum().backward()
        yield fails(lambda y=y: y.grad_fn.saved_tensors)
        y.backward(torch.ones(2))  # this backward asks for nothing saved
    y = function(torch, save(), lambda ctx, g: g * ctx.saved_tensors[0]).apply(start(torch))
    y.sum().backward()
    yield fails(lambda: y.backward(torch.ones(2)))


@programs
def cleared_when_accessed(torch):
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * x

    my = function(torch, save(), backward, clear_saved_tensors_on_access=True)
    x = start(torch)
    y = my.apply(x)
    y.sum().backward(retain_graph=True)
    yield x.grad
    yield fails(lambda: y.sum().backward())
    yield fails(lambda: y.grad_fn.saved_tensors)
    y = my.apply(x)
    yield y.grad_fn.saved_tensors
    yield fails(lambda: y.grad_fn.saved_tensors)


@programs
def cleared_by_hand(torch):
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        ctx.maybe_clear_saved_tensors()
        return g * x

    for clear in (False, True):
        my = function(torch, save(), backward, clear_saved_tensors_on_access=clear)
        x = start(torch)
        y = my.apply(x)
        y.sum().backward(retain_graph=True)
        yield x.grad
        yield fails(lambda y=y: y.grad_fn.saved_tensors)


@programs
def gradients_in_one_list(torch):
    my = function(
        torch, lambda ctx, x: (x * 2, x * 3), lambda ctx, grads: grads.pop() + len(grads), boxed_grads_call=True
    )
    x = start(torch)
    my.apply(x)[1].sum().backward()
    yield x.grad


@programs
def the_node_called_by_hand(torch):
    y = function(torch, lambda ctx, x, k: x * k, lambda ctx, g: (g * 5, None)).apply(start(torch), 2)
    yield y.grad_fn.apply(torch.ones(2))
    yield fails(lambda: y.grad_fn.apply_jvp(torch.ones(2), None))
    yield type(fails(lambda: y.grad_fn(torch.ones(2)))).__name__


@programs
def hooks_on_what_is_saved(torch):
    log = []

    def pack(tensor):
        log.append(["pack", tensor])
        return tensor * 3

    def unpack(tensor):
        log.append(["unpack", tensor])
        return tensor

    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(x, None, y, y * 2)
        return y

    my = function(torch, forward, lambda ctx, g: g * ctx.saved_tensors[0])
    x = start(torch)
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = my.apply(x)
    y.sum().backward()
    yield log
    yield x.grad
    y = my.apply(x)
    y.grad_fn._raw_saved_tensors[0].register_hooks(pack, unpack)
    y.sum().backward()
    yield x.grad, len(log)


# Arguments


def shown(log, call):
    """What a call gives, what its backward gives, and what was logged."""
    log.clear()
    y = fails(call)
    error = fails(lambda: y.sum().backward()) if hasattr(y, "requires_grad") and y.requires_grad else None
    return [y, error, [*log]]


@programs
def arguments_by_name(torch):
    log = []

    def forward(ctx, x, factor=None, shift=1):
        log.append(ctx.needs_input_grad)
        return x * (2 if factor is None else factor) + shift

    my = function(torch, forward)
    x, factor = start(torch), start(torch)
    for call in (
        lambda: my.apply(x),
        lambda: my.apply(x=x),
        lambda: my.apply(x, factor=factor),
        lambda: my.apply(x, factor=torch.ones(2)),
        lambda: my.apply(torch.ones(2), factor=factor),
        lambda: my.apply(factor=2, x=x),
        lambda: my.apply(x, 2, shift=3),
        lambda: my.apply(x, shift=3),
        lambda: my.apply(x, x=2),
        lambda: my.apply(x, other=2),
        lambda: my.apply(factor=2),
        lambda: my.apply(ctx=2),
    ):
        yield shown(log, call)


@programs
def arguments_by_name_with_setup_context(torch):
    log = []

    def setup_context(ctx, inputs, output):
        log.append([len(inputs), ctx.needs_input_grad])
        ctx.factor = inputs[1]

    my = function(
        torch, lambda x, factor=3: x * factor, lambda ctx, g: (g * ctx.factor, None), setup_context=setup_context
    )
    x = start(torch)
    for call in (
        lambda: my.apply(x),
        lambda: my.apply(x, 4),
        lambda: my.apply(x, factor=5),
        lambda: my.apply(factor=5, x=x),
        lambda: my.apply(x, other=5),
    ):
        yield shown(log, call)
    yield x.grad


@programs
def wrong_arguments_are_type_errors(torch):
    def nothing(ctx, inputs, output):
        pass

    x = start(torch)
    with_setup = function(torch, lambda x, *, k=3: x * k, setup_context=nothing)
    several = function(torch, lambda x, *rest: x * len(rest), setup_context=nothing)
    named = function(torch, lambda ctx, x, **rest: x * len(rest))
    for call in (
        lambda: with_setup.apply(x, k=5),
        lambda: with_setup.apply(x),
        lambda: several.apply(),
        lambda: several.apply(x, 1, 2),
        lambda: named.apply(x, a=2),
    ):
        result = fails(call)
        yield result if hasattr(result, "grad_fn") else type(result).__name__


# Errors


@programs
def methods_that_are_missing(torch):
    base = torch.autograd.Function
    for call in (base.forward, base.backward, base.vjp, base.jvp, base.apply):
        yield fails(lambda call=call: call(torch.ones(2)))
    yield fails(lambda: base.setup_context(None, (), None))


@programs
def errors_in_setup_context(torch):
    def broken(ctx, inputs, output):
        raise KeyError("broken")

    my = function(torch, lambda x: x * 2, setup_context=broken)
    yield type(fails(lambda: my.apply(start(torch)))).__name__, torch.is_grad_enabled()
    with torch.no_grad():
        yield type(fails(lambda: my.apply(start(torch)))).__name__, torch.is_grad_enabled()
    my = function(torch, lambda x: x * 2, setup_context=lambda ctx, inputs: None)
    yield type(fails(lambda: my.apply(start(torch)))).__name__


@programs
def what_setup_context_sees(torch):
    log = []

    def setup_context(ctx, inputs, output):
        log.append([type(inputs).__name__, inputs[0] is x, inputs, output, torch.is_grad_enabled()])
        return 5

    x = start(torch)
    function(torch, lambda x: x * 2, setup_context=setup_context).apply(x)
    yield log


@programs
def an_input_returned_and_saved_by_setup_context(torch):
    def saving(output_too, mark=False):
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(output if output_too else inputs[0])
            if mark:
                ctx.mark_non_differentiable(output)

        return setup_context

    def both(x):
        return x, x * 2

    for forward, output_too in (
        (lambda x: x, False),
        (lambda x: x, True),
        (both, False),
        (lambda x: x.view_as(x), False),
        (lambda x: x.view_as(x), True),
        (lambda x: x * 2, False),
        (lambda x: x * 2, True),
    ):
        my = function(torch, forward, setup_context=saving(output_too))
        for x in (start(torch), start(torch) * 1, torch.ones(2)):
            yield fails(lambda my=my, x=x: my.apply(x))
    yield fails(lambda: function(torch, lambda x: x, setup_context=saving(True, True)).apply(start(torch)))


@programs
def instances(torch):
    my = function(torch, lambda ctx, x: x * 2)
    yield fails(lambda: my()(start(torch)))
    yield my().apply(start(torch))

    class Legacy(torch.autograd.Function):
        def forward(self, x):
            return x * 2

    yield fails(lambda: Legacy()(start(torch)))

    class InPlace(torch.autograd.function.InplaceFunction):
        forward = staticmethod(lambda ctx, x: x * 2)
        backward = staticmethod(lambda ctx, g: g * 3)

    x = start(torch)
    InPlace.apply(x).sum().backward()
    yield x.grad, InPlace(True).inplace, InPlace().inplace


@programs
def both_backward_and_vjp(torch):
    y = function(torch, lambda ctx, x: x * 2, vjp=lambda ctx, g: g).apply(start(torch))
    yield fails(lambda: y.sum().backward())


@programs
def copies(torch):
    my = function(torch, lambda ctx, x: x * 2)
    node = my.apply(start(torch)).grad_fn
    yield type(fails(lambda: pickle.dumps(node))).__name__, type(fails(lambda: copy.deepcopy(node))).__name__
    base = torch.autograd.Function
    yield pickle.loads(pickle.dumps(base)) is base, copy.deepcopy(my) is my


# Modes and failures


@programs
def grad_mode_changed_within_forward(torch):
    def enabling(fail):
        def forward(ctx, x):
            torch.set_grad_enabled(True)
            if fail:
                raise KeyError("failed")
            return x * 2

        return forward

    for fail in (False, True):
        for mode in (torch.no_grad(), torch.enable_grad(), torch.inference_mode()):
            with mode:
                result = fails(lambda fail=fail: function(torch, enabling(fail)).apply(start(torch)))
                yield type(result).__name__ if fail else result
                yield torch.is_grad_enabled()


@programs
def inference_tensors(torch):
    with torch.inference_mode():
        x = torch.ones(2)
    w = start(torch)
    log = []

    def forward(ctx, a, b):
        log.append((torch.is_grad_enabled(), torch.is_inference_mode_enabled()))
        ctx.save_for_backward(a, b)
        return a * b

    my = function(torch, forward, lambda ctx, g: (g, g))
    yield fails(lambda: my.apply(w, x))
    yield fails(lambda: my.apply(x, x))
    with torch.inference_mode():
        y = my.apply(w, x)
        yield y.is_inference(), y.requires_grad
    yield log
    yield fails(lambda: function(torch, lambda ctx, a, b: a * b, lambda ctx, g: (g, g)).apply(w, x))


@programs
def an_error_in_forward_leaves_what_was_written(torch):
    def forward(ctx, x):
        x.mul_(2)
        ctx.mark_dirty(x)
        raise KeyError("failed")

    x = start(torch)
    y = x * 1
    yield type(fails(lambda: function(torch, forward).apply(y))).__name__, torch.is_grad_enabled()
    yield y, y._version
    y.sum().backward()
    yield x.grad


@programs
def an_error_in_backward_can_be_tried_again(torch):
    calls = []

    def backward(ctx, g):
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("failed")
        return g * ctx.saved_tensors[0]

    x = start(torch)
    total = function(torch, save(), backward).apply(x).sum()
    yield type(fails(lambda: total.backward())).__name__, torch.is_grad_enabled(), x.grad
    total.backward()
    yield x.grad


@programs
def backward_within_backward(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_()
                ctx.y = (ctx.x**3).sum()
            return ctx.y.detach()

        @staticmethod
        def backward(ctx, g):
            with torch.enable_grad():
                ctx.y.backward(g)
            return ctx.x.grad

    x = start(torch)
    Cube.apply(x * 2).backward()
    yield x.grad

    def onto_the_same_leaf(ctx, g):
        with torch.enable_grad():
            (x * x).sum().backward()
        return g * 2

    function(torch, lambda ctx, x: x * 2, onto_the_same_leaf).apply(x).sum().backward()
    yield x.grad


# Memory


def saves_all(x):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(x, y, y * 2)
        return y

    return function(rushlight, forward, lambda ctx, g: g * ctx.saved_tensors[1]).apply(x * 1)


def changes(x):
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x.exp_()

    return function(rushlight, forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x * 1)


def changes_a_view(x):
    def forward(ctx, x):
        ctx.mark_dirty(x)
        ctx.save_for_backward(x)
        return x.exp_()

    base = x * 1
    function(rushlight, forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(base[:1])
    return base


def gives_two(x):
    def forward(ctx, x):
        a, b = x * 2, x * 3
        ctx.save_for_backward(a, b)
        return a, b

    return function(rushlight, forward, lambda ctx, g, h: g * ctx.saved_tensors[1] + h).apply(x * 1)[0]


def is_saved_and_then_changed(x):
    y = x * 1
    return y.mul_(function(rushlight, save(), lambda ctx, g: g).apply(y))


def is_a_gradient(x):
    return rushlight.autograd.grad(saves_all(x).sum(), x, create_graph=True)[0]


def cannot_be_differentiated_again(x):
    backward = rushlight.autograd.function.once_differentiable(lambda ctx, g: g * 2)
    y = function(rushlight, save(), backward).apply(x * 1)
    return rushlight.autograd.grad((y * y).sum(), x, create_graph=True)[0]


@pytest.mark.parametrize(
    "make",
    [
        saves_all, changes, changes_a_view, gives_two, is_saved_and_then_changed, is_a_gradient,
        cannot_be_differentiated_again,
    ],
    ids=name,
)  # fmt: skip
@pytest.mark.parametrize("backward", [False, True])
def test_freed_without_the_collector(make, backward):
    gc.disable()
    try:
        y = make(rushlight.ones(2, requires_grad=True))
        if backward:
            fails(y.sum().backward)
        tensor, node = weakref.ref(y), weakref.ref(y.grad_fn)
        del y
        assert tensor() is None
        assert node() is None
    finally:
        gc.enable()
