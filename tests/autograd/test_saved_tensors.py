"""Hooks on what is saved for backward, and what a node shows of it; run with PyTorch and with Rushlight."""

from __future__ import annotations

import numpy as np
import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_saved_tensors(program):
    assert_same(program)


def noting(torch, log):
    """Hooks that note what they see."""

    def pack(tensor):
        log.append(("pack", rounded(tensor), tensor.requires_grad, tensor.is_leaf, torch.is_grad_enabled()))
        return tensor.detach()

    def unpack(tensor):
        log.append(("unpack", rounded(tensor), torch.is_grad_enabled()))
        return tensor

    return torch.autograd.graph.saved_tensors_hooks(pack, unpack)


def rounded(tensor):
    return np.round(tensor.detach().numpy().astype(float), 5)


def part_written(x, c):
    y = x * 1
    y[0] = y[0] * c
    return y


OPERATIONS = {
    "product": lambda x, c: x * (x * 2 + c),
    "product_with_constant": lambda x, c: x * c,
    "product_with_number": lambda x, c: x * 3,
    "quotient": lambda x, c: x / (x + c),
    "exp": lambda x, c: x.exp(),
    "sin": lambda x, c: x.sin(),
    "pow": lambda x, c: x**3,
    "exp_": lambda x, c: (x * 1).exp_(),
    "mul_": lambda x, c: (x * 1).mul_(x)[0] * 2,
    "matmul": lambda x, c: x @ x,
    "matmul_with_constant": lambda x, c: c[None] @ x,
    "sum": lambda x, c: x.sum(0),
    "mean": lambda x, c: x.mean(),
    "view": lambda x, c: x[0] * c,
    "written_view": part_written,
    "softmax": lambda x, c: x.softmax(0),
    "one_of_several": lambda x, c: x.unbind()[0].sin(),
    "relu": lambda x, c: x.relu(),
    "gelu": lambda x, c: x.tanh() * x.sigmoid(),
}


@pytest.mark.parametrize("case", OPERATIONS)
def test_what_is_packed(case):
    def program(torch):
        x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
        log = []
        with noting(torch, log):
            y = OPERATIONS[case](x, torch.tensor([2.0, 3.0]))
        yield sorted(log, key=str)
        log.clear()
        y.sum().backward()
        yield sorted(log, key=str)
        yield x.grad

    assert_same(program)


@programs
def order_of_packing(torch):
    x, y = torch.tensor(2.0, requires_grad=True), torch.tensor(3.0, requires_grad=True)
    log = []
    with noting(torch, log):
        z = x * y
    z.backward()
    yield log


@programs
def unpacked_values_are_used(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    hooks = torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t * 2)
    for function in (lambda x: x**2, lambda x: x.exp(), lambda x: x * x, lambda x: x.sin()):
        with hooks:
            y = function(x).sum()
        yield torch.autograd.grad(y, x)


