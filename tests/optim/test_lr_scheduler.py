"""The schedulers: the rates and momenta they set are PyTorch's, so are their state, warnings and errors."""

from __future__ import annotations

import copy
import warnings

import pytest
import torch

import rushlight

LIBRARIES = (torch, rushlight)


class Halving:
    """A factor with a state of its own."""

    def __init__(self):
        self.factor = 0.5

    def __call__(self, epoch):
        return self.factor**epoch


SCHEDULES = {
    "StepLR": lambda s, o: s.StepLR(o, 3, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [2, 5, 5, 8], gamma=0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, factor=0.5, total_iters=4),
    "LinearLR": lambda s, o: s.LinearLR(o, start_factor=0.25, end_factor=0.75, total_iters=5),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.8),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, total_iters=6, power=2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, T_max=4, eta_min=0.01),
    "CosineAnnealingWarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=0.01),
    "LambdaLR": lambda s, o: s.LambdaLR(o, [lambda epoch: 0.9**epoch, Halving()]),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda epoch: 1 / (epoch + 1)),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, max_lr=[1.0, 2.0], total_steps=12),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(o, 1.0, epochs=4, steps_per_epoch=3, anneal_strategy="linear"),
    "OneCycleLR three phases": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=12, three_phase=True, pct_start=0.4),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.01, 0.2, step_size_up=3, step_size_down=2),
    "CyclicLR triangular2": lambda s, o: s.CyclicLR(o, [0.01, 0.02], 0.2, step_size_up=2, mode="triangular2"),
    "CyclicLR exp_range": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 3, mode="exp_range", gamma=0.9, cycle_momentum=False),
    "CyclicLR own scale": lambda s, o: s.CyclicLR(o, 0.01, 0.2, 3, scale_fn=Halving(), scale_mode="iterations"),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o, [s.ConstantLR(o, 0.1, total_iters=2), s.ExponentialLR(o, 0.9), s.StepLR(o, 2)], milestones=[3, 7]
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, total_iters=4), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 5)]
    ),
    "nested SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [s.SequentialLR(o, [s.LinearLR(o), s.ExponentialLR(o, 0.9)], milestones=[2]), s.ConstantLR(o, 0.2)],
        milestones=[6],
    ),
}


def optimizer_of(library, name="SGD"):
    first, second = (library.tensor([1.0], requires_grad=True) for _ in range(2))
    options = {"momentum": 0.7} if name == "SGD" else {}
    return getattr(library.optim, name)([{"params": [first]}, {"params": [second], "lr": 0.3}], lr=0.1, **options)


def seen(optimizer):
    return [
        {key: value for key, value in group.items() if key in ("lr", "momentum", "betas", "initial_lr")}
        for group in optimizer.param_groups
    ]


def trace(library, schedule, name="SGD", epochs=11):
    optimizer = optimizer_of(library, name)
    scheduler = schedule(library.optim.lr_scheduler, optimizer)
    rows = [(seen(optimizer), scheduler.get_last_lr())]
    for _ in range(epochs):
        optimizer.step()
        scheduler.step()
        rows.append((seen(optimizer), list(scheduler.get_last_lr())))
    return rows, scheduler


