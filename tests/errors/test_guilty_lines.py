"""Every error of autograd in `programs` is PyTorch's, and names the lines that are to blame."""

from __future__ import annotations

import inspect
import warnings

import pytest
import torch

import rushlight
from tests.autograd.both import name

from .programs import programs, words


def error_of(program, library):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as raised:
            program(library)
    return raised.value


def guilty_lines(program):
    lines, first = inspect.getsourcelines(program)
    file = inspect.getsourcefile(program)
    return [f"{file}:{first + place}: " for place, line in enumerate(lines) if line.rstrip().endswith("# guilty")]


@pytest.mark.parametrize("program", programs, ids=name)
def test_guilty_lines_are_named(program):
    theirs, ours = error_of(program, torch), error_of(program, rushlight)
    assert type(ours) is type(theirs), repr(ours)
    assert words[program.__name__] in str(theirs)
    message = "\n".join((str(ours), *getattr(ours, "__notes__", ())))
    assert words[program.__name__] in message.partition("\n")[0]  # PyTorch's words come first
    for line in guilty_lines(program):
        assert line in message
    assert len(message.splitlines()) < 14