@programs
def second_derivatives_go_through_the_hooks(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    for function in (lambda x: x**3, lambda x: x.exp(), lambda x: x * x * x):
        for packed in (lambda t: t.detach().clone(), lambda t: t):
            with torch.autograd.graph.saved_tensors_hooks(packed, lambda t: t * 2):
                y = function(x).sum()
            (g,) = torch.autograd.grad(y, x, create_graph=True)
            yield g.detach(), torch.autograd.grad(g.sum(), x)


@programs
def innermost_hooks_count(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    log = []
    outer = torch.autograd.graph.saved_tensors_hooks(lambda t: log.append("outer") or t, lambda t: t)
    inner = torch.autograd.graph.saved_tensors_hooks(lambda t: log.append("inner") or t, lambda t: t)
    with outer:
        x.exp()
        with inner:
            x.exp()
        x.exp()
    x.exp()
    yield log


@programs
def grad_modes_inside(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    log = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: log.append("packed") or t, lambda t: t):
        with torch.no_grad():
            yield x.exp().requires_grad, log
            with torch.enable_grad():
                yield x.exp().requires_grad, log
        yield torch.is_grad_enabled(), x.exp().requires_grad, log
    with torch.no_grad(), torch.autograd.graph.saved_tensors_hooks(lambda t: log.append("packed") or t, lambda t: t):
        yield torch.is_grad_enabled(), x.exp().requires_grad, log
        with torch.enable_grad():
            yield x.exp().requires_grad, log
    yield torch.is_grad_enabled(), x.exp().requires_grad, log


@programs
def hooks_active_in_backward(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    log = []
    with noting(torch, log):
        (g,) = torch.autograd.grad(y, x, create_graph=True)
    yield len(log)


@programs
def errors_of_hooks(torch):
    graph = torch.autograd.graph
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with graph.saved_tensors_hooks(lambda t: t, lambda t: 3):
        y = x.exp()
    yield fails(lambda: y.sum().backward())

    def use(pack, unpack=lambda t: t):
        with graph.saved_tensors_hooks(pack, unpack):
            return (x * 1) * (x * 2)

    yield fails(lambda: use(lambda t: t.add_(1)))
    yield fails(lambda: use(lambda t: 1 / 0))
    yield fails(lambda: use(1))
    yield (x * x).requires_grad


@programs
def version_is_not_checked_through_hooks(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        y = x * 2
        z = y * y
    y.detach().zero_()
    z.sum().backward()
    yield x.grad


@programs
def hooks_disabled(torch):
    graph = torch.autograd.graph

    def inside_of_disabled():
        with graph.disable_saved_tensors_hooks("no hooks here"), graph.save_on_cpu():
            pass

    def disabled_inside():
        with graph.save_on_cpu(), graph.disable_saved_tensors_hooks("no hooks here"):
            pass

    yield fails(inside_of_disabled)
    yield fails(disabled_inside)
    x = torch.tensor(2.0, requires_grad=True)
    with graph.save_on_cpu(pin_memory=False):
        y = x * x
    y.backward()
    yield x.grad


def product(torch):
    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b, n):
            y = a * b
            ctx.save_for_backward(a, y, None, b)
            return y

        @staticmethod
        def backward(ctx, g):
            a, _, _, b = ctx.saved_tensors
            return g * b, g * a, None

    return Product


@programs
def custom_functions(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    log = []
    with noting(torch, log):
        y = product(torch).apply(x, x * 2, 3)
    y.sum().backward()
    yield log
    yield x.grad


@programs
def hooks_on_one_tensor_of_a_custom_function(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = product(torch).apply(x, torch.ones(2), 3)
    raw = y.grad_fn._raw_saved_tensors
    yield len(raw)
    raw[3].register_hooks(lambda t: t + 1, lambda t: t * 10)
    yield fails(lambda: raw[2].register_hooks(lambda t: t, lambda t: t))
    y.sum().backward()
    yield x.grad
    yield fails(lambda: y.grad_fn._raw_saved_tensors)


# Changes in place


def changed_by_setitem(b):
    b[0] = 5


CHANGES = {
    "in_place": (lambda b: b * b, lambda b: b.sin_()),
    "result": (lambda b: b.exp(), lambda b: b.zero_()),
    "pow": (lambda b: b**2, lambda b: b.mul_(3)),
    "part": (lambda b: b * b, changed_by_setitem),
    "view": (lambda b: b[0:1] * b[0:1], lambda b: b.zero_()),
    "detached": (lambda b: b * b * b, lambda b: b.detach().zero_()),
}


@pytest.mark.parametrize("case", CHANGES)
def test_changes_allowed(case):
    operation, change = CHANGES[case]

    def program(torch):
        with torch.autograd.graph.allow_mutation_on_saved_tensors():
            a = torch.tensor([1.0, 2.0], requires_grad=True)
            b = a * 1
            out = operation(b)
            change(b)
            if case != "view":
                out.detach().zero_()
            (g,) = torch.autograd.grad(out.sum(), a, create_graph=True)
            yield g.detach()
            yield fails(lambda: torch.autograd.grad(g.sum(), a)) if case == "pow" else None

    assert_same(program)


@programs
def changes_allowed_of_leaves_and_custom_functions(torch):
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        out = product(torch).apply(a, a * 2, 3).sum() + (a * a).sum()
        with torch.no_grad():
            a.add_(1)
        out.backward()
        yield a.grad


@programs
def changes_allowed_inside_only(torch):
    allow = torch.autograd.graph.allow_mutation_on_saved_tensors
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    with allow():
        out = (a * a).sum()
    yield fails(lambda: out.backward())
    with allow():
        yield fails(lambda: out.backward())
        yield fails(lambda: allow().__enter__())


# What a node shows of what it keeps


@programs
def saved_attributes(torch):
    x = torch.tensor([[1.0, 2.0]], requires_grad=True)
    y = x * 2
    z = y * x
    node = z.grad_fn
    yield node._saved_self, node._saved_other is x
    yield (x * torch.ones(2)).grad_fn._saved_self
    yield x.exp().grad_fn._saved_result
    yield [attribute for attribute in dir(node) if attribute.startswith("_saved")]
    yield fails(lambda: node._saved_nothing)
    z.sum().backward()
    yield fails(lambda: node._saved_self)


@pytest.mark.parametrize("function", [lambda x: x * x, lambda x: x.sin()], ids=["mul", "sin"])
def test_hooks_on_one_saved_tensor(function):
    def program(torch):
        x = torch.tensor([1.0, 2.0], requires_grad=True)
        y = function(x)
        node = y.grad_fn
        raw = node._raw_saved_self
        log = []
        raw.register_hooks(lambda t: log.append(t.is_leaf) or t * 2, lambda t: t)
        yield log
        yield fails(lambda: raw.register_hooks(lambda t: t, lambda t: t))
        yield torch.autograd.grad(y.sum(), x)
        yield fails(lambda: raw.register_hooks(lambda t: t, lambda t: t))
        yield fails(lambda: node._raw_saved_self.register_hooks(lambda t: t, lambda t: t))

    assert_same(program)


def test_what_hooks_return_goes_with_the_graph():
    import gc
    import weakref

    import rushlight as torch

    class Box:
        def __init__(self, tensor):
            self.tensor = tensor

    boxes = []

    def pack(tensor):
        box = Box(tensor.detach())
        boxes.append(weakref.ref(box))
        return box

    gc.disable()
    x = torch.ones(2, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda box: box.tensor):
        y = x.exp().sin().sum()
    assert [box() is not None for box in boxes] == [True, True]
    y.backward()
    gc.enable()
    assert [box() for box in boxes] == [None, None]


# What an index says is saved as its tensors, lists and masks

INDICES = {
    "positions": lambda torch, x: x[torch.tensor([0, 2])],
    "list": lambda torch, x: x[[0, 2]],
    "second_axis": lambda torch, x: x[:, torch.tensor([0, 2])],
    "two": lambda torch, x: x[torch.tensor([0, 1]), torch.tensor([2, 0])],
    "mask": lambda torch, x: x[x > 4],
    "mask_of_rows": lambda torch, x: x[torch.tensor([True, False, True]), :, None],
    "mask_and_list": lambda torch, x: x[torch.tensor([True, False, True]), [0, 1]],
    "behind_a_slice": lambda torch, x: x[1:, [0, 2]],
    "put": lambda torch, x: x.index_put((torch.tensor([0, 2]),), x[0]),
    "put_by_mask": lambda torch, x: x.index_put((x > 4,), torch.tensor(1.0)),
}


@pytest.mark.parametrize("index", INDICES)
def test_what_an_index_says_goes_through_hooks(index):
    def program(torch):
        x = torch.arange(9.0).reshape(3, 3).requires_grad_()
        weights = torch.arange(1.0, 28.0)
        log = []

        def pack(tensor):
            log.append((list(tensor.shape), str(tensor.dtype).split(".")[-1]))
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor.flip(0)):
            y = INDICES[index](torch, x)
        yield log
        yield y.grad_fn._saved_indices
        yield len(y.grad_fn._raw_saved_indices)
        yield torch.autograd.grad((y.reshape(-1) * weights[: y.numel()]).sum(), x)[0]
        yield fails(lambda: y.grad_fn._saved_indices)

    assert_same(program)


# An operation keeps what PyTorch's keeps, if only for its shape: a change before backward is refused

KEPT_FOR_THEIR_SHAPE = {
    "cummax": lambda torch, x: x.cummax(0)[0],
    "masked_select": lambda torch, x: x.masked_select(x > 0.5),
    "gather": lambda torch, x: x.gather(0, torch.zeros(1, 4).long()),
    "take": lambda torch, x: x.take(torch.tensor([0, 2])),
    "index_add": lambda torch, x: torch.ones(5, 4).index_add(0, torch.arange(4), x),
    "index_copy": lambda torch, x: torch.ones(5, 4).index_copy(0, torch.arange(4), x),
    "put": lambda torch, x: torch.ones(20).put(torch.arange(16), x.reshape(-1)),
    "reflected": lambda torch, x: torch.nn.functional.pad(x, (1, 1), mode="reflect"),
    "nll_loss": lambda torch, x: torch.nn.functional.nll_loss(x, torch.tensor([0, 1, 2, 1])),
    "multi_margin_loss": lambda torch, x: torch.nn.functional.multi_margin_loss(x, torch.tensor([0, 1, 2, 1])),
    "conv1d": lambda torch, x: torch.nn.functional.conv1d(x, torch.ones(1, 4, 2)),
    "conv_transpose1d": lambda torch, x: torch.nn.functional.conv_transpose1d(x, torch.ones(4, 1, 2)),
    "max_pool1d": lambda torch, x: torch.nn.functional.max_pool1d(x, 2),
    "avg_pool2d": lambda torch, x: torch.nn.functional.avg_pool2d(x[None], 2),
    "adaptive_max_pool1d": lambda torch, x: torch.nn.functional.adaptive_max_pool1d(x, 1),
}


@pytest.mark.parametrize("operation", KEPT_FOR_THEIR_SHAPE)
def test_what_is_kept_for_its_shape(operation):
    def program(torch):
        x = torch.linspace(0.1, 0.9, 16).reshape(4, 4).requires_grad_()
        changed = x * 1
        y = KEPT_FOR_THEIR_SHAPE[operation](torch, changed)
        changed.add_(1)
        y.sum().backward()

    assert_same(program)
