"""`gradcheck` and `gradgradcheck` accept and refuse what PyTorch's do, and say which derivative is wrong."""

from __future__ import annotations

import importlib
import itertools
import warnings

import numpy as np
import pytest
import torch

import rushlight

from .both import fails

GradcheckError = importlib.import_module("rushlight.autograd.gradcheck").GradcheckError


def custom(library, forward, backward, materialize=True):
    """An operation whose backward is given: a function of the inputs and the gradients of the outputs."""

    class Custom(library.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            ctx.set_materialize_grads(materialize)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, *gradients):
            return backward(*ctx.saved_tensors, *gradients)

    return Custom.apply


def weights(library, *values, dtype="float64"):
    return library.tensor(values, dtype=getattr(library, dtype)).reshape(2, 2)


count = itertools.count(1)


def growing():
    """A small number that is another one each time."""
    return 1e-8 * next(count)


def raise_error(words):
    raise RuntimeError(words)


def three_outputs(library, x, combine):
    """Three times the same output, with the gradients of those that have one combined in a way that is given."""

    def backward(x, *gradients):
        given = [g for g in gradients if g is not None]
        return combine(given) if given else x * 0

    return custom(library, lambda x: (x * 1, x * 1, x * 1), backward, materialize=False)(x)


def unmaterialized(library, backward):
    """Twice the input, with a backward that is called with None when no gradient has arrived."""
    return custom(library, lambda x: x * 2, backward, materialize=False)


RIGHT = {
    "undefined_handled": lambda lib, x, y: unmaterialized(lib, lambda x, g: None if g is None else 2 * g)(x),
    "elementwise": lambda lib, x, y: x.sin() * y.exp(),
    "two_outputs": lambda lib, x, y: (x * y, x.sum()),
    "a_list": lambda lib, x, y: [x * y, x.sum()],
    "an_integer_output": lambda lib, x, y: (x * y, (x > 0).long()),
    "a_constant_output": lambda lib, x, y: (lib.ones(2, dtype=lib.float64), x * y),
    "matmul": lambda lib, x, y: x @ y,
    "shared": lambda lib, x, y: x * x * x + y,
    "views": lambda lib, x, y: x.t()[0] * y[1],
    "one_input_only": lambda lib, x, y: x * x,
    "constant": lambda lib, x, y: x.detach() * 0 + 1,
    "kink_off": lambda lib, x, y: (x - 10).abs() + y,
    "custom": lambda lib, x, y: custom(lib, lambda x: x * x, lambda x, g: g * 2 * x)(x),
    "custom_of_two": lambda lib, x, y: custom(lib, lambda x, y: x * y, lambda x, y, g: (g * y, g * x))(x, y),
    "complex": lambda lib, x, y: (x + 1j * y) ** 2,
    "complex_and_real": lambda lib, x, y: (x * y, x * 1j, x.sum()),
    "empty": lambda lib, x, y: x[:0] * 2,
    "in_place": lambda lib, x, y: x.clone().mul_(y).exp_(),
    "zero_materialized": lambda lib, x, y: custom(lib, lambda x: (x * 2, x * 3), lambda x, g, h: 2 * g + 3 * h)(x),
}
"""Functions whose derivatives are right."""

WRONG = {
    "detached_part": lambda lib, x, y: x * y.detach(),
    "detached": lambda lib, x, y: x.detach() * 2,
    "detached_second_output": lambda lib, x, y: (x * y, x.detach() * y),
    "factor": lambda lib, x, y: custom(lib, lambda x: x * 2, lambda x, g: g * 2.1)(x),
    "one_element": lambda lib, x, y: custom(lib, lambda x: x * 1, lambda x, g: g * weights(lib, 1, 1, 1.5, 1))(x),
    "sign": lambda lib, x, y: custom(lib, lambda x: x * y, lambda x, g: -g * y)(x),
    "transposed": lambda lib, x, y: custom(lib, lambda x: x @ y, lambda x, g: g @ y)(x),
    "second_input": lambda lib, x, y: custom(lib, lambda x, y: x * y, lambda x, y, g: (g * y, g * y))(x, y),
    "second_output": lambda lib, x, y: (x * y, custom(lib, lambda x: x * 3, lambda x, g: g * 4)(x)),
    "missing": lambda lib, x, y: custom(lib, lambda x, y: x * y, lambda x, y, g: (g * y, None))(x, y),
    "nan": lambda lib, x, y: custom(lib, lambda x: x * 1, lambda x, g: g * float("nan"))(x),
    "infinite": lambda lib, x, y: custom(lib, lambda x: x * 1, lambda x, g: g * weights(lib, 1, np.inf, 1, 1))(x),
    "not_multiplied": lambda lib, x, y: custom(lib, lambda x: x.sum(), lambda x, g: lib.ones_like(x))(x),
    "imaginary_part": lambda lib, x, y: custom(lib, lambda x: x * 1j, lambda x, g: g.real)(x),
    "real_part": lambda lib, x, y: (x, custom(lib, lambda x: x + 0j, lambda x, g: 2 * g.real)(x)),
    "other_shape_beside_the_point": lambda lib, x, y: x[x >= 0.5] * 2,
    "other_type_beside_the_point": lambda lib, x, y: x * 2 if x[0, 0] <= 0.5 else x.float() * 2,
    "not_reentrant": lambda lib, x, y: custom(lib, lambda x: x * 2, lambda x, g: g * (2 + growing()))(x),
    "no_tensor": lambda lib, x, y: (x * y, 2.0),
    "nothing": lambda lib, x, y: None,
    "undefined_raises": lambda lib, x, y: unmaterialized(
        lib, lambda x, g: raise_error("undefined!") if g is None else 2 * g
    )(x.exp()),
    "undefined_gives_something": lambda lib, x, y: unmaterialized(lib, lambda x, g: x if g is None else 2 * g)(x),
    "undefined_is_multiplied": lambda lib, x, y: unmaterialized(lib, lambda x, g: 2 * g)(x).sin(),
    "undefined_not_handled": lambda lib, x, y: three_outputs(
        lib, x, lambda given: raise_error("undefined!") if len(given) == 2 else sum(given)
    ),
    "undefined_not_zero": lambda lib, x, y: three_outputs(lib, x, lambda given: sum(given) + (len(given) == 2)),
}
"""Functions whose derivatives are wrong in some way."""


