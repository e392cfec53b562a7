"""`backward` and `grad`: what the user calls to run the engine."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np

from .. import dtypes
from .. import tensor as tensors
from . import engine
from .edges import GradientEdge, end_of
from .hooks import holder_of
from .modes import check_untransformed, open_levels, transforming
from .node import AccumulateGrad, Bundle, Slot, current_frame, explained, here, made_by, user_place
from .origin import GRADIENT, made, story

ndarray = np.ndarray

CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter and its gradient: the "
    "memory is not freed until the garbage collector finds it. Use autograd.grad(create_graph=True) instead, or set "
    ".grad of the parameters to None afterwards."
)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Add the gradients of one or more tensors to ``.grad`` of the leaves that they depend on.

    Args:
        tensors: a tensor or a sequence of them.
        grad_tensors: for each, the gradient that it starts from; may be left out for tensors of one element.
        retain_graph: keep what was saved, so that backward can run again; by default as ``create_graph``.
        create_graph: record the computation of the gradients too, for higher derivatives.
        inputs: accumulate into these tensors only.

    Raises:
        RuntimeError: a tensor has no graph, the graph was freed, a saved value has been changed in place, or a
            gradient is missing or of another shape.

    >>> import rushlight as torch
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.backward(x * x)
    >>> x.grad
    tensor(6.)
    """
    check_untransformed(
        "backward() called inside a functorch transform. This is not supported, please use func.grad or func.vjp "
        "instead or call backward() outside of what they transform."
    )
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError("'grad_tensors' and 'grad_variables' (deprecated) arguments both passed to backward()")
        grad_tensors = grad_variables
    outputs = _as_tuple(tensors)
    if inputs is not None:
        inputs = _as_tuple(inputs.values() if isinstance(inputs, Mapping) else inputs)
        if not inputs:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        for tensor in inputs:
            if not isinstance(tensor, GradientEdge):
                tensor.retain_grad()
    if create_graph:
        warnings.warn(CYCLE, stacklevel=3)
    on_tensors = create_graph or bool(open_levels.get())
    starts = _starting_gradients(outputs, grad_tensors, on_tensors)
    run = _watched if engine.watchers else engine.run
    place = user_place(current_frame(1))
    run(
        _roots(outputs),
        starts,
        keep_graph=create_graph if retain_graph is None else retain_graph,
        on_tensors=on_tensors,
        create_graph=create_graph,
        targets=None if inputs is None else [holder_of(edge_at(tensor))[0] for tensor in inputs],
        make=_maker(place),
        capture=False,
        place=place,
    )


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of the sum of ``outputs`` with respect to ``inputs``, leaving every ``.grad`` alone.

    Args:
        outputs: a tensor or a sequence of them.
        inputs: the tensors, leaves or not, to differentiate with respect to, in a sequence or a dictionary.
        grad_outputs: for each output, the gradient that it starts from; may be left out for tensors of one element.
        retain_graph: keep what was saved, so that backward can run again; by default as ``create_graph``.
        create_graph: record the computation of the gradients too, for higher derivatives.
        allow_unused: give None for inputs that the outputs do not depend on, instead of an error.
        is_grads_batched: the first axis of ``grad_outputs``, and then of the results, runs over a batch of them.
        materialize_grads: give zeros for them.

    Returns:
        One tensor, or None, for each input: a dictionary if that was given.

    >>> import rushlight as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.grad(x**3, x)
    (tensor(12.),)
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    if not only_inputs:
        warnings.warn(
            "only_inputs argument is deprecated and is ignored now (defaults to True). To accumulate gradient for "
            "other parts of the graph, use torch.autograd.backward.",
            FutureWarning,
            stacklevel=2,
        )
    names = None
    if type(inputs) is not list and isinstance(inputs, Mapping):
        names, inputs = tuple(inputs), inputs.values()
    outputs, inputs = _as_tuple(outputs), _as_tuple(inputs)
    if not inputs:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if is_grads_batched:
        batch = _grad_of_batch(
            outputs,
            inputs,
            grad_outputs,
            retain_graph=retain_graph,
            create_graph=create_graph,
            allow_unused=allow_unused,
            materialize_grads=materialize_grads,
        )
        return batch if names is None else dict(zip(names, batch))
    on_tensors = create_graph or bool(open_levels.get())
    starts = _starting_gradients(outputs, grad_outputs, on_tensors)
    roots = _roots(outputs)
    ends = [_end(tensor) for tensor in inputs]
    run = _watched if engine.watchers else engine.run
    place = user_place(current_frame(1))
    make = _maker(place)
    found = run(
        roots,
        starts,
        keep_graph=create_graph if retain_graph is None else retain_graph,
        on_tensors=on_tensors,
        create_graph=create_graph,
        targets=[end.edges[0] if type(end) is Slot else end for end in ends],
        make=make,
        place=place,
    )
    result: list = []
    for end in ends:
        gradient = found.get(end.edges[0] if type(end) is Slot else end)
        if type(gradient) is Bundle:
            gradient = gradient.get(end.index)
        if gradient is None:
            gradient = _missing(len(result), inputs, outputs, allow_unused, materialize_grads, create_graph)
        elif not on_tensors:
            gradient = make(gradient)
        result.append(gradient)
    return tuple(result) if names is None else dict(zip(names, result))


