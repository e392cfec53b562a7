"""Native attention equals its NumPy definition, forward and backward, with every kind of mask."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import attention

from .twins import assert_twins, needs_native, numbers

pytestmark = needs_native
LENGTHS = st.sampled_from([1, 2, 5, 17, 64, 65, 130, 260])


@st.composite
def problems(draw):
    """Queries, keys, values, a bias that may hide keys (all of a query's too), scale and whether it is causal."""
    lead = tuple(draw(st.lists(st.integers(1, 3), max_size=2)))
    length, source = draw(LENGTHS), draw(LENGTHS)
    depth, width = draw(st.sampled_from([1, 3, 16])), draw(st.sampled_from([1, 4, 33]))
    dtype, seed = draw(st.sampled_from([np.float32, np.float64])), draw(st.integers(0, 2**32))
    shapes = (*lead, length, depth), (*lead, source, depth), (*lead, source, width)
    operands = [numbers(seed + i, shape, dtype, 1) for i, shape in enumerate(shapes)]
    if draw(st.booleans()):  # heads beside each other, as a projection leaves them
        operands = [np.ascontiguousarray(x.swapaxes(0, -2)).swapaxes(0, -2) for x in operands]
    bias = None
    if draw(st.booleans()):
        bias = np.broadcast_to(numbers(seed + 3, (length, source), dtype, 1), (*lead, length, source))
        hidden = np.random.default_rng(seed).random((length, 1)) < 0.2
        bias = np.where(hidden, dtype(-np.inf), bias)
    return [*operands, bias, draw(st.sampled_from([1.0, 0.3, -0.5])), draw(st.booleans())], seed


@given(problems())
def test_attention(case):
    # Sums of up to 260 products in another order, judged at the size of a query's largest terms.
    problem, seed = case
    assert_twins("attention", *problem, ulps=256, floor=4)
    result, logsums = attention.attention(*problem)
    g = numbers(seed + 9, result.shape, result.dtype, 1)
    assert_twins("attention_back", g, *problem, result, logsums, ulps=1024, floor=16)


def test_sizes_that_do_not_fit_are_refused():
    x = np.zeros((2, 3, 4), np.float32)
    with pytest.raises(ValueError, match="do not fit"):
        attention.attention(x, x[..., :2], x, None, 1.0, False)
    with pytest.raises(ValueError, match="leading axes"):
        attention.attention(x, x[:1], x, None, 1.0, False)
