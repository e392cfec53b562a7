"""`torch.autograd.profiler`: which operations were called, how often, and how long they took.

While a profile is open, the operations that a program can name, functions and methods of tensors alike, are replaced by
ones that take the time, and backward tells when it runs each node. Without a profile nothing is different.
"""

from __future__ import annotations

import functools
import importlib
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from time import perf_counter_ns
from typing import Any

from ..tensor import Tensor
from . import engine
from .node import Node, Slot, current_frame, is_library
from .profiler_util import EventList, FunctionEvent

__all__ = ["EventList", "FunctionEvent", "emit_itt", "emit_nvtx", "profile", "record_function"]

open_collections: list[Collection] = []
changing = threading.Lock()


class Collection:
    """The events of one profile while it is open; those of each thread are nested."""

    def __init__(self, record_shapes: bool, profile_memory: bool, with_stack: bool) -> None:
        self.record_shapes, self.profile_memory, self.with_stack = record_shapes, profile_memory, with_stack
        self.events: list[FunctionEvent] = []
        self.threads: dict[int, int] = {}
        self.began = perf_counter_ns()
        self.local = threading.local()

    def now(self) -> float:
        """Microseconds since the beginning."""
        return (perf_counter_ns() - self.began) / 1e3

    def stack(self) -> list[FunctionEvent]:
        """The events that have begun in this thread and not ended, outermost first."""
        if not hasattr(self.local, "stack"):
            self.local.stack = []
        return self.local.stack

    def begin(self, name: str, arguments: Iterable = ()) -> FunctionEvent:
        """Something begins."""
        stack = self.stack()
        thread = self.threads.setdefault(threading.get_ident(), len(self.threads) + 1)
        event = FunctionEvent(len(self.events) + 1, name, thread, 0.0, stack[-1] if stack else None)
        if self.record_shapes:
            event.input_shapes = [list(a.shape) if isinstance(a, Tensor) else [] for a in arguments]
        if self.with_stack:
            event.stack = _calls()
        self.events.append(event)
        stack.append(event)
        event.time_range = event.time_range._replace(start=self.now())
        return event

    def end(self, event: FunctionEvent, result: Any = None) -> None:
        """It ends, and with it whatever an error has left unended inside of it."""
        now = self.now()
        stack = self.stack()
        while stack:
            last = stack.pop()
            last.time_range = last.time_range._replace(end=now)
            if last is event:
                break
        if self.profile_memory:
            own = _own_bytes(result)
            while own and event is not None:
                event.cpu_memory_usage += own
                event = event.cpu_parent  # type: ignore[assignment]

    def close(self) -> EventList:
        """All that has ended."""
        return EventList(event for event in self.events if event.time_range.end)


def _own_bytes(result: Any) -> int:
    """The bytes of tensors whose memory is their own."""
    if isinstance(result, Tensor):
        return result.array.nbytes if result.array.base is None else 0
    return sum(map(_own_bytes, result)) if isinstance(result, (tuple, list)) else 0


def _calls() -> list[str]:
    """The user's calls that led here, innermost first."""
    frame: Any = current_frame(2)
    calls = []
    while frame is not None:
        code = frame.f_code
        if not is_library(code.co_filename):
            calls.append(f"{code.co_filename}({frame.f_lineno}): {code.co_name}")
        frame = frame.f_back
    return calls


# What is replaced while a profile is open


