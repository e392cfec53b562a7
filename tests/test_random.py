"""Random numbers against PyTorch's CPU generator: every sampler, its data types, and the state it leaves behind."""

from __future__ import annotations

import math

import ml_dtypes
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rushlight.kernels import sampling
from rushlight.kernels.fused import fma
from rushlight.kernels.mersenne import MersenneTwister

INT64_MIN = -(2**63)
SIZES = [1, 2, 3, 15, 16, 17, 31, 33, 624, 1000, 20000]
FLOATS = ["float16", "bfloat16", "float32", "float64"]
COMPLEX = ["complex64", "complex128"]
INTEGERS = ["uint8", "int8", "int16", "int32", "int64"]


def numpy_dtype(name: str) -> np.dtype:
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name)


def torch_values(tensor: torch.Tensor) -> np.ndarray:
    """The tensor's numbers as NumPy can hold them."""
    return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()


def values(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float32) if array.dtype.name == "bfloat16" else array


def units_apart(a: np.ndarray, b: np.ndarray) -> int:
    """How many representable numbers lie between two arrays, at most."""
    if a.dtype.kind == "c":
        a, b = a.view(f"f{a.dtype.itemsize // 2}"), b.view(f"f{a.dtype.itemsize // 2}")
    a, b = (np.ascontiguousarray(x).view(f"i{x.dtype.itemsize}").astype(object) for x in (a + 0.0, b + 0.0))
    return max(abs(a - b), default=0)


class Pair:
    """A twister and a generator of PyTorch's with the same seed, asked for the same things."""

    def __init__(self, seed: int) -> None:
        self.twister = MersenneTwister(seed % 2**64)
        self.generator = torch.Generator().manual_seed(seed)

    def check(self, drawn: np.ndarray, expected: torch.Tensor, units: int = 0) -> None:
        mine, theirs = values(drawn), torch_values(expected)
        assert mine.dtype == theirs.dtype
        if units:
            assert units_apart(mine.ravel(), theirs.ravel()) <= units
        else:
            np.testing.assert_array_equal(mine.ravel(), theirs.ravel())
        self.check_state()

    def check_state(self) -> None:
        np.testing.assert_array_equal(self.twister.get_state(), self.generator.get_state().numpy())


def fill(pair: Pair, sampler: str, method: str, size: int, name: str, *args: object, units: int = 0) -> None:
    """Compare a sampler with the in-place method of PyTorch that it stands for."""
    drawn = getattr(sampling, sampler)(pair.twister, size, numpy_dtype(name), *args)
    expected = getattr(torch.empty(size, dtype=getattr(torch, name)), method)(*args, generator=pair.generator)
    pair.check(drawn, expected, units)


@pytest.mark.parametrize("seed", [0, 1, 42, 2**32, 2**64 - 1, -1, -(2**63)])
def test_a_seed_begins_the_same_stream(seed):
    pair = Pair(seed)
    pair.check_state()
    for size in (0, 1, 623, 624, 625, 2000):
        expected = torch.empty(size, dtype=torch.int32).random_(generator=pair.generator)
        np.testing.assert_array_equal(pair.twister.words(size) & np.uint32(2**31 - 1), expected.numpy())
        pair.check_state()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FLOATS + COMPLEX)
def test_uniform(name, size):
    pair = Pair(size)
    for bounds in ((), (-0.1, 0.1), (0.0, 0.0), (1.0, 3.3), (-7.25, 11.1)):
        fill(pair, "uniform", "uniform_", size, name, *bounds)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FLOATS + COMPLEX)
def test_normal(name, size):
    pair = Pair(size)
    for moments in ((), (0.0, 1.0), (-1.5, 0.3), (2.0, 0.0)):
        units = {"float64": 2, "complex128": 4}.get(name, 0)  # the parts are scaled by 1 / sqrt(2)
        if moments and moments[0]:  # what mean and deviation take away, no number of units can bound
            drawn = sampling.normal(pair.twister, size, numpy_dtype(name), *moments)
            expected = torch.empty(size, dtype=getattr(torch, name)).normal_(*moments, generator=pair.generator)
            np.testing.assert_allclose(values(drawn), torch_values(expected), rtol=0, atol=2e-15 if units else 0)
            pair.check_state()
        else:
            fill(pair, "normal", "normal_", size, name, *moments, units=units)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FLOATS)
