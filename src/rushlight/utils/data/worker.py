"""Worker processes of a DataLoader: what runs in them, and the pass that collects their batches."""

from __future__ import annotations

import multiprocessing
import queue
import random
import time
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from typing import Any, NamedTuple

import numpy as np

from ...random import manual_seed
from .dataloader import Iterator
from .dataset import IterableDataset
from .fetch import Job, WorkerInfo, set_worker_info

# How often, in seconds, a waiting worker looks whether the main process is still there.
_POLL = 5.0


class Exhausted:
    """Sent in place of a batch when a worker's copy of an iterable dataset has no more."""


class Failure(NamedTuple):
    """Sent in place of a batch when a worker raised: the exception's type and its traceback as text."""

    kind: type[BaseException]
    text: str

    def raise_again(self) -> None:
        """Raise an exception of the same type that shows the worker's traceback."""
        try:
            error = self.kind(self.text)
        except Exception:  # a type that is not made from one message
            raise RuntimeError(self.text) from None
        raise error


def run_worker(job: Job, number: int, indices: Any, results: Connection) -> None:
    """Make the batches whose ``(epoch, indices)`` arrive in the queue until None does, and send ``(epoch, batch)``."""
    seed = job.base_seed + number
    random.seed(seed)
    manual_seed(seed)
    entropy = [number, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(entropy).generate_state(4))
    set_worker_info(WorkerInfo(number, job.num_workers, seed, job.dataset))

    make = _Maker(job, number)
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        try:
            request = indices.get(timeout=_POLL)
        except queue.Empty:
            continue
        if request is None:
            break
        epoch, index = request
        _send(results, epoch, make(epoch, index), number)


class _Maker:
    """Makes one batch after the other; failures become messages, and every epoch begins with the dataset anew."""

    def __init__(self, job: Job, number: int) -> None:
        self.job, self.number = job, number
        self.epoch: int | None = None
        self.fetch: Callable[[Any], Any]
        self.initialised = False

    def __call__(self, epoch: int, index: Any) -> Any:
        try:
            if not self.initialised and self.job.init_fn is not None:
                self.job.init_fn(self.number)
            self.initialised = True
            if epoch != self.epoch:
                self.fetch, self.epoch = self.job.fetcher(), epoch
            return self.fetch(index)
        except Exception as error:
            if isinstance(error, StopIteration) and isinstance(self.job.dataset, IterableDataset):
                return Exhausted()
            return _failure(error, self.number)


def _send(results: Connection, epoch: int, batch: Any, number: int) -> None:
    try:
        results.send((epoch, batch))
    except Exception as error:
        if isinstance(error, OSError):
            raise
        results.send((epoch, _failure(error, number)))


def _failure(error: BaseException, number: int) -> Failure:
    lines = "".join(traceback.format_exception(error))
    where = f"in DataLoader worker process {number}"
    return Failure(type(error), f"Caught {type(error).__name__} {where}.\nOriginal {lines}")


class _Worker:
    """The main process' side of a worker: its process, the queue to it and the pipe from it."""

    def __init__(self, job: Job, number: int, context: Any) -> None:
        self.indices = context.Queue()
        self.indices.cancel_join_thread()
        self.results, ours = context.Pipe(duplex=False)
        self.process = context.Process(target=run_worker, args=(job, number, self.indices, ours), daemon=True)
        self.process.start()
        ours.close()  # so that the end of the worker is the end of its pipe
        self.inbox: deque[tuple[int, Any]] = deque()
        self.exhausted = False

    def receive(self) -> None:
        """Take what has arrived. Raises ``RuntimeError`` when the process has ended."""
        try:
            self.inbox.append(self.results.recv())
        except (EOFError, ConnectionResetError):
            self.process.join()
            raise RuntimeError(
                f"DataLoader worker (pid(s) {self.process.pid}) exited unexpectedly with exit code "
                f"{self.process.exitcode}"
            ) from None

    def stop(self) -> None:
        """End the process; one that does not listen is terminated."""
        self.indices.put(None)
        self.results.close()
        self.process.join(timeout=1.0)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join()
        self.indices.close()


class WorkerIterator(Iterator):
    """A pass whose batches are made by worker processes, handed out in the order of their indices."""

    _workers: list[_Worker] = []  # what __del__ finds when no worker was started

    def _start(self) -> None:
        context = self._loader.multiprocessing_context or multiprocessing.get_context()
        self._workers = []
        for number in range(self._job.num_workers):
            self._workers.append(_Worker(self._job, number, context))
        self._epoch = -1
        self.reset()

    def reset(self) -> None:
        """Begin a pass with the same workers; what they still make for the one before is thrown away."""
        self._begin_pass()
        self._epoch += 1
        self._turn = 0
        self._owners: deque[_Worker] = deque()
        for worker in self._workers:
            worker.exhausted = False
        for _ in range(self._loader.prefetch_factor * len(self._workers)):  # type: ignore[operator]
            self._send_next()

    def _send_next(self) -> None:
        """Give the next indices to the worker whose turn it is."""
        for _ in self._workers:
            worker = self._workers[self._turn]
            self._turn = (self._turn + 1) % len(self._workers)
            if not worker.exhausted:
                break
        else:
            return
        try:
            indices = next(self._indices)
        except StopIteration:
            return
        worker.indices.put((self._epoch, indices))
        self._owners.append(worker)

    def _next_batch(self) -> Any:
        while self._owners:
            worker = self._owners[0]
            if worker.exhausted:
                self._owners.popleft()
                continue
            batch = self._wait_for(worker)
            self._owners.popleft()
            if isinstance(batch, Exhausted):
                worker.exhausted = True
                self._send_next()
                continue
            self._send_next()
            if isinstance(batch, Failure):
                batch.raise_again()
            return batch
        if not self._loader.persistent_workers:
            self._stop()
        raise StopIteration

    def _wait_for(self, worker: _Worker) -> Any:
        timeout = self._loader.timeout or None
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            while worker.inbox:
                epoch, batch = worker.inbox.popleft()
                if epoch == self._epoch:
                    return batch
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            # All workers are heard, so that none waits to deliver while another is slow.
            arrived = wait([other.results for other in self._workers if not other.results.closed], left)
            if not arrived:
                raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
            for other in self._workers:
                if other.results in arrived:
                    other.receive()

    def _stop(self) -> None:
        for worker in self._workers:
            worker.stop()
        self._workers = []

    def __del__(self) -> None:
        self._stop()
