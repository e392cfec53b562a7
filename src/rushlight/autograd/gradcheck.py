"""Derivatives compared with finite differences: `gradcheck` and `gradgradcheck`.

A complex number counts as two real ones throughout: with PyTorch's convention the gradient of a real function has the
derivative by the real part as its real part, and that by the imaginary part as its imaginary part.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .gradients import grad

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck"]


class GradcheckError(RuntimeError):
    """A derivative is not what it should be."""


def gradcheck(
    func: Callable,
    inputs: Any,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_batched_forward_grad: bool = False,
    check_forward_ad: bool = False,
    check_backward_ad: bool = True,
    fast_mode: bool = False,
    masked: bool | None = None,
) -> bool:
    """Whether the gradients that backward gives for a function agree with finite differences.

    Args:
        func: takes the inputs, returns a tensor or a tuple of tensors.
        inputs: a tensor or a tuple; those that require grad are checked and should be of double precision.
        eps: the step of the finite differences.
        atol, rtol: how far apart the two may be.
        raise_exception: raise an error that says what differs, rather than return False.
        nondet_tol: how far two runs of the same backward may be apart.
        check_undefined_grad: also check outputs one by one, the gradients of the others being undefined (they always
            are).
        check_grad_dtypes: gradients must have the type of their input.
        fast_mode: compare one random combination of all derivatives rather than each.
        masked: for sparse tensors, which do not exist here.

    Raises:
        GradcheckError: a derivative differs; says of which output, by which input and element.
        ValueError: no input requires grad.
        AssertionError: there is nothing to check.
        NotImplementedError: a check of batched or of forward-mode gradients is asked for.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradcheck(lambda x: x.exp() * x, x)
    True
    """
    for name, wanted in (
        ("check_batched_grad", check_batched_grad),
        ("check_batched_forward_grad", check_batched_forward_grad),
        ("check_forward_ad", check_forward_ad),
    ):
        if wanted:
            raise NotImplementedError(f"gradcheck: {name}=True is not supported; leave it out")
    if not (check_backward_ad or check_forward_ad):
        raise AssertionError("Expected at least one of check_forward_ad or check_backward_ad to be True")
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    _check_inputs(inputs)
    check = _Check(func, inputs, eps, atol, rtol)
    try:
        check.no_graph_no_derivative()
        if fast_mode:
            check.compare_projections(nondet_tol)
        else:
            check.compare_jacobians(nondet_tol)
        check.zero_gradients(check_grad_dtypes)
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func: Callable,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    gen_non_contig_grad_outputs: bool = False,
    raise_exception: bool = True,
    nondet_tol: float = 0.0,
    check_undefined_grad: bool = True,
    check_grad_dtypes: bool = False,
    check_batched_grad: bool = False,
    check_fwd_over_rev: bool = False,
    check_rev_over_rev: bool = True,
    fast_mode: bool = False,
    masked: bool = False,
) -> bool:
    """Whether the second derivatives of a function agree with finite differences of its first.

    Args:
        grad_outputs: the gradients of the outputs to start from, random ones by default.
        gen_non_contig_grad_outputs: make those random ones non-contiguous.

    The other arguments and the errors are those of `gradcheck`.

    >>> import rushlight as torch
    >>> x = torch.tensor([0.5, 2.0], dtype=torch.float64, requires_grad=True)
    >>> torch.autograd.gradgradcheck(lambda x: x.exp() * x, x)
    True
    """
    inputs = tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
    outputs = _differentiable(_as_tuple(func(*inputs)))
    if grad_outputs is None:
        starts = tuple(_random_like(output, gen_non_contig_grad_outputs) for output in outputs)
    else:
        starts = _as_tuple(grad_outputs)
    count = len(starts)

    def first_derivative(*args: Any) -> tuple:
        given = args[: len(args) - count]
        results = _differentiable(_as_tuple(func(*given)))
        gradients = grad(
            results, _differentiable(given), args[len(args) - count :], create_graph=True, allow_unused=True
        )
        return tuple(gradient for gradient in gradients if gradient is not None)

    return gradcheck(
        first_derivative,
        inputs + starts,
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
        check_undefined_grad=check_undefined_grad,
        check_grad_dtypes=check_grad_dtypes,
        check_batched_grad=check_batched_grad,
        check_forward_ad=check_fwd_over_rev,
        check_backward_ad=check_rev_over_rev,
        fast_mode=fast_mode,
        masked=masked,
    )


class _Check:
    """One function at one point."""

    def __init__(self, func: Callable, inputs: tuple, eps: float, atol: float, rtol: float) -> None:
        self.func, self.inputs, self.eps, self.atol, self.rtol = func, inputs, eps, atol, rtol
        self.checked = _differentiable(inputs)
        self.places = [place for place, value in enumerate(inputs) if any(value is x for x in self.checked)]
        self.outputs = _as_tuple(func(*inputs))
        self.reached = [place for place, output in enumerate(self.outputs) if output.requires_grad]

    def values(self) -> list[np.ndarray]:
        """The outputs as real vectors."""
        return [_real(output.array) for output in _as_tuple(self.func(*self.inputs))]

    def numerical(self, input: Any) -> list[np.ndarray]:
        """For each output its derivatives by one input: a row for each real number of the input."""
        rows = []
        for change in _steps(input, self.eps):
            change(1)
            after = self.values()
            change(-1)
            before = self.values()
            change(0)
            rows.append([(a - b) / (2 * self.eps) for a, b in zip(after, before)])
        return (
            [np.array(column) for column in zip(*rows)]
            if rows
            else [np.zeros((0, output.numel())) for output in self.outputs]
        )

    def gradients(self, place: int, start: np.ndarray) -> list[np.ndarray]:
        """The gradients of the checked inputs for one gradient of one output, as real vectors."""
        from ..tensor import wrap

        output = self.outputs[place]
        given = start.reshape(-1) if output.array.dtype.kind != "c" else start.reshape(-1).view(np.complex128)
        given = given.astype(output.array.dtype).reshape(output.array.shape)
        found = grad(output, self.checked, wrap(given), retain_graph=True, allow_unused=True)
        return [_real(np.zeros_like(x.array) if g is None else g.array) for x, g in zip(self.checked, found)]

    def analytical(self, place: int) -> list[np.ndarray]:
        """For each checked input the derivatives of one output: a column for each real number of the output."""
        size = _real(self.outputs[place].array).size
        columns = [self.gradients(place, row) for row in np.eye(size)]
        return [np.array(rows).reshape(size, -1).T for rows in zip(*columns)] if columns else []

    def no_graph_no_derivative(self) -> None:
        """Where no output has a graph, nothing may depend on the inputs."""
        if self.reached:
            return
        for place, input in zip(self.places, self.checked):
            for output, jacobian in enumerate(self.numerical(input)):
                if np.any(np.abs(jacobian) > self.atol):
                    raise GradcheckError(
                        f"Numerical gradient for function expected to be zero, as output {output} does not require "
                        f"grad, but it changes with input {place}"
                    )

    def compare_jacobians(self, nondet_tol: float) -> None:
        """Each derivative by backward next to the same by finite differences."""
        numerical = [self.numerical(x) for x in self.checked]
        for output in self.reached:
            first, second = self.analytical(output), self.analytical(output)
            for place, by_input, a, b in zip(self.places, numerical, first, second):
                self._compare(output, place, by_input[output], a)
                _reentrant(np.abs(a - b), nondet_tol)

    def _compare(self, output: int, place: int, numerical: np.ndarray, analytical: np.ndarray) -> None:
        off = ~np.isclose(analytical, numerical, rtol=self.rtol, atol=self.atol)
        if not off.any():
            return
        gap = np.where(off, np.nan_to_num(np.abs(analytical - numerical), nan=np.inf), 0)
        row, column = np.unravel_index(gap.argmax(), gap.shape)
        of, by = self.outputs[output].array, self.inputs[place].array
        part = (
            ""
            if of.dtype.kind != "c"
            else f"While considering the {('real', 'imaginary')[column % 2]} part of complex outputs only, "
        )
        raise GradcheckError(
            f"{part}Jacobian mismatch for output {output} with respect to input {place},\nnumerical:{numerical}\n"
            f"analytical:{analytical}\nThe largest difference is in the derivative of output[{_element(of, column)}] "
            f"by input[{_element(by, row)}]: numerical {numerical[row, column]:.8g}, analytical "
            f"{analytical[row, column]:.8g}."
        )

    def compare_projections(self, nondet_tol: float) -> None:
        """One random combination of the derivatives of each output by each input, both ways."""
        random = np.random.default_rng(0)
        for place, input in zip(self.places, self.checked):
            direction = _positive(random, _real(input.array).size)
            after, before = self._moved(input, direction), self._moved(input, -direction)
            for output in self.reached:
                weights = _positive(random, after[output].size)
                numerical = weights @ (after[output] - before[output]) / (2 * self.eps)
                start = [x is input for x in self.checked].index(True)
                first, second = (self.gradients(output, weights)[start] for _ in range(2))
                analytical = first @ direction
                atol = self.atol * weights.sum() * direction.sum()  # the sum of what each derivative is allowed
                if not np.isclose(analytical, numerical, rtol=self.rtol, atol=atol):
                    self.compare_jacobians(nondet_tol)  # names the derivative that is off
                    raise GradcheckError(
                        f"Jacobian computed with fast mode mismatch for output {output} with respect to input {place}, "
                        f"numerical: {numerical}, analytical: {analytical}; yet each derivative is within the tolerance"
                    )
                _reentrant(np.abs(first - second), nondet_tol)

    def _moved(self, input: Any, direction: np.ndarray) -> list[np.ndarray]:
        """The outputs with one input moved by a step in a direction."""
        kept = input.array.copy()
        step = (self.eps * direction).view(np.complex128) if kept.dtype.kind == "c" else self.eps * direction
        input.array[...] = kept + step.reshape(kept.shape)
        try:
            return self.values()
        finally:
            input.array[...] = kept

    def zero_gradients(self, check_dtypes: bool) -> None:
        """From gradients of zero come zeros of the inputs' shapes and types."""
        from ..tensor import wrap

        outputs = [self.outputs[place] for place in self.reached]
        if not outputs:
            return
        starts = [wrap(np.zeros_like(output.array)) for output in outputs]
        found = grad(outputs, self.checked, starts, retain_graph=True, allow_unused=True)
        for place, input, gradient in zip(self.places, self.checked, found):
            if gradient is None:
                continue
            if np.any(gradient.array != 0):
                raise GradcheckError(f"backward not multiplied by grad_output: zeros gave {gradient} for input {place}")
            if gradient.array.shape != input.array.shape:
                raise GradcheckError(
                    f"grad is incorrect size: {gradient.shape} for input {place} of shape {input.shape}"
                )
            if check_dtypes and gradient.array.dtype != input.array.dtype:
                raise GradcheckError(f"grad is incorrect type: {gradient.dtype} for input {place} of {input.dtype}")


