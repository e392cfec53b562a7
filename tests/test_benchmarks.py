"""The work that the benchmarks time is the same in both libraries: equal losses, equal values and gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight
from benchmarks.kernels import KERNELS, SIZES
from benchmarks.models import MODELS


@pytest.fixture(autouse=True)
def one_thread():
    """Small products of two libraries wait for each other's threads where cores are few."""
    usual = torch.get_num_threads(), rushlight.get_num_threads()
    for library in (torch, rushlight):
        library.set_num_threads(1)
    yield
    for library, number in zip((torch, rushlight), usual, strict=True):
        library.set_num_threads(number)


@pytest.mark.parametrize("name", MODELS)
def test_models_train_alike(name):
    losses = []
    for library in (rushlight, torch):
        step = MODELS[name](library)
        losses.append([step().item() for _ in range(2)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)


@pytest.mark.parametrize("name", KERNELS)
def test_kernels_compute_the_same(name):
    results = []
    for library in (rushlight, torch):
        work = KERNELS[name](library, SIZES[0])
        library.manual_seed(0)
        results.append([result.detach().numpy() for result in work()])
    for ours, theirs in zip(*results, strict=True):
        assert ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * abs(theirs).max())
