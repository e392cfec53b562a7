"""What programs set and ask for when they start: typed constructors, devices, switches, mixed precision, windows."""

from __future__ import annotations

import copy

import pytest
import torch

import rushlight

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
BOTH = (rushlight, torch)


def outcome(call, lib):
    """What a call gives, printed, or the class of its error."""
    try:
        return repr(call(lib))
    except Exception as error:
        return type(error).__name__.strip("_")


@pytest.mark.parametrize(
    "call",
    [
        lambda lib: lib.FloatTensor([1, 2]),
        lambda lib: lib.LongTensor([1.5]),
        lambda lib: lib.IntTensor(2, 3).shape,
        lambda lib: lib.ByteTensor(lib.Size([2])).dtype,
        lambda lib: lib.FloatTensor(),
        lambda lib: lib.FloatTensor(lib.tensor([1])),
        lambda lib: lib.FloatTensor(3.5),
        lambda lib: lib.LongTensor,
        lambda lib: (isinstance(lib.ones(1), lib.FloatTensor), isinstance(lib.ones(1), lib.LongTensor)),
        lambda lib: lib.tensor([1.5]).type(lib.LongTensor),
        lambda lib: lib.set_default_tensor_type(lib.LongTensor),
        lambda lib: lib.result_type(lib.tensor([1]), 2.5),
        lambda lib: lib.result_type(2.5, lib.tensor([1], dtype=lib.half)),
        lambda lib: [lib.finfo(d) for d in (lib.float16, lib.bfloat16, lib.float32, lib.float64)],
        lambda lib: [lib.iinfo(d) for d in (lib.int8, lib.int32, lib.int64)],
        lambda lib: [lib.zeros(1, dtype=t).dtype for t in (float, int, bool, complex)],
        lambda lib: [lib.ones(1).to(int), lib.arange(2, dtype=float), lib.tensor([1], dtype=bool)],
        lambda lib: lib.as_tensor([1], dtype=str),
        lambda lib: reversed(lib.arange(3)),
        lambda lib: lib.get_default_device(),
        lambda lib: lib.set_default_device("cpu"),
        lambda lib: lib.set_flush_denormal(False),
        lambda lib: lib.compile(3),
        lambda lib: lib.nn.DataParallel(lib.nn.Linear(2, 1)),
        lambda lib: (lib.accelerator.is_available(), lib.accelerator.current_accelerator()),
        lambda lib: (lib.version.cuda, lib.jit.is_scripting(), lib.cuda.memory_allocated()),
        lambda lib: lib.is_autocast_enabled(),
        lambda lib: lib.autocast("toaster"),
        lambda lib: lib.cuda.amp.GradScaler().state_dict(),
        lambda lib: lib.hann_window(-1),
        lambda lib: lib.hann_window(3, dtype=lib.int),
    ],
)
def test_as_in_pytorch(call):
    assert outcome(call, rushlight) == outcome(call, torch)


def test_a_default_type_of_constructors():
    for lib in BOTH:
        lib.set_default_tensor_type("torch.DoubleTensor")
        assert lib.tensor(1.0).dtype is lib.float64
        lib.set_default_tensor_type(lib.FloatTensor)
        assert lib.tensor(1.0).dtype is lib.float32


def test_switches_remember():
    for lib in BOTH:
        lib.use_deterministic_algorithms(True, warn_only=True)
        assert lib.are_deterministic_algorithms_enabled() and lib.is_deterministic_algorithms_warn_only_enabled()
        lib.use_deterministic_algorithms(False)
        lib.set_float32_matmul_precision("medium")
        lib.set_float32_matmul_precision("nonsense")
        assert lib.get_float32_matmul_precision() == "medium"
        lib.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("name", ["bartlett", "blackman", "hamming", "hann", "kaiser"])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("length", [0, 1, 2, 7])
def test_windows(name, periodic, length):
    ours, theirs = (getattr(lib, f"{name}_window")(length, periodic, dtype=lib.float64) for lib in BOTH)
    torch.testing.assert_close(torch.from_numpy(ours.numpy()), theirs)


def scaled_training(lib):
    """The states of a scaler and a parameter through good and overflowing steps."""
    seen = []
    weight = lib.ones(2, requires_grad=True)
    optimizer = lib.optim.SGD([weight], lr=0.1)
    scaler = lib.amp.GradScaler("cpu", init_scale=8.0, growth_interval=2)
    for factor in (1.0, 2.0, float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale((weight * factor).sum()).backward()
        scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        seen.append((repr(weight), scaler.state_dict()))
    again = lib.amp.GradScaler("cpu")
    again.load_state_dict(copy.deepcopy(scaler.state_dict()))
    return seen, again.get_scale(), repr(scaler.scale([lib.ones(1), lib.ones(1)]))


def test_gradients_are_scaled_as_in_pytorch():
    assert scaled_training(rushlight) == scaled_training(torch)


def test_mistakes_with_a_scaler():
    for lib in BOTH:
        scaler = lib.amp.GradScaler("cpu")
        weight = lib.ones(1, requires_grad=True)
        optimizer = lib.optim.SGD([weight], lr=0.1)
        scaler.scale(weight.sum()).backward()
        with pytest.raises(AssertionError, match="inf checks"):
            scaler.update()
        scaler.unscale_(optimizer)
        with pytest.raises(RuntimeError, match="already been called"):
            scaler.unscale_(optimizer)


def test_autocast_is_refused_where_it_would_change_results():
    with pytest.raises(RuntimeError, match="not supported"):
        rushlight.autocast("cpu")
    with rushlight.autocast("cuda"), rushlight.device("cpu"):
        assert rushlight.ones(1).dtype is rushlight.float32


def test_a_shallow_copy_shares_memory():
    for lib in BOTH:
        original = lib.zeros(2, requires_grad=True)
        original.note = "kept"
        copied = copy.copy(original)
        copied.data[0] = 5
        assert original[0].item() == 5 and copied.requires_grad and copied.note == "kept" and copied is not original