def _check_inputs(inputs: tuple) -> None:
    checked = _differentiable(inputs)
    if not checked:
        raise ValueError(
            "gradcheck expects at least one input tensor to require gradient, but none of the them have "
            "requires_grad=True."
        )
    for place, input in enumerate(inputs):
        if not any(input is x for x in checked):
            continue
        if input.array.dtype not in (np.float64, np.complex128):
            warnings.warn(
                f"Input #{place} requires gradient and is not a double precision floating point or complex. This check "
                "will likely fail if all the inputs are not of double precision floating point or complex. ",
                stacklevel=3,
            )
        if any(stride == 0 and length > 1 for stride, length in zip(input.array.strides, input.array.shape)):
            raise RuntimeError(
                f"The {place}th input has a dimension with stride 0. gradcheck only supports inputs that are "
                "non-overlapping to be able to compute the numerical gradients correctly. You should call .contiguous "
                "on the input before passing it to gradcheck."
            )


def _as_tuple(outputs: Any) -> tuple:
    from ..tensor import Tensor

    return tuple(x for x in (outputs if isinstance(outputs, (tuple, list)) else (outputs,)) if isinstance(x, Tensor))


def _differentiable(values: tuple) -> tuple:
    return tuple(x for x in _as_tuple(values) if x.requires_grad)


