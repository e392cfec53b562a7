"""Hooks of a module: what runs before and after `forward`, and when its gradients are known."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..autograd.function import Function
from ..autograd.hooks import RemovableHandle
from ..autograd.modes import is_grad_enabled
from ..tensor import Tensor


class GlobalHooks:
    """The hooks of all modules together: one ordered registry for each kind, and the options of each hook."""

    def __init__(self) -> None:
        self.forward_pre: OrderedDict[int, Callable] = OrderedDict()
        self.forward: OrderedDict[int, Callable] = OrderedDict()
        self.backward_pre: OrderedDict[int, Callable] = OrderedDict()
        self.backward: OrderedDict[int, Callable] = OrderedDict()
        self.with_kwargs: dict[int, bool] = {}
        self.always_called: dict[int, bool] = {}
        self.called: dict[int, bool] = {}  # every hook above: what a call of a module looks at to know of any
        self.registration: dict[str, OrderedDict[int, Callable]] = {
            kind: OrderedDict() for kind in ("parameter", "buffer", "module")
        }


global_hooks = GlobalHooks()


def _add(registry: OrderedDict, hook: Callable, *flags: tuple[dict, bool], prepend: bool = False) -> RemovableHandle:
    """Register `hook`, set those of the `(registry, wanted)` flags that are wanted, and return the handle."""
    handle = RemovableHandle(registry, extra_dict=[flag for flag, _ in flags])
    registry[handle.id] = hook
    for flag, wanted in flags:
        if wanted:
            flag[handle.id] = True
    if prepend:
        registry.move_to_end(handle.id, last=False)
    return handle


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, args)` before the forward of every module; what it returns replaces `args`."""
    return _add(global_hooks.forward_pre, hook, (global_hooks.called, True))


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call `hook(module, args, output)` after the forward of every module; what it returns replaces the output."""
    flags = (global_hooks.with_kwargs, with_kwargs), (global_hooks.always_called, always_call)
    return _add(global_hooks.forward, hook, (global_hooks.called, True), *flags)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_output)` for every module when the gradient of its output is known."""
    return _add(global_hooks.backward_pre, hook, (global_hooks.called, True))


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, grad_input, grad_output)` for every module when the gradient of its input is known."""
    return _add(global_hooks.backward, hook, (global_hooks.called, True))


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, parameter)` when a parameter is registered; what it returns is registered instead."""
    return _add(global_hooks.registration["parameter"], hook)


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, buffer)` when a buffer is registered; what it returns is registered instead."""
    return _add(global_hooks.registration["buffer"], hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """Call `hook(module, name, submodule)` when a submodule is registered; what it returns is registered instead."""
    return _add(global_hooks.registration["module"], hook)


def registered(kind: str, module: Any, name: str, value: Any) -> Any:
    """`value` as the registration hooks of its kind leave it."""
    for hook in global_hooks.registration[kind].values():
        replaced = hook(module, name, value)
        if replaced is not None:
            value = replaced
    return value


class ModuleHooks:
    """The part of a Module that keeps its hooks and calls it with them."""

    _is_full_backward_hook: bool | None = None  # of which kind the backward hooks are, once there is one

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before `forward`; what it returns (made a tuple) replaces the arguments.

        With `with_kwargs` the hook is called as `hook(module, args, kwargs)` and may return `(args, kwargs)`.
        With `prepend` it runs before the hooks that are already there. Returns a handle with `remove()`.
        """
        flags = ((self._forward_pre_hooks_with_kwargs, with_kwargs),)
        return _add(self._forward_pre_hooks, hook, *flags, prepend=prepend)

    def register_forward_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after `forward`; what it returns, if not None, replaces the output.

        With `with_kwargs` the hook is called as `hook(module, args, kwargs, output)`, with `always_call` also when
        the call of the module raised. With `prepend` it runs before the hooks that are already there.

        Example:
            >>> import rushlight as torch
            >>> layer = torch.nn.Identity()
            >>> handle = layer.register_forward_hook(lambda module, args, output: output + 1)
            >>> layer(1)
            2
        """
        flags = (self._forward_hooks_with_kwargs, with_kwargs), (self._forward_hooks_always_called, always_call)
        return _add(self._forward_hooks, hook, *flags, prepend=prepend)

    def register_full_backward_pre_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_output)` when the gradients of the outputs are known; what it returns replaces them.

        `grad_output` is a tuple with None for every output that is no tensor or has no gradient.
        """
        return _add(self._backward_pre_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` with the gradients of the last operation in `forward` alone.

        Deprecated in favour of `register_full_backward_hook`, which gives the gradients of the module's inputs.

        Raises RuntimeError if the module has full backward hooks.
        """
        self._hooks_are_full(False)
        return _add(self._backward_hooks, hook)

    def _hooks_are_full(self, full: bool) -> None:
        if self._is_full_backward_hook is (not full):
            raise RuntimeError(
                "Cannot use both regular backward hooks and full backward hooks on a single Module. Please use only "
                "one of them."
            )
        self._is_full_backward_hook = full

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` when the gradients of the positional tensor inputs are known.

        What it returns replaces `grad_input`. Inputs and outputs must not be modified in place.

        Raises RuntimeError if the module has backward hooks that are not full.
        """
        self._hooks_are_full(True)
        return _add(self._backward_hooks, hook, prepend=prepend)

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        """Run `forward` between the module's hooks: what `Module.__call__` does when there is at least one."""
        result, called = None, set()
        try:
            args, kwargs = self._run_forward_pre_hooks(args, kwargs)
            gradients = self._gradient_hooks()
            if gradients is not None:
                args = gradients.enter(args)
            result = self.forward(*args, **kwargs)
            for key, hook, with_kwargs, _ in self._each_forward_hook():
                called.add(key)
                replaced = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
                if replaced is not None:
                    result = replaced
            if gradients is not None:
                result = gradients.leave(result)
            if self._is_full_backward_hook is False:
                hook_last_operation(self, args, result, tuple(self._backward_hooks.values()))
            return result
        except Exception:
            self._run_always_called_hooks(args, kwargs, result, called)
            raise

    def _run_forward_pre_hooks(self, args: tuple, kwargs: dict) -> tuple[tuple, dict]:
        for key, hook in (*global_hooks.forward_pre.items(), *self._forward_pre_hooks.items()):
            if key in self._forward_pre_hooks_with_kwargs:
                replaced = hook(self, args, kwargs)
                if replaced is None:
                    continue
                if not (isinstance(replaced, tuple) and len(replaced) == 2):
                    raise RuntimeError(
                        f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {replaced}."
                    )
                args, kwargs = replaced
            else:
                replaced = hook(self, args)
                if replaced is not None:
                    args = replaced if isinstance(replaced, tuple) else (replaced,)
        return args, kwargs

    def _each_forward_hook(self) -> Iterator[tuple[int, Callable, bool, bool]]:
        """`(key, hook, with_kwargs, always_called)` of every forward hook, those of all modules first."""
        for key, hook in global_hooks.forward.items():
            yield key, hook, key in global_hooks.with_kwargs, key in global_hooks.always_called
        for key, hook in self._forward_hooks.items():
            yield key, hook, key in self._forward_hooks_with_kwargs, key in self._forward_hooks_always_called

    def _run_always_called_hooks(self, args: tuple, kwargs: dict, result: Any, called: set) -> None:
        """After a failed call, run the hooks that asked for it; their own failures must not hide the first one."""
        for key, hook, with_kwargs, always in self._each_forward_hook():
            if not always or key in called:
                continue
            try:
                replaced = hook(self, args, kwargs, result) if with_kwargs else hook(self, args, result)
            except Exception as error:
                warnings.warn(
                    "module forward hook with ``always_call=True`` raised an exception "
                    f"that was silenced as another error was raised in forward: {error}",
                    stacklevel=4,
                )
                continue
            if replaced is not None:
                result = replaced

    def _gradient_hooks(self) -> GradientHooks | None:
        before = (*global_hooks.backward_pre.values(), *self._backward_pre_hooks.values())
        own = self._backward_hooks.values() if self._is_full_backward_hook else ()
        after = (*global_hooks.backward.values(), *own)
        return GradientHooks(self, before, after) if before or after else None


