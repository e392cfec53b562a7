"""Native random numbers are those of their NumPy definitions, from the same place of the same stream."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import boxmuller, sampling
from rushlight.kernels.mersenne import Stream, Words
from rushlight.kernels.native import DEFINITIONS

from .twins import assert_close, assert_twins, needs_native

pytestmark = needs_native

CALLS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["words", "uniforms32", "uniforms64"]), st.integers(0, 3000)),
        st.tuples(
            st.sampled_from(["chosen32", "chosen64"]), st.integers(0, 3000), st.floats(0, 1), st.floats(0, 9, width=32)
        ),
        st.tuples(st.just("integers"), st.integers(0, 3000), st.integers(1, 2**32 - 1), st.integers(-(2**62), 2**62)),
        st.just(("restore",)),
    ),
    max_size=8,
)


@given(st.integers(0, 2**32 - 1), CALLS)
def test_streams(seed, calls):
    ours, definition = Stream(seed), Words(seed)
    for name, *args in calls:
        if name == "restore":
            state = definition.state()
            ours, definition = Stream(0), Words(1)
            ours.restore(*state)
            definition.restore(*state)
            continue
        assert_close(getattr(ours, name)(*args), getattr(definition, name)(*args), ulps=0)
    np.testing.assert_equal(ours.state(), definition.state())


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 3, 9, 400]),
    st.sampled_from([0.0, 0.5, -70.0]),
    st.sampled_from([1, 0.3]),
)
def test_box_muller(seed, blocks, mean, std):
    stream = Stream(seed)
    # The definition rounds some sums of float32 twice, which shows in one of some hundred million numbers.
    assert_twins("box_muller", stream.uniforms32(16 * blocks), mean, std, ulps=1, floor=0.1)
    # In float64 NumPy's logarithm, sine and cosine are not the C library's, which PyTorch takes.
    assert_twins("box_muller", stream.uniforms64(16 * blocks), mean, std, ulps=4, floor=1 + abs(mean))


def test_nearly_all_normal_numbers_are_the_same():
    uniforms = Stream(7).uniforms32(1 << 18)
    same = boxmuller.box_muller(uniforms, 0.0, 1.0) == DEFINITIONS["box_muller"](uniforms, 0.0, 1.0)
    assert (~same).sum() <= 1


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 1, 2, 499, 2000]))
def test_swapped(seed, n):
    targets = np.random.default_rng(seed).integers(np.arange(n), max(n, 1))
    assert_twins("swapped", targets, ulps=0)


def test_what_is_refused():
    with pytest.raises(ValueError, match="whole blocks"):
        boxmuller.box_muller(np.zeros(17, np.float32), 0.0, 1.0)
    with pytest.raises(IndexError, match="out of range"):
        sampling.swapped(np.array([0, 0]))
    with pytest.raises(ValueError, match="no state"):
        Stream(0).restore(np.zeros(3, np.uint32), 0)
    with pytest.raises((ValueError, OverflowError)):
        Stream(0).words(-1)
