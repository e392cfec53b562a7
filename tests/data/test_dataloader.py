"""Samplers and the DataLoader: order, batches and random streams as PyTorch's; workers; errors."""

from __future__ import annotations

import os
import random
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import rushlight

from .test_dataset import assert_same, numbers, plain, stream, tensors

seeds = st.integers(0, 2**63 - 1)


@given(seeds, st.integers(1, 50), st.none() | st.integers(1, 120), st.booleans(), st.booleans())
@settings(deadline=None)
def test_random_sampler_gives_pytorchs_order(seed, size, count, replacement, own):
    def draw(library):
        library.manual_seed(seed)
        generator = library.Generator().manual_seed(seed // 2) if own else None
        sampler = library.utils.data.RandomSampler(range(size), replacement, count, generator)
        return list(sampler), list(sampler), len(sampler), library.randint(0, 100, (3,)).tolist()

    assert draw(rushlight) == draw(torch)


@given(seeds, st.lists(st.floats(0.1, 10), min_size=1, max_size=20), st.integers(1, 20), st.booleans())
@settings(deadline=None)
def test_weighted_sampler_gives_pytorchs_order(seed, weights, count, replacement):
    count = count if replacement else min(count, len(weights))

    def draw(library):
        generator = library.Generator().manual_seed(seed)
        return list(library.utils.data.WeightedRandomSampler(weights, count, replacement, generator))

    assert draw(rushlight) == draw(torch)


@given(seeds, st.lists(st.integers(-5, 5), max_size=20))
@settings(deadline=None)
def test_subset_sampler_gives_pytorchs_order(seed, indices):
    def draw(library):
        return list(library.utils.data.SubsetRandomSampler(indices, library.Generator().manual_seed(seed)))

    assert draw(rushlight) == draw(torch)


@given(st.integers(0, 30), st.integers(1, 8), st.booleans())
def test_batch_sampler_is_pytorchs(size, batch_size, drop_last):
    def batches(library):
        sampler = library.utils.data.BatchSampler(
            library.utils.data.SequentialSampler(range(size)), batch_size, drop_last
        )
        return list(sampler), len(sampler)

    assert batches(rushlight) == batches(torch)


SAMPLER_ERRORS = [
    lambda data: data.RandomSampler([]),
    lambda data: data.RandomSampler([1], num_samples=0),
    lambda data: data.RandomSampler([1], replacement=1),
    lambda data: data.WeightedRandomSampler([1.0], 0),
    lambda data: data.WeightedRandomSampler([1.0], True),
    lambda data: data.WeightedRandomSampler([1.0], 1, replacement=1),
    lambda data: data.WeightedRandomSampler([[1.0]], 1),
    lambda data: data.BatchSampler([1], 0, False),
    lambda data: data.BatchSampler([1], True, False),
    lambda data: data.BatchSampler([1], 1, 0),
]


@pytest.mark.parametrize("build", SAMPLER_ERRORS)
def test_sampler_errors_are_pytorchs(build):
    assert_same(lambda library: build(library.utils.data))


LOADERS = {
    "plain": (tensors, {}),
    "batches": (tensors, {"batch_size": 2}),
    "full batches": (tensors, {"batch_size": 2, "drop_last": True}),
    "shuffled": (tensors, {"batch_size": 2, "shuffle": True}),
    "single samples": (tensors, {"batch_size": None}),
    "single shuffled": (tensors, {"batch_size": None, "shuffle": True}),
    "sampler": (tensors, {"sampler": [3, 1, 1], "batch_size": 2}),
    "batch sampler": (tensors, {"batch_sampler": [[0, 4], [1]]}),
    "empty batch": (tensors, {"batch_sampler": [[]]}),
    "indices of NumPy": (tensors, {"sampler": np.array([3, 0, 2]), "batch_size": 2}),
    "indices from the end": (tensors, {"sampler": [-1, -5], "batch_size": 2}),
    "numbers": (numbers, {"batch_size": 3, "shuffle": True}),
    "own collation": (numbers, {"batch_size": 3, "collate_fn": sum}),
    "stream": (stream, {"batch_size": 2}),
    "stream, full batches": (stream, {"batch_size": 2, "drop_last": True}),
    "stream of samples": (stream, {"batch_size": None}),
}


@pytest.mark.parametrize(("dataset", "options"), LOADERS.values(), ids=LOADERS)
def test_batches_are_pytorchs(dataset, options):
    def run(library):
        library.manual_seed(11)
        loader = library.utils.data.DataLoader(dataset(library), **options)
        return [[list(loader), list(loader), len(loader), library.randint(0, 100, (3,))]]

    assert_same(run)


@pytest.mark.parametrize("part", [False, True], ids=["whole", "part"])
def test_a_generator_decides_the_order_and_is_moved_as_pytorchs(part):
    def run(library):
        generator = library.Generator().manual_seed(5)
        dataset = tensors(library, 20)
        if part:
            (dataset, _) = library.utils.data.random_split(dataset, [12, 8], generator)
        loader = library.utils.data.DataLoader(dataset, 4, shuffle=True, generator=generator)
        return [[list(loader) for _ in range(3)], library.randint(0, 100, (3,), generator=generator)]

    assert_same(run)


def test_rows_gathered_at_once_are_the_samples_collated():
    data = rushlight.utils.data

    class Plain(data.TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)

    columns = [rushlight.tensor(np.arange(12).reshape(6, 2)), rushlight.tensor([0.5, 1, 2, 3, 4, 5])]
    fast, slow = (
        list(data.DataLoader(data.Subset(kind(*columns), [5, 0, 3, 3]), 3)) for kind in (data.TensorDataset, Plain)
    )
    assert plain(fast) == plain(slow)
    fast[0][0].zero_()
    assert columns[0].tolist()[5] == [10, 11]


def test_rows_that_require_grad_are_recorded():
    weight = rushlight.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
    ((batch,),) = rushlight.utils.data.DataLoader(rushlight.utils.data.TensorDataset(weight), 3)
    batch.sum().backward()
    assert weight.grad.tolist() == [[1.0], [1.0], [1.0]]


LOADER_ERRORS = [
    (tensors, {"num_workers": -1}),
    (tensors, {"timeout": -1}),
    (tensors, {"prefetch_factor": 2}),
    (tensors, {"num_workers": 1, "prefetch_factor": -2}),
    (tensors, {"persistent_workers": True}),
    (tensors, {"sampler": [1], "shuffle": True}),
    (tensors, {"batch_sampler": [[1]], "batch_size": 2}),
    (tensors, {"batch_sampler": [[1]], "shuffle": True}),
    (tensors, {"batch_size": None, "drop_last": True}),
    (tensors, {"batch_size": 0}),
    (tensors, {"multiprocessing_context": "fork"}),
    (tensors, {"multiprocessing_context": "other", "num_workers": 1}),
    (tensors, {"multiprocessing_context": 3, "num_workers": 1}),
    (stream, {"shuffle": True}),
    (stream, {"sampler": [1]}),
    (stream, {"batch_sampler": [[1]]}),
    (lambda library: [], {"shuffle": True}),
]


@pytest.mark.parametrize(("dataset", "options"), LOADER_ERRORS)
def test_loader_errors_are_pytorchs(dataset, options):
    assert_same(lambda library: library.utils.data.DataLoader(dataset(library), **options))


def test_what_a_loader_is_made_of_stays():
    loader = rushlight.utils.data.DataLoader(range(3))
    with pytest.raises(ValueError, match="batch_size attribute should not be set after DataLoader is initialized"):
        loader.batch_size = 2


def test_a_stream_longer_than_it_said_warns():
    dataset = stream(rushlight)
    dataset.__class__.__len__ = lambda self: 1
    loader = rushlight.utils.data.DataLoader(dataset, batch_size=None)
    assert len(loader) == 1
    with pytest.warns(UserWarning, match="was reported to be 1"):
        list(loader)


class Squares(rushlight.utils.data.Dataset):
    """At module level, so that every start method can hand it to a worker."""

    def __init__(self, size=10, slow=(), bad=()):
        self.size, self.slow, self.bad = size, slow, bad

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        if index in self.slow:
            time.sleep(0.2)
        if index in self.bad:
            raise KeyError(f"no sample {index}")
        return index**2, np.full(3, float(index), np.float32)


class Count(rushlight.utils.data.IterableDataset):
    """Every worker gives its own part of the numbers."""

    def __iter__(self):
        info = rushlight.utils.data.get_worker_info()
        return iter(range(info.id, 10, info.num_workers))


class AboutWorkers(rushlight.utils.data.Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        info = rushlight.utils.data.get_worker_info()
        return info.id, info.num_workers, info.seed, os.getpid(), random.random(), os.environ.get("RUSHLIGHT_TEST")


def say(worker):
    os.environ["RUSHLIGHT_TEST"] = f"worker {worker}"


def die(worker):
    os._exit(3)


def fail(worker):
    raise ZeroDivisionError("in init")


def loader(dataset, workers=2, **options):
    return rushlight.utils.data.DataLoader(dataset, num_workers=workers, **options)


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_make_the_same_batches_in_the_same_order(workers):
    def batches(**options):
        rushlight.manual_seed(2)
        return plain(list(rushlight.utils.data.DataLoader(Squares(slow=[0]), 3, shuffle=True, **options)))

    assert batches(num_workers=workers) == batches()


def test_workers_share_out_a_stream():
    batches = [batch.tolist() for batch in loader(Count(), batch_size=2)]
    assert batches == [[0, 2], [1, 3], [4, 6], [5, 7], [8], [9]]


def test_workers_know_who_they_are_and_have_seeds_of_their_own():
    rushlight.manual_seed(4)
    first, second = loader(AboutWorkers(), batch_size=None, worker_init_fn=say)
    assert (first[0], first[1], second[0]) == (0, 2, 1)
    assert second[2] == first[2] + 1
    assert len({first[3], second[3], os.getpid()}) == 3
    assert first[4] != second[4]
    assert (first[5], second[5]) == ("worker 0", "worker 1")
    assert rushlight.utils.data.get_worker_info() is None


def test_persistent_workers_serve_several_passes_also_after_an_early_end():
    persistent = loader(AboutWorkers(), batch_size=None, persistent_workers=True)
    first = next(iter(persistent))
    passes = [list(persistent) for _ in range(2)]
    assert {sample[3] for one in passes for sample in one} >= {first[3]}
    assert [[sample[0] for sample in one] for one in passes] == [[0, 1], [0, 1]]
    assert [sample[3] for sample in passes[0]] == [sample[3] for sample in passes[1]]


def test_a_failure_in_a_worker_is_raised_here_with_its_traceback():
    batches = iter(loader(Squares(bad=[2]), batch_size=2))
    assert next(batches)[0].tolist() == [0, 1]
    with pytest.raises(KeyError, match="Caught KeyError in DataLoader worker process 1") as caught:
        next(batches)
    assert "__getitem__" in str(caught.value)
    assert next(batches)[0].tolist() == [16, 25]


def test_a_failure_in_worker_init_fn_is_raised():
    with pytest.raises(ZeroDivisionError, match="Caught ZeroDivisionError in DataLoader worker process 0"):
        next(iter(loader(Squares(), worker_init_fn=fail)))


def test_a_sample_that_cannot_be_sent_is_raised():
    with pytest.raises(Exception, match="in DataLoader worker process 0"):
        next(iter(loader(Squares(), 1, collate_fn=lambda samples: lambda: samples)))


def test_a_worker_that_dies_is_noticed():
    with pytest.raises(RuntimeError, match="exited unexpectedly"):
        next(iter(loader(Squares(), worker_init_fn=die)))


def test_a_worker_that_takes_too_long_is_noticed():
    with pytest.raises(RuntimeError, match=r"DataLoader timed out after 0.02 seconds"):
        next(iter(loader(Squares(slow=[0]), 1, timeout=0.02)))


def test_more_workers_than_cores_warn():
    with pytest.warns(UserWarning, match="will create 5000 worker processes"):
        loader(Squares(), 5000)