def _end(tensor: Any) -> Any:
    """Where the gradient goes that is asked for with respect to a tensor, or what stands for one."""
    if isinstance(tensor, tensors.Tensor):
        if tensor.leaf or tensor.requires_grad:
            return tensors.edge_of(tensor)
        raise RuntimeError(explained("One of the differentiated Tensors does not require grad", *story(tensor)))
    if type(tensor) is GradientEdge:
        return end_of(tensor)
    kind = type(tensor).__name__
    raise RuntimeError(
        explained(f"all inputs have to be Tensors or GradientEdges, but got {kind}", f"by the call at {here()}")
    )


def _missing(number: int, inputs: tuple, outputs: tuple, allowed: Any, materialize: bool, create_graph: bool) -> Any:
    """What `grad` gives for an input that the outputs do not depend on: None or zeros, if that is allowed."""
    tensor = inputs[number]
    if materialize:
        if isinstance(tensor, GradientEdge):
            raise RuntimeError("materialize_grads cannot be used when the given input is a GradientEdge")
        zeros = tensors.wrap(np.zeros_like(tensor.array))
        zeros.requires_grad = create_graph
        return zeros
    if allowed:
        return None
    raise RuntimeError(
        explained(
            f"The differentiated Tensor at index {number} appears to not have been used in the graph. Set "
            f"allow_unused=True if this is the desired behavior.",
            *unused(tensor, outputs),
        )
    )


def _grad_of_batch(outputs: tuple, inputs: tuple, grad_outputs: Any, **options: Any) -> tuple:
    """`grad` from a batch of gradients: their first axis, and that of the results, runs over the batch."""
    from ..func.vmap import vmap

    given = _as_tuple(grad_outputs)
    present: list = []

    def of_one(*starts: Any) -> tuple:
        transforming.set(
            False
        )  # until vmap sets it again: the code that is called was not written for a transformation
        gradients = grad(outputs, inputs, starts, **options)
        present[:] = [gradient is not None for gradient in gradients]
        return tuple(gradient for gradient in gradients if gradient is not None)

    found = iter(vmap(of_one, in_dims=tuple(None if start is None else 0 for start in given))(*given))
    return tuple(next(found) if is_there else None for is_there in present)


def _watched(roots: list, *args: Any, **options: Any) -> dict:
    """`engine.run` with those who look on."""
    with ExitStack() as stack:
        for watching in engine.watchers:
            stack.enter_context(watching(engine.reachable(roots)))
        return engine.run(roots, *args, **options)


def wrap_grad(array: Any) -> Any:
    """A gradient as a tensor."""
    return tensors.wrap(array if type(array) is ndarray else np.asarray(array))


def _maker(place: tuple) -> Callable:
    """Makes tensors of gradients that remember the backward at this place, which they are from."""
    code, instruction = place
    origin = "", GRADIENT, code, instruction, (), 0

    def make(array: Any) -> Any:
        gradient = tensors.wrap(array if type(array) is ndarray else np.asarray(array))
        gradient.origin = origin
        return gradient

    return make


def _as_tuple(value: Any) -> tuple:
    return (value,) if isinstance(value, tensors.Tensor) or type(value) is GradientEdge else tuple(value)


def edge_at(tensor: Any) -> Any:
    """Where the gradient of a tensor, or of what stands for one, goes."""
    return end_of(tensor) if type(tensor) is GradientEdge else tensors.edge_of(tensor)


