"""The newer way: hooks on what is saved keep nothing, and call the function again when backward needs it.

Checkpoints nest. What an operation saves belongs to the innermost; the inputs of a checkpoint are saved in the one
around it, so that what is needed first calls the outer function again, and that the inner one. What was computed again
belongs to one backward, and is let go of as soon as that has used it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary, ref

from ...autograd import engine
from ...autograd.modes import enable_grad, is_grad_enabled, no_grad
from ...autograd.node import Node, current_frame, next_number, user_place
from ...autograd.saved_tensors import saved_tensors_hooks
from ...ops.nodes import Kept, keep
from ...ops.saving import packed
from ...random import fork_rng, get_rng_state, set_rng_state
from ...tensor import Tensor, edge_of
from .trace import Traces

ContextFn = Callable[[], tuple[AbstractContextManager, AbstractContextManager]]

TIP = (
    "Tip: pass debug=True to torch.utils.checkpoint.checkpoint(...), or use it within "
    "torch.utils.checkpoint.set_checkpoint_debug_enabled(True), to see the operations of both calls."
)


class CheckpointError(RuntimeError):
    """Calling a checkpointed function again did not give what the first call had saved."""


class _Settings:
    early_stop: bool | None = None
    debug: bool | None = None


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """Whether checkpoints made inside end their second call as soon as they can, whatever they are told themselves."""
    before, _Settings.early_stop = _Settings.early_stop, enable
    try:
        yield
    finally:
        _Settings.early_stop = before


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """Whether errors of checkpoints made inside list operations, whatever they are told themselves; None: as told."""
    before, _Settings.debug = _Settings.debug, enabled
    try:
        yield
    finally:
        _Settings.debug = before


def noop_context_fn() -> tuple[AbstractContextManager, AbstractContextManager]:
    """Two context managers that do nothing."""
    return nullcontext(), nullcontext()


class GraphExecGroup:
    """Backward calls inside call each checkpointed function again at most once; they must not need the same values.

    Raises:
        RuntimeError: one of these contexts is inside of another.
    """

    def __enter__(self) -> GraphExecGroup:
        if group.get() is not None:
            raise RuntimeError(f"GraphExecGroup contexts cannot be nested. Already inside group {group.get()}")
        group.set(self)
        return self

    def __exit__(self, *exception: object) -> None:
        group.set(None)


group: ContextVar[GraphExecGroup | None] = ContextVar("group", default=None)


def metadata(tensor: Tensor) -> dict:
    """What is compared of a tensor that was saved in both calls."""
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


CHECKS: dict[str, Callable[[Tensor], Any]] = {"default": metadata, "none": lambda tensor: None}


def checkpointed(
    function: Callable,
    args: tuple,
    kwargs: dict,
    preserve_rng_state: bool,
    context_fn: ContextFn,
    determinism_check: str,
    debug: bool,
    early_stop: bool,
) -> Any:
    """What the function returns, with what its operations save left to be computed again."""
    traces = None
    if debug if _Settings.debug is None else _Settings.debug:
        if context_fn is not noop_context_fn:
            raise ValueError("debug=True is incompatible with non-default context_fn")
        traces = Traces()
        context_fn = traces.contexts
    if determinism_check not in CHECKS:
        raise ValueError(f"determinism_check should be one of {list(CHECKS)}, but got {determinism_check}")
    first, second = context_fn()
    state = get_rng_state() if preserve_rng_state else None

    def again(*args: Any) -> None:
        with fork_rng(enabled=state is not None):
            if state is not None:
                set_rng_state(state)
            with second:
                function(*args, **kwargs)

    if not is_grad_enabled():
        return function(*args, **kwargs)
    early = early_stop if _Settings.early_stop is None else _Settings.early_stop
    region = Region(again, args, early, CHECKS[determinism_check], traces)
    with saved_tensors_hooks(region.pack, region.unpack), first:
        result = function(*args, **kwargs)
        region.completed = True
    if not region.completed:
        raise RuntimeError(
            "torch.utils.checkpoint: the forward context provided by context_fn suppressed an exception raised during "
            "the checkpointed forward. This is not supported because checkpoint cannot return a value for a failed "
            "forward."
        )
    return result


class Inputs(Node):
    """Stands, in errors, for the operation that needs the inputs of a checkpoint."""

    __slots__ = ()

    def __init__(self) -> None:
        self.number, self.edges, self.saved, self.fit, self.hooks = next_number(), (), (), None, None
        self.code, self.instruction = user_place(current_frame(1))

    def name(self) -> str:
        return "checkpoint"


class Holder:
    """Stands in the graph for one saved tensor, and holds what was computed again for it."""

    __slots__ = ("__weakref__", "recomputed")

    def __init__(self) -> None:
        self.recomputed: WeakKeyDictionary[Any, Tensor | None] = WeakKeyDictionary()  # by backward; None once used


class Run:
    """One second call: how many tensors it has saved so far."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Access:
    """Stands for a backward where a saved tensor is looked at outside of any."""


