"""The parts of `gradcheck` that look at forward mode, and at batches of gradients and of tangents."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from ..func.vmap import vmap
from ..ops import allclose, randn_like, stack, zeros_like
from ..random import Generator
from ..tensor import Tensor, wrap
from .checking import Check, random_direction
from .forward_ad import dual_level, make_dual, unpack_dual
from .gradcheck import GradcheckError
from .gradients import grad
from .jacobians import Direction, as_tuple, by_differences, each_element

BATCH = 2
BATCHED = "gradcheck or gradgradcheck failed while testing batched gradient computation"
BATCHED_FORWARD = "gradcheck failed while testing batched gradient computation with forward-mode AD"


def check_forward(check: Check, undefined: bool) -> None:
    """Derivatives by forward mode next to the same by finite differences; by each part of complex inputs by itself."""
    if not any(isinstance(value, Tensor) and value.is_complex() for value in check.inputs):
        checks = [check]
    else:
        complex_ = tuple(by for by, input in enumerate(check.checked) if input.is_complex())
        checks = [
            replace(check, func=_of_part(check, part), inputs=_parts(check.inputs, part), part=part, complex=complex_)
            for part in ("imaginary", "real")
        ]
    for each in checks:
        _compare_forward(each)
    for each in checks if undefined else ():
        _compare_undefined(each)


def _parts(inputs: tuple, part: str) -> tuple:
    """The inputs with the real or imaginary parts of complex ones, in their memory."""
    return tuple(
        (value.imag if part == "imaginary" else value.real).detach().requires_grad_(value.requires_grad)
        if isinstance(value, Tensor) and value.is_complex()
        else value
        for value in inputs
    )


def _of_part(check: Check, part: str) -> Callable:
    """The function of the real, or of the imaginary parts of its complex inputs; the other parts stay as they are."""
    originals = [value.detach() if isinstance(value, Tensor) and value.is_complex() else None for value in check.inputs]

    def whole(value: Any, original: Tensor | None) -> Any:
        if original is None:
            return value
        return original.real + value * 1j if part == "imaginary" else value + original.imag * 1j

    return lambda *inputs: check.func(*map(whole, inputs, originals))


def _compare_forward(check: Check) -> None:
    outputs, reached = check.outputs()
    if not reached and not check.fast_mode:
        return check.demand_no_change(outputs)
    generator = Generator()
    compared = _inexact(outputs) if check.fast_mode else reached
    for by, place in enumerate(check.places):
        input = check.inputs[place]
        along = [random_direction(input, generator)] if check.fast_mode else list(each_element(input.array))
        expected = by_differences(check.func, check.inputs, place, along, check.eps)
        found = _by_forward(check, place, along)
        for output in compared:
            if check.fast_mode:
                atol = check.atol * along[0][1].sum()
                if not check.close(found[output], expected[output], atol):
                    raise GradcheckError(
                        check.mismatch(compared.index(output), by, expected[output][0], found[output][0], forward=True)
                        + _in_slow_mode(check, outputs, output, by)
                    )
            elif not check.close(found[output], expected[output]):
                raise GradcheckError(
                    check.mismatch(compared.index(output), by, expected[output], found[output], forward=True)
                    + check.worst(outputs, output, by, expected[output], found[output], "forward mode")
                )


def _inexact(outputs: tuple) -> list[int]:
    return [place for place, output in enumerate(outputs) if output.is_floating_point() or output.is_complex()]


def _in_slow_mode(check: Check, outputs: tuple, output: int, by: int) -> str:
    place = check.places[by]
    along = list(each_element(check.inputs[place].array))
    expected = by_differences(check.func, check.inputs, place, along, check.eps)[output]
    found = _by_forward(check, place, along)[output]
    return check.element_by_element(outputs, output, by, expected, found, "forward mode")


def _by_forward(check: Check, place: int, directions: Iterable[Direction]) -> list[np.ndarray]:
    """For each output its tangents, for tangents of one input."""
    rows = []
    for _, real, _ in directions:
        tangents = {other: zeros_like(check.inputs[other]) for other in check.places}
        tangents[place] = wrap(real.astype(check.inputs[place].array.dtype))
        rows.append([_vector(check, number, *pair) for number, pair in enumerate(_pushed(check, tangents))])
    if not rows:
        return [np.zeros((0, output.numel())) for output in as_tuple(check.func(*check.inputs))]
    return [np.array(column) for column in zip(*rows)]


def _pushed(check: Check, tangents: dict[int, Tensor]) -> list[tuple]:
    """The outputs and their tangents, for tangents of some inputs; no others that are checked have one."""

    def moving(place: int, value: Any) -> Any:
        if place in tangents:
            return make_dual(value.detach(), tangents[place])
        return value.detach() if place in check.places else value

    with dual_level():
        outputs = as_tuple(check.func(*(moving(place, value) for place, value in enumerate(check.inputs))))
        return [
            unpack_dual(output) if output.is_floating_point() or output.is_complex() else (output, None)
            for output in outputs
        ]


def _vector(check: Check, number: int, primal: Tensor, tangent: Tensor | None) -> np.ndarray:
    if tangent is None:
        return np.zeros(primal.numel(), primal.array.dtype)
    if check.check_grad_dtypes and tangent.is_complex() != primal.is_complex():
        raise GradcheckError(
            f"Forward AD gradient has dtype mismatch. Output {number} is of {primal.dtype}, its tangent of "
            f"{tangent.dtype}"
        )
    return tangent.array.reshape(-1)


def _compare_undefined(check: Check) -> None:
    """No tangent of an input is as good as one of zeros."""
    generator = Generator()
    tangents = {
        place: wrap(random_direction(check.inputs[place], generator)[1].astype(check.inputs[place].array.dtype))
        for place in check.places
    }
    for by, place in enumerate(check.places):
        zeros = _pushed(check, tangents | {place: zeros_like(check.inputs[place])})
        none = _pushed(check, {other: tangent for other, tangent in tangents.items() if other != place})
        for number, ((_, first), (_, second)) in enumerate(zip(zeros, none)):
            if first is not None and second is not None and not allclose(first, second):
                raise GradcheckError(
                    f"Mismatch in tangent values for output with index: {number}. With no tangent for "
                    f"{check.input(by)} the tangent is {second}, with one of zeros it is {first}"
                )


# Batches


def check_batched_backward(check: Check) -> None:
    """Gradients for a batch of gradients are those for each of them."""
    outputs, reached = check.outputs()
    for of, place in enumerate(reached):
        output = outputs[place]

        def pull(start: Tensor, output: Tensor = output) -> tuple:
            found = grad(output, check.checked, start, retain_graph=True, allow_unused=True)
            return tuple(zeros_like(input) if g is None else g for input, g in zip(check.checked, found))

        for by, (found, expected) in enumerate(_batch_and_loop(pull, output, BATCHED)):
            _demand_equal(found, expected, of, by, BATCHED)


def check_batched_forward(check: Check) -> None:
    """Tangents for a batch of tangents are those for each of them."""
    for by, place in enumerate(check.places):

        def push(tangent: Tensor, place: int = place) -> tuple:
            pairs = _pushed(check, {place: tangent})
            return tuple(zeros_like(primal) if moved is None else moved for primal, moved in pairs)

        for of, (found, expected) in enumerate(_batch_and_loop(push, check.inputs[place], BATCHED_FORWARD)):
            _demand_equal(found, expected, of, by, BATCHED_FORWARD)


def _batch_and_loop(function: Callable, like: Tensor, words: str) -> list[tuple[Tensor, Tensor]]:
    """The results for a random batch, computed together and one by one."""
    given = [randn_like(like.detach()) for _ in range(BATCH)]
    expected = [stack(rows) for rows in zip(*[function(one) for one in given])]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="There is a performance drop")
        try:
            found = vmap(function)(stack(given))
        except RuntimeError as error:
            raise GradcheckError(f"While computing batched gradients, got: {error}\n\n{words}") from error
    return list(zip(found, expected))


def _demand_equal(found: Tensor, expected: Tensor, of: int, by: int, words: str) -> None:
    if allclose(found, expected):
        return
    gap = np.abs(found.array - expected.array)
    index = [int(axis) for axis in np.unravel_index(np.nan_to_num(gap, nan=np.inf).argmax(), gap.shape)]
    raise GradcheckError(
        f"For output {of} and input {by}:\n\n{words}.\n\nGot:\n{found.detach()}\n\nExpected:\n{expected.detach()}\n\n"
        f"The largest difference is in element {index[0]} of the batch at {index[1:]}: expected "
        f"{expected.array[tuple(index)]:.8g}, got {found.array[tuple(index)]:.8g}."
    )
