"""Programs of a chapter about automatic differentiation engines: printed outputs and errors in both libraries."""

from __future__ import annotations

import pytest


def test_a_scalar_and_its_grad_fn(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**2 + 3 * x
    print(y)
    print(y.requires_grad)
    print(y.grad_fn)
    y.backward()
    print(x.grad)
    assert printed("""
        tensor(10., grad_fn=<AddBackward0>)
        True
        <AddBackward0 object at ...>
        tensor(7.)
    """)


def test_leaves_and_what_keeps_its_gradient(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    w = torch.tensor(3.0, requires_grad=True)
    y = w * x
    print(x.is_leaf, w.is_leaf, y.is_leaf)
    y.backward()
    print(x.grad)
    print(w.grad)
    with pytest.warns(UserWarning, match="not a leaf Tensor is being accessed"):
        print(y.grad)
    assert printed("""
        True True False
        tensor(3.)
        tensor(2.)
        None
    """)


def test_retain_grad(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    a = x**2
    a.retain_grad()
    y = 3 * a
    y.backward()
    print(a.grad)
    assert printed("tensor(3.)")


@pytest.mark.parametrize(("start", "gradient"), [(2.0, "tensor(4.)"), (-2.0, "tensor(-1.)")])
def test_only_the_branch_that_ran_is_recorded(torch, printed, start, gradient):
    x = torch.tensor(start, requires_grad=True)
    y = x**2 if x.item() > 0 else -x
    y.backward()
    print(x.grad)
    assert printed(gradient)


def test_names_of_nodes(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    a = x + 1
    b = a**2
    c = b.mean()
    print(a.grad_fn)
    print(b.grad_fn)
    print(c.grad_fn)
    print(c.grad_fn.next_functions[0][0].next_functions[0][0].next_functions[0][0].name())
    assert printed("""
        <AddBackward0 object at ...>
        <PowBackward0 object at ...>
        <MeanBackward0 object at ...>
        torch::autograd::AccumulateGrad
    """)


def test_accumulation_over_two_losses(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y1 = x**2
    y1.backward()
    print(x.grad)
    y2 = 3 * x
    y2.backward()
    print(x.grad)
    assert printed("tensor(4.)\ntensor(7.)")


def small_problem(torch):
    """A linear layer with known weights, eight inputs and their targets."""
    model = torch.nn.Linear(3, 1)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[0.5, -1.0, 2.0]]))
        model.bias.zero_()
    inputs = torch.arange(24.0).reshape(8, 3) / 24
    return model, inputs, inputs.sum(dim=1, keepdim=True)


def test_training_loop(torch, printed):
    model, inputs, targets = small_problem(torch)
    data = torch.utils.data.TensorDataset(inputs, targets)
    dataloader = torch.utils.data.DataLoader(data, batch_size=4)
    loss_fn = torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(3):
        for X, y in dataloader:
            pred = model(X)
            loss = loss_fn(pred, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(f"{loss.item():.4f}")
    assert printed("""
        0.1230
        0.9127
        0.0256
        0.2222
        0.0515
        0.0806
    """)


def test_microbatches_add_up_to_the_batch(torch):
    model, inputs, targets = small_problem(torch)
    loss_fn = torch.nn.MSELoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss_fn(model(inputs), targets).backward()
    whole = [parameter.grad.clone() for parameter in model.parameters()]

    optimizer.zero_grad()
    microbatches = list(zip(inputs.split(2), targets.split(2), strict=True))
    for X, y in microbatches:
        loss = loss_fn(model(X), y)
        loss = loss / len(microbatches)
        loss.backward()
    for parameter, expected in zip(model.parameters(), whole, strict=True):
        torch.testing.assert_close(parameter.grad, expected)


@pytest.mark.parametrize("mode", ["no_grad", "inference_mode"])
def test_evaluation_builds_no_graph(torch, printed, mode):
    model, inputs, _ = small_problem(torch)
    model.eval()
    with getattr(torch, mode)():
        pred = model(inputs)
    print(pred.requires_grad, pred.grad_fn, pred.is_inference(), model.training)
    assert printed(f"False None {mode == 'inference_mode'} False")


def test_inference_tensors_cannot_return_to_autograd(torch):
    with torch.inference_mode():
        x = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="Inference tensors cannot be saved for backward"):
        w * x
    with pytest.raises(RuntimeError, match="requires_grad=True on inference tensor outside InferenceMode"):
        x.requires_grad_()


def test_detach(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    z = y.detach()
    print(y.requires_grad)
    print(z.requires_grad)
    loss = 3 * z
    print(loss.requires_grad)
    print(z.data_ptr() == y.data_ptr())
    assert printed("True\nFalse\nFalse\nTrue")


def test_detaching_between_encoder_and_decoder_starves_the_encoder(torch, printed):
    encoder, decoder = torch.nn.Linear(3, 2), torch.nn.Linear(2, 1)
    x, target = torch.ones(4, 3), torch.zeros(4, 1)
    h = encoder(x)
    h = h.detach()
    out = decoder(h)
    loss = torch.nn.functional.mse_loss(out, target)
    loss.backward()
    model = torch.nn.ModuleDict({"encoder": encoder, "decoder": decoder})
    for name, param in model.named_parameters():
        if param.grad is None:
            print(name, "has no gradient")
    assert printed("""
        encoder.weight has no gradient
        encoder.bias has no gradient
    """)


def test_backward_and_grad(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**3
    y.backward()
    print(x.grad)

    x = torch.tensor(2.0, requires_grad=True)
    y = x**3
    grad_x = torch.autograd.grad(y, x)[0]
    print(grad_x)
    print(x.grad)
    assert printed("""
        tensor(12.)
        tensor(12.)
        None
    """)


def test_second_derivative(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**3
    dy_dx = torch.autograd.grad(y, x, create_graph=True)[0]
    d2y_dx2 = torch.autograd.grad(dy_dx, x)[0]
    print(dy_dx)
    print(d2y_dx2)
    assert printed("""
        tensor(12., grad_fn=<MulBackward0>)
        tensor(12.)
    """)


def square(torch):
    """x² as a Function of one's own."""

    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * 2 * x

    return Square


def test_custom_function(torch, printed):
    x = torch.tensor(3.0, requires_grad=True)
    y = square(torch).apply(x)
    print(y)
    y.backward()
    print(x.grad)
    assert printed("""
        tensor(9., grad_fn=<SquareBackward>)
        tensor(6.)
    """)


def test_gradcheck_of_a_custom_function(torch, printed):
    x = torch.randn(3, dtype=torch.double, requires_grad=True)
    print(torch.autograd.gradcheck(square(torch).apply, (x,)))
    assert printed("True")


def test_gradcheck_finds_a_wrong_rule(torch):
    class Wrong(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**2

        @staticmethod
        def backward(ctx, grad_output):
            (x,) = ctx.saved_tensors
            return grad_output * 3 * x

    x = torch.tensor([1.0, 2.0], dtype=torch.double, requires_grad=True)
    with pytest.raises(RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0"):
        torch.autograd.gradcheck(Wrong.apply, (x,))
    assert not torch.autograd.gradcheck(Wrong.apply, (x,), raise_exception=False)


def test_in_place_on_a_leaf(torch):
    x = torch.randn(4, requires_grad=True)
    y = x**2
    before = x.tolist()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad is being used in an in-place operation"):
        x.add_(1.0)
    assert x.tolist() == before
    y.sum().backward()
    assert x.grad.tolist() == [2 * value for value in before]


@pytest.mark.parametrize("change", [lambda a: a.add_(1), lambda a: a.relu_()], ids=["add_", "relu_"])
def test_in_place_on_what_backward_needs(torch, change):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    a = x * 1
    y = a**2
    change(a)
    with pytest.raises(RuntimeError, match="has been modified by an inplace operation"):
        y.sum().backward()


def test_out_of_place_is_safe(torch, printed):
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    y = x**2
    x2 = x + 1.0
    (y + x2).sum().backward()
    print(x.grad)
    assert printed("tensor([ 3., -3.])")


def test_views(torch, printed):
    x = torch.arange(6.0, requires_grad=True)
    y = x.view(2, 3)
    print(y)
    print(y.data_ptr() == x.data_ptr(), y._base is x)
    for view in (y, x.reshape(3, 2), y.transpose(0, 1), y.permute(1, 0), y.unsqueeze(0), y.unsqueeze(0).squeeze(0)):
        print(tuple(view.shape), view.stride(), view.is_contiguous())
    assert printed("""
        tensor([[0., 1., 2.],
                [3., 4., 5.]], grad_fn=<ViewBackward0>)
        True True
        (2, 3) (3, 1) True
        (3, 2) (2, 1) True
        (3, 2) (1, 3) False
        (3, 2) (1, 3) False
        (1, 2, 3) (6, 3, 1) True
        (2, 3) (3, 1) True
    """)


def test_contiguity(torch, printed):
    x = torch.randn(2, 3, 4)
    y = x.permute(0, 2, 1)
    print(y.is_contiguous())
    z = y.contiguous()
    print(z.is_contiguous(), z.data_ptr() == y.data_ptr(), torch.equal(y, z))
    with pytest.raises(RuntimeError, match="view size is not compatible with input tensor's size and stride"):
        y.view(24)
    assert printed("False\nTrue False True")


def test_parameters_of_a_module(torch, printed):
    layer = torch.nn.Linear(3, 4)
    print(layer.weight.requires_grad)
    print(layer.bias.requires_grad)
    X = torch.randn(8, 3)
    Y = layer(X)
    loss = Y.sum()
    loss.backward()
    print(layer.weight.grad.shape)
    print(layer.bias.grad.shape)
    assert printed("""
        True
        True
        torch.Size([4, 3])
        torch.Size([4])
    """)


def test_freezing_a_layer(torch, printed):
    layer, head = torch.nn.Linear(3, 4), torch.nn.Linear(4, 1)
    for param in layer.parameters():
        param.requires_grad = False
    head(layer(torch.ones(2, 3))).sum().backward()
    print([param.grad is None for param in layer.parameters()], [param.grad is None for param in head.parameters()])
    assert printed("[True, True] [False, False]")


def test_backward_without_a_graph(torch, printed):
    x = torch.tensor(2.0)
    y = x**2
    with pytest.raises(RuntimeError, match="element 0 of tensors does not require grad and does not have a grad_fn"):
        y.backward()

    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    y.backward()
    print(x.grad)
    assert printed("tensor(4.)")


def test_backward_twice(torch, printed):
    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    y.backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time .*retain_graph=True"):
        y.backward()
    print(x.grad)

    x = torch.tensor(2.0, requires_grad=True)
    y = x**2
    y.backward(retain_graph=True)
    y.backward()
    print(x.grad)
    assert printed("tensor(4.)\ntensor(8.)")
