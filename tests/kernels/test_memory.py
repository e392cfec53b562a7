"""Large arrays come from a pool: what is used again, that contents are right, its bound, and how it is turned off."""

from __future__ import annotations

from threading import Thread

import numpy as np
import pytest
from numpy._core.multiarray import get_handler_name

import rushlight as torch
from rushlight.kernels import memory, native

from .test_native import run

pytestmark = pytest.mark.skipif(
    get_handler_name() != "rushlight_pool", reason="there is no pool: no native module, or RUSHLIGHT_POOL=0"
)
MIB = 1 << 20


@pytest.fixture(autouse=True)
def empty() -> None:
    torch.cuda.empty_cache()


def test_what_is_given_back_serves_again() -> None:
    first = np.empty(MIB, np.uint8)
    place = first.ctypes.data
    del first
    before = memory.statistics()
    assert before["kept"] >= MIB
    again = np.empty((1000, 1000), np.uint8)
    after = memory.statistics()
    assert again.ctypes.data == place and place % 64 == 0
    assert after["reused"] == before["reused"] + 1 and after["requested"] == before["requested"]
    del again
    torch.cuda.empty_cache()
    assert memory.statistics()["kept"] == 0


def test_much_smaller_arrays_do_not_take_a_large_block() -> None:
    np.empty(4 * MIB, np.uint8)
    before = memory.statistics()["reused"]
    np.empty(MIB, np.uint8)
    assert memory.statistics()["reused"] == before


def test_zeros_are_zero_in_used_memory() -> None:
    np.full(MIB, 7, np.uint8)
    assert not np.zeros(MIB, np.uint8).any()


def test_arrays_that_grow_and_shrink_keep_their_elements() -> None:
    x = np.arange(100)
    for size in (100_000, 1_000_000, 50, 20_000, 3_000_000):
        kept = min(size, x.size)
        before = x[:kept].copy()
        x.resize(size, refcheck=False)
        assert np.array_equal(x[:kept], before)
    assert np.fromiter(range(200_000), np.int64).sum() == 199_999 * 100_000


def test_no_more_is_kept_than_the_bound() -> None:
    native.library.set_pool_limit(8 * MIB)
    try:
        for size in range(MIB, 10 * MIB, MIB // 3):
            np.empty(size, np.uint8)
            assert memory.statistics()["kept"] <= 8 * MIB
        assert memory.statistics()["kept"]
    finally:
        native.library.set_pool_limit(256 * MIB)


def test_threads_get_memory_of_their_own() -> None:
    failures = []

    def work(number: int) -> None:
        native.library.softmax(np.zeros((100, 1000), np.float32), 1)  # takes the pool to this thread
        assert get_handler_name() == "rushlight_pool"
        for i in range(300):
            x = np.full(40_000 + 1000 * (i % 7), number)
            if not (x == number).all():
                failures.append(number)

    threads = [Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_a_training_loop_asks_for_no_more_memory() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(300, 300), torch.nn.ReLU(), torch.nn.Linear(300, 300))
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.ones(200, 300)
    counts = []
    for _ in range(6):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        counts.append(memory.statistics()["requested"])
    assert counts[-1] == counts[2]


def test_it_can_be_turned_off() -> None:
    program = "import rushlight; from numpy._core.multiarray import get_handler_name; print(get_handler_name())"
    assert run(program, RUSHLIGHT_POOL="0") == "default_allocator"


def test_a_child_of_fork_has_the_pool() -> None:
    program = """
import os, numpy as np, rushlight
np.ones(1 << 20)
child = os.fork()
if not child:
    os._exit(int(np.ones(1 << 20).sum() == 1 << 20))
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    if not hasattr(__import__("os"), "fork"):
        pytest.skip("this system has no fork")
    assert run(program) == "1"
