"""Backward hooks of modules: what they see, what they may return, when they warn; on both libraries."""

from __future__ import annotations

import warnings
from collections import namedtuple

import pytest

from tests.autograd.both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_backward_hooks(program):
    assert_same(program)


def linear(torch):
    module = torch.nn.Linear(2, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        module.bias.zero_()
    return module


def row(torch, requires_grad=True):
    return torch.tensor([[1.0, 2.0]], requires_grad=requires_grad)


def plain(value):
    if isinstance(value, (tuple, list)):
        return [type(value).__name__, *map(plain, value)]
    return value.tolist() if hasattr(value, "tolist") else value


def noting(log, word, result=None):
    """A hook or pre-hook that notes what it gets and returns what ``result`` makes of the first gradients."""

    def hook(module, *gradients):
        log.append((word, type(module).__name__, *map(plain, gradients)))
        return None if result is None else result(gradients[0])

    return hook


def warned(call):
    """What a call returns or raises, and its warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = fails(call)
    return result, [(w.category.__name__, str(w.message)[:40]) for w in caught]


@programs
def order_and_gradients(torch):
    log = []
    module, x = linear(torch), row(torch)
    module.register_full_backward_hook(noting(log, "second", lambda g: (g[0] * 2,)))
    module.register_full_backward_hook(noting(log, "third"))
    module.register_full_backward_hook(noting(log, "first"), prepend=True)
    module.register_full_backward_pre_hook(noting(log, "before", lambda g: (g[0] * 10,)))
    with module.register_full_backward_pre_hook(noting(log, "before again")):
        module(x).sum().backward()
    yield log
    yield x.grad, module.weight.grad


@programs
def hooks_of_all_modules(torch):
    log = []
    everywhere = torch.nn.modules.module
    with (
        everywhere.register_module_full_backward_hook(noting(log, "all")),
        everywhere.register_module_full_backward_pre_hook(noting(log, "all before")),
    ):
        model = torch.nn.Sequential(linear(torch), torch.nn.ReLU(), linear(torch))
        model.register_full_backward_hook(noting(log, "model"))
        model[2].register_full_backward_pre_hook(noting(log, "last before"))
        model(row(torch)).sum().backward()
    yield log


@pytest.mark.parametrize("kind", ["register_full_backward_hook", "register_full_backward_pre_hook"])
@pytest.mark.parametrize("case", ["too_many", "number", "shape", "list", "nothing", "empty", "tensor", "dtype"])
def test_what_hooks_return(kind, case):
    def program(torch):
        results = {
            "too_many": lambda g: (g[0], g[0]),
            "number": lambda g: 3,
            "shape": lambda g: (torch.ones(3),),
            "list": lambda g: [g[0] * 2],
            "nothing": lambda g: (None,),
            "empty": lambda g: (),
            "tensor": lambda g: g[0],
            "dtype": lambda g: (g[0].double(),),
        }
        module, x = linear(torch), row(torch)
        getattr(module, kind)(lambda module, *g: results[case](g[0]))
        yield fails(lambda: module(x).sum().backward())
        yield x.grad

    assert_same(program)


@programs
def no_input_requires_grad(torch):
    for result in (None, lambda g: (None,), lambda g: (torch.ones(1, 2),)):
        log = []
        module = linear(torch)
        module.register_full_backward_hook(noting(log, "hook", result))
        out = module(row(torch, requires_grad=False)).sum()
        yield warned(lambda out=out: out.backward())
        yield log, module.weight.grad


class Several:
    """Modules with several inputs and outputs, made for one of the libraries."""

    def __init__(self, torch):
        class Multi(torch.nn.Module):
            def forward(self, a, b, n=None):
                return a * b, b * 2, n

        class Dictionary(torch.nn.Module):
            def forward(self, a):
                return {"a": a * 2}

        class Named(torch.nn.Module):
            def forward(self, a):
                return namedtuple("Pair", "a b")(a * 2, a * 3)

        class Changing(torch.nn.Module):
            def forward(self, a):
                return a.mul_(2)

        self.multi, self.dictionary, self.named, self.changing = Multi(), Dictionary(), Named(), Changing()


@programs
def several_inputs_and_outputs(torch):
    log = []
    module = Several(torch).multi
    module.register_full_backward_hook(noting(log, "hook"))
    module.register_full_backward_pre_hook(noting(log, "before"))
    a, b = row(torch), row(torch)
    module(a, b, 3)[0].sum().backward()
    module(a, row(torch, requires_grad=False))[0].sum().backward()
    u, v, _ = module(a, b=b)
    (u + v).sum().backward()
    yield log
    yield a.grad, b.grad


@programs
def other_outputs(torch):
    modules = Several(torch)
    for module in (modules.dictionary, modules.named):
        log = []
        module.register_full_backward_hook(noting(log, "hook"))
        a = row(torch)
        result, warnings_of_call = warned(lambda module=module, a=a: module(a))
        yield type(result).__name__, warnings_of_call
        sum(part.sum() for part in (result.values() if isinstance(result, dict) else result)).backward()
        yield log, a.grad


@programs
def changed_in_place(torch):
    module = Several(torch).changing
    module.register_full_backward_hook(noting([], "hook"))
    yield fails(lambda: module(row(torch) * 1))
    module = linear(torch)
    module.register_full_backward_hook(noting([], "hook"))
    out = module(row(torch))
    yield fails(lambda: out.mul_(2))


@programs
def backward_in_other_ways(torch):
    log = []
    module = linear(torch)
    module.register_full_backward_hook(noting(log, "hook"))
    x = row(torch)
    out = module(x)
    yield out.grad_fn.name()
    (g,) = torch.autograd.grad(out.sum(), x, create_graph=True)
    yield g.detach(), log
    log.clear()
    (module(x) + module(x)).sum().backward()
    yield x.grad, log
    log.clear()
    torch.autograd.grad(module(x).sum(), module.weight)
    yield log
    with torch.no_grad():
        yield module(x).requires_grad
    module.register_full_backward_hook(lambda module, inputs, outputs: 1 / 0)
    yield fails(lambda: module(x).sum().backward())


@programs
def together_with_forward_hooks(torch):
    log = []
    module = linear(torch)
    module.register_forward_pre_hook(lambda module, args: (args[0] * 2,))
    module.register_forward_hook(lambda module, args, out: out * 3)
    module.register_full_backward_hook(noting(log, "hook"))
    x = row(torch)
    module(x).sum().backward()
    yield log, x.grad


@programs
def handles(torch):
    module = linear(torch)
    handle = module.register_full_backward_hook(lambda *args: None)
    yield type(handle).__name__
    handle.remove()
    yield module(row(torch)).grad_fn.name() == "BackwardHookFunctionBackward"


@programs
def hooks_that_are_not_full(torch):
    """They see the last operation alone, warn where that is not all, and do not go with full ones."""
    log = []
    module = torch.nn.ReLU()
    module.register_backward_hook(noting(log, "hook", lambda grads: tuple(g * 2 for g in grads)))
    x = row(torch)
    module(x).sum().backward()
    yield log, x.grad
    chained = torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Hardtanh())
    chained.register_backward_hook(noting(log, "chained"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chained(row(torch)).sum().backward()
    yield log, [(w.category.__name__, "multiple autograd Nodes" in str(w.message)) for w in caught]
    yield fails(lambda: module.register_full_backward_hook(noting(log, "full")))
    full = torch.nn.ReLU()
    full.register_full_backward_hook(noting(log, "full"))
    yield fails(lambda: full.register_backward_hook(noting(log, "not")))
