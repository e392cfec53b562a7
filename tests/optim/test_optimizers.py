"""The optimizers: parameters and state after some steps as PyTorch computes them, and the errors of their options."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import rushlight

LIBRARIES = (torch, rushlight)

CASES = [
    ("SGD", {}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "maximize": True}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.2, "foreach": True}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("Adam", {"lr": 0.1, "amsgrad": True, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.8, "momentum": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"lr": 0.1, "centered": True, "momentum": 0.5, "maximize": True}),
    ("Adagrad", {}),
    ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.7, "weight_decay": 0.1, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.8, 0.7), "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 2.0), "step_sizes": (0.01, 0.2)}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 2, "weight_decay": 0.1}),
]
OF_REAL_NUMBERS = [
    ("Adafactor", {}),
    ("Adafactor", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adafactor", {"eps": (1e-6, 1e-2), "d": 1.5, "beta2_decay": -0.5}),
    ("Muon", {}),
    ("Muon", {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.5, "nesterov": False}),
    ("Muon", {"lr": 0.1, "ns_steps": 3, "ns_coefficients": (2.0, -1.5, 0.5), "adjust_lr_fn": "match_rms_adamw"}),
]
IDS = [f"{name}-{'-'.join(options)}" for name, options in CASES]

TOLERANCE = {np.dtype("f4"): {"rtol": 2e-5, "atol": 1e-6}, np.dtype("f8"): {"rtol": 1e-12, "atol": 1e-14}}


def made(library, arrays):
    return [library.tensor(array.copy(), requires_grad=True) for array in arrays]


def take_steps(library, optimizer, params, gradients):
    for step in gradients:
        for param, gradient in zip(params, step, strict=True):
            param.grad = None if gradient is None else library.tensor(gradient)
        optimizer.step()


def plain(value):
    if isinstance(value, (torch.Tensor, rushlight.Tensor)):
        return value.detach().numpy()
    if isinstance(value, dict):
        return {key: plain(entry) for key, entry in value.items()}
    return [plain(entry) for entry in value] if isinstance(value, (list, tuple)) else value


def assert_close(got, expected):
    if isinstance(expected, dict):
        assert list(got) == list(expected)
        got, expected = list(got.values()), list(expected.values())
    if isinstance(expected, list):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_close(one, other)
    elif isinstance(expected, np.ndarray):
        assert got.dtype == expected.dtype and got.shape == expected.shape
        np.testing.assert_allclose(got, expected, **TOLERANCE[got.real.dtype])
    else:
        assert got == expected


def after_steps(library, name, options, arrays, gradients):
    params = made(library, arrays)
    optimizer = getattr(library.optim, name)(params, **options)
    take_steps(library, optimizer, params, gradients)
    return plain(params), plain(optimizer.state_dict())


def shapes_for(name):
    return [(3, 2), (2, 5)] if name == "Muon" else [(3, 2), (4,), ()]


def random_run(seed, shapes, dtype, steps=4):
    rng = np.random.default_rng(seed)

    def draw():
        values = [rng.standard_normal(shape) for shape in shapes]
        if np.dtype(dtype).kind == "c":
            values = [value + 1j * rng.standard_normal(value.shape) for value in values]
        return [np.asarray(value, dtype) for value in values]

    return draw(), [draw() for _ in range(steps)]


@pytest.mark.parametrize("name", ["Adafactor", "Muon"])
def test_complex_numbers_are_refused(name):
    for library in LIBRARIES:
        param = library.ones(2, 2, dtype=library.complex64).requires_grad_()
        param.grad = library.ones(2, 2, dtype=library.complex64)
        with pytest.raises(RuntimeError, match=f"{name} does not support complex parameters"):
            getattr(library.optim, name)([param]).step()


@pytest.mark.parametrize(
    ("name", "options", "dtype"),
    [
        *((*case, dtype) for case in CASES + OF_REAL_NUMBERS for dtype in ("f4", "f8")),
        *((*case, "c16") for case in CASES),
    ],
    ids=str,
)
def test_steps_are_pytorchs(name, options, dtype):
    arrays, gradients = random_run(0, shapes_for(name), dtype)
    expected, got = (after_steps(library, name, options, arrays, gradients) for library in LIBRARIES)
    assert_close(list(got), list(expected))


@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "NAdam"])
def test_large_transposed_and_strided_parameters(name):
    arrays, gradients = random_run(1, [(130, 300), (300, 130)], "f8", steps=2)
    expected = after_steps(torch, name, {"weight_decay": 0.1}, arrays, gradients)[0]

    storages = [np.zeros((300, 260)), np.zeros((300, 130))]
    views = [storages[0][:, ::2].T, storages[1]]
    params = []
    for view, array in zip(views, arrays, strict=True):
        view[...] = array
        param = rushlight.from_numpy(view)
        param.requires_grad = True
        params.append(param)
    optimizer = getattr(rushlight.optim, name)(params, weight_decay=0.1)
    take_steps(rushlight, optimizer, params, [[np.asfortranarray(g) for g in step] for step in gradients])
    assert_close(plain(params), expected)
    np.testing.assert_array_equal(storages[0][:, ::2].T, plain(params)[0])
    assert not storages[0][:, 1::2].any()


def test_parameters_without_gradient_stay_and_get_no_state():
    arrays, gradients = random_run(2, [(2,), (3,)], "f4", steps=2)
    gradients = [[None, second] for _, second in gradients]
    expected, got = (after_steps(library, "Adam", {}, arrays, gradients) for library in LIBRARIES)
    assert_close(list(got), list(expected))
    np.testing.assert_array_equal(got[0][0], arrays[0])


@pytest.mark.parametrize(("name", "options"), [("Adam", {"lr": 0.1, "amsgrad": True}), ("SGD", {"momentum": 0.9})])
def test_learning_rate_as_tensor(name, options):
    arrays, gradients = random_run(3, [(2, 2)], "f8")
    for library in LIBRARIES:
        as_tensor = after_steps(
            library, name, {**options, "lr": library.tensor(0.25, dtype=library.float64)}, arrays, gradients
        )
        as_number = after_steps(library, name, {**options, "lr": 0.25}, arrays, gradients)
        assert_close(as_tensor[0], as_number[0])


def test_groups_have_their_own_options():
    arrays, gradients = random_run(4, [(2,), (3,), (1,)], "f8")

    def run(library):
        params = made(library, arrays)
        optimizer = library.optim.SGD(
            [{"params": params[:1]}, {"params": params[1], "lr": 0.5, "momentum": 0.2}], lr=0.1, momentum=0.9
        )
        optimizer.add_param_group({"params": params[2], "weight_decay": 0.3})
        take_steps(library, optimizer, params, gradients)
        return plain(params), repr(optimizer), plain(optimizer.state_dict())

    expected, got = run(torch), run(rushlight)
    assert_close(list(got), list(expected))


def test_a_step_counts_as_an_in_place_change():
    weight = rushlight.tensor([1.0, 2.0], requires_grad=True)
    optimizer = rushlight.optim.SGD([weight], lr=0.1)
    loss = (weight * weight).sum()
    loss.backward(retain_graph=True)
    optimizer.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_closure_runs_with_gradients_and_its_loss_is_returned():
    weight = rushlight.tensor([1.0], requires_grad=True)
    optimizer = rushlight.optim.SGD([weight], lr=0.25)

    def closure():
        optimizer.zero_grad()
        loss = (weight * weight).sum()
        loss.backward()
        return loss

    with rushlight.no_grad():
        assert optimizer.step(closure).item() == 1.0
    assert weight.tolist() == [0.5]


BAD_OPTIONS = [
    *((name, {"lr": -1.0}) for name in ("SGD", "Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "Rprop", "ASGD")),
    *((name, {"weight_decay": -1.0}) for name in ("SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam")),
    *((name, {"eps": -1.0}) for name in ("Adam", "RMSprop", "Adagrad", "Adadelta", "Adamax", "NAdam", "RAdam")),
    *((name, {"betas": (1.0, 0.9)}) for name in ("Adam", "AdamW", "Adamax", "NAdam", "RAdam")),
    *((name, {"betas": (0.9, -0.1)}) for name in ("Adam", "Adamax")),
    ("Adam", {"betas": (0.9, 0)}),
    ("SGD", {"momentum": -0.1}),
    ("SGD", {"nesterov": True}),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}),
    ("RMSprop", {"alpha": -1.0}),
    ("RMSprop", {"momentum": -1.0}),
    ("Adagrad", {"lr_decay": -1.0}),
    ("Adagrad", {"initial_accumulator_value": -1.0}),
    ("Adadelta", {"rho": 1.5}),
    ("NAdam", {"momentum_decay": -1.0}),
    ("Rprop", {"etas": (1.5, 1.2)}),
    ("SGD", {"fused": True, "foreach": True}),
    ("Adam", {"fused": True, "differentiable": True}),
    ("LBFGS", {"lr": -1.0}),
    *(("Adafactor", options) for options in ({"lr": -1.0}, {"beta2_decay": 1.0}, {"eps": (None, -1.0)}, {"d": 0.5})),
    *(("Muon", options) for options in ({"lr": -1.0}, {"momentum": -1.0}, {"adjust_lr_fn": "other"}, {})),
]


def error_of(function):
    with pytest.raises(Exception) as caught:
        function()
    return caught.type.__name__, str(caught.value)


def assert_same_error(function):
    (expected_type, expected), (got_type, got) = (error_of(lambda lib=lib: function(lib)) for lib in LIBRARIES)
    assert got_type == expected_type
    assert got.replace("rushlight", "torch").startswith(expected.rstrip(".")[:60])


@pytest.mark.parametrize(("name", "options"), BAD_OPTIONS, ids=str)
def test_bad_options_raise_as_in_pytorch(name, options):
    assert_same_error(lambda library: getattr(library.optim, name)([library.zeros(1, requires_grad=True)], **options))


def leaf(library):
    return library.zeros(1, requires_grad=True)


BAD_PARAMETERS = {
    "tensor": leaf,
    "empty": lambda library: [],
    "number": lambda library: [1],
    "set": lambda library: [{"params": {leaf(library)}}],
    "non-leaf": lambda library: [leaf(library) * 2],
    "twice": lambda library: [{"params": [(tensor := leaf(library))]}, {"params": [tensor]}],
    "some names": lambda library: [("a", leaf(library)), leaf(library)],
    "named group": lambda library: [{"params": [("a", leaf(library))]}, {"params": [leaf(library)]}],
    "no dict": lambda library: [{"params": [leaf(library)]}, 3],
}


@pytest.mark.parametrize("params", BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters_raise_as_in_pytorch(params):
    assert_same_error(lambda library: library.optim.SGD(params(library), lr=0.1))


def test_duplicate_parameters_warn():
    weight = leaf(rushlight)
    with pytest.warns(UserWarning, match="duplicate parameters"):
        rushlight.optim.SGD([weight, weight])


def test_what_only_accelerators_have_raises():
    weight = leaf(rushlight)
    weight.grad = rushlight.ones(1)
    with pytest.raises(AssertionError, match="If capturable=True, params and state_steps must be on supported devices"):
        rushlight.optim.Adam([weight], capturable=True).step()
    with pytest.raises(NotImplementedError, match="differentiable=True"):
        rushlight.optim.Adam([weight], differentiable=True)


def rosenbrock(x):
    """The value of Rosenbrock's function and its gradient."""
    a, b = x[1] - x[0] ** 2, 1 - x[0]
    return 100 * a**2 + b**2, np.array([-400 * a * x[0] - 2 * b, 200 * a], x.dtype)


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_lbfgs_finds_the_minimum_as_pytorch_does(search, dtype):
    def run(library):
        x = library.tensor(np.array([-1.2, 1.0], dtype), requires_grad=True)
        lr = 1 if search else 1e-3
        optimizer = library.optim.LBFGS([x], lr=lr, max_iter=6, history_size=3, line_search_fn=search)
        losses = []

        def closure():
            loss, gradient = rosenbrock(x.detach().numpy())
            x.grad = library.tensor(gradient)
            losses.append(float(loss))
            return library.tensor(loss)

        for _ in range(4):
            optimizer.step(closure)
        state = optimizer.state_dict()["state"][0]
        return plain(x), np.array(losses), [state[name] for name in ("func_evals", "n_iter")], list(state)

    expected, got = run(torch), run(rushlight)
    if dtype == "f4":  # a line search multiplies rounding errors
        np.testing.assert_allclose(got[0], expected[0], rtol=5e-2)
        return
    np.testing.assert_allclose(got[0], expected[0], rtol=1e-8)
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-7, atol=1e-20)
    assert got[2] == expected[2]
    assert got[3] == expected[3]


def test_lbfgs_takes_one_group_and_known_searches():
    assert_same_error(lambda lib: lib.optim.LBFGS([{"params": [leaf(lib)]}, {"params": [leaf(lib)]}]))
    with pytest.raises(RuntimeError, match="only 'strong_wolfe' is supported"):
        rushlight.optim.LBFGS([leaf(rushlight)], line_search_fn="other").step(lambda: rushlight.ones(()))
