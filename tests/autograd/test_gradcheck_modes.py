"""`gradcheck` and `gradgradcheck` of forward mode and of batches: what PyTorch's accept and refuse."""

from __future__ import annotations

import pytest
import torch

import rushlight

from .test_gradcheck import COMPLEX_RIGHT, RIGHT, GradcheckError, assert_same_verdict, both, complex_point, weights

MODES = {
    "forward": ("gradcheck", {"check_forward_ad": True}),
    "forward_fast": ("gradcheck", {"check_forward_ad": True, "fast_mode": True}),
    "forward_alone": ("gradcheck", {"check_forward_ad": True, "check_backward_ad": False}),
    "batched": ("gradcheck", {"check_batched_grad": True}),
    "batched_forward": ("gradcheck", {"check_forward_ad": True, "check_batched_forward_grad": True}),
    "forward_over_reverse": ("gradgradcheck", {"check_fwd_over_rev": True}),
    "forward_over_reverse_alone": (
        "gradgradcheck",
        {"check_fwd_over_rev": True, "check_rev_over_rev": False, "check_undefined_grad": False},
    ),
    "forward_over_reverse_fast": ("gradgradcheck", {"check_fwd_over_rev": True, "fast_mode": True}),
    "batched_twice": ("gradgradcheck", {"check_batched_grad": True}),
}

PYTORCH_FAILS = {
    "constant": ["forward_over_reverse", "batched_twice"],  # no gradients of outputs to pass on
    "a_constant_output": ["forward", "batched_forward"],  # confused with the output after it
    "conjugate": ["batched_forward"],  # an internal assertion
    "exp_of_product": ["batched_forward"],  # an internal assertion
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", RIGHT | COMPLEX_RIGHT)
def test_accepted(case, mode):
    if any(mode.startswith(failing) for failing in PYTORCH_FAILS.get(case, ())):
        pytest.skip("PyTorch fails")
    name, options = MODES[mode]
    inputs = both if case in RIGHT else complex_point
    verdict = assert_same_verdict(name, (RIGHT | COMPLEX_RIGHT)[case], inputs, **options)
    assert (
        verdict is True or "custom" in case or "materialized" in case or "undefined" in case
    )  # those have no forward mode


def custom(library, forward, backward, jvp):
    """An operation whose derivatives are given: functions of the inputs and the gradients, or the tangents."""

    class Custom(library.autograd.Function):
        @staticmethod
        def forward(ctx, *inputs):
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)
            ctx.set_materialize_grads(False)
            return forward(*inputs)

        @staticmethod
        def backward(ctx, *gradients):
            if all(gradient is None for gradient in gradients):
                return (None,) * len(ctx.saved_tensors)
            return backward(*ctx.saved_tensors, *gradients)

        @staticmethod
        def jvp(ctx, *tangents):
            return jvp(*ctx.saved_tensors, *tangents)

    return Custom.apply


def square(library, jvp):
    return custom(library, lambda x: x * x, lambda x, g: 2 * x * g, jvp)


def product(library, jvp):
    return custom(library, lambda x, y: x * y, lambda x, y, g: (g * y, g * x), jvp)


def of_two(x, y, t, u, by_zeros=lambda t: t):
    """The tangent of a product, of whose factors one may have none."""
    parts = [part for part in (t if t is None else t * y, u if u is None else u * x) if part is not None]
    return sum(parts) if len(parts) == 2 else by_zeros(parts[0])


FORWARD_RIGHT = {
    "square": lambda lib, x, y: square(lib, lambda x, t: 2 * x * t)(x),
    "product": lambda lib, x, y: product(lib, of_two)(x, y),
    "both_outputs": lambda lib, x, y: custom(
        lib, lambda x: (x * 2, x * 3), lambda x, g, h: both_of(g, h), lambda x, t: (t * 2, t * 3)
    )(x),
}


def both_of(g, h):
    return 2 * g if h is None else 3 * h if g is None else 2 * g + 3 * h


