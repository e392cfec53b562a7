"""Sorting, searching, running operations, softmax, norms and histograms next to PyTorch, and laws that they obey."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as theirs

import rushlight
from rushlight.nn import functional as ours

SIDES = (torch, rushlight)
RNG = np.random.default_rng(7)
MATRIX = RNG.standard_normal((3, 4))


def made(lib, array, grad=False):
    """The same tensor in one of the libraries."""
    tensor = lib.from_numpy(np.array(array))
    return tensor.requires_grad_(True) if grad else tensor


def close(expected, got, **tolerance):
    """Compare results that may be tuples."""
    if isinstance(expected, tuple):
        assert len(expected) == len(got)
        for pair in zip(expected, got, strict=True):
            close(*pair)
    else:
        assert str(expected.dtype) == str(got.dtype)
        np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), **({"rtol": 1e-12} | tolerance))


FORMS = {
    "sort": lambda m, x: m.sort(x, dim=0, descending=True, stable=True),
    "argsort": lambda m, x: m.argsort(x, -1),
    "msort": lambda m, x: m.msort(x),
    "topk": lambda m, x: m.topk(x, 2, 0, largest=False),
    "unique": lambda m, x: m.unique((x * 2).round(), return_inverse=True, return_counts=True),
    "unique slices": lambda m, x: m.unique((x > 0), dim=1, return_inverse=True),
    "unique_consecutive": lambda m, x: m.unique_consecutive((x > 0).int(), return_counts=True),
    "searchsorted": lambda m, x: m.searchsorted(m.sort(x, 1).values, x, right=True, out_int32=True),
    "bucketize": lambda m, x: m.bucketize(x, m.tensor([-1.0, 0.0, 1.0], dtype=m.float64)),
    "isin": lambda m, x: m.isin(x.round(), m.tensor([0.0, 1.0], dtype=m.float64), invert=True),
    "cumsum": lambda m, x: m.cumsum(x, 1),
    "cumprod": lambda m, x: m.cumprod(x, -1),
    "cummax": lambda m, x: m.cummax(x, 1),
    "logcumsumexp": lambda m, x: m.logcumsumexp(x, 1),
    "diff": lambda m, x: m.diff(x, n=2, dim=1, prepend=x[:, :1]),
    "trapezoid": lambda m, x: m.trapezoid(x, x * x, dim=0),
    "cumulative_trapezoid": lambda m, x: m.cumulative_trapezoid(x, dx=0.5),
    "softmax": lambda m, x: m.softmax(x, 0, dtype=m.float32).double(),
    "log_softmax": lambda m, x: m.log_softmax(x, -1),
    "norm 1": lambda m, x: m.norm(x, 1),
    "norm inf": lambda m, x: m.linalg.vector_norm(x, float("inf"), 1),
    "norm 0": lambda m, x: m.linalg.vector_norm(x, 0, (0, 1), True),
    "norm 3": lambda m, x: m.linalg.norm(x, 3, 0),
    "matrix norm 1": lambda m, x: m.linalg.matrix_norm(x, 1),
    "matrix norm -inf": lambda m, x: m.linalg.norm(x, -float("inf")),
    "cdist 1": lambda m, x: m.cdist(x, x + 1, p=1),
    "quantile": lambda m, x: m.quantile(x, m.tensor([0.1, 0.5], dtype=m.float64), dim=1, interpolation="linear"),
    "histc": lambda m, x: m.histc(x, 4),
    "histogram": lambda m, x: m.histogram(x, 3, density=True),
    "bincount": lambda m, x: m.bincount((x.abs() * 3).long().reshape(-1), x.reshape(-1)),
    "cov": lambda m, x: m.cov(x),
    "corrcoef": lambda m, x: m.corrcoef(x),
}


@pytest.mark.parametrize("name", FORMS)
def test_values(name):
    expected, got = (FORMS[name](lib, made(lib, MATRIX)) for lib in SIDES)
    close(expected, got, rtol=1e-6 if name == "softmax" else 1e-11, atol=1e-12)


NODES = ["sort", "argsort", "topk", "cumsum", "cumprod", "cummax", "logcumsumexp", "log_softmax"]


@pytest.mark.parametrize("name", sorted(set(NODES) - {"argsort"}))
def test_node_names_and_gradients(name):
    found = []
    for lib in SIDES:
        x = made(lib, MATRIX, grad=True)
        y = FORMS[name](lib, x)
        y = y[0] if isinstance(y, tuple) else y
        (y * y).sum().backward()
        found.append((type(y.grad_fn).__name__, x.grad.numpy()))
    assert found[1][0] == found[0][0]
    np.testing.assert_allclose(found[1][1], found[0][1], rtol=1e-10)


FUNCTIONAL = {
    "softmin": lambda f, x: f.softmin(x, 1),
    "normalize": lambda f, x: f.normalize(x, p=3, dim=0),
    "cosine_similarity": lambda f, x: f.cosine_similarity(x, x * x, dim=0),
    "pairwise_distance": lambda f, x: f.pairwise_distance(x, x * x, p=1, keepdim=True),
    "pdist": lambda f, x: f.pdist(x, 2),
}


@pytest.mark.parametrize("name", FUNCTIONAL)
def test_functional_forms_and_their_gradients(name):
    expected, got = (FUNCTIONAL[name](f, made(m, MATRIX)) for f, m in ((theirs, torch), (ours, rushlight)))
    close(expected, got)
    grads = []
    for f, m in ((theirs, torch), (ours, rushlight)):
        x = made(m, MATRIX, grad=True)
        (FUNCTIONAL[name](f, x) ** 2).sum().backward()
        grads.append(x.grad)
    close(*grads, atol=1e-14)


def test_gumbel_softmax_is_one_hot_forward_and_soft_backward():
    rushlight.manual_seed(0)
    x = made(rushlight, MATRIX, grad=True)
    y = ours.gumbel_softmax(x, hard=True)
    np.testing.assert_allclose(np.sort(y.detach().numpy(), -1)[:, -1], 1)
    (y * y).sum().backward()
    assert np.abs(x.grad.numpy()).sum() > 0


@pytest.mark.parametrize("name", ["cumsum_", "cumprod_"])
def test_running_operations_in_place(name):
    expected, got = (made(lib, MATRIX) for lib in SIDES)
    assert getattr(got, name)(1) is got
    close(getattr(expected, name)(1), got)
    with pytest.raises(RuntimeError, match="dtype"):
        getattr(got, name)(1, dtype=rushlight.float32)


@pytest.mark.parametrize("shape", [(0,), (2, 0), (0, 3)])
@pytest.mark.parametrize("name", ["sort", "cumsum", "softmax", "log_softmax", "cumprod"])
def test_empty_tensors(name, shape):
    expected, got = (getattr(lib, name)(made(lib, np.zeros(shape)), -1) for lib in SIDES)
    close(expected, got)


numbers = st.lists(st.integers(-5, 5), min_size=1, max_size=30)


@settings(max_examples=40, deadline=None)
@given(numbers, st.booleans())
def test_sorting_keeps_equals_in_their_order(values, descending):
    x = rushlight.tensor(values)
    ordered, places = x.sort(descending=descending, stable=True)
    assert ordered.tolist() == sorted(values, reverse=descending)
    assert places.tolist() == sorted(range(len(values)), key=lambda i: -values[i] if descending else values[i])


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_differences_undo_running_sums(values):
    x = rushlight.tensor(values)
    assert rushlight.diff(x.cumsum(0), prepend=rushlight.tensor([0])).tolist() == values


@settings(max_examples=40, deadline=None)
@given(numbers)
def test_softmax_sums_to_one_and_ignores_a_shift(values):
    x = rushlight.tensor(values, dtype=rushlight.float64)
    assert x.softmax(0).sum().item() == pytest.approx(1, rel=1e-12)
    np.testing.assert_allclose((x + 100).softmax(0).numpy(), x.softmax(0).numpy(), rtol=1e-12)
