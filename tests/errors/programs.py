"""Programs that end in an error of autograd. `# guilty` marks the lines that the message has to name, all of them."""

from __future__ import annotations

from collections.abc import Callable

from tests.autograd.both import Programs

programs = Programs()
words: dict[str, str] = {}
"""What both libraries' messages say, by program."""


def fails(expected: str) -> Callable:
    """Put a program into the table: it must fail with these words."""

    def register(program: Callable) -> Callable:
        words[program.__name__] = expected
        return programs(program)

    return register


NO_GRAPH = "does not require grad and does not have a grad_fn"
CHANGED = "one of the variables needed for gradient computation has been modified by an inplace operation"
FREED = "Trying to backward through the graph a second time"
LEAF = "a leaf Variable that requires grad is being used in an in-place operation"
NOT_REQUIRED = "One of the differentiated Tensors does not require grad"
UNUSED = "appears to not have been used in the graph"


# No graph


@fails(NO_GRAPH)
def nothing_requires_grad(torch):
    x = torch.tensor([1.0, 2.0])  # guilty
    w = torch.ones(2)  # guilty
    loss = (x * w).sum()  # guilty
    loss.backward()


@fails(NO_GRAPH)
def a_long_way_from_the_data(torch):
    x = torch.tensor([1.0, 2.0])  # guilty
    for _ in range(100):
        x = x * 0.5
        x = x + 0.25
    x.sum().backward()