FORWARD_WRONG = {
    "factor": lambda lib, x, y: square(lib, lambda x, t: 2.1 * x * t)(x),
    "one_element": lambda lib, x, y: square(lib, lambda x, t: 2 * x * t * weights(lib, 1, 1, 1, 1.5))(x),
    "sign": lambda lib, x, y: square(lib, lambda x, t: -2 * x * t)(x),
    "zero": lambda lib, x, y: square(lib, lambda x, t: t * 0)(x),
    "not_linear": lambda lib, x, y: square(lib, lambda x, t: 2 * x * t + 1)(x),
    "nan": lambda lib, x, y: square(lib, lambda x, t: t * float("nan"))(x),
    "second_input": lambda lib, x, y: product(lib, lambda x, y, t, u: of_two(x, y, t, None if u is None else u * 2))(
        x, y
    ),
    "second_output": lambda lib, x, y: (x * 1, square(lib, lambda x, t: 3 * x * t)(x)),
    "no_tangent_is_not_zero": lambda lib, x, y: product(
        lib, lambda x, y, t, u: of_two(x, y, t, u, by_zeros=lambda part: part * 2)
    )(x, y),
    "imaginary_part": lambda lib, x, y: custom(
        lib, lambda x: x * 1j, lambda x, g: (g * -1j).real, lambda x, t: t * -1j
    )(x),
}

FORWARD_WRONG_COMPLEX = {
    "conjugated": lambda lib, z: custom(lib, lambda z: z * 2j, lambda z, g: g * -2j, lambda z, t: t.conj() * 2j)(z),
    "real_factor": lambda lib, z: custom(lib, lambda z: z * 2j, lambda z, g: g * -2j, lambda z, t: t * -2j)(z),
    "one_element": lambda lib, z: custom(
        lib,
        lambda z: z * 1,
        lambda z, g: g,
        lambda z, t: t * weights(lib, 1, 1j, 1, 1, dtype="complex128"),
    )(z),
    "of_a_real_function": lambda lib, z: custom(
        lib, lambda z: z.real * 1, lambda z, g: g + 0j, lambda z, t: t.imag * 1
    )(z),
}


@pytest.mark.parametrize("mode", ["forward", "forward_fast", "forward_alone"])
@pytest.mark.parametrize("case", FORWARD_RIGHT)
def test_forward_accepted(case, mode):
    name, options = MODES[mode]
    assert assert_same_verdict(name, FORWARD_RIGHT[case], **options) is True


@pytest.mark.parametrize("mode", ["forward", "forward_fast", "forward_alone"])
@pytest.mark.parametrize("case", FORWARD_WRONG)
def test_forward_refused(case, mode):
    name, options = MODES[mode]
    assert assert_same_verdict(name, FORWARD_WRONG[case], **options) is not True


@pytest.mark.parametrize("mode", ["forward", "forward_fast", "forward_alone"])
@pytest.mark.parametrize("case", FORWARD_WRONG_COMPLEX)
def test_forward_refused_of_complex_inputs(case, mode):
    name, options = MODES[mode]
    assert assert_same_verdict(name, FORWARD_WRONG_COMPLEX[case], complex_point, **options) is not True


SECOND_WRONG = {
    "detached": lambda lib, x, y: custom(lib, lambda x: x * x, lambda x, g: 2 * x.detach() * g, lambda x, t: 2 * x * t)(
        x
    ),
    "gradient_detached": lambda lib, x, y: custom(
        lib, lambda x: x * x, lambda x, g: 2 * x * g.detach(), lambda x, t: 2 * x * t
    )(x),
    "one_element": lambda lib, x, y: custom(
        lib,
        lambda x: x * x,
        lambda x, g: (
            g * custom(lib, lambda x: 2 * x, lambda x, g: 2 * g, lambda x, t: 2 * t * weights(lib, 1, 1, 1, 1.5))(x)
        ),
        lambda x, t: 2 * x * t,
    )(x),
}


