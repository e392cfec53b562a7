"""In-place operations, versions and views, run with PyTorch and with Rushlight."""

from __future__ import annotations

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_inplace_views(program):
    assert_same(program)


def start(torch, *shape, requires_grad=True):
    """A non-leaf of increasing values that may be changed in place, and the leaf that it comes from."""
    numbers = 1
    for length in shape:
        numbers *= length
    x = torch.arange(1.0, numbers + 1).reshape(shape).clone().requires_grad_(requires_grad)
    return x, x * 1


# Versions


@programs
def versions_count_changes(torch):
    x = torch.ones(3)
    yield x._version
    x.add_(1)
    x.mul_(2)
    yield x._version
    x[0] = 5
    yield x._version
    x += 1
    yield x._version
    v = x[1:]
    v.add_(1)
    yield x._version, v._version
    d = x.detach()
    d.mul_(3)
    yield x._version, d._version
    x.data.mul_(2)
    yield x._version
    x.copy_(torch.zeros(3))
    yield x._version
    x.zero_()
    x.fill_(2)
    yield x._version
    yield x


@programs
def versions_with_no_grad(torch):
    x, y = start(torch, 2)
    with torch.no_grad():
        x.add_(1)
        y.add_(1)
    yield x._version, y._version


# Saved values overwritten

OVERWRITTEN = {
    "exp_result": (lambda x: x.exp(), lambda x, y: y.add_(1)),
    "exp_input": (lambda x: x.exp(), lambda x, y: x.add_(1)),
    "mul_input": (lambda x: x * x, lambda x, y: x.add_(1)),
    "mul_result": (lambda x: x * x, lambda x, y: y.add_(1)),
    "add_input": (lambda x: x + 1, lambda x, y: x.add_(1)),
    "sin_input": (lambda x: x.sin(), lambda x, y: x.zero_()),
    "tanh_result": (lambda x: x.tanh(), lambda x, y: y.mul_(2)),
    "sqrt_result": (lambda x: x.sqrt(), lambda x, y: y.mul_(2)),
    "sum_input": (lambda x: x.sum(0), lambda x, y: x.mul_(2)),
    "pow_input": (lambda x: x**3, lambda x, y: x.mul_(2)),
    "div_input": (lambda x: 1 / x, lambda x, y: x.mul_(2)),
    "matmul_input": (lambda x: x @ x, lambda x, y: x.mul_(2)),
    "by_a_view": (lambda x: x.exp(), lambda x, y: y[0].mul_(2)),
    "by_a_detached_alias": (lambda x: x.exp(), lambda x, y: y.detach().mul_(2)),
    "by_an_item": (lambda x: x.exp(), lambda x, y: y.__setitem__((0, 0), 0.0)),
    "by_copy": (lambda x: x.exp(), lambda x, y: y.copy_(x)),
    "not_through_data": (lambda x: x.exp(), lambda x, y: y.data.mul_(2)),
    "view_is_not_saved": (lambda x: x.t(), lambda x, y: x.mul_(2)),
    "shape_is_not_saved": (lambda x: x.expand(3, 2, 2), lambda x, y: x.mul_(2)),
    "where_mask": (lambda x: x * (x > 2), lambda x, y: x.add_(2)),
    "softmax_result": (lambda x: x.softmax(0), lambda x, y: y.mul_(2)),
    "relu_result": (lambda x: x.relu(), lambda x, y: y.mul_(2)),
}


@pytest.mark.parametrize("case", OVERWRITTEN)
def test_saved_value_overwritten(case):
    compute, change = OVERWRITTEN[case]

    def program(torch):
        x, y = start(torch, 2, 2)
        z = compute(y)
        change(y, z)
        z.sum().backward()
        yield x.grad

    assert_same(program)


@programs
def overwritten_before_it_is_saved(torch):
    x, y = start(torch, 3)
    y.mul_(2)
    (y * y).sum().backward()
    yield x.grad


@programs
def overwritten_input_whose_gradient_is_not_wanted(torch):
    x, c = torch.ones(2, requires_grad=True), torch.tensor([2.0, 3.0])
    y = x * c
    c.add_(1)
    yield fails(lambda: y.sum().backward())
    a = torch.tensor([2.0, 3.0], requires_grad=True)
    z = a * c
    with torch.no_grad():
        a.add_(1)
    z.sum().backward()
    yield a.grad


