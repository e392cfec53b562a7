"""`torch.profiler`: profiles of chosen steps of a program, see `rushlight.autograd.profiler` for what they record."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

from .autograd import profiler as recorder
from .autograd.profiler import record_function
from .autograd.profiler_util import EventList

__all__ = [
    "ProfilerAction",
    "ProfilerActivity",
    "profile",
    "record_function",
    "schedule",
    "supported_activities",
    "tensorboard_trace_handler",
]


class ProfilerActivity(Enum):
    """What a profile may watch; here there is the CPU only."""

    CPU = 0
    XPU = 1
    MTIA = 2
    CUDA = 3


class ProfilerAction(Enum):
    """What a profile does in one step."""

    NONE = 0
    WARMUP = 1
    RECORD = 2
    RECORD_AND_SAVE = 3


def supported_activities() -> set[ProfilerActivity]:
    """What can be watched."""
    return {ProfilerActivity.CPU}


def schedule(
    *, wait: int, warmup: int, active: int, repeat: int = 0, skip_first: int = 0, skip_first_wait: int = 0
) -> Callable[[int], ProfilerAction]:
    """What `profile` does in each step: it waits, warms up and records, again and again.

    Args:
        wait, warmup, active: how many steps of each kind a cycle has.
        repeat: how many cycles there are; 0 for no end.
        skip_first: steps before the first cycle.
        skip_first_wait: unless 0, the first cycle does not wait.

    >>> steps = schedule(wait=1, warmup=0, active=2)
    >>> [steps(number).name for number in range(4)]
    ['NONE', 'RECORD', 'RECORD_AND_SAVE', 'NONE']
    """
    if min(wait, warmup, repeat, skip_first) < 0 or active <= 0:
        raise AssertionError(
            f"Invalid profiler schedule arguments. Got wait={wait} (need >= 0), warmup={warmup} (need >= 0), "
            f"active={active} (need > 0), repeat={repeat} (need >= 0), skip_first={skip_first} (need >= 0)."
        )

    def action(step: int) -> ProfilerAction:
        if step < 0:
            raise AssertionError(f"Step must be non-negative. Got {step}.")
        step -= skip_first
        if skip_first_wait:
            step += wait
        cycle, place = divmod(step, wait + warmup + active)
        if step < 0 or (repeat and cycle >= repeat) or place < wait:
            return ProfilerAction.NONE
        if place < wait + warmup:
            return ProfilerAction.WARMUP
        last = place == wait + warmup + active - 1
        return ProfilerAction.RECORD_AND_SAVE if last else ProfilerAction.RECORD

    return action


def _always(_: int) -> ProfilerAction:
    return ProfilerAction.RECORD


def tensorboard_trace_handler(
    dir_name: str, worker_name: str | None = None, use_gzip: bool = False
) -> Callable[[profile], None]:
    """For ``on_trace_ready``: write each trace to a file of its own in a directory."""

    def handler(prof: profile) -> None:
        os.makedirs(dir_name, exist_ok=True)
        worker = worker_name or f"{socket.gethostname()}_{os.getpid()}"
        prof.export_chrome_trace(os.path.join(dir_name, f"{worker}.{time.time_ns()}.pt.trace.json"))

    return handler


class profile:
    """Record what the steps of a program do.

    Args:
        activities: what to watch; anything but the CPU is not there.
        schedule: from the number of a step to what is done in it, see `schedule`; by default all is recorded.
        on_trace_ready: called with this object whenever a cycle of the schedule has been recorded.
        record_shapes, profile_memory, with_stack: as in `rushlight.autograd.profiler.profile`.

    >>> import rushlight as torch
    >>> with torch.profiler.profile(record_shapes=True) as prof:
    ...     torch.ones(2, 3) @ torch.ones(3, 4)
    tensor([[3., 3., 3., 3.],
            [3., 3., 3., 3.]])
    >>> prof.events()[-1].name, prof.events()[-1].input_shapes
    ('aten::matmul', [[2, 3], [3, 4]])
    """

    def __init__(
        self,
        *,
        activities: Iterable[ProfilerActivity] | None = None,
        schedule: Callable[[int], ProfilerAction] | None = None,
        on_trace_ready: Callable[[Any], Any] | None = None,
        record_shapes: bool = False,
        profile_memory: bool = False,
        with_stack: bool = False,
        with_flops: bool = False,
        with_modules: bool = False,
        **_: Any,
    ) -> None:
        self.activities = set(activities) if activities else supported_activities()
        self.schedule, self.on_trace_ready = schedule or _always, on_trace_ready
        self.record_steps = schedule is not None
        self._options: dict[str, Any] = {
            "record_shapes": record_shapes,
            "profile_memory": profile_memory,
            "with_stack": with_stack,
        }
        self.step_num = 0
        self.current_action = ProfilerAction.NONE
        self.profiler: recorder.profile | None = None
        self._step: record_function | None = None

    def start(self) -> None:
        """Begin with the first step."""
        self.current_action = self.schedule(self.step_num)
        self._go_on(ProfilerAction.NONE)

    def stop(self) -> None:
        """End; what has been recorded so far is ready."""
        recording = self._records()
        self._end_step()
        if recording:
            self._close()
            self._ready()
        self.current_action = ProfilerAction.NONE

    def step(self) -> None:
        """The next step begins."""
        self._end_step()
        before = self.current_action
        self.step_num += 1
        self.current_action = self.schedule(self.step_num)
        if before is ProfilerAction.RECORD_AND_SAVE:
            self._close()
            self._ready()
            before = ProfilerAction.NONE
        self._go_on(before)

    def _records(self) -> bool:
        return self.current_action in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)

    def _go_on(self, before: ProfilerAction) -> None:
        """Open what this step needs."""
        recording = before in (ProfilerAction.RECORD, ProfilerAction.RECORD_AND_SAVE)
        if self._records() and not recording:
            self.profiler = recorder.profile(**self._options)
            self.profiler.__enter__()
        elif recording and not self._records():
            self._close()
        if self.record_steps and self._records():
            self._step = record_function(f"ProfilerStep#{self.step_num}")
            self._step.__enter__()

    def _end_step(self) -> None:
        if self._step is not None:
            self._step.__exit__()
            self._step = None

    def _close(self) -> None:
        if self.profiler is not None:
            self.profiler.__exit__()

    def _ready(self) -> None:
        if self.on_trace_ready is not None:
            self.on_trace_ready(self)

    def __enter__(self) -> profile:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def _recorded(self, what: str) -> recorder.profile:
        if self.profiler is None:
            raise AssertionError(f"Profiler must be initialized before {what}")
        return self.profiler

    def events(self) -> EventList:
        """All events of the last cycle, in the order of their beginnings."""
        return self._recorded("accessing events").function_events

    def key_averages(
        self, group_by_input_shape: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """One average for all events of one name."""
        recorded = self._recorded("getting key averages")
        return recorded.key_averages(group_by_input_shape, group_by_stack_n, group_by_overload_name)

    def export_chrome_trace(self, path: str) -> None:
        """Write the events to a file that Chrome's ``chrome://tracing`` and Perfetto show."""
        self._recorded("exporting chrome trace").export_chrome_trace(path)