def both(library, requires_grad=(True, True), dtype="float64"):
    x = np.array([[0.5, -1.25], [2.0, 0.75]])
    y = np.array([[1.5, 0.25], [-0.5, 1.0]])
    kind = getattr(library, dtype)
    return tuple(
        library.tensor(value.tolist(), dtype=kind, requires_grad=needs)
        for value, needs in zip((x, y), requires_grad, strict=True)
    )


def checked(library, name, function, inputs=both, **options):
    """What a check gives: True, or its error."""
    inputs = inputs(library)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return fails(lambda: getattr(library.autograd, name)(lambda *x: function(library, *x), inputs, **options))


def assert_same_verdict(name, function, inputs=both, **options):
    """Both accept, or both refuse with the same error, whose first line is word for word PyTorch's."""
    expected, got = (checked(library, name, function, inputs, **options) for library in (torch, rushlight))
    if expected is True:
        assert got is True, f"{got!r} instead of True"
        return True
    assert type(got).__name__ == type(expected).__name__, f"{got!r} instead of {expected!r}"
    first_line = str(expected).splitlines()[0].removeprefix("('").split("', ")[0].rstrip(",. ")
    for end in (". Please", ".The tolerance"):
        first_line = first_line.split(end)[0]
    assert first_line in str(got), f"{got!r} instead of {expected!r}"
    if isinstance(expected, importlib.import_module("torch.autograd.gradcheck").GradcheckError):
        assert checked(rushlight, name, function, inputs, **options, raise_exception=False) is False
    return got


@pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])
@pytest.mark.parametrize("case", RIGHT)
def test_accepted(case, fast_mode):
    if fast_mode and case == "a_constant_output":
        pytest.skip("PyTorch's fast mode confuses an output that requires grad with one before it that does not")
    assert assert_same_verdict("gradcheck", RIGHT[case], fast_mode=fast_mode) is True
    for requires_grad in ((True, False), (False, True)):
        assert_same_verdict("gradcheck", RIGHT[case], lambda lib, r=requires_grad: both(lib, r), fast_mode=fast_mode)
    if case != "constant":  # PyTorch's gradgradcheck stumbles there, over the arguments that it passes on
        assert_same_verdict("gradgradcheck", RIGHT[case], fast_mode=fast_mode)


@pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])
@pytest.mark.parametrize("case", WRONG)
def test_refused(case, fast_mode):
    assert assert_same_verdict("gradcheck", WRONG[case], fast_mode=fast_mode) is not True


# Complex numbers


def complex_point(library):
    return (
        library.tensor([[1.0 + 2.0j, -0.5 + 0.25j], [0.5j, 2.0 - 1j]], dtype=library.complex128, requires_grad=True),
    )


COMPLEX_RIGHT = {
    "square": lambda lib, z: z * z,
    "abs": lambda lib, z: z.abs(),
    "conjugate": lambda lib, z: z.conj() * 2,
    "parts": lambda lib, z: z.real * z.imag,
    "angle": lambda lib, z: z.angle(),
    "exp_of_product": lambda lib, z: (z @ z.conj()).exp(),
    "view_as_real": lambda lib, z: lib.view_as_real(z) ** 2,
    "to_real_and_back": lambda lib, z: lib.complex(z.real, z.imag * 2),
    "several": lambda lib, z: (z * 2j, z.abs(), z.real),
}