def test_normal_into_a_strided_array(name, size):
    pair = Pair(size)
    target = torch.empty(size, 2, dtype=getattr(torch, name))[:, 0]
    contiguous = target.is_contiguous()
    drawn = sampling.normal(pair.twister, size, numpy_dtype(name), contiguous=contiguous)
    pair.check(drawn, target.normal_(generator=pair.generator), units=2 if name == "float64" and size > 256 else 0)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize(
    ("sampler", "args"),
    [
        ("exponential", ()),
        ("exponential", (2.5,)),
        ("cauchy", ()),
        ("cauchy", (0.5, 3.0)),
        ("log_normal", ()),
        ("log_normal", (0.1, 0.25)),
        ("geometric", (0.3,)),
        ("geometric", (0.01,)),
        ("bernoulli", ()),
        ("bernoulli", (0.1,)),
        ("bernoulli", (1.0,)),
    ],
)
def test_continuous_and_counting_distributions(sampler, args, name, size):
    pair = Pair(size)
    if name == "float64" and sampler in ("exponential", "cauchy", "log_normal"):  # two libraries' log, tan and exp
        drawn = getattr(sampling, sampler)(pair.twister, size, numpy_dtype(name), *args)
        expected = getattr(torch.empty(size, dtype=torch.float64), sampler + "_")(*args, generator=pair.generator)
        np.testing.assert_allclose(drawn, expected.numpy(), rtol=2e-15, atol=2e-15)
        pair.check_state()
    else:
        fill(pair, sampler, sampler + "_", size, name, *args)


@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize(("sampler", "p"), [("bernoulli", 0.25), ("geometric", 0.25)])
def test_counts_in_whole_numbers(sampler, p, name):
    fill(Pair(3), sampler, sampler + "_", 100, name, p)


@pytest.mark.parametrize("size", [1, 3, 624, 2000])
@pytest.mark.parametrize("name", [*FLOATS, *INTEGERS, "bool"])
def test_whole_numbers(name, size):
    fill(Pair(size), "whole_numbers", "random_", size, name)


RANGES = [
    (0, 1),
    (0, 2),
    (3, 100),
    (-5, 5),
    (0, 127),
    (0, 256),
    (0, 2**24 + 1),
    (0, 2**28 - 1),
    (0, 2**28),
    (-(2**31), 2**31),
    (0, 2**53),
    (0, 2**63 - 1),
    (INT64_MIN, 2**63 - 1),
    (INT64_MIN + 1, 2**63 - 1),
    (7, None),
    (-100, None),
    (INT64_MIN, None),
    (INT64_MIN + 1, None),
    (65503, 65504),
    (65000, 65504),
    (-70000, 70000),
    (2**24 + 1, 2**25),
    (2**25, 2**25 + 2),
    (3, 3),
    (0, 2**40),
    (-(2**62), 2**62 + 12345),
]


@pytest.mark.filterwarnings("ignore:.*out of bounds")
@pytest.mark.parametrize("bounds", RANGES, ids=str)
@pytest.mark.parametrize("name", [*FLOATS, *INTEGERS, "uint16", "uint32", "uint64", "bool"])
def test_integers_in_a_range(name, bounds):
    pair = Pair(11)
    try:
        expected = torch.empty(700, dtype=getattr(torch, name)).random_(*bounds, generator=pair.generator)
    except (RuntimeError, NotImplementedError) as error:
        words = "handles only" if "full_64_bits" in str(error) else str(error).split(",")[0]
        with pytest.raises(RuntimeError, match=words):
            sampling.integers(pair.twister, 700, numpy_dtype(name), *bounds)
        pair.check_state()
        return
    pair.check(sampling.integers(pair.twister, 700, numpy_dtype(name), *bounds), expected)


@pytest.mark.parametrize("name", ["uint8", "int16", "int64", "float16", "float32", "float64"])
@pytest.mark.parametrize("n", [0, 1, 2, 3, 100, 256, 2000])
def test_permutation(n, name):
    pair = Pair(n)
    try:
        expected = torch.randperm(n, dtype=getattr(torch, name), generator=pair.generator)
    except RuntimeError as error:
        with pytest.raises(RuntimeError, match=str(error).split(" for ")[0]):
            sampling.permutation(pair.twister, n, numpy_dtype(name))
        return
    pair.check(sampling.permutation(pair.twister, n, numpy_dtype(name)), expected)


