"""Random tensors and in-place fills against PyTorch: calling forms, memory orders, errors, gradients, generators."""

from __future__ import annotations

import copy
import pickle
import threading

import numpy as np
import pytest
import torch

from rushlight import dtypes
from rushlight import random as generators
from rushlight.ops import random as ops
from rushlight.tensor import Tensor, wrap


@pytest.fixture(autouse=True)
def same_seed():
    generators.manual_seed(123)
    torch.manual_seed(123)


def check(drawn: Tensor, expected: torch.Tensor) -> None:
    assert tuple(drawn.array.shape) == tuple(expected.shape)
    assert str(drawn.dtype) == str(expected.dtype)
    np.testing.assert_array_equal(drawn.array, expected.detach().numpy())
    np.testing.assert_array_equal(generators.get_rng_state().array, torch.get_rng_state().numpy())


def both(name: str, *args: object, **options: object) -> None:
    """The same call on both sides; tensors of PyTorch's among the arguments become ours on the same memory."""
    expected = getattr(torch, name)(*args, **options)
    ours = {
        key: getattr(dtypes, str(o).split(".")[1]) if isinstance(o, torch.dtype) else o for key, o in options.items()
    }
    check(getattr(ops, name)(*map(mine, args), **ours), expected)


def mine(value: object) -> object:
    return wrap(value.detach().numpy()) if isinstance(value, torch.Tensor) else value


P = torch.linspace(0.1, 0.9, 12)
CALLS = [
    ("rand", (2, 3), {}),
    ("rand", ((2, 3),), {}),
    ("rand", ([2, 3],), {}),
    ("rand", (torch.Size([2, 3]),), {}),
    ("rand", (), {"size": (2, 3)}),
    ("rand", ((),), {}),
    ("rand", (0, 4), {}),
    ("rand", (5,), {"dtype": torch.float64}),
    ("rand", (5,), {"dtype": torch.complex64}),
    ("randn", (5,), {}),
    ("randn", (5, 7), {}),
    ("randn", (5, 7), {"dtype": torch.complex64}),
    ("randint", (10, (3,)), {}),
    ("randint", (2, 10, (3,)), {}),
    ("randint", (), {"high": 10, "size": (3,)}),
    ("randint", (), {"low": 3, "high": 10, "size": (3,)}),
    ("randint", (3, 10), {"size": (3,)}),
    ("randint", (10,), {"size": (3,), "dtype": torch.float32}),
    ("randint", (-5, 2**40, (100,)), {}),
    ("randperm", (0,), {}),
    ("randperm", (1000,), {"dtype": torch.int32}),
    ("rand_like", (P,), {}),
    ("rand_like", (P.view(3, 4).t(),), {}),
    ("randn_like", (P.view(3, 4).t(),), {"dtype": torch.float64}),
    ("randn_like", (torch.zeros(2, 3, 4).permute(1, 2, 0),), {}),
    ("randint_like", (P, 5), {}),
    ("randint_like", (P, 2, 5), {}),
    ("normal", (P, P), {}),
    ("normal", (P, 1.5), {}),
    ("normal", (2.0, P), {}),
    ("normal", (P[:1], P), {}),
    ("normal", (2.0, 3.0, (20,)), {}),
    ("normal", (2.0, 3.0), {"size": (2, 3)}),
    ("bernoulli", (P,), {}),
    ("bernoulli", (P, 0.3), {}),
    ("bernoulli", (P.view(3, 4).t(),), {}),
    ("multinomial", (P, 4), {}),
    ("multinomial", (P, 40), {"replacement": True}),
    ("multinomial", (P.view(3, 4).t(), 2, True), {}),
    ("poisson", (P * 20,), {}),
    ("poisson", (P.view(3, 4).t(),), {}),
]


@pytest.mark.parametrize(("name", "args", "options"), CALLS)
def test_making(name, args, options):
    both(name, *args, **options)


