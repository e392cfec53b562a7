"""Module's mechanics: members, walking over them, state, hooks, conversions, printing, copying; each as PyTorch's."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

import rushlight

from .both import assert_same


def net(t):
    """A module with a parameter, two buffers, a shared submodule and a nested one."""

    class Net(t.nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = t.nn.Parameter(t.ones(2))
            self.register_parameter("nothing", None)
            self.register_buffer("steps", t.zeros(1))
            self.register_buffer("hidden", t.ones(1), persistent=False)
            self.first = t.nn.Linear(3, 2)
            self.again = self.first
            self.body = t.nn.Sequential(t.nn.Linear(2, 2, bias=False), t.nn.BatchNorm1d(2))

        def forward(self, x):
            return self.body(self.first(x)) * self.scale

    t.manual_seed(0)
    return Net()


def names(pairs):
    return [name for name, _ in pairs]


def bare(t):
    """A module whose __init__ does not call Module's."""

    class Bare(t.nn.Module):
        def __init__(self):
            pass

    return Bare()


def module_with(t, **attributes):
    module = t.nn.Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


MEMBERS = {
    "named_parameters": lambda t: names(net(t).named_parameters()),
    "named_parameters prefix": lambda t: names(net(t).named_parameters(prefix="p")),
    "named_parameters own": lambda t: names(net(t).named_parameters(recurse=False)),
    "named_parameters duplicates": lambda t: names(net(t).named_parameters(remove_duplicate=False)),
    "parameters": lambda t: [p.shape for p in net(t).parameters()],
    "named_buffers": lambda t: names(net(t).named_buffers()),
    "named_buffers own": lambda t: names(net(t).named_buffers("b", recurse=False)),
    "buffers": lambda t: [b.shape for b in net(t).buffers()],
    "named_children": lambda t: names(net(t).named_children()),
    "named_modules": lambda t: names(net(t).named_modules()),
    "named_modules prefix": lambda t: names(net(t).named_modules(prefix="m", remove_duplicate=False)),
    "modules": lambda t: [type(m).__name__ for m in net(t).modules()],
    "children": lambda t: [type(m).__name__ for m in net(t).children()],
    "get_parameter": lambda t: net(t).get_parameter("body.0.weight"),
    "get_submodule": lambda t: net(t).get_submodule("body.1"),
    "get_submodule self": lambda t: net(t).get_submodule(""),
    "get_buffer": lambda t: net(t).get_buffer("body.1.running_var"),
    "set_submodule": lambda t: (lambda m: (m.set_submodule("body.0", t.nn.ReLU()), m)[1])(net(t)),
    "state_dict": lambda t: net(t).state_dict(),
    "state_dict prefix": lambda t: list(net(t).state_dict(prefix="model.")),
    "state_dict positional": lambda t: list(net(t).state_dict({}, "model.")),
    "state_dict keep_vars": lambda t: [v.requires_grad for v in net(t).state_dict(keep_vars=True).values()],
    "state_dict detached": lambda t: [v.requires_grad for v in net(t).state_dict().values()],
    "metadata": lambda t: dict(net(t).state_dict()._metadata),
    "repr": lambda t: repr(net(t)),
    "repr empty": lambda t: repr(t.nn.Module()),
    "dir": lambda t: [n for n in ("scale", "first", "steps", "forward", "training") if n in dir(net(t))],
    "dir digits": lambda t: "0" in dir(t.nn.Sequential(t.nn.ReLU())),
    "train": lambda t: [m.training for m in net(t).eval().modules()],
    "requires_grad_": lambda t: [p.requires_grad for p in net(t).requires_grad_(False).parameters()],
    "apply order": lambda t: (lambda seen: (net(t).apply(lambda m: seen.append(type(m).__name__)), seen)[1])([]),
    "double": lambda t: [str(v.dtype) for v in net(t).double().state_dict().values()],
    "half": lambda t: [str(v.dtype) for v in net(t).half().state_dict().values()],
    "float": lambda t: [str(v.dtype) for v in net(t).double().float().state_dict().values()],
    "type": lambda t: [str(v.dtype) for v in t.nn.Linear(1, 1).type(t.float64).state_dict().values()],
    "to dtype": lambda t: [str(v.dtype) for v in net(t).to(t.float64).state_dict().values()],
    "to keywords": lambda t: [str(v.dtype) for v in net(t).to(device="cpu", dtype=t.float16).state_dict().values()],
    "to tensor": lambda t: [str(v.dtype) for v in net(t).to(t.zeros(1, dtype=t.float64)).state_dict().values()],
    "to device": lambda t: [str(v.device) for v in net(t).to("cpu").cpu().state_dict().values()],
    "parameter over attribute": lambda t: (
        lambda m: (setattr(m, "x", t.nn.Parameter(t.ones(1))), names(m.named_parameters()))
    )(module_with(t, x=1)),
    "parameter to None": lambda t: (lambda m: (setattr(m, "weight", None), m.weight, list(m.state_dict())))(
        t.nn.Linear(1, 1)
    ),
    "module over parameter None": lambda t: (lambda m: (setattr(m, "first", None), repr(m)))(net(t)),
    "buffer stays buffer": lambda t: (lambda m: (setattr(m, "steps", t.ones(2)), m.state_dict()["steps"]))(net(t)),
    "buffer class": lambda t: list(module_with(t, b=t.nn.Buffer(t.ones(1))).state_dict()),
    "buffer class not persistent": lambda t: (lambda m: (names(m.named_buffers()), list(m.state_dict())))(
        module_with(t, b=t.nn.Buffer(t.ones(1), persistent=False))
    ),
    "buffer isinstance": lambda t: (
        isinstance(t.nn.Buffer(t.ones(1)), t.nn.Buffer),
        isinstance(t.ones(1), t.nn.Buffer),
    ),
    "tensor is no buffer": lambda t: names(module_with(t, b=t.ones(1)).named_buffers()),
    "delete": lambda t: (
        lambda m: (delattr(m, "scale"), delattr(m, "steps"), delattr(m, "body"), list(m.state_dict()))
    )(net(t)),
    "delete and set": lambda t: (
        lambda m: (delattr(m, "hidden"), m.register_buffer("hidden", t.ones(1)), list(m.state_dict()))
    )(net(t)),
    "tied parameters": lambda t: (
        lambda m: (setattr(m.body[0], "weight", m.first.weight), len(list(m.parameters())), list(m.state_dict()))
    )(net(t)),
}


