"""Products of matrices inside kernels are those of NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushlight.kernels import native

from .twins import assert_close, needs_native, numbers

pytestmark = needs_native

LENGTHS = st.sampled_from([0, 1, 2, 3, 7, 13, 14, 15, 29, 32, 33, 63, 64, 100, 257, 400])


@settings(deadline=None)
@given(LENGTHS, LENGTHS, LENGTHS, st.booleans(), st.booleans(), st.sampled_from([np.float32, np.float64]))
def test_products_of_matrices(m, n, k, a_transposed, b_transposed, dtype):
    a, b = numbers(1, (m, k), dtype), numbers(2, (k, n), dtype)
    got = native.library.gemm(
        np.ascontiguousarray(a.T if a_transposed else a),
        np.ascontiguousarray(b.T if b_transposed else b),
        a_transposed,
        b_transposed,
    )
    # Sums of k terms of size 9 in another order.
    assert_close(got, np.matmul(a, b), ulps=4, floor=9 * k)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_all_blocks_are_summed(dtype):
    a, b = numbers(3, (350, 600), dtype), numbers(4, (600, 2100), dtype)
    assert_close(native.library.gemm(a, b, False, False), a @ b, ulps=4, floor=9 * 600)


def test_what_is_not_finite_stays_in_its_row_and_column():
    a, b = numbers(5, (20, 40), np.float32), numbers(6, (40, 50), np.float32)
    a[3, 7], b[9, 11] = np.nan, np.inf
    finite = np.isfinite(native.library.gemm(a, b, False, False))
    want = np.ones((20, 50), bool)
    want[3], want[:, 11] = False, False
    np.testing.assert_array_equal(finite, want)
