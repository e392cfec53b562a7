"""Gradients of custom Functions: what backward gets and may return, hooks on the node, second derivatives."""

from __future__ import annotations

import pytest

from .both import Programs, assert_same, fails, name
from .test_function_context import function, start

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_gradients(program):
    assert_same(program)


RETURNED = {
    "int": lambda torch, g: torch.ones(2, dtype=torch.int64),
    "bool": lambda torch, g: torch.ones(2, dtype=torch.bool),
    "double": lambda torch, g: g.double(),
    "half": lambda torch, g: torch.ones(2).half(),
    "complex": lambda torch, g: g * (1 + 2j),
    "scalar": lambda torch, g: torch.tensor(3.0),
    "too many axes": lambda torch, g: torch.ones(3, 2),
    "one": lambda torch, g: torch.ones(1),
    "column": lambda torch, g: torch.ones(2, 1),
    "other length": lambda torch, g: torch.ones(3),
    "empty": lambda torch, g: torch.ones(0),
    "expanded": lambda torch, g: torch.ones(1).expand(2),
    "strided": lambda torch, g: torch.ones(4)[::2],
    "itself": lambda torch, g: g,
    "number": lambda torch, g: 1.0,
    "list": lambda torch, g: [g],
    "tuple in a tuple": lambda torch, g: ((g,),),
    "array": lambda torch, g: torch.ones(2).numpy(),
    "none": lambda torch, g: None,
    "nothing": lambda torch, g: (),
    "word": lambda torch, g: "ab",
    "dictionary": lambda torch, g: {"a": g},
    "generator": lambda torch, g: (part for part in [g]),
}


@pytest.mark.parametrize("returned", RETURNED)
@pytest.mark.parametrize("create_graph", [False, True])
def test_what_backward_returns(returned, create_graph):
    def program(torch):
        my = function(torch, lambda ctx, x: x * 2, lambda ctx, g: RETURNED[returned](torch, g))
        for x in (
            start(torch),
            torch.ones(2, dtype=torch.complex64, requires_grad=True),
            torch.ones((), requires_grad=True),
            torch.ones(2, dtype=torch.float64, requires_grad=True),
        ):
            y = my.apply(x).abs().sum()
            (g,) = (fails(lambda x=x, y=y: torch.autograd.grad(y, x, create_graph=create_graph, allow_unused=True)),)
            yield g if isinstance(g, Exception) or g[0] is None else [g[0].detach(), g[0].requires_grad]

    assert_same(program)


NUMBERS = {
    "wrong shape": lambda torch, g: (None, torch.ones(3), g),
    "wrong shape of the last": lambda torch, g: (None, g, torch.ones(5)),
    "for what is no tensor": lambda torch, g: (g, None, None),
    "number for what is no tensor": lambda torch, g: (5, g, g),
    "number": lambda torch, g: (None, 5, g),
    "number at the end": lambda torch, g: (None, g, 7),
    "too few": lambda torch, g: (None, g),
    "too many": lambda torch, g: (None, g, g, g),
    "more, but none": lambda torch, g: (None, g, g, None, None),
}


@pytest.mark.parametrize("returned", NUMBERS)
def test_number_of_gradients(returned):
    def program(torch):
        my = function(torch, lambda ctx, k, x, y: x * y, lambda ctx, g: NUMBERS[returned](torch, g))
        x, y = start(torch), start(torch)
        for arguments in ((1, x, y), (1, x, y.detach()), (torch.ones(2), x, y), (torch.ones(2), x.detach(), y)):
            yield fails(lambda arguments=arguments: my.apply(*arguments).sum().backward())
            yield x.grad, y.grad

    assert_same(program)


@programs
def hooks_see_tensors_only(torch):
    log = []
    x, y = start(torch), start(torch)
    z = function(torch, lambda ctx, k, x, y: x * y, lambda ctx, g: (None, g * 2, None)).apply(1, x, y)
    z.grad_fn.register_hook(lambda inputs, outputs: log.append([inputs, outputs]))
    z.grad_fn.register_prehook(lambda outputs: log.append(outputs))
    (z * 3).sum().backward(retain_graph=True)
    yield log, z.grad_fn.next_functions
    z.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] * 2, None))
    z.sum().backward()
    yield log, x.grad, y.grad


@programs
def hooks_of_several_outputs(torch):
    log = []
    x = start(torch)
    outputs = function(torch, lambda ctx, x: (x * 2, 5, x * 3, x > 1), lambda ctx, a, b, c, d: a).apply(x)
    node = outputs[0].grad_fn
    node.register_hook(lambda inputs, outputs: log.append([inputs, outputs]))
    node.register_prehook(lambda outputs: log.append(outputs))
    outputs[2].register_hook(lambda g: log.append(g))
    outputs[2].sum().backward(retain_graph=True)
    yield log, x.grad
    node.register_prehook(lambda outputs: (None, None, torch.ones(2) * 7, None))
    outputs[2].sum().backward()
    yield log, x.grad


