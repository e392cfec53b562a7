"""Native kernels and what may go wrong: odd arguments, no memory, interrupts, threads, forks, interpreters.

Each test is a process of its own, since what it looks for would end the tests' one.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rushlight.kernels import native

from .twins import needs_native

pytestmark = needs_native

SANITIZED = "san" in os.environ.get("LD_PRELOAD", "")


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", *arguments], capture_output=True, text=True, timeout=600
    )


def test_odd_arguments_are_taken_or_refused() -> None:
    program = Path(__file__).with_name("odd_arguments.py")
    result = run(str(program), native.library.__file__)
    assert result.returncode == 0, "\n".join([*result.stdout.splitlines()[-1:], result.stderr])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the memory of a process")
@pytest.mark.skipif(SANITIZED, reason="sanitizers need terabytes of addresses")
def test_without_memory_there_is_a_memory_error() -> None:
    program = """
import resource, sys
import numpy as np
from rushlight.kernels import native, recurrent
square = np.broadcast_to(np.float32(1), (30_000, 30_000))
index = np.broadcast_to(np.int64(0), (30_000, 30_000))
used = 2**33
if sys.platform == "linux":
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 2**29, resource.RLIM_INFINITY))
state = square[:, :7000]
calls = {
    "softmax": (square, 1),
    "logsumexp": (square, 0, True),
    "attention": (square, square, square, None, 1.0, True),
    "gather": (square, 0, index),
    "take_rows": (square, 0, index[0], False),
    "lstm": (square[None, :, :28_000], state, state, state[:28_000], square[0, :28_000]),
    "gru": (square[None, :, :21_000], state, state[:21_000], square[0, :21_000]),
}
for name, arguments in calls.items():
    try:
        getattr(native.library, name)(*arguments)
        print(name, "has memory enough")
    except MemoryError:
        pass
    except Exception as error:
        print(name, repr(error))
print(native.library.softmax(np.zeros((2, 2)), 1).tolist())
"""
    result = run("-c", program)
    assert result.stdout.splitlines() == ["[[0.5, 0.5], [0.5, 0.5]]"], result.stdout + result.stderr


LONG = {
    "attention": "lambda: library.attention(long, long, long, None, 1.0, False)",
    "attention, backward": "lambda: library.attention_back(*[long] * 4, None, 1.0, False, long, long[None, :, 0])",
    "LSTM": "lambda: library.lstm(gates, state, state, weight, bias)",
    "LSTM, backward": "lambda: library.lstm_back(states, state, weight, states, gates)",
}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no interrupt to another process")
@pytest.mark.parametrize("name", LONG)
def test_an_interrupt_ends_a_long_call(name: str) -> None:
    program = f"""
import signal
import numpy as np
from rushlight.kernels.native import library
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
long = np.broadcast_to(np.float32(1), (2**18, 8))
state, weight, bias = np.ones((1, 2048), np.float32), np.ones((8192, 2048), np.float32), np.ones(8192, np.float32)
gates, states = np.ones((2048, 1, 8192), np.float32), np.ones((2, 2048, 1, 2048), np.float32)
call = {LONG[name]}
print("started", flush=True)
try:
    call()
except KeyboardInterrupt:
    print("interrupted", library.softmax(np.zeros(1), 0).tolist())
"""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "started\n"
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        start = time.monotonic()
        assert process.stdout.read() == "interrupted [1.0]\n"
        assert time.monotonic() - start < (
            60 if SANITIZED else 5
        )  # a second on a machine that is not busy; else minutes


def test_many_threads_of_python() -> None:
    program = """
import threading
import numpy as np
from rushlight.kernels.native import library
x = np.random.default_rng(0).standard_normal((300, 500)).astype(np.float32)
want = library.softmax(x, 1).tobytes()
wrong = []
def work():
    for _ in range(20):
        if library.softmax(x, 1).tobytes() != want or library.attention(x, x, x, None, 1.0, True)[0].shape != x.shape:
            wrong.append(True)
threads = [threading.Thread(target=work) for _ in range(16)]
for thread in threads: thread.start()
library.set_threads(3)
for thread in threads: thread.join()
print(wrong)
"""
    result = run("-c", program)
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.skipif("tsan" in os.environ.get("LD_PRELOAD", ""), reason="ThreadSanitizer knows no forks among threads")
def test_forks_while_threads_compute() -> None:
    program = """
import os, threading
import numpy as np
from rushlight.kernels.native import library
x = np.ones((500, 500), np.float32)
stop = False
def work():
    while not stop: library.softmax(x, 1)
thread = threading.Thread(target=work)
thread.start()
codes = set()
for _ in range(10):
    child = os.fork()
    if not child:
        os._exit(library.softmax(x, 1).shape[0] % 256)
    codes.add(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
stop = True
thread.join()
print(codes)
"""
    result = run("-W", "ignore::DeprecationWarning", "-c", program)
    assert result.stdout == "{244}\n", result.stderr


def test_a_second_interpreter_has_the_kernels_or_an_import_error() -> None:
    program = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
other = interpreters.create()
code = '''
import sys
sys.path[:] = %r
try:
    import numpy as np
    from rushlight.kernels.native import library
    assert library is None or library.softmax(np.zeros(1), 0)[0] == 1
except ImportError:
    pass
'''
import sys
from rushlight.kernels.native import library
interpreters.run_string(other, code % (sys.path,))
interpreters.destroy(other)
print(library.softmax.__name__)
"""
    result = run("-c", program)
    assert result.stdout == "softmax\n", result.stdout + result.stderr