@pytest.mark.parametrize("case", MEMBERS)
def test_members(case):
    assert_same(MEMBERS[case])


def buffer_for(t, name, tensor):
    module = t.nn.Linear(1, 1)
    module.register_buffer(name, tensor)


ERRORS = {
    "no attribute": lambda t: net(t).missing,
    "no attribute call": lambda t: t.nn.Linear(1, 1).weights,
    "no forward name": lambda t: t.nn.Linear(1, 1).register_buffer("weight", t.ones(1)),
    "parameter before init": lambda t: setattr(bare(t), "w", t.nn.Parameter(t.ones(1))),
    "module before init": lambda t: setattr(bare(t), "m", t.nn.Identity()),
    "buffer before init": lambda t: bare(t).register_buffer("b", t.ones(1)),
    "register_parameter before init": lambda t: bare(t).register_parameter("b", None),
    "init keyword": lambda t: t.nn.Module(unknown=1),
    "init argument": lambda t: t.nn.Module(1),
    "tensor as parameter": lambda t: setattr(t.nn.Linear(1, 1), "weight", t.ones(1)),
    "number as parameter": lambda t: setattr(t.nn.Linear(1, 1), "weight", 1.0),
    "number as module": lambda t: setattr(net(t), "first", 3),
    "string as buffer": lambda t: setattr(net(t), "steps", "x"),
    "register tensor": lambda t: t.nn.Module().register_parameter("w", t.ones(1)),
    "register string": lambda t: t.nn.Module().register_parameter("w", "x"),
    "register non-leaf": lambda t: t.nn.Module().register_parameter(
        "w", (lambda p: setattr(p, "_is_param", True) or p)(t.ones(1, requires_grad=True) * 2)
    ),
    "register dot": lambda t: t.nn.Module().register_parameter("a.b", None),
    "register empty": lambda t: t.nn.Module().register_parameter("", None),
    "register number": lambda t: t.nn.Module().register_parameter(1, None),
    "register taken": lambda t: t.nn.Module().register_parameter("forward", None),
    "buffer string": lambda t: buffer_for(t, "b", "x"),
    "buffer dot": lambda t: buffer_for(t, "a.b", None),
    "buffer empty": lambda t: buffer_for(t, "", None),
    "buffer number": lambda t: buffer_for(t, 1, None),
    "module no module": lambda t: t.nn.Module().add_module("a", 1),
    "module tensor": lambda t: t.nn.Module().add_module("a", t.ones(1)),
    "module dot": lambda t: t.nn.Module().add_module("a.b", None),
    "module empty": lambda t: t.nn.Module().add_module("", None),
    "module taken": lambda t: t.nn.Module().add_module("training", None),
    "get_submodule missing": lambda t: net(t).get_submodule("body.7"),
    "get_submodule parameter": lambda t: net(t).get_submodule("scale"),
    "get_parameter missing": lambda t: net(t).get_parameter("body.0.bias2"),
    "get_parameter module": lambda t: net(t).get_parameter("body.0"),
    "get_buffer parameter": lambda t: net(t).get_buffer("scale"),
    "set_submodule empty": lambda t: net(t).set_submodule("", t.nn.ReLU()),
    "set_submodule strict": lambda t: net(t).set_submodule("head", t.nn.ReLU(), strict=True),
    "set_submodule parameter": lambda t: net(t).set_submodule("scale", t.nn.ReLU()),
    "train number": lambda t: net(t).train(1),
    "to integer": lambda t: net(t).to(t.int64),
    "load list": lambda t: net(t).load_state_dict([1]),
    "load missing": lambda t: net(t).load_state_dict({}),
    "load unexpected": lambda t: t.nn.Linear(1, 1).load_state_dict(
        {"weight": t.ones(1, 1), "bias": t.ones(1), "other": t.ones(1), "sub.other": t.ones(1)}
    ),
    "load size": lambda t: t.nn.Linear(2, 3).load_state_dict({"weight": t.ones(2, 2), "bias": t.ones(1)}),
    "load no tensor": lambda t: t.nn.Linear(1, 1).load_state_dict({"weight": 1, "bias": t.ones(1)}),
    "load all kinds": lambda t: t.nn.Sequential(t.nn.Linear(2, 3)).load_state_dict({"0.weight": t.ones(2), "1.x": 1}),
    "delete missing": lambda t: delattr(net(t), "missing"),
}


