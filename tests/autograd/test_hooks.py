"""Hooks of every kind: order, replacement, removal; run with PyTorch and with Rushlight."""

from __future__ import annotations

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_hooks(program):
    assert_same(program)


def graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = y * y
    return x, y, z


def noting(log, word, result=None):
    """A hook that notes its gradient and replaces it by what ``result`` makes of it."""

    def hook(g):
        log.append((word, g.tolist(), g.requires_grad))
        return None if result is None else result(g)

    return hook


# On tensors


@programs
def order_of_tensor_hooks(torch):
    x, y, z = graph(torch)
    log = []
    for word, tensor in (("x", x), ("z", z), ("y", y), ("y again", y)):
        tensor.register_hook(noting(log, word))
    z.sum().backward()
    yield log
    yield x.grad


@programs
def replaced_gradients(torch):
    x, y, z = graph(torch)
    log = []
    y.register_hook(noting(log, "first", lambda g: g * 10))
    y.register_hook(noting(log, "second", lambda g: g + 1))
    x.register_hook(noting(log, "leaf", lambda g: -g))
    z.sum().backward()
    yield log
    yield x.grad


@programs
def hook_on_the_root(torch):
    x, _, z = graph(torch)
    s = z.sum()
    s.register_hook(lambda g: g * 2)
    s.backward()
    yield x.grad


@programs
def hooks_removed(torch):
    x, y, z = graph(torch)
    log = []
    handle = y.register_hook(noting(log, "removed", lambda g: g * 100))
    y.register_hook(noting(log, "kept"))
    handle.remove()
    handle.remove()
    with x.register_hook(noting(log, "inside")):
        z.sum().backward(retain_graph=True)
    z.sum().backward()
    yield log
    yield x.grad


@programs
def hook_removed_by_itself(torch):
    x, _, z = graph(torch)
    log = []

    def hook(g):
        log.append("called")
        handle.remove()

    handle = x.register_hook(hook)
    z.sum().backward(retain_graph=True)
    z.sum().backward()
    yield log


