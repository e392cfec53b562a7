"""Native elementwise functions equal their NumPy definitions, in value, type and memory layout."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushlight.kernels import arithmetic, choice, functions, native, periodic, powers  # noqa: F401

from .twins import arrays, assert_close, assert_twins, needs_native, numbers, skip_without

pytestmark = needs_native
few = settings(max_examples=40)  # of each of many functions

COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
# Processors of the x86 baseline round a product before its sum: there NumPy's sines and remainders serve.
fused = native.level != "baseline" or hasattr(native.library, "sin")
needs_fused = pytest.mark.skipif(not fused, reason="the baseline has no sines and remainders of its own")
REMAINDERS = ("fmod", "remainder") if fused else ()
BINARY = ("add", "subtract", "multiply", "divide", "maximum", "minimum", *COMPARISONS, *REMAINDERS)
EXACT = ("negative", "absolute", "square", "sqrt", "reciprocal", "sign", "cube", "inverse_square", "rsqrt")
# The units in the last place of the native function and of NumPy's together.
UNARY = {
    **dict.fromkeys(EXACT, 0), "relu": 0, "exp": 4, "expm1": 7, "log": 4, "log1p": 5, "tanh": 7, "sigmoid": 7,
    "exp2": 4, "erf": 9, "hardswish": 2, "hardsigmoid": 1,
    **(dict.fromkeys(("sin", "cos"), 3) if fused else {}),
}  # fmt: skip
# Judged by their distance from 0 as if it were 1: there the definitions lose digits, in 1 + erf(x) for example.
LOOSE = {"erfc": 10, "silu": 7, "logsigmoid": 8, "mish": 12, "gelu": 8, "gelu_tanh": 8}
BACK = {
    "square_back": 2, "sqrt_back": 2, "reciprocal_back": 2, "expm1_back": 2, "log1p_back": 2, "relu_back": 0,
    "absolute_back": 0, "cube_back": 2, "exp2_back": 2, "inverse_back": 2, "root_back": 2,
    "rsqrt_back": 2, **(dict.fromkeys(("sin_back", "cos_back"), 4) if fused else {}),
}  # fmt: skip
LOOSE_BACK = (
    "erf_back", "tanh_back", "sigmoid_back", "silu_back", "mish_back", "logsigmoid_back", "gelu_back", "gelu_tanh_back",
    "hardsigmoid_back", "hardswish_back",
)  # fmt: skip
PARAMETRIC = {
    "leaky_relu": (0.1,), "hardtanh": (-1.0, 2.0), "elu": (1.5, 1.1, 0.7), "softplus": (2.0, 5.0), "softplus ": (1, 20)
}  # fmt: skip


def assert_same(name, *args, ulps=0.0, floor=0.0):
    """Twins, of which the native result has the strides of the definition's too."""
    assert_twins(name, *args, ulps=ulps, floor=floor)
    with np.errstate(all="ignore"):
        want = np.asarray(native.DEFINITIONS[name](*args))
    assert not want.size or getattr(native.library, name)(*args).strides == want.strides


@st.composite
def pairs(draw, count=2):
    """Arrays of one type that broadcast, in any memory layouts."""
    first = draw(arrays(min_dims=0))
    shape, others = first.shape, []
    for _ in range(count - 1):
        part = [draw(st.sampled_from([n, n, 1])) for n in shape][draw(st.integers(0, len(shape))) :]
        other = numbers(draw(st.integers(0, 2**32)), tuple(part), first.dtype, special=draw(st.sampled_from([0, 0.1])))
        others.append(other.T.copy().T if draw(st.booleans()) else other)
    together = [first, *others]
    return together[::-1] if draw(st.booleans()) else together


@pytest.mark.parametrize("name", BINARY)
@few
@given(pairs())
def test_two_arrays(name, operands):
    assert_same(name, *operands)


@pytest.mark.parametrize("name", BINARY)
@few
@given(pairs())
def test_into_the_first(name, operands):
    skip_without(name)
    x, y = operands
    if np.broadcast_shapes(x.shape, y.shape) != x.shape:
        return
    ours, theirs = x.copy("K"), x.copy("K")
    with np.errstate(all="ignore"):
        native.DEFINITIONS[name](theirs, y, out=theirs)
    assert getattr(native.library, name)(ours, y, out=ours) is ours
    assert_close(ours, theirs, 0)


def test_into_an_overlapping_array():
    x, y = np.arange(9.0), np.arange(9.0)
    native.library.add(x[1:], x[:-1], x[1:])
    np.add(y[1:], y[:-1], y[1:])
    np.testing.assert_array_equal(x, y)


@few
@given(pairs(3))
def test_choice(operands):
    condition, x, y = operands
    assert_twins("select", condition > 0, x, y, ulps=0)


@few
@given(pairs(3))
def test_the_way_between(operands):
    # Terms may cancel: judged beside the larger end, and what overflows on the way is left out.
    x, y, weight = (np.where(np.abs(a) < 1e18, a, a.dtype.type(1)) for a in operands)
    largest = max((float(np.abs(a).max()) for a in (x, y) if a.size), default=0.0)
    scale = max(1.0, float(np.abs(weight).max())) if weight.size else 1.0
    assert_twins("lerp", x, y, weight, ulps=4, floor=largest * scale)


@few
@given(pairs(3))
def test_the_divisor(operands):
    # Products and quotients may underflow on the way.
    assert_twins("divisor_back", *operands, ulps=2)


@pytest.mark.parametrize("name", ("tanh_back_back", "sigmoid_back_back"))
@few
@given(pairs(3))
def test_second_derivatives(name, operands):
    g, h, y = operands
    # In another order: products may underflow on the way.
    assert_twins(name, g, h, np.tanh(y), ulps=3)


