"""What a tensor must be to require grad as a leaf, and a tensor to be assigned to one as its gradient: the refusals."""

from __future__ import annotations

from typing import Any

from .modes import inferring
from .node import explained, here
from .origin import made
from .versions import inference_cell


def check_requires_grad(tensor: Any, value: bool) -> None:
    """Whether ``requires_grad`` of a tensor may be set to this.

    Raises:
        RuntimeError: it is not a leaf, holds whole numbers, or was made in inference mode.
    """
    if tensor.node is not None:  # a view whose base got a history is a leaf until somebody looks
        advice = (
            " If you want to use a computed variable in a subgraph that doesn't require differentiation use "
            "var_no_grad = var.detach()."
        )
        raise RuntimeError(
            explained(
                f"you can only change requires_grad flags of leaf variables.{'' if value else advice}",
                f"This one is {made(tensor)}",
            )
        )
    if not value:
        return
    check_numbers(tensor, "only Tensors of floating point and complex dtype")
    if tensor.version is inference_cell and not inferring.get():
        raise RuntimeError(
            explained(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.",
                f"It is {made(tensor)}",
                "Make it outside of inference_mode, or take a .clone().",
            )
        )


def check_numbers(tensor: Any, words: str, advice: str = "Convert it first, for example with .float().") -> None:
    """Whether a tensor holds numbers that have gradients; ``words`` say which do.

    Raises:
        RuntimeError: it holds whole numbers.
    """
    if tensor.array.dtype.kind not in "fcV":
        raise RuntimeError(
            explained(
                f"{words} can require gradients",
                f"This one is of {tensor.dtype}, {made(tensor)}",
                advice,
            )
        )


def check_assigned(tensor: Any, gradient: Any) -> None:
    """Whether a tensor may be assigned as the gradient of another.

    Raises:
        RuntimeError: it is of another shape or type, or the other itself.
    """
    if gradient is tensor:
        raise RuntimeError("can't assign Variable as its own grad")
    if gradient.array.shape != tensor.array.shape:
        raise RuntimeError(
            explained(
                f"attempting to assign a gradient of size '{list(gradient.array.shape)}' to a tensor of size "
                f"'{list(tensor.array.shape)}'. Please ensure that the gradient and the tensor are the same size",
                f"The tensor: {made(tensor)}",
                f"The gradient: {made(gradient)}",
                f"It is assigned at {here()}",
            )
        )
    wanted = tensor.grad_dtype if tensor.is_leaf else tensor.dtype
    if wanted is not None and gradient.dtype is not wanted:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{gradient.dtype}' to a tensor with grad_dtype "
            f"'{wanted}'. Convert the gradient with .to({wanted})"
        )
