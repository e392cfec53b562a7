"""Which saved operands are held to their version, what is said first, and where hooks stay; both libraries agree."""

from __future__ import annotations

import pytest
import torch

import rushlight

from .both import Programs, assert_same, fails, name

programs = Programs()


def base(torch):
    """A leaf, and what was computed from it."""
    x = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    return x, x * 1


@pytest.mark.parametrize("program", programs, ids=name)
def test_programs(program):
    assert_same(program)


@programs
def operands_of_a_gradient_that_goes_nowhere(torch):
    x, y = base(torch)
    with torch.no_grad():
        view = y[:1]
    z = view.addcmul(view, view) + (view * view) + x.detach()[:1] / view
    y.add_(1)
    z.sum().backward()
    yield x.grad


@programs
def operands_of_inference_mode_where_a_gradient_goes_nowhere(torch):
    x, y = base(torch)
    with torch.no_grad():
        view = y[:1]
    with torch.inference_mode():
        plain = torch.ones(1, 3)
    for operate in (torch.mul, torch.div, torch.atan2, torch.sub, torch.addcmul):
        more = (plain,) if operate is torch.addcmul else ()
        yield fails(lambda operate=operate, more=more: operate(view, plain, *more).requires_grad)
        yield fails(lambda operate=operate, more=more: operate(plain, view, *more).requires_grad)
        yield fails(lambda operate=operate, more=more: operate(x[:1], plain, *more).requires_grad)


@programs
def a_stale_view_gets_another_shape_where_nothing_is_recorded(torch):
    for reshape in (lambda t: t.t_(), lambda t: t.squeeze_(), lambda t: t.unsqueeze_(0)):
        _x, y = base(torch)
        part = y.split(1)[0]
        y.detach().mul_(2)
        with torch.no_grad():
            reshape(part)
        yield tuple(part.shape), fails(lambda part=part: part.grad_fn)


@programs
def what_is_not_kept_cannot_be_missed(torch):
    _x, y = base(torch)
    with torch.no_grad():
        view = y[:1]
    z = view * view
    z.sum().backward()
    z.sum().backward()
    w = view.exp()
    w.sum().backward()
    w.sum().backward()


@programs
def the_result_is_held_to_its_version_all_the_same(torch):
    _x, y = base(torch)
    with torch.no_grad():
        view = y[:1]
    z = view.exp()
    with torch.no_grad():
        z.add_(1)
    z.sum().backward()


@programs
def the_other_operand_is_looked_at_first(torch):
    _x, y = base(torch)
    part = y.split(1)[0]
    z = y * part
    y.add_(1)
    z.sum().backward()


@programs
def the_output_of_a_view_of_a_part(torch):
    _x, y = base(torch)
    part = y.unbind()[1][:]
    z = part * part
    with torch.no_grad():
        y.add_(1)
    z.sum().backward()


@programs
def a_leaf_view_made_unrecorded(torch):
    _x, y = base(torch)
    with torch.no_grad():
        view = y[:]
    view.requires_grad_()
    z = view.t() * 2 * view.t()
    y.detach().mul_(2)
    z.sum().backward()


@programs
def detached_in_place_but_a_leaf_when_it_was_saved(torch):
    x, _y = base(torch)
    w = torch.ones(2, 3)
    z = x * w
    w.div_(x)
    w.detach_()
    z.sum().backward()


@programs
def detached_in_place_after_another_shape(torch):
    for reshape in (lambda y: y.t_(), lambda y: y.unsqueeze_(0), lambda y: y.squeeze_()):
        for detached in (False, True):
            x, y = base(torch)
            z = x * y
            reshape(y)
            if detached:
                y.detach_()
            yield fails(lambda z=z: z.sum().backward())


@programs
def detached_in_place_and_given_a_new_history(torch):
    x, y = base(torch)
    z = y * y
    y.detach_()
    y.copy_(x)
    z.sum().backward()