@pytest.mark.parametrize("mode", ["forward_over_reverse", "forward_over_reverse_alone", "forward_over_reverse_fast"])
@pytest.mark.parametrize("case", SECOND_WRONG)
def test_wrong_tangents_of_gradients(case, mode):
    name, options = MODES[mode]
    assert assert_same_verdict("gradcheck", SECOND_WRONG[case], check_forward_ad=True) is True
    assert assert_same_verdict(name, SECOND_WRONG[case], **options) is not True


def test_undefined_tangents_may_be_left_unchecked():
    function = FORWARD_WRONG["no_tangent_is_not_zero"]
    assert assert_same_verdict("gradcheck", function, check_forward_ad=True, check_undefined_grad=False) is True


def test_forward_names_output_input_and_element():
    x, y = both(rushlight)

    def function(n, x, y):
        return x * 1, square(rushlight, lambda y, t: 2 * y * t * weights(rushlight, 1, 1, 2, 1))(y)

    for fast_mode in (False, True):
        with pytest.raises(GradcheckError) as caught:
            rushlight.autograd.gradcheck(
                function, (2, x, y), check_forward_ad=True, check_undefined_grad=False, fast_mode=fast_mode
            )
        message = str(caught.value)
        assert "Jacobian computed with forward mode mismatch for output 1 with respect to input 1," in message
        assert (
            "in the derivative of output 1 at [1, 0] with respect to input 1 (argument 2 of the function) at [1, 0]: "
            "expected -1 by finite differences, got -2 by forward mode"
        ) in message


class Counter:
    """Counts calls, to be wrong in those of a batch only: each value is computed alone before."""

    def __init__(self, right):
        self.calls, self.right = 0, right

    def factor(self):
        self.calls += 1
        return 2.0 if self.calls <= self.right else 3.0


def refused_in_batches(function, **options):
    """What both libraries say of a derivative that is wrong, or fails, in a batch only."""
    said = []
    for library in (torch, rushlight):
        x, _ = both(library)
        with pytest.raises(RuntimeError) as caught:
            library.autograd.gradcheck(lambda x, lib=library: function(lib, x), x, **options)
        assert type(caught.value).__name__ == "GradcheckError"
        said.append(str(caught.value))
    return said


def test_wrong_in_batches_only():
    # Backward runs for each of 4 elements twice, then for each of a batch of 2, then for both together.
    for words in refused_in_batches(
        lambda lib, x, counters={}: custom(
            lib, lambda x: 2 * x, lambda x, g: g * counters.setdefault(lib, Counter(10)).factor(), None
        )(x),
        check_batched_grad=True,
    ):
        assert words.startswith("For output 0 and input 0:")
        assert "gradcheck or gradgradcheck failed while testing batched gradient computation" in words
        assert "Got:\ntensor(" in words and "Expected:\ntensor(" in words


def test_what_cannot_be_batched():
    for words in refused_in_batches(
        lambda lib, x: custom(lib, lambda x: 2 * x, lambda x, g: g * 2 if g.sum() > -1e9 else g, None)(x),
        check_batched_grad=True,
    ):
        assert words.startswith("While computing batched gradients, got: ")


def test_forward_mode_that_cannot_be_batched():
    words = refused_in_batches(
        lambda lib, x: custom(lib, lambda x: 2 * x, lambda x, g: g * 2, lambda x, t: t * 2 if t.sum() > -1e9 else t)(x),
        check_forward_ad=True,
        check_batched_forward_grad=True,
    )[1]
    assert words.startswith("While computing batched gradients, got: ")
    assert "gradcheck failed while testing batched gradient computation with forward-mode AD" in words


def test_random_numbers_are_drawn_as_in_pytorch():
    for options in ({"check_batched_grad": True}, {"check_forward_ad": True, "check_batched_forward_grad": True}):
        after = []
        for library in (torch, rushlight):
            library.manual_seed(0)
            assert library.autograd.gradcheck(lambda x, y: x * y, both(library), **options)
            after.append(library.rand(3).tolist())
        assert after[0] == after[1]
