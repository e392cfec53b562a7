"""Native norm, scaling and clipping of many gradients equal their NumPy definitions."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import gradients
from rushlight.kernels.native import DEFINITIONS

from .twins import arrays, needs_native

pytestmark = needs_native

LISTS = st.lists(arrays(min_dims=0), max_size=4)


@given(LISTS)
def test_total_norm(lists):
    with np.errstate(all="ignore"):
        want = DEFINITIONS["total_norm"](lists)
    # Sums of squares in another order.
    np.testing.assert_allclose(gradients.total_norm(lists), want, rtol=1e-13)


@given(LISTS, st.sampled_from([1.0, 0.3, 1e-30, np.inf, np.nan]))
def test_in_place(lists, number):
    for name in ("scale_all", "clip_all")[: 1 if np.isnan(number) else 2]:
        ours, theirs = ([x.copy("K") for x in lists] for _ in range(2))
        with np.errstate(all="ignore"):
            getattr(gradients, name)(ours, number)
            DEFINITIONS[name](theirs, number)
        np.testing.assert_equal(ours, theirs)


def test_the_sum_does_not_depend_on_the_number_of_threads():
    from rushlight.kernels.native import library

    lists, threads = [np.random.default_rng(0).standard_normal(n) for n in (100_003, 5, 9000)], library.get_threads()
    try:
        library.set_threads(1)
        alone = gradients.total_norm(lists)
        library.set_threads(3)
        assert gradients.total_norm(lists) == alone
    finally:
        library.set_threads(threads)