FILLS = [
    ("uniform_", ()),
    ("uniform_", (-1, 2)),
    ("normal_", ()),
    ("normal_", (1.0, 0.5)),
    ("exponential_", (2.0,)),
    ("cauchy_", (1.0, 2.0)),
    ("log_normal_", ()),
    ("geometric_", (0.3,)),
    ("bernoulli_", ()),
    ("bernoulli_", (0.2,)),
    ("bernoulli_", (torch.tensor([0.1, 0.5, 0.9]),)),
    ("random_", ()),
    ("random_", (7,)),
    ("random_", (-3, 7)),
    ("random_", (3, None)),
]
LAYOUTS = {
    "contiguous": lambda x: x,
    "transposed": lambda x: x.transpose(0, 1),
    "permuted": lambda x: x.permute(1, 0, 2),
    "strided": lambda x: x[::2, 1:],
}


@pytest.mark.parametrize("layout", ["contiguous", "transposed", "permuted", "strided"])
@pytest.mark.parametrize(("name", "args"), FILLS)
def test_filling_in_memory_order(name, args, layout):
    storage, own = torch.zeros(6, 5, 3), np.zeros((6, 5, 3), np.float32)
    theirs, ours = LAYOUTS[layout](storage), wrap(LAYOUTS[layout](_Axes(own)).array)
    assert getattr(ops, name)(ours, *map(mine, args)) is ours
    check(ours, getattr(theirs, name)(*args))
    np.testing.assert_array_equal(own, storage.numpy())


class _Axes:
    """An array with PyTorch's names for moving axes."""

    def __init__(self, array: np.ndarray) -> None:
        self.array = array

    def transpose(self, a: int, b: int) -> _Axes:
        return _Axes(self.array.swapaxes(a, b))

    def permute(self, *axes: int) -> _Axes:
        return _Axes(self.array.transpose(axes))

    def __getitem__(self, index: object) -> _Axes:
        return _Axes(self.array[index])


def test_out_is_filled():
    for size in ((3, 4), (20,)):
        target = wrap(np.zeros(size, np.float64))
        assert ops.randn(*size, out=target) is target
        check(target, torch.randn(*size, out=torch.zeros(size, dtype=torch.float64)))


def test_requires_grad():
    assert ops.rand(2, requires_grad=True).requires_grad
    assert not ops.rand(2).requires_grad


@pytest.mark.parametrize("name", ["bernoulli", "poisson"])
def test_no_gradient_passes_through_a_draw(name):
    x, y = wrap(np.full(3, 0.5, np.float32)), torch.full((3,), 0.5, requires_grad=True)
    x.requires_grad = True
    drawn, expected = getattr(ops, name)(x), getattr(torch, name)(y)
    assert type(drawn.grad_fn).__name__ == type(expected.grad_fn).__name__
    drawn.backward(wrap(np.ones(3, np.float32)))
    expected.backward(torch.ones(3))
    np.testing.assert_array_equal(x.grad.array, y.grad.numpy())


WRONG = [
    ("rand", (3,), {"dtype": torch.int64}, NotImplementedError, "not implemented for 'Long'"),
    ("randn", (3,), {"dtype": torch.int64}, NotImplementedError, "\"normal_kernel_cpu\" not implemented for 'Long'"),
    ("rand", (), {}, TypeError, "size"),
    ("rand", (-1,), {}, RuntimeError, "negative dimension -1"),
    ("rand", (2,), {"generator": 3}, TypeError, "rand|generator"),
    ("rand", (2,), {"colour": 3}, TypeError, "rand|colour"),
    ("randint", (3, 3, (2,)), {}, RuntimeError, "got from=3 >= to=3"),
    ("randint", (3,), {}, TypeError, "randint"),
    ("randperm", (300,), {"dtype": torch.uint8}, RuntimeError, "cannot be converted to type uint8_t without overflow"),
    ("normal", (0, 1), {}, TypeError, "invalid combination of arguments"),
    ("normal", (0.0, -P), {}, RuntimeError, "normal expects all elements of std >= 0.0"),
    ("multinomial", (torch.tensor([1, 2]), 1), {}, RuntimeError, "only supports floating-point dtypes"),
    ("bernoulli", (torch.tensor([1, 2]),), {}, NotImplementedError, "bernoulli_tensor_cpu_p_"),
    ("bernoulli", (P + 1,), {}, RuntimeError, "p_in >= 0 && p_in <= 1"),
    ("poisson", (-P,), {}, RuntimeError, "invalid Poisson rate"),
]


