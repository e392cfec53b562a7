"""Checkpointing: when functions are called again, gradients, random states, nesting, errors; on both libraries."""

from __future__ import annotations

import contextlib
import gc
import warnings
import weakref

import pytest

import rushlight

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_checkpoint(program):
    assert_same(program, rtol=1e-5)


def vectors(torch):
    return torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([0.5, 0.25], requires_grad=True)


class Noted:
    """A function that notes how far it gets."""

    def __init__(self):
        self.calls = []

    def __call__(self, x):
        self.calls.append("called")
        y = x.sin()
        self.calls.append("half")
        z = y.exp()
        self.calls.append("whole")
        return z


WAYS = {"reentrant": {"use_reentrant": True}, "not_reentrant": {"use_reentrant": False}, "not_said": {}}


@pytest.mark.parametrize("way", WAYS)
def test_gradients_and_calls(way):
    def program(torch):
        x, y = vectors(torch)
        calls = []

        def function(x, y):
            calls.append("called")
            return (x * y).sin().exp() * x

        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            out = torch.utils.checkpoint.checkpoint(function, x, y, **WAYS[way])
        yield [(w.category.__name__, "use_reentrant parameter" in str(w.message)) for w in warned]
        yield out.detach(), calls
        out.sum().backward(retain_graph=True)
        yield x.grad, y.grad, calls
        out.sum().backward()
        yield x.grad, y.grad, calls
        yield type(fails(lambda: out.sum().backward())).__name__

    assert_same(program)


@pytest.mark.parametrize("way", ["reentrant", "not_reentrant"])
def test_grad_and_inputs(way):
    def program(torch):
        for ask in (
            lambda out, x: torch.autograd.grad(out, x),
            lambda out, x: out.backward(inputs=[x]),
        ):
            x, y = vectors(torch)
            out = torch.utils.checkpoint.checkpoint(lambda x, y: (x * y).sin(), x, y, **WAYS[way]).sum()
            yield fails(lambda ask=ask, out=out, x=x: ask(out, x))
            yield x.grad

    assert_same(program)


@programs
def options_that_do_not_go_together(torch):
    checkpoint = torch.utils.checkpoint.checkpoint
    x, y = vectors(torch)
    yield fails(lambda: checkpoint(torch.mul, x, other=y, use_reentrant=True))
    yield fails(lambda: checkpoint(torch.mul, x, y, use_reentrant=True, debug=True))
    yield fails(lambda: checkpoint(torch.mul, x, y, use_reentrant=False, determinism_check="strict"))
    yield fails(lambda: checkpoint(torch.mul, x, y, use_reentrant=False, debug=True, context_fn=lambda: (1, 2)))
    yield fails(lambda: torch.utils.checkpoint.checkpoint_sequential([torch.exp], 1, x, use_reentrant=True, other=1))
    yield checkpoint(torch.mul, x, other=y, use_reentrant=False).requires_grad


@programs
def nothing_requires_grad(torch):
    checkpoint = torch.utils.checkpoint.checkpoint
    c, w = torch.ones(2), torch.ones(2, requires_grad=True)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield checkpoint(lambda c: c * w, c, use_reentrant=True).requires_grad
    yield ["None of the inputs have requires_grad=True" in str(w.message) for w in warned]
    checkpoint(lambda c: c * w, c, use_reentrant=False).sum().backward()
    yield w.grad
    with torch.no_grad():
        yield checkpoint(lambda w: w * w, w, use_reentrant=False).requires_grad
    yield fails(lambda: checkpoint(lambda w: w.detach(), w, use_reentrant=True).sum().backward())


@programs
def early_stop(torch):
    cp = torch.utils.checkpoint
    for early in (True, False):
        x, _ = vectors(torch)
        function = Noted()
        cp.checkpoint(function, x, use_reentrant=False, early_stop=early).sum().backward()
        yield function.calls, x.grad
    for early in (True, False):
        x, _ = vectors(torch)
        function = Noted()
        with cp.set_checkpoint_early_stop(early):
            out = cp.checkpoint(function, x, use_reentrant=False, early_stop=not early)
        out.sum().backward()
        yield function.calls, x.grad


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("case", ["fewer", "more", "other_shape", "other_shape_unchecked", "other_dtype"])
def test_second_call_differs(case, early):
    def program(torch):
        x, _ = vectors(torch)
        first = [True]

        def function(x):
            y = x.sin()
            if case == "fewer":
                return y.exp() if first[0] else y
            if case == "more":
                return y if first[0] else y.exp()
            if case == "other_dtype":
                return (y if first[0] else y.double()).exp().float()
            return (y * torch.ones(2 if first[0] else 3, 2)).exp().sum()

        check = "none" if case.endswith("unchecked") else "default"
        out = torch.utils.checkpoint.checkpoint(
            function, x, use_reentrant=False, early_stop=early, determinism_check=check
        )
        first[0] = False
        error = fails(lambda: out.sum().backward())
        yield "raised" if case.endswith("unchecked") and isinstance(error, Exception) else error
        yield x.grad

    assert_same(program)