@pytest.mark.parametrize("name", ["SGD", "Adam"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_rates_are_pytorchs(schedule, name):
    (expected, _), (got, _) = (trace(library, schedule, name) for library in LIBRARIES)
    assert got == expected


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_schedule_goes_on_from_its_state(schedule):
    rows, _ = trace(rushlight, schedule, epochs=9)
    _, first = trace(rushlight, schedule, epochs=5)
    optimizer = optimizer_of(rushlight)
    second = schedule(rushlight.optim.lr_scheduler, optimizer)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    optimizer.load_state_dict(first.optimizer.state_dict())
    for expected in rows[6:]:
        optimizer.step()
        second.step()
        assert (seen(optimizer), second.get_last_lr()) == expected


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_states_have_pytorchs_keys(schedule):
    (_, theirs), (_, ours) = (trace(library, schedule, epochs=1) for library in LIBRARIES)
    private = {"_scale_fn_ref"}  # how a scheduler of PyTorch's finds its own function again
    assert set(theirs.state_dict()) - private <= set(ours.state_dict())


@pytest.mark.parametrize(
    "schedule",
    [SCHEDULES[name] for name in ("StepLR", "MultiStepLR", "LinearLR", "ExponentialLR", "PolynomialLR", "ConstantLR")]
    + [SCHEDULES["CosineAnnealingLR"], SCHEDULES["CosineAnnealingWarmRestarts"]],
)
def test_jumping_to_an_epoch(schedule):
    def run(library):
        optimizer = optimizer_of(library)
        scheduler = schedule(library.optim.lr_scheduler, optimizer)
        rates = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for epoch in (3, 1, 7, 4):
                scheduler.step(epoch)
                rates.append(scheduler.get_last_lr())
        return rates

    assert run(rushlight) == run(torch)


PLATEAUS = [
    {},
    {"mode": "max", "factor": 0.5, "patience": 1, "cooldown": 2},
    {"patience": 0, "threshold_mode": "abs", "threshold": 0.5, "min_lr": 0.02},
    {"mode": "max", "patience": 0, "threshold_mode": "abs", "threshold": 0.1, "min_lr": [0.02, 0.1], "eps": 1e-3},
]


@pytest.mark.parametrize("options", PLATEAUS, ids=str)
def test_plateaus_are_found_as_by_pytorch(options):
    def run(library):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rates = []
        for value in [5, 4, 4, 3.9, 3.9, 4.5, 1, 1, 1, 1, float("nan"), 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]:
            scheduler.step(value)
            rates.append((scheduler.get_last_lr(), scheduler.best, scheduler.num_bad_epochs, scheduler.in_cooldown))
        state = scheduler.state_dict()
        return rates, {key: value for key, value in state.items() if key != "_last_lr"}

    assert run(rushlight) == run(torch)


def make(name, *args, **options):
    return lambda library: getattr(library.optim.lr_scheduler, name)(optimizer_of(library), *args, **options)


def mixed(name, *args):
    def build(library):
        schedulers = library.optim.lr_scheduler
        members = [schedulers.StepLR(optimizer_of(library), 2), schedulers.StepLR(optimizer_of(library), 2)]
        first = [members[0].optimizer] if name == "SequentialLR" else []
        return getattr(schedulers, name)(*first, members, *args)

    return build


ERRORS = [
    lambda library: library.optim.lr_scheduler.StepLR(3, 2),
    lambda library: library.optim.lr_scheduler.ReduceLROnPlateau(3),
    make("StepLR", 2, last_epoch=4),
    make("LambdaLR", [lambda epoch: 1.0]),
    make("MultiplicativeLR", 3),
    make("ConstantLR", factor=2.0),
    make("LinearLR", start_factor=0.0),
    make("LinearLR", end_factor=1.5),
    make("CosineAnnealingWarmRestarts", 0),
    make("CosineAnnealingWarmRestarts", 2, T_mult=0),
    make("CosineAnnealingWarmRestarts", 2, eta_min="a"),
    make("CyclicLR", 0.1, 0.2, mode="other"),
    make("CyclicLR", [0.1], 0.2),
    make("OneCycleLR", 0.1),
    make("OneCycleLR", 0.1, total_steps=-1),
    make("OneCycleLR", 0.1, epochs=0, steps_per_epoch=2),
    make("OneCycleLR", 0.1, total_steps=4, pct_start=2.0),
    make("OneCycleLR", 0.1, total_steps=4, anneal_strategy="other"),
    make("ReduceLROnPlateau", factor=1.0),
    make("ReduceLROnPlateau", mode="other"),
    make("ReduceLROnPlateau", threshold_mode="other"),
    make("ReduceLROnPlateau", min_lr=[0.1]),
    make("SequentialLR", [], []),
    mixed("SequentialLR", [2]),
    mixed("ChainedScheduler"),
    lambda library: library.optim.lr_scheduler.CyclicLR(
        library.optim.Adagrad([library.tensor([1.0], requires_grad=True)]), 0.1, 0.2
    ),
]


@pytest.mark.parametrize("build", ERRORS)
def test_errors_are_pytorchs(build):
    errors = []
    for library in LIBRARIES:
        with pytest.raises(Exception) as caught:
            build(library)
        errors.append((caught.type, str(caught.value)))
    (expected_type, expected), (got_type, got) = errors
    assert got_type is expected_type
    assert got.startswith(expected.rstrip(".")[:40])


def test_stepping_beyond_a_cycle_raises():
    optimizer = optimizer_of(rushlight)
    scheduler = rushlight.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=2)
    optimizer.step()
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="Tried to step 3 times"):
        scheduler.step()


def warned(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(warning.message)[:60] for warning in caught]


def test_the_order_of_the_two_steps_is_watched():
    def wrong_order(library):
        scheduler = library.optim.lr_scheduler.StepLR(optimizer_of(library), 2)
        scheduler.step()

    def overridden(library):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.StepLR(optimizer, 2)
        optimizer.step = lambda: None
        scheduler.step()

    def asked_too_early(library):
        library.optim.lr_scheduler.StepLR(optimizer_of(library), 2).get_lr()

    def right(library):
        optimizer = optimizer_of(library)
        scheduler = library.optim.lr_scheduler.StepLR(optimizer, 2)
        for _ in range(2):
            optimizer.step()
            scheduler.step()

    for function in (wrong_order, overridden, asked_too_early, right):
        assert warned(lambda f=function: f(rushlight)) == warned(lambda f=function: f(torch))


def test_rates_that_are_tensors_are_changed_in_place():
    rate = rushlight.tensor(0.1, dtype=rushlight.float64)
    optimizer = rushlight.optim.SGD([rushlight.tensor([1.0], requires_grad=True)], lr=rate)
    scheduler = rushlight.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.05
    assert scheduler.base_lrs[0].item() == 0.1
