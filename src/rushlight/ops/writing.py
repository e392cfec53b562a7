"""Writing into tensors: in-place operations, `out=`, views, and what must be refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.hooks import move_retained
from ..autograd.modes import inferring, recording
from ..autograd.node import current_frame, explained, here, user_place
from ..autograd.origin import made
from ..autograd.versions import changed_at, inference_cell
from ..kernels.layout import address
from ..tensor import Parameter, Tensor, View, edge_of

ndarray = np.ndarray


def show(out: Tensor, of: Tensor, made: int = View.DEFAULT, replay: Callable | None = None) -> None:
    """Make ``out``, whose array shares memory with that of ``of``, a view of it."""
    out.version = of.version
    if out.version is inference_cell:
        return
    base = of if of._view is None else of._view.base
    if not recording.get():
        made = View.INFERENCE if inferring.get() else View.NO_GRAD
    if of._view is not None:
        made = inherited(made, of._view.made)
        replay = compose(of, out.array, replay)
    out._view = View(base, replay, made, out.version[0])


def inherited(made: int, before: int) -> int:
    """Of what kind a view of a view is: one made in inference mode has only views of its own kind."""
    return before if made == View.DEFAULT or before == View.INFERENCE else made


def compose(of: Tensor, array: ndarray, again: Callable | None) -> Callable | None:
    """How to show ``array``, a view of the view ``of``, from their base; None where strides alone describe it.

    ``again`` shows a tensor under another type; None stands for a step that is strides alone.
    """
    view: Any = of._view
    before = view.replay
    if before is None and again is None:
        return None
    from .strided import strided_from

    first = before or strided_from(view.base.array, of.array)
    second = again or strided_from(of.array, array)
    return lambda base: second(first(base))


def check_views(tensors: Iterable[Tensor]) -> None:
    """Refuse views whose history has become unusable: in PyTorch that error comes before that of the operation."""
    tensors = tuple(tensors)
    if recording.get() and any(tensor.requires_grad for tensor in tensors):
        for tensor in tensors:
            edge_of(tensor)


def unrecorded(target: Tensor) -> bool:
    """Whether a plain tensor can be overwritten at once: nothing recorded, nothing overlapping, versions counted."""
    kind = type(target)
    return (
        (kind is Tensor or kind is Parameter)
        and (not recording.get() or (target.node is None and not target.leaf and target._view is None))
        and target.version is not inference_cell
        and target.array.flags.c_contiguous
    )


def needs_record(tensor: Tensor) -> bool:
    """Whether an operation on this tensor is to be recorded."""
    return recording.get() and tensor.requires_grad


def check_history(target: Tensor, name: str, recorded: bool = False) -> None:
    """Refuse a change that autograd could not follow; ``recorded`` because of another operand than the target."""
    if not recording.get():
        return
    view = target._view
    required = target.leaf or target.node is not None or view is not None and view.base.requires_grad
    if view is not None and (recorded or required):
        if view.made != View.DEFAULT:
            from .inplace import refuse

            refuse(target, "is being modified inplace", name)
        if required and view.base.is_leaf:
            raise RuntimeError(
                explained(
                    "a view of a leaf Variable that requires grad is being used in an in-place operation.",
                    f"It is changed by {name} at {here()}",
                    f"The view: {made(target)}",
                    f"The leaf: {made(view.base)}",
                    "Use torch.no_grad() around the change, or change a .clone().",
                )
            )
    if required and target.node is None:  # also a view whose base got a history: as in PyTorch, until it is looked at
        raise RuntimeError(
            explained(
                "a leaf Variable that requires grad is being used in an in-place operation.",
                f"It is changed by {name} at {here()}",
                f"The leaf: {made(target)}",
                "Use torch.no_grad() around the change, or change .data or a .clone().",
            )
        )


def check_writable(target: Tensor, name: str, recorded: bool, idempotent: bool = False) -> None:
    """Refuse what must not be overwritten, before anything is changed; ``idempotent`` changes may repeat an element."""
    check_history(target, name, recorded)
    check_counted(target, name)
    if not idempotent:
        check_single(target.array)


def check_counted(target: Tensor, name: str) -> None:
    """Refuse to overwrite a tensor of inference mode outside of it, where changes are counted."""
    if target.version is inference_cell and not inferring.get():
        raise RuntimeError(
            explained(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get "
                "a normal tensor before doing inplace update. See https://github.com/pytorch/rfcs/pull/17 for more "
                "details.",
                f"It is changed by {name} at {here()}",
                f"The tensor: {made(target)}",
            )
        )


def check_single(array: ndarray) -> None:
    """Refuse to write where several elements share a place in memory."""
    strides = array.strides
    if 0 in strides and array.size > 1 and any(stride == 0 and n > 1 for stride, n in zip(strides, array.shape)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )


def check_apart(target: Tensor, others: Iterable[Tensor], same: bool = True) -> None:
    """Refuse operands that overlap the target; ``same``: unless each element lies where the target's does."""
    array = target.array
    for other in others:
        if not (other is target or np.may_share_memory(array, other.array)):
            continue
        if other is not target and not (_is_dense(array) and _is_dense(other.array)):
            continue  # too hard to say, as PyTorch has it
        if same and _place(array) == _place(other.array):
            continue
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
            "memory location. Please clone() the tensor before performing the operation."
        )


