"""Datasets, random_split and collation: the same samples, batches and errors as PyTorch's."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rushlight

Point = namedtuple("Point", ["x", "y"])


def plain(value):
    """Tensors as (dtype, values), everything else with its type, so that two libraries compare."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return "tensor", str(value.dtype), value.tolist()
    if isinstance(value, dict | MappingProxyType):
        return type(value).__name__, [(key, plain(entry)) for key, entry in value.items()]
    if isinstance(value, (list, tuple)):
        return type(value).__name__, [plain(entry) for entry in value]
    if isinstance(value, np.ndarray):
        return "array", value.tolist()
    return value


def outcome(function, library):
    try:
        return "value", plain(function(library))
    except Exception as error:
        return type(error).__name__, str(error)


def assert_same(function):
    """The same value, or an error of the same class that begins with PyTorch's words."""
    (expected_kind, expected), (got_kind, got) = outcome(function, torch), outcome(function, rushlight)
    assert got_kind == expected_kind, got
    if expected_kind == "value":
        assert got == expected
    else:
        assert got.startswith(expected.rstrip(".")[:40])


def tensors(library, rows=5):
    data = library.utils.data
    return data.TensorDataset(library.tensor([[float(i), -float(i)] for i in range(rows)]), library.arange(rows))


def numbers(library, rows=4, start=0):
    class Numbers(library.utils.data.Dataset):
        def __getitem__(self, index):
            if not 0 <= index < rows:
                raise IndexError(index)
            return start + index

        def __len__(self):
            return rows

    return Numbers()


def stream(library, rows=3, start=0):
    class Stream(library.utils.data.IterableDataset):
        def __iter__(self):
            return iter(range(start, start + rows))

        def __len__(self):
            return rows

    return Stream()


DATASETS = {
    "tensors": lambda lib: [tensors(lib)[2], tensors(lib)[-1], tensors(lib)[1:3], len(tensors(lib))],
    "tensors of two lengths": lambda lib: lib.utils.data.TensorDataset(lib.arange(2), lib.arange(3)),
    "tensor index error": lambda lib: tensors(lib)[7],
    "base": lambda lib: lib.utils.data.Dataset()[0],
    "sum": lambda lib: list(numbers(lib) + numbers(lib, 2, 10)),
    "concat": lambda lib: [
        (both := lib.utils.data.ConcatDataset([numbers(lib), numbers(lib, 3, 10)]))[5],
        both[-1],
        both[-7],
        both.cumulative_sizes,
        len(both),
    ],
    "concat beyond": lambda lib: lib.utils.data.ConcatDataset([numbers(lib)])[-5],
    "concat of nothing": lambda lib: lib.utils.data.ConcatDataset([]),
    "concat of streams": lambda lib: lib.utils.data.ConcatDataset([stream(lib)]),
    "chain": lambda lib: [list(stream(lib) + stream(lib, 2, 10)), len(stream(lib) + stream(lib))],
    "chain of others": lambda lib: list(lib.utils.data.ChainDataset([numbers(lib)])),
    "subset": lambda lib: [
        (part := lib.utils.data.Subset(numbers(lib), [3, 1]))[0],
        part.__getitems__([1, 0]),
        len(part),
    ],
    "subset by list": lambda lib: lib.utils.data.Subset(tensors(lib), [3, 1, 0])[[0, 2]],
    "stack": lambda lib: [
        (both := lib.utils.data.StackDataset(numbers(lib), tensors(lib, 4)))[1],
        both.__getitems__([2, 0]),
        len(both),
    ],
    "stack by name": lambda lib: [
        (both := lib.utils.data.StackDataset(a=numbers(lib), b=numbers(lib, 4, 7)))[1],
        both.__getitems__([2, 0]),
    ],
    "stack of nothing": lambda lib: lib.utils.data.StackDataset(),
    "stack of both": lambda lib: lib.utils.data.StackDataset(numbers(lib), a=numbers(lib)),
    "stack of two lengths": lambda lib: lib.utils.data.StackDataset(numbers(lib), numbers(lib, 2)),
}


