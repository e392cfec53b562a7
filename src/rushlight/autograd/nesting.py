"""User code inside of backward, which may run backward again, to any depth."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from threading import Thread
from typing import Any

depth: ContextVar[int] = ContextVar("depth", default=0)
"""How many calls of user code by a backward are inside of each other here."""

DEPTH_OF_A_THREAD = 32  # of about a dozen Python calls each, out of the thousand that a thread may nest


def nested(function: Callable, *args: Any) -> Any:
    """Call user code from backward; each time that this has nested so deep it goes on in a thread of its own."""
    level = depth.get() + 1
    token = depth.set(level)
    try:
        return function(*args) if level % DEPTH_OF_A_THREAD else _in_a_thread(function, *args)
    finally:
        depth.reset(token)


def _in_a_thread(function: Callable, *args: Any) -> Any:
    """The result of a call in a new thread, which has a stack of its own; grad mode and the like are as here."""
    results: list = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            results.append(function(*args))
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=copy_context().run, args=(call,), daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors.pop()
    return results.pop()
