"""How the samples of a batch are fetched, in the main process as in a worker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .collate import default_collate
from .dataset import IterableDataset, batch_gatherer


class WorkerInfo(NamedTuple):
    """Which worker this is: its number, how many there are, its seed and its copy of the dataset."""

    id: int
    num_workers: int
    seed: int
    dataset: Any


_here: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """Which worker of a DataLoader this process is; None in the main process."""
    return _here


def set_worker_info(info: WorkerInfo) -> None:
    """Say which worker this process is."""
    global _here
    _here = info


class Job(NamedTuple):
    """What a process needs to know to make batches."""

    dataset: Any
    collate_fn: Callable
    auto_collation: bool
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], None] | None
    num_workers: int

    def fetcher(self) -> Callable[[Any], Any]:
        """A function from an index, or the indices of a batch, to the batch; it ends with StopIteration."""
        if isinstance(self.dataset, IterableDataset):
            return self._iterable_fetcher()
        if not self.auto_collation:
            return lambda index: self.collate_fn(self.dataset[index])
        gather = batch_gatherer(self.dataset) if self.collate_fn is default_collate else None

        def fetch(indices: Any) -> Any:
            batch = None if gather is None else gather(indices)
            return self.collate_fn(self._samples(indices)) if batch is None else batch

        return fetch

    def _samples(self, indices: Any) -> Any:
        at_once = getattr(self.dataset, "__getitems__", None)
        return at_once(indices) if at_once else [self.dataset[index] for index in indices]

    def _iterable_fetcher(self) -> Callable[[Any], Any]:
        samples, ended = iter(self.dataset), False

        def fetch(indices: Any) -> Any:
            nonlocal ended
            if ended:
                raise StopIteration
            if not self.auto_collation:
                return self.collate_fn(next(samples))
            batch = [sample for _, sample in zip(indices, samples, strict=False)]
            ended = len(batch) < len(indices)
            if not batch or (ended and self.drop_last):
                raise StopIteration
            return self.collate_fn(batch)

        return fetch