@fails(NO_GRAPH)
def detached_in_the_middle(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    features = torch.exp(x)
    features = features.detach()  # guilty
    loss = (features * 2).sum()
    loss.backward()


@fails(NO_GRAPH)
def detached_in_place(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.detach_()  # guilty
    y.sum().backward()


@fails(NO_GRAPH)
def through_data(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * 2).data  # guilty
    y.sum().backward()


@fails(NO_GRAPH)
def through_numpy(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    array = x.exp().detach().numpy()
    y = torch.from_numpy(array)  # guilty
    (y * 3).sum().backward()


@fails(NO_GRAPH)
def loss_made_anew(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    losses = [(x * 2).sum(), (x * 3).sum()]
    loss = torch.tensor([one.item() for one in losses])  # guilty
    loss.sum().backward()


@fails(NO_GRAPH)
def under_no_grad(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.no_grad():  # guilty
        y = x.exp()  # guilty
    (y * 2).sum().backward()


@fails(NO_GRAPH)
def in_a_function_under_no_grad(torch):
    @torch.no_grad()  # guilty
    def predict(x):
        return x.exp()  # guilty

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    predict(x).sum().backward()


@fails(NO_GRAPH)
def switched_off_and_forgotten(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.set_grad_enabled(False)  # guilty
    try:
        y = (x * 2).sum()
        y.backward()
    finally:
        torch.set_grad_enabled(True)


@fails(NO_GRAPH)
def under_inference_mode(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with torch.inference_mode():  # guilty
        y = (x * 2).sum()  # guilty
    y.backward()


@fails(NO_GRAPH)
def a_view_under_no_grad(torch):
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 2
    with torch.no_grad():  # guilty
        row = y.detach()[0]  # guilty
    row.sum().backward()


@fails(NO_GRAPH)
def a_layer_under_no_grad(torch):
    layer = torch.nn.Linear(3, 1)
    with torch.no_grad():  # guilty
        y = layer(torch.ones(2, 3))  # guilty
    y.mean().backward()


@fails(NO_GRAPH)
def a_comparison(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    right = (x > 1.5).float()  # guilty
    right.mean().backward()


@fails(NO_GRAPH)
def an_index_of_the_largest(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    best = x.argmax()  # guilty
    best.backward()


@fails(NO_GRAPH)
def to_whole_numbers(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.long()  # guilty
    y.sum().backward()


@fails(NO_GRAPH)
def frozen_layer(torch):
    layer = torch.nn.Linear(2, 1)
    for parameter in layer.parameters():
        parameter.requires_grad_(False)  # guilty
    layer(torch.ones(1, 2)).sum().backward()


@fails(NO_GRAPH)
def a_gradient_without_a_graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad((x**3).sum(), x)  # guilty
    g.sum().backward()


@fails(NO_GRAPH)
def a_penalty_on_grad(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x**3).sum().backward()  # guilty
    penalty = (x.grad**2).sum()
    penalty.backward()


@fails(NO_GRAPH)
def joined_from_data(torch):
    parts = [torch.ones(2), torch.zeros(2)]  # guilty
    torch.cat(parts).sum().backward()


@fails(NO_GRAPH)
def a_deep_copy_of_data(torch):
    x = torch.randn(3)  # guilty
    y = x.clone()
    y.mean().backward()


@fails(NOT_REQUIRED)
def gradient_by_data(torch):
    x = torch.tensor([1.0, 2.0])  # guilty
    w = torch.ones(2, requires_grad=True)
    torch.autograd.grad((x * w).sum(), x)


@fails(NOT_REQUIRED)
def gradient_by_a_detached_tensor(torch):
    w = torch.ones(2, requires_grad=True)
    x = (w * 2).detach()  # guilty
    torch.autograd.grad((x * w).sum(), x)


@fails(UNUSED)
def gradient_by_a_stranger(torch):
    x = torch.ones(2, requires_grad=True)
    other = torch.zeros(2, requires_grad=True)  # guilty
    loss = (x * 2).sum()  # guilty
    torch.autograd.grad(loss, other)


@fails(UNUSED)
def gradient_by_a_later_copy(torch):
    x = torch.ones(2, requires_grad=True)
    loss = (x * 2).sum()
    x = x.clone()  # guilty
    torch.autograd.grad(loss, x)


# Changed in place


@fails(CHANGED)
def a_saved_result(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.exp()  # guilty
    y.add_(1)  # guilty
    y.sum().backward()


@fails(CHANGED)
def a_saved_operand(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 1
    z = y * y  # guilty
    y += 1  # guilty
    z.sum().backward()


@fails(CHANGED)
def a_saved_operand_under_no_grad(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    z = (x * w).sum()  # guilty
    with torch.no_grad():
        w -= 0.1  # guilty
    z.backward()


@fails(CHANGED)
def one_element(torch):
    x = torch.ones(3, requires_grad=True)
    y = x.sigmoid()  # guilty
    y[0] = 0.0  # guilty
    y.sum().backward()


@fails(CHANGED)
def one_element_of_data(torch):
    w = torch.ones(3, requires_grad=True)
    data = torch.zeros(3)
    y = (w * data).sum()  # guilty
    data[1] = 2.0  # guilty
    y.backward()


@fails(CHANGED)
def through_a_view(torch):
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 1
    z = y**2  # guilty
    y[0].mul_(3)  # guilty
    z.sum().backward()


@fails(CHANGED)
def through_a_detached_alias(torch):
    x = torch.ones(2, requires_grad=True)
    y = x.tanh()  # guilty
    y.detach().zero_()  # guilty
    y.sum().backward()


@fails(CHANGED)
def by_a_copy(torch):
    w = torch.ones(2, requires_grad=True)
    data = torch.ones(2)
    y = (w * data).sum()  # guilty
    data.copy_(torch.zeros(2))  # guilty
    y.backward()


@fails(CHANGED)
def by_filling(torch):
    w = torch.ones(2, requires_grad=True)
    data = torch.ones(2)
    y = (w * data).sum()  # guilty
    data.fill_(7)  # guilty
    y.backward()


@fails(CHANGED)
def by_an_activation_in_place(torch):
    x = torch.ones(2, requires_grad=True)
    y = x.sqrt()  # guilty
    z = torch.nn.functional.relu_(y)  # guilty
    z.sum().backward()


@fails(CHANGED)
def by_an_optimizer(torch):
    layer = torch.nn.Linear(2, 2)
    last = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD([*layer.parameters(), *last.parameters()], lr=0.1)
    hidden = layer(torch.ones(1, 2))
    loss = last(hidden).sum()  # guilty
    loss.backward(retain_graph=True)
    optimizer.step()  # guilty
    loss.backward()


@fails(CHANGED)
def a_matrix_of_a_product(torch):
    w = torch.ones(2, 2, requires_grad=True)
    data = torch.ones(2, 2)
    y = (w @ data).sum()  # guilty
    data.t_().mul_(2)  # guilty
    y.backward()


@fails(CHANGED)
def a_state_that_goes_on(torch):
    w = torch.ones(2, requires_grad=True)
    state = torch.zeros(2)
    total = 0
    for _ in range(3):
        total = total + (state * w).sum()  # guilty
        state.add_(1)  # guilty
    total.backward()


@fails(CHANGED)
def what_a_function_saved(torch):
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = torch.ones(2, requires_grad=True)
    y = x * 1
    z = Square.apply(y)  # guilty
    y.mul_(2)  # guilty
    z.sum().backward()


# The graph is gone


@fails(FREED)
def backward_twice(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    loss = (x * x).sum()  # guilty
    loss.backward()  # guilty
    loss.backward()


@fails(FREED)
def two_losses_of_one_graph(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    shared = x.exp()  # guilty
    first, second = (shared * 2).sum(), (shared * 3).sum()
    first.backward()  # guilty
    second.backward()


@fails(FREED)
def a_state_kept_between_steps(torch):
    w = torch.ones(2, requires_grad=True)
    state = torch.zeros(2)
    for _ in range(2):
        state = torch.tanh(state + w)  # guilty
        state.sum().backward()  # guilty


@fails(FREED)
def gradients_twice(torch):
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()  # guilty
    torch.autograd.grad(y, x)  # guilty
    torch.autograd.grad(y, x)


@fails(FREED)
def outside_of_the_loop(torch):
    w = torch.ones(2, requires_grad=True)
    scale = w.exp()  # guilty
    for _ in range(2):
        loss = (scale * 2).sum()
        loss.backward()  # guilty


# In place on leaves and views


@fails(LEAF)
def a_leaf(torch):
    w = torch.ones(2, requires_grad=True)  # guilty
    w += 1  # guilty


@fails(LEAF)
def a_parameter(torch):
    layer = torch.nn.Linear(2, 2)
    layer.weight.mul_(0.5)  # guilty


@fails(LEAF)
def a_transposed_leaf(torch):
    w = torch.ones(2, 2, requires_grad=True)  # guilty
    w.t_()  # guilty


@fails("a view of a leaf Variable that requires grad is being used in an in-place operation")
def a_view_of_a_leaf(torch):
    w = torch.ones(2, 2, requires_grad=True)  # guilty
    row = w[0]  # guilty
    row.zero_()  # guilty


@fails("a view of a leaf Variable that requires grad is being used in an in-place operation")
def one_element_of_a_leaf(torch):
    w = torch.ones(2, requires_grad=True)  # guilty
    w[0] = 5.0  # guilty


@fails("is a view and is being modified inplace")
def one_of_several_views(torch):
    x = torch.ones(2, 2, requires_grad=True)
    first, _ = (x * 1).unbind()  # guilty
    first.mul_(2)  # guilty


@fails("was created in no_grad mode and is being modified inplace with grad mode enabled")
def a_view_made_under_no_grad(torch):
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 1
    with torch.no_grad():  # guilty
        row = y[0]  # guilty
    row.mul_(2)  # guilty


@fails("is a view and its base or another view of its base has been modified inplace")
def the_base_of_several_views(torch):
    x = torch.ones(2, 2, requires_grad=True)
    y = x * 1
    first, _ = y.unbind()  # guilty
    y.mul_(2)  # guilty
    first.sum()


@fails("Inplace update to inference tensor outside InferenceMode is not allowed")
def an_inference_tensor(torch):
    with torch.inference_mode():
        x = torch.ones(2)  # guilty
    x.add_(1)  # guilty


# Starting gradients


@fails("grad can be implicitly created only for scalar outputs")
def backward_of_a_vector(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.backward()


@fails("grad can be implicitly created only for real scalar outputs")
def backward_of_a_complex_number(torch):
    x = torch.ones((), dtype=torch.complex64, requires_grad=True)
    y = x * 2  # guilty
    y.backward()


@fails("Mismatch in shape: grad_output[0]")
def gradient_of_another_shape(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.backward(torch.ones(3))  # guilty


@fails("got 2 tensors and 1 gradients")
def a_gradient_too_few(torch):
    x = torch.ones(2, requires_grad=True)
    torch.autograd.backward([x * 2, x * 3], [torch.ones(2)])  # guilty


# Asked for what is not there


@fails("Can't call numpy() on Tensor that requires grad")
def to_numpy(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.numpy()  # guilty


@fails("can't retain_grad on Tensor that has requires_grad=False")
def retaining_the_gradient_of_data(torch):
    x = torch.ones(2)  # guilty
    y = x * 2  # guilty
    y.retain_grad()


@fails("cannot register a hook on a tensor that doesn't require gradient")
def a_hook_on_a_detached_tensor(torch):
    x = torch.ones(2, requires_grad=True)
    y = (x * 2).detach()  # guilty
    y.register_hook(print)


@fails("post accumulate grad hooks cannot be registered on non-leaf tensors")
def a_hook_of_leaves(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.register_post_accumulate_grad_hook(print)


@fails("you can only change requires_grad flags of leaf variables")
def freezing_a_result(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.requires_grad = False


@fails("nly Tensors of floating point")
def gradients_of_whole_numbers(torch):
    x = torch.tensor([1, 2])  # guilty
    x.requires_grad_()


@fails("Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol")
def deep_copy_of_a_result(torch):
    import copy

    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    copy.deepcopy(y)


# Raised inside of backward


@fails("boom")
def a_function_that_raises(torch):
    class Broken(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            raise ValueError("boom")

    x = torch.ones(2, requires_grad=True)
    y = Broken.apply(x)  # guilty
    y.sum().backward()


@fails("returned an invalid gradient at index 0")
def a_function_that_returns_another_shape(torch):
    class Wide(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return torch.ones(5)

    x = torch.ones(2, requires_grad=True)
    y = Wide.apply(x)  # guilty
    y.sum().backward()


@fails("returned an incorrect number of gradients")
def a_function_that_returns_too_many(torch):
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g, g

    x = torch.ones(2, requires_grad=True)
    y = Two.apply(x)  # guilty
    y.sum().backward()


@fails("must match the size of tensor b")
def a_function_whose_backward_does_not_fit(torch):
    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * torch.ones(3)

    x = torch.ones(2, requires_grad=True)
    y = Odd.apply(x)  # guilty
    y.sum().backward()


@fails("has changed the size of value")
def a_hook_that_changes_the_shape(torch):
    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.register_hook(lambda g: torch.ones(3))
    y.sum().backward()


@fails("no luck")
def a_hook_that_raises(torch):
    def hook(g):
        raise KeyError("no luck")

    x = torch.ones(2, requires_grad=True)
    y = x * 2  # guilty
    y.register_hook(hook)
    y.sum().backward()


@fails("trying to differentiate twice a function that was marked with @once_differentiable")
def a_function_without_second_derivative(torch):
    class Once(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = torch.ones(2, requires_grad=True)
    y = Once.apply(x) ** 2
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)  # guilty
    g.sum().backward()


@fails("returned nan values in its 0th output")
def an_anomaly(torch):
    x = torch.zeros(1, requires_grad=True)
    with torch.autograd.detect_anomaly():
        y = x.sqrt()  # guilty
        (y * 0).sum().backward()


@fails("Inference tensors cannot be saved for backward")
def an_inference_tensor_in_a_graph(torch):
    with torch.inference_mode():
        data = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    (w * data).sum()  # guilty


@fails("don't support automatic differentiation, but one of the arguments requires grad")
def into_a_given_tensor(torch):
    w = torch.ones(2, requires_grad=True)  # guilty
    torch.exp(w, out=torch.empty(2))  # guilty
