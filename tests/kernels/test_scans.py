"""Native running sums and products equal their NumPy definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import scans

from .twins import arrays, assert_twins, needs_native

pytestmark = needs_native


@given(arrays(), st.integers(0, 3), st.booleans())
def test_cumsum(x, dim, reverse):
    # The same sums one after the other; where float64 holds them exactly enough, in float32 even the bits.
    assert_twins("cumsum", x, dim % x.ndim, reverse, ulps=0)


@given(arrays(scale=1.2), st.integers(0, 3))
def test_cumprod(x, dim):
    assert_twins("cumprod", x, dim % x.ndim, ulps=0)


def test_long_lines_keep_their_digits():
    x = np.full(1_000_000, 0.1, np.float32)
    assert abs(scans.cumsum(x, 0, False)[-1] - 1e5) < 0.02
