"""`torch.autograd.functional`: every function and option on functions of every form, as PyTorch has it."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

import rushlight

from .both import assert_equal, fails

POINTS = {
    "vector": lambda lib: lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64),
    "matrix": lambda lib: lib.tensor([[0.5, -1.0], [2.0, 0.25]], dtype=lib.float64),
    "scalar": lambda lib: lib.tensor(0.75, dtype=lib.float64),
    "two": lambda lib: (lib.tensor([0.5, -1.0], dtype=lib.float64), lib.tensor([1.5, 0.25], dtype=lib.float64)),
    "tuple_of_one": lambda lib: (lib.tensor([0.5, -1.0], dtype=lib.float64),),
    "leaf": lambda lib: lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True),
    "computed": lambda lib: lib.tensor([0.5, -1.0, 2.0], dtype=lib.float64, requires_grad=True) * 2,
    "complex": lambda lib: lib.tensor([0.5 + 1j, -1.0 - 0.25j], dtype=lib.complex128),
    "integer": lambda lib: lib.tensor([1, 2]),
    "list": lambda lib: [lib.ones(2)],
    "number": lambda lib: 1.0,
    "tuple_with_number": lambda lib: (lib.ones(2), 1.0),
    "empty": lambda lib: lib.ones(0, dtype=lib.float64),
}

FUNCTIONS = {
    "square": lambda lib, *x: x[0] ** 2,
    "exp_sum": lambda lib, *x: x[0].exp().sum(),
    "cube_sum": lambda lib, *x: (x[0] ** 3).sum(),
    "all": lambda lib, *x: sum(((1 + k) * v.sin() * v).sum() for k, v in enumerate(x)),
    "product": lambda lib, *x: x[0] * x[-1] * x[-1],
    "product_sum": lambda lib, *x: (x[0] * x[-1] * x[-1]).sum(),
    "one_element": lambda lib, *x: (x[0] ** 3).sum().reshape(1, 1),
    "linear": lambda lib, *x: 2 * x[0],
    "linear_sum": lambda lib, *x: 2 * x[0].sum(),
    "quadratic_sum": lambda lib, *x: (x[0] * x[0]).sum(),
    "two_outputs": lambda lib, *x: (x[0] * x[-1], x[0].sum() ** 2),
    "a_tuple_of_one": lambda lib, *x: ((x[0] ** 3).sum(),),
    "constant": lambda lib, *x: lib.ones(2, dtype=lib.float64),
    "constant_number": lambda lib, *x: lib.ones((), dtype=lib.float64),
    "one_constant": lambda lib, *x: (x[0] ** 2, lib.ones(2, dtype=lib.float64)),
    "detached": lambda lib, *x: x[0].detach() ** 2,
    "no_grad_part": lambda lib, *x: (x[0] * x[-1].detach()).sum(),
    "first_only": lambda lib, *x: (x[0] ** 3).sum() + 0 * x[0].sum(),
    "last_only": lambda lib, *x: (x[-1] ** 3).sum(),
    "list": lambda lib, *x: [x[0]],
    "number": lambda lib, *x: 2.0,
    "nothing": lambda lib, *x: None,
    "tuple_with_number": lambda lib, *x: (x[0], 2.0),
    "no_output": lambda lib, *x: (),
    "in_place": lambda lib, *x: x[0].clone().mul_(x[0]).exp_(),
    "itself": lambda lib, *x: x[0],
    "real_of_complex": lambda lib, *x: (x[0] * x[0].conj()).real.sum() if lib.is_complex(x[0]) else x[0].sum(),
}

OPTIONS = [
    {"create_graph": create_graph, "strict": strict} for create_graph in (False, True) for strict in (False, True)
]


def outcome(library, name, function, point, options, vector=None):
    """What a function of `functional` gives, and the gradient of its result at the point where it has a graph."""
    point = POINTS[point](library)
    given = (point,) if vector is None else (point, vector(library, point))
    found = fails(
        lambda: getattr(library.autograd.functional, name)(
            lambda *x: FUNCTIONS[function](library, *x), *given, **options
        )
    )
    if isinstance(found, Exception):
        return found
    return [shown(found), gradient(library, found, point)]


def shown(value):
    """Values and flags, without the names of nodes: rules of derivatives may be written in several ways."""
    if isinstance(value, (tuple, list)):
        return {type(value).__name__: [shown(part) for part in value]}
    return {"dtype": str(value.dtype), "requires_grad": value.requires_grad, "is_leaf": value.is_leaf} | {
        "values": values(value)
    }


def values(tensor):
    """A copy of the values, also of PyTorch's lazily conjugated tensors and of its zeros without memory."""
    if isinstance(tensor, torch.Tensor):
        tensor = torch.zeros(tensor.shape, dtype=tensor.dtype) if tensor._is_zerotensor() else tensor.resolve_conj()
    return np.array(tensor.detach().numpy())


