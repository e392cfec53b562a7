"""Forward mode agrees with PyTorch: dual numbers through operations, views, in-place changes, beside backward."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from .both import Programs, assert_same, fails, name

programs = Programs()


def moving(torch: ModuleType, values: Any, tangent: Any = None, requires_grad: bool = False) -> Any:
    """A dual number, within a level."""
    primal = torch.tensor(values, dtype=torch.float64, requires_grad=requires_grad)
    direction = torch.linspace(1, 2, primal.numel(), dtype=torch.float64).reshape(primal.shape)
    return torch.autograd.forward_ad.make_dual(primal, direction if tangent is None else tangent)


def parts(torch: ModuleType, *tensors: Any) -> list:
    """Values and tangents of dual numbers."""
    found = []
    for tensor in tensors:
        primal, tangent = torch.autograd.forward_ad.unpack_dual(tensor)
        found.append([primal.detach(), None if tangent is None else tangent.detach()])
    return found


@programs
def levels_and_what_they_refuse(torch: ModuleType) -> Iterator:
    """Beginning, ending, what make_dual takes."""
    fwad = torch.autograd.forward_ad
    x = torch.ones(2)
    yield fails(lambda: fwad.make_dual(x, x))
    yield fails(lambda: fwad.exit_dual_level())
    yield list(fwad.unpack_dual(x))
    with fwad.dual_level():
        yield fails(lambda: fwad.enter_dual_level())
        yield fails(lambda: fwad.make_dual(x, torch.ones(3)))
        yield fails(lambda: fwad.make_dual(x, torch.ones(2, dtype=torch.int64)))
        yield fails(lambda: fwad.make_dual(torch.ones(2, dtype=torch.int64), x))
        dual = fwad.make_dual(x, x)
        yield fails(lambda: fwad.make_dual(dual, x))
        yield str(dual), dual.requires_grad, dual._is_view()
    yield str(dual)
    yield list(fwad.unpack_dual(dual))[1]


UNARY = {
    "sum": lambda t, x: x.sum(0),
    "softmax": lambda t, x: x.softmax(-1),
    "matmul": lambda t, x: x @ x.mT,
    "sort": lambda t, x: (-x).sort(-1)[0],
    "max": lambda t, x: x.max(0)[0],
    "where": lambda t, x: t.where(x > 1.5, x * 2, x * x),
    "cat": lambda t, x: t.cat([x, t.ones(1, 3, dtype=t.float64), x]),
    "layer_norm": lambda t, x: t.nn.functional.layer_norm(x * x, (3,)),
    "gelu": lambda t, x: t.nn.functional.gelu(x),
    "cumsum": lambda t, x: (x**3).cumsum(1),
    "index": lambda t, x: x[[1, 0, 1], t.tensor([0, 2, 1])],
    "norm": lambda t, x: t.linalg.vector_norm(x, dim=1),
    "round": lambda t, x: x.round(),
    "compared": lambda t, x: (x > 1) * x + x * x,
    "inverse": lambda t, x: t.linalg.inv(x @ x.mT + t.eye(2, dtype=t.float64)),
    "detached": lambda t, x: x.detach() * x + x * x,
}


NOT_DIFFERENTIATED = {
    "softmax": "PyTorch overwrites what the derivative of the tangent needs",
    "layer_norm": "PyTorch's derivative of the tangent is not that of finite differences",
}


@pytest.mark.parametrize("op", UNARY)
def test_operations(op: str) -> None:
    """Tangent, tangent of the gradient, gradient of the tangent."""

    def program(torch: ModuleType) -> Iterator:
        function = UNARY[op]
        with torch.autograd.forward_ad.dual_level():
            leaf = torch.tensor([[0.5, 1.5, 2.5], [2.0, 1.0, 3.0]], dtype=torch.float64, requires_grad=True)
            x = torch.autograd.forward_ad.make_dual(leaf, torch.ones(2, 3, dtype=torch.float64) * leaf.detach())
            out = function(torch, x)
            yield parts(torch, out)
            tangent = torch.autograd.forward_ad.unpack_dual(out).tangent
            weights = torch.linspace(1, 2, out.numel(), dtype=torch.float64).reshape(out.shape)
            (gradient,) = torch.autograd.grad((out * weights).sum(), leaf, retain_graph=True, create_graph=True)
            yield parts(torch, gradient)
            if tangent.requires_grad and op not in NOT_DIFFERENTIATED:
                yield torch.autograd.grad((tangent * weights).sum(), leaf, allow_unused=True)[0]

    assert_same(program)


@programs
def views(torch: ModuleType) -> Iterator:
    """The tangent of a view is a view of the tangent."""
    with torch.autograd.forward_ad.dual_level():
        x = moving(torch, [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
        for view in (x[0], x[:, 1:], x.t(), x.reshape(3, 2), x[None], x.expand(2, 2, 3), x.diagonal(), *x.split(1)):
            yield parts(torch, view)
        yield parts(torch, x.t().as_strided((2, 2), (1, 2), 1))


@programs
def in_place(torch: ModuleType) -> Iterator:
    """What an in-place change does to the tangents of the tensor, its base and its views."""
    with torch.autograd.forward_ad.dual_level():
        x = moving(torch, [1.0, 2.0, 3.0])
        a = x.clone()
        a.mul_(x).add_(1)
        yield parts(torch, a, x)
        b = x.clone()
        first = b[:1]
        first.mul_(3)
        b[1] = 7.0
        b[2:].sin_()
        yield parts(torch, b, first)
        c = torch.zeros(3, dtype=torch.float64)
        c.add_(x)
        yield parts(torch, c)
        d = torch.zeros(2, 3, dtype=torch.float64)
        d[1] = x
        yield parts(torch, d)
        e = torch.zeros(2, 3, dtype=torch.float64)
        row = e[0]
        row.copy_(x)
        yield parts(torch, e, row)
        f = x.clone()
        f.copy_(torch.ones(3, dtype=torch.float64))
        yield parts(torch, f)
        g = moving(torch, [[1.0, 2.0, 3.0]]).clone()
        g.t_().mul_(2)
        g.unsqueeze_(0)
        yield parts(torch, g)
        h = x.clone()
        h[torch.tensor([0, 2])] = x[:2]
        h.masked_fill_(h > 1.5, 0.5)
        yield parts(torch, h)


@programs
def mixed_with_backward(torch: ModuleType) -> Iterator:
    """Forward over reverse, reverse over forward, parameters beside dual numbers."""
    fwad = torch.autograd.forward_ad
    w = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64, requires_grad=True)
    with fwad.dual_level():
        x = moving(torch, [1.0, -1.0], requires_grad=True)
        y = torch.tanh(w @ x)
        primal, tangent = fwad.unpack_dual(y)
        yield primal.detach(), tangent.detach(), y.requires_grad, tangent.requires_grad
        (of_w,) = torch.autograd.grad(y.sum(), w, retain_graph=True)
        yield parts(torch, of_w)
        yield torch.autograd.grad(tangent.sum(), w, retain_graph=True)[0]
        z = (y * y).sum()
        z.backward(retain_graph=True)
        yield parts(torch, w.grad)
    with fwad.dual_level():
        plain = moving(torch, [1.0, 2.0])
        out = plain * 3
        yield out.requires_grad, fwad.unpack_dual(out).tangent.requires_grad
        with torch.no_grad():
            yield parts(torch, plain * w[0])


@pytest.mark.parametrize("program", programs, ids=name)
def test_forward_mode(program: Any) -> None:
    """Both libraries show the same."""
    assert_same(program)
