"""Choice by bits gives what np.where gives, bit for bit."""

import numpy as np
import pytest

from rushlight.kernels.choice import MANY, choose

RNG = np.random.default_rng(0)
CONDITION = RNG.random((2, MANY)) < 0.5


def numbers(dtype, shape=CONDITION.shape):
    """Numbers with every kind of special one among them."""
    x = RNG.standard_normal(shape).astype(dtype)
    x.flat[:6] = np.inf, -np.inf, np.nan, -0.0, 0.0, 1e-40
    return x


SIDES = {
    "two arrays": lambda dtype: (numbers(dtype), numbers(dtype)),
    "zero last": lambda dtype: (numbers(dtype), 0),
    "zero first": lambda dtype: (0, numbers(dtype)),
    "zero as an array": lambda dtype: (np.zeros((), dtype), numbers(dtype)),
    "minus zero": lambda dtype: (np.negative(np.zeros((), dtype)), numbers(dtype)),
    "zero of another type": lambda dtype: (np.zeros((), np.int64), numbers(dtype)),
    "one": lambda dtype: (1, numbers(dtype)),
    "two numbers": lambda dtype: (0, 1),
    "another type": lambda dtype: (numbers(dtype), numbers(np.float64)),
    "another shape": lambda dtype: (numbers(dtype, (MANY,)), numbers(dtype)),
    "another layout": lambda dtype: (numbers(dtype, CONDITION.shape[::-1]).T, numbers(dtype)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
@pytest.mark.parametrize("sides", SIDES)
def test_choice_is_that_of_numpy(sides, dtype):
    a, b = SIDES[sides](dtype)
    got, want = choose(CONDITION, a, b), np.where(CONDITION, a, b)
    assert got.dtype == want.dtype and got.shape == want.shape and got.tobytes() == want.tobytes()


def test_few_elements_and_scalars_are_chosen_too():
    assert choose(np.True_, 1.0, 2.0) == 1.0
    assert choose(CONDITION[0, :3], 1.0, 2.0).tolist() == np.where(CONDITION[0, :3], 1.0, 2.0).tolist()