COMPLEX_WRONG = {
    "not_conjugated": lambda lib, z: custom(lib, lambda z: z * 2j, lambda z, g: g * 2j)(z),
    "conjugated_twice": lambda lib, z: custom(lib, lambda z: z.conj() * 2, lambda z, g: g * 2)(z),
    "of_a_real_function": lambda lib, z: custom(lib, lambda z: z.abs(), lambda z, g: (g * z / z.abs()).conj())(z),
    "one_element": lambda lib, z: custom(
        lib, lambda z: z * 1, lambda z, g: g * weights(lib, 1, 1, 1j, 1, dtype="complex128")
    )(z),
    "half": lambda lib, z: custom(lib, lambda z: z.real * 1, lambda z, g: 0.5 * g + 0j)(z),
    "second_output": lambda lib, z: (z.abs(), custom(lib, lambda z: z * 1j, lambda z, g: g * 1j)(z)),
}


@pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])
@pytest.mark.parametrize("case", COMPLEX_RIGHT | COMPLEX_WRONG)
def test_complex_inputs(case, fast_mode):
    function = (COMPLEX_RIGHT | COMPLEX_WRONG)[case]
    verdict = assert_same_verdict("gradcheck", function, complex_point, fast_mode=fast_mode)
    assert (verdict is True) is (case in COMPLEX_RIGHT)
    if case in COMPLEX_RIGHT:
        assert assert_same_verdict("gradgradcheck", function, complex_point, fast_mode=fast_mode) is True


# Second derivatives


SECOND_WRONG = {
    "detached": lambda lib, x, y: custom(lib, lambda x: x**3, lambda x, g: g * 3 * (x * x).detach())(x),
    "gradient_detached": lambda lib, x, y: custom(lib, lambda x: x**3, lambda x, g: g.detach() * 3 * x * x)(x),
    "one_element": lambda lib, x, y: custom(
        lib,
        lambda x: x**2,
        lambda x, g: g * 2 * custom(lib, lambda x: x * 1, lambda x, g: g * weights(lib, 1, 1, 1, 1.5))(x),
    )(x),
    "other_input": lambda lib, x, y: custom(lib, lambda x, y: x * y, lambda x, y, g: (g * y.detach(), g * x))(x, y),
}


@pytest.mark.parametrize("fast_mode", [False, True], ids=["slow", "fast"])
@pytest.mark.parametrize("case", SECOND_WRONG)
def test_wrong_second_derivatives(case, fast_mode):
    assert assert_same_verdict("gradcheck", SECOND_WRONG[case], fast_mode=fast_mode) is True
    assert assert_same_verdict("gradgradcheck", SECOND_WRONG[case], fast_mode=fast_mode) is not True


def test_given_gradients_of_the_outputs():
    for library in (torch, rushlight):
        x, y = both(library)
        assert library.autograd.gradgradcheck(lambda x: x**3, x, y)
        assert library.autograd.gradgradcheck(lambda x: x**3, x, [y.detach()])
        strides = []

        def note(x, g, strides=strides):
            strides.append(g.stride())
            return 2 * g

        double = custom(library, lambda x: 2 * x, note)
        assert library.autograd.gradgradcheck(double, x, gen_non_contig_grad_outputs=True)
        assert (4, 2) in strides


def test_random_numbers_are_drawn_as_in_pytorch():
    for options in ({}, {"gen_non_contig_grad_outputs": True}, {"fast_mode": True}):
        after = []
        for library in (torch, rushlight):
            library.manual_seed(0)
            assert library.autograd.gradgradcheck(lambda x, y: x * y, both(library), **options)
            after.append(library.rand(3).tolist())
        assert after[0] == after[1]


# Words and options


def test_names_output_input_and_element():
    def function(x, n, y):
        scaled = custom(rushlight, lambda y: y * 1, lambda y, g: g * weights(rushlight, 1, 1, 1.5, 1))
        return (x > 0), x * 1, scaled(y)

    x, y = both(rushlight)
    with pytest.raises(GradcheckError) as caught:
        rushlight.autograd.gradcheck(function, (x, 3, y))
    message = str(caught.value)
    assert "Jacobian mismatch for output 1 with respect to input 1,\nnumerical:tensor([[" in message
    assert (
        "1 of 16 derivatives are off. The largest error is in the derivative of output 2 at [1, 0] with respect to "
        "input 1 (argument 2 of the function) at [1, 0]: expected 1 by finite differences, got 1.5 by backward."
    ) in message
    with pytest.raises(GradcheckError, match=r"The max per-element difference \(slow mode\) is: 0.[45]") as caught:
        rushlight.autograd.gradcheck(function, (x, 3, y), fast_mode=True)
    assert "of output 2 at [1, 0] with respect to input 1 (argument 2 of the function) at [1, 0]" in str(caught.value)


