"""Who is refused first where several things are wrong: targets and operands of every kind, in place and not."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from .both import assert_same, fails


def view(torch: ModuleType, mode: Any, show: Callable, stale: bool = False, size: tuple = (2, 3)) -> Any:
    """A view made in a mode, unusable if its base is changed afterwards."""
    base = torch.ones(2, *size, requires_grad=True) * 1
    with mode():
        shown = show(base)
    if stale:
        base.detach().mul_(2)
    return shown


def first(tensor: Any) -> Any:
    return tensor[0]


def unbound(tensor: Any) -> Any:
    return tensor.unbind()[0]


def inferred(torch: ModuleType, size: tuple) -> Any:
    with torch.inference_mode():
        return torch.ones(size)


def targets(torch: ModuleType) -> list[Callable[[], Any]]:
    """Tensors that may be changed in place, and others that may not."""
    return [
        lambda: torch.ones(2, 3),
        lambda: torch.ones(2, 3, requires_grad=True),
        lambda: torch.ones(2, 3, requires_grad=True) * 1,
        lambda: torch.ones(2, 3, requires_grad=True)[:],
        lambda: view(torch, torch.enable_grad, first),
        lambda: view(torch, torch.enable_grad, unbound),
        lambda: view(torch, torch.no_grad, first),
        lambda: view(torch, torch.inference_mode, first),
        lambda: view(torch, torch.enable_grad, unbound, stale=True),
        lambda: view(torch, torch.no_grad, first, stale=True),
        lambda: view(torch, torch.inference_mode, first, stale=True),
        lambda: torch.ones(1, 3).expand(2, 3).detach(),
        lambda: torch.ones(2, 3, dtype=torch.int64),
        lambda: inferred(torch, (2, 3)),
    ]


def operands(torch: ModuleType) -> list[Callable[[tuple], Any]]:
    """Tensors of a size that may be read, and others that may not."""
    return [
        lambda size: torch.ones(size),
        lambda size: torch.ones(size, requires_grad=True),
        lambda size: view(torch, torch.enable_grad, unbound, True, size),
        lambda size: view(torch, torch.no_grad, first, True, size),
        lambda size: view(torch, torch.inference_mode, first, True, size),
        lambda size: torch.ones(size, dtype=torch.float64, requires_grad=True),
        lambda size: torch.ones(size, dtype=torch.int64),
        lambda size: inferred(torch, size),
    ]


SIZES = (2, 3), (4,), (2, 2, 3), ()

OPERATIONS = {
    "rows": lambda torch, t, o: t.__setitem__([0, 1], o),
    "rows out of bounds": lambda torch, t, o: t.__setitem__([0, 5], o),
    "mask": lambda torch, t, o: t.__setitem__(t.detach() > 0, o),
    "columns": lambda torch, t, o: t.__setitem__((slice(None), [0, 1]), o),
    "row": lambda torch, t, o: t.__setitem__(0, o),
    "slice": lambda torch, t, o: t.__setitem__(slice(0, 1), o),
    "index_put": lambda torch, t, o: t.index_put((torch.tensor([0, 1]),), o),
    "index_put_": lambda torch, t, o: t.index_put_((torch.tensor([0, 1]),), o),
    "copy_": lambda torch, t, o: t.copy_(o),
    "copy_ itself": lambda torch, t, o: t.copy_(t.detach()),
    "fill_": lambda torch, t, o: t.fill_(o),
    "add_": lambda torch, t, o: t.add_(o),
    "clamp_": lambda torch, t, o: t.clamp_(o),
    "gt_": lambda torch, t, o: t.gt_(o),
    "logical_and_": lambda torch, t, o: t.logical_and_(o),
    "add": lambda torch, t, o: t + o,
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_first_refusal(operation):
    def program(torch):
        perform = OPERATIONS[operation]
        whole = len(targets(torch)) - 2  # where a value that has a graph meets whole numbers, see `test_stale_operands`
        for place, target in enumerate(targets(torch)):
            for number, operand in enumerate(operands(torch)):
                for size in SIZES:
                    if operation == "mask" and (place, size) == (whole, ()):
                        continue
                    t, o = target(), operand(size)
                    error = fails(lambda t=t, o=o: perform(torch, t, o))
                    yield (place, number), error if isinstance(error, Exception) else None, t.requires_grad

    assert_same(program)
