"""The rushlight command: a program runs as `python script.py` runs it, except that torch is Rushlight."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RUSHLIGHT = [sys.executable, "-m", "rushlight"]


def execute(command: list[str], folder: Path) -> tuple[int, str, str]:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def run(tmp_path):
    """Runs a program's text with `rushlight run` in a folder where a package torch lies that must stay untouched."""
    decoy = tmp_path / "torch"
    decoy.mkdir()
    (decoy / "__init__.py").write_text("raise SystemExit('the torch on the path was imported')")
    (decoy / "decoy.py").write_text("")

    def run_program(text: str, *args: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        (tmp_path / "program.py").write_text(text)
        return execute([*RUSHLIGHT, "run", *options, "program.py", *args], tmp_path)

    return run_program


IMPORTS = {
    "import torch": "torch is rushlight",
    "import torch.nn as nn": "nn is rushlight.nn is sys.modules['torch.nn']",
    "import torch.nn.functional as F": "F is rushlight.nn.functional",
    "from torch import nn, optim": "nn is rushlight.nn and optim is rushlight.optim",
    "from torch.nn import functional as F, init": "F is rushlight.nn.functional and init is rushlight.nn.init",
    "from torch.utils.data import DataLoader, Dataset": "DataLoader is rushlight.utils.data.DataLoader",
    "from torch.utils.data.dataloader import DataLoader": "DataLoader is rushlight.utils.data.DataLoader",
    "from torch.optim.lr_scheduler import StepLR": "StepLR is rushlight.optim.lr_scheduler.StepLR",
    "from torch.optim.adamw import AdamW": "AdamW is rushlight.optim.AdamW",
    "from torch.nn.parameter import Parameter": "Parameter is rushlight.nn.Parameter",
    "from torch.nn.modules import Linear": "Linear is rushlight.nn.Linear",
    "from torch.nn.modules.linear import Linear": "Linear is rushlight.nn.Linear",
    "from torch.nn.modules.container import Sequential": "Sequential is rushlight.nn.Sequential",
    "import torch.nn.modules.module as module": "module.Module is rushlight.nn.Module",
    "from torch.autograd.grad_mode import no_grad": "no_grad is rushlight.no_grad",
    "from torch.autograd import grad": "grad is rushlight.autograd.grad",
    "from torch.functional import einsum": "einsum is rushlight.einsum",
    "import importlib; nn = importlib.import_module('torch.nn')": "nn is rushlight.nn",
}


def test_imports_give_the_modules_of_rushlight(run):
    lines = ["import sys", "import rushlight", *IMPORTS, "import torch, torch.nn, torch.optim"]
    lines += [f"if not ({claim}): print({statement!r})" for statement, claim in IMPORTS.items()]
    assert run("\n".join(lines)) == (0, "", "")


@pytest.mark.parametrize(("statement", "claim"), IMPORTS.items())
def test_each_import_works_first(run, statement, claim):
    assert run(f"{statement}\nimport sys, rushlight\nprint({claim})") == (0, "True\n", "")


def test_modules_keep_their_own_specification(run):
    program = "import torch.nn.functional\nimport rushlight, sys\nfor name in ('', '.nn', '.nn.functional'):\n"
    program += "    module = sys.modules['torch' + name]\n    assert module.__spec__.name == module.__name__ == "
    assert run(program + "'rushlight' + name") == (0, "", "")


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("import torch.decoy", "ModuleNotFoundError: No module named 'torch.decoy'"),
        ("import torch.optimm", "No module named 'torch.optimm'; the nearest that Rushlight has is 'torch.optim'"),
        (
            "import torch.nn.functionals",
            "No module named 'torch.nn.functionals'; the nearest that Rushlight has is 'torch.nn.functional'",
        ),
        ("import torch.matmul", "No module named 'torch.matmul'; torch.matmul is not a module"),
        (
            "from torch import matmull",
            "ImportError: cannot import name 'matmull' from 'torch'; the nearest that Rushlight has is 'torch.matmul'",
        ),
        (
            "from torch import Linear",
            "cannot import name 'Linear' from 'torch'; the nearest that Rushlight has is 'torch.nn.Linear'",
        ),
        (
            "from torch.nn.functional import reluu",
            "ImportError: cannot import name 'reluu' from 'torch.nn.functional'; "
            "the nearest that Rushlight has is 'torch.nn.functional.relu'",
        ),
        (
            "import torch\ntorch.matmull",
            "AttributeError: module 'torch' has no attribute 'matmull'; "
            "the nearest that Rushlight has is 'torch.matmul'",
        ),
        (
            "import torch\ntorch.nn.linear_",
            "AttributeError: module 'torch.nn' has no attribute 'linear_'; "
            "the nearest that Rushlight has is 'torch.nn.Linear'",
        ),
        (
            "import torch\ntorch.xyzzy",
            "AttributeError: module 'torch' has no attribute 'xyzzy'; Rushlight has nothing of a similar name",
        ),
    ],
)
def test_what_is_missing_fails_with_the_nearest_name(run, program, message):
    status, _, errors = run(program)
    last_line = errors.splitlines()[-1]
    assert status == 1
    assert message in last_line
    assert errors.count('File "') == 1