@pytest.mark.parametrize("case", ERRORS)
def test_errors(case):
    assert_same(ERRORS[case])


def test_module_as_parameter(library):
    with pytest.raises(
        TypeError, match=r"cannot assign '.*Identity' as parameter 'weight' \(torch.nn.Parameter or None"
    ):
        library.nn.Linear(1, 1).weight = library.nn.Identity()


def test_missing_forward():
    with pytest.raises(NotImplementedError, match=r'Module \[Module\] is missing the required "forward" function'):
        rushlight.nn.Module()(1)


def test_load_state_dict_copies(library):
    source, target = net(library), net(library)
    library.nn.init.zeros_(target.scale)
    parameter = target.scale
    result = target.load_state_dict(source.state_dict())
    assert repr(result) == "<All keys matched successfully>" and result.missing_keys == []
    assert target.scale is parameter and target.scale.tolist() == [1.0, 1.0]
    source.scale.data.zero_()
    assert target.scale.tolist() == [1.0, 1.0]


def test_load_state_dict_assign(library):
    target = net(library).requires_grad_(False)
    state = {name: tensor.double() for name, tensor in net(library).state_dict().items()}
    target.load_state_dict(state, assign=True)
    assert {str(p.dtype) for p in target.parameters()} == {"torch.float64"}
    assert isinstance(target.scale, library.nn.Parameter) and not target.scale.requires_grad
    assert target.steps is state["steps"]


def test_load_state_dict_not_strict():
    assert_same(
        lambda t: tuple(t.nn.Linear(1, 2).load_state_dict({"weight": t.ones(2, 1), "more": t.ones(1)}, strict=False))
    )
    assert_same(lambda t: repr(t.nn.Linear(1, 2).load_state_dict({"weight": t.ones(2, 1)}, strict=False)))


def test_load_old_batch_norm():
    def function(t):
        layer = t.nn.BatchNorm1d(2)
        state = layer.state_dict()
        del state["num_batches_tracked"], state._metadata
        return layer.load_state_dict(state)

    assert_same(function)