@programs
def leaf_changed_under_no_grad_after_use(torch):
    w = torch.ones(2, requires_grad=True)
    y = (w * w).sum()
    with torch.no_grad():
        w.mul_(2)
    y.backward()


@programs
def failed_backward_names_the_operation(torch):
    x, y = start(torch, 2)
    z = y.exp()
    z.add_(1)
    error = fails(lambda: z.sum().backward())
    yield "[torch.FloatTensor [2]], which is output 0 of" in str(error)
    yield "is at version 1; expected version 0 instead" in str(error)


# In-place operations are recorded

INPLACE = {
    "add": lambda y, w: y.add_(w),
    "add_alpha": lambda y, w: y.add_(w, alpha=3),
    "iadd": lambda y, w: y.__iadd__(w),
    "sub": lambda y, w: y.sub_(w),
    "mul": lambda y, w: y.mul_(w),
    "imul": lambda y, w: y.__imul__(w),
    "div": lambda y, w: y.div_(w),
    "pow": lambda y, w: y.pow_(2),
    "pow_tensor": lambda y, w: y.pow_(w),
    "by_itself": lambda y, w: y.mul_(y),
    "add_itself": lambda y, w: y.add_(y),
    "exp": lambda y, w: y.exp_(),
    "sin": lambda y, w: y.sin_(),
    "tanh": lambda y, w: y.tanh_(),
    "sigmoid": lambda y, w: y.sigmoid_(),
    "relu": lambda y, w: y.relu_(),
    "sqrt": lambda y, w: y.sqrt_(),
    "abs": lambda y, w: y.abs_(),
    "neg": lambda y, w: y.neg_(),
    "reciprocal": lambda y, w: y.reciprocal_(),
    "clamp": lambda y, w: y.clamp_(2, 3),
    "zero": lambda y, w: y.zero_(),
    "fill": lambda y, w: y.fill_(3.0),
    "fill_tensor": lambda y, w: y.fill_(w.sum()),
    "copy": lambda y, w: y.copy_(w),
    "copy_broadcast": lambda y, w: y.copy_(w[0]),
    "copy_from_double": lambda y, w: y.copy_(w.double()),
    "masked_fill": lambda y, w: y.masked_fill_(y > 2, 0.5),
    "lerp": lambda y, w: y.lerp_(w, 0.25),
    "addcmul": lambda y, w: y.addcmul_(w, w, value=2),
    "floor": lambda y, w: y.floor_(),
    "set_item": lambda y, w: y.__setitem__(0, w[0]),
    "set_item_number": lambda y, w: y.__setitem__((0, 1), 9.0),
    "set_slice": lambda y, w: y.__setitem__((slice(None), slice(1, None)), w[:, :1]),
    "set_all": lambda y, w: y.__setitem__(Ellipsis, w),
    "set_mask": lambda y, w: y.__setitem__(y.detach() > 2, 0.0),
    "set_broadcast": lambda y, w: y.__setitem__(slice(None), w[0]),
    "transpose_in_place_value": lambda y, w: y.t().mul_(w),
    "row": lambda y, w: y[0].mul_(w[0]),
    "row_by_itself": lambda y, w: y[0].mul_(y[1]),
    "row_exp": lambda y, w: y[0].exp_(),
    "column": lambda y, w: y[:, 1].add_(w[0]),
    "strided": lambda y, w: y.view(4)[::2].mul_(w[0]),
    "diagonal": lambda y, w: y.diagonal().mul_(w[0]),
    "diagonal_fill": lambda y, w: y.diagonal().fill_(0),
    "flat": lambda y, w: y.view(-1).mul_(w.view(-1)),
    "unsqueezed": lambda y, w: y.unsqueeze(0).mul_(w),
    "narrowed": lambda y, w: y.narrow(1, 0, 1).zero_(),
    "view_of_view": lambda y, w: y[0][1].mul_(w[0, 0]),
    "view_zero": lambda y, w: y[1].zero_(),
    "view_copy": lambda y, w: y[1].copy_(w[0]),
    "as_strided": lambda y, w: y.as_strided((2,), (2,), 1).mul_(w[0]),
    "permuted_part": lambda y, w: y.permute(1, 0)[0].exp_(),
}


