"""The native softmax family equals its NumPy definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import softmaxes

from .twins import arrays, assert_twins, needs_native, numbers

pytestmark = needs_native

# Sums of up to 70 terms, of which each is within 1 ulp, in another order.
SUMS = 8


@given(arrays(), st.integers(0, 3))
def test_softmax(x, dim):
    assert_twins("softmax", x, dim % x.ndim, ulps=SUMS)


@given(arrays(), st.integers(0, 3))
def test_log_softmax(x, dim):
    # The logarithm of the sum cancels against the elements, which are up to 15 or so.
    assert_twins("log_softmax", x, dim % x.ndim, ulps=SUMS, floor=16)


@given(arrays(), st.integers(0, 3))
def test_logsumexp(x, dim):
    # Likewise: that of one element is the element, which may be small.
    assert_twins("logsumexp", x, dim % x.ndim, bool(dim % 2), ulps=4, floor=4)


@given(arrays(), st.integers(0, 2**32), st.integers(0, 3))
def test_gradients(x, seed, dim):
    dim %= x.ndim
    with np.errstate(all="ignore"):
        g, y, z = numbers(seed, x.shape, x.dtype), softmaxes.softmax(x, dim), softmaxes.log_softmax(x, dim)
        total = softmaxes.logsumexp(x, dim, True)
    # The sums of gradients cancel: of 70 terms of up to 10.
    assert_twins("softmax_back", g, y, dim, ulps=SUMS, floor=16)
    assert_twins("log_softmax_back", g, z, dim, ulps=SUMS, floor=32)
    g = numbers(seed, total.shape, x.dtype)
    assert_twins("logsumexp_back", g, x, total, dim, ulps=4)
    assert_twins("logsumexp_back", g.squeeze(dim), x, total.squeeze(dim), dim, ulps=4)