def test_asking_for_a_subpackage_that_is_not_there_is_no_import_error(run):
    program = "import torch; torch._MODULES += ('nowhere',); print(hasattr(torch, 'nowhere'))"
    assert run(program) == (0, "False\n", "")


def test_a_program_can_ask_what_is_there(run):
    program = "import torch\ntry:\n    from torch import xyzzy\nexcept ImportError:\n    print('no')\n"
    program += "print(hasattr(torch, 'xyzzy'), getattr(torch.nn, 'xyzzy', None))"
    assert run(program) == (0, "no\nFalse None\n", "")


AS_PYTHON = {
    "arguments": "import sys\nprint(sys.argv, __name__, __file__, sys.path[0])",
    "neighbour": "import neighbour\nprint(neighbour.value)",
    "main module": "import sys, pickle\nclass A: pass\nprint(type(pickle.loads(pickle.dumps(A()))) is A, __spec__)\n"
    "print(sys.modules['__main__'].A is A)",
    "exit status": "raise SystemExit(7)",
    "exit message": "import sys\nsys.exit('bye')",
    "at exit": "import atexit\natexit.register(lambda: print(sorted([2, 1])))",
    "error": "def f():\n    1 / 0\nf()",
    "chained": "try:\n    {}['a']\nexcept KeyError as error:\n    raise ValueError('b') from error",
    "suggestion": "import math\nmath.sine",
    "syntax": "x = (",
    "interrupt": "raise KeyboardInterrupt",
    "signal": "import os, signal\nos.kill(os.getpid(), signal.SIGINT)",
    "excepthook": "import sys\nsys.excepthook = lambda kind, error, tb: print(kind, tb.tb_lineno, tb.tb_next)\n1 / 0",
    "thread": "import threading\ndef f():\n    print('late')\nthreading.Timer(0.05, f).start()",
}


@pytest.mark.parametrize("text", AS_PYTHON.values(), ids=AS_PYTHON)
def test_a_program_runs_as_under_python(tmp_path, text):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "neighbour.py").write_text("value = 3")
    (tmp_path / "inner" / "program.py").write_text(text)
    words = [str(Path("inner", "program.py")), "--epochs", "3", "--help", "-x"]
    assert execute([*RUSHLIGHT, "run", *words], tmp_path) == execute([sys.executable, *words], tmp_path)


FAILING = "import torch\ndef f():\n    return torch.ones(2, 3) @ torch.ones(2, 3)\nf()"


def test_a_traceback_shows_the_lines_of_the_program_only(run, tmp_path):
    status, _, errors = run(FAILING)
    files = [line for line in errors.splitlines() if line.startswith("  File ")]
    assert status == 1
    assert files == [f'  File "{tmp_path / "program.py"}", line {at}' for at in ("4, in <module>", "3, in f")]
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied" in errors.splitlines()[-2]


def test_a_full_traceback_shows_the_lines_of_rushlight_too(run):
    _, _, errors = run(FAILING, options=("--full-traceback",))
    files = [line for line in errors.splitlines() if line.startswith("  File ")]
    assert len(files) > 2
    assert "program.py" in files[0]
    assert "rushlight" in files[-1]


@pytest.mark.parametrize(
    ("words", "status", "stream", "expected"),
    [
        (["--version"], 0, "out", "rushlight 0.1.0"),
        (["--help"], 0, "out", "run a program written for PyTorch"),
        (["run", "--help"], 0, "out", "--full-traceback"),
        ([], 2, "err", "COMMAND"),
        (["run"], 2, "err", "script"),
        (["run", "missing.py"], 2, "err", "missing.py': [Errno 2] No such file or directory"),
    ],
)
def test_the_command_line(tmp_path, words, status, stream, expected):
    returned, out, err = execute([*RUSHLIGHT, *words], tmp_path)
    assert returned == status
    assert expected in {"out": out, "err": err}[stream]
