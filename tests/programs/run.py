"""Runs the programs that are named, one after the other, and prints as JSON what each has printed.

Run it with ``python`` for PyTorch and with ``rushlight run`` for Rushlight.
"""

import contextlib
import io
import json
import sys
import traceback
import warnings
from pathlib import Path

import torch


def output(program):
    """What a program prints; its traceback follows if it fails."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(program.read_text(encoding="utf-8"), program.name, "exec"), {"__name__": "__main__"})
        except Exception:
            printed.write(traceback.format_exc())
    torch.set_printoptions(profile="default", sci_mode=None)
    return printed.getvalue()


torch.set_num_threads(1)
folder = Path(__file__).parent
json.dump({name: output(folder / f"{name}.py") for name in sys.argv[1:]}, sys.stdout)