@pytest.mark.parametrize("name", UNARY)
@few
@given(arrays(min_dims=0))
def test_functions(name, x):
    with np.errstate(all="ignore"):
        assert_same(name, np.abs(x) if name in ("sqrt", "log", "log1p") else x, ulps=UNARY[name])


@pytest.mark.parametrize("name", LOOSE)
@few
@given(arrays(min_dims=0))
def test_functions_near_zero(name, x):
    x = np.where(np.abs(x) < 1e30, x, 0).astype(x.dtype)  # beyond, products with 0
    assert_twins(name, x, ulps=LOOSE[name], floor=max(1.0, float(np.abs(x).max(initial=0))))


@pytest.mark.parametrize("name", BACK)
@few
@given(pairs())
def test_gradients(name, operands):
    assert_twins(name, *operands, ulps=BACK[name])


@pytest.mark.parametrize("name", LOOSE_BACK)
@few
@given(arrays(special=False), st.integers(0, 2**32))
def test_gradients_near_zero(name, x, seed):
    g = numbers(seed, x.shape, x.dtype)
    assert_twins(name, g, x, ulps=16, floor=float(np.abs(g).max(initial=1) * (1 + np.abs(x).max(initial=0) ** 2)))


@pytest.mark.parametrize("name", PARAMETRIC)
@few
@given(arrays(), st.integers(0, 2**32))
def test_functions_with_numbers(name, x, seed):
    x = np.where(np.abs(x) < 1e30, x, 0).astype(x.dtype)
    values, name = PARAMETRIC[name], name.strip()
    largest = float(np.abs(x).max(initial=1))
    assert_twins(name, x, *values, ulps=8, floor=largest)
    g = numbers(seed, x.shape, x.dtype)
    assert_twins(f"{name}_back", g, x, *values, ulps=8, floor=float(np.abs(g).max(initial=1)) * 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_error_functions_of_many_numbers(dtype):
    # Beside the C library's, one by one.
    import math

    x = np.linspace(-6, 6, 5001).astype(dtype)
    assert_close(native.library.erf(x), np.array([math.erf(v) for v in x.tolist()], dtype), 5)
    assert_close(native.library.erfc(x), np.array([math.erfc(v) for v in x.tolist()], dtype), 8)


@pytest.mark.parametrize("shape", [(3, 1), (2, 3, 1), (1, 1), (0, 1)])
def test_the_gradient_of_a_factor_is_summed_over_its_last_axis(shape):
    g, x = (numbers(seed, (*shape[:-1], 700), np.float64) for seed in (0, 1))
    assert_close(arithmetic.factor_back(g, x, shape), (g * x).sum(-1, keepdims=True), 64, floor=10.0)
    np.testing.assert_array_equal(arithmetic.factor_back(g, x, g.shape), g * x)


def test_large_arrays_in_pieces():
    x, y = (numbers(seed, (300, 1, 700), np.float32) for seed in (0, 1))
    for a, b in ((x, y), (x, y[:1]), (x, y.reshape(300, 700)), (x, y[..., :1]), (x, y[0, 0, 0])):
        np.testing.assert_array_equal(native.library.multiply(a, b), a * b)


def test_what_native_functions_do_not_take_goes_to_numpy():
    add = native.library.add
    assert add(1, 2) == 3
    assert add(np.ones(2, np.int32), np.ones(2, np.int32)).dtype == np.int32
    assert add(np.ones(2, np.float32), np.ones(2)).dtype == np.float64
    assert add(np.ones(2, ">f4"), np.ones(2, ">f4")).tolist() == [2, 2]
    with pytest.raises(ValueError, match="broadcast"):
        add(np.ones(2), np.ones(3))
    with pytest.raises(TypeError):
        add(np.ones(2))


@needs_native
@pytest.mark.parametrize("name", ["silu", "mish", "gelu", "gelu_tanh"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_factors_vanish_far_out(name, dtype):
    """Times a huge number what is too small to be one is 0, and times an infinite one NaN."""
    x = np.array([-np.inf, -1e30, -1e3, 1e3, 1e30, np.inf], dtype)
    assert_twins(name, x, ulps=0)
    assert_twins(f"{name}_back", np.ones_like(x), x, ulps=0)


@needs_fused
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sin", "cos"])
def test_angles_of_any_size(name, dtype):
    # Also where r = x - n pi / 2 is small beside x, and beyond the limit where the library's functions serve.
    rng = np.random.default_rng(0)
    turns = np.round(np.exp2(rng.uniform(0, 30, 20_000))) * np.pi / 2
    x = np.concatenate([turns, turns * -1.0000001, np.exp2(rng.uniform(-130, 127, 20_000))]).astype(dtype)
    assert_twins(name, x, ulps=3)
    exact = getattr(np, name)(x.astype(np.longdouble)).astype(dtype)
    assert_close(getattr(native.library, name)(x), exact, 2)


@needs_fused
def test_angles_do_not_look_at_their_neighbours():
    skip_without("sin")
    x = np.linspace(-100, 100, 1000).astype(np.float32)
    beside = x.copy()
    beside[::2] = 1e20
    assert native.library.sin(beside)[1::2].tobytes() == native.library.sin(x)[1::2].tobytes()


@needs_fused
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_remainders_of_near_multiples(dtype):
    rng = np.random.default_rng(0)
    y = rng.uniform(-5, 5, 50_000).astype(dtype)
    x = (y * np.round(np.exp2(rng.uniform(0, 40, y.size)))).astype(dtype)
    x[::2] = np.nextafter(x[::2], dtype(np.inf))
    for name in REMAINDERS:
        assert_twins(name, x, y, ulps=0)
