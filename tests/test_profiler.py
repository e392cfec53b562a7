"""Profiles: what is recorded, how it is summed up and shown, and that nothing is different afterwards."""

from __future__ import annotations

import itertools
import json
import threading

import pytest
import torch as pytorch

import rushlight as torch
from rushlight.autograd import profiler
from rushlight.profiler import ProfilerAction, profile, record_function, schedule


def program(torch):
    x = torch.ones(3, 4, requires_grad=True)
    with torch.autograd.profiler.record_function("mine"):
        y = torch.exp(x) * 2
        y += 1
    y.sum().backward()
    with torch.no_grad():
        x.mul_(2)
        torch.nn.functional.linear(x, x)


def test_the_events_are_among_pytorchs():
    names = []
    for library in (torch, pytorch):
        with library.autograd.profiler.profile(record_shapes=True) as prof:
            program(library)
        top = [event for event in prof.function_events if event.cpu_parent is None or event.cpu_parent.name == "mine"]
        names.append([event.name for event in top])
    ours, theirs = names
    assert [name for name in theirs if name in ours] == ours
    assert {"mine", "aten::exp", "aten::mul", "aten::add_", "aten::mul_", "aten::linear"} < set(ours)


def test_events_are_nested():
    with profiler.profile(record_shapes=True, profile_memory=True, with_stack=True) as prof:
        program(torch)
    events = {event.name: event for event in prof.function_events}
    mine, exp = events["mine"], events["aten::exp"]
    assert exp.cpu_parent is mine and exp in mine.cpu_children
    assert mine.time_range.start <= exp.time_range.start <= exp.time_range.end <= mine.time_range.end
    assert 0 <= mine.self_cpu_time_total < mine.cpu_time_total == mine.time_range.elapsed_us()
    assert exp.input_shapes == [[3, 4]] and exp.cpu_memory_usage == 48 == mine.cpu_memory_usage - 48
    assert exp.stack[0].startswith(__file__) and exp.stack[0].endswith("program")
    assert events["MulBackward0"].cpu_parent.name == "autograd::engine::evaluate_function: MulBackward0"


def test_averages_and_table():
    x = torch.ones(2)
    with profiler.profile(record_shapes=True) as prof:
        for size in (2, 2, 3):
            torch.ones(size) * 2
    average = next(a for a in prof.key_averages() if a.key == "aten::mul")
    assert average.count == 3 and average.cpu_time == pytest.approx(average.cpu_time_total / 3)
    by_shape = [a for a in prof.key_averages(group_by_input_shape=True) if a.key == "aten::mul"]
    assert [a.count for a in by_shape] == [2, 1] and by_shape[0].input_shapes == [[2], []]
    total = prof.total_average()
    assert total.count == 6 and total.self_cpu_time_total == pytest.approx(prof.self_cpu_time_total)
    lines = prof.key_averages().table(sort_by="count", row_limit=1, header="Of this test").splitlines()
    assert lines[0] == "Of this test" and "# of Calls" in lines[2] and "aten::" in lines[4]
    assert lines[-1].startswith("Self CPU time total: ")
    assert len(prof.table(row_limit=-1).splitlines()) == 6 + 4 + 1
    assert (x * 2).tolist() == [2.0, 2.0]


def test_nothing_is_different_afterwards():
    before = {name: vars(torch.Tensor)[name] for name in vars(torch.Tensor)}
    functions = torch.exp, torch.nn.functional.linear, torch.optim.SGD.step
    with pytest.raises(ValueError, match="of the user"), profiler.profile():
        assert torch.exp is not functions[0]
        raise ValueError("of the user")
    assert {name: vars(torch.Tensor)[name] for name in vars(torch.Tensor)} == before
    assert (torch.exp, torch.nn.functional.linear, torch.optim.SGD.step) == functions
    assert not torch.autograd.engine.watchers


def test_errors_inside():
    x = torch.ones(2, requires_grad=True)
    with profiler.profile() as prof:
        with pytest.raises(RuntimeError):
            torch.ones(2) @ torch.ones(3)
        y = x * 2
        y.register_hook(lambda g: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            y.sum().backward()
        x.exp()
    assert prof.function_events[-1].name == "aten::exp" and prof.function_events[-1].cpu_parent is None
    with pytest.raises(RuntimeError, match="Profiler context manager is not reentrant"), prof:
        pass


def test_models_and_optimizers():
    net = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU())
    optimizer = torch.optim.Adam(net.parameters())
    with profile() as prof:
        optimizer.zero_grad()
        net(torch.ones(2, 4)).sum().backward()
        optimizer.step()
    names = [event.name for event in prof.events()]
    for name in ("aten::linear", "aten::relu", "AddmmBackward0", "Optimizer.step#Adam.step"):
        assert name in names


def test_threads():
    def work():
        torch.ones(2).exp()

    with profiler.profile() as prof:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        work()
    assert [event.thread for event in prof.function_events if event.name == "aten::exp"] == [1, 2]


@pytest.mark.parametrize("numbers", itertools.product((0, 2), (0, 1), (1, 3), (0, 2), (0, 1)), ids=str)
def test_schedule(numbers):
    options = dict(zip(("wait", "warmup", "active", "repeat", "skip_first"), numbers, strict=True))
    expected = pytorch.profiler.schedule(**options)
    assert [schedule(**options)(i).name for i in range(20)] == [expected(i).name for i in range(20)]


def test_schedule_of_nothing():
    with pytest.raises(AssertionError, match="Invalid profiler schedule arguments"):
        schedule(wait=-1, warmup=0, active=1)


@pytest.mark.parametrize("steps", range(1, 9))
def test_steps(steps):
    seen = []
    for library in (torch, pytorch):
        traces = []

        def ready(prof, traces=traces):
            keys = [a.key for a in prof.key_averages() if a.key in ("ProfilerStep*", "mine", "aten::exp")]
            traces.append((prof.step_num, keys, sum(event.name == "mine" for event in prof.events())))

        cycle = library.profiler.schedule(wait=1, warmup=1, active=2)
        with library.profiler.profile(schedule=cycle, on_trace_ready=ready) as prof:
            for _ in range(steps):
                with library.profiler.record_function("mine"):
                    library.ones(2).exp()
                prof.step()
        seen.append(traces)
    assert seen[0] == seen[1]


def test_traces(tmp_path):
    @record_function("mine")
    def work():
        return torch.ones(2).exp()

    with profile(on_trace_ready=torch.profiler.tensorboard_trace_handler(str(tmp_path), "me")):
        work()
    (file,) = tmp_path.iterdir()
    names = [event["name"] for event in json.loads(file.read_text())["traceEvents"]]
    assert file.name.startswith("me.") and names == ["mine", "aten::ones", "aten::exp"]


def test_a_profile_that_has_not_begun():
    with pytest.raises(AssertionError, match="Profiler must be initialized"):
        profile().key_averages()
    with profiler.profile(enabled=False) as prof:
        torch.ones(2).exp()
    assert not prof.function_events
    assert ProfilerAction.RECORD_AND_SAVE.value == pytorch.profiler.ProfilerAction.RECORD_AND_SAVE.value
    with profiler.emit_itt(), profiler.emit_nvtx():
        assert torch.ones(2).exp().shape == (2,)
