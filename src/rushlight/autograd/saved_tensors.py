"""Hooks on what is saved for backward."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any
from weakref import WeakKeyDictionary, WeakValueDictionary

disabled: ContextVar[str | None] = ContextVar("disabled", default=None)
"""Why hooks on what is saved must not be used, if they must not."""


class saved_tensors_hooks:
    """Inside, what an operation saves for backward is what ``pack_hook`` makes of it.

    ``pack_hook(tensor)`` returns anything; ``unpack_hook`` gets that and returns the tensor when backward needs it. Of
    several of these contexts the innermost counts. To leave no reference cycle, keep ``tensor.detach()``, not the
    tensor.

    Raises:
        RuntimeError: the hooks are disabled, see `disable_saved_tensors_hooks`.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), torch.tensor):
    ...     y = x.exp()
    >>> y.sum().backward()
    >>> x.grad
    tensor([2.7183, 7.3891])
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        from ..ops.saving import activate, current

        for hook in (self.pack_hook, self.unpack_hook):
            if not callable(hook):
                raise TypeError(f"saved_tensors_hooks(): incompatible function arguments: {hook!r} cannot be called")
        _check_enabled()
        activate(current().also(hooks=((self.pack_hook, self.unpack_hook),)))

    def __exit__(self, *exception: object) -> None:
        from ..ops.saving import activate, current

        active = current()
        activate(active._replace(hooks=active.hooks[:-1]))


def _check_enabled() -> None:
    message = disabled.get()
    if message is not None:
        raise RuntimeError(message)


class save_on_cpu(saved_tensors_hooks):
    """Inside, what is saved for backward is kept in the memory of the CPU, where it is already."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(_to_cpu, _to_device)


def _to_cpu(tensor: Any) -> tuple:
    return tensor.device, tensor.cpu()


def _to_device(packed: tuple) -> Any:
    device, tensor = packed
    return tensor.to(device)


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """Inside, to use `saved_tensors_hooks` is an error with this message.

    Raises:
        RuntimeError: hooks are active already.

    >>> import rushlight as torch
    >>> with torch.autograd.graph.disable_saved_tensors_hooks("not here"), torch.autograd.graph.save_on_cpu():
    ...     pass
    Traceback (most recent call last):
    RuntimeError: not here
    """
    from ..ops.saving import current

    token = disabled.set(error_message)
    try:
        if current().hooks:
            _check_enabled()
        yield
    finally:
        disabled.reset(token)


class Copy:
    """Stands in the graph for the copy of a saved tensor."""


class AllowMutationOnSavedContext:
    """The copies of what was saved inside of `allow_mutation_on_saved_tensors`."""

    def __init__(self) -> None:
        self.copies: WeakKeyDictionary[Copy, tuple] = WeakKeyDictionary()  # with the array that was copied
        self._by_source: WeakValueDictionary[tuple, Copy] = WeakValueDictionary()  # that array and its version

    def pack(self, tensor: Any) -> Copy:
        """Copy a tensor, if this has not been done since its last change."""
        source = id(tensor.array), tensor._version
        copy = self._by_source.get(source)
        if copy is None:
            copy = self._by_source[source] = Copy()
            self.copies[copy] = tensor.detach().clone(), tensor.array
        return copy

    def unpack(self, copy: Copy) -> Any:
        """The copy."""
        if copy not in self.copies:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context in which the graph was "
                "originally recorded."
            )
        return self.copies[copy][0]

    def clear(self) -> None:
        """Let go of the copies."""
        self.copies.clear()
        self._by_source.clear()


allowing_mutation: ContextVar[bool] = ContextVar("allowing_mutation", default=False)


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[AllowMutationOnSavedContext]:
    """Inside, tensors that are needed for backward may be changed in place: backward uses what they were.

    What is saved is copied at once. Forward and backward must both be inside.

    Raises:
        RuntimeError: one of these contexts is inside of another.
        AssertionError: in a backward outside.

    >>> import rushlight as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     y = x * 1
    ...     loss = (y * y).sum()
    ...     _ = y.zero_()
    ...     loss.backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if allowing_mutation.get():
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    context = AllowMutationOnSavedContext()
    token = allowing_mutation.set(True)
    try:
        with saved_tensors_hooks(context.pack, context.unpack):
            yield context
    finally:
        allowing_mutation.reset(token)
        context.clear()
