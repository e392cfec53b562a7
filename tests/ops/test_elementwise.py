"""Elementwise operations next to PyTorch: node names, types, integer rules, operators, ties and poles, error words."""

from __future__ import annotations

import operator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import rushlight

SIDES = (torch, rushlight)


def made(lib, data, grad=False):
    """The same tensor in one of the libraries."""
    tensor = lib.from_numpy(np.array(data))
    return tensor.requires_grad_(True) if grad else tensor


def outcome(lib, function, *data):
    """What a function gives: values and type, or the class and the words of its error."""
    try:
        result = function(lib, *(made(lib, d) for d in data))
    except Exception as error:
        return type(error).__name__, str(error)
    return (str(result.dtype), np.asarray(result.tolist())) if hasattr(result, "dtype") else ("", np.asarray(result))


A, B = np.array([0.3, 0.7, 0.5], "float32"), np.array([0.2, 0.4, 0.9], "float32")
INTEGERS, DIVISORS = np.array([-7, -4, 0, 5, 9]), np.array([2, -3, 5, -2, 4])

NODES = {
    "add": lambda m, x, y: x + y,
    "add of a number": lambda m, x, y: x + 1,
    "add, alpha": lambda m, x, y: m.add(x, y, alpha=2),
    "sub": lambda m, x, y: x - y,
    "number - x": lambda m, x, y: 1 - x,
    "rsub": lambda m, x, y: m.rsub(x, y),
    "mul": lambda m, x, y: x * y,
    "div": lambda m, x, y: x / y,
    "number / x": lambda m, x, y: 1 / x,
    "rounded div": lambda m, x, y: m.div(x, y, rounding_mode="floor"),
    "floor division": lambda m, x, y: x // y,
    "remainder": lambda m, x, y: x % y,
    "remainder by a number": lambda m, x, y: x % 2,
    "fmod": lambda m, x, y: m.fmod(x, y),
    "neg": lambda m, x, y: -x,
    "abs": lambda m, x, y: abs(x),
    "x**2": lambda m, x, y: x**2,
    "x**y": lambda m, x, y: x**y,
    "2**x": lambda m, x, y: 2**x,
    "square": lambda m, x, y: x.square(),
    "rsqrt": lambda m, x, y: x.rsqrt(),
    "log1p": lambda m, x, y: x.log1p(),
    "exp2": lambda m, x, y: x.exp2(),
    "xlogy": lambda m, x, y: m.xlogy(x, y),
    "xlogy of a number": lambda m, x, y: m.xlogy(2, x),
    "atan2": lambda m, x, y: m.atan2(x, y),
    "round": lambda m, x, y: x.round(),
    "round to decimals": lambda m, x, y: x.round(decimals=1),
    "clamp": lambda m, x, y: x.clamp(0, 1),
    "clamp to tensors": lambda m, x, y: x.clamp(y, None),
    "clamp_min": lambda m, x, y: x.clamp_min(0),
    "clamp_max to tensor": lambda m, x, y: x.clamp_max(y),
    "maximum": lambda m, x, y: m.maximum(x, y),
    "where": lambda m, x, y: m.where(x > 0.4, x, 0.0),
    "lerp": lambda m, x, y: m.lerp(x, y, 0.5),
    "lerp by a tensor": lambda m, x, y: m.lerp(x, y, y),
    "addcmul": lambda m, x, y: m.addcmul(x, y, y),
    "copysign of a number": lambda m, x, y: m.copysign(x, -1.0),
    "frexp": lambda m, x, y: m.frexp(x).mantissa,
    "digamma": lambda m, x, y: x.digamma(),
    "i0e": lambda m, x, y: m.special.i0e(x),
    "zeta": lambda m, x, y: m.special.zeta(2, x),
    "sigmoid": lambda m, x, y: x.sigmoid(),
    "relu": lambda m, x, y: x.relu(),
    "gelu": lambda m, x, y: m.nn.functional.gelu(x),
    "selu": lambda m, x, y: m.nn.functional.selu(x),
    "relu6": lambda m, x, y: m.nn.functional.relu6(x),
    "softsign": lambda m, x, y: m.nn.functional.softsign(x),
    "complex": lambda m, x, y: m.complex(x, y),
    "real": lambda m, x, y: m.complex(x, y).real,
    "in place": lambda m, x, y: x.clone().mul_(2),
}