def test_extra_state():
    def function(t):
        class Counter(t.nn.Module):
            count = 3

            def get_extra_state(self):
                return {"count": self.count}

            def set_extra_state(self, state):
                self.count = state["count"]

        module = t.nn.Sequential(Counter())
        state = module.state_dict()
        state["0._extra_state"] = {"count": 5}
        module.load_state_dict(state)
        errors = []
        for bad in ({}, {"0._extra_state": {"count": 1}, "1._extra_state": 1}):
            try:
                module.load_state_dict(bad)
            except RuntimeError as error:
                errors.append(str(error))
        try:
            t.nn.Linear(1, 1, bias=False).load_state_dict({"weight": t.ones(1, 1), "_extra_state": 1})
        except RuntimeError as error:
            errors.append(str(error))
        return list(state), module[0].count, errors

    assert_same(function)


def test_state_dict_hooks():
    def function(t):
        seen = []
        module = net(t)
        module.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(("pre", prefix, keep)))
        module.first.register_state_dict_post_hook(
            lambda m, state, prefix, meta: seen.append((prefix, meta["version"]))
        )
        module._register_state_dict_hook(lambda m, state, prefix, meta: {"replaced": state["scale"]})
        module.register_load_state_dict_pre_hook(
            lambda m, state, prefix, meta, strict, missing, unexpected, errors: seen.append(
                (type(m).__name__, prefix, strict)
            )
        )
        module.body.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
        handle = module.register_load_state_dict_post_hook(lambda m, keys: seen.append(len(keys.missing_keys)))
        state = module.state_dict()
        result = module.load_state_dict({}, strict=False)
        handle.remove()
        module.load_state_dict({}, strict=False)
        return list(state), tuple(result), seen

    assert_same(function)


def test_state_dict_hook_must_return_none():
    def function(t):
        module = t.nn.Linear(1, 1)
        module.register_state_dict_post_hook(lambda *args: {})
        return module.state_dict()

    assert_same(function)


def test_zero_grad():
    def function(t):
        module = net(t)
        module(t.ones(4, 3)).sum().backward()
        had = [p.grad is not None for p in module.parameters()]
        module.zero_grad(set_to_none=False)
        zeros = [p.grad.abs().sum().item() for p in module.parameters()]
        module.zero_grad()
        return had, zeros, [p.grad for p in module.parameters()]

    assert_same(function)


def test_conversion_keeps_parameters(library):
    module = net(library)
    module(library.ones(4, 3)).sum().backward()
    before = module.scale, module.scale.grad
    module.double()
    assert module.scale is before[0] and module.scale.grad is before[1]
    assert str(module.scale.grad.dtype) == "torch.float64" == str(module.scale.dtype)
    assert module.scale.requires_grad and module.scale.is_leaf


def test_forward_hooks_order():
    def function(t):
        seen = []
        layer = t.nn.Identity()
        handles = [
            layer.register_forward_pre_hook(lambda m, args: seen.append("pre 1")),
            layer.register_forward_pre_hook(lambda m, args: (args[0] + 1,), prepend=True),
            layer.register_forward_pre_hook(lambda m, args, kwargs: ((args[0] * 2,), kwargs), with_kwargs=True),
            layer.register_forward_pre_hook(lambda m, args: args[0] + 10),
            layer.register_forward_hook(lambda m, args, out: seen.append((args, out))),
            layer.register_forward_hook(lambda m, args, kwargs, out: out * 100, with_kwargs=True, prepend=True),
        ]
        results = [layer(1)]
        for handle in handles[::2]:
            handle.remove()
            handle.remove()
        results.append(layer(1))
        return results, seen

    assert_same(function)


def test_global_hooks_come_first():
    def function(t):
        seen = []
        module = t.nn.modules.module
        layer = t.nn.Identity()
        layer.register_forward_pre_hook(lambda m, args: seen.append("own pre"))
        layer.register_forward_hook(lambda m, args, out: seen.append("own"))
        with (
            module.register_module_forward_pre_hook(lambda m, args: seen.append("global pre")),
            module.register_module_forward_hook(lambda m, args, out: seen.append("global")),
            module.register_module_parameter_registration_hook(lambda m, name, value: seen.append(name)),
            module.register_module_module_registration_hook(lambda m, name, value: seen.append(name)),
            module.register_module_buffer_registration_hook(lambda m, name, value: seen.append(name)),
        ):
            layer(1)
            layer.inner = t.nn.BatchNorm1d(2)
        layer(1)
        return seen

    assert_same(function)


