"""What a checkpointed function does in each of its two calls, for the errors of a checkpoint in debug mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ...autograd.node import current_frame, user_place, where
from ...ops.aten import overload_of
from ...ops.saving import watching
from ...tensor import Tensor

SHORT = {"float": "f", "int": "i", "uint": "u", "complex": "c", "bfloat": "bf"}


class Traces:
    """The operations of both calls."""

    def __init__(self) -> None:
        self.first: list[tuple[str, str]] = []
        self.second: list[tuple[str, str]] = []

    def contexts(self) -> tuple[AbstractContextManager, AbstractContextManager]:
        """A context manager for each of the two calls."""
        return self._noting("first"), self._noting("second")

    @contextmanager
    def _noting(self, call: str) -> Iterator[None]:
        notes: list[tuple[str, str]] = []
        setattr(self, call, notes)

        def note(op: Any, perform: Any, args: tuple, kwargs: dict) -> Any:
            result = perform()
            shown = ", ".join(map(_shown, (*args, *kwargs.values())))
            place = where(*user_place(current_frame(1)))
            notes.append((f"{_shown(result)} = torch.ops.{overload_of(op, args)}({shown})", place))
            return result

        with watching(note):
            yield

    def report(self, problem: str) -> str:
        """The error with the operations of both calls."""
        return (
            "An error happened while unpacking tensors; dumping logs of latest computation because you passed "
            "`debug=True` to `torch.utils.checkpoint.checkpoint()`.\n\n"
            f"Operations executed during the original forward:\n\n{_listed(self.first)}\n\n"
            f"Operations executed during recomputation:\n\n{_listed(self.second)}\n\n"
            "ERROR: Detected non-determinism while running activation checkpointing. Look for the first operation in "
            f"which the two lists differ; the line that called it is behind it.\n\n{problem}"
        )


def _listed(notes: list[tuple[str, str]]) -> str:
    return "\n".join(f"{note}   at {place}" for note, place in notes) or "(none)"


def _shown(value: Any) -> str:
    """A tensor as its type and shape."""
    if isinstance(value, Tensor):
        name = str(value.dtype).removeprefix("torch.")
        letters = name.rstrip("0123456789")
        return f"{SHORT.get(letters, letters)}{name[len(letters) :]}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"({', '.join(map(_shown, value))})"
    return repr(value)
