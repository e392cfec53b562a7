"""Native steps of optimizers equal their NumPy definitions, for parameters of every number, shape, layout and type."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rushlight.kernels import native, steps

from .twins import arrays, needs_native, numbers

pytestmark = needs_native

SIGNED = st.sampled_from([0.0, 0.1])
FLAG = st.booleans()


@st.composite
def groups(draw):
    """Parameters, and a function that gives lists of arrays like them: of any numbers, or of none below zero."""
    params = draw(st.lists(arrays(min_dims=0, max_dims=3), min_size=0, max_size=4))
    seed = draw(st.integers(0, 2**32))

    def like(number, positive=False):
        made = [np.empty_like(p) for p in params]
        for i, x in enumerate(made):
            x[...] = numbers(seed + number + 9 * i, x.shape, x.dtype)
            if positive:
                np.abs(x, out=x)
        return made

    def gradients():
        made = like(0)
        return [np.ascontiguousarray(x) for x in made] if draw(FLAG) else made

    return params, like, gradients()


def counts(params):
    return [np.array(k, np.float32 if k % 2 else np.float64) for k in range(len(params))]


def assert_steps(name, lists, *options):
    """The same bits after both steps, since they round the same operations one by one."""
    results = []
    for step in (getattr(steps, name), native.DEFINITIONS[name]):
        copies = [[x.copy("K") for x in each] for each in lists]
        with np.errstate(all="ignore"):
            step(*copies, *options)
        results.append(copies)
    for ours, theirs in zip(*results, strict=True):
        for got, want in zip(ours, theirs, strict=True):
            assert got.strides == want.strides
            np.testing.assert_array_equal(got, want)


@given(groups(), FLAG, SIGNED, SIGNED, FLAG)
def test_adam(group, amsgrad, weight_decay, shrunk, maximize):
    params, like, grads = group
    largest = like(3, positive=True) if amsgrad else []
    lists = [params, grads, like(1), like(2, positive=True), largest, counts(params)]
    assert_steps("adam_step", lists, 0.01, 0.9, 0.99, 1e-3, weight_decay, 1 - shrunk, maximize)


@given(groups(), SIGNED, st.sampled_from([0.5, 1.0]), FLAG, SIGNED, FLAG)
def test_sgd(group, momentum, take, nesterov, weight_decay, maximize):
    params, like, grads = group
    lists = [params, grads, like(1) if momentum else []]
    assert_steps("sgd_step", lists, 0.1, momentum, take, nesterov, weight_decay, maximize)


@given(groups(), SIGNED, FLAG, SIGNED, FLAG)
def test_rmsprop(group, momentum, centered, weight_decay, maximize):
    params, like, grads = group
    squares, means = like(1, positive=True), like(3)
    for square, mean in zip(squares, means, strict=True):
        mean *= 0.01
        square += 1  # away from the mean's square, whose difference would lose digits
    lists = [params, grads, squares, like(2) if momentum else [], means if centered else []]
    assert_steps("rmsprop_step", lists, 0.1, 0.9, 0.01, momentum, weight_decay, maximize)


@given(groups(), SIGNED, SIGNED, FLAG)
def test_adagrad(group, lr_decay, weight_decay, maximize):
    params, like, grads = group
    lists = [params, grads, like(1, positive=True), counts(params)]
    assert_steps("adagrad_step", lists, 0.1, lr_decay, 0.01, weight_decay, maximize)


def test_the_number_of_threads_changes_nothing():
    sizes, threads = (100_003, 7, 65_536, 1), native.library.get_threads()
    results = []
    try:
        for count in (1, 3):
            native.library.set_threads(count)
            lists = [[numbers(9 * k + i, (n,), np.float32) ** 2 for i, n in enumerate(sizes)] for k in range(4)]
            counted = [np.array(1.0) for _ in sizes]
            steps.adam_step(*lists, [], counted, 0.01, 0.9, 0.99, 1e-8, 0.1, 1.0, False)
            results.append(lists)
    finally:
        native.library.set_threads(threads)
    np.testing.assert_equal(*results)


@pytest.mark.parametrize(
    "spoiled",
    [
        {"grads": [np.zeros(3, np.float32)]},
        {"grads": [np.zeros((2, 2))]},
        {"grads": []},
        {"params": [np.zeros(2, np.float16)], "grads": [np.zeros(2, np.float16)], "sums": [np.zeros(2, np.float16)]},
        {"params": [np.zeros(2, np.complex64)], "grads": [np.zeros(2, np.complex64)], "sums": [np.ones(2, "c8")]},
        {"params": [np.zeros(4, np.float32)[::2]]},
        {"steps": [np.array(0)]},
        {"steps": [np.zeros(1, np.float32)]},
    ],
    ids=str,
)
def test_what_it_does_not_take_goes_to_the_definition(spoiled):
    lists = {"params": [np.zeros(2, np.float32)], "grads": [np.ones(2, np.float32)], "sums": [np.ones(2, np.float32)]}
    results = []
    for step in (steps.adagrad_step, native.DEFINITIONS["adagrad_step"]):
        given_lists = [[x.copy() for x in each] for each in ({**lists, "steps": [np.array(1.0)]} | spoiled).values()]
        try:
            step(*given_lists, 0.1, 0.0, 0.01, 0.0, False)
        except (ValueError, TypeError) as error:
            results.append(type(error))
        else:
            results.append(given_lists)
    np.testing.assert_equal(*results)
