"""`checkpoint`: which of the two ways to go; `checkpoint_sequential`: many of them in a row."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

from .recompute import ContextFn, checkpointed, noop_context_fn
from .reentrant import CheckpointFunction


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: ContextFn = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Call a function without keeping what its operations save: backward calls it again.

    With ``use_reentrant=False`` the function is called again when backward first needs something from inside of it, and
    everything works as without the checkpoint. With ``use_reentrant=True`` it runs unrecorded and is one node of the
    graph, whose backward runs a backward of its own: at least one argument has to require grad, ``autograd.grad`` and
    ``backward(inputs=)`` are refused, and the tensors of nested arguments get no gradient.

    Args:
        function: what to call; it must do the same when it is called again.
        args: its arguments.
        use_reentrant: which way; not to say it warns, and means True.
        context_fn: gives two context managers, for the first call and for the second.
        determinism_check: "default" compares shape and type of what is saved in both calls; "none" does not.
        debug: let errors list the operations of both calls.
        early_stop: end the second call as soon as everything that is needed is there.
        kwargs: its keyword arguments, with ``use_reentrant=False``; ``preserve_rng_state=False`` lets the second call
            draw other random numbers than the first.

    Raises:
        ValueError: options that do not go together.
        CheckpointError: in backward: the second call saved other tensors than the first.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda x: (x * x).exp(), x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([  5.4366, 218.3926])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. use_reentrant=False is "
            "recommended; without the parameter it is True, which is what it was before there was a choice.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if not use_reentrant:
        return checkpointed(function, args, kwargs, preserve, context_fn, determinism_check, debug, early_stop)
    _refuse(kwargs)
    if context_fn is not noop_context_fn or debug is not False:
        raise ValueError("Passing `context_fn` or `debug` is only supported when use_reentrant=False.")
    return CheckpointFunction.apply(function, preserve, *args)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Call functions one after another, in segments that are checkpointed; the last is not.

    Args:
        functions: a `Sequential`, or a list of modules and functions.
        segments: into how many to cut them.
        input: of the first function.
        use_reentrant, kwargs: as for `checkpoint`.

    >>> import rushlight as torch
    >>> from rushlight.utils.checkpoint import checkpoint_sequential
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> checkpoint_sequential([torch.exp, torch.sin, torch.cos], 2, x, use_reentrant=False).backward()
    >>> x.grad
    tensor(-2.5824)
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended; without the parameter it is True.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    _refuse(kwargs)
    functions = list(functions.children()) if hasattr(functions, "children") else functions
    size = len(functions) // segments
    end = 0
    for end in range(size, size * segments, size):
        segment = _in_a_row(functions[end - size : end])
        input = checkpoint(segment, input, use_reentrant=use_reentrant, preserve_rng_state=preserve)
    return _in_a_row(functions[end:])(input)


def _in_a_row(functions: Any) -> Callable:
    def call(input: Any) -> Any:
        for function in functions:
            input = function(input)
        return input

    return call


def _refuse(kwargs: dict) -> None:
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
