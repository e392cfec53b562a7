"""What a profile has measured: single events, averages over equal ones, and tables of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

__all__ = ["EventList", "FunctionEvent", "FunctionEventAvg", "Interval"]


def time_text(microseconds: float) -> str:
    """A time with a unit that suits it.

    >>> time_text(1234.5)
    '1.234ms'
    """
    for limit, factor, unit in ((1e3, 1.0, "us"), (1e6, 1e3, "ms")):
        if microseconds < limit:
            return f"{microseconds / factor:.3f}{unit}"
    return f"{microseconds / 1e6:.3f}s"


def memory_text(size: int) -> str:
    """A number of bytes with a unit that suits it.

    >>> memory_text(2048)
    '2.00 KB'
    """
    for power, unit in ((3, "GB"), (2, "MB"), (1, "KB")):
        if abs(size) >= 1024**power:
            return f"{size / 1024**power:.2f} {unit}"
    return f"{size} B"


class Interval(NamedTuple):
    """From when to when, in microseconds."""

    start: float
    end: float

    def elapsed_us(self) -> float:
        """The time between, in microseconds."""
        return self.end - self.start


class _Times:
    """What single events and averages have in common: times in microseconds, and the same times as text."""

    count: int
    key: str
    cpu_time_total: float
    self_cpu_time_total: float

    @property
    def cpu_time(self) -> float:
        """The time of one call."""
        return self.cpu_time_total / self.count if self.count else 0.0

    @property
    def cpu_time_str(self) -> str:
        """The time of one call, as text."""
        return time_text(self.cpu_time)

    @property
    def cpu_time_total_str(self) -> str:
        """The time of all calls, as text."""
        return time_text(self.cpu_time_total)

    @property
    def self_cpu_time_total_str(self) -> str:
        """The time of all calls without what they have called, as text."""
        return time_text(self.self_cpu_time_total)


class FunctionEvent(_Times):
    """One call of an operation, one node of a backward, or one `record_function` block.

    Attributes:
        time_range: from when to when, in microseconds since the profile began.
        cpu_parent: the event inside of which this one took place, or None; ``cpu_children`` are those inside of it.
        input_shapes: the shapes of the arguments, with ``record_shapes=True``.
        stack: the calls that led to it, innermost first, with ``with_stack=True``.
        cpu_memory_usage: bytes of the results that share no memory with the arguments, with ``profile_memory=True``.
    """

    count = 1

    def __init__(self, number: int, name: str, thread: int, start: float, parent: FunctionEvent | None) -> None:
        self.id, self.name, self.thread, self.cpu_parent = number, name, thread, parent
        self.time_range = Interval(start, start)
        self.cpu_children: list[FunctionEvent] = []
        self.input_shapes: list = []
        self.stack: list[str] = []
        self.cpu_memory_usage = 0
        self.is_user_annotation = False
        if parent is not None:
            parent.cpu_children.append(self)

    @property
    def key(self) -> str:  # type: ignore[override]
        """What it is averaged with: steps of a profile are one."""
        return "ProfilerStep*" if self.name.startswith("ProfilerStep#") else self.name

    @property
    def cpu_time_total(self) -> float:  # type: ignore[override]
        """How long it took."""
        return self.time_range.elapsed_us()

    @property
    def self_cpu_time_total(self) -> float:  # type: ignore[override]
        """How long it took without the events inside of it."""
        return self.cpu_time_total - sum(child.cpu_time_total for child in self.cpu_children)

    @property
    def self_cpu_memory_usage(self) -> int:
        """The bytes that it made without the events inside of it."""
        return self.cpu_memory_usage - sum(child.cpu_memory_usage for child in self.cpu_children)

    def __repr__(self) -> str:
        return (
            f"<FunctionEvent id={self.id} name={self.name} cpu_time={self.cpu_time_str} "
            f"start_us={self.time_range.start:.3f} end_us={self.time_range.end:.3f} "
            f"cpu_children={[child.id for child in self.cpu_children]} thread={self.thread} "
            f"input_shapes={self.input_shapes}>"
        )


class FunctionEventAvg(_Times):
    """Events of one kind together: how many, and how long they took in all."""

    def __init__(self, key: str, events: Iterable[FunctionEvent] = (), input_shapes: list | None = None) -> None:
        events = tuple(events)
        self.key, self.count, self.input_shapes = key, len(events), input_shapes or []
        self.cpu_time_total = sum(event.cpu_time_total for event in events if not _inside_itself(event))
        self.self_cpu_time_total = sum(event.self_cpu_time_total for event in events)
        self.cpu_memory_usage = sum(event.cpu_memory_usage for event in events)
        self.self_cpu_memory_usage = sum(event.self_cpu_memory_usage for event in events)
        self.stack = events[0].stack if events else []

    def __repr__(self) -> str:
        return (
            f"<FunctionEventAvg key={self.key} self_cpu_time={self.self_cpu_time_total_str} "
            f"cpu_time={self.cpu_time_str} count={self.count} input_shapes={self.input_shapes}>"
        )


def _inside_itself(event: FunctionEvent) -> bool:
    """Whether the time of an event is counted already, by one of its kind around it."""
    around = event.cpu_parent
    while around is not None and around.key != event.key:
        around = around.cpu_parent
    return around is not None


class EventList(list):
    """Events or averages, in the order of their beginnings."""

    @property
    def self_cpu_time_total(self) -> float:
        """The time of all events, without counting any twice."""
        return sum(event.self_cpu_time_total for event in self)

    def key_averages(
        self, group_by_input_shapes: bool = False, group_by_stack_n: int = 0, group_by_overload_name: bool = False
    ) -> EventList:
        """One average for all events of one name, and of equal shapes of arguments and calls that led to them."""
        groups: dict[tuple, list[FunctionEvent]] = {}
        for event in self:
            shapes = str(event.input_shapes) if group_by_input_shapes else ""
            groups.setdefault((event.key, shapes, *event.stack[:group_by_stack_n]), []).append(event)
        return EventList(
            FunctionEventAvg(key[0], events, events[0].input_shapes if group_by_input_shapes else None)
            for key, events in groups.items()
        )

    def total_average(self) -> FunctionEventAvg:
        """All events as if they were of one kind."""
        return FunctionEventAvg("Total", self)

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
        time_unit: str | None = None,
    ) -> str:
        """The events in a table.

        Args:
            sort_by: the attribute that comes first where it is largest, such as ``"cpu_time_total"``, ``"count"``.
            row_limit: how many rows at most; -1 for all.
            header: a line above the table.
            top_level_events_only: leave out events inside of others.
        """
        rows: list = [e for e in self if not top_level_events_only or getattr(e, "cpu_parent", None) is None]
        if sort_by is not None:
            rows.sort(key=lambda event: getattr(event, sort_by), reverse=True)
        rows = rows[:row_limit] if row_limit >= 0 else rows
        total = self.self_cpu_time_total
        columns: list[tuple[str, list[str]]] = [
            ("Name", [_shortened(event.key, max_name_column_width) for event in rows]),
            ("Self CPU %", [_share(event.self_cpu_time_total, total) for event in rows]),
            ("Self CPU", [event.self_cpu_time_total_str for event in rows]),
            ("CPU total %", [_share(event.cpu_time_total, total) for event in rows]),
            ("CPU total", [event.cpu_time_total_str for event in rows]),
            ("CPU time avg", [event.cpu_time_str for event in rows]),
        ]
        if any(event.cpu_memory_usage for event in rows):
            columns.append(("CPU Mem", [memory_text(event.cpu_memory_usage) for event in rows]))
            columns.append(("Self CPU Mem", [memory_text(event.self_cpu_memory_usage) for event in rows]))
        columns.append(("# of Calls", [str(event.count) for event in rows]))
        if any(event.input_shapes for event in rows):
            shapes = [_shortened(str(event.input_shapes), max_shapes_column_width) for event in rows]
            columns.append(("Input Shapes", shapes))
        if any(event.stack for event in rows):
            places = [_shortened(event.stack[0] if event.stack else "", max_src_column_width) for event in rows]
            columns.append(("Source Location", places))
        return _as_table(columns, header) + f"\nSelf CPU time total: {time_text(total)}\n"

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str) -> None:
        """Write the events to a file that Chrome's ``chrome://tracing`` and Perfetto show."""
        events = [
            {
                "ph": "X",
                "cat": "user_annotation" if event.is_user_annotation else "cpu_op",
                "name": event.name,
                "pid": 0,
                "tid": event.thread,
                "ts": event.time_range.start,
                "dur": event.cpu_time_total,
                "args": {"Input Dims": event.input_shapes} if event.input_shapes else {},
            }
            for event in self
        ]
        with open(path, "w") as file:
            json.dump({"traceEvents": events, "displayTimeUnit": "ms"}, file)


def _shortened(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else text[: width - 3] + "..."


def _share(part: float, total: float) -> str:
    return f"{100 * part / total if total else 0.0:.2f}%"


def _as_table(columns: list[tuple[str, list[str]]], header: str | None) -> str:
    """Columns with their titles between lines, to the right as numbers are."""
    widths = [max(12, len(title), *map(len, cells), 0) for title, cells in columns]
    rule = "  ".join("-" * width for width in widths)
    lines = [rule, "  ".join(title.rjust(width) for (title, _), width in zip(columns, widths)), rule]
    for row in zip(*(cells for _, cells in columns)):
        lines.append("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))
    return "\n".join([*([header] if header else []), *lines, rule])