class GradientHooks:
    """Watches the gradients that enter and leave one call of a module, and tells its backward hooks.

    An identity that records itself stands before the inputs and after the outputs of the call: in backward the
    second is reached first and gives `grad_output`, the first gives `grad_input`.
    """

    def __init__(self, module: Any, before: tuple[Callable, ...], after: tuple[Callable, ...]) -> None:
        self.module, self.before, self.after = module, before, after
        self.grad_output: Any = None
        self.inputs: tuple[int, ...] | None = None  # the places of the tensors among the arguments, if they are watched
        self.outputs: tuple[int, ...] = ()
        self.input_count = self.output_count = 0

    def enter(self, args: tuple) -> tuple:
        """The arguments, their tensors watched."""
        self.input_count = len(args)
        watched, places, node = _watched(args)
        if node is not None:
            self.inputs = places
            node.register_hook(self._on_grad_input)
        return watched

    def leave(self, result: Any) -> Any:
        """The result, its tensors watched."""
        if not isinstance(result, (Tensor, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors "
                f"but received {type(result)}",
                stacklevel=4,
            )
            return result
        several = isinstance(result, tuple)
        self.output_count = len(result) if several else 1
        watched, self.outputs, node = _watched(result if several else (result,))
        if node is not None:
            node.register_prehook(self._on_grad_output)
        return watched if several else watched[0]

    def _on_grad_output(self, arrived: tuple) -> tuple:
        grads: Any = _padded(arrived, self.outputs, self.output_count)
        for hook in self.before:
            grads = _replaced(hook(self.module, grads), grads, "Backward pre hook", "grad_output")
        self.grad_output = grads
        if self.inputs is None:
            self._call_without_grad_input()
        return tuple(grads[place] for place in self.outputs)

    def _on_grad_input(self, arrived: tuple, _: tuple) -> tuple | None:
        if self.grad_output is None or self.inputs is None:
            return None  # the inputs were reached by another way, not through this module
        grads: Any = _padded(arrived, self.inputs, self.input_count)
        for hook in self.after:
            grads = _replaced(hook(self.module, grads, self.grad_output), grads, "Backward hook", "grad_input")
        self.grad_output = None
        return tuple(grads[place] for place in self.inputs)

    def _call_without_grad_input(self) -> None:
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module outputs since no inputs "
            "require gradients. See the documentation of torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=2,
        )
        for hook in self.after:
            returned = hook(self.module, (None,) * self.input_count, self.grad_output)
            if returned is not None and not (isinstance(returned, tuple) and all(grad is None for grad in returned)):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None "
                    "for all gradients."
                )
        self.grad_output = None