def tensors(value):
    return [item for part in value for item in tensors(part)] if isinstance(value, (tuple, list)) else [value]


def gradient(library, found, point):
    leaves = [x for x in tensors(point) if x.requires_grad]
    recorded = [x for x in tensors(found) if x.requires_grad]
    if not leaves or not recorded:
        return None
    weighted = sum((x * library.arange(1, x.numel() + 1, dtype=x.dtype).reshape(x.shape)).sum() for x in recorded)
    return [x if x is None else values(x) for x in library.autograd.grad(weighted, leaves, allow_unused=True)]


def assert_same_outcome(*arguments):
    expected, got = outcome(torch, *arguments), outcome(rushlight, *arguments)
    if "INTERNAL ASSERT" in str(expected):
        return
    if isinstance(expected, Exception):
        assert type(got).__name__ == type(expected).__name__, f"{got!r} instead of {expected!r}"
        assert first_words(expected) in str(got).replace("rushlight", "torch"), f"{got!r} instead of {expected!r}"
    else:
        assert_equal(got, expected, str(arguments))


def first_words(error):
    """The first sentence of PyTorch's message, up to what is a matter of style."""
    return re.split(r"[.:,] |is ?only|'numpy", str(error).split("given to None ")[-1].split(" but the given")[0])[
        0
    ].rstrip(".")


def ones_like(library, point):
    made = [x * 0 + (k + 2) for k, x in enumerate(tensors(point))]
    return tuple(made) if isinstance(point, tuple) else made[0]


def recorded(library, point):
    return library.tensor([1.0, 10.0, 100.0], dtype=library.float64, requires_grad=True)


VECTORS = {
    "none": None,
    "like_the_inputs": ones_like,
    "too_long": lambda lib, point: (lib.ones(2),) * 3,
    "other_shape": lambda lib, point: lib.ones(5, dtype=lib.float64),
    "scalar": lambda lib, point: lib.tensor(2.0, dtype=lib.float64),
    "list": lambda lib, point: [1.0],
    "requiring_grad": recorded,
}


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(k for k in o if o[k]) or "plain")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", ["vjp", "jvp", "vhp", "hvp"])
def test_products(name, point, options):
    for function in FUNCTIONS:
        for vector in VECTORS.values():
            assert_same_outcome(name, function, point, options, vector)


@pytest.mark.parametrize("options", OPTIONS, ids=lambda o: "-".join(k for k in o if o[k]) or "plain")
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", ["jacobian", "hessian"])
def test_matrices(name, point, options):
    for function in FUNCTIONS:
        assert_same_outcome(name, function, point, options)


@pytest.mark.parametrize("name", ["jacobian", "hessian"])
def test_refused_strategies(name):
    named = "strategy" if name == "jacobian" else "outer_jacobian_strategy"
    for options in (
        {named: "sideways"},
        {named: "forward-mode"},
        {named: "forward-mode", "create_graph": True},
        {named: "forward-mode", "create_graph": True, "vectorize": True},
        {named: "forward-mode", "strict": True},
        {named: "forward-mode", "strict": True, "vectorize": True},
        {"vectorize": True, "strict": True},
    ):
        assert_same_outcome(name, "cube_sum", "vector", options)


HAS_ZERO_TIMES_THE_INPUT = [
    ("linear", "jacobian", "forward-mode"),
    ("linear_sum", "jacobian", "forward-mode"),
    ("no_grad_part", "jacobian", "forward-mode"),
    ("quadratic_sum", "hessian", "forward-mode"),
]
"""Where what PyTorch gives requires grad although it is constant."""


@pytest.mark.parametrize("vectorize", [True, False], ids=["vectorized", "looped"])
@pytest.mark.parametrize("strategy", ["forward-mode", "reverse-mode"])
@pytest.mark.parametrize("create_graph", [False, True], ids=["plain", "create_graph"])
@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("name", ["jacobian", "hessian"])
def test_strategies(name, point, create_graph, strategy, vectorize):
    named = "strategy" if name == "jacobian" else "outer_jacobian_strategy"
    if point == "empty":
        pytest.skip("PyTorch's vmap takes no batch of length 0")
    for function in FUNCTIONS:
        if (function, name, strategy) in HAS_ZERO_TIMES_THE_INPUT:
            continue
        options = {named: strategy, "create_graph": create_graph, "vectorize": vectorize}
        assert_same_outcome(name, function, point, options)