def timed(name: str, function: Callable) -> Callable:
    """A function that does the same and takes the time."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not open_collections:
            return function(*args, **kwargs)
        collection = open_collections[-1]
        event, result = collection.begin(name, args), None
        try:
            result = function(*args, **kwargs)
            return result
        finally:
            collection.end(event, None if args and result is args[0] else result)

    return call


def _optimizer_step(cls: type, name: str) -> Callable:
    return timed(f"Optimizer.{name}#{cls.__name__}.{name}", vars(cls)[name])


class Replacements:
    """What stands in the place of the operations while a profile is open."""

    def __init__(self) -> None:
        self.before: list[tuple[Any, str, Any]] = []
        self.made: dict[int, Callable] = {}

    def set_up(self) -> None:
        """Replace the operations wherever a program finds them: in the library's modules, and in Tensor."""
        package = __name__.partition(".")[0]
        for name in ("nn.functional", "linalg", "special"):  # so that it is not imported later, with what was there
            importlib.import_module(f"{package}.{name}")
        inner = tuple(f"{package}.{name}" for name in ("ops", "kernels", "autograd", "methods"))
        for module_name, module in list(sys.modules.items()):
            if module_name.partition(".")[0] == package and not module_name.startswith(inner):
                self._in(module, vars(module), f"{package}.ops.")
        self._in(Tensor, vars(Tensor), f"{package}.ops.")
        optim = sys.modules.get(f"{package}.optim")
        for cls in _subclasses(optim.Optimizer) if optim is not None else ():
            for name in ("step", "zero_grad"):
                if name in vars(cls):
                    self._replace(cls, name, _optimizer_step(cls, name))

    def _in(self, owner: Any, names: Any, home: str) -> None:
        for name, value in list(names.items()):
            function = callable(value) and not isinstance(value, type)
            if function and getattr(value, "__module__", None) and value.__module__.startswith(home):
                made = self.made.get(id(value))
                if made is None:
                    made = self.made[id(value)] = timed(f"aten::{operation(name, value)}", value)
                self._replace(owner, name, made)

    def _replace(self, owner: Any, name: str, value: Any) -> None:
        self.before.append((owner, name, vars(owner)[name]))
        setattr(owner, name, value)

    def take_down(self) -> None:
        """Put everything back."""
        for owner, name, value in self.before:
            setattr(owner, name, value)
        self.before.clear()
        self.made.clear()


def operation(name: str, function: Callable) -> str:
    """What an operation is called that a program finds under this name; an operator is called like its function.

    >>> import rushlight as torch
    >>> operation("__itruediv__", torch.Tensor.__itruediv__), operation("__matmul__", torch.Tensor.__matmul__)
    ('div_', 'matmul')
    """
    if not name.startswith("__"):
        return name
    out_of_place = f"__{name[3:]}"
    if name.startswith("__i") and hasattr(Tensor, out_of_place):
        return operation(out_of_place, getattr(Tensor, out_of_place)) + "_"
    return function.__name__.replace("reversed_", "").replace("_operator", "")


def _subclasses(cls: Any) -> list[type]:
    found = [cls]
    for subclass in cls.__subclasses__():
        found += _subclasses(subclass)
    return found


replacements = Replacements()


