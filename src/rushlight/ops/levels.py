"""Nested transformations: their levels, and the tensors that stand for more than one array.

Forward mode and vmap each open a `Level`. A `Layered` tensor, a dual number or a batch, belongs to one level and holds
tensors of lower ones. An operation is interpreted by the highest level among its arguments, in terms of operations on
what that level's tensors hold; backward runs on the tensors of any level, by the same rules.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ..autograd.modes import as_recording, open_levels, recording, remembering, transforming
from ..tensor import Tensor, wrap
from .promotion import raw


class Level:
    """One open transformation: how its tensors go through operations."""

    number: int  # how many were open when this one was opened
    settled = False  # whether nothing that is saved is to be differentiated again at this level

    def interpret(self, perform: Callable, spec: Any, args: tuple, kwargs: dict) -> Any:
        """The results of ``perform(args, kwargs)``, an operation with tensors of this level among its arguments."""
        raise NotImplementedError(f"{type(self).__name__} does not interpret operations")

    def lift(self, tensor: Tensor) -> Layered:
        """A tensor of a lower level as one of this."""
        raise NotImplementedError(f"{type(self).__name__} does not lift tensors")

    def write(self, target: Tensor, result: Tensor) -> None:
        """Put the values of one tensor into another, one of which is of this level."""
        raise NotImplementedError(f"{type(self).__name__} does not write")

    def reshape(self, target: Any, show: Callable, change: Callable) -> None:
        """Change the shape of a tensor of this level in place, as a view of it or by changes of what it holds."""
        raise NotImplementedError(f"{type(self).__name__} does not change shapes in place")

    def records(self, tensor: Tensor) -> bool:
        """Whether operations of this level record what they do with a tensor, also if it is of a lower level."""
        return isinstance(tensor, Layered) and tensor.level is self


class Layered(Tensor):
    """A tensor of a level. Its array is what one may ask for shape and type; its values are more than that.

    It has no slots, so that a plain tensor can become one when something of a level is written into it.
    """

    __slots__ = ()
    level: Level

    @property
    def inner(self) -> Tensor:
        """The tensor of a lower level that has its values."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it holds")

    @property
    def differs(self) -> bool:
        """Whether it has other values for each element of a batch, of which its array shows the first."""
        return False

    def bare(self) -> Layered:
        """The same values, without history at this level."""
        raise NotImplementedError(f"{type(self).__name__} has no bare form")

    def detached(self) -> Tensor:
        """The same values, without history at any level."""
        raise NotImplementedError(f"{type(self).__name__} has no detached form")

    def spans(self) -> set:
        """The levels along whose batches the values differ."""
        raise NotImplementedError(f"{type(self).__name__} does not say what it spans")


@contextmanager
def opened(level: Level) -> Iterator[Level]:
    """Open a level."""
    outer, transformed, remembered = open_levels.get(), transforming.get(), remembering.get()
    level.number = len(outer)
    open_levels.set((*outer, level))
    transforming.set(True)
    remembering.set(False)
    try:
        yield level
    finally:
        open_levels.set(outer)
        remembering.set(remembered)
        transforming.set(transformed)


class below:
    """Only the levels below this one are open: where its operations are carried out."""

    __slots__ = ("level", "outer")

    def __init__(self, level: Level) -> None:
        self.level = level

    def __enter__(self) -> None:
        self.outer = open_levels.get()
        open_levels.set(self.outer[: self.level.number])

    def __exit__(self, *exception: object) -> None:
        open_levels.set(self.outer)


@contextmanager
def settled(level: Level | None) -> Iterator[None]:
    """Backward at a level whose result nobody will differentiate there; at those below it may be recorded."""
    if level is None or level.settled:
        yield
        return
    level.settled = True
    try:
        yield
    finally:
        level.settled = False


@contextmanager
def recorded() -> Iterator[None]:
    """Operations are recorded, whatever the user's mode is."""
    outer = recording.get()
    recording.set(as_recording())
    try:
        yield
    finally:
        recording.set(outer)


@contextmanager
def differentiated() -> Iterator[None]:
    """A function is called whose derivative is wanted: operations are recorded, whatever the user's mode is."""
    outer = transforming.get()
    transforming.set(True)
    try:
        with recorded():
            yield
    finally:
        transforming.set(outer)


def is_open(value: Any) -> bool:
    """Whether this is a tensor of a level that is open."""
    return isinstance(value, Layered) and value.level in open_levels.get()


def top_level(arguments: Any) -> Any:
    """The highest open level among the tensors in nested lists and dictionaries of arguments, or None."""
    found: Any = None
    for value in arguments.values() if isinstance(arguments, dict) else arguments:
        if isinstance(value, Layered):
            level = value.level if value.level in open_levels.get() else None
        elif isinstance(value, (list, tuple, dict)):
            level = top_level(value)
        else:
            continue
        if level is not None and (found is None or level.number > found.number):
            found = level
    return found


DYNAMIC = "output dynamic shape. Attempted to vmap over"


def dynamic(what: str) -> RuntimeError:
    """vmap's error for an operation whose results have a shape that depends on values."""
    return RuntimeError(f"vmap: We do not support batching operators that can {what}.")


def known(tensor: Any, what: str) -> np.ndarray:
    """The array of a tensor, or an array itself, whose values decide on the shape of a result; ``what`` has them.

    Raises:
        RuntimeError: it has other values for each element of a batch.
    """
    inner: Any = tensor
    while isinstance(inner, Layered):
        if inner.differs:
            raise dynamic(what)
        inner = inner.inner
    return tensor.array if isinstance(tensor, Tensor) else tensor


def mapped(change: Callable, value: Any) -> Any:
    """Nested lists of arguments with each Tensor among them replaced by ``change(tensor)``."""
    if isinstance(value, Tensor):
        return change(value)
    if type(value) in (list, tuple):
        return type(value)([mapped(change, item) for item in value])
    if type(value) is dict:
        return {key: mapped(change, item) for key, item in value.items()}
    return value


def fresh(tensor: Tensor) -> Any:
    """The tensor at the innermost open level, to differentiate by: a leaf, or a view if it requires grad there."""
    from .views import alias

    levels = open_levels.get()
    if not levels or (isinstance(tensor, Layered) and tensor.level is levels[-1]):
        if tensor.requires_grad:
            with recorded():
                return alias(tensor)
        leaf = bare(tensor)
    else:
        leaf = levels[-1].lift(tensor)
    leaf.leaf = True
    return leaf


def spans(tensor: Any) -> set:
    """The levels along whose batches a tensor's values differ."""
    return tensor.spans() if isinstance(tensor, Layered) else set()


def bare(tensor: Tensor) -> Any:
    """The tensor without history, sharing memory and version."""
    if isinstance(tensor, Layered):
        return tensor.bare()
    out = wrap(tensor.array)
    out.version = tensor.version
    return out


def everything(value: Any) -> Any:
    """All values that a tensor stands for, as an array: for checks, whose refusals need no derivative."""
    while isinstance(value, Layered):
        value = value.inner
    return raw(value)


def zeros_like(tensor: Tensor) -> Tensor:
    """Zeros of the shape and type of a tensor, of no level."""
    return wrap(np.zeros(tensor.array.shape, tensor.array.dtype))
