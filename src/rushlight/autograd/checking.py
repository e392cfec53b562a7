"""What `gradcheck` does: compares Jacobians that were computed in different ways, and words what differs."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..ops import empty, rand, view_as_real, zeros_like
from ..random import Generator
from ..tensor import Tensor, wrap
from .function import Function
from .gradcheck import GradcheckError
from .gradients import grad
from .jacobians import as_tuple, by_backward, by_differences, columns, each_element

NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives different "
    "values, although analytical gradient matches numerical gradient."
)
NOT_MULTIPLIED = "backward not multiplied by grad_output"
NEW_CHECK = (
    "Backwards compatibility: New undefined gradient support checking feature is enabled by default, but it may break "
    "existing callers of this function. If this is true for you, you can call this function with "
    '"check_undefined_grad=False" to disable the feature'
)


@dataclass
class Check:
    """One function at one point.

    ``part`` is the part of complex numbers that is looked at, if there are any: of those outputs, or in forward mode
    inputs, whose numbers are ``complex``.
    """

    func: Callable
    inputs: tuple
    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool
    fast_mode: bool
    part: str = ""
    complex: tuple = ()

    def __post_init__(self) -> None:
        self.places = [
            place for place, value in enumerate(self.inputs) if isinstance(value, Tensor) and value.requires_grad
        ]
        self.checked = tuple(self.inputs[place] for place in self.places)

    def outputs(self) -> tuple[tuple, list[int]]:
        """What the function returns, and the places of what can be differentiated."""
        outputs = as_tuple(self.func(*self.inputs))
        return outputs, [place for place, output in enumerate(outputs) if output.requires_grad]

    def inputs_are_fit(self) -> None:
        """There are inputs to check, of double precision, and each element has its own memory."""
        for place, input in zip(self.places, self.checked):
            if input.array.dtype not in (np.float64, np.complex128):
                warnings.warn(
                    f"Input #{place} requires gradient and is not a double precision floating point or complex. This "
                    "check will likely fail if all the inputs are not of double precision floating point or complex. ",
                    stacklevel=3,
                )
            if any(stride == 0 and length > 1 for stride, length in zip(input.stride(), input.shape)):
                raise RuntimeError(
                    f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                    "non-overlapping to be able to compute the numerical gradients correctly. You should call "
                    ".contiguous on the input before passing it to gradcheck."
                )
        if not self.places:
            raise ValueError(
                "gradcheck expects at least one input tensor to require gradient, but none of them have "
                "requires_grad=True."
            )

    # Backward

    def backward(self) -> None:
        """Derivatives by backward next to the same by finite differences; of complex outputs each part by itself."""
        outputs, reached = self.outputs()
        if not any(output.is_complex() for output in outputs):
            return self._compare_backward()
        complex_ = tuple(number for number, place in enumerate(reached) if outputs[place].is_complex())
        for part, name in (("imaginary", "imag"), ("real", "real")):
            replace(self, func=_part_of_outputs(self.func, name), part=part, complex=complex_)._compare_backward()

    def _compare_backward(self) -> None:
        outputs, reached = self.outputs()
        if self.fast_mode:
            self._compare_projections(outputs, reached)
        elif reached:
            self._compare_jacobians(outputs, reached)
        else:
            self.demand_no_change(outputs)

    def demand_no_change(self, outputs: tuple, directions: Any = None, tolerance: float = 0.0) -> None:
        """Where nothing can be differentiated, nothing may depend on the inputs."""
        for number, place in enumerate(self.places):
            along = each_element(self.inputs[place].array) if directions is None else [directions[number]]
            for output, slope in enumerate(by_differences(self.func, self.inputs, place, along, self.eps)):
                if outputs[output].array.dtype.kind not in "biu" and not np.all(np.abs(slope) <= tolerance):
                    raise GradcheckError(
                        f"Numerical gradient for function expected to be zero: output {output} does not require grad, "
                        f"but it changes with input {place}"
                    )

    def _compare_jacobians(self, outputs: tuple, reached: list[int]) -> None:
        expected = [
            by_differences(self.func, self.inputs, place, each_element(self.inputs[place].array), self.eps)
            for place in self.places
        ]
        for of, output in enumerate(reached):
            found = self._gradients(outputs[output], _units(outputs[output]))
            for by, jacobian in enumerate(found):
                if not self.close(jacobian, expected[by][output]):
                    raise GradcheckError(
                        self.mismatch(of, by, expected[by][output], jacobian)
                        + self.worst(outputs, output, by, expected[by][output], jacobian)
                    )

    def _compare_projections(self, outputs: tuple, reached: list[int]) -> None:
        """One random combination of the derivatives of each output by each input, both ways."""
        generator = Generator()
        directions = [random_direction(input, generator) for input in self.checked]
        weights = [_random_vector(outputs[output], generator) for output in reached]
        expected = [
            by_differences(self.func, self.inputs, place, [direction], self.eps)
            for place, direction in zip(self.places, directions)
        ]
        if not reached:
            self.demand_no_change(outputs, directions, self.nondet_tol)
        found = [
            self._gradients(outputs[output], [weight.reshape(outputs[output].array.shape)])
            for output, weight in zip(reached, weights)
        ]
        for by, (_, real, imaginary) in enumerate(directions):
            for of, output in enumerate(reached):
                numerical = (expected[by][output][0] * weights[of]).sum()
                slope = found[of][by][:, 0]
                analytical = (slope.real * real.reshape(-1)).sum()
                moved = real.sum()
                if slope.dtype.kind == "c":
                    analytical = analytical + 1j * (slope.imag * imaginary.reshape(-1)).sum()
                    moved = moved + imaginary.sum()
                if not self.close(analytical, numerical, self.atol * moved * weights[of].sum()):
                    raise GradcheckError(
                        self.mismatch(of, by, numerical, analytical) + self._in_slow_mode(outputs, output, by)
                    )

    def _gradients(self, output: Tensor, starts: list) -> list[np.ndarray]:
        """The gradients of one output by each input, as matrices; backward is run twice, and both must agree."""
        first, second = (by_backward(output, self.checked, starts) for _ in range(2))
        for by, gradients in enumerate(first):
            self._demand_form(by, gradients)
        matrices = [columns(gradients, input) for gradients, input in zip(first, self.checked)]
        for by, (matrix, gradients, input) in enumerate(zip(matrices, second, self.checked)):
            gap = np.abs(matrix - columns(gradients, input))
            if gap.size and gap.max() > self.nondet_tol:
                raise GradcheckError(
                    f"{NOT_REENTRANT}The tolerance for nondeterminism was {self.nondet_tol}. The gradient of "
                    f"{self.input(by)} differs by up to {gap.max():.3g} from run to run. If that is to be expected, "
                    "pass nondet_tol=."
                )
        return matrices

    def _demand_form(self, by: int, gradients: list) -> None:
        input = self.checked[by]
        for gradient in gradients:
            if gradient is None:
                continue
            if self.check_grad_dtypes and gradient.dtype != input.dtype:
                raise GradcheckError(
                    f"Gradient has dtype mismatch: that of {self.input(by)} has {gradient.dtype}, the input has "
                    f"{input.dtype}"
                )
            if gradient.shape != input.shape:
                raise GradcheckError(
                    f"Analytical gradient has incorrect size: that of {self.input(by)} has {gradient.shape}, the "
                    f"input has {input.shape}"
                )

    # What backward makes of zeros

    def zero_gradients(self, masked: bool | None) -> None:
        """From gradients of zero come zeros of the inputs' shapes and types."""
        outputs, reached = self.outputs()
        ends = [outputs[place] for place in reached]
        found = grad(ends, self.checked, [zeros_like(end) for end in ends], allow_unused=True)
        for by, (gradient, input) in enumerate(zip(found, self.checked)):
            if gradient is None:
                continue
            zero = np.allclose(gradient.array, 0) if masked else not np.any(gradient.array != 0)
            if not zero:
                raise GradcheckError(f"{NOT_MULTIPLIED}: from gradients of zero came {gradient} for {self.input(by)}")
            if gradient.dtype != input.dtype:
                raise GradcheckError(f"grad is incorrect type: {gradient.dtype} for {self.input(by)} of {input.dtype}")
            if gradient.shape != input.shape:
                raise GradcheckError(f"grad is incorrect size: {gradient.shape} for {self.input(by)} of {input.shape}")

    def undefined_gradients(self) -> None:
        """Backward treats gradients of outputs that never arrive as zeros: of all outputs, and of each of several."""
        _, reached = self.outputs()
        for undefined in [reached] + ([[place] for place in reached] if len(reached) > 1 else []):
            outputs, reached = self.outputs()
            ends = [Undefined.apply(outputs[place]) if place in undefined else outputs[place] for place in reached]
            try:
                found = grad(ends, self.checked, [zeros_like(end) for end in ends], allow_unused=True)
            except RuntimeError as error:
                warnings.warn(NEW_CHECK, stacklevel=3)
                raise GradcheckError(
                    f"Expected backward function to handle undefined output grads. With no gradient for output "
                    f"{_listed(undefined)} it raised: {error}"
                ) from error
            for by, gradient in enumerate(found):
                if gradient is not None and np.any(gradient.array != 0):
                    warnings.warn(NEW_CHECK, stacklevel=3)
                    raise GradcheckError(
                        "Expected all input grads to be undefined or zero when all output grads are undefined or zero. "
                        f"With no gradient for output {_listed(undefined)}, and zeros for the others, that of "
                        f"{self.input(by)} is {gradient}"
                    )

    # Comparison and words

    def close(self, found: Any, expected: Any, atol: Any = None) -> bool:
        """Whether two derivatives differ by no more than the tolerances allow."""
        return bool(np.all(np.isclose(found, expected, rtol=self.rtol, atol=self.atol if atol is None else atol)))

    def mismatch(self, of: int, by: int, numerical: Any, analytical: Any, forward: bool = False) -> str:
        """The error's first lines, which number the outputs and inputs as PyTorch does: those that require grad."""
        part = ""
        if (by if forward else of) in self.complex:
            part = f"While considering the {self.part} part of complex {'inputs' if forward else 'outputs'} only, "
        mode = "computed with forward mode " if forward else ""
        return (
            f"{part}Jacobian {mode}mismatch for output {of} with respect to input {by},\n"
            f"numerical:{wrap(np.asarray(numerical))}\nanalytical:{wrap(np.asarray(analytical))}\n"
        )

    def worst(
        self, outputs: tuple, output: int, by: int, expected: np.ndarray, found: np.ndarray, way: str = "backward"
    ) -> str:
        """Which derivative is furthest off."""
        off = ~np.isclose(found, expected, rtol=self.rtol, atol=self.atol)
        if not off.any():
            return ""
        with np.errstate(invalid="ignore"):
            gap = np.where(off, np.nan_to_num(np.abs(found - expected), nan=np.inf, posinf=np.inf), -1)
        row, column = np.unravel_index(gap.argmax(), gap.shape)
        of = f"output {output}{_element(outputs[output], column)}"
        return (
            f"{off.sum()} of {off.size} derivatives are off. The largest error is in the derivative of {of} with "
            f"respect to {self.input(by)}{_element(self.checked[by], row)}: expected {expected[row, column]:.8g} by "
            f"finite differences, got {found[row, column]:.8g} by {way}."
        )

    def _in_slow_mode(self, outputs: tuple, output: int, by: int) -> str:
        """What the fast mode's numbers come from: each derivative by itself."""
        place = self.places[by]
        along = each_element(self.inputs[place].array)
        expected = by_differences(self.func, self.inputs, place, along, self.eps)[output]
        gradients = by_backward(outputs[output], self.checked, _units(outputs[output]))[by]
        return self.element_by_element(outputs, output, by, expected, columns(gradients, self.checked[by]), "backward")

    def element_by_element(
        self, outputs: tuple, output: int, by: int, expected: np.ndarray, found: np.ndarray, way: str
    ) -> str:
        """Which element differs most, in words: the fast check compares sums only."""
        worst = self.worst(outputs, output, by, expected, found, way) or (
            "Fast gradcheck failed but element-wise differences are small: with fast_mode=False the check may pass."
        )
        return (
            "These are random combinations of all derivatives, as fast mode compares them. One by one they are:\n"
            f"Numerical:\n {wrap(expected)}\nAnalytical:\n{wrap(found)}\n\n"
            f"The max per-element difference (slow mode) is: {np.abs(expected - found).max()}.\n{worst}"
        )

    def input(self, by: int) -> str:
        """An input by its number among those that require grad, and by its place where that is another."""
        place = self.places[by]
        return f"input {by}" if place == by else f"input {by} (argument {place} of the function)"


