"""The older way: the function runs unrecorded, and its backward runs a backward of its own inside of the outer one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from ...autograd import engine, gradients
from ...autograd.function import Function
from ...autograd.modes import enable_grad
from ...random import fork_rng, get_rng_state, set_rng_state
from ...tensor import Tensor


def detach_variable(inputs: Any) -> tuple:
    """The arguments with each tensor detached, as a leaf that requires grad if the tensor does.

    Raises:
        RuntimeError: it is not a tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(f"Only tuple of tensors is supported. Got Unsupported input type: {type(inputs).__name__}")
    return tuple(
        value.detach().requires_grad_(value.requires_grad) if isinstance(value, Tensor) else value for value in inputs
    )


def check_backward_validity(inputs: Iterable) -> None:
    """Warn if no tensor among the inputs requires grad."""
    if not any(isinstance(value, Tensor) and value.requires_grad for value in inputs):
        warnings.warn("None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2)


class CheckpointFunction(Function):
    """A function call whose backward calls it again, recorded, and differentiates that."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        """Call the function."""
        check_backward_validity(args)
        ctx.run_function, ctx.args = run_function, args
        ctx.random_state = get_rng_state() if preserve_rng_state else None
        ctx.args = [None if isinstance(value, Tensor) else value for value in args]
        ctx.places = [place for place, value in enumerate(args) if isinstance(value, Tensor)]
        ctx.save_for_backward(*(args[place] for place in ctx.places))
        return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *gradients_of_outputs: Any) -> tuple:
        """Call it again and run its backward."""
        current = engine.running.get()
        while current is not None:
            if current.wanted is not None:
                raise RuntimeError(
                    "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or passing an "
                    "`inputs` parameter to .backward(). To resolve this error, you can either set use_reentrant=False, "
                    "or call .backward() without passing the `inputs` argument."
                )
            current = current.outer
        inputs = list(ctx.args)
        for place, tensor in zip(ctx.places, ctx.saved_tensors):
            inputs[place] = tensor
        detached = detach_variable(tuple(inputs))
        with fork_rng(enabled=ctx.random_state is not None), enable_grad():
            if ctx.random_state is not None:
                set_rng_state(ctx.random_state)
            outputs = ctx.run_function(*detached)
        outputs = (outputs,) if isinstance(outputs, Tensor) else outputs
        pairs = [
            (output, gradient)
            for output, gradient in zip(outputs, gradients_of_outputs)
            if isinstance(output, Tensor) and output.requires_grad
        ]
        if not pairs:
            raise RuntimeError("none of output has requires_grad=True, this checkpoint() is not necessary")
        gradients.backward([output for output, _ in pairs], [gradient for _, gradient in pairs])
        return None, None, *(value.grad if isinstance(value, Tensor) else None for value in detached)