def _meta(tensor: Any) -> tuple:
    """The shape and type of a tensor, or of what stands for one."""
    if isinstance(tensor, tensors.Tensor):
        return tensor.array.shape, tensor.array.dtype
    if type(tensor) is not GradientEdge:
        raise AssertionError(
            explained(
                f"Expected output to be a torch.Tensor, but got {type(tensor).__name__}", f"in the call at {here()}"
            )
        )
    return tensor.node._input_metadata[tensor.output_nr].meta


def _roots(outputs: Sequence) -> list:
    roots: list = []
    for output in outputs:
        root = edge_at(output)
        if root is None:
            scalar = f"And grad can be implicitly created only for scalar outputs: the shape is {list(output.shape)}."
            raise RuntimeError(
                explained(
                    f"element {len(roots)} of tensors does not require grad and does not have a grad_fn",
                    *story(output),
                    "" if output.numel() == 1 else scalar,
                )
            )
        roots.append(root)
    return roots


def _starting_gradients(outputs: Sequence, given: Any, on_tensors: bool) -> list:
    """For each output the gradient that it starts from, as arrays or as Tensors."""
    if given is None:
        ones = [_implicit_gradient(output) for output in outputs]
        return [tensors.wrap(np.asarray(one)) for one in ones] if on_tensors else ones
    given = _as_tuple(given)
    if len(given) != len(outputs):
        raise RuntimeError(
            explained(f"got {len(outputs)} tensors and {len(given)} gradients", f"by the backward at {here()}")
        )
    starts: list = []
    for output, gradient in zip(outputs, given):
        if gradient is None:
            one = _implicit_gradient(output)
            starts.append(tensors.wrap(np.asarray(one)) if on_tensors else one)
            continue
        dtype = _check_gradient(len(starts), output, gradient)
        array = gradient.array
        if array.dtype is not dtype:
            gradient = gradient.to(dtypes.of(dtype)) if on_tensors else gradient
            array = array.astype(dtype, copy=False)
        starts.append(gradient if on_tensors else array[()])  # 0-dim gradients travel as NumPy scalars
    return starts


def _implicit_gradient(output: Any) -> Any:
    """One, in the shape and type of an output that is a single real number."""
    shape, dtype = _meta(output)
    if shape and math.prod(shape) != 1 and _is_tracked(output):
        raise RuntimeError(
            explained(
                "grad can be implicitly created only for scalar outputs",
                f"This one has shape {list(shape)}: {told(output)}",
                "Reduce it first, for example with .sum(), or pass gradient= of its shape.",
            )
        )
    if dtype.kind not in "fV" and _is_tracked(output):
        raise RuntimeError(
            explained(
                f"grad can be implicitly created only for real scalar outputs but got {dtypes.of(dtype)}",
                told(output),
                "Take its .real or .abs() first, or pass gradient= of its type.",
            )
        )
    one = _one(dtype.type)
    return np.full(shape, one) if shape else one


@functools.cache
def _one(kind: type) -> Any:
    return kind(1)


def _is_tracked(output: Any) -> bool:
    return isinstance(output, GradientEdge) or output.requires_grad


def _check_gradient(number: int, output: Any, gradient: Any) -> np.dtype:
    """The type that the gradient of an output has to have."""
    if not isinstance(gradient, tensors.Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(gradient).__name__}")
    shape, dtype = _meta(output)
    array = gradient.array
    if array.shape != shape:
        raise RuntimeError(
            explained(
                f"Mismatch in shape: grad_output[{number}] has a shape of {gradient.shape} and output[{number}] has a "
                f"shape of {tensors.Size(shape)}.",
                f"The output: {told(output)}",
                f"The gradient: {made(gradient)}",
            )
        )
    if array.dtype is not dtype and (array.dtype.kind == "c") != (dtype.kind == "c"):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. Mismatch in dtype: "
            f"grad_output[{number}] has a dtype of {gradient.dtype} and output[{number}] has a dtype of "
            f"{dtypes.of(dtype)}.\n  The output: {told(output)}"
        )
    return dtype


def told(output: Any) -> str:
    """What a tensor, or the node of an edge, was made by, in words."""
    if isinstance(output, GradientEdge):
        return made(output.node.variable) if isinstance(output.node, AccumulateGrad) else made_by(output.node)
    return made(output)


def unused(tensor: Any, outputs: Sequence) -> list[str]:
    """Why a tensor that was asked for got no gradient, in words."""
    lines = [f"It is {told(tensor)}", *(f"The output is {told(output)}" for output in outputs)]
    return [*lines, "Look for what cuts the one off from the other: another tensor used, .detach(), .data or no_grad."]
