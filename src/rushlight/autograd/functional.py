"""Derivatives of functions as a whole: Jacobians and Hessians, and their products with vectors.

Everything here is made of `grad`. Where a product goes the other way than backward does, backward is run through
itself: the gradient is linear in the gradient that it starts from, and the derivative by that start is the product.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..func.reverse import standard_basis
from ..func.vmap import vmap
from ..ops import stack, zeros_like
from ..tensor import Tensor
from .forward_ad import dual_level, make_dual, unpack_dual
from .gradients import grad
from .modes import enable_grad, is_grad_enabled, set_grad_enabled, transforming

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

STRATEGIES = ("forward-mode", "reverse-mode")
INPUT_OF_ONE = "input to the user-provided function is a single Tensor"
IN_STRICT_MODE = "This is not allowed in strict mode"
OUTPUT = "The output of the user-provided function is independent of input {}."
START = (
    "The gradient with respect to the input is independent of entry {} in the grad_outputs when using the double "
    "backward trick to compute forward mode gradients."
)
FIRST_DERIVATIVE = "The jacobian of the user-provided function is independent of input {}."
JACOBIAN_START = "The hessian of the user-provided function is independent of entry {} in the grad_jacobian."
JACOBIAN = "The jacobian of the user-provided function is independent of input {}."
HESSIAN = "The hessian of the user-provided function is independent of input {}."

OUTPUT_OF = (
    "Output {} of the user-provided function does not require gradients. The outputs must be computed in a "
    "differentiable manner from the input when running in strict mode."
)
GRADIENT = (
    "The gradient with respect to input {} is independent of the inputs of the user-provided function. "
    f"{IN_STRICT_MODE}."
)
JACOBIAN_OF = (
    "While computing the hessian, found that the jacobian of the user-provided function with respect to input {} is "
    f"independent of the input. {IN_STRICT_MODE}. The function must be twice differentiable, and its first derivative "
    "must depend on the inputs: that of a linear function does not."
)


def vjp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The outputs of a function, and the product of a vector with its Jacobian.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: the point: a tensor or a tuple of tensors.
        v: the vector, in the form of the outputs; may be left out for an output of one element.
        create_graph: record the computation of the result, so that it can be differentiated.
        strict: raise an error for an input that the outputs do not depend on, rather than give zeros.

    Returns:
        The outputs, and the product in the form of the inputs.

    Raises:
        TypeError: inputs, outputs or ``v`` hold something else than tensors.
        RuntimeError: ``v`` is missing or of another form; in strict mode, something does not depend on an input.

    >>> import rushlight as torch
    >>> torch.autograd.functional.vjp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        inputs, several_inputs = _tensors(inputs, "inputs", "vjp")
        inputs = _recorded(inputs, create_graph)
        outputs, several_outputs = _outputs(func, inputs, "vjp", strict)
        v = _vector(v, outputs, several_outputs, "vjp", create_graph, "user-provided function returns a single Tensor")
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(outputs, inputs, v, create_graph)
        product = _complete(found, inputs, strict, create_graph, OUTPUT, JACOBIAN)
    return _result(outputs, several_outputs, create_graph), _result(product, several_inputs, create_graph)


def jvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The outputs of a function, and the product of its Jacobian with a vector.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: the point: a tensor or a tuple of tensors.
        v: the vector, in the form of the inputs; may be left out for an input of one element.
        create_graph: record the computation of the result, so that it can be differentiated.
        strict: raise an error where something does not depend on an input, rather than give zeros.

    Returns:
        The outputs, and the product in the form of the outputs.

    Raises:
        TypeError: inputs, outputs or ``v`` hold something else than tensors.
        RuntimeError: ``v`` is missing or of another form; in strict mode, something does not depend on an input.

    >>> import rushlight as torch
    >>> torch.autograd.functional.jvp(lambda x: x**2, torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    (tensor([1., 4.]), tensor([ 2., 40.]))
    """
    with enable_grad():
        inputs, several_inputs = _tensors(inputs, "inputs", "jvp")
        inputs = _recorded(inputs, create_graph)
        v = _vector(v, inputs, several_inputs, "jvp", create_graph, INPUT_OF_ONE)
        outputs, several_outputs = _outputs(func, inputs, "jvp", strict)
        starts = tuple(zeros_like(output, requires_grad=True) for output in outputs)
        found = _gradients(outputs, inputs, starts, create_graph=True)
        _demand_dependence(found, strict, GRADIENT)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(found, starts, v, create_graph)
        product = _complete(found, outputs, strict, create_graph, START, JACOBIAN)
    return _result(outputs, several_outputs, create_graph), _result(product, several_outputs, create_graph)