class StopRecomputation(Exception):
    """Everything that is needed is there: leaves the second call."""


class Region:
    """One checkpointed call."""

    def __init__(self, again: Callable, args: tuple, early_stop: bool, check: Callable, traces: Traces | None) -> None:
        self.again, self.early_stop, self.check, self.traces = again, early_stop, check, traces
        self.node = Inputs()
        self.inputs = [self._saved(value) if isinstance(value, Tensor) else value for value in args]
        self.holders: list[ref[Holder]] = []  # of what the first call saved
        self.facts: list = []  # what `check` says of each
        self.completed = False
        self.may_differ = False
        self.runs: WeakKeyDictionary[Any, Run] = WeakKeyDictionary()  # by backward

    def _saved(self, tensor: Tensor) -> Kept:
        return packed(keep(tensor, edge_of(tensor)), self.node, tensor)

    def pack(self, tensor: Tensor) -> Holder:
        """Keep nothing of a tensor that the first call saves, but that there was one."""
        holder = Holder()
        self.holders.append(ref(holder))
        with no_grad():
            self.facts.append(self.check(tensor))
        return holder

    def unpack(self, holder: Holder) -> Tensor:
        """What the second call has saved in its place."""
        try:
            return self._unpack(holder)
        except CheckpointError as error:
            if self.traces is None:
                raise
            raise CheckpointError(self.traces.report(str(error))) from error

    def _unpack(self, holder: Holder) -> Tensor:
        backward = group.get() or engine.running.get() or Access()
        if backward not in self.runs:
            self._run(backward)
        tensor = holder.recomputed.get(backward)
        if tensor is None:
            overlap = (
                ""
                if group.get() is None
                else "Performing two backward calls that overlap (i.e. require the same saved activation in order to "
                "compute gradients) is not allowed while under the torch.utils.checkpoint.GraphExecGroup context. "
            )
            raise CheckpointError(
                "torch.utils.checkpoint: Unpack is being triggered for a tensor that was already unpacked once. "
                f"{overlap}If you are calling ctx.saved_tensors in backward, make sure to do so only once."
            )
        holder.recomputed[backward] = None
        return tensor

    def _run(self, backward: Any) -> None:
        """Call the function again for this backward."""
        inputs = [value.load_tensor(self.node) if isinstance(value, Kept) else value for value in self.inputs]
        run = Run()
        try:
            with saved_tensors_hooks(lambda tensor: self._recomputed(tensor, run, backward), _itself), enable_grad():
                self.again(*inputs)
        except StopRecomputation:
            pass
        self.runs[backward] = run
        if not self.may_differ:
            self._compare(run, backward)

    def _recomputed(self, tensor: Tensor, run: Run, backward: Any) -> Tensor:
        """Hold what the second call saves until it is needed; that call can be differentiated itself, too."""
        tensor = tensor.detach()
        place = run.count
        run.count += 1
        if place >= len(self.holders):
            if self.completed:
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than during the original "
                    f"forward pass.\n{TIP}"
                )
            self.may_differ = True  # a backward inside of the first call, which has not come to its end
            return tensor
        holder = self.holders[place]()
        if holder is not None:  # else a backward inside of the first call has used it
            holder.recomputed[backward] = tensor
        if self.early_stop and run.count == len(self.holders):
            raise StopRecomputation
        return tensor

    def _compare(self, run: Run, backward: Any) -> None:
        if run.count != len(self.holders):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {len(self.holders)}\nNumber of tensors saved "
                f"during recomputation: {run.count}.\n{TIP}"
            )
        differing = ""
        for place, reference in enumerate(self.holders):
            holder = reference()
            if holder is None:
                continue
            now = self.check(holder.recomputed[backward])
            if now != self.facts[place]:
                differing += (
                    f"tensor at position {place}:\nsaved metadata: {self.facts[place]}\nrecomputed metadata: {now}\n"
                )
        if differing:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have different metadata than "
                f"during the forward pass.\n{differing}\n{TIP}"
            )


def _itself(tensor: Tensor) -> Tensor:
    return tensor
