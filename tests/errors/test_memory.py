"""What remembers lines keeps nothing alive, and does not grow."""

from __future__ import annotations

import gc
import inspect
import warnings
import weakref

import pytest

import rushlight as torch
from rushlight.autograd.origin import DEEPEST, MOST_ENDS, ends


@pytest.fixture(autouse=True)
def uncollected():
    gc.disable()
    yield
    gc.enable()


def test_results_keep_no_inputs_alive():
    x, y = torch.ones(3), torch.ones(3)
    gone = [weakref.ref(x), weakref.ref(x.array), weakref.ref(y)]
    z = torch.cat([x * y, y]).sum()
    del x, y
    assert [reference() for reference in gone] == [None, None, None]
    assert len(ends(z.origin[4])) == 2


def size(origin, seen):
    if id(origin) not in seen:
        seen.add(id(origin))
        for source in origin[4]:
            size(source, seen)
    return len(seen)


def test_long_chains_are_remembered_by_their_ends():
    x, y = torch.ones(3), torch.zeros(3)
    for _ in range(10_000):
        x = (x * 0.5 + y) - x
    assert size(x.origin, set()) <= 3 * DEEPEST
    assert x.origin[5] <= DEEPEST + 1
    assert len(ends(x.origin[4])) == 2


def test_many_sources_are_cut_short():
    assert len(torch.cat([torch.ones(1) for _ in range(1000)]).origin[4]) <= MOST_ENDS


def test_version_cells_do_not_grow():
    x = torch.ones(3)
    for _ in range(100):
        x += 1
    assert len(x.version) == 2 and x._version == 100


def test_freed_nodes_share_the_place_that_freed_them():
    x = torch.ones(3, requires_grad=True)
    first = x * x
    second = first * first
    nodes = second.grad_fn, first.grad_fn
    second.sum().backward()
    assert nodes[0].saved is nodes[1].saved is None
    assert nodes[0].fit is nodes[1].fit


def test_recorded_results_have_no_origin():
    x = torch.ones(3, requires_grad=True)
    for result in (x * x, x.exp(), x.sum(), x[0], x.view(3, 1), torch.cat([x, x]), x.softmax(0)):
        assert not hasattr(result, "origin")


def test_warning_about_grad_names_the_line():
    x = torch.ones(3, requires_grad=True)
    line = inspect.currentframe().f_lineno + 1
    y = x * 2
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert y.grad is None
    assert f"MulBackward0, recorded at {__file__}:{line}: " in str(caught[0].message)