@pytest.mark.parametrize("name", NODES)
def test_the_node_is_named_as_in_pytorch(name):
    theirs, ours = (type(NODES[name](lib, made(lib, A, True), made(lib, B, True)).grad_fn).__name__ for lib in SIDES)
    assert ours == theirs


TYPED = {
    "int + int": (lambda m, x, y: x + y, INTEGERS, DIVISORS),
    "int / int": (lambda m, x, y: x / y, INTEGERS, DIVISORS),
    "int // int": (lambda m, x, y: x // y, INTEGERS, DIVISORS),
    "int % int": (lambda m, x, y: x % y, INTEGERS, DIVISORS),
    "fmod of ints": (lambda m, x, y: m.fmod(x, y), INTEGERS, DIVISORS),
    "truncated": (lambda m, x, y: m.div(x, y, rounding_mode="trunc"), INTEGERS, DIVISORS),
    "int * float": (lambda m, x: x * 0.5, INTEGERS),
    "int ** int": (lambda m, x: x**2, INTEGERS),
    "int ** negative ints": (lambda m, x: x ** m.tensor(-1), INTEGERS),
    "number ** negative ints": (lambda m, x: 2**x, INTEGERS),
    "int ** float": (lambda m, x: x**0.5, np.array([1, 4, 9])),
    "0-dim meets 1-dim": (lambda m, x, y: x * y, A, np.array(2.0)),
    "float32 + float64": (lambda m, x, y: x + y, A, np.array([1.0, 2.0, 3.0])),
    "bool + bool": (lambda m, x: x + x, np.array([True, False])),
    "bool * int": (lambda m, x: x * 3, np.array([True, False])),
    "bool squared": (lambda m, x: x.square(), np.array([True, False])),
    "uint8 wraps": (lambda m, x: x * 200, np.array([2, 3], "uint8")),
    "float + complex": (lambda m, x: x + 1j, A),
    "sin of ints": (lambda m, x: x.sin(), INTEGERS),
    "int clamped to floats": (lambda m, x: x.clamp(-1.5, 2.5), INTEGERS),
    "where of numbers": (lambda m, x: m.where(x > 0, 1, 2.5), INTEGERS),
    "float_power": (lambda m, x: x.float_power(2), A),
    "half": (lambda m, x: x.half().exp(), A),
    "shift by too much": (lambda m, x: x << 70, INTEGERS),
    "shift right": (lambda m, x: x >> 1, INTEGERS),
    "bits": (lambda m, x, y: (x & y) ^ (x | 3), INTEGERS, DIVISORS),
    "rbits": (lambda m, x: 6 & x, INTEGERS),
    "invert": (lambda m, x: ~x, INTEGERS),
    "compare with a number": (lambda m, x: x >= 0.5, INTEGERS),
    "compare with None": (lambda m, x: x == None, INTEGERS),  # noqa: E711
    "compare with a string": (lambda m, x: x != "a", INTEGERS),
    "numpy number on the left": (lambda m, x: np.float64(2) * x, A),
    "empty": (lambda m, x: (x * 2).exp(), np.zeros((0, 3))),
    "transposed": (lambda m, x: x.t() + 1, np.arange(6.0).reshape(2, 3)),
    "heaviside": (lambda m, x: m.heaviside(x, m.tensor(0.5, dtype=x.dtype)), A - A[0]),
    "erf at the ends": (lambda m, x: x.erf(), np.array([-np.inf, -30.0, 0.0, 30.0, np.inf, np.nan])),
    "lgamma at poles": (lambda m, x: x.lgamma(), np.array([0.0, -1.0, -2.0, 1.0, 2.0, np.inf])),
    "digamma at poles": (lambda m, x: x.digamma(), np.array([0.0, -0.0, -1.0, 1.0, np.inf])),
    "logit at ends": (lambda m, x: x.logit(), np.array([0.0, 1.0, 0.5, 2.0])),
    "sign of nan": (lambda m, x: x.sign(), np.array([np.nan, -0.0, 2.0])),
    "nan_to_num": (lambda m, x: x.nan_to_num(nan=1.0), np.array([np.nan, np.inf, -np.inf])),
    "round halves": (lambda m, x: x.round(), np.array([0.5, 1.5, 2.5, -0.5])),
}


@pytest.mark.parametrize("name", TYPED)
def test_values_and_types_are_those_of_pytorch(name):
    function, *data = TYPED[name]
    (their_type, expected), (our_type, got) = (outcome(lib, function, *data) for lib in SIDES)
    assert our_type == their_type
    np.testing.assert_allclose(got, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [3, 1000])
@pytest.mark.parametrize("name", ["erf", "erfc", "lgamma", "digamma", "i0", "sigmoid", "tanh", "log1p"])
def test_few_and_many_elements_agree(name, size):
    data = np.linspace(0.1, 6, size)
    theirs, ours = (getattr(made(lib, data), name)().numpy() for lib in SIDES)
    np.testing.assert_allclose(ours, theirs, rtol=1e-12)


GRADIENTS = {
    "tie": (lambda m, x: m.maximum(x, m.ones(3)), [1.0, 2.0, 0.5]),
    "zero to the zero": (lambda m, x: x**0, [0.0, 1.0, 2.0]),
    "zero base": (lambda m, x: 0.0**x, [0.0, 1.0, 2.0]),
    "root at zero": (lambda m, x: x.sqrt(), [0.0, 1.0, 4.0]),
    "relu at zero": (lambda m, x: x.relu(), [0.0, -1.0, 1.0]),
    "clamp at the bounds": (lambda m, x: x.clamp(0, 1), [0.0, 1.0, 2.0]),
    "abs at zero": (lambda m, x: x.abs(), [0.0, -1.0, 1.0]),
    "hardtanh at the bounds": (lambda m, x: m.nn.functional.hardtanh(x), [-1.0, 0.0, 1.0]),
    "sinc at zero": (lambda m, x: x.sinc(), [0.0, 0.5, 1.0]),
    "where of infinity": (lambda m, x: m.where(x > 0, x, x * 0).log(), [1.0, 2.0, 3.0]),
    "elu far out": (lambda m, x: m.nn.functional.elu(x), [1000.0, -1000.0, 0.0]),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_at_corners(name):
    function, data = GRADIENTS[name]
    found = []
    for lib in SIDES:
        x = made(lib, data, True)
        function(lib, x).sum().backward()
        found.append(x.grad.numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-6)


ERRORS = {
    "integer division by zero": (lambda m, x: x // 0, INTEGERS, "ZeroDivisionError"),
    "integer remainder by zero": (lambda m, x: x % 0, INTEGERS, "ZeroDivisionError"),
    "negative integer power": (lambda m, x: x**-1, INTEGERS, "negative integer powers"),
    "bool - bool": (lambda m, x: (x > 0) - (x > 0), INTEGERS, "two bool tensors is not supported"),
    "1 - bool": (lambda m, x: 1 - (x > 0), INTEGERS, "with a bool tensor is not supported"),
    "-bool": (lambda m, x: -(x > 0), INTEGERS, "on a bool tensor is not supported"),
    "~float": (lambda m, x: ~x, A, "only implemented on integer and Boolean"),
    "float & float": (lambda m, x: x & x, A, "not implemented for 'Float'"),
    "shapes": (lambda m, x: x + m.ones(4), A, "must match the size of tensor b (4) at non-singleton dimension 0"),
    "None": (lambda m, x: x + None, A, "unsupported operand type(s) for +"),
    "order with None": (lambda m, x: x < None, A, "'<' not supported"),
    "rounding mode": (lambda m, x: m.div(x, 2, rounding_mode="up"), A, "rounding_mode to be one of"),
    "no bounds": (lambda m, x: x.clamp(), A, "At least one of 'min' or 'max' must not be None"),
    "float alpha": (lambda m, x: m.add(x, x, alpha=0.5), INTEGERS, "must not be a floating point number"),
    "maximum of a number": (lambda m, x: m.maximum(x, 2.0), A, "must be Tensor, not float"),
    "first a number": (lambda m, x: m.eq(2, x), A, "invalid combination of arguments"),
    "sign of complex": (lambda m, x: (x + 1j).sign(), A, "torch.sgn"),
    "gelu": (
        lambda m, x: m.nn.functional.gelu(x, approximate="x"),
        A,
        "approximate argument must be either none or tanh",
    ),
    "prelu": (lambda m, x: m.nn.functional.prelu(x.view(1, 3), m.ones(2)), A, "Mismatch of parameter numbers"),
    "glu": (lambda m, x: m.nn.functional.glu(x), A, "Halving dimension must be even"),
    "condition": (lambda m, x: m.where(x, x, x), A, "expected condition to be a boolean tensor"),
    "in-place type": (lambda m, x: x.mul_(0.5), INTEGERS, "can't be cast to the desired output type Long"),
    "in-place shape": (lambda m, x: x.add_(m.ones(2, 3)), A, "doesn't match the broadcast shape"),
    "view_as_complex": (lambda m, x: m.view_as_complex(x), A, "last dimension of size 2"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_have_pytorchs_class_and_words(name):
    function, data, words = ERRORS[name]
    (their_class, theirs), (our_class, ours) = (outcome(lib, function, data) for lib in SIDES)
    assert our_class == their_class
    assert words in theirs and words in ours


def test_an_unknown_operand_gets_its_own_method():
    class Quantity:
        def __radd__(self, other):
            return "added"

        def __rpow__(self, other):
            return "raised"

    x = rushlight.ones(2)
    assert x + Quantity() == "added" and x ** Quantity() == "raised"


@pytest.mark.parametrize("name", ["iadd", "isub", "imul", "itruediv", "ipow", "imod", "ifloordiv"])
def test_augmented_assignment_is_in_place(name):
    x = rushlight.tensor([4.0, 6.0])
    kept = x
    assert getattr(operator, name)(x, 2.0) is kept
    expected = getattr(operator, name)(torch.tensor([4.0, 6.0]), 2.0)
    assert kept.tolist() == expected.tolist()


def test_parts_of_complex_numbers_are_views():
    for lib in SIDES:
        z = lib.complex(lib.tensor([1.0, 2.0]), lib.tensor([3.0, 4.0]))
        z.real[0] = 10.0
        lib.view_as_real(z)[1, 1] = 20.0
        assert z.tolist() == [10 + 3j, 2 + 20j]


@given(st.lists(st.floats(-20, 20, width=32), min_size=1, max_size=5))
def test_sigmoid_of_x_and_of_minus_x_add_up_to_one(values):
    x = rushlight.tensor(values)
    np.testing.assert_allclose((x.sigmoid() + (-x).sigmoid()).numpy(), 1, rtol=1e-6)


@given(st.integers(-50, 50), st.integers(-7, 7).filter(bool))
def test_quotient_and_remainder_make_up_the_dividend(a, b):
    x, y = rushlight.tensor(a), rushlight.tensor(b)
    assert ((x // y) * y + x % y).item() == a and (x % y).item() == a % b