WRONG = {
    "shape": lambda torch, g: torch.ones(3),
    "dtype": lambda torch, g: g.double(),
    "number": lambda torch, g: 1.0,
    "error": lambda torch, g: 1 / 0,
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_replacement(case):
    def program(torch):
        x, y, z = graph(torch)
        y.register_hook(lambda g: WRONG[case](torch, g))
        error = fails(lambda: z.sum().backward())
        yield type(error).__name__
        if case in ("shape",):
            yield error
        yield x.grad
        w = x * 2
        w.sum().backward()
        yield x.grad

    assert_same(program)


@programs
def hook_of_what_requires_no_grad(torch):
    torch.ones(2).register_hook(lambda g: g)


@programs
def hook_sees_the_whole_gradient_of_a_shared_value(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    log = []
    y.register_hook(noting(log, "y"))
    x.register_hook(noting(log, "x"))
    (y * 3 + y * y).backward()
    yield log


@programs
def leaf_hook_runs_as_soon_as_its_gradient_is_whole(torch):
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    log = []
    y = b * 2
    y.register_hook(noting(log, "y"))
    z = a * y.sin()
    z.register_hook(noting(log, "z"))
    a.register_hook(noting(log, "a"))
    b.register_hook(noting(log, "b"))
    z.backward()
    yield log


@programs
def hooks_under_create_graph(torch):
    x, y, z = graph(torch)
    log = []
    y.register_hook(noting(log, "y", lambda g: g * 2))
    (g,) = torch.autograd.grad(z.sum(), x, create_graph=True)
    yield log
    yield g.detach()
    yield torch.autograd.grad(g.sum(), x)


@programs
def hooks_and_grad(torch):
    x, y, z = graph(torch)
    log = []
    for word, tensor in (("x", x), ("y", y), ("z", z)):
        tensor.register_hook(noting(log, word, lambda g: g * 2))
    yield torch.autograd.grad(z.sum(), x, retain_graph=True)
    yield log
    log.clear()
    yield torch.autograd.grad(z.sum(), y, retain_graph=True)
    yield log
    log.clear()
    z.sum().backward(inputs=[y])
    yield y.grad, x.grad
    yield log


@programs
def gradient_of_a_tensor_on_the_way_to_another(torch):
    x, y, z = graph(torch)
    log = []
    y.register_hook(noting(log, "y", lambda g: g * 2))
    z.register_hook(noting(log, "z", lambda g: g * 2))
    yield torch.autograd.grad(z.sum(), [x, y])
    yield log


@programs
def hooks_of_outputs_of_one_operation(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, b, _ = x.unbind()
    log = []
    a.register_hook(noting(log, "a", lambda g: g * 10))
    b.register_hook(noting(log, "b"))
    (a * b).backward()
    yield log
    yield x.grad


@programs
def hook_registered_on_a_leaf_after_the_graph(torch):
    x, _, z = graph(torch)
    s = z.sum()
    log = []
    x.register_hook(noting(log, "late"))
    s.backward()
    yield log


@programs
def hook_of_a_leaf_called_once_for_two_uses(torch):
    x = torch.tensor(2.0, requires_grad=True)
    log = []
    x.register_hook(noting(log, "x", lambda g: g * 2))
    (x * x + x).backward()
    yield log
    yield x.grad
    (x * 3).backward()
    yield log
    yield x.grad


# retain_grad and hooks


@programs
def retained_gradient_comes_after_the_hooks(torch):
    x, y, z = graph(torch)
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    z.sum().backward()
    yield y.grad
    yield x.grad


@programs
def retained_gradient_seen_from_a_hook(torch):
    x, y, z = graph(torch)
    y.retain_grad()
    log = []
    y.register_hook(lambda g: log.append(y.grad is None))
    z.sum().backward()
    yield log


# After accumulation


@programs
def after_accumulation(torch):
    x, y, z = graph(torch)
    log = []
    x.register_hook(noting(log, "hook", lambda g: g * 2))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("after", p is x, p.grad.tolist())))
    x.register_post_accumulate_grad_hook(lambda p: log.append("after again"))
    z.sum().backward(retain_graph=True)
    z.sum().backward()
    yield log


@programs
def after_accumulation_may_clear_the_gradient(torch):
    x, _, z = graph(torch)
    handle = x.register_post_accumulate_grad_hook(lambda p: setattr(p, "grad", None))
    z.sum().backward(retain_graph=True)
    yield x.grad
    handle.remove()
    z.sum().backward()
    yield x.grad


@programs
def optimizer_in_backward(torch):
    w = torch.tensor([1.0, 2.0], requires_grad=True)

    def step(p):
        with torch.no_grad():
            p.sub_(0.1 * p.grad)
        p.grad = None

    w.register_post_accumulate_grad_hook(step)
    for _ in range(3):
        (w * w).sum().backward()
        yield w
        yield w.grad


@programs
def after_accumulation_order(torch):
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    log = []
    a.register_post_accumulate_grad_hook(lambda p: log.append("a"))
    b.register_post_accumulate_grad_hook(lambda p: log.append("b"))
    y = (b * 2).sin()
    y.register_hook(noting(log, "y"))
    (a * y).backward()
    yield log


@programs
def after_accumulation_of_a_nonleaf(torch):
    _, y, _ = graph(torch)
    y.register_post_accumulate_grad_hook(lambda p: None)


@programs
def after_accumulation_of_what_requires_no_grad(torch):
    torch.ones(2).register_post_accumulate_grad_hook(lambda p: None)


@programs
def after_accumulation_and_grad(torch):
    x, _, z = graph(torch)
    log = []
    x.register_post_accumulate_grad_hook(lambda p: log.append("after"))
    torch.autograd.grad(z.sum(), x, retain_graph=True)
    yield log
    z.sum().backward(inputs=[x])
    yield log


# On nodes


def shown(gradients):
    return [None if g is None else g.tolist() for g in gradients]


@programs
def node_hooks(torch):
    x, y, z = graph(torch)
    log = []
    z.grad_fn.register_hook(lambda inputs, outputs: log.append(("after", shown(inputs), shown(outputs))))
    z.grad_fn.register_prehook(lambda outputs: log.append(("before", shown(outputs))))
    z.register_hook(noting(log, "tensor"))
    y.register_hook(noting(log, "y"))
    z.sum().backward()
    yield log
    yield x.grad


@programs
def node_hooks_replace(torch):
    x, y, z = graph(torch)
    z.grad_fn.register_prehook(lambda outputs: (outputs[0] * 10,))
    y.grad_fn.register_hook(lambda inputs, outputs: (inputs[0] + 1, *inputs[1:]))
    z.sum().backward()
    yield x.grad


@programs
def node_hooks_removed(torch):
    x, _, z = graph(torch)
    log = []
    first = z.grad_fn.register_hook(lambda inputs, outputs: log.append("after"))
    second = z.grad_fn.register_prehook(lambda outputs: log.append("before"))
    z.sum().backward(retain_graph=True)
    first.remove()
    second.remove()
    z.sum().backward()
    yield log


@programs
def node_hooks_of_an_operation_with_several_outputs(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, _, c = x.unbind()
    log = []
    a.grad_fn.register_prehook(lambda outputs: log.append(shown(outputs)))
    a.grad_fn.register_hook(lambda inputs, outputs: log.append((shown(inputs), shown(outputs))))
    (a * c).backward()
    yield log
    yield x.grad


@programs
def node_hooks_under_create_graph(torch):
    x, y, z = graph(torch)
    z.grad_fn.register_prehook(lambda outputs: (outputs[0] * 2,))
    (g,) = torch.autograd.grad(z.sum(), x, create_graph=True)
    yield g.detach()
    yield torch.autograd.grad(g.sum(), x)


@programs
def node_hook_of_a_leaf(torch):
    x, _, z = graph(torch)
    log = []
    accumulate = (x * 1).grad_fn.next_functions[0][0]
    accumulate.register_hook(lambda inputs, outputs: log.append((shown(inputs), shown(outputs), x.grad.tolist())))
    accumulate.register_prehook(lambda outputs: log.append(("before", shown(outputs), x.grad is None)))
    z.sum().backward()
    yield log
    yield x.grad


@programs
def prehook_replaces_the_gradient_of_a_leaf(torch):
    x, _, z = graph(torch)
    accumulate = (x * 1).grad_fn.next_functions[0][0]
    accumulate.register_prehook(lambda outputs: (outputs[0] * 2,))
    z.sum().backward()
    yield x.grad


@programs
def hooks_run_another_backward(torch):
    x, y, z = graph(torch)
    w = torch.tensor(3.0, requires_grad=True)
    y.register_hook(lambda g: (w * w).backward())
    z.sum().backward()
    yield x.grad, w.grad


@programs
def hook_order_around_one_node(torch):
    x, y, z = graph(torch)
    log = []
    y.retain_grad()
    y.grad_fn.register_prehook(lambda outputs: log.append(("prehook", shown(outputs), y.grad is None)))
    y.register_hook(noting(log, "tensor", lambda g: g * 2))
    y.grad_fn.register_hook(lambda inputs, outputs: log.append(("hook", shown(inputs), shown(outputs))))
    x.register_hook(noting(log, "x"))
    z.sum().backward()
    yield log
    yield y.grad, x.grad


@programs
def hooks_of_several_roots(torch):
    x, y, z = graph(torch)
    log = []
    y.register_hook(noting(log, "y"))
    z.register_hook(noting(log, "z"))
    torch.autograd.backward([y, z], [torch.ones(2), torch.ones(2)])
    yield log
    yield x.grad
