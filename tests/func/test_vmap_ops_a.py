"""vmap of views, copies, reductions, indexing and their relatives: as a loop gives it, nested and differentiated."""

from __future__ import annotations

import importlib
import itertools
import warnings
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import rushlight as torch
from rushlight.func import grad, jvp, vmap
from rushlight.ops.define import Op
from rushlight.ops.showing import Showing
from tests.autograd.both import assert_same, fails

# Functions of one example: x and y of shape (3, 4), whole numbers i from 0 to 2 of that shape
FUNCTIONS = """
x.transpose(0, -1) * y.t().cos()
x.permute(-1, 0)
x.expand(2, 3, 4) * y
x[:1].expand(-1, 4)
x.reshape(2, 6).T.reshape(-1)
x.t().reshape(12)
x.unsqueeze(-1).squeeze()
x[:, :1].squeeze(-1)
x.unflatten(-1, (2, -1)).flatten(0, 1)
x.diagonal(1, -1, 0)
x.unfold(-1, 3, 1)
x.movedim(0, -1)
x.select(-1, 2)
x.narrow(1, 1, 2)
x.contiguous().clone().as_strided((2, 2), (4, 1))
x[1, 2]
x[..., None, ::2]
x[-1, 1:]
x[1, 2].unsqueeze(0).expand(3)
torch.stack([x[0, 0], y[0, 0]])
torch.cat([x, y[:1]], 0)
torch.cat([torch.zeros(3, 1).double(), x], -1)
torch.stack([x, y], -1)
torch.stack([x, y], 1)
torch.block_diag(x, y[0], y[1, 1])
torch.stack(x.split(2, -1), 0)
sum(x.unbind(1))
sum(x.chunk(2, -1))
x.flip(0, -1)
x.roll(1)
x.roll((1, 2), (0, -1))
torch.rot90(x)
x.repeat(2, 1, 3)
x[0, 0].repeat(3)
x.tile(2)
x.repeat_interleave(2, -1)
x.tril() + y.triu(1)
torch.diag_embed(x, 1, 0, -1)
x[0].diag()
x[:, :3].diag()
x.select_scatter(y[0], 0, 1)
x.slice_scatter(y[:, :2], -1, 0, None, 2)
x.diagonal_scatter(y.diagonal(), 0, 0, 1)
x.sum()
x.sum(-1, keepdim=True)
x.sum((0, 1), keepdim=True)
x[0, 0].sum(0)
x.mean(0) + x.mean()
x.prod() + x.prod(-1)
x.var(0) + x.std(-1).sum()
torch.stack(torch.var_mean(x))
x.logsumexp((0, 1))
x.nansum(0)
x.sum_to_size(1, 4)
(x > 0).any(-1) * x[:, 0]
(x > 0).all() * x
x.max() + x.amax(0)
x.min(-1).values
x.max(0, keepdim=True)[0]
x[0, 0].max(0)[0]
torch.stack(torch.aminmax(x))
x.gather(0, x.argmax(0, keepdim=True))
x.median() + x.median(-1).values
x.kthvalue(2).values
x.mode(0).values
x.quantile(0.3, 1)
x.nanquantile(torch.tensor([0.1, 0.5]).double(), 0, keepdim=True)
x.sort(0, descending=True).values
x.topk(2, -1)[0]
x.cumsum(0) + x.cumprod(-1)
x.cummax(1)[0] + x.cummin(0)[0]
x.logcumsumexp(0)
x[0, 0].cumsum(0)
x.diff(dim=0)
torch.trapezoid(x, y)
x.softmax(0) + x.log_softmax(-1)
x[0, 0].softmax(0)
x.norm() + x.norm(3, 0).sum()
torch.linalg.vector_norm(x, float("inf"), -1)
torch.dist(x, y)
torch.cdist(x, y)
torch.pdist(x)
torch.renorm(x, 2, 0, 0.5)
torch.nn.functional.normalize(x, dim=0)
torch.nn.functional.cosine_similarity(x, y, -1)
torch.nn.functional.pad(x, (1, 2, -1, 0), value=3.0)
torch.nn.functional.pad(x, (1, 2), mode="circular")
torch.gradient(x)[0]
x[i[0, 0]]
x[i]
x[i[:, 0], i[:, 1]]
x[:, i[0]]
x[i[0], :, None]
x[None, :, i[0, :2]]
x[i[:, :1], None, i[:, 1]]
x[None, i[0], ..., i[1]]
x.index_put((i[0], i[1]), y[0])
x.index_put((i[0], i[1]), y[0], accumulate=True)
x.index_put((i[:, 0],), y)[:, None]
x.index_put((None, i[0]), y[:, :1])
x.gather(1, i)
x[0].gather(0, i[0])
x.scatter(1, i[:, :2], y)
x.scatter(0, i, 2.5)
x.scatter_add(1, i, y)
x.scatter_reduce(0, i, y, "prod")
x.scatter_reduce(1, i, y, "mean", include_self=False)
x.scatter_reduce(1, i, y, "amax")
x.index_select(-1, i[0])
x[0, 0].index_select(0, i[0, :1] * 0)
x.index_add(1, i[0], y, alpha=2)
x.index_add(0, i[:, 0], y)
x.index_copy(0, torch.tensor([2, 0]), y[:2])
x.index_fill(0, i[0, :2], 1.5)
x.index_fill(1, i[0, :2], y[0, 0])
x.take(i)
x.put(torch.arange(3), y[0, :3])
torch.take_along_dim(x, i - 1, 1)
x.masked_fill(y > 0, 2.0)
x.masked_fill(i[0] == 1, y[0, 0])
x.masked_scatter(i == 1, y)
x.masked_select(torch.tensor([True, False, True, True]))
torch.where(i == 1, x, y)
torch.isin(i, i[0]) * x
torch.searchsorted(y[0].sort()[0], x) * x
torch.bucketize(x, y[0].sort()[0]) * x
torch.zeros_like(x).add_(x)
x.new_zeros(2, 4).copy_(x[0])
torch.full_like(y, 2.0).mul_(y)
(x * y).fill_(y[0, 0]) * x
torch.linspace(float(0), 1, 4).double() * x
x.clone().t_() * 2
x.clone().unsqueeze_(0).squeeze_(0)
torch.complex(x, y).abs()
torch.view_as_real(torch.complex(x, y))
torch.view_as_complex(torch.stack([x, y], -1)).imag
torch.permute_copy(x, (1, 0))
torch.select_copy(x, 0, 1) + torch.unbind_copy(x)[0]
torch.cov(x) + torch.corrcoef(x)
torch.combinations(x[0])
torch.cartesian_prod(x[0], y[0])
torch.vander(x[0], 3)
x.double().float().double()
x.contiguous().view(torch.int64).view(torch.float64)
""".strip().splitlines()