@contextmanager
def nodes_timed(nodes: Iterable[Node]) -> Iterator[None]:
    """Let each node of a backward be an event."""
    collection = open_collections[-1]
    handles = []
    for node in nodes:
        if type(node) is not Slot:
            running: list[FunctionEvent] = []
            handles.append(node.register_prehook(functools.partial(_begin_node, collection, node.name(), running)))
            handles.append(node.register_hook(functools.partial(_end_node, collection, running)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _begin_node(collection: Collection, name: str, running: list, gradients: tuple) -> None:
    running.append(collection.begin(f"autograd::engine::evaluate_function: {name}"))
    running.append(collection.begin(name, gradients))


def _end_node(collection: Collection, running: list, results: tuple, gradients: tuple) -> None:
    collection.end(running.pop(), results)
    collection.end(running.pop())


# What a program uses


class profile:
    """Record the operations that are called inside, and what backward runs.

    Args:
        enabled: False to record nothing.
        record_shapes: keep the shapes of arguments.
        profile_memory: add up the bytes of results.
        with_stack: keep the calls that led to each operation.
        use_cuda, use_device, with_flops, with_modules: accepted; there is nothing of the kind.

    Raises:
        RuntimeError: the same profile is opened twice.

    >>> import rushlight as torch
    >>> x = torch.ones(3, requires_grad=True)
    >>> with torch.autograd.profiler.profile() as prof:
    ...     (x * x).sum().backward()
    >>> [event.key for event in prof.key_averages() if event.key.startswith("aten")]
    ['aten::mul', 'aten::sum']
    >>> print(prof.key_averages().table(sort_by="self_cpu_time_total"))  # doctest: +ELLIPSIS
    ------...
    """

    def __init__(
        self,
        enabled: bool = True,
        *,
        use_cuda: bool = False,
        use_device: str | None = None,
        record_shapes: bool = False,
        with_flops: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_modules: bool = False,
        **_: Any,
    ) -> None:
        if use_cuda:
            warnings.warn("CUDA is not available, disabling CUDA profiling", stacklevel=2)
        self.enabled, self.entered = enabled, False
        self._options = record_shapes, profile_memory, with_stack
        self._collection: Collection | None = None
        self._finished = EventList()

    def __enter__(self) -> profile:
        if self.enabled:
            if self.entered:
                raise RuntimeError("Profiler context manager is not reentrant")
            self.entered = True
            with changing:
                if not open_collections:
                    replacements.set_up()
                    engine.watchers.append(nodes_timed)
                self._collection = Collection(*self._options)
                open_collections.append(self._collection)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._collection is not None:
            with changing:
                open_collections.remove(self._collection)
                if not open_collections:
                    engine.watchers.remove(nodes_timed)
                    replacements.take_down()
            self._finished, self._collection = self._collection.close(), None

    @property
    def function_events(self) -> EventList:
        """All events, in the order of their beginnings."""
        return self._finished if self._collection is None else self._collection.close()

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """One average for all events of one name."""
        return self.function_events.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def total_average(self) -> Any:
        """All events as if they were of one kind."""
        return self.function_events.total_average()

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events in microseconds, without counting any twice."""
        return self.function_events.self_cpu_time_total

    def table(self, *args: Any, **kwargs: Any) -> str:
        """The events in a table, see `EventList.table`."""
        return self.function_events.table(*args, **kwargs)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events to a file that Chrome's ``chrome://tracing`` and Perfetto show."""
        self.function_events.export_chrome_trace(path)

    def __str__(self) -> str:
        return str(self.function_events)


class record_function:
    """Give a block of code, or a function that this decorates, a name in the profile that is open.

    >>> import rushlight as torch
    >>> with torch.autograd.profiler.profile() as prof:
    ...     with torch.autograd.profiler.record_function("a block of mine"):
    ...         torch.ones(3).exp()
    tensor([2.7183, 2.7183, 2.7183])
    >>> prof.function_events[0].name
    'a block of mine'
    """

    def __init__(self, name: str, args: str | None = None) -> None:
        self.name, self.args = name, args
        self._running: list[tuple[Collection, FunctionEvent]] = []

    def __enter__(self) -> record_function:
        if open_collections:
            collection = open_collections[-1]
            event = collection.begin(self.name)
            event.is_user_annotation = True
            self._running.append((collection, event))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._running:
            collection, event = self._running.pop()
            collection.end(event)

    def __call__(self, function: Callable) -> Callable:
        @functools.wraps(function)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with record_function(self.name, self.args):
                return function(*args, **kwargs)

        return inside


class emit_itt:
    """Would mark operations for Intel's VTune, which does not see those of NumPy: nothing happens inside."""

    def __init__(self, enabled: bool = True, record_shapes: bool = False) -> None:
        self.enabled, self.record_shapes = enabled, record_shapes

    def __enter__(self) -> emit_itt:
        return self

    def __exit__(self, *exception: object) -> None:
        pass


class emit_nvtx(emit_itt):
    """Would mark operations for NVIDIA's tools, which see none on the CPU: nothing happens inside."""