@pytest.mark.parametrize("create_graph", [False, True], ids=["first", "second"])
@pytest.mark.parametrize("case", INPLACE)
def test_inplace_is_recorded(case, create_graph):
    def program(torch):
        x, y = start(torch, 2, 2)
        w = torch.tensor([[0.5, 2.0], [1.5, 3.0]], requires_grad=True)
        out = INPLACE[case](y, w)
        yield y
        yield out is y
        yield y._version
        loss = (y * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum() + (y * y).sum()
        gradients = torch.autograd.grad(loss, [x, w], allow_unused=True, create_graph=create_graph)
        yield [None if g is None else g.detach() for g in gradients]
        if create_graph:
            total = sum((g * g).sum() for g in gradients if g is not None)
            yield torch.autograd.grad(total, [x, w], allow_unused=True)

    assert_same(program, rtol=1e-4)


@programs
def history_is_rewritten(torch):
    x, y = start(torch, 2)
    before = y.grad_fn
    y.mul_(2)
    yield before, y.grad_fn
    yield y.grad_fn.next_functions[0][0] is before
    yield y.grad_fn.next_functions


@programs
def history_begins_with_an_inplace_operation(torch):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    buffer = torch.zeros(2)
    yield buffer.requires_grad
    buffer.add_(w * 3)
    yield buffer
    yield buffer.grad_fn.next_functions
    buffer.sum().backward()
    yield w.grad


@programs
def buffer_filled_row_by_row(torch):
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    buffer = torch.zeros(3, 2)
    for i in range(3):
        buffer[i] = w * (i + 1)
    yield buffer
    (buffer * buffer).sum().backward()
    yield w.grad


@programs
def recurrence_in_one_buffer(torch):
    w = torch.tensor(0.5, requires_grad=True)
    buffer = torch.zeros(4)
    buffer[0] = 1.0
    for i in range(1, 4):
        buffer[i] = buffer[i - 1].clone() * w + 1
    yield buffer
    buffer.sum().backward()
    yield w.grad


@programs
def recurrence_without_clone(torch):
    w = torch.tensor(0.5, requires_grad=True)
    buffer = torch.zeros(4)
    for i in range(1, 4):
        buffer[i] = buffer[i - 1] * w + 1
    buffer.sum().backward()


# Names

NAMES = {
    "whole": lambda y: y.mul_(2),
    "row": lambda y: y[0].mul_(2),
    "set_item": lambda y: y.__setitem__(0, 2.0),
    "set_all": lambda y: y.__setitem__(Ellipsis, 2.0),
    "set_tensor": lambda y: y.__setitem__(0, y[1] * 2),
    "transposed": lambda y: y.t().mul_(2),
    "viewed": lambda y: y.view(4).mul_(2),
}


@pytest.mark.parametrize("case", NAMES)
def test_names(case):
    def program(torch):
        _, y = start(torch, 2, 2)
        v, row = y.view(4), y[1]
        NAMES[case](y)
        yield y.grad_fn, v.grad_fn, row.grad_fn
        yield y.grad_fn.next_functions
        yield v.grad_fn.next_functions, row.grad_fn.next_functions
        yield repr(y).split("grad_fn")[1:]

    assert_same(program)


# Views and their base


@programs
def views_know_their_base(torch):
    x, y = start(torch, 4)
    v = y[1:]
    w = v[1:]
    yield v._base is y, w._base is y, y._base is None
    yield v._is_view(), y._is_view(), y.clone()._is_view(), (y[1:] * 1)._is_view()
    yield y.view(2, 2)._base is y, y.detach()[0]._is_view()
    yield y.reshape(2, 2)._is_view(), y.view(2, 2).t().reshape(4)._is_view()
    yield y.expand(2, 4)._base is y, y.view(2, 2).t()._base is y


@programs
def other_views_follow(torch):
    x, y = start(torch, 4)
    a, b, whole = y[:2], y[1:3], y.view(2, 2)
    a.mul_(10)
    yield a, b, whole, y
    (b * torch.tensor([1.0, 2.0])).sum().backward(retain_graph=True)
    yield x.grad
    x.grad = None
    (whole * whole).sum().backward()
    yield x.grad


@programs
def base_changed_after_the_view(torch):
    x, y = start(torch, 4)
    v = y[1:3]
    y.mul_(3)
    yield v
    (v * v).sum().backward()
    yield x.grad


@programs
def base_changed_between_view_and_its_use(torch):
    x, y = start(torch, 4)
    v = y[1:3]
    z = v * v
    y.mul_(3)
    z.sum().backward()


@programs
def changes_through_several_views(torch):
    x, y = start(torch, 2, 3)
    y[0].mul_(2)
    y[:, 1].add_(y[:, 0])
    y.t()[2].exp_()
    y.view(6)[0] = 5.0
    yield y
    (y * y).sum().backward()
    yield x.grad


@programs
def view_changed_twice(torch):
    x, y = start(torch, 3)
    v = y[:2]
    v.mul_(2)
    v.mul_(v)
    yield v, y
    y.sum().backward()
    yield x.grad


@programs
def view_of_a_plain_base_begins_its_history(torch):
    w = torch.tensor([5.0, 6.0], requires_grad=True)
    base = torch.zeros(3)
    v, other = base[:2], base[1:]
    v.mul_(w)
    v.add_(w)
    yield base, v, other
    (other * 2).sum().backward()
    yield w.grad


@programs
def gradient_of_a_view_and_of_its_base(torch):
    x, y = start(torch, 3)
    v = y[:2]
    v.mul_(2)
    z = (y * y).sum()
    yield torch.autograd.grad(z, [y, v, x], allow_unused=True, retain_graph=True)
    yield torch.autograd.grad((v * v).sum(), [y, v, x], allow_unused=True)


@programs
def retain_grad_of_a_changed_view(torch):
    x, y = start(torch, 3)
    v = y[:2]
    v.retain_grad()
    v.mul_(2)
    (v * v).sum().backward()
    yield v.grad, x.grad


@programs
def non_differentiable_view_types(torch):
    x, y = start(torch, 3)
    with torch.no_grad():
        v = y[:2]
    yield v.requires_grad, v.is_leaf
    yield fails(lambda: v.mul_(2))
    with torch.no_grad():
        v.mul_(2)
    yield y


@programs
def view_made_under_no_grad_of_a_plain_base(torch):
    base = torch.zeros(3)
    w = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        v = base[:2]
    yield fails(lambda: v.add_(w))
    v.add_(1)
    yield base


@programs
def view_of_a_leaf_made_under_no_grad(torch):
    x, _ = start(torch, 3)
    with torch.no_grad():
        v = x[:2]
        v.mul_(2)
    yield x
    yield x._version
    yield fails(lambda: v.mul_(2))


@programs
def view_made_before_and_changed_under_no_grad(torch):
    x, y = start(torch, 3)
    v = y[:2]
    with torch.no_grad():
        v.mul_(2)
    yield v, y
    (v * v + y[1:]).sum().backward()
    yield x.grad


@programs
def base_changed_under_no_grad(torch):
    x, y = start(torch, 3)
    v = y[:2]
    with torch.no_grad():
        y.mul_(2)
    yield v.grad_fn, y.grad_fn
    (v * v).sum().backward()
    yield x.grad


@programs
def view_of_a_view_made_under_no_grad(torch):
    x, y = start(torch, 4)
    with torch.no_grad():
        v = y[:3]
    w = v[1:]
    yield "created in no_grad mode" in str(fails(lambda: w.mul_(2)))


# Leaves


LEAF_CHANGES = {
    "add": lambda x: x.add_(1),
    "iadd": lambda x: x.__iadd__(1),
    "set_item": lambda x: x.__setitem__(0, 1.0),
    "set_all": lambda x: x.__setitem__(Ellipsis, 1.0),
    "zero": lambda x: x.zero_(),
    "fill": lambda x: x.fill_(1.0),
    "copy": lambda x: x.copy_(x.detach()),
    "row": lambda x: x[0].add_(1),
    "viewed": lambda x: x.view(4).add_(1),
    "detached": lambda x: x.detach().add_(1),
    "data": lambda x: x.data.add_(1),
    "unbind": lambda x: x.unbind()[0].add_(1),
    "expand": lambda x: x.expand(3, 2, 2).add_(1),
}


@pytest.mark.parametrize("case", LEAF_CHANGES)
def test_leaf_changed(case):
    def program(torch):
        x, _ = start(torch, 2, 2)
        yield fails(lambda: plainly(LEAF_CHANGES[case](x)))
        yield x
        yield x._version
        with torch.no_grad():
            yield fails(lambda: plainly(LEAF_CHANGES[case](x)))
        yield x
        (x * x).sum().backward()
        yield x.grad

    assert_same(program)


def plainly(tensor):
    return None if tensor is None else tensor.detach()


# Views of operations with several outputs

MULTI = {
    "unbind": lambda torch, y: y.unbind(),
    "split": lambda torch, y: y.split(1),
    "chunk": lambda torch, y: y.chunk(2),
    "tensor_split": lambda torch, y: y.tensor_split(2),
}


@pytest.mark.parametrize("case", MULTI)
def test_multi_output_views(case):
    def program(torch):
        x, y = start(torch, 2, 2)
        a, b = MULTI[case](torch, y)
        yield a, b, a._is_view(), a._base is y
        yield a.output_nr, b.output_nr
        yield fails(lambda: a.mul_(2))
        yield fails(lambda: b[0].mul_(2))
        yield y
        with torch.no_grad():
            yield fails(lambda: a.mul_(2).detach())
        c, _ = MULTI[case](torch, torch.ones(2, 2))
        yield c.mul_(2)
        (b * 2).sum().backward()
        yield x.grad

    assert_same(program)


@programs
def base_changed_after_a_multi_output_view(torch):
    x, y = start(torch, 2, 2)
    a, b = y.unbind()
    y.mul_(2)
    yield fails(lambda: a.grad_fn)
    yield type(fails(lambda: (a * 1).sum().backward())).__name__


# What cannot be written


@programs
def expanded(torch):
    x = torch.zeros(1)
    yield fails(lambda: x.expand(3).add_(1))
    yield fails(lambda: x.expand(3).copy_(torch.ones(3)))
    yield fails(lambda: x.expand(1).add_(1))
    yield fails(lambda: x.expand(3).__setitem__(0, 1.0))
    yield fails(lambda: x.expand(3).fill_(5))
    yield fails(lambda: x.expand(3).zero_())
    yield x


@programs
def operands_that_overlap_the_target(torch):
    x = torch.arange(6.0).view(2, 3).clone()
    yield fails(lambda: x.sub_(x[0]))
    yield fails(lambda: x[0].add_(x[1]))
    yield fails(lambda: x.view(6)[1:].copy_(x.view(6)[:-1]))
    yield fails(lambda: x.add_(x.view(2, 3)))
    yield fails(lambda: x[:, :2].t().add_(x[:, 1:].t()).shape)
    with torch.no_grad():
        yield fails(lambda: x.mul_(x[1]))


WRONG = {
    "int_by_float": lambda torch: torch.zeros(2, dtype=torch.int64).add_(1.5),
    "int_by_float_tensor": lambda torch: torch.zeros(2, dtype=torch.int64).mul_(torch.ones(2)),
    "float_by_complex": lambda torch: torch.zeros(2).add_(1j),
    "bool_by_int": lambda torch: torch.zeros(2, dtype=torch.bool).add_(1),
    "int_divided": lambda torch: torch.ones(2, dtype=torch.int64).div_(2),
    "int_exp": lambda torch: torch.ones(2, dtype=torch.int64).exp_(),
    "too_small": lambda torch: torch.zeros(2).add_(torch.ones(3, 2)),
    "unequal": lambda torch: torch.zeros(2).add_(torch.ones(3)),
    "float_by_double": lambda torch: torch.zeros(2).add_(torch.ones(2, dtype=torch.float64)),
    "int32_by_int64": lambda torch: torch.zeros(2, dtype=torch.int32).add_(torch.ones(2, dtype=torch.int64)),
    "copy_float_to_int": lambda torch: torch.zeros(2, dtype=torch.int64).copy_(torch.tensor([1.7, -1.7])),
    "comparison": lambda torch: torch.tensor([1.0, 5.0]).gt_(2),
    "comparison_of_integers": lambda torch: torch.tensor([1, 5]).lt_(2),
}


@pytest.mark.parametrize("case", WRONG)
def test_dtypes_and_shapes(case):
    def program(torch):
        yield fails(lambda: WRONG[case](torch))

    assert_same(program)


@programs
def a_refused_change_changes_nothing(torch):
    x = torch.zeros(2)
    fails(lambda: x.add_(torch.ones(3, 2)))
    yield x
    yield x._version


@programs
def comparison_in_place_cuts_the_history(torch):
    x, y = start(torch, 3)
    y.gt_(2)
    yield y
    yield fails(lambda: y.sum().backward())
    yield x.grad


@programs
def zero_in_place_cuts_the_gradient(torch):
    x, y = start(torch, 3)
    y.zero_()
    y.sum().backward()
    yield x.grad


# Detached aliases


@programs
def inplace_on_detached(torch):
    x, y = start(torch, 3)
    z = y * 2
    d = z.detach()
    d.add_(1)
    yield z
    yield d.requires_grad, z.grad_fn
    z.sum().backward()
    yield x.grad


@programs
def detached_alias_becomes_part_of_another_graph(torch):
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    x, y = start(torch, 3)
    d = y.detach()
    d.mul_(w)
    yield d.grad_fn, y.grad_fn
    d.sum().backward()
    yield w.grad, x.grad


@programs
def overlapping_source_and_target(torch):
    x = torch.arange(5.0)
    x[1:].copy_(x[:-1].clone())
    yield x
    y = torch.arange(4.0).view(2, 2)
    y.copy_(y.t().clone())
    yield y
    z = torch.arange(4.0).view(2, 2)
    z.add_(z[0].clone())
    yield z


@programs
def chain_of_inplace_operations(torch):
    x, y = start(torch, 3)
    for _ in range(5):
        y.mul_(0.5).add_(x)
    yield y
    y.sum().backward()
    yield x.grad


@programs
def second_derivative_through_an_inplace_operation_on_a_view(torch):
    x, y = start(torch, 4)
    v = y[1:3]
    v.mul_(v * v)
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    yield g.detach()
    yield torch.autograd.grad(g.sum(), x)


@programs
def hook_on_a_tensor_that_is_changed_later(torch):
    x, y = start(torch, 3)
    log = []
    y.register_hook(lambda g: log.append(g.tolist()))
    y.mul_(2)
    y.register_hook(lambda g: log.append(g.tolist()))
    (y * y).sum().backward()
    yield log
    yield x.grad


@programs
def data_of_a_view(torch):
    x, y = start(torch, 3)
    y[0].data.add_(5)
    yield y
    yield y._version
    y.sum().backward()
    yield x.grad


@programs
def out_argument(torch):
    x, y = start(torch, 3)
    plain = torch.zeros(3)
    yield torch.add(plain, 1, out=plain) is plain
    yield plain
    yield plain._version
    yield type(fails(lambda: torch.add(y, 1, out=torch.zeros(3)))).__name__
    yield type(fails(lambda: torch.add(plain, 1, out=y))).__name__
    with torch.no_grad():
        torch.add(plain, 1, out=y)
    yield y


# Views of another type, in the middle of a chain of views


@programs
def parts_of_complex_numbers_changed_in_place(torch):
    chains = [
        lambda w: torch.view_as_real(w)[0],
        lambda w: torch.view_as_real(w).select(0, 1),
        lambda w: torch.view_as_real(w[0]),
        lambda w: torch.view_as_complex(torch.view_as_real(w)[0]),
        lambda w: torch.view_as_real(w).view(-1)[1:3],
    ]
    for chain in chains:
        z = torch.tensor([[1 + 2j, 3 + 4j], [5 + 6j, 7 + 8j]], requires_grad=True)
        w = z * 1
        part = chain(w)
        part.mul_(2)
        yield type(part.grad_fn).__name__, type(w.grad_fn).__name__
        torch.view_as_real(w * w).sum().backward()
        yield torch.view_as_real(z.grad) + 0.0


@programs
def real_part_of_a_row_changed_in_place(torch):
    z = torch.tensor([[1 + 2j, 3 + 4j], [5 + 6j, 7 + 8j]], requires_grad=True)
    w = z * 1
    w[0].real.mul_(2)
    torch.view_as_real(w * w).sum().backward()
    yield torch.view_as_real(z.grad) + 0.0