@programs
def metadata_of_the_gradients(torch):
    def forward(ctx, x):
        silent = x * 5
        ctx.mark_non_differentiable(silent)
        return silent, x * 2, 5, x > 1, x * 1j

    node = function(torch, forward).apply(start(torch))[1].grad_fn
    yield [(list(meta.shape), str(meta.dtype)) for meta in node._input_metadata]


@programs
def undefined_gradients(torch):
    log = []
    nothing = function(torch, lambda ctx, x: x * 3, lambda ctx, g: None)
    for materialize in (True, False):

        def forward(ctx, x, materialize=materialize):
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        def backward(ctx, g, h):
            log.append([g, h])
            return g if h is None else h

        my = function(torch, forward, backward)
        for used in (lambda a, b: nothing.apply(a) + b, lambda a, b: nothing.apply(a), lambda a, b: nothing.apply(b)):
            x = start(torch)
            used(*my.apply(x * 1)).sum().backward()
            yield log, x.grad
            found = torch.autograd.grad(used(*my.apply(x)).sum(), x, allow_unused=True, create_graph=True)
            yield log, [None if g is None else g.detach() for g in found]


@programs
def complex_numbers(torch):
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        return a * b

    def backward(ctx, g):
        a, b = ctx.saved_tensors
        return g * b.conj(), (g * a.conj()).real

    my = function(torch, forward, backward)
    a, b = torch.tensor([1 + 2j, 3j], requires_grad=True), torch.tensor([2.0, 3.0], requires_grad=True)
    my.apply(a, b).abs().sum().backward()
    yield a.grad, b.grad
    my.apply(a, b).backward(torch.tensor([1j, 2 + 1j]))
    yield a.grad, b.grad


@programs
def derivatives_of_any_order_through_the_output(torch):
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    x = torch.tensor([0.1, 0.2], dtype=torch.float64, requires_grad=True)
    y = function(torch, forward, lambda ctx, g: g * ctx.saved_tensors[0]).apply(x)
    for _ in range(4):
        (y,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        yield y.detach()


@programs
def second_derivatives_through_two_outputs(torch):
    def forward(ctx, x, y):
        a, b = x * y, x / y
        ctx.save_for_backward(x, y, a, b)
        return a, b

    def backward(ctx, g, h):
        x, y, a, b = ctx.saved_tensors
        return g * y + h * b / x, g * x - h * a / y**3

    my = function(torch, forward, backward)
    x = torch.tensor([0.1, 0.2], dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0.3, 0.5], dtype=torch.float64, requires_grad=True)
    for used in ((0,), (1,), (0, 1)):
        outputs = my.apply(x, y)
        loss = sum((outputs[i] ** 2).sum() for i in used)
        gradients = torch.autograd.grad(loss, (x, y), create_graph=True)
        yield [g.detach() for g in gradients]
        yield torch.autograd.grad(sum((g**2).sum() for g in gradients), (x, y))


@programs
def second_derivative_through_what_is_neither_input_nor_output(torch):
    def forward(ctx, x):
        middle = x * 3
        ctx.save_for_backward(middle)
        return middle * middle

    x = start(torch)
    y = function(torch, forward, lambda ctx, g: g * 6 * ctx.saved_tensors[0]).apply(x)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    yield g.detach()
    yield torch.autograd.grad(g.sum(), x)


@programs
def once_differentiable(torch):
    once = torch.autograd.function.once_differentiable
    x, y = start(torch), start(torch)
    for backward in (lambda ctx, g: (g * 2, None), lambda ctx, g: (g * 2, g * 3)):
        my = function(torch, lambda ctx, x, y: x * y, once(backward))
        (g,) = torch.autograd.grad(my.apply(x, y).sum(), x, create_graph=True)
        yield g
        z = my.apply(x, y)
        gradients = torch.autograd.grad((z * z).sum(), (x, y), create_graph=True, allow_unused=True)
        yield gradients, [(g.grad_fn.name(), g.output_nr) for g in gradients if g is not None]
        yield gradients[0].grad_fn.next_functions
        yield fails(lambda gradients=gradients: gradients[0].sum().backward())


@programs
def once_differentiable_called_by_hand(torch):
    log = []

    @torch.autograd.function.once_differentiable
    def backward(ctx, g, factor=5):
        """Twice the gradient."""
        log.append([torch.is_grad_enabled(), factor])
        return g * 2, None

    yield backward.__name__, backward.__doc__
    yield backward(None, torch.ones(2), factor=7)
    yield backward(None, start(torch))
    with torch.no_grad():
        yield backward(None, start(torch))
    yield log
    for wrong in ((torch.ones(2, dtype=torch.int64),), (True,)):
        error = fails(
            lambda wrong=wrong: torch.autograd.function.once_differentiable(lambda ctx, g: wrong)(None, start(torch))
        )
        yield type(error).__name__
