"""Anomaly detection: errors, and warnings with the traceback of the forward call, as in PyTorch."""

from __future__ import annotations

import warnings

import pytest

from tests.autograd.both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_anomaly(program):
    assert_same(program)


def warned(call):
    """What a call gives or raises; what it warned of, with only the lines of the traceback that are in this file."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fails(call)
    texts = [str(w.message) for w in caught if w.category is UserWarning]
    return result, [essence(text) for text in texts]


def essence(text):
    head, _, frames = text.partition(":\n  File")
    frames = [frame.split("\n") for frame in frames.split("\n  File") if "test_anomaly.py" in frame]
    return [head.strip().partition(" The operation")[0].partition(" (Triggered")[0], [frame[:2] for frame in frames]]


def leaf(torch, *values):
    return torch.tensor(values, requires_grad=True)


@programs
def nan_in_a_backward(torch):
    x = leaf(torch, 0.0, 1.0)
    with torch.autograd.set_detect_anomaly(True):
        y = (x.sqrt() * 0).sum()
        yield warned(y.backward)
    yield x.grad


@programs
def nan_where_forward_was_outside(torch):
    x = leaf(torch, 0.0, 1.0)
    y = (x.sqrt() * 0).sum()
    with torch.autograd.set_detect_anomaly(True):
        yield warned(y.backward)


@programs
def nan_in_grad(torch):
    x = leaf(torch, 0.0, 1.0)
    with torch.autograd.set_detect_anomaly(True):
        y = x.sqrt()
        yield warned(lambda: torch.autograd.grad((y * 0).sum(), x))
        yield warned(lambda: torch.autograd.grad((y * 0).sum(), y))


@programs
def nan_is_let_through(torch):
    x = leaf(torch, 0.0, 1.0)
    with torch.autograd.set_detect_anomaly(True, check_nan=False):
        yield warned((x.sqrt() * 0).sum().backward)
        yield x.grad
        yield torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()


@programs
def nan_that_comes_from_outside(torch):
    x = leaf(torch, 0.0, 1.0)
    with torch.autograd.set_detect_anomaly(True):
        yield warned(lambda: x.sum().backward(torch.tensor(float("nan"))))
        y = x * 2
        y.register_hook(lambda g: g * float("nan"))
        yield warned((y * 1).sum().backward)
        x.register_hook(lambda g: g * float("nan"))
        yield warned((x * 1).sum().backward)
    yield x.grad


@programs
def nan_among_several_gradients(torch):
    x, w = leaf(torch, 1.0, 2.0), leaf(torch, float("nan"), 1.0)
    with torch.autograd.set_detect_anomaly(True):
        yield warned((w * x).sum().backward)
        yield warned((x * w).sum().backward)
        yield warned((w.detach() * x).sum().backward)
        parts = (x / 0 * 0).sqrt().split(1)
        yield warned((parts[0] * parts[1]).sum().backward)


@programs
def custom_function(torch):
    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, error):
            ctx.error = error
            return x.clone()

        @staticmethod
        def backward(ctx, g):
            if ctx.error is not None:
                raise ctx.error
            return g * float("nan"), None

    x = leaf(torch, 1.0, 2.0)
    with torch.autograd.set_detect_anomaly(True):
        for error in (None, ValueError("of the user")):
            result, texts = warned(Bad.apply(x, error).sum().backward)
            yield type(result).__name__, texts


@programs
def other_errors(torch):
    x = leaf(torch, 1.0, 2.0)
    with torch.autograd.set_detect_anomaly(True):
        y = x.exp()
        z = (y * y).sum()
        y.detach().add_(1)
        yield warned(z.backward)
        z = (x * x).sum()
        z.backward()
        yield warned(z.backward)
        y = x * 3

        def hook(g):
            raise ValueError("of a hook")

        y.register_hook(hook)
        result, texts = warned(y.sum().backward)
        yield type(result).__name__, texts
        x.register_hook(hook)
        result, texts = warned((x * 3).sum().backward)
        yield type(result).__name__, [head.partition(".")[0] for head, _ in texts]  # PyTorch: where x was used first


@programs
def nan_in_a_second_derivative(torch):
    x = leaf(torch, 0.0)
    with torch.autograd.set_detect_anomaly(True):
        y = x**1.5
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        yield warned((g * 0).sum().backward)


@programs
def nan_in_a_third_derivative(torch):
    x = leaf(torch, 0.0)
    with torch.autograd.set_detect_anomaly(True):
        y = x**2.5
        (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
        (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
        result, texts = warned((h * 0).sum().backward)
        yield result, [frames for _, frames in texts]


@programs
def what_nodes_remember(torch):
    x = leaf(torch, 1.0)
    y = x * 2
    with torch.autograd.set_detect_anomaly(True):
        z = y * 3
        (g,) = torch.autograd.grad((z * z).sum(), z, create_graph=True)
    yield list(y.grad_fn.metadata), list(z.grad_fn.metadata), list(g.grad_fn.metadata)
    yield z.grad_fn.metadata["traceback_"][-1], g.grad_fn.metadata["parent_"].name()


@programs
def the_switch(torch):
    for kwargs in ({}, {"check_nan": False}):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            mode = torch.autograd.detect_anomaly(**kwargs)
        yield [str(w.message)[:35] for w in caught], torch.is_anomaly_enabled()
        with mode:
            yield torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
            with torch.autograd.set_detect_anomaly(False):
                yield torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
                yield (torch.ones(1, requires_grad=True) * 2).grad_fn.metadata == {}
            yield torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
        yield torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    for wrong in (1, "yes", None):
        yield type(fails(lambda wrong=wrong: torch.autograd.set_detect_anomaly(wrong))).__name__
        yield type(fails(lambda wrong=wrong: torch.autograd.set_detect_anomaly(True, wrong))).__name__
    yield torch.is_anomaly_enabled()


@programs
def complex_and_half_precision(torch):
    with torch.autograd.set_detect_anomaly(True):
        for dtype in (torch.complex64, torch.float16, torch.bfloat16):
            x = torch.tensor([0.0, 1.0], dtype=dtype, requires_grad=True)
            y = (x * float("nan")).abs().sum()
            yield warned(y.backward)


@programs
def multithreading_has_a_switch(torch):
    yield torch.autograd.is_multithreading_enabled()
    with torch.autograd.set_multithreading_enabled(False):
        x = leaf(torch, 1.0)
        (x * 2).sum().backward()
        yield x.grad, torch.autograd.is_multithreading_enabled()
    yield torch.autograd.is_multithreading_enabled()
    yield torch.autograd.grad_mode.set_multithreading_enabled is torch.autograd.set_multithreading_enabled
    yield torch.autograd.grad_mode.no_grad is torch.no_grad
    yield torch.autograd.anomaly_mode.detect_anomaly is torch.autograd.detect_anomaly