@programs
def debugging(torch):
    cp = torch.utils.checkpoint
    for enabled in (True, False, None):
        x, _ = vectors(torch)
        first = [True]

        def function(x, first=first):
            y = x.sin()
            return y.exp() if first[0] else y

        with cp.set_checkpoint_debug_enabled(enabled):
            out = cp.checkpoint(function, x, use_reentrant=False, debug=True)
        first[0] = False
        error = fails(lambda out=out: out.sum().backward())
        yield type(error).__name__, "An error happened while unpacking tensors" in str(error)
        operations = str(error).partition("Operations executed during the original forward")[2]
        yield operations.count("aten.sin.default") > 1, operations.count("aten.exp.default") > 0


@programs
def saved_tensors_used_twice(torch):
    class Twice(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * 2

        @staticmethod
        def backward(ctx, g):
            yield_both = ctx.saved_tensors + ctx.saved_tensors
            return g * len(yield_both)

    x, _ = vectors(torch)
    out = torch.utils.checkpoint.checkpoint(Twice.apply, x, use_reentrant=False)
    yield fails(lambda: out.sum().backward())


@programs
def second_derivative(torch):
    x, y = vectors(torch)
    out = torch.utils.checkpoint.checkpoint(lambda x, y: (x * y).sin().exp() * x, x, y, use_reentrant=False)
    (g,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    yield g.detach()
    yield torch.autograd.grad(g.sum(), [x, y])


@pytest.mark.parametrize("outer", [True, False])
@pytest.mark.parametrize("inner", [True, False])
@pytest.mark.parametrize("depth", [2, 3])
def test_nesting(outer, inner, depth):
    def program(torch):
        calls = []

        def nested(level):
            def function(x):
                calls.append(level)
                y = x.tanh().sin()
                if level < depth:
                    y = torch.utils.checkpoint.checkpoint(nested(level + 1), y * 2, use_reentrant=inner)
                return y.cos() * 3

            return function

        x, _ = vectors(torch)
        torch.utils.checkpoint.checkpoint(nested(1), x, use_reentrant=outer).sum().backward()
        yield calls, x.grad

    assert_same(program, rtol=1e-5)


@pytest.mark.parametrize("reentrant", [True, False])
@pytest.mark.parametrize("preserve", [True, False])
def test_random_state(reentrant, preserve):
    def program(torch):
        torch.manual_seed(0)
        x = torch.ones(20, requires_grad=True)
        out = torch.utils.checkpoint.checkpoint(
            lambda x: torch.nn.functional.dropout(x, 0.5).sin() * x,
            x,
            use_reentrant=reentrant,
            preserve_rng_state=preserve,
        )
        state = torch.get_rng_state()
        out.sum().backward()
        yield x.grad
        yield bool((torch.get_rng_state() == state).all())

    assert_same(program, rtol=1e-5)


@programs
def input_changed_in_place(torch):
    x, _ = vectors(torch)
    y = x * 1
    out = torch.utils.checkpoint.checkpoint(lambda y: y.sin().exp(), y, use_reentrant=False)
    y.mul_(2)
    yield fails(lambda: out.sum().backward())


@pytest.mark.parametrize("reentrant", [True, False])
def test_several_results(reentrant):
    def program(torch):
        x, y = vectors(torch)
        a, b, three = torch.utils.checkpoint.checkpoint(lambda x, y: (x * y, x.sin(), 3), x, y, use_reentrant=reentrant)
        (a * 2 + b).sum().backward()
        yield x.grad, y.grad, three

    assert_same(program)


@programs
def results_used_one_after_the_other(torch):
    x, _ = vectors(torch)
    calls = []

    def function(x):
        calls.append("called")
        return x.sin(), x.exp()

    a, b = torch.utils.checkpoint.checkpoint(function, x, use_reentrant=False)
    a.sum().backward()
    yield x.grad, calls
    b.sum().backward()
    yield x.grad, calls


@programs
def groups_of_backwards(torch):
    cp = torch.utils.checkpoint
    x, _ = vectors(torch)
    calls = []

    def function(x):
        calls.append("called")
        return x.sin(), x.exp()

    a, b = cp.checkpoint(function, x, use_reentrant=False)
    with cp.GraphExecGroup():
        a.sum().backward(retain_graph=True)
        b.sum().backward(retain_graph=True)
        yield calls, x.grad
        yield fails(lambda: a.sum().backward())
        yield fails(lambda: cp.GraphExecGroup().__enter__())
    a.sum().backward()
    yield calls, x.grad


@pytest.mark.parametrize("reentrant", [True, False, None])
@pytest.mark.parametrize("segments", [1, 2, 3, 5])
def test_sequential(reentrant, segments):
    def program(torch):
        nn = torch.nn
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 3), nn.Sigmoid(), nn.Linear(3, 1))
        x = torch.ones(4, 2, requires_grad=True)
        way = {} if reentrant is None else {"use_reentrant": reentrant}
        torch.utils.checkpoint.checkpoint_sequential(model, segments, x, **way).sum().backward()
        yield x.grad, [p.grad for p in model.parameters()]

    assert_same(program, rtol=1e-5)


