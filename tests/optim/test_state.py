"""Optimizer state: state_dict and load_state_dict between runs and libraries, pickling, copies, and hooks."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import rushlight

from .test_optimizers import CASES, IDS, assert_close, made, plain, random_run, take_steps


def in_library(library, value):
    """State with its tensors in another library."""
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return library.tensor(value.detach().numpy().copy())
    if isinstance(value, dict):
        return {key: in_library(library, entry) for key, entry in value.items()}
    return value


@pytest.mark.parametrize(("name", "options"), CASES, ids=IDS)
def test_training_goes_on_from_a_state_of_pytorch(name, options):
    arrays, gradients = random_run(5, [(3,), (2, 2)], "f8", steps=6)
    theirs, ours = made(torch, arrays), made(rushlight, arrays)
    first = getattr(torch.optim, name)(theirs, **options)
    take_steps(torch, first, theirs, gradients[:3])
    with rushlight.no_grad():
        for one, other in zip(ours, theirs, strict=True):
            one.copy_(rushlight.tensor(other.detach().numpy()))

    state = first.state_dict()
    first, second = (
        getattr(lib.optim, name)(params, **options) for lib, params in ((torch, theirs), (rushlight, ours))
    )
    first.load_state_dict(in_library(torch, state))
    second.load_state_dict(in_library(rushlight, state))
    take_steps(torch, first, theirs, gradients[3:])
    take_steps(rushlight, second, ours, gradients[3:])
    assert_close(plain(ours), plain(theirs))
    assert_close(plain(second.state_dict()), plain(first.state_dict()))


def adam(library=rushlight, count=2, **options):
    params = [library.ones(2, requires_grad=True) for _ in range(count)]
    optimizer = library.optim.Adam(params, **options)
    for param in params:
        param.grad = library.ones(2)
    optimizer.step()
    return optimizer


def test_loaded_state_takes_the_dtype_of_the_parameter_but_for_the_count():
    params = [rushlight.ones(2, dtype=rushlight.float64, requires_grad=True) for _ in range(2)]
    optimizer = rushlight.optim.Adam(params)
    optimizer.load_state_dict(adam().state_dict())
    state = optimizer.state[params[0]]
    assert state["exp_avg"].dtype is rushlight.float64
    assert state["step"].dtype is rushlight.float32


def test_loaded_state_is_a_copy():
    source = adam()
    state = source.state_dict()
    target = adam()
    target.load_state_dict(state)
    target.param_groups[0]["lr"] = 7.0
    assert source.param_groups[0]["lr"] == state["param_groups"][0]["lr"] == 1e-3


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda: adam(count=3), "doesn't match the size of optimizer's group"),
        (lambda: rushlight.optim.Adam([{"params": [rushlight.ones(1)]}] * 1 + [{"params": [rushlight.ones(1)]}]),
         "different number of parameter groups"),
    ],
)  # fmt: skip
def test_a_state_of_another_shape_is_refused(other, words):
    with pytest.raises(ValueError, match=words):
        adam().load_state_dict(other().state_dict())


def test_older_states_get_the_options_they_lack():
    optimizer = adam()
    state = optimizer.state_dict()
    del state["param_groups"][0]["maximize"], state["param_groups"][0]["foreach"]
    state["state"][0]["step"] = 1
    optimizer.load_state_dict(state)
    assert optimizer.param_groups[0]["maximize"] is False
    assert optimizer.state[optimizer.param_groups[0]["params"][0]]["step"].item() == 1.0


def test_names_are_kept_and_loaded():
    def named(*names):
        return rushlight.optim.SGD([(name, rushlight.ones(1, requires_grad=True)) for name in names], lr=0.1)

    optimizer = named("a", "b")
    assert optimizer.param_groups[0]["param_names"] == ["a", "b"]
    optimizer.load_state_dict(named("c", "d").state_dict())
    assert optimizer.param_groups[0]["param_names"] == ["c", "d"]


@pytest.mark.parametrize("again", [copy.deepcopy, lambda optimizer: pickle.loads(pickle.dumps(optimizer))])
def test_copies_train_on_by_themselves(again):
    optimizer = adam()
    twin = again(optimizer)
    (param, _), (original, _) = twin.param_groups[0]["params"], optimizer.param_groups[0]["params"]
    before = original.tolist()
    param.grad = rushlight.ones(2)
    twin.step()
    assert original.tolist() == before
    assert param.tolist() < before
    assert twin.state[param]["step"].item() == 2.0


def test_zero_grad():
    optimizer = adam()
    first, second = optimizer.param_groups[0]["params"]
    kept = first.grad
    optimizer.zero_grad(set_to_none=False)
    assert first.grad is kept and first.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert first.grad is second.grad is None


def test_step_hooks_run_around_the_step_and_may_replace_arguments():
    optimizer = adam()
    calls = []

    def closure():
        calls.append("closure")

    handles = [
        optimizer.register_step_pre_hook(
            lambda opt, args, kwargs: (calls.append("pre"), (args, {"closure": closure}))[1]
        ),
        optimizer.register_step_post_hook(lambda opt, args, kwargs: calls.append("post")),
        rushlight.optim.optimizer.register_optimizer_step_pre_hook(lambda *_: calls.append("all pre")),
        rushlight.optim.optimizer.register_optimizer_step_post_hook(lambda *_: calls.append("all post")),
    ]
    optimizer.step()
    assert calls == ["all pre", "pre", "closure", "post", "all post"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(calls) == 5


def test_a_pre_hook_that_returns_something_else_is_refused():
    optimizer = adam()
    optimizer.register_step_pre_hook(lambda *_: 3)
    with pytest.raises(RuntimeError, match="must return None or a tuple of"):
        optimizer.step()


def test_state_dict_hooks():
    optimizer = adam()
    calls = []
    optimizer.register_state_dict_pre_hook(lambda opt: calls.append("pre"))
    optimizer.register_state_dict_pre_hook(lambda opt: calls.append("first"), prepend=True)
    optimizer.register_state_dict_post_hook(lambda opt, state: {**state, "extra": 1})
    optimizer.register_load_state_dict_pre_hook(lambda opt, state: calls.append(state["extra"]))
    optimizer.register_load_state_dict_post_hook(lambda opt: calls.append("loaded"))
    state = optimizer.state_dict()
    optimizer.load_state_dict(state)
    assert calls == ["first", "pre", 1, "loaded"]


def test_an_optimizer_of_the_users_own():
    class Signed(rushlight.optim.Optimizer):
        def __init__(self, params, lr=rushlight.optim.optimizer.required):
            super().__init__(params, {"lr": lr})

        def step(self, closure=None):
            for group in self.param_groups:
                for param in group["params"]:
                    param.data -= group["lr"] * np.sign(param.grad.numpy())

    weight = rushlight.ones(2, requires_grad=True)
    weight.grad = rushlight.tensor([3.0, -4.0])
    with pytest.raises(ValueError, match="didn't specify a value of required optimization parameter lr"):
        Signed([weight])
    optimizer = Signed([{"params": weight, "lr": 0.5}])
    calls = []
    optimizer.register_step_post_hook(lambda *_: calls.append(1))
    optimizer.step()
    assert weight.tolist() == [0.5, 1.5]
    assert calls == [1]
    with pytest.raises(NotImplementedError):
        rushlight.optim.Optimizer([weight], {}).step()