def test_a_combination_that_is_off_while_each_derivative_is_not():
    def function(library, x, y):
        return custom(library, lambda x: x * 1, lambda x, g: g + 1e-2 * g.sum() / 4)(x)

    options = {"fast_mode": True, "atol": 1e-4, "rtol": 1e-2}
    verdicts = [checked(library, "gradcheck", function, **options) for library in (torch, rushlight)]
    assert [str(verdict)[:30] for verdict in verdicts][0] == str(verdicts[1])[:30]


def test_inputs_are_left_as_they_were():
    inputs = both(rushlight)
    kept = [x.detach().numpy().copy() for x in inputs]
    for fast_mode in (False, True):
        rushlight.autograd.gradcheck(lambda x, y: x * y, inputs, fast_mode=fast_mode)
    with pytest.raises(ZeroDivisionError):
        rushlight.autograd.gradcheck(lambda x, y: x * y if x[0, 0] == 0.5 else 1 / 0, inputs)
    for x, before in zip(inputs, kept, strict=True):
        np.testing.assert_array_equal(x.detach().numpy(), before)
        assert x.grad is None


def expanded(library):
    return (library.ones(1, dtype=library.float64).expand(3).requires_grad_(),)


def first(lib, x, *rest):
    return x * 1


OPTIONS_REFUSED = {
    "no_input_requires_grad": ("gradcheck", lambda lib: both(lib, (False, False)), {}),
    "expanded": ("gradcheck", expanded, {}),
    "nothing_to_check": ("gradcheck", both, {"check_backward_ad": False}),
    "batched_without_backward": (
        "gradcheck", both, {"check_backward_ad": False, "check_forward_ad": True, "check_batched_grad": True},
    ),
    "batched_forward_without_forward": ("gradcheck", both, {"check_batched_forward_grad": True}),
    "nothing_to_check_twice": ("gradgradcheck", both, {"check_rev_over_rev": False}),
    "undefined_without_backward": ("gradgradcheck", both, {"check_rev_over_rev": False, "check_fwd_over_rev": True}),
    "batched_second_without_backward": (
        "gradgradcheck",
        both,
        {
            "check_rev_over_rev": False, "check_fwd_over_rev": True, "check_undefined_grad": False,
            "check_batched_grad": True,
        },
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS_REFUSED)
def test_refused_options(case):
    name, inputs, options = OPTIONS_REFUSED[case]
    assert assert_same_verdict(name, first, inputs, **options) is not True


OPTIONS_MET = {
    "nondet_tol": (WRONG["not_reentrant"], {"nondet_tol": 1e-3}),
    "atol": (WRONG["one_element"], {"atol": 1.0}),
    "rtol": (WRONG["factor"], {"rtol": 0.2}),
    "eps": (lambda lib, x, y: (x * 1e6).sin(), {"eps": 1e-9, "atol": 10.0}),
    "too_large_eps": (lambda lib, x, y: x**3, {"eps": 0.1}),
    "undefined_not_checked": (WRONG["undefined_not_handled"], {"check_undefined_grad": False}),
    "dtypes": (RIGHT["complex_and_real"], {"check_grad_dtypes": True}),
    "masked": (RIGHT["two_outputs"], {"masked": True}),
    "masked_almost_zero": (
        lambda lib, x, y: custom(lib, lambda x: x * 1, lambda x, g: g + 1e-9)(x),
        {"masked": True, "check_undefined_grad": False},
    ),
    "not_masked_almost_zero": (lambda lib, x, y: custom(lib, lambda x: x * 1, lambda x, g: g + 1e-9)(x), {}),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS_MET)
def test_options(case):
    function, options = OPTIONS_MET[case]
    assert_same_verdict("gradcheck", function, **options)


def test_single_precision_is_warned_about():
    for library in (torch, rushlight):
        x, y = both(library, dtype="float32")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            library.autograd.gradcheck(lambda x, y: x * y, (x, y), eps=1e-2, atol=1e-2)
        assert [str(warning.message).split(" floating")[0] for warning in caught] == [
            f"Input #{place} requires gradient and is not a double precision" for place in range(2)
        ]


def test_the_check_of_undefined_gradients_warns():
    for library in (torch, rushlight):
        with pytest.warns(UserWarning, match="check_undefined_grad=False"), pytest.raises(RuntimeError):
            library.autograd.gradcheck(
                lambda x, y, lib=library: WRONG["undefined_not_handled"](lib, x, y), both(library)
            )


def test_only_what_requires_grad_is_checked():
    for library in (torch, rushlight):
        x, y = both(library, (True, False))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert library.autograd.gradcheck(lambda x, y, n: x * y * n, (x, y, 3))
