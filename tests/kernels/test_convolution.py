"""Native convolutions equal their NumPy definitions: any geometry, sums in another order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rushlight.kernels import native
from rushlight.kernels.convolution import Geometry

from .twins import LAYOUTS, assert_twins, needs_native, numbers

pytestmark = needs_native


@st.composite
def convolutions(draw, special=False):
    """x, w, y of fitting shapes, and the geometry."""
    rank, groups = draw(st.integers(1, 3)), draw(st.sampled_from([1, 1, 2, 5]))
    axis = st.tuples(*(st.integers(1, 3) for _ in range(rank)))
    stride, dilation = draw(axis), draw(axis)
    kernel = draw(st.tuples(*(st.integers(1, 4) for _ in range(rank))))
    padding = draw(st.tuples(*(st.integers(0, 3) for _ in range(rank))))
    out = draw(st.tuples(*(st.sampled_from([1, 2, 3, 7, 16, 17, 33][: 7 - 2 * (rank - 1)]) for _ in range(rank))))
    beyond = draw(st.integers(0, 2))
    axes = zip(out, kernel, stride, padding, dilation)
    size = tuple(max(1, (n - 1) * s + d * (k - 1) + 1 - 2 * p + min(beyond, s - 1)) for n, k, s, p, d in axes)
    by = Geometry(stride, padding, dilation, groups)
    out = by.output_size(size, kernel)
    n, o, c = draw(st.sampled_from([1, 2, 5, 17])), draw(st.sampled_from([1, 2, 3, 16, 19])), draw(st.integers(1, 4))
    dtype, share = draw(st.sampled_from([np.float32, np.float64])), draw(st.sampled_from([0, 0.01])) if special else 0
    shapes = (n, c * groups, *size), (o * groups, c, *kernel), (n, o * groups, *out)
    x, w, y = (numbers(seed, shape, dtype, 1.0) for seed, shape in enumerate(shapes))
    if share:
        x, y = (np.where(numbers(9, a.shape, dtype) < 3 * 2.3, a, np.inf).astype(dtype) for a in (x, y))
    layout = LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))]
    return layout(x), layout(w), layout(y), by


def terms(*counts):
    """The size of sums of so many terms, each a product of numbers of about one."""
    return float(np.prod(counts))


@settings(max_examples=150, deadline=None)
@given(convolutions(special=True), st.booleans())
def test_correlate(case, biased):
    x, w, y, by = case
    bias = numbers(5, w.shape[:1], x.dtype) if biased else None
    assert_twins("correlate", x, w, bias, by, y.shape[2:], ulps=4, floor=4 + terms(*w.shape[1:]))


@settings(max_examples=150, deadline=None)
@given(convolutions(special=True), st.booleans())
def test_spread(case, biased):
    x, w, y, by = case
    bias = numbers(5, x.shape[1:2], x.dtype) if biased else None
    assert_twins("spread", y, w, bias, by, x.shape[2:], ulps=4, floor=4 + terms(w.shape[0], *w.shape[2:]))


@settings(max_examples=150, deadline=None)
@given(convolutions(special=True))
def test_weigh(case):
    x, w, y, by = case
    assert_twins("weigh", x, y, by, w.shape[2:], ulps=4, floor=4 + terms(y.shape[0], *y.shape[2:]))


def test_results_do_not_depend_on_the_number_of_threads() -> None:
    by = Geometry((1, 2), (1, 1), (1, 1))
    x, w = numbers(1, (9, 8, 20, 21), np.float32), numbers(2, (20, 8, 3, 3), np.float32)
    before = native.library.get_threads()
    results = []
    for count in (1, 2, 5):
        native.library.set_threads(count)
        y = native.library.correlate(x, w, None, by, None)
        back = native.library.spread(y, w, None, by, x.shape[2:]), native.library.weigh(x, y, by, (3, 3))
        results.append([a.tobytes() for a in (y, *back)])
    native.library.set_threads(before)
    assert results[0] == results[1] == results[2]


def test_shapes_that_do_not_fit_are_refused() -> None:
    x, w, by = np.ones((1, 2, 4), np.float32), np.ones((3, 1, 2), np.float32), Geometry((1,), (0,), (1,))
    for call in (
        lambda: native.library.correlate(x, w, None, by, None),
        lambda: native.library.correlate(x[:, :1], w, None, by, (4,)),
        lambda: native.library.correlate(x[:, :1], w, x[0, 0], by, None),
        lambda: native.library.spread(x, w, None, by, (5,)),
        lambda: native.library.weigh(x, x, by, (2,)),
    ):
        with pytest.raises(ValueError, match="do not fit"):
            call()