@programs
def a_custom_function_finds_what_was_detached_in_place(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[0]

    x, y = base(torch)
    z = Square.apply(y)
    y.detach_()
    z.sum().backward()
    yield x.grad


@programs
def a_returned_input_outlives_the_history_of_the_input(torch):
    class Same(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x, y = base(torch)
    z = Same.apply(y)
    w = z * z
    y.detach_()
    w.sum().backward()
    yield x.grad


@programs
def a_custom_function_in_place_forgets_the_gradient(torch):
    class Double(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2)

        @staticmethod
        def backward(ctx, g):
            return g * 2

    _x, y = base(torch)
    y.retain_grad()
    (y * 2).sum().backward(retain_graph=True)
    yield y.grad
    Double.apply(y)
    yield y.grad


@programs
def views_of_views_made_in_inference_mode(torch):
    for show in (lambda t: t.split(1)[0], lambda t: t[:]):
        _x, y = base(torch)
        with torch.inference_mode():
            view = y[:]
        with torch.no_grad():
            again = view[:]
        y.detach().mul_(2)
        for shown in (again, show(view)):
            yield fails(lambda shown=shown: shown.grad_fn)


@programs
def a_stale_operand_of_another_type_before_shapes(torch):
    _x, y = base(torch)
    part = y.unbind()[0]
    y.detach().mul_(2)
    torch.arange(4) + part


@programs
def a_stale_view_becomes_a_leaf(torch):
    _x, y = base(torch)
    with torch.no_grad():
        view = y[:1]
    y.mul_(2)
    yield view.requires_grad_().requires_grad


@programs
def retaining_twice_does_not_look_at_the_history(torch):
    _x, y = base(torch)
    part = y.unbind()[0]
    part.retain_grad()
    y.detach().mul_(2)
    part.retain_grad()
    yield part.retains_grad


@programs
def hooks_stay_when_a_tensor_is_reshaped_in_place(torch):
    for reshape in (lambda y: y.t_(), lambda y: y.unsqueeze_(0), lambda y: y.squeeze_()):
        calls = []
        _x, y = base(torch)
        y.retain_grad()
        y.register_hook(lambda g, calls=calls: calls.append(("before", tuple(g.shape))))
        reshape(y)
        y.register_hook(lambda g, calls=calls: calls.append(("after", tuple(g.shape))))
        y.retain_grad()
        (y * 3).sum().backward()
        yield calls, y.grad


@programs
def the_second_gradient_passes_by_the_hook_of_a_view_that_was_changed(torch):
    x, y = base(torch)
    part = y[:1]
    part.register_hook(lambda g: g * 2)
    part.sigmoid_()
    (g,) = torch.autograd.grad((y * y).sum(), x, create_graph=True)
    yield torch.autograd.grad((g * g).sum(), x)[0]


@programs
def copying_to_itself_is_no_change_of_shared_memory(torch):
    t = torch.zeros(3).expand(2, 3)
    t.copy_(t)
    t[...] = t
    yield t, t._version


@programs
def a_leaf_that_has_become_a_result(torch):
    x, y = base(torch)
    x.detach_()
    x.add_(torch.ones(3, requires_grad=True))
    y.sum().backward()


@programs
def whole_numbers_with_a_history(torch):
    x, _y = base(torch)
    whole = torch.zeros(2, 3, dtype=torch.int64)
    whole.fill_(x.sum())
    yield whole.requires_grad, type(whole.grad_fn).__name__
    whole.copy_(x)
    yield type(whole.grad_fn).__name__
    yield fails(lambda: whole[:1].fill_(2)), fails(lambda: whole.view(-1)), fails(lambda: whole.split(1))
    yield fails(lambda: whole.__setitem__(0, 1)), fails(lambda: whole.sort()), whole.detach()
    whole[...] = 3
    yield type(whole.grad_fn).__name__
    whole + 1


@programs
def other_memory_is_a_change_without_a_derivative(torch):
    x, y = base(torch)
    plain, alias_ = torch.zeros(6), torch.zeros(2)
    shared = alias_.detach()
    alias_.set_(plain)
    yield alias_, alias_._version, shared, shared._version
    z = y * y
    with torch.no_grad():
        y.set_(torch.zeros(2, 3))
    yield fails(lambda: z.sum().backward())
    y.set_(torch.zeros(2, 3))
    yield type(y.grad_fn).__name__, fails(lambda: y.sum().backward())
    x.set_(torch.zeros(2, 3))


@programs
def written_into_shared_memory_that_needs_no_gradient(torch):
    x, y = base(torch)
    t = torch.zeros(2, 3).expand(2, 2, 3)
    t[[0, -1]] = y
    (t * t).sum().backward()
    yield x.grad


@programs
def no_way_back_through_shared_memory(torch):
    for show in (lambda t: t[1:], lambda t: t[0]):
        x, _y = base(torch)
        shared = torch.ones(3).expand(2, 3).detach()
        part = show(shared)
        part.add_(x[0])
        yield fails(lambda shared=shared: shared.sum().backward()), x.grad


@programs
def a_leaf_that_is_a_view_when_its_gradient_arrives(torch):
    changes = (
        lambda x, plain, leaf: plain.mul_(x),
        lambda x, plain, leaf: plain.mul_(2),
        lambda x, plain, leaf: (plain.requires_grad_(), leaf.detach().mul_(2)),
        lambda x, plain, leaf: (leaf.requires_grad_(False), leaf.mul_(x)),
    )
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        for change in changes:
            x, plain = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)
            with mode():
                leaf = plain[:]
            leaf.requires_grad_()
            z = leaf * 2
            change(x, plain, leaf)
            yield fails(lambda z=z: z.sum().backward()), leaf.requires_grad
            yield fails(lambda leaf=leaf: leaf.grad)


@programs
def a_leaf_whose_gradient_is_undefined_is_due_at_once(torch):
    class First(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            return a * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2, None

    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    calls = []
    for called, leaf in (("a", a), ("b", b)):
        leaf.register_hook(lambda g, called=called: calls.append((called, g is None)))
    First.apply(a.exp(), b).sum().backward()
    yield calls


@programs
def leaves_are_due_in_the_order_of_their_last_edges(torch):
    a, b = (torch.ones(2, requires_grad=True) for _ in range(2))
    calls = []
    a.register_hook(lambda g: calls.append("a"))
    b.register_hook(lambda g: calls.append("b"))
    torch.cat([a, b, a]).sum().backward()
    yield calls


@programs
def data_of_another_shape(torch):
    for shape in ((2,), (2, 2)):
        p, w = torch.nn.Parameter(torch.ones(3)), torch.ones(3, requires_grad=True)
        loss = (p * w).sum()
        p.data = torch.ones(shape)
        yield fails(loss.backward)
    p, w = torch.nn.Parameter(torch.ones(3, 2)), torch.ones(2, 3, requires_grad=True)
    loss = (w @ p).sum()
    p.data = torch.ones(2, 2)
    loss.backward()


@programs
def saved_views_of_views_made_unrecorded(torch):
    part, whole = (lambda t: t.unbind()[0]), (lambda t: t[:])
    for mode in (torch.no_grad, torch.inference_mode):
        for show in (part, whole, lambda t: part(whole(t)), lambda t: whole(part(t))):
            _x, y = base(torch)
            with mode():
                view = y[:]
            shown = show(view)
            z = shown * shown
            y.detach().mul_(2)
            yield fails(lambda z=z: z.sum().backward())


@programs
def a_leaf_that_is_a_view_is_changed_or_stale(torch):
    for history in (False, True):
        x, _y = base(torch)
        plain = torch.ones(2, 3)
        with torch.no_grad():
            leaf = plain[:]
        leaf.requires_grad_()
        z = leaf * leaf
        plain.mul_(x if history else 2)
        yield fails(lambda z=z: z.sum().backward())


@programs
def what_becomes_of_a_tensor_does_not_concern_those_that_share_its_memory(torch):
    for show in (lambda t: t.squeeze(), lambda t: t.squeeze(()), lambda t: t.detach(), lambda t: t.view(2, 3)):
        x, y = base(torch)
        shown = show(y)
        z = x * shown
        y.detach_()
        z.sum().backward()
        yield x.grad
        x, _y = base(torch)
        plain = torch.ones(2, 3)
        z = x * show(plain)
        plain.data = torch.zeros(2, 3)
        z.sum().backward()
        yield x.grad


@pytest.mark.parametrize("name", ["addmm_", "addbmm_", "baddbmm_", "addmv_", "addr_"])
def test_wrong_operands_of_products(name):
    def classes(torch):
        square, matrix, vector, stack = (torch.ones(shape) for shape in ((2, 2), (3, 2), (2,), (2, 2, 2)))
        cases = (
            (),
            (square,),
            (square, matrix),
            (1, 2),
            ("a", square),
            (square, None),
            (vector, vector),
            (stack, square),
        )
        return [type(fails(lambda given=given: getattr(torch.ones(2, 2), name)(*given))).__name__ for given in cases]

    assert classes(rushlight) == classes(torch)


@programs
def nothing_is_kept_for_a_gradient_that_goes_nowhere(torch):
    plain = torch.ones(2, 3)
    part = plain[:1]
    plain.requires_grad_()
    with torch.inference_mode():
        constant = torch.ones(3) * 2
    yield (part * constant).requires_grad, (constant * part).requires_grad


@programs
def softmax_of_no_whole_numbers(torch):
    yield torch.zeros(0, dtype=torch.int64).softmax(0)
    torch.zeros(1, dtype=torch.int64).softmax(0)
