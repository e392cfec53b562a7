"""The programs in the README run, and print what the comments beside them say."""

from __future__ import annotations

import re
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"


def test_programs(capsys):
    text = README.read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    names: dict = {}
    exec("\n".join(programs), names)
    promised = re.findall(r"^print\(.*\) +# (.*)$", text, re.MULTILINE)
    assert len(promised) == 5 and capsys.readouterr().out.splitlines() == promised
    assert names["loss"].item() < 1e-3