def _real(array: np.ndarray) -> np.ndarray:
    """An array as a vector of real numbers, in double precision."""
    if array.dtype.kind == "c":
        return array.astype(np.complex128).reshape(-1).view(np.float64)
    return array.astype(np.float64).reshape(-1)


def _steps(input: Any, eps: float) -> Iterator[Callable[[int], None]]:
    """For each real number of an input, a function that moves it by so many steps from where it was."""
    array = input.array
    for index in np.ndindex(array.shape):
        value = array[index]
        for step in (eps, eps * 1j) if array.dtype.kind == "c" else (eps,):

            def change(times: int, index: tuple = index, value: Any = value, step: complex = step) -> None:
                array[index] = value + times * step if times else value

            yield change


def _element(array: np.ndarray, place: Any) -> str:
    """The index of a real number of an array."""
    complex_ = array.dtype.kind == "c"
    index = np.unravel_index(place // 2 if complex_ else place, array.shape)
    return ", ".join(map(str, index)) + ((".real", ".imag")[place % 2] if complex_ else "")


def _reentrant(gap: np.ndarray, nondet_tol: float) -> None:
    if gap.size and gap.max() > nondet_tol:
        raise GradcheckError(
            f"Backward is not reentrant, i.e., running backward with same input and grad_output multiple times gives "
            "different values, although analytical gradient matches numerical gradient. The tolerance for "
            f"nondeterminism was {nondet_tol}."
        )


def _positive(random: np.random.Generator, size: int) -> np.ndarray:
    vector = random.random(size) + 0.1
    return vector / np.linalg.norm(vector)


def _random_like(output: Any, non_contiguous: bool) -> Any:
    """A random gradient for an output, which requires grad itself."""
    from ..tensor import wrap

    random = np.random.default_rng(0)
    shape = output.array.shape
    values = random.standard_normal((*shape, 2))
    if output.array.dtype.kind == "c":
        values = values + 1j * random.standard_normal((*shape, 2))
    array = values.astype(output.array.dtype)[..., 0]
    return wrap(array if non_contiguous else np.ascontiguousarray(array).reshape(shape)).requires_grad_()
