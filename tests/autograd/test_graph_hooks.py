"""The graph as an object: nodes, edges as roots and targets, multi-grad hooks, order and errors of all hooks."""

from __future__ import annotations

import gc
import weakref

import pytest

import rushlight

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_graph_hooks(program):
    assert_same(program)


def vector(torch):
    return torch.tensor([1.0, 2.0], requires_grad=True)


def plain(value):
    """Gradients as lists."""
    if isinstance(value, (tuple, list)):
        return tuple(map(plain, value))
    return value.tolist() if hasattr(value, "tolist") else value


def noting(log, word, result=None):
    """A hook of any kind that notes what it gets."""

    def hook(*gradients):
        log.append((word, plain(gradients)))
        return None if result is None else result(*gradients)

    return hook


def everything_hooked(torch, log):
    x = vector(torch)
    y = x * 2
    z = y * 3
    z.register_hook(noting(log, "z"))
    y.register_hook(noting(log, "y"))
    y.retain_grad()
    y.register_hook(noting(log, "y again", lambda g: g * 2))
    y.grad_fn.register_prehook(noting(log, "before"))
    y.grad_fn.register_hook(noting(log, "after"))
    x.register_hook(noting(log, "x"))
    x.register_post_accumulate_grad_hook(lambda p: log.append(("accumulated", plain(p.grad))))
    leaf = torch.autograd.graph.get_gradient_edge(x).node
    leaf.register_prehook(noting(log, "before x"))
    leaf.register_hook(noting(log, "after x"))
    return x, y, z


RUNS = {
    "backward": lambda torch, x, y, z: z.backward(),
    "twice": lambda torch, x, y, z: (z.backward(retain_graph=True), z.backward()),
    "grad_of_leaf": lambda torch, x, y, z: torch.autograd.grad(z, x),
    "grad_of_middle": lambda torch, x, y, z: torch.autograd.grad(z, y),
    "grad_of_both": lambda torch, x, y, z: torch.autograd.grad(z, [x, y]),
    "inputs_leaf": lambda torch, x, y, z: z.backward(inputs=[x]),
    "inputs_middle": lambda torch, x, y, z: z.backward(inputs=[y]),
    "inputs_both": lambda torch, x, y, z: z.backward(inputs=[y, x]),
    "create_graph": lambda torch, x, y, z: plain(torch.autograd.grad(z, x, create_graph=True)),
}


@pytest.mark.parametrize("case", RUNS)
def test_order_of_all_hooks(case):
    def program(torch):
        log = []
        x, y, z = everything_hooked(torch, log)
        yield RUNS[case](torch, x, y, z.sum())
        yield log
        yield x.grad, y.grad

    assert_same(program)


BEFORE = {
    "tensor": lambda torch, g: g[0] * 2,
    "tuple": lambda torch, g: (g[0] * 2,),
    "list": lambda torch, g: [g[0] * 2],
    "too_many": lambda torch, g: (g[0], g[0]),
    "number": lambda torch, g: 3,
    "nothing": lambda torch, g: (None,),
    "shape": lambda torch, g: (torch.ones(3),),
    "dtype": lambda torch, g: (g[0].double(),),
}
AFTER = BEFORE | {
    "tuple": lambda torch, g: (g[0] * 2, None),
    "too_few": lambda torch, g: (g[0] * 2,),
    "not_wanted": lambda torch, g: (g[0], g[0]),
    "nothing": lambda torch, g: (None, None),
    "shape": lambda torch, g: (torch.ones(3), None),
    "dtype": lambda torch, g: (g[0].double(), None),
}
ON_TENSOR = {
    "tuple": lambda torch, g: (g * 2,),
    "number": lambda torch, g: 3,
    "shape": lambda torch, g: torch.ones(3),
    "broadcast": lambda torch, g: g.sum(),
    "dtype": lambda torch, g: g.double(),
}
RETURNS = [
    *(("before", case, BEFORE[case]) for case in BEFORE),
    *(("after", case, AFTER[case]) for case in AFTER),
    *(("tensor", case, ON_TENSOR[case]) for case in ON_TENSOR),
]


@pytest.mark.parametrize(("kind", "case", "result"), RETURNS, ids=lambda v: v if isinstance(v, str) else "")
def test_what_hooks_return(kind, case, result):
    def program(torch):
        x = vector(torch)
        y = x * 2
        if kind == "before":
            y.grad_fn.register_prehook(lambda g: result(torch, g))
        elif kind == "after":
            y.grad_fn.register_hook(lambda inputs, outputs: result(torch, inputs))
        else:
            y.register_hook(lambda g: result(torch, g))
        yield fails(lambda: torch.autograd.grad(y.sum(), x))

    assert_same(program)


