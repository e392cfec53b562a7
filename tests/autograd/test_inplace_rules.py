"""The finer rules of in-place operations and views, in tables: what is refused, what is recorded, and named how."""

from __future__ import annotations

import numpy as np
import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_inplace_rules(program):
    assert_same(program)


def whole(torch):
    return torch.ones(2, 3, requires_grad=True) * 1


def chain(node, depth=4):
    """The names of a node and of those that it leads to."""
    if node is None or not depth:
        return None if node is None else node.name()
    return [node.name(), *(chain(following, depth - 1) for following, _ in node.next_functions)]


# What an assignment records

ASSIGNMENTS = {
    "row": lambda y, w: y.__setitem__(0, w[0]),
    "all_from_row": lambda y, w: y.__setitem__(Ellipsis, w[0]),
    "all_from_one_row": lambda y, w: y.__setitem__(slice(None), w[:1]),
    "all_from_more_axes": lambda y, w: y.__setitem__(slice(None), w[None]),
    "row_from_element": lambda y, w: y.__setitem__(0, w[0, 0]),
    "element": lambda y, w: y.__setitem__((0, 0), w[0, 0]),
    "element_from_matrix": lambda y, w: y.__setitem__((0, 0), w[:1, :1]),
    "number": lambda y, w: y.__setitem__((0, 0), 1.0),
    "all_number": lambda y, w: y.__setitem__(Ellipsis, 1.0),
    "slice_number": lambda y, w: y.__setitem__(slice(None), 1.0),
    "whole_slice": lambda y, w: y.__setitem__(slice(0, 2), 1.0),
    "whole_slices": lambda y, w: y.__setitem__((slice(0, 2), slice(-3, None)), w),
    "part": lambda y, w: y.__setitem__((slice(0, 2), slice(0, 2)), w[:, :2]),
    "nothing": lambda y, w: y.__setitem__((), 1.0),
    "new_axis": lambda y, w: y.__setitem__(None, w),
    "new_axis_number": lambda y, w: y.__setitem__(None, 1.0),
    "column": lambda y, w: y.__setitem__((Ellipsis, 0), w[:, 1]),
    "list": lambda y, w: y.__setitem__([0], w[:1]),
    "list_number": lambda y, w: y.__setitem__([0], 1.0),
    "list_in_row": lambda y, w: y.__setitem__((0, [1]), w[0, :1]),
    "another_type": lambda y, w: y.__setitem__(slice(0, 1), w.double()[0]),
    "empty": lambda y, w: y.__setitem__(slice(0, 0), w[0]),
    "copy": lambda y, w: y.copy_(w[0]),
    "fill": lambda y, w: y.fill_(w[0, 0]),
    "equal": lambda y, w: y.eq_(w),
    "equal_number": lambda y, w: y.eq_(1),
    "not": lambda y, w: y.logical_not_(),
    "and": lambda y, w: y.logical_and_(w),
    "asinh": lambda y, w: y.asinh_(),
    "polygamma": lambda y, w: y.polygamma_(1),
    "sin_of_two": lambda y, w: y.sin_(w),
    "mul_of_none": lambda y, w: y.mul_(),
}


@pytest.mark.parametrize("case", ASSIGNMENTS)
def test_assignments(case):
    def program(torch):
        y, w = whole(torch), whole(torch)
        yield (
            type(fails(lambda: ASSIGNMENTS[case](y, w))).__name__
            if case.split("_")[0] in ("sin", "mul")
            else (ASSIGNMENTS[case](y, w) is None)
        )
        yield chain(y.grad_fn), y, y._version

    assert_same(program)


# What may lie where the target lies

OVERLAPPING = {
    "add_": lambda x, o: x.add_(o),
    "sub_alpha": lambda x, o: x.sub_(o, alpha=2),
    "copy_": lambda x, o: x.copy_(o),
    "lerp_": lambda x, o: x.lerp_(o, 0.5),
    "addcmul_": lambda x, o: x.addcmul_(o, o),
    "clamp_": lambda x, o: x.clamp_(min=o),
    "rows": lambda x, o: x.__setitem__([0, 1, 2], o),
    "all": lambda x, o: x.__setitem__(Ellipsis, o),
    "index_add_": lambda x, o: x.index_add_(0, index(x), o),
    "index_copy_": lambda x, o: x.index_copy_(0, index(x), o),
    "scatter_": lambda x, o: x.scatter_(0, index(x).expand(3, 3), o),
    "masked_fill_": lambda x, o: x.masked_fill_(x > 3, o[0, 0]),
    "fill_": lambda x, o: x.fill_(o[0, 0]),
}
OTHERS = {
    "itself": lambda x: x,
    "view": lambda x: x.view(3, 3),
    "detached": lambda x: x.detach(),
    "transposed": lambda x: x.t(),
    "row": lambda x: x[:1],
}


