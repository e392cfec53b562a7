"""Native losses of pairs equal their NumPy definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import losses

from .twins import arrays, assert_twins, needs_native, numbers

pytestmark = needs_native

reductions = st.sampled_from(["none", "mean", "sum"])


def sizes(losses_):
    """The size of a sum of losses, by which rounding is judged."""
    finite = np.abs(losses_[np.isfinite(losses_)])
    return float(min(finite.sum(), 1e30)) if finite.size else 0.0


@pytest.mark.parametrize("name", ["mse_loss", "smooth_l1_loss", "huber_loss", "bce_with_logits", "soft_margin_loss"])
@given(x=arrays(), reduction=reductions, seed=st.integers(0, 2**32))
def test_of_differences(name, x, reduction, seed):
    t, width = numbers(seed, x.shape, x.dtype), 0.75
    x = np.where(np.abs(x) < 1e15, x, np.copysign(np.inf, x)).astype(x.dtype)  # the order decides whether sums overflow
    with np.errstate(all="ignore"):
        floor = sizes(np.asarray(getattr(losses, name)(x, t, "none", width)))
    # Losses of some ulp, of differences of numbers of up to 10; their sums in another order.
    assert_twins(name, x, t, reduction, width, ulps=32, floor=10 if reduction == "none" else max(floor, 10))
    g = numbers(seed, x.shape if reduction == "none" else (), x.dtype)
    assert_twins(f"{name}_back", g, x, t, reduction, width, ulps=16, floor=10)


@given(x=arrays(special=False), reduction=reductions, seed=st.integers(0, 2**32))
def test_weighted(x, reduction, seed):
    t, weight, positive = (numbers(seed + k, x.shape, x.dtype, scale=1.0) for k in range(3))
    args = x, t, weight, positive, reduction
    # Sums of products of numbers of up to 10, 5 and 5 for each element.
    assert_twins("weighted_bce_with_logits", *args, ulps=8, floor=250 * (x.size if reduction == "sum" else 1))
    g = numbers(seed, x.shape if reduction == "none" else (), x.dtype)
    assert_twins("weighted_bce_with_logits_back", g, *args, ulps=16, floor=10)
    spread = np.broadcast_to(positive[:1], x.shape)
    assert_twins("weighted_bce_with_logits", x, t, weight, spread, "none", ulps=8, floor=250)


@given(x=arrays(), reduction=reductions, seed=st.integers(0, 2**32))
def test_of_probabilities(x, reduction, seed):
    rng = np.random.default_rng(seed)
    p, t = (rng.random(x.shape).astype(x.dtype) for _ in range(2))
    p[rng.random(p.shape) < 0.1], p[rng.random(p.shape) < 0.1] = 0, 1
    assert_twins("bce_loss", p, t, reduction, 0.0, ulps=32, floor=max(100.0 * p.size, 1) if reduction == "sum" else 100)
    g = numbers(seed, x.shape if reduction == "none" else (), x.dtype)
    assert_twins("bce_loss_back", g, p, t, reduction, 0.0, ulps=8)
    for array in (p, x, np.append(p.reshape(-1), np.nan).astype(x.dtype)):
        assert losses.within_unit_interval(array) == bool(((array >= 0) & (array <= 1)).all())
