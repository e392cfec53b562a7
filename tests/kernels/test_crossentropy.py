"""Native cross entropy and likelihood equal their NumPy definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import crossentropy as kernels
from rushlight.kernels import native

from .twins import LAYOUTS, assert_close, assert_twins, needs_native, numbers

pytestmark = needs_native

SIZES = st.sampled_from([1, 2, 3, 10, 17])


@st.composite
def cases(draw):
    """Logits, targets, weights, the ignored class and the reduction."""
    n, classes, *rest = (draw(SIZES) for _ in range(draw(st.integers(2, 4))))
    shape, seed = (n, classes, *rest[:2]), draw(st.integers(0, 2**32))
    if len(shape) == 2 and draw(st.booleans()):
        shape = (classes,)
    places = shape[:1] + shape[2:] if len(shape) > 1 else ()
    x = numbers(seed, shape, draw(st.sampled_from([np.float32, np.float64])), special=draw(st.sampled_from([0, 0.02])))
    target = np.random.default_rng(seed).integers(0, classes, places)
    weight = np.abs(numbers(seed + 1, (classes,), x.dtype)) if draw(st.booleans()) else None
    ignore = draw(st.sampled_from([None, 0]))
    reduction = draw(st.sampled_from(["none", "mean", "sum"]))
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x), np.asarray(target), weight, ignore, reduction


@given(cases())
def test_cross_entropy(case):
    # Sums of some thousand rows' losses, each of up to 20 or so; huge logits give huge ones.
    x, target, weight, ignore, reduction = case
    with np.errstate(all="ignore"):
        want, normaliser = native.DEFINITIONS["cross_entropy"](*case)
    assert_close(kernels.cross_entropy(*case)[0], want, ulps=32, floor=20)
    g = numbers(0, target.shape if reduction == "none" else (), x.dtype)
    # Softmax, up to 1, less 1 at the class, times weight.
    assert_twins("cross_entropy_back", g, *case, normaliser, ulps=16, floor=8)


@given(cases())
def test_likelihood(case):
    assert_twins("nll_loss", *case, ulps=32, floor=20)
    x, target, weight, ignore, reduction = case
    g = numbers(0, target.shape if reduction == "none" else (), x.dtype)
    assert_twins("nll_loss_back", g, target, weight, ignore, reduction, x.shape, ulps=8)


@pytest.mark.parametrize("wrong", [-1, 3, 2**40])
def test_targets_out_of_range(wrong):
    x, target = np.zeros((2, 3), np.float32), np.array([0, wrong])
    for ignored, found in ((wrong, (True, True)), (0, (False, True)), (2, (False, False))):
        assert kernels.are_classes(target, 3, ignored) == found
    assert native.library.cross_entropy(x, target, None, wrong, "sum")[0] == np.log(np.float32(3))
    for kernel in (native.library.cross_entropy, native.library.nll_loss):
        with pytest.raises(IndexError):
            kernel(x, target, None, None, "mean")


def test_no_classes():
    x, target = np.zeros((2, 0), np.float32), np.array([5, 5])
    for kernel in (kernels.cross_entropy, kernels.nll_loss):
        with pytest.raises((IndexError, ValueError)):
            kernel(x, target, None, 5, "sum")