def test_long_permutations_take_pairs_of_words(monkeypatch):
    monkeypatch.setattr(sampling, "_LONG_PERMUTATION", 5)
    drawn = sampling.permutation(MersenneTwister(1), 50, np.dtype(np.int64))
    targets = MersenneTwister(1).words64(49) % np.arange(50, 1, -1).astype(np.uint64)
    order = np.arange(50)
    for i, step in enumerate(targets.astype(int)):
        order[[i, i + step]] = order[[i + step, i]]
    np.testing.assert_array_equal(drawn, order)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("of", FLOATS)
def test_bernoulli_of_probabilities(of, name):
    pair = Pair(5)
    p = torch.rand(40, 25, generator=torch.Generator().manual_seed(0)).to(getattr(torch, of))
    array = torch_values(p).astype(numpy_dtype(of))
    expected = torch.empty(40, 25, dtype=getattr(torch, name)).bernoulli_(p, generator=pair.generator)
    pair.check(sampling.bernoulli_each(pair.twister, array, numpy_dtype(name)), expected)


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_dropout(p, name):
    torch.manual_seed(9)
    expected = torch.nn.functional.dropout(torch.ones(1000, dtype=getattr(torch, name)), p)
    twister = MersenneTwister(9)
    drawn = sampling.dropout_mask(twister, 1000, numpy_dtype(name), p)
    np.testing.assert_array_equal(values(drawn), torch_values(expected))
    np.testing.assert_array_equal(twister.get_state(), torch.get_rng_state().numpy())


DRAWS = [
    (shape, replacement, count)
    for shape in ((10,), (1,), (300,), (7, 20))
    for replacement in (False, True)
    for count in (1, 5, 20)
    if replacement or count <= shape[-1]
]


