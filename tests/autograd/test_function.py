"""Custom Functions: everything that their context offers; run with PyTorch and with Rushlight."""

from __future__ import annotations

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_function(program):
    assert_same(program)


def start(torch, *values):
    return torch.tensor(values or (1.0, 2.0), requires_grad=True)


@programs
def square(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = start(torch)
    y = Square.apply(x)
    yield y
    yield y.grad_fn.name()
    yield type(y.grad_fn).__name__
    yield y.grad_fn.next_functions
    y.sum().backward()
    yield x.grad
    yield fails(lambda: y.sum().backward())


@programs
def setup_context(torch):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x, factor):
            return x * factor

        @staticmethod
        def setup_context(ctx, inputs, output):
            x, factor = inputs
            ctx.factor = factor
            ctx.save_for_backward(x, output)

        @staticmethod
        def backward(ctx, g):
            x, output = ctx.saved_tensors
            return g * ctx.factor + 0 * x + 0 * output, None

    x = start(torch)
    y = Scale.apply(x, 3.0)
    yield y
    y.sum().backward()
    yield x.grad


@programs
def needs_input_grad(torch):
    log = []

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, c):
            log.append(ctx.needs_input_grad)
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            log.append(ctx.needs_input_grad)
            a, b = ctx.saved_tensors
            return g * b, None, None

    x = start(torch)
    Product.apply(x, torch.ones(2), 5).sum().backward()
    yield log
    yield x.grad