def index(x):
    return x.new_zeros(3).long()


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "no_grad"])
@pytest.mark.parametrize("other", OTHERS)
@pytest.mark.parametrize("case", OVERLAPPING)
def test_overlapping(case, other, recorded):
    if other == "row" and case.startswith(("index", "scatter")):
        return  # the shape is wrong too, and which error comes first differs

    def program(torch):
        with torch.set_grad_enabled(recorded):
            x = torch.arange(9.0).reshape(3, 3).clone()
            error = fails(lambda: OVERLAPPING[case](x, OTHERS[other](x)))
        yield error if isinstance(error, Exception) else None

    assert_same(program)


EXPANDED = {
    "add_": lambda x: x.add_(1),
    "fill_": lambda x: x.fill_(2.0),
    "zero_": lambda x: x.zero_(),
    "masked_fill_": lambda x: x.masked_fill_(x > 0, 5.0),
    "index_fill_": lambda x: x.index_fill_(0, x.new_zeros(1).long(), 5.0),
    "tril_": lambda x: x.tril_(),
    "row": lambda x: x.__setitem__(0, x.new_ones(3)),
    "rows": lambda x: x.__setitem__([0], x.new_ones(3)),
    "all": lambda x: x.__setitem__(Ellipsis, x.new_ones(3)),
}


@pytest.mark.parametrize("case", EXPANDED)
def test_expanded(case):
    def program(torch):
        x = torch.arange(3.0).clone()
        wide = x.expand(2, 3)
        error = fails(lambda: EXPANDED[case](wide))
        yield error if isinstance(error, Exception) else None
        yield x, wide

    assert_same(program)


@programs
def backward_through_a_filled_expanded_tensor(torch):
    y = torch.ones(1, requires_grad=True) * 1
    e = y.expand(3)
    e.fill_(5)
    yield e, y
    yield fails(lambda: e.sum().backward())


# Indices are watched, and released

INDICES = {
    "tensor": lambda torch: torch.tensor([0, 2]),
    "matrix": lambda torch: torch.tensor([[0, 2]]),
}


@pytest.mark.parametrize("case", INDICES)
def test_indices_changed(case):
    def program(torch):
        x = torch.arange(4.0, requires_grad=True)
        for use in (lambda y, i: y[i] * 1, lambda y, i: y.index_put((i,), torch.tensor(2.0)), put):
            i, y = INDICES[case](torch), x * 1
            z = use(y, i)
            i.zero_()
            yield fails(lambda z=z: z.sum().backward())
            i, y = INDICES[case](torch), x * 1
            z = use(y, i)
            z.sum().backward()
            yield fails(lambda z=z: z.sum().backward())

    def put(y, i):
        y[i] = 1.5
        return y

    assert_same(program)


@programs
def rows_counted_from_both_ends(torch):
    x = torch.ones(1, 3, requires_grad=True)
    x[[0, -1]].sum().backward()
    yield x.grad


# Views that require grad only because their base does


@programs
def base_becomes_a_leaf_after_its_view(torch):
    x = torch.ones(3)
    v, w = x[:2], x[1:]
    x.requires_grad_()
    yield v.requires_grad, v.is_leaf, v.grad_fn
    y = v * 2
    yield y.grad_fn, y.grad_fn.next_functions
    (y.sum() + w.sum()).backward()
    yield x.grad
    yield fails(lambda: v.add_(1))
    with torch.no_grad():
        x.add_(1)
    (v * 2).sum().backward()
    yield x.grad


@programs
def base_gets_a_history_after_its_view(torch):
    w = torch.ones(2, requires_grad=True)
    base = torch.zeros(3)
    v = base[:2]
    base[1:].add_(w)
    yield fails(lambda: v.mul_(2))
    yield v.grad_fn
    v.mul_(2)
    yield v, base


@programs
def base_detached_under_its_views(torch):
    y = torch.ones(3, requires_grad=True) * 1
    v = y[:2]
    y.detach_()
    yield y.requires_grad, v.requires_grad
    a, _ = v.unbind()
    yield a


@programs
def saved_input_detached_in_place(torch):
    y = torch.ones(3, requires_grad=True) * 2
    z = y * y
    y.detach_()
    yield fails(lambda: z.sum().backward())
    y.add_(1)
    yield fails(lambda: z.sum().backward())


@programs
def saved_view_whose_history_is_unusable(torch):
    y = torch.ones(2, 2, requires_grad=True) * 2
    a, _ = y.unbind()
    z = a * a
    y.mul_(2)
    yield fails(lambda: z.sum().backward())


RESHAPED = {
    "unsqueeze_": lambda t: t.unsqueeze_(0),
    "squeeze_": lambda t: t.squeeze_(),
    "squeeze_axis": lambda t: t.squeeze_(0),
    "squeeze_axes": lambda t: t.squeeze_((0,)),
    "t_": lambda t: t.t_(),
    "transpose_": lambda t: t.transpose_(0, 1),
    "as_strided_": lambda t: t.as_strided_((2,), (1,)),
}