# Without replacement, twenty bfloat16 keys are not all different, and PyTorch orders equal ones as it likes.
@pytest.mark.parametrize(
    ("name", "shape", "replacement", "count"),
    [(name, *draw) for name in FLOATS for draw in DRAWS if (name, *draw[1:]) != ("bfloat16", False, 20)],
    ids=str,
)
def test_multinomial(name, shape, replacement, count):
    pair = Pair(5)
    weights = torch.rand(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    weights = weights.to(getattr(torch, name))
    array = torch_values(weights).astype(numpy_dtype(name))
    expected = torch.multinomial(weights, count, replacement, generator=pair.generator)
    drawn = sampling.multinomial(pair.twister, array, count, replacement)
    assert drawn.shape == tuple(expected.shape)
    pair.check(drawn, expected)


@pytest.mark.parametrize("name", FLOATS)
def test_poisson(name):
    pair = Pair(5)
    rates = torch.tensor([0.0, 0.1, 1.0, 3.5, 9.99, 10.0, 12.5, 50.0, 300.0] * 40).to(getattr(torch, name))
    expected = torch.poisson(rates, generator=pair.generator)
    pair.check(sampling.poisson(pair.twister, torch_values(rates).astype(numpy_dtype(name))), expected)


WRONG = [
    ("uniform", "uniform_", (2.0, 1.0), "from=2 > to=1"),
    ("normal", "normal_", (0.0, -1.0), "std >= 0.0, but found std -1"),
    ("log_normal", "log_normal_", (0.0, 0.0), "expects std > 0.0, but found std=0"),
    ("cauchy", "cauchy_", (0.0, 0.0), "expects sigma > 0.0, but found sigma=0"),
    ("exponential", "exponential_", (0.0,), "expects lambda > 0.0, but found lambda=0"),
    ("geometric", "geometric_", (1.0,), r"p to be in \(0, 1\), but got p=1"),
    ("bernoulli", "bernoulli_", (2.0,), r"p to be in \[0, 1\], but got p=2"),
    ("uniform", "uniform_", (0.0, 1e39), "to is out of bounds for float"),
    ("uniform", "uniform_", (-3e38, 3e38), "to-from <= std::numeric_limits"),
]


@pytest.mark.parametrize(("sampler", "method", "args", "words"), WRONG)
def test_wrong_arguments_raise_before_a_word_is_drawn(sampler, method, args, words):
    pair = Pair(0)
    with pytest.raises(RuntimeError, match=words):
        getattr(torch.empty(3), method)(*args, generator=pair.generator)
    with pytest.raises(RuntimeError, match=words):
        getattr(sampling, sampler)(pair.twister, 3, np.dtype(np.float32), *args)
    pair.check_state()


WRONG_WEIGHTS = [
    ([0.5, 0.5], 3, False, "n_sample > prob_dist.size"),
    ([0.5, 0.5], 0, False, "n_sample <= 0"),
    ([-1.0, 2.0], 1, False, "either `inf`, `nan` or element < 0"),
    ([-1.0, 2.0], 2, True, "probability entry < 0"),
    ([math.inf, 2.0], 2, True, "probability entry = infinity or NaN"),
    ([0.0, 0.0], 1, False, "sum of probabilities <= 0"),
    ([0.0, 0.0], 2, True, "sum of probabilities <= 0"),
    ([[[1.0]]], 1, False, "prob_dist must be 1 or 2 dim"),
]


@pytest.mark.parametrize(("weights", "count", "replacement", "words"), WRONG_WEIGHTS)
def test_wrong_weights(weights, count, replacement, words):
    with pytest.raises(RuntimeError, match=words):
        torch.multinomial(torch.tensor(weights), count, replacement)
    with pytest.raises(RuntimeError, match=words):
        sampling.multinomial(MersenneTwister(0), np.array(weights, np.float32), count, replacement)


CALLS = st.one_of(
    st.tuples(st.sampled_from(["uniform", "normal"]), st.integers(0, 40), st.sampled_from(FLOATS[2:])),
    st.tuples(st.just("log_normal"), st.integers(0, 20), st.sampled_from(FLOATS[2:])),
    st.tuples(st.sampled_from(["bernoulli", "whole_numbers"]), st.integers(0, 900), st.sampled_from(FLOATS)),
    st.tuples(st.just("normal"), st.integers(0, 700), st.sampled_from(FLOATS[:3])),
)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(INT64_MIN, 2**64 - 1), calls=st.lists(CALLS, max_size=8), stored=st.integers(0, 8))
def test_any_interleaving(seed, calls, stored):
    pair = Pair(seed)
    for place, (sampler, size, name) in enumerate(calls):
        if place == stored:  # a state of PyTorch's, loaded into another twister
            pair.twister = MersenneTwister(0)
            pair.twister.set_state(pair.generator.get_state().numpy())
        method = {"whole_numbers": "random_"}.get(sampler, sampler + "_")
        fill(pair, sampler, method, size, name, units=4 if name == "float64" else 0)


@settings(deadline=None)
@given(
    st.lists(
        st.floats(-(2.0**60), 2.0**60, width=32).filter(lambda x: x == 0 or abs(x) > 2.0**-40), min_size=3, max_size=3
    ),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 2**32),
)
def test_fma_rounds_once(numbers, number, seed):
    from fractions import Fraction

    noise = np.random.default_rng(seed).uniform(0.5, 2, 3)
    a, b, c = (number(n * x) for n, x in zip(numbers, noise, strict=True))
    exact = Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c))
    nearest = float(exact) if number is np.float64 else _nearest_float32(exact)
    assert fma(np.array([a]), b, c)[0] == nearest


def _nearest_float32(exact) -> float:
    from fractions import Fraction

    guess = np.float32(float(exact))
    if not np.isfinite(guess):
        return guess
    around = [np.nextafter(guess, np.float32(-np.inf)), guess, np.nextafter(guess, np.float32(np.inf))]
    around = [x for x in around if np.isfinite(x)]
    return min(around, key=lambda x: (abs(Fraction(float(x)) - exact), int(x.view(np.int32)) & 1))


@pytest.mark.parametrize(
    ("state", "words"),
    [(np.zeros(50, np.uint8), "found the input RNG state size to be 50"), (np.zeros(5056, np.uint8), "Invalid mt")],
)
def test_what_is_no_state(state, words):
    twister = MersenneTwister(4)
    before = twister.get_state()
    with pytest.raises(RuntimeError, match=words):
        torch.Generator().set_state(torch.from_numpy(state))
    with pytest.raises(RuntimeError, match=words):
        twister.set_state(state)
    np.testing.assert_array_equal(twister.get_state(), before)
