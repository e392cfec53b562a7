"""The ``rushlight`` command: ``rushlight run script.py`` runs a program written for PyTorch on Rushlight."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import FrameType, ModuleType, TracebackType

from . import torch_imports
from .version import __version__

PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep
IMPORT_MACHINERY = ("<frozen importlib", "<frozen runpy", importlib.__file__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status; what the program of ``run`` raises is passed on."""
    options = parser().parse_args(argv)
    return run(options.script, options.args, options.full_traceback)


def parser() -> argparse.ArgumentParser:
    """The command line of ``rushlight``."""
    top = argparse.ArgumentParser(
        prog="rushlight", description="PyTorch's programming model as a small, fast Python library on NumPy."
    )
    top.add_argument("--version", action="version", version=f"rushlight {__version__}")
    commands = top.add_subparsers(title="commands", metavar="COMMAND", required=True)
    command = commands.add_parser(
        "run",
        help="run a program written for PyTorch, unmodified",
        description="Run a program written for PyTorch, unmodified: inside it torch and everything below it is "
        "Rushlight. An installed PyTorch is not touched.",
    )
    command.add_argument(
        "--full-traceback",
        action="store_true",
        help="when the program fails, show Rushlight's own lines too, not only the program's",
    )
    command.add_argument("script", help="the Python file to run")
    command.add_argument("args", nargs=argparse.REMAINDER, metavar="...", help="arguments for the program")
    return top


def run(script: str, args: Sequence[str], full_traceback: bool = False) -> int:
    """Run a Python file as ``python script args...`` does, with ``torch`` being Rushlight.

    Returns 0, or 2 when the file cannot be read; what the program raises is passed on.
    """
    path = os.path.abspath(script)
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as error:
        reason = f"[Errno {error.errno}] {error.strerror}"
        print(f"rushlight: can't open file {path!r}: {reason}", file=sys.stderr)
        return 2
    torch_imports.install()
    sys.argv = [script, *args]
    if not sys.flags.safe_path:
        sys.path[0] = os.path.dirname(os.path.realpath(path))
    try:
        code = compile(source, path, "exec", dont_inherit=True)
        exec(code, vars(main_module(path)))
    except (Exception, KeyboardInterrupt) as error:
        begin_in_program(error, full_traceback)
        raise
    return 0


def main_module(path: str) -> ModuleType:
    """A fresh ``__main__``, as Python makes it for a script."""
    module = ModuleType("__main__")
    module.__file__ = path
    module.__loader__ = SourceFileLoader("__main__", path)
    module.__package__ = None
    sys.modules["__main__"] = module
    return module


def begin_in_program(error: BaseException, full: bool) -> None:
    """Let the traceback that Python will print begin in the program and, unless full, leave out Rushlight's frames.

    To be called where the error was caught. The error itself travels on, so that the exit status is Python's; only
    what ``sys.excepthook``, Python's own or the program's, gets to see is cut.
    """
    hook = sys.excepthook
    caught = error.__traceback__

    def excepthook(kind: type[BaseException], value: BaseException, traceback: TracebackType | None) -> None:
        if value is error:
            value.__traceback__ = caught and caught.tb_next
            if not full:
                cut_frames(value)
        hook(kind, value, value.__traceback__)

    sys.excepthook = excepthook


def cut_frames(error: BaseException | None, seen: frozenset[int] = frozenset()) -> bool:
    """Take Rushlight's frames out of the traceback of an error and of the errors that led to it.

    Returns False for an error that never left Rushlight: it is then dropped from the chain.
    """
    if error is None or id(error) in seen:
        return True
    whole = error.__traceback__
    error.__traceback__ = without_own_frames(whole)
    if not cut_frames(error.__cause__, seen | {id(error)}):
        error.__cause__ = None
    if not cut_frames(error.__context__, seen | {id(error)}):
        error.__context__ = None
    return error.__traceback__ is not None or whole is None or error.__context__ is not None


def without_own_frames(traceback: TracebackType | None) -> TracebackType | None:
    """The traceback without the frames of Rushlight and of the import machinery."""
    kept = []
    while traceback is not None:
        if not is_own(traceback.tb_frame):
            kept.append(traceback)
        traceback = traceback.tb_next
    for entry in reversed(kept):
        traceback = TracebackType(traceback, entry.tb_frame, entry.tb_lasti, entry.tb_lineno)
    return traceback


def is_own(frame: FrameType) -> bool:
    """Whether a frame runs Rushlight's code or Python's import machinery."""
    filename = frame.f_code.co_filename
    return filename.startswith((PACKAGE, "<rushlight", *IMPORT_MACHINERY))