@programs
def contexts(torch):
    checkpoint = torch.utils.checkpoint.checkpoint
    x, _ = vectors(torch)
    function = Noted()

    @contextlib.contextmanager
    def noting(word):
        function.calls.append(word)
        yield
        function.calls.append(f"end of {word}")

    context_fn = lambda: (noting("first"), noting("second"))  # noqa: E731
    checkpoint(function, x, use_reentrant=False, context_fn=context_fn).sum().backward()
    yield function.calls

    def broken(x):
        raise ValueError("broken function")

    def suppressing():
        return contextlib.suppress(ValueError), contextlib.nullcontext()

    yield fails(lambda: checkpoint(broken, x, use_reentrant=False, context_fn=suppressing))
    yield fails(lambda: checkpoint(broken, x, use_reentrant=False))
    yield fails(lambda: checkpoint(broken, x, use_reentrant=True))
    yield (x * x).requires_grad


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("retain", [True, False])
def test_backward_inside_of_the_function(early, retain):
    def program(torch):
        def function(x):
            z = x.sin().cos()
            (g,) = torch.autograd.grad(z.sum(), x, retain_graph=retain)
            return x.cos() * g * (z if retain else 1)

        x, _ = vectors(torch)
        out = torch.utils.checkpoint.checkpoint(function, x, use_reentrant=False, early_stop=early)
        out.sum().backward()
        yield x.grad

    assert_same(program, rtol=1e-5)


@programs
def looking_at_what_is_saved(torch):
    x, _ = vectors(torch)
    function = Noted()
    out = torch.utils.checkpoint.checkpoint(function, x, use_reentrant=False)
    yield out.grad_fn._saved_result.detach(), out.grad_fn._saved_result.detach()
    yield function.calls


@programs
def hooks_around_a_checkpoint(torch):
    x, _ = vectors(torch)
    log = []
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: log.append("packed") or t, lambda t: log.append("unpacked") or t
    )
    with hooks:
        out = torch.utils.checkpoint.checkpoint(lambda x: (x * 2).sin().exp(), x, use_reentrant=False)
    yield log
    out.sum().backward()
    yield log, x.grad


@programs
def modules(torch):
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    torch.utils.checkpoint.checkpoint(model, torch.ones(3, 2), use_reentrant=False).sum().backward()
    yield [p.grad for p in model.parameters()]


@programs
def helpers(torch):
    cp = torch.utils.checkpoint
    x, y = vectors(torch)
    detached = cp.detach_variable((x, y.detach(), 3))
    yield detached[0].requires_grad, detached[0].is_leaf, detached[1].requires_grad, detached[2]
    yield fails(lambda: cp.detach_variable([x]))
    yield cp.get_device_states(x)
    yield cp.DefaultDeviceType.get_device_type()
    yield issubclass(cp.CheckpointError, RuntimeError)


def test_what_a_checkpoint_saves_is_freed_at_once():
    """Nothing is kept between the two calls, and nothing after backward, without the garbage collector."""
    torch = rushlight
    made = []

    def function(x):
        y = x.exp()
        made.append(weakref.ref(y.array))
        return y.sin().cos()

    gc.collect()
    gc.disable()
    try:
        x = torch.ones(10, requires_grad=True)
        out = torch.utils.checkpoint.checkpoint(function, x, use_reentrant=False)
        node = weakref.ref(out.grad_fn)
        assert [array() for array in made] == [None]
        out.sum().backward(retain_graph=True)
        assert [array() for array in made] == [None, None]
        del out
        assert node() is None
    finally:
        gc.enable()