def vhp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The output of a function of one number, and the product of a vector with its Hessian.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: the point: a tensor or a tuple of tensors.
        v: the vector, in the form of the inputs; may be left out for an input of one element.
        create_graph: record the computation of the result, so that it can be differentiated.
        strict: raise an error where something does not depend on an input, rather than give zeros.

    Returns:
        The output, and the product in the form of the inputs.

    Raises:
        TypeError: inputs, outputs or ``v`` hold something else than tensors.
        RuntimeError: the function returns anything but one number; ``v`` is missing or of another form; in strict
            mode, something does not depend on an input.

    >>> import rushlight as torch
    >>> torch.autograd.functional.vhp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        inputs, several_inputs, v, outputs, jacobian = _first_derivative(func, inputs, v, "vhp", create_graph, strict)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(jacobian, inputs, v, create_graph)
        product = _complete(found, inputs, strict, create_graph, FIRST_DERIVATIVE, HESSIAN)
    return _result(outputs, False, create_graph), _result(product, several_inputs, create_graph)


def hvp(func: Callable, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False) -> tuple:
    """The output of a function of one number, and the product of its Hessian with a vector.

    It is slower than `vhp`, which gives the same wherever the Hessian is symmetric.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: the point: a tensor or a tuple of tensors.
        v: the vector, in the form of the inputs; may be left out for an input of one element.
        create_graph: record the computation of the result, so that it can be differentiated.
        strict: raise an error where something does not depend on an input, rather than give zeros.

    Returns:
        The output, and the product in the form of the inputs.

    Raises:
        TypeError: inputs, outputs or ``v`` hold something else than tensors.
        RuntimeError: the function returns anything but one number; ``v`` is missing or of another form; in strict
            mode, something does not depend on an input.

    >>> import rushlight as torch
    >>> torch.autograd.functional.hvp(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]), torch.tensor([1.0, 10.0]))
    (tensor(9.), tensor([  6., 120.]))
    """
    with enable_grad():
        inputs, several_inputs, v, outputs, jacobian = _first_derivative(func, inputs, v, "hvp", create_graph, strict)
        starts = tuple(zeros_like(input, requires_grad=True) for input in inputs)
        found = _gradients(jacobian, inputs, starts, create_graph=True)
    with set_grad_enabled(create_graph or is_grad_enabled()):
        found = _gradients(found, starts, v, create_graph)
        product = _complete(found, inputs, strict, create_graph, JACOBIAN_START, HESSIAN)
    return _result(outputs, False, create_graph), _result(product, several_inputs, create_graph)