class Undefined(Function):
    """Hands its input on, and no gradient back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """The same values."""
        return x.clone()

    @staticmethod
    def backward(ctx: Any, g: Tensor) -> None:
        """None."""
        return None


def random_gradient(output: Tensor, non_contiguous: bool) -> Tensor:
    """A gradient for an output to start from, uniform in -1 to 1, which requires grad itself."""
    shape = output.array.shape
    spread = non_contiguous and output.numel() > 1
    values = empty((*shape[:-1], 2 * shape[-1]) if spread else shape, dtype=output.dtype)
    (view_as_real(values) if values.is_complex() else values).uniform_(-1, 1)
    return (values[..., 1::2] if spread else values).requires_grad_()


def _part_of_outputs(func: Callable, name: str) -> Callable:
    """The function with the real or imaginary part of its complex outputs."""

    def part(*inputs: Any) -> tuple:
        return tuple(getattr(output, name) if output.is_complex() else output for output in as_tuple(func(*inputs)))

    return part


def _units(output: Tensor) -> list[np.ndarray]:
    return [unit for _, unit, _ in each_element(output.array)]


def random_direction(input: Tensor, generator: Generator) -> tuple:
    """A random direction in which all elements of an input move."""
    real = _random_vector(input, generator).reshape(input.array.shape)
    imaginary = _random_vector(input, generator).reshape(input.array.shape) if input.is_complex() else real
    return None, real, imaginary


def _random_vector(like: Tensor, generator: Generator) -> np.ndarray:
    """A vector of length one with no negative element; drawn aside, to leave the user's random numbers alone."""
    vector = rand(like.numel(), generator=generator).array.astype(like.array.real.dtype)
    return vector / np.linalg.norm(vector)


def _element(tensor: Tensor, place: Any) -> str:
    """The index of an element in words, if there is more than one."""
    return f" at {[int(index) for index in np.unravel_index(place, tensor.array.shape)]}" if tensor.ndim else ""


def _listed(places: list[int]) -> str:
    return ", ".join(map(str, places))
