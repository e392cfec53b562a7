"""vmap of products, layers of networks, losses, linear algebra and random draws: as a loop, or PyTorch, gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.func import functional_call, grad, stack_module_state, vmap
from tests.autograd.both import assert_same
from tests.func.test_vmap_ops_a import (
    BATCHES,
    assert_equal,
    examples,
    function,
    looped,
    no_loop,  # noqa: F401
    pushed,
    squared,
)

# Functions of one example: x and y of shape (3, 4), whole numbers i from 0 to 2 of that shape
FUNCTIONS = """
x @ y.mT
torch.mm(x, y.mT)
x[0] @ y[1]
x @ y[0]
x[0] @ y.mT
x[0] @ torch.stack([y.mT, y.mT])
torch.stack([x, x]) @ y.mT
x @ torch.stack([y.mT, x.mT])
torch.stack([x, y])[:, None] @ torch.stack([y, x]).mT
torch.bmm(torch.stack([x, y]), torch.stack([y.mT, x.mT]))
torch.dot(x[0], y[0]) * torch.mv(x, y[1])
torch.vdot(torch.complex(x[0], y[0]), torch.complex(y[1], x[1])).real * x
torch.outer(x[0], y[0]) + torch.inner(x[0], y[0])
torch.nn.functional.linear(x, y, x[:, 0])
torch.nn.functional.linear(x[0], y, y[:, 0])
torch.nn.functional.linear(torch.stack([x, x]), y)
torch.addmm(x[:, 0], x, y.mT, beta=2, alpha=3)
torch.addmv(x[:, 0], x, y[0], alpha=0.5)
torch.addr(x, y[:, 0], y[0], beta=0.5)
torch.baddbmm(x[:, :3], x[None], y.mT[None], beta=0.5)
torch.addbmm(x[:, :3], torch.stack([x, y]), torch.stack([y.mT, x.mT]))
torch.trace(x) * y
torch.einsum("ij,kj->ik", x, y) + torch.einsum("ij,ij->", x, y)
torch.einsum("i...,i...->...", x, y)
torch.einsum("ij->j", x) * torch.tensordot(x, y, 2)
torch.nn.functional.bilinear(x, y, torch.stack([x.mT @ y, y.mT @ x]))
torch.nn.functional.conv1d(x[None], y[None, :, :2], y[:1, 0], padding=1)
torch.nn.functional.conv1d(x, y[:, None, :2], groups=3)
torch.nn.functional.conv1d(x[None, :2], torch.stack([y[:2, :2], x[:2, 1:3]])[:, :1], None, 2, 1, 1, 2)
torch.nn.functional.conv2d(x[None, None], y[None, None, :2, :2], stride=2, padding=1)
torch.nn.functional.conv2d(torch.stack([x, y])[None], torch.stack([y, x])[None, :, :2, :2], x[0, :1], dilation=2)
torch.nn.functional.conv_transpose1d(x[None], y[:, None, :2], y[0, :1], stride=2)
torch.nn.functional.conv_transpose2d(x[None, None], y[None, None, :2, :3], padding=1)
torch.nn.functional.conv_transpose1d(x[None, :2], y[:2, None, :2], groups=2)
torch.nn.functional.max_pool2d(x[None], 2, 1)
torch.nn.functional.avg_pool1d(x, 3, 1, 1)
torch.nn.functional.adaptive_avg_pool1d(x, 3)
torch.nn.functional.adaptive_max_pool1d(x, 3)
torch.nn.functional.interpolate(x[None], size=3, mode="linear")
torch.nn.functional.grid_sample(x[None, None], y.reshape(1, 2, 3, 2).tanh(), "bicubic", "border", True)
torch.nn.functional.layer_norm(x, (4,), y[0], y[1])
torch.nn.functional.group_norm(x[None, :2], 2, y[:2, 0])
torch.nn.functional.batch_norm(x, y[0] * 1, y[1] ** 2, y[2], x[0], False)
torch.nn.functional.batch_norm(x, None, None, y[0], y[1], True)
torch.nn.functional.instance_norm(x[None], None, None, y[:, 0])
torch.nn.functional.rms_norm(x, (4,), y[0])
torch.nn.functional.local_response_norm(x[None], 2)
torch.nn.functional.mse_loss(x, y) + torch.nn.functional.mse_loss(x, y, reduction="sum")
torch.nn.functional.l1_loss(x, y, reduction="none")
torch.nn.functional.smooth_l1_loss(x, y) + torch.nn.functional.huber_loss(x, y)
torch.nn.functional.binary_cross_entropy(x.sigmoid(), y.sigmoid(), y**2)
torch.nn.functional.binary_cross_entropy_with_logits(x, y.sigmoid(), None, pos_weight=y[0] ** 2)
torch.nn.functional.cross_entropy(x, i[:, 0])
torch.nn.functional.cross_entropy(x, i[:, 0], y[0] ** 2, ignore_index=1)
torch.nn.functional.cross_entropy(x[0], i[0, 0], reduction="sum")
torch.nn.functional.cross_entropy(torch.stack([x.mT, y.mT])[None], i.mT[None] % 2, reduction="none")
torch.nn.functional.cross_entropy(x, i[:, 0], y[0] ** 2, label_smoothing=0.1)
torch.nn.functional.cross_entropy(x, y.softmax(-1))
torch.nn.functional.nll_loss(x.log_softmax(-1), i[:, 0], y[0] ** 2)
torch.nn.functional.soft_margin_loss(x, y.sign().detach())
torch.nn.functional.multilabel_soft_margin_loss(x, (i > 0).double())
torch.nn.functional.scaled_dot_product_attention(x, y, x)
torch.nn.functional.scaled_dot_product_attention(x[None], y[None], x[None], (i > 0)[:, :3] | torch.eye(3).bool())
torch.nn.functional.embedding(i, x)
torch.nn.functional.embedding(i, x, padding_idx=1, scale_grad_by_freq=True)
torch.nn.functional.embedding_bag(i, x, mode="sum", padding_idx=0, per_sample_weights=y)
torch.nn.functional.embedding_bag(i, x, mode="max")
torch.nn.functional.one_hot(i, 3) * x.sum()
torch.nn.functional.prelu(x, y[0, :1] ** 2) + torch.nn.functional.glu(x, 1).sum()
torch.nn.functional.gelu(x) + torch.nn.functional.softplus(x) * torch.nn.functional.silu(y)
torch.clamp(x, y - 1, y + 1) + torch.maximum(x, y[0, 0])
torch.where(x > y, x, y[0, 0]) + (x > 0) * y
torch.lerp(x, y, y[0] ** 2) + torch.addcmul(x, y, y[0], value=2)
torch.linalg.inv(x @ x.mT + torch.eye(3)) @ y
torch.linalg.solve(x @ x.mT + torch.eye(3), y)
torch.linalg.solve(x @ x.mT + torch.eye(3), y[:, 0])
torch.linalg.det(x @ x.mT + torch.eye(3)) + torch.logdet(x @ x.mT + torch.eye(3))
torch.linalg.cholesky(x @ x.mT + torch.eye(3))
torch.cholesky_solve(y, torch.linalg.cholesky(x @ x.mT + torch.eye(3)))
torch.linalg.solve_triangular((x @ x.mT + torch.eye(3)).tril(), y, upper=False)
torch.linalg.lu_solve(*torch.linalg.lu_factor(x @ x.mT + torch.eye(3)), y)
torch.linalg.eigvalsh(x @ x.mT) + torch.linalg.svdvals(x)
torch.linalg.pinv(x) @ torch.linalg.qr(x.mT)[1].mT
torch.linalg.matrix_exp(x @ x.mT / 10) + torch.linalg.matrix_power(x[:, :3], 2)
torch.linalg.cross(x[:, :3], y[:, :3]) + torch.linalg.lstsq(x.mT, y.mT).solution
torch.kron(x, y[:1])
""".strip().splitlines()

CASES = [pytest.param(function(source), id=source.replace("torch.", "")) for source in FUNCTIONS]


@pytest.mark.parametrize("f", CASES)
def test_some_arguments_are_batched(f: Callable) -> None:
    for in_dims in BATCHES:
        args = tuple(arg if dim == 0 else arg[0] for arg, dim in zip(examples(2), in_dims))
        assert_equal(vmap(f, in_dims=in_dims)(*args), looped(f, args, in_dims))


@pytest.mark.parametrize("f", CASES)
def test_nested_over_different_axes_and_arguments(f: Callable) -> None:
    x, y, i = examples(2)
    x, y = x.movedim(0, 1).contiguous(), y.movedim(0, -1).contiguous()
    inner = lambda x, y, i: looped(f, (x, y, i), (1, None, None))  # noqa: E731
    both = vmap(vmap(f, in_dims=(1, None, None)), in_dims=(None, -1, 0))
    assert_equal(both(x, y, i), looped(inner, (x, y, i), (None, -1, 0)))


@pytest.mark.parametrize("f", CASES)
def test_derivatives_of_each_example(f: Callable) -> None:
    args = examples(2)
    of_x, of_y = squared(f), lambda x, y, i: squared(lambda y, x, i: f(x, y, i))(y, x, i)
    assert_equal(vmap(of_x)(*args), looped(of_x, args, (0, 0, 0)))
    assert_equal(vmap(of_y, (None, 0, 0))(args[0][0], *args[1:]), looped(of_y, (args[0][0], *args[1:]), (None, 0, 0)))
    assert_equal(squared(vmap(f))(*args), looped(of_x, args, (0, 0, 0)))


@pytest.mark.parametrize("f", CASES)
def test_tangents_of_each_example(f: Callable) -> None:
    args = examples(2)
    wanted = looped(pushed(f), args, (0, 0, 0))
    assert_equal(vmap(pushed(f))(*args), wanted)
    assert_equal(pushed(vmap(f))(*args), wanted)


# Models


def network() -> Any:
    """A small network of layers of several kinds."""
    nn = torch.nn
    features = (nn.Conv2d(1, 4, 3, padding=1), nn.GroupNorm(2, 4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(*features, nn.Linear(16, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 3)).double()


def images(*lead: int) -> Any:
    """Random images of 4 by 4."""
    return torch.tensor(np.random.default_rng(3).standard_normal((*lead, 1, 4, 4)))


def test_ensemble_of_models() -> None:
    models = [network() for _ in range(3)]
    params, buffers = stack_module_state(models)
    call = lambda params, buffers, x: functional_call(models[0], (params, buffers), (x,))  # noqa: E731
    x, each = images(2), images(3, 2)
    assert_equal(vmap(call, (0, 0, None))(params, buffers, x), torch.stack([model(x) for model in models]))
    outputs = torch.stack([model(part) for model, part in zip(models, each)])
    assert_equal(vmap(call)(params, buffers, each), outputs)


def test_per_sample_gradients_of_an_ensemble() -> None:
    models = [network() for _ in range(2)]
    params, _ = stack_module_state(models)
    x, classes = images(3), torch.tensor([0, 2, 1])

    def loss(params: Any, x: Any, y: Any) -> Any:
        return torch.nn.functional.cross_entropy(functional_call(models[0], params, (x[None],)), y[None])

    found = vmap(vmap(grad(loss), (None, 0, 0)), (0, None, None))(params, x, classes)
    for m in range(2):
        for n in range(3):
            wanted = grad(loss)({name: value[m] for name, value in params.items()}, x[n], classes[n])
            for name, value in wanted.items():
                assert_equal(found[name][m, n], value)


@pytest.mark.parametrize("layer", ["RNN(4, 3)", "LSTM(4, 3, 2, bidirectional=True)", "GRU(4, 3)", "LSTMCell(4, 3)"])
def test_recurrent_layers(layer: str) -> None:
    module = eval(f"torch.nn.{layer}").double()
    f = lambda x: module(x)[0]  # noqa: E731
    x, _, _ = examples(5)
    assert_equal(vmap(f)(x), looped(f, (x,), (0,)))
    energy = lambda x: (f(x) ** 2).sum()  # noqa: E731
    assert_equal(vmap(grad(energy))(x), looped(grad(energy), (x,), (0,)))


def test_multi_head_attention_and_transformer() -> None:
    for module in (torch.nn.MultiheadAttention(4, 2), torch.nn.TransformerEncoderLayer(4, 2, 8, 0.0)):
        module = module.double()
        f = (lambda x: module(x, x, x)[0]) if hasattr(module, "in_proj_weight") else module  # noqa: B023
        x, _, _ = examples(5)
        assert_equal(vmap(f)(x), looped(f, (x,), (0,)))


def test_running_statistics_must_be_batched_too() -> None:
    module = torch.nn.BatchNorm1d(4).double()
    with pytest.raises(RuntimeError, match="running_mean or running_var, which will be updated in place"):
        vmap(module)(examples(2)[0])
    models = [torch.nn.BatchNorm1d(4).double() for _ in range(2)]
    params, buffers = stack_module_state(models)
    x = examples(2)[0]
    found = vmap(lambda p, b, x: functional_call(models[0], (p, b), (x,)))(params, buffers, x)
    assert_equal(found, torch.stack([model(part) for model, part in zip(models, x)]))
    assert_equal(buffers["running_mean"], torch.stack([model.running_mean for model in models]))


def test_ctc_loss() -> None:
    scores = torch.tensor(np.random.default_rng(1).standard_normal((2, 5, 3, 4)))
    labels, lengths = torch.tensor([[[1, 2], [3, 1], [2, 2]], [[2, 3], [1, 1], [3, 2]]]), torch.tensor([[2, 1, 2]] * 2)
    steps = torch.tensor([5, 4, 5])

    def loss(scores: Any, labels: Any, lengths: Any) -> Any:
        return torch.nn.functional.ctc_loss(scores.log_softmax(-1), labels, steps, lengths)

    args = scores, labels, lengths
    assert_equal(vmap(loss)(*args), looped(loss, args, (0, 0, 0)))
    assert_equal(vmap(grad(loss))(*args), looped(grad(loss), args, (0, 0, 0)))


# Random numbers, as PyTorch draws them

DRAWS = """
torch.rand(2)
torch.randn(2, dtype=torch.float64)
torch.randint(0, 100, (4,))
torch.randperm(5)
torch.normal(0.0, 1.0, (2,))
torch.rand_like(x)
torch.randn_like(u)
torch.randint_like(x, 0, 10)
torch.bernoulli(x.clamp(0.3, 0.7))
torch.bernoulli(u.clamp(0.3, 0.7))
torch.bernoulli(x, 0.5)
x.clone().bernoulli_(0.5)
u.clone().bernoulli_(0.5)
x.clone().bernoulli_(x.clamp(0.3, 0.7))
x.clone().bernoulli_(u.clamp(0.3, 0.7))
u.clone().bernoulli_(x.clamp(0.3, 0.7))
x.clone().normal_()
u.clone().normal_()
x.clone().uniform_(1, 2)
x.clone().exponential_()
x.clone().log_normal_()
x.clone().geometric_(0.5)
x.clone().random_(2, 10)
torch.empty(2).uniform_()
torch.poisson(x.abs() * 5)
torch.poisson(u.abs() * 5)
torch.multinomial(x.abs() + 0.1, 2)
torch.multinomial(torch.stack([x, x]).abs() + 0.1, 2, True)
torch.multinomial(u.abs() + 0.1, 2)
torch.normal(x, 1.0)
torch.normal(x, u.abs())
torch.normal(u, u.abs())
torch.nn.functional.dropout(x)
torch.nn.functional.dropout(u)
torch.nn.functional.dropout(x, training=False)
torch.nn.functional.dropout(x.clone(), inplace=True)
torch.nn.functional.dropout2d(x.reshape(1, 4, 1, 1).expand(1, 4, 2, 2))
torch.nn.functional.alpha_dropout(x, 0.5, True)
torch.nn.functional.feature_alpha_dropout(torch.stack([x, x])[..., None], 0.5, True)
torch.nn.functional.gumbel_softmax(x)
torch.rand(2, generator=torch.Generator().manual_seed(3))
torch.vmap(lambda y: torch.rand(2) + y, randomness="different")(x)
torch.vmap(lambda y: torch.nn.functional.dropout(y + u), randomness="same")(x)
torch.func.grad(lambda x: (torch.nn.functional.dropout(x) * x).sum())(x)
""".strip().splitlines()


@pytest.mark.parametrize("randomness", ["error", "same", "different"])
@pytest.mark.parametrize("source", DRAWS)
def test_random_draws(source: str, randomness: str) -> None:
    def program(lib: ModuleType) -> Iterator:
        x, u = lib.linspace(-1, 1, 12).reshape(3, 4), lib.linspace(-1, 1, 4)
        lib.manual_seed(11)
        yield lib.vmap(eval(f"lambda x, u: {source}", {"torch": lib}), (0, None), randomness=randomness)(x, u)
        yield lib.rand(1)

    assert_same(program)