def hook_last_operation(module: Any, args: tuple, result: Any, hooks: tuple[Callable, ...]) -> None:
    """Have hooks that are not full called with the gradients of the operation that made the first output."""
    first = result
    while not isinstance(first, Tensor):
        first = next(iter(first.values())) if isinstance(first, dict) else first[0]
    node = first.grad_fn
    if node is None or not hooks:
        return
    for hook in hooks:
        node.register_hook(partial(hook, module))
    misses = what_is_missed(args, result, node)
    if misses is not None:
        warnings.warn(
            f"Using {misses} is deprecated and will be removed in future versions. Please use "
            "register_full_backward_hook to get the documented behavior.",
            FutureWarning,
            stacklevel=5,
        )


def what_is_missed(args: tuple, result: Any, node: Any) -> str | None:
    """Why the gradients of one operation are not those of the module's inputs and outputs, or None if they are."""
    outputs, inputs = ((values if isinstance(values, tuple) else (values,)) for values in (result, args))
    for values, what, which in ((outputs, "return", "output"), (inputs, "take as input", "input")):
        if not all(isinstance(value, Tensor) for value in values):
            return (
                f"non-full backward hooks on a Module that does not {what} a single Tensor or a tuple of Tensors (the "
                f"hook will be missing some of the grad_{which})"
            )
    if {output.grad_fn for output in outputs if output.grad_fn is not None} != {node}:
        return "a non-full backward hook when outputs are generated by different autograd Nodes"
    sources = {value.grad_fn for value in inputs if value.grad_fn is not None}
    if sources != {source for source, _ in node.next_functions}:
        return "a non-full backward hook when the forward contains multiple autograd Nodes"
    return None


def _replaced(returned: Any, grads: Any, hook_kind: str, name: str) -> Any:
    """What a backward hook returned in place of `grads`, which is to be as long; `grads` when it returned None."""
    if returned is None:
        return grads
    if len(returned) != len(grads):
        raise RuntimeError(
            f"{hook_kind} returned an invalid number of {name}, got {len(returned)}, but expected {len(grads)}"
        )
    return returned


def _padded(grads: tuple, places: tuple[int, ...], count: int) -> tuple:
    """The gradients in their places among so many, of which the others are None."""
    at = dict(zip(places, grads, strict=True))
    return tuple(at.get(place) for place in range(count))


class BackwardHookFunction(Function):
    """An identity in the graph, whose node tells of the gradients that pass."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple:
        """The tensors themselves."""
        ctx.mark_non_differentiable(*(tensor for tensor in tensors if not tensor.requires_grad))
        return tensors

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple:
        """The gradients themselves."""
        return grads


def _watched(values: tuple) -> tuple[tuple, tuple[int, ...], Any]:
    """`values` with the tensors among them behind an identity, their places, and its node if one was recorded."""
    places = tuple(place for place, value in enumerate(values) if isinstance(value, Tensor))
    if not (is_grad_enabled() and any(values[place].requires_grad for place in places)):
        return values, places, None
    shown = BackwardHookFunction.apply(*(values[place] for place in places))
    watched = list(values)
    for place, tensor in zip(places, shown, strict=True):
        watched[place] = tensor
    kind = type(values)
    node = next(tensor.grad_fn for tensor in shown if tensor.grad_fn is not None)
    return tuple(watched) if kind is tuple else kind(*watched), places, node
