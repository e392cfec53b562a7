"""Backward within backward, errors in the middle of one, and many threads at once: as in PyTorch."""

from __future__ import annotations

import sys
import threading

import pytest

import rushlight
from tests.autograd.both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_interruption(program):
    assert_same(program)


def identity(torch, action):
    """A custom operation whose backward first does something else."""

    class Identity(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            result = action(ctx.saved_tensors[0], g)
            return g if result is None else result

    return Identity.apply


def leaves(torch):
    return (torch.tensor([1.0, 2.0], requires_grad=True), torch.tensor([3.0, 4.0], requires_grad=True))


def raising(error):
    def action(*_):
        raise error

    return action


def caught(call):
    """An error of any kind as its class's name, which `fails` leaves alone if it is not an Exception."""
    try:
        return call()
    except BaseException as error:
        return type(error).__name__


@programs
def gradients_that_were_whole_before_an_error_are_accumulated(torch):
    x, w = leaves(torch)
    out = (identity(torch, raising(ValueError("in the middle")))(x.exp()) * w.exp()).sum()
    yield caught(out.backward)
    yield x.grad, w.grad, torch.is_grad_enabled()


@programs
def a_leaf_that_is_reached_twice_is_not_whole(torch):
    x, w = leaves(torch)
    out = (identity(torch, raising(ValueError("in the middle")))(x * w) * w).sum()
    yield caught(out.backward)
    yield x.grad, w.grad


@programs
def what_ran_before_an_error_is_freed_and_the_rest_is_not(torch):
    x, w = leaves(torch)
    answers = [ValueError("once")]
    z = identity(torch, lambda *_: raising(answers.pop())() if answers else None)(x.exp())
    u = w.exp()
    out = (z * u).sum()
    yield caught(out.backward)
    yield fails(out.backward)
    yield fails(u.sum().backward)
    yield fails(z.sum().backward)
    yield x.grad, w.grad


@programs
def with_retain_graph_backward_can_be_repeated_after_an_error(torch):
    x, w = leaves(torch)
    answers = [ValueError("once")]
    u = w.exp()
    out = (identity(torch, lambda *_: raising(answers.pop())() if answers else None)(x.exp()) * u).sum()
    yield caught(lambda: out.backward(retain_graph=True))
    w.grad = None
    out.backward()
    yield x.grad, w.grad


@programs
def interrupts_and_exits_pass_through(torch):
    for error in (KeyboardInterrupt(), SystemExit(3), GeneratorExit()):
        x, w = leaves(torch)
        out = (identity(torch, raising(error))(x) * w).sum()
        yield caught(out.backward)
        yield x.grad, w.grad, torch.is_grad_enabled()
        (x * x).sum().backward()
        yield x.grad


@programs
def errors_of_hooks(torch):
    for register in (
        lambda x, y: y.register_hook(raising(KeyError("hook"))),
        lambda x, y: x.register_hook(raising(KeyError("hook"))),
        lambda x, y: x.register_post_accumulate_grad_hook(raising(KeyError("hook"))),
        lambda x, y: y.grad_fn.register_hook(raising(KeyError("hook"))),
        lambda x, y: y.grad_fn.register_prehook(raising(KeyError("hook"))),
    ):
        x, w = leaves(torch)
        y = x.exp()
        register(x, y)
        out = (y * w).sum()
        yield caught(out.backward)
        yield x.grad, w.grad
        yield fails(out.backward)
        (w * 2).sum().backward()
        yield w.grad


@programs
def hooks_see_the_gradients_that_are_whole(torch):
    x, w = leaves(torch)
    seen = []
    y, u = x * 3, w * 1
    y.register_hook(lambda g: seen.append((x.grad, w.grad)))
    (y * w).sum().backward()
    y = x * 3
    y.register_hook(lambda g: seen.append((x.grad.clone(), w.grad.clone())))
    u.register_hook(lambda g: seen.append((x.grad.clone(), w.grad.clone())))
    (y * u).sum().backward()
    yield seen


@programs
def backward_in_a_hook(torch):
    x, _ = leaves(torch)
    seen = []

    def hook(g):
        seen.append(torch.is_grad_enabled())
        with torch.enable_grad():
            inner = (x * 10).sum()
        inner.backward()
        seen.append(x.grad.clone())

    y = x * 3
    y.register_hook(hook)
    (y * y).sum().backward()
    yield seen, x.grad


@programs
def backward_in_a_hook_through_the_same_graph(torch):
    x, _ = leaves(torch)
    y = x * x
    first, second = (y * 2).sum(), (y * 5).sum()
    once = [1]
    y.register_hook(lambda g: second.backward(retain_graph=True) if once and once.pop() else None)
    first.backward()
    yield x.grad


@programs
def backward_in_a_custom_backward(torch):
    x, w = leaves(torch)
    seen = []

    def action(x, g):
        with torch.enable_grad():
            t = x.detach().requires_grad_()
            inner = (t * t * w).sum()
        (part,) = torch.autograd.grad(inner, t, create_graph=True)
        seen.append((part.requires_grad, torch.is_grad_enabled()))
        inner.backward()
        seen.append(fails(inner.backward))
        return g * part.detach()

    (identity(torch, action)(x) * w).sum().backward()
    yield seen, x.grad, w.grad


@programs
def an_error_of_the_inner_backward_ends_both(torch):
    x, w = leaves(torch)

    def action(x, g):
        with torch.enable_grad():
            inner = identity(torch, raising(ValueError("inner")))(w).sum()
        inner.backward()

    yield caught(identity(torch, action)(x).sum().backward)
    yield x.grad, w.grad, torch.is_grad_enabled()


@programs
def backward_nested_a_thousand_deep(torch):
    class Deep(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            with torch.enable_grad():
                ctx.x = x.detach().requires_grad_() - 1
            return ctx.x.detach()

        @staticmethod
        def backward(ctx, g):
            if ctx.x >= 0:
                with torch.enable_grad():
                    inner = Deep.apply(ctx.x).sum()
                inner.backward()
            return g

    x = torch.tensor(1000.0, requires_grad=True)
    Deep.apply(x).sum().backward()
    yield x.grad


@programs
def hooks_nested_three_hundred_deep(torch):
    def backward(depth):
        x = torch.ones(2, requires_grad=True)
        y = x * 2
        if depth:
            y.register_hook(lambda g: within(depth - 1))
        y.sum().backward()
        return x.grad

    def within(depth):
        with torch.enable_grad():
            backward(depth)

    yield backward(300)


@programs
def an_error_comes_out_of_many_backwards(torch):
    def action(x, g):
        if x[0] < 0:
            raise ValueError("at the bottom")
        with torch.enable_grad():
            inner = identity(torch, action)((x - 1).requires_grad_()).sum()
        inner.backward()

    yield caught(identity(torch, action)(torch.full((1,), 100.0, requires_grad=True)).sum().backward)


def together(count, work):
    """Run ``work(number)`` in threads that start at the same moment; what they returned or raised."""
    start, results = threading.Barrier(count), [None] * count

    def run(number):
        start.wait()
        results[number] = fails(lambda: work(number))

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    return results


@programs
def threads_with_graphs_of_their_own_to_shared_leaves(torch):
    x, w = leaves(torch)

    def work(number):
        for _ in range(30):
            ((x * number) * (w + number)).sum().backward()

    yield together(8, work)
    yield x.grad, w.grad


@programs
def threads_through_one_graph_that_is_retained(torch):
    x, w = leaves(torch)
    y = (x * w).exp()
    parts = y.split(1)
    out = parts[0].sum() + (y * parts[1]).sum()
    yield together(8, lambda number: [out.backward(retain_graph=True) for _ in range(20)] and None)
    yield x.grad, w.grad


@programs
def threads_with_hooks(torch):
    x, w = leaves(torch)
    counts = [[] for _ in range(4)]

    def work(number):
        here = threading.current_thread()

        def hook(g):
            counts[number].append(threading.current_thread() is here)
            return g * 2

        for _ in range(10):
            y = x * w
            y.register_hook(hook)
            y.sum().backward()

    yield together(4, work), counts
    yield x.grad, w.grad


@programs
def threads_that_take_gradients(torch):
    x, w = leaves(torch)
    y = (x * w).exp().sum()

    def work(number):
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        return torch.autograd.grad((g * number).sum(), w, retain_graph=True)

    yield together(4, work)
    yield x.grad, w.grad


@programs
def every_thread_has_its_own_mode(torch):
    with torch.no_grad():
        yield together(3, lambda number: torch.is_grad_enabled())

    def work(number):
        with torch.set_grad_enabled(bool(number % 2)):
            return [(torch.ones(1, requires_grad=True) * 2).requires_grad for _ in range(50)]

    yield together(4, work), torch.is_grad_enabled()


def test_threads_share_their_leaves_exactly():
    """Sums of integers, which no order of additions can round."""
    x = rushlight.zeros(1000, requires_grad=True)
    assert together(8, lambda number: [(x * number).sum().backward() for _ in range(100)] and None) == [None] * 8
    assert (x.grad == 100 * sum(range(8))).all()


def test_threads_through_one_graph_that_is_freed():
    """Which thread comes first nobody can say; the others are told that the graph has been freed."""
    for _ in range(30):
        x, w = leaves(rushlight)
        out = x
        for _ in range(20):
            out = (out * w).sin()
        out = out.sum()
        for result in together(4, lambda number, out=out: out.backward()):
            assert result is None or "Trying to backward through the graph a second time" in str(result)