# Changes in place of a copy of x, through views among others
CHANGES = """
a[0].mul_(y[0])
a.t().mul_(y.t())
a.diagonal().add_(y[0, :3])
a[:, 1].copy_(y[:, 0])
a[:, 1] = y[:, 0] * x[:, 0]
a[0] = 2.0
a[1] = y.sum()
a[i[0]] = y[0]
a[:, i[0]] = 0.5
a[i[:, 0], i[:, 1]] = y[:, 0]
a[i[0], 1:3] += 1
a.view(-1)[2:5].mul_(y.view(-1)[:3])
a.unsqueeze(0)[0, 1].exp_()
a.select(-1, 1).zero_()
a[..., 0].fill_(2.0)
a.as_strided((2,), (a.stride(0),), a.storage_offset()).mul_(y[0, :2])
a[0].squeeze()[1:].mul_(y[1, 1:])
a.permute(1, 0)[1].mul_(y[:, 1])
a.masked_fill_(y > 0, 3.0)
a.index_add_(0, i[:, 0], y)
a.scatter_(1, i, y)
a.index_fill_(0, i[0, :1], 2.0)
a.fill_diagonal_(4.0)
a.narrow(1, 1, 2).copy_(y[:, :1])
a.expand(1, 3, 4)[0].mul_(y)
a.split(2, 1)[0].detach().mul_(2)
a.flip(0)[0].mul_(2)
a.exp_()
a.t()[1:].sigmoid_()
""".strip().splitlines()


def function(source: str) -> Callable:
    """A function of x, y and i from its expression."""
    return eval(f"lambda x, y, i: {source}", {"torch": torch, "sum": sum})


