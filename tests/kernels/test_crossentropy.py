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


@given(cases(), st.sampled_from([0.0, 0.0, 0.1, 1.0]))
def test_cross_entropy(case, smoothing):
    # Sums of some thousand rows' losses, each of up to 20 or so; huge logits give huge ones.
    x, target, weight, ignore, reduction = case
    if smoothing:
        x = finite(x)  # a huge logit takes part in the loss of each row, where it is added to others in another order
    case = (x, *case[1:], smoothing)
    with np.errstate(all="ignore"):
        want, normaliser = native.DEFINITIONS["cross_entropy"](*case)
    assert_close(kernels.cross_entropy(*case)[0], want, ulps=32, floor=20)
    g = numbers(0, target.shape if reduction == "none" else (), x.dtype)
    # Softmax, up to 1, less 1 at the class, times weight.
    assert_twins("cross_entropy_back", g, *case, normaliser, ulps=16, floor=8)


def finite(x):
    return np.where(np.abs(x) < 100, x, x.dtype.type(0))


@given(cases(), st.sampled_from([0.0, 0.1, 1.0]))
def test_of_probabilities(case, smoothing):
    x, _, weight, _, reduction = case
    x, target = finite(x), np.abs(numbers(0, x.shape, x.dtype, scale=0.3))
    args = x, target, weight, reduction, smoothing
    want, normaliser = native.DEFINITIONS["soft_cross_entropy"](*args)
    # Sums over up to 17 classes of some thousand rows: products of 20 by a probability and a weight of up to 10.
    assert_close(kernels.soft_cross_entropy(*args)[0], want, ulps=32, floor=200)
    g = numbers(0, want.shape, x.dtype)
    assert_twins("soft_cross_entropy_back", g, *args, normaliser, ulps=16, floor=16)


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
    assert native.library.cross_entropy(x, target, None, wrong, "sum", 0.0)[0] == np.log(np.float32(3))
    for kernel, smoothing in ((native.library.cross_entropy, (0.0,)), (native.library.nll_loss, ())):
        with pytest.raises(IndexError):
            kernel(x, target, None, None, "mean", *smoothing)


def test_no_classes():
    x, target = np.zeros((2, 0), np.float32), np.array([5, 5])
    for kernel, smoothing in ((kernels.cross_entropy, (0.0,)), (kernels.nll_loss, ())):
        with pytest.raises((IndexError, ValueError)):
            kernel(x, target, None, 5, "sum", *smoothing)