@pytest.mark.parametrize("function", DATASETS.values(), ids=DATASETS)
def test_datasets(function):
    assert_same(function)


def test_a_subset_with_half_of_its_methods_is_refused():
    class Doubled(rushlight.utils.data.Subset):
        def __getitem__(self, index):
            return 2 * super().__getitem__(index)

    with pytest.raises(NotImplementedError, match="overrides __getitem__ but not __getitems__"):
        Doubled(range(3), [0])


@given(st.integers(1, 60), st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 2**40))
def test_random_split_by_fractions_is_pytorchs(size, shares, seed):
    fractions = [share / sum(shares) for share in shares]
    if sum(fractions) > 1:
        fractions[-1] -= 1e-9

    def split(library):
        parts = library.utils.data.random_split(range(size), fractions, library.Generator().manual_seed(seed))
        return [list(part.indices) for part in parts]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # for parts that get nothing
        assert split(rushlight) == split(torch)


SPLITS = [[3, 4], [3, 2], [0.5, 0.5], [0.3, 0.3, 0.4], [0.5, 0.6], [-0.5, 1.5], [7], []]


@pytest.mark.parametrize("lengths", SPLITS, ids=str)
def test_random_split(lengths):
    def split(library):
        library.manual_seed(3)
        return [[list(part), part.indices] for part in library.utils.data.random_split(range(7), lengths)]

    assert_same(split)


BATCHES = {
    "tensors": lambda lib: [lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0])],
    "0-dim": lambda lib: [lib.tensor(1), lib.tensor(2)],
    "shapes differ": lambda lib: [lib.zeros(2), lib.zeros(3)],
    "arrays": lambda lib: [np.array([1, 2], np.int32), np.array([3, 4], np.int32)],
    "text arrays": lambda lib: [np.array(["a"]), np.array(["b"])],
    "NumPy numbers": lambda lib: [np.float32(1.5), np.float32(2.5)],
    "NumPy bools": lambda lib: [np.bool_(True), np.bool_(False)],
    "floats": lambda lib: [0.1, 0.2],
    "ints": lambda lib: [1, 2, 3],
    "bools": lambda lib: [True, False],
    "text": lambda lib: ["a", "b"],
    "bytes": lambda lib: [b"a", b"b"],
    "tuples": lambda lib: [(1, "a", lib.tensor([1.0])), (2, "b", lib.tensor([2.0]))],
    "lists": lambda lib: [[1, 2], [3, 4]],
    "lengths differ": lambda lib: [[1, 2], [3]],
    "dicts": lambda lib: [{"a": 1, "b": [1.0, 2.0]}, {"a": 2, "b": [3.0, 4.0]}],
    "ordered dicts": lambda lib: [OrderedDict(b=1, a=2), OrderedDict(b=3, a=4)],
    "frozen mappings": lambda lib: [MappingProxyType({"a": 1}), MappingProxyType({"a": 2})],
    "missing key": lambda lib: [{"a": 1}, {"b": 2}],
    "named tuples": lambda lib: [Point(1, 2.0), Point(3, 4.0)],
    "ranges": lambda lib: [range(2), range(2, 4)],
    "nothing known": lambda lib: [object(), object()],
    "None": lambda lib: [None, None],
}


@pytest.mark.parametrize("batch", BATCHES.values(), ids=BATCHES)
def test_default_collate(batch):
    assert_same(lambda library: library.utils.data.default_collate(batch(library)))


@pytest.mark.parametrize("name", [name for name in BATCHES if name != "nothing known"])
def test_default_convert(name):
    assert_same(lambda library: [library.utils.data.default_convert(entry) for entry in BATCHES[name](library)])


def test_collate_with_functions_of_the_users_own():
    class Word:
        def __init__(self, text):
            self.text = text

    from rushlight.utils.data.collate import collate, default_collate_fn_map

    functions = {**default_collate_fn_map, Word: lambda batch, *, collate_fn_map: " ".join(w.text for w in batch)}
    assert collate([(Word("a"), 1), (Word("b"), 2)], collate_fn_map=functions)[0] == "a b"
