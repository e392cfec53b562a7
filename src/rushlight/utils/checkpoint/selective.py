"""Selective checkpointing: a policy says of which operations the results are kept rather than computed again."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ...ops.aten import OpOverload, OpOverloadPacket, overload_of, packet
from ...ops.saving import watching
from ...tensor import Tensor

SAC_IGNORED_OPS = {packet("detach").default}


class CheckpointPolicy(enum.Enum):
    """What becomes of the result of an operation. Whether it must or is only preferred makes no difference here."""

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


class SelectiveCheckpointContext:
    """What a policy is told besides the operation and its arguments.

    Attributes:
        is_recompute: False: a policy is asked in the first call only.
        op_output: the result of the operation.
    """

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Callable | list, allow_cache_entry_mutation: bool = False
) -> tuple[AbstractContextManager, AbstractContextManager]:
    """The contexts of a checkpoint that keeps the results of some operations, for its ``context_fn``.

    Args:
        policy_fn_or_list: the operations whose results are kept; or a function of a `SelectiveCheckpointContext`, an
            operation such as ``torch.ops.aten.mm.default``, and its arguments, that gives a `CheckpointPolicy`, or True
            to keep the result.
        allow_cache_entry_mutation: a result that was kept may be changed in place.

    Raises:
        TypeError: it is neither a function nor a list.
        ValueError: something in the list is no form of an operation.

    >>> import functools
    >>> import rushlight as torch
    >>> from rushlight.utils import checkpoint as cp
    >>> keep_products = functools.partial(cp.create_selective_checkpoint_contexts, [torch.ops.aten.mm.default])
    >>> x = torch.eye(2, requires_grad=True)
    >>> y = cp.checkpoint(lambda x: (x @ x).exp(), x, use_reentrant=False, context_fn=keep_products)
    >>> y.sum().backward()
    >>> x.grad
    tensor([[5.4366, 2.0000],
            [2.0000, 5.4366]])
    """
    if isinstance(policy_fn_or_list, list):
        policy: Callable = _keeping(policy_fn_or_list)
    elif callable(policy_fn_or_list):
        policy = policy_fn_or_list
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    kept: dict[OpOverload, dict[int, Any]] = defaultdict(dict)
    return _Keeping(policy, kept), _Giving(kept, allow_cache_entry_mutation)


def _keeping(ops: list) -> Callable:
    for op in ops:
        if not isinstance(op, OpOverload):
            hint = (
                f" Please update the OpOverloadPacket to a specific OpOverload. For example, if you have "
                f"`torch.ops.{op}`, change it to `torch.ops.{op}.default`."
                if isinstance(op, OpOverloadPacket)
                else ""
            )
            raise ValueError(f"Expected op in `op_list` to be an OpOverload but got: {op} of type {type(op)}.{hint}")
    return lambda context, op, *args, **kwargs: op in ops


RECOMPUTED, CONSUMED = "to be computed again", "used already"
MISMATCH = (
    "This can happen if the operations in the checkpointed region are nondeterministic or depend on global state that "
    "changed between forward and backward."
)


class _Counting(watching):
    """Watches operations and counts how often each has been done."""

    def __init__(self) -> None:
        self.counts: dict[OpOverload, int] = defaultdict(int)

    def __enter__(self) -> None:
        self.counts.clear()
        super().__enter__()

    def watch(self, op: Any, perform: Callable, args: tuple, kwargs: dict) -> Any:
        overload = overload_of(op, args)
        if overload in SAC_IGNORED_OPS:
            return perform()
        number = self.counts[overload]
        self.counts[overload] += 1
        return self.handle(overload, number, perform, args, kwargs)

    def handle(self, op: OpOverload, number: int, perform: Callable, args: tuple, kwargs: dict) -> Any:
        """What stands in the place of the operation."""
        raise NotImplementedError(f"{type(self).__name__} does not say what to do with {op}")


class _Keeping(_Counting):
    """In the first call: keeps what the policy wants kept."""

    def __init__(self, policy: Callable, kept: dict) -> None:
        super().__init__()
        self.policy, self.kept = policy, kept

    def handle(self, op: OpOverload, number: int, perform: Callable, args: tuple, kwargs: dict) -> Any:
        result = perform()
        context = SelectiveCheckpointContext(is_recompute=False, op_output=result)
        wanted = self.policy(context, op, *args, **kwargs)
        saves = wanted in (True, CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)
        self.kept[op][number] = _Results(result) if saves else RECOMPUTED
        return result


class _Giving(_Counting):
    """In the second call: gives what was kept in place of computing it."""

    def __init__(self, kept: dict, allow_mutation: bool) -> None:
        super().__init__()
        self.kept, self.allow_mutation = kept, allow_mutation

    def handle(self, op: OpOverload, number: int, perform: Callable, args: tuple, kwargs: dict) -> Any:
        if op not in self.kept:
            raise RuntimeError(f"{op} encountered during backward but not found in storage. {MISMATCH}")
        entry = self.kept[op].get(number)
        if entry is None:
            raise RuntimeError(
                f"{op} invocation index {number} encountered during backward but not found in storage. {MISMATCH}"
            )
        if entry is CONSUMED:
            raise RuntimeError(
                "Trying to backward an extra time. You are only allowed to backward once on any region computed under "
                "selective activation checkpoint."
            )
        if entry is RECOMPUTED:
            return perform()
        self.kept[op][number] = CONSUMED
        return perform(entry.arrays(self.allow_mutation))


class _Results:
    """The results of an operation, with the versions that they had."""

    def __init__(self, result: Any) -> None:
        self.several = not isinstance(result, Tensor)
        self.parts = [(part.array, part.version, part.version[0]) for part in (result if self.several else (result,))]

    def arrays(self, allow_mutation: bool) -> np.ndarray | tuple:
        """The arrays; an error if one of them has been changed."""
        if not allow_mutation and any(cell[0] != version for _, cell, version in self.parts):
            raise RuntimeError("Tensor cached during selective activation checkpoint has been mutated")
        arrays = tuple(array for array, _, _ in self.parts)
        return arrays if self.several else arrays[0]