def jacobian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """The Jacobian of a function at a point.

    Args:
        func: takes tensors, returns a tensor or a tuple of tensors.
        inputs: the point: a tensor or a tuple of tensors.
        create_graph: record the computation of the result, so that it can be differentiated.
        strict: raise an error where an output does not depend on an input, rather than give zeros.
        vectorize: compute all rows in one batch.
        strategy: "reverse-mode" goes row by row, "forward-mode" column by column, which is less work where there are
            more outputs than inputs; it must be vectorized.

    Returns:
        For an output and an input a tensor of the shape of the output followed by that of the input; for a tuple of
        inputs a tuple of them; for a tuple of outputs a tuple of what there is for each.

    Raises:
        TypeError: inputs or outputs hold something else than tensors.
        RuntimeError: in strict mode, something does not depend on an input.
        AssertionError: there is no such strategy.
        NotImplementedError: forward mode is to be recorded, or is not vectorized.

    >>> import rushlight as torch
    >>> torch.autograd.functional.jacobian(lambda x: x**2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in STRATEGIES:
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode", the one for more outputs than inputs, '
            f"the other for more inputs than outputs, but got {strategy!r}"
        )
    if strategy == "forward-mode":
        _refuse_in_forward_mode(create_graph, strict)
        inputs, several_inputs = _tensors(inputs, "inputs", "jacobian")
        return _all_columns(func, inputs, several_inputs, vectorize)
    with enable_grad():
        inputs, several_inputs = _tensors(inputs, "inputs", "jacobian")
        inputs = _recorded(inputs, create_graph)
        outputs, several_outputs = _outputs(func, inputs, "jacobian", strict)
        if vectorize and strict:
            raise RuntimeError(
                "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not supported together. "
                "Please either set `strict=False` or `vectorize=False`."
            )
        blocks: list
        if vectorize:
            blocks = _all_rows(outputs, inputs, create_graph)
        else:
            blocks = [_row_by_row(place, output, inputs, create_graph, strict) for place, output in enumerate(outputs)]
        return _form([_result(block, several_inputs, create_graph) for block in blocks], several_outputs)


def hessian(
    func: Callable,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """The Hessian of a function of one number at a point: the Jacobian of its Jacobian.

    Args:
        func: takes tensors, returns a tensor of one element.
        inputs: the point: a tensor or a tuple of tensors.
        create_graph: record the computation of the result, so that it can be differentiated.
        strict: raise an error where something does not depend on an input, rather than give zeros.
        vectorize: compute all rows in one batch.
        outer_jacobian_strategy: how the Jacobian of the Jacobian is computed, see `jacobian`.

    Returns:
        For one input a tensor of its shape, twice; for a tuple of inputs a tuple of tuples, one for each pair.

    Raises:
        TypeError: inputs or outputs hold something else than tensors.
        RuntimeError: the function returns anything but one number; in strict mode, something does not depend on an
            input.
        AssertionError: there is no such strategy.
        NotImplementedError: forward mode is to be recorded, or is not vectorized.

    >>> import rushlight as torch
    >>> torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    inputs, several_inputs = _tensors(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in STRATEGIES:
        raise AssertionError(
            f'Expected strategy to be either "forward-mode" or "reverse-mode", but got {outer_jacobian_strategy!r}'
        )

    def number(*inputs: Any) -> Any:
        return _one_number(func, inputs, "hessian", strict)[0].squeeze()

    if outer_jacobian_strategy == "forward-mode":  # which makes no inputs of its own that require grad
        inputs = tuple(
            input if input.requires_grad or not input.dtype.is_floating_point else input.detach().requires_grad_()
            for input in inputs
        )

    def first_derivative(*inputs: Any) -> tuple:
        found = jacobian(number, inputs, create_graph=True)
        _demand_dependence(found, strict, JACOBIAN_OF)
        return found

    blocks = jacobian(first_derivative, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return blocks if several_inputs else blocks[0][0]


def _refuse_in_forward_mode(create_graph: bool, strict: bool) -> None:
    for option, given, error in (("create_graph", create_graph, NotImplementedError), ("strict", strict, RuntimeError)):
        if given:
            raise error(
                f'torch.autograd.functional.jacobian: `{option}=True` and `strategy="forward-mode"` are not supported '
                f'together (yet). Please either set `{option}=False` or `strategy="reverse-mode"`.'
            )


def _row_by_row(place: int, output: Tensor, inputs: tuple, create_graph: bool, strict: bool) -> tuple:
    """The derivatives of one output by each input, from one backward for each element of the output."""
    rows: tuple[list, ...] = tuple([] for _ in inputs)
    for element in output.reshape(-1):
        found = _gradients((element,), inputs, None, create_graph, retain_graph=True)
        for number, (column, gradient, input) in enumerate(zip(rows, found, inputs)):
            if strict and gradient is None:
                raise RuntimeError(
                    f"Output {place} of the user-provided function is independent of input {number}. {IN_STRICT_MODE}."
                )
            if strict and create_graph and not gradient.requires_grad:
                raise RuntimeError(
                    f"The jacobian of the user-provided function is independent of input {place}. {IN_STRICT_MODE} "
                    f"when create_graph=True. It is the derivative of output {place} with respect to input {number}."
                )
            column.append(zeros_like(input) if gradient is None else gradient)
    return tuple(stack(column).view(output.shape + input.shape) for column, input in zip(rows, inputs))


def _all_rows(outputs: tuple, inputs: tuple, create_graph: bool) -> list[list[Tensor]]:
    """For each output its derivatives by each input, from one backward for all elements of all outputs."""
    basis = _basis(outputs)
    found = _gradients(outputs, inputs, tuple(basis), create_graph, batched=True)
    rows = [
        zeros_like(input).expand((len(basis[0]), *input.shape)) if gradient is None else gradient
        for input, gradient in zip(inputs, found)
    ]
    by_input = [part.split([output.numel() for output in outputs]) for part in rows]
    return [
        [rows[place].view(output.shape + input.shape) for rows, input in zip(by_input, inputs)]
        for place, output in enumerate(outputs)
    ]


def _basis(tensors: tuple) -> list[Tensor]:
    if not tensors:
        raise AssertionError("Expected at least one tensor among the inputs and the outputs")
    return standard_basis(list(tensors))


def _all_columns(func: Callable, inputs: tuple, several_inputs: bool, vectorize: bool) -> Any:
    """The Jacobian in forward mode, from one call for all elements of all inputs."""
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is only implemented for "
            "`vectorize=True`."
        )
    shapes: list = []
    several_outputs = False

    def push(*tangents: Tensor) -> tuple:
        nonlocal several_outputs
        transforming.set(False)  # until vmap sets it again: what follows is no transformation of `torch.func`
        with dual_level():
            duals = (make_dual(input, tangent) for input, tangent in zip(inputs, tangents))
            outputs, several_outputs = _tensors(func(*duals), "outputs of the user-provided function", "jacobian")
            pairs = [unpack_dual(output) for output in outputs]
        shapes[:] = [pair.primal.shape for pair in pairs]
        return tuple(zeros_like(pair.primal) if pair.tangent is None else pair.tangent for pair in pairs)

    found = vmap(push, out_dims=-1)(*_basis(inputs))
    sizes = [input.numel() for input in inputs]
    blocks: Any = [
        [columns.reshape(shape + input.shape) for columns, input in zip(rows.split(sizes, dim=-1), inputs)]
        for rows, shape in zip(found, shapes)
    ]
    if not several_inputs:
        blocks = tuple(block[0] for block in blocks)
    return blocks if several_outputs else blocks[0]


def _first_derivative(func: Callable, inputs: Any, v: Any, name: str, create_graph: bool, strict: bool) -> tuple:
    """What `vhp` and `hvp` begin with: the inputs, whether they are several, the vector, the output, its gradient."""
    inputs, several_inputs = _tensors(inputs, "inputs", name)
    inputs = _recorded(inputs, create_graph)
    v = _vector(v, inputs, several_inputs, name, create_graph, INPUT_OF_ONE)
    outputs = _one_number(func, inputs, name, strict)
    found = _gradients(outputs, inputs, None, create_graph=True)
    _demand_dependence(found, strict, JACOBIAN_OF)
    return inputs, several_inputs, v, outputs, found


# What goes in and what comes out


def _tensors(value: Any, what: str, name: str) -> tuple[tuple, bool]:
    """A tensor or a tuple of them as a tuple, and whether it was one."""
    several = isinstance(value, tuple)
    values = value if several else (value,)
    for place, item in enumerate(values):
        if not isinstance(item, Tensor):
            where = f"value at index {place}" if several else f"given {what}"
            raise TypeError(
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the {where} has type "
                f"{type(item)}."
            )
    return values, several


def _recorded(inputs: tuple, create_graph: bool, requires_grad: bool = True) -> tuple:
    """The inputs as tensors of their own: what the function does to them and to their gradients stays here."""
    return tuple(
        input.view_as(input) if create_graph and input.requires_grad else input.detach().requires_grad_(requires_grad)
        for input in inputs
    )


def _outputs(func: Callable, inputs: tuple, name: str, strict: bool) -> tuple[tuple, bool]:
    """What the function returns as a tuple, and whether it was one."""
    outputs, several = _tensors(func(*inputs), "outputs of the user-provided function", name)
    _demand_dependence(outputs, strict, OUTPUT_OF)
    return outputs, several


def _one_number(func: Callable, inputs: tuple, name: str, strict: bool) -> tuple:
    outputs, several = _outputs(func, inputs, name, strict)
    if several:
        raise RuntimeError(f"The function given to {name} should return a single Tensor, not a tuple of {len(outputs)}")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {name} should contain a single element, but its shape is "
            f"{list(outputs[0].shape)}"
        )
    return outputs


