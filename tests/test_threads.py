"""The number of threads: where it starts, that it governs kernels and matrix products, what is refused,
interrupts, and several callers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from threading import Thread

import numpy as np
import pytest

import rushlight as torch
from rushlight.kernels import blas, matrix, native

SHOW = """
import rushlight as torch
from rushlight.kernels import blas, native
numbers = {torch.get_num_threads()}
if blas.get_threads:
    numbers.add(blas.get_threads())
if native.library:
    numbers.add(native.library.get_threads())
print(*numbers)
"""


@pytest.mark.parametrize(
    "variables, number",
    [
        ({"RUSHLIGHT_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}, "1"),
        ({"RUSHLIGHT_NUM_THREADS": "none", "OMP_NUM_THREADS": "1"}, "1"),
        ({"RUSHLIGHT_NUM_THREADS": "3"}, "3"),
    ],
)
def test_the_environment_says_where_it_starts(variables: dict, number: str) -> None:
    environment = {k: v for k, v in os.environ.items() if not k.endswith("_NUM_THREADS")} | variables
    assert subprocess.check_output([sys.executable, "-c", SHOW], text=True, env=environment).strip() == number


def test_it_governs_kernels_and_matrix_products() -> None:
    before = torch.get_num_threads()
    try:
        for number in (1, 3):
            torch.set_num_threads(number)
            assert torch.get_num_threads() == number
            assert blas.get_threads is None or blas.get_threads() == number
            assert native.library is None or native.library.get_threads() == number
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("number, error", [(0, RuntimeError), (-1, RuntimeError), (1.0, TypeError), (True, TypeError)])
def test_what_is_refused(number: object, error: type) -> None:
    with pytest.raises(error):
        torch.set_num_threads(number)  # type: ignore[arg-type]


@pytest.mark.skipif(not hasattr(native.library, "product"), reason="products are NumPy's here")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no interrupt to another process")
def test_an_interrupt_ends_a_long_call() -> None:
    program = """
import signal
import numpy as np, rushlight
from rushlight.kernels import native
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
x = np.broadcast_to(np.float32(1), (10_000, 100_000))
print("started", flush=True)
try:
    native.library.product(x, x.T)
except KeyboardInterrupt:
    print("interrupted", native.library.product(np.ones((2, 2)), np.ones((2, 2)))[0, 0])
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert process.stdout.read() == "interrupted 2.0\n"
        assert time.monotonic() - start < 5  # a second on a machine that is not busy; without it a minute


@pytest.mark.skipif(native.library is None, reason="the package was installed without a compiler")
def test_several_threads_call_kernels_at_once() -> None:
    x = np.random.default_rng(0).standard_normal((300, 500)).astype(np.float32)
    want = [native.library.softmax(x, 1).tobytes(), matrix.product(x, x.T).tobytes()]
    failures = []

    def work() -> None:
        for _ in range(50):
            if [native.library.softmax(x, 1).tobytes(), matrix.product(x, x.T).tobytes()] != want:
                failures.append(True)

    threads = [Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
