"""What programs of introductions to autograd are run with: each library in turn, and a look at what was printed."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from types import ModuleType

import pytest
import torch as pytorch

import rushlight

ADDRESS = re.compile(r"(?<= object at )0x[0-9a-f]+")


@pytest.fixture(params=[rushlight, pytorch], ids=["rushlight", "pytorch"])
def torch(request: pytest.FixtureRequest) -> ModuleType:
    """The library that the program runs with."""
    return request.param


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[str], bool]:
    """Whether the program has printed exactly this text, indented or not, since the last look."""

    def check(expected: str) -> bool:
        assert ADDRESS.sub("...", capsys.readouterr().out).strip() == textwrap.dedent(expected).strip()
        return True

    return check
