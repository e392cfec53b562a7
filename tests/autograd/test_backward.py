"""`backward` and `grad` with each of their arguments, run with PyTorch and with Rushlight."""

from __future__ import annotations

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_backward(program):
    assert_same(program)


def leaf(torch, *values):
    return torch.tensor(values if len(values) > 1 else values[0], requires_grad=True)


# The gradient that backward starts from


@programs
def scalar(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = (x * x).sum()
    yield y
    yield y.backward()
    yield x.grad
    yield x


@programs
def one_element_of_any_shape(torch):
    x = leaf(torch, [[2.0]])
    (x * 3).backward()
    yield x.grad


@programs
def gradient_argument(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    (x * x).backward(gradient=torch.tensor([1.0, 0.5, -1.0]))
    yield x.grad


@programs
def gradient_positional_on_a_leaf(torch):
    x = leaf(torch, 1.0, 2.0)
    given = torch.tensor([3.0, 4.0])
    x.backward(given)
    yield x.grad
    yield x.grad is given
    yield x.grad.data_ptr() == given.data_ptr()


@programs
def leaf_scalar(torch):
    x = leaf(torch, 5.0)
    x.backward()
    yield x.grad
    x.backward()
    yield x.grad


@programs
def not_scalar(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).backward()


@programs
def gradient_of_another_shape(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).backward(torch.ones(3))


@programs
def gradient_that_would_broadcast(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).backward(torch.ones(1))


@programs
def gradient_that_is_no_tensor(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).backward(1.0)


@programs
def gradient_of_another_dtype(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).backward(torch.ones(2, dtype=torch.float64))
    yield x.grad


@programs
def gradient_that_requires_grad(torch):
    x = leaf(torch, 1.0, 2.0)
    v = leaf(torch, 3.0, 4.0)
    (x * x).backward(v)
    yield x.grad
    yield v.grad


@programs
def gradient_is_not_changed(torch):
    x = leaf(torch, 1.0, 2.0)
    given = torch.tensor([1.0, 1.0])
    for _ in range(3):
        (x + 0).backward(given)
        yield x.grad
    yield given


@programs
def no_graph(torch):
    torch.tensor([1.0]).sum().backward()


@programs
def no_graph_and_not_scalar(torch):
    torch.ones(3).backward()


@programs
def integer_output(torch):
    x = leaf(torch, 1.0, 2.0)
    x.argmax().backward()


@programs
def complex_scalar_output(torch):
    x = torch.tensor(1.0 + 2.0j, requires_grad=True)
    (x * x).backward()


@programs
def detached_output(torch):
    x = leaf(torch, 1.0)
    x.detach().backward()


# Freed graphs


@programs
def second_backward(torch):
    x = leaf(torch, 2.0)
    y = x * x
    y.backward()
    y.backward()


@programs
def second_backward_of_what_saves_nothing(torch):
    x = leaf(torch, 2.0)
    y = x + 1
    y.backward()
    yield x.grad
    y.backward()
    yield x.grad


@programs
def second_backward_through_what_saves_only_shapes(torch):
    x = leaf(torch, [[1.0, 2.0]])
    y = x.view(2).sum(0).expand(3).reshape(3, 1).t().mean()
    y.backward()
    y.backward()
    yield x.grad
    z = x[0].unbind()[1].unsqueeze(0).sum()
    z.backward()
    z.backward()
    yield x.grad


@programs
def second_backward_through_a_shared_part(torch):
    x = leaf(torch, 2.0)
    y = x.exp()
    (y + 1).backward()
    yield x.grad
    (y + 2).backward()


@programs
def retain_graph(torch):
    x = leaf(torch, 2.0)
    y = x * x * x
    y.backward(retain_graph=True)
    yield x.grad
    y.backward(retain_graph=True)
    yield x.grad
    y.backward()
    yield x.grad
    yield fails(lambda: y.backward())
    yield x.grad


@programs
def create_graph_retains(torch):
    x = leaf(torch, 2.0)
    y = x * x
    y.backward(create_graph=True)
    yield x.grad.detach()
    y.backward()
    yield x.grad.detach()


@programs
def create_graph_without_retain(torch):
    x = leaf(torch, 2.0)
    y = x * x
    torch.autograd.grad(y, x, create_graph=True, retain_graph=False)
    yield fails(lambda: torch.autograd.grad(y, x))


@programs
def grad_frees_as_backward_does(torch):
    x = leaf(torch, 2.0)
    y = x * x
    yield torch.autograd.grad(y, x)
    yield fails(lambda: torch.autograd.grad(y, x))


@programs
def saved_tensors_outlive_the_graph(torch):
    x = leaf(torch, 2.0)
    y = x.exp()
    y.backward()
    yield y * 1
    yield y.grad_fn


# Accumulation


@programs
def accumulates(torch):
    x = leaf(torch, 1.0, 2.0)
    for factor in (1.0, 2.0, 3.0):
        (x * factor).sum().backward()
        yield x.grad


@programs
def accumulates_in_place(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    yield x.grad is first
    yield first
    yield first._version


@programs
def accumulates_out_of_place_under_create_graph(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).sum().backward()
    first = x.grad
    (x * x).sum().backward(create_graph=True)
    yield x.grad is first
    yield first
    yield x.grad.detach()
    second = x.grad
    (x * 3).sum().backward()
    yield x.grad is second
    yield second.detach()


@programs
def grad_set_to_none_and_zero(torch):
    x = leaf(torch, 1.0, 2.0)
    (x * 2).sum().backward()
    x.grad = None
    (x * 3).sum().backward()
    yield x.grad
    x.grad.zero_()
    (x * 4).sum().backward()
    yield x.grad


@programs
def two_leaves_do_not_share_a_gradient(torch):
    x, y = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    (x + y).sum().backward()
    yield x.grad is y.grad
    x.grad.mul_(10)
    yield x.grad
    yield y.grad


@programs
def gradient_of_a_view_of_ones(torch):
    x = leaf(torch, [[1.0, 2.0], [3.0, 4.0]])
    x.sum().backward()
    x.grad[0, 0] = 7
    yield x.grad
    yield x.grad.stride()


@programs
def gradient_strides_follow_the_leaf(torch):
    x = torch.ones(2, 3, requires_grad=True)
    (x.t() * torch.arange(6.0).reshape(3, 2)).sum().backward()
    yield x.grad
    x.grad.add_(1)
    yield x.grad


@programs
def grad_kept_is_not_shared_with_the_incoming(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x + 0
    y.retain_grad()
    y.sum().backward()
    x.grad.mul_(5)
    yield y.grad
    yield x.grad


@programs
def leaf_used_twice_in_one_operation(torch):
    x = leaf(torch, 3.0)
    (x * x).backward()
    yield x.grad
    (x + x).backward()
    yield x.grad


@programs
def shared_subgraph(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * 2
    z = y * y
    (z.sum() + (y * 3).sum() + (z * z).sum()).backward()
    yield x.grad


@programs
def diamond(torch):
    x = leaf(torch, 0.5)
    y = x
    for _ in range(30):
        y = y * 0.5 + y * 0.5
    y.backward()
    yield x.grad


@programs
def unequal_depths(torch):
    x = leaf(torch, 0.5)
    y = x * 2
    long = y
    for _ in range(10):
        long = long.sin()
    (long + y + x).backward()
    yield x.grad


@programs
def broadcasting(torch):
    x = leaf(torch, [[1.0], [2.0]])
    y = leaf(torch, 1.0, 2.0, 3.0)
    z = leaf(torch, 2.0)
    (x * y + z).sum().backward()
    yield x.grad
    yield y.grad
    yield z.grad


@programs
def mixed_dtypes(torch):
    x = leaf(torch, 1.0, 2.0)
    y = torch.tensor([1.0, 3.0], dtype=torch.float64, requires_grad=True)
    z = x * y
    yield z
    z.sum().backward()
    yield x.grad
    yield y.grad


@programs
def only_some_require_grad(torch):
    x, c = leaf(torch, 1.0, 2.0), torch.tensor([3.0, 4.0])
    (x * c).sum().backward()
    yield x.grad
    yield c.grad


# Several roots


@programs
def several_roots(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * x
    torch.autograd.backward([y.sum(), (y * 3).sum()])
    yield x.grad


@programs
def several_roots_with_gradients(torch):
    x = leaf(torch, 1.0, 2.0)
    torch.autograd.backward([x * x, x.sum()], [torch.tensor([1.0, 2.0]), None])
    yield x.grad


@programs
def the_same_root_twice(torch):
    x = leaf(torch, 2.0)
    y = x * x
    torch.autograd.backward([y, y])
    yield x.grad


@programs
def a_root_inside_another(torch):
    x = leaf(torch, 2.0)
    y = x * x
    z = y * y
    torch.autograd.backward([z, y], [torch.tensor(1.0), torch.tensor(10.0)])
    yield x.grad


@programs
def leaves_as_roots(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    torch.autograd.backward([x, x, y], [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(4.0)])
    yield x.grad
    yield y.grad


@programs
def roots_and_gradients_of_different_numbers(torch):
    x = leaf(torch, 2.0)
    torch.autograd.backward([x * x, x * 2], [torch.tensor(1.0)])


@programs
def roots_of_which_one_has_no_graph(torch):
    x = leaf(torch, 2.0)
    torch.autograd.backward([x * x, torch.tensor(1.0)])


@programs
def one_gradient_for_one_root(torch):
    x = leaf(torch, 1.0, 2.0)
    torch.autograd.backward(x * x, torch.tensor([1.0, 1.0]))
    yield x.grad


@programs
def outputs_of_one_operation_as_roots(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    a, b, c = x.unbind()
    torch.autograd.backward([a, c], [torch.tensor(2.0), torch.tensor(5.0)])
    yield x.grad


# inputs=


@programs
def inputs_of_backward(torch):
    x, y = leaf(torch, 1.0), leaf(torch, 2.0)
    (x * y).backward(inputs=[x])
    yield x.grad
    yield y.grad


@programs
def inputs_as_one_tensor(torch):
    x, y = leaf(torch, 1.0), leaf(torch, 2.0)
    (x * y).backward(inputs=y)
    yield x.grad
    yield y.grad


@programs
def inputs_that_are_no_leaves(torch):
    x = leaf(torch, 2.0)
    y = x * x
    z = y * 3
    z.backward(inputs=[y, x])
    yield y.grad
    yield x.grad


@programs
def inputs_accumulate(torch):
    x = leaf(torch, 2.0)
    y = x * x
    for _ in range(2):
        (y * 3).backward(inputs=[y], retain_graph=True)
        yield y.grad


@programs
def inputs_empty(torch):
    x = leaf(torch, 2.0)
    (x * x).backward(inputs=[])


@programs
def inputs_unused(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    (x * x).backward(inputs=[y])
    yield x.grad
    yield y.grad


@programs
def inputs_without_requires_grad(torch):
    x, y = leaf(torch, 2.0), torch.tensor(3.0)
    (x * y).backward(inputs=[y])


@programs
def inputs_do_not_run_what_does_not_lead_there(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    calls = []
    a, b = x * x, y * y
    a.register_hook(lambda g: calls.append("a"))
    b.register_hook(lambda g: calls.append("b"))
    (a + b).backward(inputs=[x])
    yield calls
    yield x.grad
    b.backward()
    yield y.grad


@programs
def gradients_nobody_asks_for_are_not_computed(torch):
    a, x = leaf(torch, 2.5), leaf(torch, 1.5)
    y = torch.igamma(a, x)  # of its derivatives, that by a is missing
    yield torch.autograd.grad(y, x, retain_graph=True)
    (slope,) = torch.autograd.grad(y, x, create_graph=True)
    yield torch.autograd.grad(slope, x, retain_graph=True)
    y.backward(inputs=[x], retain_graph=True)
    yield x.grad
    try:
        torch.autograd.grad(y, a)
    except RuntimeError as error:
        yield "not implemented" in str(error)


@programs
def hooks_see_only_the_gradients_asked_for(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    z = x * y
    z.grad_fn.register_hook(lambda parts, gs: print([part is None for part in parts]))
    torch.autograd.grad(z, x, retain_graph=True)
    torch.autograd.grad(z, y, retain_graph=True, create_graph=True)
    z.backward()


@programs
def inputs_given_twice(torch):
    x = leaf(torch, 2.0)
    (x * x).backward(inputs=[x, x])
    yield x.grad


# grad


@programs
def grad_returns_a_tuple(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    yield torch.autograd.grad(x * x * y, [x, y])
    yield x.grad
    yield torch.autograd.grad(x * x * y, y)
    yield torch.autograd.grad((x * y,), (y, x))


@programs
def grad_of_a_nonleaf(torch):
    x = leaf(torch, 1.0, 2.0)
    y = x * x
    yield torch.autograd.grad((y * 3).sum(), [y, x])


@programs
def grad_of_the_output_itself(torch):
    x = leaf(torch, 2.0)
    y = x * x
    yield torch.autograd.grad(y, y)
    yield torch.autograd.grad(y, [y, x], retain_graph=True)
    yield torch.autograd.grad(x, x)


@programs
def grad_given_twice(torch):
    x = leaf(torch, 2.0)
    yield torch.autograd.grad(x * x, [x, x])


@programs
def grad_outputs(torch):
    x = leaf(torch, 1.0, 2.0)
    yield torch.autograd.grad(x * x, x, torch.tensor([1.0, 10.0]))
    yield torch.autograd.grad(x * x, x, grad_outputs=[torch.tensor([1.0, 10.0])])
    yield torch.autograd.grad([x * x, x.sum()], x, grad_outputs=[torch.tensor([1.0, 10.0]), None])
    yield fails(lambda: torch.autograd.grad(x * x, x, torch.ones(3)))
    yield fails(lambda: torch.autograd.grad(x * x, x))


@programs
def grad_outputs_that_require_grad(torch):
    x, v = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, 4.0)
    (g,) = torch.autograd.grad(x * x, x, v, create_graph=True)
    yield g
    yield torch.autograd.grad(g.sum(), v)


@programs
def unused(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    yield fails(lambda: torch.autograd.grad(x * x, [x, y]))
    yield torch.autograd.grad(x * x, [x, y], allow_unused=True)
    yield torch.autograd.grad(x * x, [x, y], materialize_grads=True)
    yield torch.autograd.grad(x * x, [x, y], allow_unused=True, materialize_grads=True)
    yield fails(lambda: torch.autograd.grad(x * x, [x, y], allow_unused=False, materialize_grads=True))


@programs
def unused_with_create_graph(torch):
    x, y = leaf(torch, 2.0), leaf(torch, 3.0)
    yield torch.autograd.grad(x * x, [x, y], create_graph=True, materialize_grads=True)


@programs
def grad_with_respect_to_what_requires_none(torch):
    x = leaf(torch, 2.0)
    yield fails(lambda: torch.autograd.grad(x * x, torch.tensor(1.0)))
    yield fails(lambda: torch.autograd.grad(torch.tensor(1.0), x))
    yield fails(lambda: torch.autograd.grad(torch.tensor(1.0), x, allow_unused=True))


@programs
def grad_without_inputs(torch):
    x = leaf(torch, 2.0)
    torch.autograd.grad(x * x, [])


@programs
def grad_results_are_apart(torch):
    x, y = leaf(torch, 1.0, 2.0), leaf(torch, 1.0, 2.0)
    given = torch.ones(2)
    a, b = torch.autograd.grad(x + y, [x, y], given)
    yield a.requires_grad
    yield given
    yield a
    yield b


@programs
def grad_under_no_grad(torch):
    x = leaf(torch, 2.0)
    y = x * x
    with torch.no_grad():
        yield torch.autograd.grad(y, x, retain_graph=True)
        yield torch.autograd.grad(y, x, create_graph=True)
        y.backward()
    yield x.grad


@programs
def grad_of_a_view_of_a_leaf(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    v = x[1:]
    y = (v * v).sum()
    yield torch.autograd.grad(y, [v, x])


@programs
def only_a_part_reaches(torch):
    x, y = leaf(torch, 1.0, 2.0), leaf(torch, 3.0)
    a, b = x.unbind()
    yield torch.autograd.grad(a * y, [x, y])
    yield torch.autograd.grad(b * 1, [x], allow_unused=True)


@programs
def gradient_stops_at_comparisons_and_rounding(torch):
    x = leaf(torch, 1.5, -2.5)
    yield (x > 0)
    yield x.round()
    x.round().sum().backward()
    yield x.grad
    yield fails(lambda: (x > 0).sum().backward())


@programs
def tensor_as_root_without_elements(torch):
    x = torch.zeros(0, requires_grad=True)
    y = x * 2
    yield fails(lambda: y.backward())
    y.sum().backward()
    yield x.grad


# Higher derivatives


@programs
def second_and_third_derivatives(torch):
    x = leaf(torch, 0.5, 2.0)
    y = (x**4).sum() + x.exp().sum()
    for _ in range(4):
        (g,) = torch.autograd.grad(y, x, create_graph=True)
        yield g.detach()
        yield g.requires_grad
        y = g.sum()


@programs
def gradient_penalty(torch):
    x, w = leaf(torch, 1.0, 2.0), leaf(torch, 3.0, -1.0)
    y = ((x * w).tanh() ** 2).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    (y + (g * g).sum()).backward()
    yield x.grad
    yield w.grad


@programs
def backward_with_create_graph_then_again(torch):
    x = leaf(torch, 2.0)
    (x**3).backward(create_graph=True)
    g = x.grad
    yield g.detach()
    x.grad = None
    g.backward()
    yield x.grad


@programs
def hessian_row_by_row(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    y = (x[0] * x[1] * x[2] + x[1] ** 3).exp() * 1e-3
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    for i in range(3):
        yield torch.autograd.grad(g[i], x, retain_graph=True)


@programs
def second_derivative_that_is_not_there(torch):
    x = leaf(torch, 2.0)
    (g,) = torch.autograd.grad(x * 3, x, create_graph=True)
    yield g
    yield fails(lambda: torch.autograd.grad(g, x))
    yield fails(lambda: torch.autograd.grad(g, x, allow_unused=True))


@programs
def second_derivative_through_views_and_matmul(torch):
    a = torch.arange(1.0, 7.0, requires_grad=True)
    m = a.reshape(2, 3)
    y = ((m @ m.t()) ** 2).sum()
    (g,) = torch.autograd.grad(y, a, create_graph=True)
    yield g.detach()
    (g * g).sum().backward()
    yield a.grad


@programs
def second_derivative_through_unbind(torch):
    x = leaf(torch, 1.0, 2.0, 3.0)
    a, b, _ = x.unbind()
    (g,) = torch.autograd.grad(a * a * b, x, create_graph=True)
    yield g.detach()
    yield torch.autograd.grad(g.sum(), x)


@programs
def gradient_graph_has_names(torch):
    x = leaf(torch, 2.0)
    (g,) = torch.autograd.grad(x.exp() * x, x, create_graph=True)
    yield g.grad_fn
    yield (g * 1).detach()


@programs
def double_backward_through_accumulated_grad(torch):
    x = leaf(torch, 2.0)
    (x * x * x).backward(create_graph=True)
    (x.grad * 2 + x).backward()
    yield x.grad.detach()


# Complex


@programs
def complex_gradients(torch):
    z = torch.tensor([1.0 + 2.0j, -0.5 + 0.25j], requires_grad=True)
    w = torch.tensor([2.0 - 1.0j, 1.0 + 1.0j], requires_grad=True)
    loss = (z * w).abs().sum()
    yield loss
    loss.backward()
    yield z.grad
    yield w.grad


@programs
def complex_and_real(torch):
    z = torch.tensor([1.0 + 2.0j, -0.5 + 0.25j], requires_grad=True)
    x = leaf(torch, 1.0, 2.0)
    (z * x).backward(torch.tensor([1.0 + 1.0j, 2.0 + 0.0j]))
    yield z.grad
    yield x.grad


@programs
def complex_with_a_real_gradient(torch):
    z = torch.tensor([1.0 + 2.0j], requires_grad=True)
    (z * z).backward(torch.ones(1))


def test_a_warning_of_the_cycle_that_create_graph_makes():
    import rushlight

    x = rushlight.ones(2, requires_grad=True)
    with pytest.warns(UserWarning, match=r"Using backward\(\) with create_graph=True will create a reference cycle"):
        (x * x).sum().backward(create_graph=True)


@programs
def what_is_no_tensor(torch):
    x = torch.ones(3, requires_grad=True)
    yield fails(lambda: torch.autograd.grad(x.sum(), "x"))
    yield fails(lambda: torch.autograd.grad(x.sum(), [x, 3]))
    yield fails(lambda: torch.autograd.backward([x.sum(), 3]))
    yield fails(lambda: torch.autograd.grad({"x": x.sum()}, x))
    yield fails(lambda: torch.set_grad_enabled(1))
    yield torch.autograd.grad(x.sum(), x, only_inputs=False)


@programs
def sums_to_a_size(torch):
    x = torch.arange(6.0).reshape(2, 3).requires_grad_()
    for size in ((), (1,), (3,), (1, 3), (2, 1), (1, 1), (2, 3)):
        y = x.sum_to_size(size)
        yield y, y is x, None if y.grad_fn is None else [node for node, _ in y.grad_fn.next_functions]
        yield torch.autograd.grad((y * y).sum(), x, create_graph=True)


@programs
def inputs_by_name(torch):
    x, y = torch.ones(3, requires_grad=True), torch.ones(2, requires_grad=True)
    named = {"x": x, "y": y}
    yield torch.autograd.grad((x**2).sum() + y.sum(), named)
    yield torch.autograd.grad(x.sum(), named, allow_unused=True)
    yield torch.autograd.grad(x.sum(), named, materialize_grads=True)
    yield torch.autograd.grad(x * 2, {"x": x}, torch.ones(2, 3), is_grads_batched=True)
    yield fails(lambda: torch.autograd.grad(x.sum(), named))
    yield fails(lambda: torch.autograd.grad(x.sum(), {}))
    torch.autograd.backward((x**2).sum(), inputs={"x": x})
    yield x.grad


@programs
def edges_as_pytorch_lists_them(torch):
    a = torch.tensor(3.0, requires_grad=True)
    for y in (a**2, 1 - a, 2**a, a % 2, torch.fmod(a, 2), a / 2, a + 1, a - 1, a * 2, a**a):
        yield [node for node, _ in y.grad_fn.next_functions]
    x, w, b = torch.ones(1, 2, requires_grad=True), torch.ones(2, 2), torch.ones(2, requires_grad=True)
    y = torch.nn.functional.linear(x * 1, w, b)
    yield [node for node, _ in y.grad_fn.next_functions]
    yield [node for node, _ in torch.nn.functional.linear(x * 1, w).grad_fn.next_functions]


@programs
def gradients_that_a_hook_of_a_linear_layer_sees(torch):
    x, w, b = (torch.ones(*shape, requires_grad=True) for shape in ((1, 2), (2, 2), (2,)))
    seen = []
    y = torch.nn.functional.linear(x, w, b)
    y.grad_fn.register_hook(lambda grads, _: seen.append([list(g.shape) for g in grads]))
    for letter, leaf in (("x", x), ("w", w), ("b", b)):
        leaf.register_post_accumulate_grad_hook(lambda _, letter=letter: seen.append(letter))
    y.sum().backward()
    yield seen


@programs
def derivatives_of_the_fourth_order(torch):
    for function in (torch.tanh, torch.sigmoid):
        x, w = leaf(torch, 0.5, -1.0, 0.25), leaf(torch, 1.5, 0.5, -2.0)
        y = function(x * w)
        for _ in range(4):
            by_x, by_w = torch.autograd.grad(y.sum(), [x, w], create_graph=True)
            yield by_x.detach()
            yield by_w.detach()
            y = by_x * by_w