def change(source: str) -> Callable:
    """A function of x, y and i from a statement that changes ``a``, a copy of x."""

    def changed(x: Any, y: Any, i: Any) -> Any:
        a = x.clone()
        exec(source, {"torch": torch, "a": a, "x": x, "y": y, "i": i})
        return a

    return changed


def examples(*lead: int) -> tuple:
    """A batch of arguments."""
    random = np.random.default_rng(7)
    x, y = (torch.tensor(random.uniform(0.2, 1.5, (*lead, 3, 4)) * random.choice([-1, 1], (*lead, 3, 4))) for _ in "xy")
    return x, y, torch.tensor(random.integers(0, 3, (*lead, 3, 4)))


def looped(f: Callable, args: tuple, in_dims: tuple) -> Any:
    """What vmap must give."""
    size = next(arg.shape[dim] for arg, dim in zip(args, in_dims) if dim is not None)
    rows = [
        f(*(arg if dim is None else arg.select(dim, row) for arg, dim in zip(args, in_dims))) for row in range(size)
    ]
    return torch.stack(rows)


def assert_equal(got: Any, wanted: Any) -> None:
    assert got.shape == wanted.shape
    assert got.dtype is wanted.dtype
    np.testing.assert_allclose(got.detach().numpy(), wanted.detach().numpy(), rtol=1e-9, atol=1e-11)


def squared(f: Callable) -> Callable:
    """The gradient of the sum of squares of a function."""
    return grad(lambda x, y, i: (f(x, y, i) * f(x, y, i)).sum())


def pushed(f: Callable) -> Callable:
    """The tangent of a function in the direction of its second argument."""
    return lambda x, y, i: jvp(lambda x: f(x, y, i), (x,), (y,))[1]


CASES = [pytest.param(function(source), id=source) for source in FUNCTIONS]
CHANGING = [pytest.param(change(source), id=source) for source in CHANGES]
BATCHES = [dims for dims in itertools.product((0, None), repeat=3) if any(dim == 0 for dim in dims)]