@pytest.mark.parametrize("result", [lambda g: g * 2, lambda g: g, lambda g: 3], ids=["tensor", "itself", "number"])
def test_what_hooks_after_accumulation_return(result):
    def program(torch):
        x = vector(torch)
        x.register_post_accumulate_grad_hook(result)
        yield fails(lambda: (x * 2).sum().backward())
        yield x.grad

    assert_same(program)


@programs
def hooks_that_cannot_be_called(torch):
    y = vector(torch) * 2
    y.register_hook(3)
    y.grad_fn.register_hook(3)
    yield fails(lambda: y.sum().backward())


@programs
def hooks_of_several_outputs(torch):
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, b, c = x.unbind()
    log = []
    c.register_hook(noting(log, "c"))
    b.register_hook(noting(log, "b"))
    a.register_hook(noting(log, "a", lambda g: g * 10))
    a.grad_fn.register_prehook(noting(log, "before", lambda g: (g[0] * 2, g[1], g[2])))
    a.grad_fn.register_hook(noting(log, "after"))
    b.retain_grad()
    c.retain_grad()
    (a * c).backward(retain_graph=True)
    yield log
    yield x.grad, b.grad, c.grad
    log.clear()
    yield torch.autograd.grad(a * c, [a, c], retain_graph=True)
    yield log
    log.clear()
    (a * c).backward(inputs=[a], retain_graph=True)
    yield a.grad


# In-place operations


@programs
def hooks_stay_with_the_old_value(torch):
    x = vector(torch)
    y = x * 1
    log = []
    y.register_hook(noting(log, "before"))
    y.retain_grad()
    y.mul_(3)
    y.register_hook(noting(log, "after"))
    (y * 2).sum().backward()
    yield log
    yield y.grad, y.retains_grad


@programs
def hooks_and_a_written_view(torch):
    x = vector(torch)
    y = x * 1
    log = []
    y.register_hook(noting(log, "base"))
    view = y[0]
    view.register_hook(noting(log, "view"))
    y.retain_grad()
    view.mul_(3)
    view.register_hook(noting(log, "view after"))
    (y * 2).sum().backward()
    yield log
    yield y.grad


@programs
def hooks_of_a_leaf_written_to(torch):
    x = vector(torch)
    log = []
    x.register_hook(noting(log, "x"))
    with torch.no_grad():
        x.mul_(2)
    (x * 2).sum().backward()
    x.requires_grad_(False)
    x.requires_grad_(True)
    (x * 2).sum().backward()
    yield log


@programs
def hook_writes_into_the_gradient(torch):
    x = vector(torch)
    y = x * 2
    y.register_hook(lambda g: g.mul_(10))
    (y * 1).sum().backward()
    yield x.grad


@programs
def hooks_added_and_removed_meanwhile(torch):
    x = vector(torch)
    log = []
    handles = [x.register_hook(noting(log, word)) for word in "abc"]

    def change(g):
        x.register_hook(noting(log, "late"))
        log.append("changed")

    x.register_hook(change)
    handles[1].remove()
    (x * 2).sum().backward()
    yield log


# Edges


@programs
def edges_as_roots(torch):
    graph = torch.autograd.graph
    x = vector(torch)
    y = x * 2
    edge = graph.get_gradient_edge(y)
    yield torch.autograd.grad([edge], [x], [torch.ones(2)], retain_graph=True)
    yield fails(lambda: torch.autograd.grad(edge, x, retain_graph=True))
    yield fails(lambda: torch.autograd.grad([edge], [x], [torch.ones(3)], retain_graph=True))
    torch.autograd.backward(edge, torch.ones(2), retain_graph=True)
    yield x.grad
    yield torch.autograd.grad(graph.get_gradient_edge(y.sum()), x)


@programs
def edges_as_targets(torch):
    graph = torch.autograd.graph
    x = vector(torch)
    y = x * 2
    s = y.sum()
    leaf = graph.get_gradient_edge(x)
    yield leaf.node, leaf.output_nr, leaf._fields
    yield torch.autograd.grad(s, [graph.get_gradient_edge(y)], retain_graph=True)
    yield torch.autograd.grad(s, [graph.GradientEdge(y.grad_fn, 0)], retain_graph=True)
    yield torch.autograd.grad(s, leaf, retain_graph=True)
    torch.autograd.backward(s, inputs=[leaf], retain_graph=True)
    yield x.grad
    torch.autograd.backward(s, inputs=[graph.get_gradient_edge(y)], retain_graph=True)
    yield x.grad


@programs
def edges_that_are_not_reached(torch):
    graph = torch.autograd.graph
    y, edge = (vector(torch) * 2).sum(), graph.get_gradient_edge(vector(torch))
    yield fails(lambda: torch.autograd.grad(y, [edge], retain_graph=True))
    yield torch.autograd.grad(y, [edge], allow_unused=True, retain_graph=True)
    yield fails(lambda: torch.autograd.grad(y, [edge], materialize_grads=True))
    yield fails(lambda: graph.increment_version(3))


