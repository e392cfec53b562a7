"""The graph as a program sees it: nodes, edges, versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, NamedTuple

from .node import Node, changed_at, current_frame, public_edge, user_place

__all__ = [
    "GradientEdge",
    "Node",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes: a node, and which of its outputs it is; the token is the edge itself."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """The edge of a tensor, which `grad` and `backward` take in place of the tensor.

    Raises:
        RuntimeError: the tensor does not require grad.

    >>> import rushlight as torch
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> torch.autograd.graph.get_gradient_edge(x * x).node.name()
    'MulBackward0'
    """
    from ..tensor import edge_of

    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    edge = edge_of(tensor)
    node, output_nr = public_edge(edge)
    return GradientEdge(node, output_nr, edge)


def increment_version(tensor: Any) -> None:
    """Count a change of one or more tensors that autograd cannot see, so that values saved before it are not used.

    >>> import rushlight as torch
    >>> x = torch.zeros(2)
    >>> torch.autograd.graph.increment_version(x)
    >>> x._version
    1
    """
    from ..tensor import Tensor, inference_cell

    for one in (tensor,) if isinstance(tensor, Tensor) else tensor:
        if one.version is not inference_cell:
            one.version[0] += 1
            changed_at(one.version, "increment_version", *user_place(current_frame(1)))


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