@pytest.mark.parametrize(("name", "args", "options", "error", "words"), WRONG)
def test_errors(name, args, options, error, words):
    with pytest.raises(error, match=words):
        getattr(torch, name)(*args, **options)
    options = {k: getattr(dtypes, str(o)[6:]) if isinstance(o, torch.dtype) else o for k, o in options.items()}
    before = generators.get_rng_state().array
    with pytest.raises(error, match=words):
        getattr(ops, name)(*map(mine, args), **options)
    np.testing.assert_array_equal(generators.get_rng_state().array, before)


@pytest.mark.parametrize(
    ("name", "args", "dtype"),
    [
        ("uniform_", (), "int64"),
        ("exponential_", (), "int64"),
        ("cauchy_", (), "int64"),
        ("log_normal_", (), "int64"),
        ("geometric_", (0.5,), "bool"),
        ("bernoulli_", (0.5,), "complex64"),
        ("random_", (), "uint16"),
    ],
)
def test_types_that_cannot_be_filled(name, args, dtype):
    with pytest.raises((RuntimeError, NotImplementedError)) as expected:
        getattr(torch.zeros(3, dtype=getattr(torch, dtype)), name)(*args)
    with pytest.raises(type(expected.value)) as raised:
        getattr(ops, name)(wrap(np.zeros(3, dtype)), *args)
    assert str(raised.value) == str(expected.value)


def test_a_leaf_that_requires_grad_is_not_filled():
    x = ops.rand(2, requires_grad=True)
    before = x.array.copy()
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        ops.uniform_(x)
    np.testing.assert_array_equal(x.array, before)


# Generators


@pytest.mark.parametrize("seed", [0, 1, -1, 2**64 - 1, -(2**63), 2**64, -(2**63) - 1, 1.5, "a", True])
def test_seeds(seed):
    try:
        expected = torch.Generator().manual_seed(seed).initial_seed()
    except (RuntimeError, ValueError, TypeError) as error:
        with pytest.raises(type(error), match=str(error).split(",")[0]):
            generators.Generator().manual_seed(seed)
        return
    assert generators.Generator().manual_seed(seed).initial_seed() == expected


def test_the_default_generator_takes_what_int_takes():
    assert generators.manual_seed("7") is generators.default_generator
    assert generators.manual_seed(1.5).initial_seed() == torch.manual_seed(1.5).initial_seed() == 1
    assert generators.seed() == generators.initial_seed()
    assert generators.Generator().initial_seed() == torch.Generator().initial_seed()


def test_a_state_goes_from_one_library_to_the_other():
    torch.randn(7)
    generators.set_rng_state(wrap(torch.get_rng_state().numpy()))
    both("randn", 3)
    ops.randn(5)
    torch.set_rng_state(torch.from_numpy(generators.get_rng_state().array))
    both("randn", 100)


def test_what_is_no_state():
    generator = generators.Generator()
    for wrong in (3, wrap(np.zeros(5056, np.float32))):
        with pytest.raises(TypeError, match=r"torch\.ByteTensor"):
            generator.set_state(wrong)


def test_fork_rng():
    both("randn", 3)
    with generators.fork_rng(), torch.random.fork_rng():
        both("randn", 4)
        generators.manual_seed(5)
        torch.manual_seed(5)
        both("randn", 4)
    both("randn", 3)
    with generators.fork_rng(enabled=False):
        ops.rand(1)
    torch.rand(1)
    both("rand", 3)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, generators.Generator.clone_state, lambda g: pickle.loads(pickle.dumps(g))]
)
def test_a_copy_goes_on_by_itself(copied):
    generator = generators.Generator().manual_seed(4)
    ops.randn(3, generator=generator)
    twin = copied(generator)
    first, second = ops.randn(5, generator=generator), ops.randn(5, generator=twin)
    np.testing.assert_array_equal(first.array, second.array)


def test_threads_draw_every_number_once():
    generator = generators.Generator().manual_seed(1)
    drawn: list[np.ndarray] = []
    workers = [
        threading.Thread(target=lambda: [drawn.append(ops.rand(7, generator=generator).array) for _ in range(300)])
        for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    expected = ops.rand(8400, generator=generators.Generator().manual_seed(1)).array
    np.testing.assert_array_equal(np.sort(np.concatenate(drawn)), np.sort(expected))


def test_only_the_cpu():
    assert str(generators.Generator("cpu").device) == "cpu"
    with pytest.raises(RuntimeError, match="Cannot get"):
        generators.Generator("cuda")
