"""Native softmax equals its NumPy definition."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from .twins import arrays, assert_twins, needs_native

pytestmark = needs_native


@given(arrays(), st.integers(0, 3))
def test_softmax(x, dim):
    # Sums of up to 70 exponentials in another order.
    assert_twins("softmax", x, dim % x.ndim, ulps=8)
