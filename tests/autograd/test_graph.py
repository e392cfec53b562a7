"""The graph itself: how it looks, how deep it may be, when it is freed; next to PyTorch where PyTorch can say."""

from __future__ import annotations

import gc
import time
import weakref

import numpy as np
import pytest

import rushlight

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_graph(program):
    assert_same(program)


def shape_of(node, depth=0):
    """A graph as nested names."""
    if node is None:
        return None
    return type(node).__name__, [(shape_of(next_node, depth + 1), place) for next_node, place in node.next_functions]


@programs
def structure(torch):
    x, y = torch.tensor(2.0, requires_grad=True), torch.tensor([1.0, 2.0], requires_grad=True)
    c = torch.tensor([1.0, 1.0])
    z = ((x * y + c).exp().view(2, 1).t() / 3 - y).sum()
    yield shape_of(z.grad_fn)
    yield x.grad_fn, y.grad_fn


@programs
def structure_with_several_outputs(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a, b = x.unbind()
    z = a * b
    yield shape_of(z.grad_fn)
    yield a.output_nr, b.output_nr
    yield a.grad_fn is b.grad_fn


@programs
def structure_of_the_gradient(torch):
    x = torch.tensor(2.0, requires_grad=True)
    (g,) = torch.autograd.grad(x.sin(), x, create_graph=True)
    yield g.grad_fn


@programs
def walking_the_graph(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x.exp()
    z = y * y + y
    seen, stack = [], [z.grad_fn]
    while stack:
        node = stack.pop()
        if node in seen or node is None:
            continue
        seen.append(node)
        stack.extend(next_node for next_node, _ in node.next_functions)
    yield sorted(type(node).__name__ for node in seen)
    leaf = y.grad_fn.next_functions[0][0]
    yield leaf, leaf.variable is x, leaf.next_functions
    yield len({leaf, y.grad_fn.next_functions[0][0]})


@programs
def nodes_have_metadata(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    y.grad_fn.metadata["note"] = 5
    yield y.grad_fn.metadata
    yield y.grad_fn is y.grad_fn


@programs
def printing(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    yield repr(x), repr(y), repr(y.sum()), repr(y.detach()), repr(y[0])
    yield repr(y.grad_fn).split(" object at")[0]
    y[0] = 1
    yield repr(y)
    yield repr(x.unbind()[0])


@programs
def sequence_numbers_increase(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 2
    z = y * 2
    yield z.grad_fn._sequence_nr() > y.grad_fn._sequence_nr()


@programs
def usable_after_an_exception(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    handle = y.register_hook(lambda g: 1 / 0)
    z = y.exp()
    yield fails(lambda: z.backward())
    yield x.grad
    yield torch.is_grad_enabled()
    handle.remove()
    (x * 3).backward()
    yield x.grad
    yield (x * 3).requires_grad


@programs
def retained_graph_is_usable_after_an_exception(torch):
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    handle = y.register_hook(lambda g: 1 / 0)
    z = y.exp()
    yield fails(lambda: z.backward(retain_graph=True))
    handle.remove()
    z.backward()
    yield x.grad


@programs
def accessing_freed_values(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * 2 * ctx.saved_tensors[0]

    x = torch.tensor(2.0, requires_grad=True)
    y = Square.apply(x)
    yield y.grad_fn.saved_tensors
    y.backward()
    yield fails(lambda: y.grad_fn.saved_tensors)


# Depth


@pytest.mark.parametrize(("how", "depth"), [("backward", 1_000_000), ("grad", 100_000), ("hooks", 100_000)])
def test_a_million_operations_deep(how, depth):
    start = time.process_time()
    x = rushlight.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(depth):
        y = y + 1.0
    if how == "grad":
        (gradient,) = rushlight.autograd.grad(y, x)
    else:
        if how == "hooks":
            y.register_hook(lambda g: g * 2)
        y.backward()
        gradient = x.grad
    assert gradient.item() == (2.0 if how == "hooks" else 1.0)
    del y
    assert time.process_time() - start < 60  # a step that looks at the whole graph would take hours


def test_a_deep_graph_that_is_never_run_is_freed_without_recursion():
    x = rushlight.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = (y * 1.0).view(())
    del y


def test_a_deep_graph_of_gradients():
    x = rushlight.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(20_000):
        y = y * 1.0001
    (g,) = rushlight.autograd.grad(y * y, x, create_graph=True)
    (h,) = rushlight.autograd.grad(g, x)
    np.testing.assert_allclose(h.item(), 2 * 1.0001**40_000, rtol=1e-2)


def test_a_deep_graph_of_custom_functions():
    class Next(rushlight.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x + 1

        @staticmethod
        def backward(ctx, g):
            return g

    y = x = rushlight.tensor(1.0, requires_grad=True)
    for _ in range(50_000):
        y = Next.apply(y)
    y.backward()
    assert x.grad.item() == 1
    del y


# Freeing: what is not needed goes at once, without the garbage collector

LIVES = {
    "result": lambda x: (x.exp(),),
    "chain": lambda x: (x.exp().tanh().sqrt(),),
    "saved_output": lambda x: (x.softmax(0),),
    "outputs": lambda x: x.unbind(),
    "one_of_the_outputs": lambda x: (x.unbind()[0] * 2,),
    "values_and_indices": lambda x: (x.max(0).values.exp(),),
    "sorted": lambda x: (x.sort().values * 2,),
    "view": lambda x: ((x * 1)[1:].view(-1),),
    "changed_view": lambda x: (changed(x * 1),),
    "changed": lambda x: ((x * 1).mul_(2).exp_(),),
    "matmul": lambda x: (x @ x,),
    "norm": lambda x: (x.norm(),),
    "function": lambda x: (Doubled.apply(x),),
    "function_saving_its_output": lambda x: (Exponential.apply(x),),
    "gradient": lambda x: rushlight.autograd.grad(x.exp().sum(), x, create_graph=True),
    "second_gradient": lambda x: rushlight.autograd.grad((x**3).exp().sum(), x, create_graph=True),
}


def changed(y):
    y[1:].mul_(2)
    return y


class Doubled(rushlight.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * 2

    @staticmethod
    def backward(ctx, g):
        return g * 2


class Exponential(rushlight.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        y = x.exp()
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, g):
        return g * ctx.saved_tensors[0]


@pytest.fixture
def no_collector():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def nodes_of(tensors):
    """Weak references to all nodes that these tensors depend on."""
    seen, stack = {}, [t.node for t in tensors if t.node is not None]
    while stack:
        node = stack.pop()
        if id(node) not in seen:
            seen[id(node)] = weakref.ref(node)
            stack.extend(edge for edge in node.edges if isinstance(edge, rushlight.autograd.graph.Node))
    return list(seen.values())


@pytest.mark.parametrize("run", [None, "backward", "retain", "create_graph"])
@pytest.mark.parametrize("case", LIVES)
def test_freed_with_its_last_user(case, run, no_collector):
    x = rushlight.tensor([0.5, 2.0, 1.0], requires_grad=True)
    results = LIVES[case](x)
    references = [*nodes_of(results), *map(weakref.ref, results)]
    assert len(references) >= 2
    if run is not None:
        loss = sum(result.sum() for result in results)
        if run == "create_graph":
            rushlight.autograd.grad(loss, x, create_graph=True)
        else:
            loss.backward(retain_graph=run == "retain")
        del loss
    del results
    alive = [reference() for reference in references if reference() is not None]
    assert not alive


def test_saved_arrays_go_as_backward_passes(no_collector):
    x = rushlight.ones(10, requires_grad=True)
    y = x.exp()
    z = y.sin().sum()
    array = weakref.ref(y.array)
    del y
    assert array() is not None
    z.backward()
    assert array() is None


def test_the_leaf_does_not_keep_its_graph(no_collector):
    x = rushlight.ones(10, requires_grad=True)
    y = x.exp()
    node = weakref.ref(y.node)
    x.retain_grad()
    y.sum().backward()
    del y
    assert node() is None


def test_failed_backward_keeps_nothing(no_collector):
    x = rushlight.ones(3, requires_grad=True)
    y = x.exp()
    node = weakref.ref(y.node)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    del y
    assert node() is None


# torch.autograd.graph


@programs
def gradient_edges(torch):
    graph = torch.autograd.graph
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    yield isinstance(y.grad_fn, graph.Node)
    edge = graph.get_gradient_edge(y)
    yield edge.node is y.grad_fn, edge.output_nr
    leaf = graph.get_gradient_edge(x)
    yield leaf.node, leaf.output_nr
    a, b = x.unbind()
    yield graph.get_gradient_edge(b).output_nr
    yield fails(lambda: graph.get_gradient_edge(torch.ones(2)))
    yield torch.autograd.grad(y.sum(), edge, retain_graph=True)
    yield torch.autograd.grad(y.sum(), [leaf, y])


@programs
def versions_incremented_by_hand(torch):
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    torch.autograd.graph.increment_version(y)
    yield y._version
    yield fails(lambda: y.sum().backward())


@programs
def anomalies(torch):
    x = torch.tensor([0.0, 1.0], requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = (x.sqrt() * 0).sum()
        yield torch.is_anomaly_enabled()
        yield fails(lambda: y.backward())
        (x * 2).sum().backward()
        yield x.grad
    yield torch.is_anomaly_enabled()
    x.grad = None
    (x.sqrt() * 0).sum().backward()
    yield x.grad
    with torch.autograd.detect_anomaly(check_nan=False):
        (x.sqrt() * 0).sum().backward()
    torch.autograd.set_detect_anomaly(True)
    yield torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    with torch.autograd.set_detect_anomaly(False):
        yield torch.is_anomaly_enabled()
    yield torch.is_anomaly_enabled()
    torch.autograd.set_detect_anomaly(False)
    yield torch.is_anomaly_enabled()


@programs
def nodes_called_by_hand(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    node = (x * 1).exp().grad_fn
    yield node(torch.ones(2))
    with torch.no_grad():
        yield node(torch.ones(2))
    yield node(None)
    yield fails(lambda: node())
    yield fails(lambda: node(torch.ones(2), torch.ones(2)))
    yield fails(lambda: node(3))
    parts = x.unbind()[0].grad_fn
    yield parts(torch.ones(()), torch.ones(()))
    yield parts(torch.ones(()), None)
    yield fails(lambda: parts(torch.ones(())))
    product = (x * x).grad_fn
    product.register_hook(lambda *_: 1 / 0)
    yield product(torch.ones(2))
    yield (x**2).grad_fn(torch.ones(2))
    freed = x.exp()
    freed.sum().backward()
    yield fails(lambda: freed.grad_fn(torch.ones(2)))
    written = x * 1
    written[0] = 3
    yield written.grad_fn(torch.ones(2))