def test_always_called_hook():
    def function(t):
        seen = []

        class Fails(t.nn.Module):
            def forward(self, x):
                raise ValueError("no")

        layer = Fails()
        layer.register_forward_hook(lambda m, args, out: seen.append("usual"))
        layer.register_forward_hook(lambda m, args, out: seen.append(("always", out)), always_call=True)
        layer.register_forward_hook(lambda m, args, out: 1 / 0, always_call=True)
        try:
            layer(1)
        except ValueError as error:
            seen.append(str(error))
        return seen

    assert_same(function)


def test_bad_pre_hook():
    def function(t):
        layer = t.nn.Identity()
        layer.register_forward_pre_hook(lambda m, args, kwargs: 1, with_kwargs=True)
        return layer(1)

    assert_same(function)


def backward_hooks(t):
    seen = []
    layer = t.nn.Bilinear(2, 3, 1)
    t.nn.init.ones_(layer.weight)
    layer.register_full_backward_pre_hook(lambda m, grad_output: seen.append([g.clone() for g in grad_output]))
    layer.register_full_backward_pre_hook(lambda m, grad_output: (grad_output[0] * 2,))
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append([*grad_input, *grad_output]))
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] * 10, grad_input[1]))
    a, b = t.ones(4, 2, requires_grad=True), t.ones(4, 3, requires_grad=True)
    layer(a, b).sum().backward()
    return seen, a.grad, b.grad, layer.weight.grad


def backward_hooks_without_input_gradient(t):
    seen = []
    layer = t.nn.Linear(2, 1)
    t.nn.init.ones_(layer.weight)
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    layer(t.ones(4, 2)).sum().backward()
    return seen, layer.weight.grad


def test_backward_hooks():
    assert_same(backward_hooks)


def test_backward_hooks_without_input_gradient():
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        got = backward_hooks_without_input_gradient(rushlight)
    with pytest.warns(UserWarning, match="Full backward hook is firing"):
        expected = backward_hooks_without_input_gradient(torch)
    assert got[0][0][0] == expected[0][0][0] == (None,)
    np.testing.assert_array_equal(got[0][0][1][0].numpy(), expected[0][0][1][0].numpy())
    np.testing.assert_array_equal(got[1].numpy(), expected[1].numpy())


def test_deepcopy(library):
    module = net(library)
    module.register_load_state_dict_pre_hook(lambda m, *rest: None)
    copied = copy.deepcopy(module)
    assert copied.first is copied.again and copied.first is not module.first
    assert copied._load_state_dict_pre_hooks[next(iter(copied._load_state_dict_pre_hooks))].module() is copied
    copied.scale.data.zero_()
    assert module.scale.tolist() == [1.0, 1.0]
    assert list(copied.state_dict()) == list(module.state_dict())


def test_pickle(library):
    library.manual_seed(0)
    module = library.nn.Sequential(library.nn.Linear(2, 3), library.nn.BatchNorm1d(3), library.nn.ReLU())
    loaded = pickle.loads(pickle.dumps(module))
    assert repr(loaded) == repr(module)
    x = library.ones(4, 2)
    assert loaded(x).tolist() == module(x).tolist()


def test_setstate_fills_in_what_old_pickles_lack():
    module = rushlight.nn.Identity()
    state = {name: value for name, value in module.__getstate__().items() if "hooks" not in name}
    revived = rushlight.nn.Identity.__new__(rushlight.nn.Identity)
    revived.__setstate__(state)
    assert revived(3) == 3


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("batchnorm", "_BatchNorm"),
        ("batchnorm", "BatchNorm2d"),
        ("conv", "_ConvNd"),
        ("container", "Sequential"),
        ("rnn", "LSTM"),
        ("dropout", "_DropoutNd"),
        ("loss", "_Loss"),
    ],
)
def test_paths_of_layers(path, name):
    from importlib import import_module

    spelled_out = import_module(f"rushlight.nn.modules.{path}")
    assert getattr(spelled_out, name).__name__ == getattr(getattr(torch.nn.modules, path), name).__name__
    assert rushlight.nn.modules.Linear is rushlight.nn.Linear


def test_call_super_init():
    def function(t):
        class Mixin:
            def __init__(self, value):
                self.value = value

        class Both(t.nn.Module, Mixin):
            call_super_init = True

        return Both(5).value

    assert_same(function)
