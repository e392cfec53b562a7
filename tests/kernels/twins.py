"""Native kernels beside their NumPy definitions: arguments of every kind, and how far apart results may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import strategies as st

from rushlight.kernels import native

needs_native = pytest.mark.skipif(native.library is None, reason="the package was installed without a compiler")

LAYOUTS = {
    "C": lambda x: x,
    "reversed axes": lambda x: np.ascontiguousarray(x.T).T,
    "every other": lambda x: np.repeat(x, 2, -1)[..., ::2] if x.ndim else x,
    "backwards": lambda x: np.ascontiguousarray(x[..., ::-1])[..., ::-1] if x.ndim else x,
}
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-40, -1e-310, 3e38, -1e300)


def numbers(seed: int, shape: tuple[int, ...], dtype: Any, scale: float = 3.0, special: float = 0.0) -> np.ndarray:
    """Normally distributed numbers, a share of them special ones: NaN, infinities, denormal and huge numbers."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(shape) * scale
    with np.errstate(all="ignore"):
        return np.where(rng.random(shape) < special, rng.choice(SPECIAL, shape), x).astype(dtype)


@st.composite
def arrays(draw: Any, *, min_dims: int = 1, max_dims: int = 4, special: bool = True, scale: float = 3.0) -> np.ndarray:
    """Arrays of float32 and float64 of any shape (empty ones and odd lengths too) and memory layout."""
    shape = tuple(draw(st.lists(st.sampled_from([0, 1, 2, 3, 5, 17, 33, 70]), min_size=min_dims, max_size=max_dims)))
    while np.prod(shape) > 40_000:
        shape = shape[1:] if len(shape) > min_dims else tuple(n // 2 for n in shape)
    share = draw(st.sampled_from([0.0, 0.02, 0.5])) if special else 0.0
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    x = numbers(draw(st.integers(0, 2**32)), shape, dtype, scale, share)
    return LAYOUTS[draw(st.sampled_from(sorted(LAYOUTS)))](x)


def skip_without(name: str) -> None:
    """Skip a test of a kernel that needs a fused multiplication and addition where the processor has none."""
    if native.level == "baseline" and not hasattr(native.library, name):
        pytest.skip("the level has no such kernel")


def assert_twins(name: str, *args: Any, ulps: float, floor: float = 0.0) -> None:
    """The native kernel's results are within so many units in the last place of the definition's.

    ``floor`` is the size below which differences are judged as if a value had that size: for sums, whose terms may
    cancel, the size of the terms.
    """
    skip_without(name)
    with np.errstate(all="ignore"):
        want = native.DEFINITIONS[name](*args)
    got = getattr(native.library, name)(*args)
    for ours, theirs in zip(*(x if isinstance(x, tuple) else (x,) for x in (got, want)), strict=True):
        assert_close(ours, theirs, ulps, floor)


def assert_close(got: np.ndarray, want: np.ndarray, ulps: float, floor: float = 0.0) -> None:
    """Equal types, shapes, NaN and infinities, and numbers that many units in the last place apart."""
    assert (got.dtype, got.shape) == (want.dtype, want.shape)
    if want.dtype.kind != "f":
        np.testing.assert_array_equal(got, want)
        return
    finite = np.isfinite(want)
    np.testing.assert_array_equal(np.where(finite, 0, got), np.where(finite, 0, want))
    unit = np.spacing(np.maximum(np.abs(want[finite]), np.asarray(floor, want.dtype)))
    apart = np.abs(got[finite] - want[finite]) / unit
    assert not apart.size or apart.max() <= ulps, f"{apart.max():.1f} ulp apart: {got[finite][apart.argmax()]}"