@programs
def not_recorded_inside(torch):
    log = []

    class Inside(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x * 2
            log.append((torch.is_grad_enabled(), y.requires_grad, x.requires_grad))
            return y

        @staticmethod
        def backward(ctx, g):
            log.append((torch.is_grad_enabled(), g.requires_grad))
            return g * 2

    x = start(torch)
    y = Inside.apply(x)
    y.sum().backward(retain_graph=True)
    y.sum().backward(create_graph=True)
    yield log
    yield x.grad.detach()


def doubler(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    return Double


@programs
def nothing_requires_grad(torch):
    y = doubler(torch).apply(torch.ones(2))
    yield y
    with torch.no_grad():
        yield doubler(torch).apply(start(torch))


@programs
def several_outputs(torch):
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            log.append((a.tolist(), b.tolist()))
            return a * 2 + b * 3

    log = []
    x = start(torch)
    a, b = Both.apply(x)
    yield a, b, a.grad_fn is b.grad_fn, a.output_nr, b.output_nr
    a.sum().backward(retain_graph=True)
    yield log
    (a * b).sum().backward()
    yield log
    yield x.grad


@programs
def gradients_not_materialized(torch):
    class Both(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 2, x * 3

        @staticmethod
        def backward(ctx, a, b):
            log.append((a is None, b is None))
            return a * 2

    log = []
    x = start(torch)
    a, _ = Both.apply(x)
    a.sum().backward()
    yield log
    yield x.grad


@programs
def non_differentiable_outputs(torch):
    class Sort(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            values, order = x * 1, x * 0
            ctx.mark_non_differentiable(order)
            return values, order

        @staticmethod
        def backward(ctx, g, order):
            log.append(order.tolist())
            return g

    log = []
    x = start(torch)
    values, order = Sort.apply(x)
    yield values, order
    values.sum().backward()
    yield log
    yield x.grad


@programs
def integer_outputs(torch):
    class Count(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, (x > 1).long()

        @staticmethod
        def backward(ctx, g, count):
            log.append((g.tolist(), count is None or count.tolist()))
            return g * 2

    log = []
    x = start(torch)
    a, count = Count.apply(x)
    yield a, count
    a.sum().backward()
    yield log


@programs
def dirty_inputs(torch):
    class Increase(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = start(torch)
    y = x * 1
    z = Increase.apply(y)
    yield z is y
    yield z, y._version
    z.sum().backward()
    yield x.grad
    yield fails(lambda: Increase.apply(x))


@programs
def dirty_view(torch):
    class Increase(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 5

    x = start(torch, 1.0, 2.0, 3.0)
    y = x * 1
    z = Increase.apply(y[:2])
    yield z, y
    y.sum().backward()
    yield x.grad


@programs
def input_returned(torch):
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 7

    x = start(torch)
    y = Same.apply(x)
    yield y is x, y, x
    yield y._is_view()
    y.sum().backward()
    yield x.grad
    yield fails(lambda: Same.apply(x * 1).mul_(2))


@programs
def view_returned(torch):
    class Part(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.view(-1)[:1]

        @staticmethod
        def backward(ctx, g):
            return g.expand(2) * 7

    x = start(torch)
    y = Part.apply(x * 1)
    yield y
    yield fails(lambda: y.mul_(2))
    y.sum().backward()
    yield x.grad


@programs
def saved_output(torch):
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    x = start(torch)
    y = Exp.apply(x)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    yield g.detach()
    yield torch.autograd.grad(g.sum(), x)
    z = Exp.apply(x)
    z.mul_(2)
    yield fails(lambda: z.sum().backward())


@programs
def saved_input_changed(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = start(torch)
    y = x * 1
    z = Square.apply(y)
    y.mul_(2)
    yield fails(lambda: z.sum().backward())


@programs
def second_derivative(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = start(torch)
    (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    yield g.detach()
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    yield h.detach()
    yield torch.autograd.grad(h.sum(), x)


@programs
def once_differentiable(torch):
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return g * 3 * x**2

    x = start(torch)
    yield torch.autograd.grad(Cube.apply(x).sum(), x)
    (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    yield g.detach()
    yield fails(lambda: g.sum().backward())


@programs
def context_is_the_node(torch):
    class Keep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.note = "kept"
            return x * 2

        @staticmethod
        def backward(ctx, g):
            log.append(ctx.note)
            return g * 2

    log = []
    y = Keep.apply(start(torch))
    yield y.grad_fn.note
    y.sum().backward()
    yield log
    yield y.grad_fn.note


RETURNS = {
    "too_few": lambda torch, g: (g,),
    "too_many": lambda torch, g: (g, g, g),
    "too_many_none": lambda torch, g: (g, g, None),
    "none": lambda torch, g: (None, g),
    "all_none": lambda torch, g: (None, None),
    "number": lambda torch, g: (1.0, g),
    "wrong_shape": lambda torch, g: (torch.ones(3), g),
    "needs_sum": lambda torch, g: (torch.ones(4, 2), g),
    "smaller": lambda torch, g: (torch.ones(1), g),
    "double": lambda torch, g: (g.double(), g),
    "list": lambda torch, g: [g, g],
    "error": lambda torch, g: 1 / 0,
}


@pytest.mark.parametrize("case", RETURNS)
def test_what_backward_returns(case):
    def program(torch):
        class Sum(torch.autograd.Function):
            @staticmethod
            def forward(ctx, a, b):
                return a + b

            @staticmethod
            def backward(ctx, g):
                return RETURNS[case](torch, g)

        a, b = start(torch), start(torch)
        error = fails(lambda: Sum.apply(a, b).sum().backward())
        yield error
        yield a.grad, b.grad

    assert_same(program)


@programs
def gradient_for_what_is_no_tensor(torch):
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            return x * factor

        @staticmethod
        def backward(ctx, g):
            return g, g

    Scale.apply(start(torch), 3.0).sum().backward()


@programs
def without_backward(torch):
    class Forward(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

    y = Forward.apply(start(torch))
    yield y
    y.sum().backward()


@programs
def without_forward(torch):
    class Nothing(torch.autograd.Function):
        pass

    Nothing.apply(start(torch))


@programs
def vjp_instead_of_backward(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def vjp(ctx, g):
            return g * 2

    x = start(torch)
    Double.apply(x).sum().backward()
    yield x.grad


@programs
def instances_are_refused(torch):
    yield type(fails(lambda: doubler(torch)()(start(torch)))).__name__


@programs
def error_in_forward(torch):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            raise KeyError("broken")

    x = start(torch)
    yield fails(lambda: Broken.apply(x)).__class__.__name__
    yield torch.is_grad_enabled()
    (x * x).sum().backward()
    yield x.grad


@programs
def tensors_in_lists_are_not_seen(torch):
    class Add(torch.autograd.Function):
        @staticmethod
        def forward(ctx, tensors):
            return tensors[0] + tensors[1]

        @staticmethod
        def backward(ctx, g):
            return None

    yield Add.apply([start(torch), start(torch)])


@programs
def optional_arguments(torch):
    class Add(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b=None):
            ctx.save_for_backward(a, b)
            return a * 2 if b is None else a + b

        @staticmethod
        def backward(ctx, g):
            _, b = ctx.saved_tensors
            return g * 2 if b is None else g, None if b is None else g

    x = start(torch)
    Add.apply(x, None).sum().backward()
    yield x.grad
    Add.apply(x, torch.ones(2)).sum().backward()
    yield x.grad


@programs
def non_tensor_outputs(torch):
    class Mixed(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2, "word", 5

        @staticmethod
        def backward(ctx, g, *rest):
            log.append(rest)
            return g * 2

    log = []
    x = start(torch)
    y, word, number = Mixed.apply(x)
    yield y, word, number
    y.sum().backward()
    yield x.grad
    yield log


@programs
def the_same_tensor_twice(torch):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, g):
            a, b = ctx.saved_tensors
            return g * b, g * a

    x = start(torch)
    Product.apply(x, x).sum().backward()
    yield x.grad


@programs
def nested(torch):
    double = doubler(torch)

    class Outer(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return double.apply(x) + 1

        @staticmethod
        def backward(ctx, g):
            with torch.enable_grad():
                x = torch.ones(2, requires_grad=True)
                y = double.apply(x).sum()
                (inner,) = torch.autograd.grad(y, x)
            return g * inner

    x = start(torch)
    Outer.apply(x).sum().backward()
    yield x.grad


@programs
def hooks_on_a_function(torch):
    x = start(torch)
    y = doubler(torch).apply(x)
    log = []
    y.register_hook(lambda g: log.append(g.tolist()))
    y.grad_fn.register_hook(lambda inputs, outputs: log.append((inputs[0].tolist(), outputs[0].tolist())))
    y.retain_grad()
    (y * 3).sum().backward()
    yield log
    yield y.grad, x.grad


@programs
def save_for_backward_twice_keeps_the_last(torch):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            ctx.save_for_backward(x * 3)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x = start(torch)
    Twice.apply(x).sum().backward()
    yield x.grad


@programs
def save_what_is_no_tensor(torch):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(5)
            return x * 2

    yield type(fails(lambda: Wrong.apply(start(torch)))).__name__


@programs
def scalar_and_broadcast_gradients(torch):
    class Spread(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.expand(3)

        @staticmethod
        def backward(ctx, g):
            return g

    x = torch.tensor([2.0], requires_grad=True)
    Spread.apply(x).sum().backward()
    yield x.grad