@programs
def edges_and_tensors_together(torch):
    x = vector(torch)
    edge = torch.autograd.graph.get_gradient_edge(x * 2)
    torch.autograd.backward([edge, x * 3], [torch.ones(2), torch.ones(2)])
    yield x.grad


@programs
def edges_of_several_outputs(torch):
    graph = torch.autograd.graph
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    a, b, _ = x.unbind()
    edge = graph.get_gradient_edge(b)
    yield torch.autograd.grad(a * b, [edge], retain_graph=True)
    yield torch.autograd.grad([edge], [x], [torch.tensor(2.0)], retain_graph=True)
    yield torch.autograd.grad(a * b, [graph.GradientEdge(a.grad_fn, 1)], retain_graph=True)


@programs
def inputs_of_backward(torch):
    x, other = vector(torch), vector(torch)
    y = x * 2
    z = y * 3
    z.sum().backward(inputs=[y])
    yield y.grad, y.retains_grad, x.grad
    yield fails(lambda: (y * 1).sum().backward())
    (x * 2).sum().backward(inputs=[other])
    yield other.grad, x.grad
    yield fails(lambda: (x * 2).sum().backward(inputs=[torch.ones(2)]))
    (x * 2).sum().backward(inputs=x)
    yield x.grad


# Several gradients at once


@pytest.mark.parametrize("mode", ["all", "any", "some"])
def test_multi_grad_hooks(mode):
    def program(torch):
        a, b = vector(torch), vector(torch)
        c, d = a * b, a * b
        log = []

        def fn(gradients):
            log.append([g is not None for g in gradients] if mode == "all" else gradients.tolist())

        handle = torch.autograd.graph.register_multi_grad_hook((a, b, c, d), fn, mode=mode)
        c.sum().backward(retain_graph=True)
        c.sum().backward(inputs=(a,), retain_graph=True)
        (c + d).sum().backward(retain_graph=True)
        yield fails(lambda: torch.autograd.grad(c.sum(), a, retain_graph=True))
        torch.autograd.grad((c + d).sum(), c, retain_graph=True)
        yield log
        log.clear()
        with handle:
            d.sum().backward(retain_graph=True)
        d.sum().backward()
        yield log

    assert_same(program)


@programs
def multi_grad_hooks_of_what_requires_no_grad(torch):
    register = torch.autograd.graph.register_multi_grad_hook
    x = vector(torch)
    log = []
    yield fails(lambda: register((torch.ones(2), x), print))
    register((torch.ones(2), x), lambda g: log.append(g.tolist()), mode="any")
    (x * 2).sum().backward()
    yield log


# Nodes


@programs
def what_nodes_say(torch):
    x = vector(torch)
    y = x * 2
    node = y.grad_fn
    (meta,) = node._input_metadata
    yield list(meta.shape), str(meta.dtype), str(meta.device), meta.is_nested_tensor
    leaf = node.next_functions[0][0]
    yield leaf.name(), leaf._sequence_nr(), leaf.variable is x, leaf.metadata, leaf.requires_grad
    yield [list(meta.shape) for meta in x.unbind()[0].grad_fn._input_metadata]
    yield isinstance(leaf, torch.autograd.graph.Node), isinstance(x, torch.autograd.graph.Node)
    yield issubclass(type(node), torch.autograd.graph.Node), node.requires_grad
    yield fails(lambda: torch.autograd.graph.Node())
    handle = y.register_hook(lambda g: None)
    yield type(handle).__name__, isinstance(handle, torch.utils.hooks.RemovableHandle)


@programs
def what_concerns_other_devices(torch):
    graph = torch.autograd.graph
    yield graph.set_warn_on_accumulate_grad_stream_mismatch(True)
    yield graph.set_override_stale_capture_stream(False)
    for budget in (0.5, 2.0, True, "half"):
        yield fails(lambda budget=budget: graph.region_activation_memory_budget(budget))


def test_hooks_keep_no_graph_alive():
    torch = rushlight
    gc.collect()
    gc.disable()
    try:
        x = torch.ones(2, requires_grad=True)
        y = x.exp()
        torch.autograd.graph.register_multi_grad_hook([x, y], print, mode="all")
        handle = y.register_hook(lambda g: handle.remove())
        y.grad_fn.register_prehook(lambda g: None)
        y.retain_grad()
        references = weakref.ref(y), weakref.ref(y.grad_fn), weakref.ref(x)
        del x, y
        assert [reference() for reference in references] == [None, None, None]
    finally:
        gc.enable()