def _vector(v: Any, like: tuple, several: bool, name: str, create_graph: bool, condition: str) -> tuple | None:
    """The vector of a product, which has the form of the inputs or of the outputs."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(f"The vector v can only be None if the {condition} with a single element.")
        return None
    given, _ = _tensors(v, "v", name)
    given = _recorded(given, create_graph, requires_grad=False)
    if len(given) != len(like):
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(given)}."
            if several
            else f"The given v should contain a single Tensor, but it has {len(given)}."
        )
    for place, (mine, other) in enumerate(zip(given, like)):
        if mine.shape != other.shape:
            entry = f"Entry {place} in " if several else ""
            raise RuntimeError(f"{entry}v has invalid size: should be {other.shape} but got {mine.shape}.")
    return given


def _result(tensors: Sequence, several: bool, create_graph: bool) -> Any:
    """What the user gets: in the form that was given, and without a graph unless one was asked for."""
    return _form(tensors if create_graph else [tensor.detach() for tensor in tensors], several)


def _form(parts: Sequence, several: bool) -> Any:
    """A tuple where the user gave one."""
    if not parts:
        raise IndexError("tuple index out of range: there is not one tensor among the inputs or the outputs")
    return tuple(parts) if several else parts[0]


def _gradients(
    outputs: tuple,
    inputs: tuple,
    starts: tuple | None,
    create_graph: bool,
    retain_graph: bool | None = None,
    batched: bool = False,
) -> tuple:
    """`grad` of those outputs that have a graph; None for an input that none of them depends on."""
    reached = [place for place, output in enumerate(outputs) if output is not None and output.requires_grad]
    if not reached:
        return (None,) * len(inputs)
    starts = None if starts is None else tuple(starts[place] for place in reached)
    return grad(
        [outputs[place] for place in reached],
        inputs,
        starts,
        retain_graph,
        create_graph,
        allow_unused=True,
        is_grads_batched=batched,
    )


# What strict mode demands


def _demand_dependence(values: tuple, strict: bool, words: str) -> None:
    """In strict mode, raise an error for a value that does not depend on the inputs."""
    for place, value in enumerate(values if strict else ()):
        if value is None:
            raise RuntimeError(f"{OUTPUT.format(place)} {IN_STRICT_MODE}.")
        if not value.requires_grad:
            raise RuntimeError(words.format(place))


def _complete(found: tuple, like: tuple, strict: bool, create_graph: bool, missing: str, constant: str) -> tuple:
    """Zeros for what is missing; in strict mode an error, also for what is constant although a graph is asked for."""
    for place, gradient in enumerate(found if strict else ()):
        if gradient is None:
            raise RuntimeError(f"{missing.format(place)} {IN_STRICT_MODE}.")
        if create_graph and not gradient.requires_grad:
            raise RuntimeError(f"{constant.format(place)} {IN_STRICT_MODE} when create_graph=True.")
    return tuple(zeros_like(other) if gradient is None else gradient for gradient, other in zip(found, like))
