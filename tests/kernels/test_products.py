"""The native products of vectors, matrices and stacks of them equal NumPy's, on any number of threads."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight as torch
from rushlight.kernels import matrix, native

from .twins import LAYOUTS, assert_close, numbers

pytestmark = pytest.mark.skipif(
    not hasattr(native.library, "product"),
    reason="NumPy's BLAS multiplies here: no native module, or not for this processor",
)

SIZES = st.sampled_from([0, 1, 2, 3, 7, 14, 15, 16, 17, 33, 70, 129])
SEEDS = st.integers(0, 2**32)
# The terms of a sum are added in another order: up to 129 of up to 16.
ULPS, FLOOR = 16, 64


def operand(seed: int, shape: tuple, layout: str, share: float) -> np.ndarray:
    """Numbers, a share of them NaN or infinite; in every dtype the same."""
    x = numbers(seed, shape, np.float64, 1.0)
    rng = np.random.default_rng(seed)
    x = np.where(rng.random(shape) < share, rng.choice([np.nan, np.inf, -np.inf, 0.0, 1e-40], shape), x)
    return LAYOUTS[layout](x)


@st.composite
def operands(draw) -> tuple[np.ndarray, np.ndarray]:
    """Two that may be multiplied: vectors, matrices, stacks that are broadcast."""
    m, k, n = draw(SIZES), draw(SIZES), draw(SIZES)
    a, b = draw(st.sampled_from([(m, k), (k,)])), draw(st.sampled_from([(k, n), (k,)]))
    if len(a) == 2:
        a = (*draw(st.sampled_from([(), (1,), (3,), (2, 3), (2, 1)])), *a)
        if len(b) == 2:
            b = (*draw(st.sampled_from([(), (1,), (3,), (2, 3)])), *b)
    dtype, share = draw(st.sampled_from([np.float32, np.float64])), draw(st.sampled_from([0.0, 0.01]))
    layouts = st.sampled_from(sorted(LAYOUTS))
    with np.errstate(all="ignore"):
        return tuple(operand(draw(SEEDS), shape, draw(layouts), share).astype(dtype, order="K") for shape in (a, b))


@settings(deadline=None)
@given(operands())
def test_product(operands):
    a, b = operands
    with np.errstate(all="ignore"):
        want = np.asarray(native.DEFINITIONS["product"](a.astype(np.float64), b.astype(np.float64)), a.dtype)
    assert_close(matrix.product(a, b), want, ULPS, FLOOR)


@settings(deadline=None)
@given(operands(), SIZES, st.booleans(), SEEDS)
def test_linear(operands, n, with_bias, seed):
    x = operands[0]
    weight = numbers(seed, (n, x.shape[-1]), x.dtype, 1.0)
    bias = numbers(seed + 1, (n,), x.dtype) if with_bias else None
    with np.errstate(all="ignore"):
        want = native.DEFINITIONS["linear"](x, weight, bias)
    assert_close(matrix.linear(x, weight, bias), want, ULPS, FLOOR)


SHARED = [
    ((300, 500), (500, 400)),
    ((3, 200, 300), (3, 300, 200)),
    ((700, 900), (900,)),
    ((64, 3000), (3000, 90)),  # cut along the axis that is summed over
    ((9000, 300), (300, 5)),  # narrow
]


@pytest.mark.parametrize("shapes", SHARED)
def test_results_do_not_depend_on_the_number_of_threads(shapes):
    a, b = (numbers(i, shape, np.float32) for i, shape in enumerate(shapes))
    before = torch.get_num_threads()
    results = []
    for count in (1, 2, 7):
        torch.set_num_threads(count)
        results.append(matrix.product(a, b))
    torch.set_num_threads(before)
    assert results[0].tobytes() == results[1].tobytes() == results[2].tobytes()
    np.testing.assert_allclose(results[0], a.astype(np.float64) @ b, rtol=1e-4, atol=1e-2)


def test_a_bias_counts_once_where_the_sums_are_cut():
    x, weight, bias = (
        numbers(0, (64, 3000), np.float64),
        numbers(1, (90, 3000), np.float64),
        numbers(2, (90,), np.float64),
    )
    np.testing.assert_allclose(matrix.linear(x, weight, bias), x @ weight.T + bias, rtol=1e-9, atol=1e-9)


def test_what_does_not_fit_is_refused():
    for a, b in (((2, 3), (2, 3)), ((2,), (3,)), ((2, 2, 3), (3, 3, 2))):
        with pytest.raises(ValueError):
            matrix.product(np.ones(a), np.ones(b))
    with pytest.raises(ValueError):
        matrix.linear(np.ones((2, 3)), np.ones((4, 3)), np.ones(3))
