"""`gradcheck` and `gradgradcheck` accept and refuse what PyTorch's do."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import rushlight


def scaled(library, forward, backward, constant=False):
    """An operation whose backward is given."""

    class Scaled(library.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return backward(x, g)

    return Scaled.apply


FUNCTIONS = {
    "elementwise": (lambda lib, x, y: x.sin() * y.exp(), True),
    "two_outputs": (lambda lib, x, y: (x * y, x.sum()), True),
    "an_integer_output": (lambda lib, x, y: (x * y, (x > 0).long()), True),
    "matmul": (lambda lib, x, y: x @ y, True),
    "shared": (lambda lib, x, y: x * x * x + y, True),
    "views": (lambda lib, x, y: x.t()[0] * y[1], True),
    "detached_part": (lambda lib, x, y: x * y.detach(), False),
    "constant": (lambda lib, x, y: x.detach() * 0 + 1, True),
    "detached": (lambda lib, x, y: x.detach() * 2, False),
    "kink_off": (lambda lib, x, y: (x - 10).abs() + y, True),
    "wrong": (lambda lib, x, y: scaled(lib, lambda x: x * 2, lambda x, g: g * 2.1)(x), False),
    "right": (lambda lib, x, y: scaled(lib, lambda x: x * x, lambda x, g: g * 2 * x)(x), True),
    "not_multiplied": (lambda lib, x, y: scaled(lib, lambda x: x * 1, lambda x, g: g * 0 + 1)(x), False),
    "complex": (lambda lib, x, y: (x + 1j * y) ** 2, True),
    "empty": (lambda lib, x, y: x[:0] * 2, True),
}


def both(library, requires_grad=(True, True), dtype="float64"):
    x = np.array([[0.5, -1.25], [2.0, 0.75]])
    y = np.array([[1.5, 0.25], [-0.5, 1.0]])
    kind = getattr(library, dtype)
    return tuple(
        library.tensor(value.tolist(), dtype=kind, requires_grad=needs)
        for value, needs in zip((x, y), requires_grad, strict=True)
    )


@pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])
@pytest.mark.parametrize("case", FUNCTIONS)
def test_accepts_and_refuses(case, fast_mode):
    function, right = FUNCTIONS[case]
    for library in (torch, rushlight):
        inputs = both(library)

        def call(x, y, library=library):
            return function(library, x, y)

        options = {"fast_mode": fast_mode}
        assert library.autograd.gradcheck(call, inputs, raise_exception=False, **options) is right, library
        if not right:
            with pytest.raises(RuntimeError):
                library.autograd.gradcheck(call, inputs, **options)


@pytest.mark.parametrize("case", ["elementwise", "two_outputs", "matmul", "shared", "views", "complex"])
def test_second_derivatives(case):
    function, _ = FUNCTIONS[case]
    for library in (torch, rushlight):
        assert library.autograd.gradgradcheck(lambda x, y, lib=library: function(lib, x, y), both(library)), library


def test_wrong_second_derivative():
    for library in (torch, rushlight):
        cube = scaled(library, lambda x: x**3, lambda x, g: g * 3 * (x * x).detach())
        x, _ = both(library)
        assert library.autograd.gradcheck(cube, x)
        with pytest.raises(
            RuntimeError, match="Jacobian mismatch for output 0 with respect to input 0|expected to be zero"
        ):
            library.autograd.gradgradcheck(cube, x)


def test_given_gradients_of_the_outputs():
    x, y = both(rushlight)
    assert rushlight.autograd.gradgradcheck(lambda x: x**3, x, y)
    assert rushlight.autograd.gradgradcheck(lambda x: x**3, x, gen_non_contig_grad_outputs=True)


def test_complex_inputs():
    for library in (torch, rushlight):
        z = library.tensor([1.0 + 2.0j, -0.5 + 0.25j], dtype=library.complex128, requires_grad=True)
        for fast_mode in (False, True):
            for function in (lambda z: z * z, lambda z: z.abs(), lambda z: z.conj() * 2, lambda z: z.real * z.imag):
                assert library.autograd.gradcheck(function, z, fast_mode=fast_mode), library
        assert library.autograd.gradgradcheck(lambda z: (z * z).exp(), z)
        wrong = scaled(library, lambda z: z * 2j, lambda z, g: g * 2j)
        with pytest.raises(RuntimeError, match="part of complex"):
            library.autograd.gradcheck(wrong, z)


def test_names_output_input_and_element():
    def function(x, y):
        weights = rushlight.tensor([[1.0, 1.0], [1.5, 1.0]], dtype=rushlight.float64)
        return x * 1, scaled(rushlight, lambda y: y * 1, lambda y, g: g * weights)(y)

    with pytest.raises(rushlight.autograd.gradcheck.__globals__["GradcheckError"]) as caught:
        rushlight.autograd.gradcheck(function, both(rushlight))
    message = str(caught.value)
    assert "Jacobian mismatch for output 1 with respect to input 1,\nnumerical:" in message
    assert "derivative of output[1, 0] by input[1, 0]: numerical 1, analytical 1.5" in message


def test_inputs_are_left_as_they_were():
    inputs = both(rushlight)
    kept = [x.detach().numpy().copy() for x in inputs]
    rushlight.autograd.gradcheck(lambda x, y: x * y, inputs)
    rushlight.autograd.gradcheck(lambda x, y: x * y, inputs, fast_mode=True)
    for x, before in zip(inputs, kept, strict=True):
        np.testing.assert_array_equal(x.detach().numpy(), before)
        assert x.grad is None


REFUSED = {
    "no_input_requires_grad": (lambda lib: both(lib, (False, False)), {}, ValueError, "at least one input"),
    "expanded": (lambda lib: expanded(lib), {}, RuntimeError, "stride 0"),
    "nothing_to_check": (both, {"check_backward_ad": False}, AssertionError, "Expected at least one of"),
}


def expanded(library):
    return library.ones(1, dtype=library.float64).expand(3).requires_grad_()


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case):
    make, options, error, words = REFUSED[case]
    for library in (torch, rushlight):
        with pytest.raises(error, match=words):
            library.autograd.gradcheck(lambda x, *rest: x * 1, make(library), **options)


@pytest.mark.parametrize("option", ["check_batched_grad", "check_forward_ad", "check_batched_forward_grad"])
def test_not_supported(option):
    with pytest.raises(NotImplementedError, match=option):
        rushlight.autograd.gradcheck(lambda x, y: x * y, both(rushlight), **{option: True})


def test_single_precision_is_warned_about():
    for library in (torch, rushlight):
        x, y = both(library, dtype="float32")
        with pytest.warns(UserWarning, match="not a double precision"):
            library.autograd.gradcheck(lambda x, y: x * y, (x, y), eps=1e-2, atol=1e-2)


def test_backward_that_differs_from_run_to_run():
    for library in (torch, rushlight):
        count = [0.0]

        def backward(x, g, count=count):
            count[0] += 1e-7
            return g * (2 + count[0])

        double = scaled(library, lambda x: x * 2, backward)
        x, _ = both(library)
        with pytest.raises(RuntimeError, match="not reentrant"):
            library.autograd.gradcheck(double, x)
        assert library.autograd.gradcheck(double, x, nondet_tol=1e-3)


def test_only_what_requires_grad_is_checked():
    for library in (torch, rushlight):
        x, y = both(library, (True, False))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert library.autograd.gradcheck(lambda x, y, n: x * y * n, (x, y, 3))
