"""Reductions, extremes and statistics next to PyTorch: node names, forms, ties, empty tensors, zeros, error words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight

SIDES = (torch, rushlight)
DATA = np.array([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0]], dtype="float32")


def made(lib, array=DATA, grad=False):
    """The same tensor in one of the libraries."""
    tensor = lib.from_numpy(np.array(array))
    return tensor.requires_grad_(True) if grad else tensor


def plain(result):
    """Tensors in results as lists."""
    return [plain(r) for r in result] if isinstance(result, (tuple, list)) else result.detach().tolist()


NODES = {
    "sum of all": lambda m, x: x.sum(),
    "sum": lambda m, x: x.sum(0),
    "mean of all": lambda m, x: x.mean(),
    "mean": lambda m, x: x.mean((0, 1)),
    "prod of all": lambda m, x: x.prod(),
    "prod": lambda m, x: x.prod(0),
    "nansum": lambda m, x: x.nansum(),
    "var": lambda m, x: x.var(0),
    "std": lambda m, x: x.std(unbiased=False),
    "var_mean": lambda m, x: m.var_mean(x)[0],
    "std_mean": lambda m, x: m.std_mean(x)[1],
    "max of all": lambda m, x: x.max(),
    "max": lambda m, x: x.max(0).values,
    "min": lambda m, x: x.min(0).values,
    "amax": lambda m, x: x.amax(),
    "amin": lambda m, x: x.amin(1),
    "aminmax": lambda m, x: x.aminmax().min,
    "median of all": lambda m, x: x.median(),
    "median": lambda m, x: x.median(0)[0],
    "nanmedian": lambda m, x: x.nanmedian(0)[0],
    "mode": lambda m, x: x.mode()[0],
    "kthvalue": lambda m, x: x.kthvalue(2)[0],
    "logsumexp": lambda m, x: x.logsumexp((0, 1)),
    "norm": lambda m, x: x.norm(),
    "dist": lambda m, x: x.dist(x * 2),
    "renorm": lambda m, x: x.renorm(2, 0, 1.0),
    "cdist": lambda m, x: m.cdist(x, x + 1),
    "pdist": lambda m, x: m.pdist(x),
}


@pytest.mark.parametrize("name", NODES)
def test_values_gradients_and_node_names(name):
    shown = []
    for lib in SIDES:
        x = made(lib, grad=True)
        y = NODES[name](lib, x)
        y.sum().backward()
        shown.append((type(y.grad_fn).__name__, y.detach().numpy(), x.grad.numpy()))
    (node, value, grad), (our_node, our_value, our_grad) = shown
    assert our_node == node
    np.testing.assert_allclose(our_value, value, rtol=2e-6)
    np.testing.assert_allclose(our_grad, grad, rtol=2e-6, atol=1e-7)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int64", "bool", "float16", "float64", "complex64"])
@pytest.mark.parametrize("name", ["sum", "prod", "all", "any", "count_nonzero", "cumsum"])
def test_result_types(name, dtype):
    array = np.array([[1, 2], [0, 1]]).astype(dtype)
    args = (1,) if name == "cumsum" else ()
    expected, got = (getattr(lib, name)(made(lib, array), *args) for lib in SIDES)
    assert str(got.dtype) == str(expected.dtype)
    assert plain(got) == plain(expected)


@pytest.mark.parametrize("zeros", [0, 1, 2])
@pytest.mark.parametrize("form", ["all", "axis", "running"])
def test_products_with_zeros_have_first_and_second_gradients(form, zeros):
    array = np.array([2.0, -3.0, 0.5, 4.0])
    array[:zeros] = 0
    forms = {"all": lambda x: x.prod(), "axis": lambda x: x.prod(0), "running": lambda x: x.cumprod(0).sum()}
    found = []
    for lib in SIDES:
        x = made(lib, array, grad=True)
        y = forms[form](x)
        (once,) = lib.autograd.grad(y, x, retain_graph=True)
        (first,) = lib.autograd.grad(y, x, create_graph=True)
        (second,) = lib.autograd.grad((first * first).sum(), x)
        found.append((plain(once), plain(first), plain(second)))
    for expected, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


@pytest.mark.parametrize("name", ["amax", "amin", "max", "min", "median"])
def test_gradient_of_ties_over_all_elements_is_shared(name):
    grads = []
    for lib in SIDES:
        x = made(lib, np.array([1.0, 1.0, 1.0, 1.0]), grad=True)
        getattr(x, name)().backward()
        grads.append(plain(x.grad))
    assert grads[1] == grads[0] == [0.25] * 4


@pytest.mark.parametrize("name", ["max", "min", "mode", "median", "cummax", "cummin", "sort"])
def test_gradient_of_ties_along_an_axis_goes_to_the_index(name):
    found = []
    for lib in SIDES:
        x = made(lib, np.array([[1.0, 2.0, 2.0, 1.0]]), grad=True)
        values, indices = getattr(x, name)(1)
        values.sum().backward()
        found.append((plain(values), plain(indices), plain(x.grad)))
    if name == "median":  # which of two equal elements is found depends on how a library partitions
        found = [(values, [], sorted(grad[0])) for values, _, grad in found]
    assert found[1] == found[0]


def test_named_results_print_as_pytorch_and_are_tuples():
    shown = [repr(made(lib).max(0)) for lib in SIDES]
    assert shown[0] == shown[1]
    result = made(rushlight).max(0)
    values, indices = result
    assert isinstance(result, tuple) and values is result.values and indices is result[1]


NAN, INF = np.nan, np.inf


@pytest.mark.parametrize("array", [[1.0, NAN, 3.0], [NAN, NAN, NAN], [-INF, -INF, -INF], [INF, 1, 2]])
@pytest.mark.parametrize("name", [
    "max", "argmax", "median", "nanmedian", "nansum",
    "nanmean", "sort", "logsumexp", "cummax",
])  # fmt: skip
def test_nan_and_infinities(name, array):
    args = (0,) if name in ("sort", "logsumexp", "cummax") else ()
    expected, got = (plain(getattr(lib, name)(made(lib, np.array(array)), *args)) for lib in SIDES)
    np.testing.assert_equal(got, expected)


ERRORS = {
    "max of nothing": lambda m: m.zeros(0).max(),
    "amax of nothing": lambda m: m.zeros(0).amax(),
    "argmax of nothing": lambda m: m.zeros(0).argmax(),
    "max along an empty axis": lambda m: m.zeros(2, 0).max(1),
    "axis out of range": lambda m: m.zeros(2, 2).sum(2),
    "negative axis out of range": lambda m: m.zeros(2, 2).mean(-3),
    "axis twice": lambda m: m.zeros(2, 2).sum((0, 0)),
    "mean of integers": lambda m: m.zeros(2, dtype=m.int64).mean(),
    "var of integers": lambda m: m.zeros(2, dtype=m.int64).var(),
    "softmax axis": lambda m: m.softmax(m.zeros(2), 1),
    "softmax of integers": lambda m: m.softmax(m.zeros(2, dtype=m.int64), 0),
    "kthvalue": lambda m: m.zeros(2).kthvalue(3),
    "topk": lambda m: m.zeros(2).topk(3),
    "quantile range": lambda m: m.zeros(2).quantile(1.5),
    "quantile of nothing": lambda m: m.zeros(0).quantile(0.5),
    "bincount negative": lambda m: m.bincount(m.tensor([-1])),
    "cdist columns": lambda m: m.cdist(m.zeros(2, 2), m.zeros(2, 3)),
    "renorm": lambda m: m.zeros(2).renorm(2, 0, 1),
    "searchsorted shapes": lambda m: m.searchsorted(m.zeros(2, 3), m.zeros(3, 3)),
    "diff of a number": lambda m: m.diff(m.tensor(1.0)),
    "cov of three axes": lambda m: m.cov(m.zeros(2, 2, 2)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_the_class_and_key_words(name):
    with pytest.raises(Exception) as expected:
        ERRORS[name](torch)
    with pytest.raises(type(expected.value)) as got:
        ERRORS[name](rushlight)
    words = {w for w in str(expected.value).splitlines()[0].lower().replace(",", " ").split() if len(w) > 3}
    ours = str(got.value).lower()
    assert sum(w in ours for w in words) >= len(words) / 2, str(got.value)


@pytest.mark.parametrize("size", [3, 20, 400])
@pytest.mark.parametrize("largest", [True, False])
def test_topk_of_short_and_long_lines(size, largest):
    array = np.random.default_rng(0).permutation(size).astype("float32")
    expected, got = (plain(lib.topk(made(lib, array), 3, largest=largest)) for lib in SIDES)
    assert got == expected


def test_out_is_written_and_returned():
    out = rushlight.zeros(3)
    assert rushlight.sum(made(rushlight), 0, out=out) is out
    assert plain(out) == plain(made(torch).sum(0))
    values, indices = rushlight.zeros(2), rushlight.zeros(2, dtype=rushlight.int64)
    result = rushlight.max(made(rushlight), 1, out=(values, indices))
    assert result.values is values and plain(indices) == [0, 1]


def test_transposed_and_broadcast_inputs():
    for lib in SIDES:
        x = made(lib, grad=True)
        x.t().expand(4, 3, 2).softmax(1).amax((0, 2)).sum().backward()
    expected, got = (plain(made(lib).t().expand(4, 3, 2).softmax(1).amax((0, 2))) for lib in SIDES)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("unbiased", [{"unbiased": False}, {"correction": 2}, {"correction": 0, "keepdim": True}, {}])
def test_ways_to_correct_a_variance(unbiased):
    expected, got = (plain(made(lib).var(1, **unbiased)) for lib in SIDES)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    assert made(rushlight).var(False).item() == pytest.approx(made(torch).var(False).item())


@pytest.mark.parametrize("name", [
    "sum", "mean", "prod", "var", "std", "amax", "max",
    "argmin", "all", "softmax", "cumsum", "sort", "logsumexp",
])  # fmt: skip
def test_numpy_names_of_arguments(name):
    expected, got = (getattr(made(lib), name)(axis=1) for lib in SIDES)
    if isinstance(expected, tuple):
        expected, got = expected[0], got[0]
    np.testing.assert_allclose(got.numpy(), expected.numpy(), rtol=1e-6)
    if name in ("sum", "mean", "var", "amax", "all"):
        assert getattr(made(rushlight), name)(axis=1, keepdims=True).shape == (2, 1)