@pytest.fixture(autouse=True)
def no_loop() -> Any:
    """An operation without a rule warns; here that is an error."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*performance drop.*")
        warnings.filterwarnings("ignore", message=".*(correction|deprecated).*")
        yield


@pytest.mark.parametrize("f", CASES)
@pytest.mark.parametrize("in_dims", BATCHES, ids=str)
def test_some_arguments_are_batched(f: Callable, in_dims: tuple) -> None:
    args = tuple(arg if dim == 0 else arg[0] for arg, dim in zip(examples(2), in_dims))
    assert_equal(vmap(f, in_dims=in_dims)(*args), looped(f, args, in_dims))


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_batch_axis_last(f: Callable) -> None:
    args = tuple(arg.movedim(0, -1).contiguous() for arg in examples(2))
    assert_equal(vmap(f, in_dims=(-1, 2, -1))(*args), looped(f, args, (-1, -1, -1)))


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_nested(f: Callable) -> None:
    args = examples(2, 2)
    inner = lambda *args: looped(f, args, (0, 0, 0))  # noqa: E731
    assert_equal(vmap(vmap(f))(*args), looped(inner, args, (0, 0, 0)))


@pytest.mark.parametrize("f", CASES)
def test_nested_over_different_arguments(f: Callable) -> None:
    x, y, i = examples(2)
    inner = lambda x, y, i: looped(f, (x, y, i), (0, None, None))  # noqa: E731
    both = vmap(vmap(f, in_dims=(0, None, None)), in_dims=(None, 0, 0))
    assert_equal(both(x, y, i), looped(inner, (x, y, i), (None, 0, 0)))


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_gradient_of_each_example(f: Callable) -> None:
    args = examples(2)
    assert_equal(vmap(squared(f))(*args), looped(squared(f), args, (0, 0, 0)))


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_gradient_of_a_batch(f: Callable) -> None:
    args = examples(2)
    found = squared(vmap(f))(*args)
    assert_equal(found, looped(squared(f), args, (0, 0, 0)))


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_tangent_of_each_example(f: Callable) -> None:
    args = examples(2)
    wanted = looped(pushed(f), args, (0, 0, 0))
    assert_equal(vmap(pushed(f))(*args), wanted)
    assert_equal(pushed(vmap(f))(*args), wanted)


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_second_derivative_of_each_example(f: Callable) -> None:
    args = examples(2)
    twice = lambda x, y, i: jvp(lambda x: squared(f)(x, y, i), (x,), (y,))[1]  # noqa: E731
    assert_equal(vmap(twice)(*args), looped(twice, args, (0, 0, 0)))


@pytest.mark.parametrize("f", CHANGING)
def test_one_direction_for_all_examples(f: Callable) -> None:
    """The batch is in what is written, but not in the tangent that it is written into."""
    x, y, i = (arg[0] for arg in examples(2))
    twice = lambda x: jvp(lambda x: squared(f)(x, y, i), (x,), (y,))[1]  # noqa: E731
    assert_equal(vmap(twice)(examples(2)[0]), looped(twice, examples(2)[:1], (0,)))


REFUSED = """
x[x > 0]
x.clone().__setitem__(x > 0, 0.0)
x.index_put((x > 0,), torch.tensor(1.0))
x.nonzero()
torch.where(x > 0)
torch.unique(x)
torch.unique_consecutive(x)
x.masked_select(x > 0)
one[0].copy_(x[0])
one.mul_(x)
one.__setitem__(0, x[0])
x.select(2, 0)
x.select(1, 7)
x[7]
x[0, 0, 0]
x.t().unsqueeze(5)
x.transpose(0, 2)
x.sum(2)
x[0, 0].sum(1)
x.view(5)
x.expand(5, 4)
torch.cat([x, x[0]])
torch.stack([x, x[0]])
x.gather(0, torch.tensor([[5]]))
x.squeeze(3)
x[0].diagonal()
x.unfold(0, 9, 1)
x.split(0)
torch.full((2,), x[0, 0])
torch.arange(x[0, 0])
1.0 in x
""".strip().splitlines()


@pytest.mark.parametrize("source", REFUSED)
def test_refused(source: str) -> None:
    """What a batch is refused raises the same as in PyTorch."""

    def program(lib: ModuleType) -> Iterator:
        x = lib.ones(2, 3, 4)
        scope = {"torch": lib, "one": lib.ones(3, 4)}
        yield fails(lambda: lib.vmap(lambda x: eval(source, {**scope, "x": x}))(x))

    assert_same(program)


MODULES = [
    "along", "complexes", "convert", "copies", "creation", "cumulative", "extremes", "filling", "finite", "index",
    "inplace", "join", "masks", "norms", "padding", "parts", "pick", "place", "ranges", "reduce", "reshaping", "shape",
    "softmaxes", "sorting", "splitting", "statistics", "strided", "taking", "views",
]  # fmt: skip
LOOPED = {"argwhere", "bincount", "histc", "histogram", "repeated"}
"""Operations whose results differ in shape, or in which values are counted: one example after the other."""


def test_every_operation_has_a_rule() -> None:
    without = set()
    for module in MODULES:
        for value in vars(importlib.import_module(f"rushlight.ops.{module}")).values():
            spec = getattr(value, "op", None)
            if isinstance(spec, (Op, Showing)) and spec.batch is None and not spec.elementwise:
                without.add(spec.name)
    assert without == LOOPED


def test_a_loop_names_the_operation() -> None:
    with pytest.warns(UserWarning, match="batching rule for bincount"):
        warnings.filterwarnings("default", message=".*performance drop.*")
        assert vmap(torch.bincount)(torch.tensor([[0, 1, 1], [1, 0, 0]])).tolist() == [[1, 2], [2, 1]]


def test_memory_is_shared_with_the_batch() -> None:
    """A view of an example is a view of the batch: changes of one are seen in the other."""
    x = torch.zeros(2, 3, 4)
    vmap(lambda a: a.t()[1].unsqueeze(0).fill_(7.0))(x)
    assert x[:, :, 1].tolist() == [[7.0] * 3] * 2
    assert x.sum() == 42


@pytest.mark.parametrize("f", CASES + CHANGING)
def test_empty_batch(f: Callable) -> None:
    args = examples(1)
    assert vmap(f)(*(arg[:0] for arg in args)).shape == (0, *vmap(f)(*args).shape[1:])