def check_out(name: str, target: Tensor, result: ndarray, operands: list[Tensor]) -> None:
    """Refuse an ``out=`` of another type than the result's, or that shares memory with an operand."""
    if target.array.dtype is not result.dtype:
        want, have = dtypes.of(result.dtype), dtypes.of(target.array.dtype)
        raise RuntimeError(
            f"{name}(): Expected an out tensor of scalar type {dtypes.CASED[want]} to have dtype {want}, but got "
            f"scalar type {dtypes.CASED[have]}, dtype {have}, for argument 'out'"
        )
    check_separate(target, operands)


def check_separate(target: Tensor, operands: Iterable[Tensor]) -> None:
    """Refuse to write where an operand lies."""
    if any(operand is target or np.may_share_memory(operand.array, target.array) for operand in operands):
        raise RuntimeError(
            "unsupported operation: some elements of the input tensor and the written-to tensor refer to a single "
            "memory location. Please clone() the tensor before performing the operation."
        )


def _place(array: ndarray) -> tuple:
    """Where the elements lie; the strides of axes of length 1 count too, as in PyTorch, a new axis being the next one's
    length apart."""
    strides: list[int] = []
    step = array.itemsize
    for length, stride in zip(reversed(array.shape), reversed(array.strides)):
        strides.append(step if length == 1 and stride == 0 else stride)
        step = strides[-1] * max(length, 1)
    return address(array), array.size, strides


def is_same_place(one: ndarray, other: ndarray) -> bool:
    """Whether two arrays are the same elements in the same places."""
    alike = one.shape == other.shape and one.dtype == other.dtype and address(one) == address(other)
    return alike and _place(one) == _place(other)


def _is_dense(array: ndarray) -> bool:
    """Whether the elements lie in memory without gaps, in whatever order of the axes."""
    step = array.itemsize
    for stride, length in sorted((s, n) for s, n in zip(array.strides, array.shape) if n > 1):
        if stride != step:
            return False
        step *= length
    return True


def check_fits(target: ndarray, value: ndarray) -> None:
    """Refuse a result that in-place operation cannot hold."""
    if value.shape != target.shape:
        raise RuntimeError(
            f"output with shape {list(target.shape)} doesn't match the broadcast shape {list(value.shape)}"
        )
    if value.dtype is not target.dtype:
        have, want = dtypes.of(value.dtype), dtypes.of(target.dtype)
        if not dtypes.can_cast(have, want):
            raise RuntimeError(
                f"result type {dtypes.CASED[have]} can't be cast to the desired output type {dtypes.CASED[want]}"
            )


def write_out(target: Tensor, value: ndarray) -> None:
    """Put a result into an ``out=`` tensor."""
    check_writable(target, "out=", False)
    if value.shape != target.array.shape:
        if target.array.size:
            warnings.warn(
                f"An output with one or more elements was resized since it had shape {list(target.array.shape)}, which "
                f"does not match the required output shape {list(value.shape)}. This behavior is deprecated, and in a "
                "future PyTorch release outputs will not be resized unless they have zero elements. You can "
                "explicitly reuse an out tensor t by resizing it, inplace, to zero elements with t.resize_(0).",
                stacklevel=5,
            )
        target.array = np.empty(value.shape, target.array.dtype)
    check_fits(target.array, value)
    np.copyto(target.array, value, casting="unsafe")
    bump(target, "out=", current_frame(1))


def bump(target: Tensor, name: str, frame: Any) -> None:
    """Count an in-place change, and remember the operation's name and its place."""
    cell = target.version
    if cell is not inference_cell:
        cell[0] += 1
        code, instruction = user_place(frame)
        changed_at(cell, name, code, instruction)


def rewrite_history(target: Tensor, node: Any) -> None:
    """After an in-place operation the tensor, and the base that it shows, come from that operation."""
    if target._view is not None:
        from .inplace import rebase

        rebase(target, node)
        return
    set_history(target, node)


def set_history(target: Tensor, node: Any) -> None:
    """Make a tensor come from another node; ``retain_grad`` goes with it."""
    if target.node is not None:
        move_retained(target, node)
    target.node, target.leaf = node, False
