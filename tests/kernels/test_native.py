"""Which native module is loaded, and that the package works without one."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from rushlight.kernels import native


def run(program: str, **environment: str) -> str:
    """What a program prints in an interpreter of its own."""
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    return result.stdout.strip()


def test_without_the_native_module_the_definitions_serve() -> None:
    program = "import rushlight as torch; from rushlight.kernels import native; "
    program += "print(native.level, torch.softmax(torch.zeros(2), 0).tolist())"
    assert run(program, RUSHLIGHT_NATIVE="0") == "None [0.5, 0.5]"


@pytest.mark.parametrize(("name", "needs"), native.LEVELS)
def test_the_level_can_be_chosen(name: str, needs: tuple[str, ...]) -> None:
    if not importlib.util.find_spec(f"{native.__name__}.{name}"):
        pytest.skip(f"the native module was not built for {name}")
    if not all(native.__cpu_features__.get(need) for need in needs):
        pytest.skip(f"this processor does not run {name}")
    program = "from rushlight.kernels import native; print(native.level)"
    assert run(program, RUSHLIGHT_NATIVE="1", RUSHLIGHT_NATIVE_LEVEL=name) == name


@pytest.mark.skipif(native.library is None, reason="the package was installed without a compiler")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_child_of_fork_has_threads_of_its_own() -> None:
    program = """
import os, numpy as np
from rushlight.kernels import native
x = np.ones((2000, 1000), np.float32)
native.library.softmax(x, 1)
child = os.fork()
if not child:
    native.library.softmax(x, 1)
    os._exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    assert run(program) == "7"


@pytest.mark.skipif(native.library is None, reason="the package was installed without a compiler")
def test_results_do_not_depend_on_the_number_of_threads() -> None:
    x = np.random.default_rng(0).standard_normal((700, 1000)).astype(np.float32)
    before = native.library.get_threads()
    results = []
    for count in (1, 2, 5):
        native.library.set_threads(count)
        results.append(native.library.softmax(x, 1).tobytes())
    native.library.set_threads(before)
    assert results[0] == results[1] == results[2]