@pytest.mark.parametrize("case", RESHAPED)
def test_reshaped_in_place(case):
    def program(torch):
        x = torch.ones(3, 3, requires_grad=True)
        yield fails(lambda: RESHAPED[case](x))
        yield fails(lambda: RESHAPED[case](x[:1]))
        y = x * torch.arange(3.0)
        v = y[:1]
        RESHAPED[case](v)
        yield v, y, v._version, chain(v.grad_fn, 2)
        v.mul_(2)
        y.sum().backward()
        yield x.grad

    assert_same(program)


RESHAPES = {
    "transposed": lambda y: y.permute(2, 0, 1).reshape(4, 6),
    "column": lambda y: y[:, :, 0].reshape(6),
    "copied": lambda y: y.transpose(0, 1).reshape(-1),
    "contiguous": lambda y: y.reshape(6, 4),
    "flattened": lambda y: y[:, :, 0].flatten(),
    "diagonal": lambda y: y[0].diagonal().reshape(3, 1),
}


@pytest.mark.parametrize("case", RESHAPES)
def test_names_of_reshapes(case):
    def program(torch):
        z = RESHAPES[case](torch.ones(2, 3, 4, requires_grad=True) * 1)
        yield z.grad_fn, z._is_view(), z.stride()

    assert_same(program)


@programs
def custom_function_of_a_view_whose_base_was_changed(torch):
    class Scaled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 0.1

        @staticmethod
        def backward(ctx, g):
            return g * 0.1

    x = torch.ones(2, 3, requires_grad=True)
    c = (x * 1)[:, 1]
    d = c[...]
    c.unsqueeze_(0)
    z = Scaled.apply(d).sum()
    yield torch.autograd.grad(z, x, retain_graph=True)
    z.backward()
    yield x.grad


# Gradients that are undefined


@programs
def undefined_gradients_go_on(torch):
    log = []

    class Nothing(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return None

    class Told(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            log.append(g.tolist())
            return g

    x = torch.ones(2, requires_grad=True)
    x.register_hook(lambda g: log.append(("leaf", None if g is None else g.tolist())))
    y = x * 3
    y.register_hook(lambda g: log.append(("y", None if g is None else g.tolist())))
    Nothing.apply(y).sum().backward(retain_graph=True)
    yield log, x.grad
    log.clear()
    Nothing.apply(Told.apply(y)).sum().backward(retain_graph=True)
    yield log, x.grad
    log.clear()
    (Nothing.apply(y) + y).sum().backward()
    yield log, x.grad


@programs
def refused_in_place_operations_change_nothing(torch):
    x = torch.arange(3.0)
    for change in (lambda: x.add_(torch.ones(2)), lambda: x.index_add_(0, torch.tensor([5]), torch.ones(1))):
        yield type(fails(change)).__name__
    yield x, x._version
    yield np.array(x.numpy())


@programs
def elements_replaced_by_a_function(torch):
    x = torch.arange(6.0).reshape(2, 3)
    yield x.apply_(lambda v: v * 2), x.t().apply_(lambda v: v + 1), x
    yield (
        x.map_(torch.ones(3), lambda a, b: a + b),
        x.map2_(torch.ones(3), torch.tensor(2.0), lambda a, b, c: a + b * c),
    )
    yield x._version
    yield torch.ones(2, dtype=torch.int64).apply_(lambda v: v / 2)
    for call in (
        lambda: torch.ones(2, requires_grad=True).apply_(abs),
        lambda: torch.ones(2).map_(torch.ones(2, requires_grad=True), max),
        lambda: torch.ones(2).map_(torch.ones(3), max),
        lambda: torch.ones(2).map_(torch.ones(2, dtype=torch.float64), max),
        lambda: torch.ones(2).apply_(lambda v: "a"),
    ):
        yield type(fails(call)).__name__


@programs
def functions_in_place(torch):
    x = torch.tensor([0.5, 0.25])
    yield torch.sin_(x) is x, x, torch.clamp_(x, 0.3, 0.4), torch.neg_(x), x._version
    yield type(fails(lambda: torch.sin_(3))).__name__


@programs
def nodes_with_another_name_in_place(torch):
    functional = torch.nn.functional
    for operation in (functional.leaky_relu, functional.elu, functional.celu, functional.selu, functional.relu):
        y = whole(torch)
        yield chain(operation(y, inplace=True).grad_fn, 1)


@programs
def memory_read_as_another_type_has_no_derivative(torch):
    for x in (torch.ones(4, requires_grad=True), torch.ones(4, requires_grad=True) * 1):
        for dtype in (torch.int32, torch.float64, torch.float16):
            v = x.view(dtype)
            yield v.requires_grad, v.is_leaf, v.grad_fn, v._is_view()
            v.zero_()
            yield x._version, v._version, x
