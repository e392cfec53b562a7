"""The transformations of torch.func: values, structures, flags and errors as in PyTorch, nested in any order."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.autograd.both import assert_same, fails

SETUP = """
x = torch.tensor([[0.5, -1.0], [2.0, 0.25], [1.5, -0.5]], dtype=torch.float64)
w = torch.tensor([[1.0, -2.0, 0.5], [0.25, 1.5, -1.0]], dtype=torch.float64)
v = x[0]
whole = torch.tensor([1, 2])
param = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)

def loss(w, a):
    return (a @ w).tanh().pow(2).sum()

def changed(a):
    b = a.clone()
    b[0] = b[1] * 2
    b.mul_(3)
    return b

def pair(a):
    return {"sum": a.sum(), "parts": [a * 2, (a.sin(), a @ w)]}
"""

VALUES = """
vmap(lambda a: a * 2 + 1)(x)
vmap(lambda a: a.sum())(x)
vmap(lambda a: (a @ w).softmax(-1))(x)
vmap(pair)(x)
vmap(lambda a, b: a * b, in_dims=(0, None))(x, v)
vmap(lambda a, b: a * b, in_dims=(1, 0), out_dims=1)(x, x.t())
vmap(lambda a, b: a * b, in_dims=(-1, -1), out_dims=-1)(x, x)
vmap(lambda d: d["a"] + d["b"], in_dims=({"a": 0, "b": None},))({"a": x, "b": v})
vmap(lambda a: (a, a.sum()), out_dims=(1, 0))(x)
vmap(lambda a: (a, torch.ones(1)), out_dims=(0, None))(x)
vmap(lambda a: torch.ones(2))(x)
vmap(lambda a: a, chunk_size=2)(x)
vmap(lambda a: (a.sum(), a.t()), out_dims=(0, -1), chunk_size=2)(x)
vmap(vmap(lambda a: a.sin() * v[0]))(x)
vmap(vmap(lambda a, b: a * b, in_dims=(0, None)), in_dims=(None, 0))(v, x)
vmap(changed)(x)
vmap(lambda a, s=2: a * s)(x, s=3)
vmap(lambda a: a)(torch.ones(0, 2))
grad(lambda a: (a**3).sum())(x)
grad(lambda a: (a**3).sum())(param).requires_grad
grad(lambda a: (a * param).pow(2).sum())(v)
grad(lambda a, b: (a * b).sum(), argnums=1)(v, v * 2)
grad(lambda a, b: (a * b).sum(), argnums=(0, 1))(v, v * 2)
grad(lambda a, b: (a * b).sum(), argnums=-1)(v, v * 2)
grad(lambda d: (d["a"] * d["b"][0]).sum())({"a": v, "b": [v * 3]})
grad(lambda a: (a.sum(), a * 2), has_aux=True)(v)
grad(lambda a, scale: (a * scale).sum())(v, scale=3.0)
grad(lambda a: torch.ones(()))(v)
grad(grad(grad(lambda a: a**4)))(v[0])
grad_and_value(lambda a: (a**3).sum())(v)
grad_and_value(lambda a: (a.sum(), {"aux": a * 2}), has_aux=True)(v)
vmap(grad(loss), in_dims=(None, 0))(w, x)
vmap(grad(loss, argnums=(0, 1)), in_dims=(None, 0))(w, x)
vmap(grad(lambda a: changed(a).pow(2).sum()))(x)
grad(lambda w: vmap(lambda a: loss(w, a))(x).sum())(w)
vjp(lambda a: (a @ w).sin(), x)[0]
vjp(lambda a: (a @ w).sin(), x)[1](torch.ones(3, 3, dtype=torch.float64))
vjp(lambda a, b: (a * b, b), v, v)[1]((v, v * 2))
vjp(lambda a: {"q": a * 2}, v)[1]({"q": v})
vjp(lambda a: (a * 2, a), v, has_aux=True)[2]
vjp(lambda a: torch.ones(2, dtype=torch.float64), x)[1](v)
jvp(lambda a: (a @ w).sin(), (x,), (x * 2,))
jvp(lambda a, b: (a * b, b), (v, v), (v, v * 2))
jvp(lambda a: (a * 2, a), (v,), (v,), has_aux=True)
jvp(lambda a: torch.ones(2), (x,), (x,))
jvp(changed, (v,), (v,))
jvp(lambda a: jvp(lambda b: (b**3).sum(), (a,), (v,))[1], (v,), (v,))
jvp(grad(lambda a: (a**3).sum()), (v,), (v,))
grad(lambda w: jvp(lambda a: loss(w, a), (x,), (x,))[1])(w)
linearize(lambda a: (a @ w).sin(), x)[0]
linearize(lambda a: (a @ w).sin(), x)[1](x)
linearize(lambda a, b: (a * b, b), v, v)[1](v, v * 2)
jacrev(lambda a: (a @ w).sin())(x)
jacfwd(lambda a: (a @ w).sin())(x)
jacrev(lambda a: a.sum() * 2)(v)
jacrev(pair)(v)
jacfwd(pair)(v)
jacrev(lambda a, b: (a * b, b.sum()), argnums=(0, 1))(v, v * 2)
jacfwd(lambda a, b: (a * b, b.sum()), argnums=(0, 1))(v, v * 2)
jacrev(lambda d: d["a"] * d["b"])({"a": v, "b": v * 3})
jacrev(lambda a: (a * 2, a), has_aux=True)(v)
jacfwd(lambda a: (a * 2, a), has_aux=True)(v)
jacrev(lambda a: (a @ w).sin(), chunk_size=2)(v)
jacrev(changed)(v), jacfwd(changed)(v)
hessian(lambda a: loss(w, a))(v)
jacfwd(jacfwd(lambda a: loss(w, a)))(v)
jacrev(jacrev(lambda a: loss(w, a)))(v)
jacrev(jacfwd(lambda a: loss(w, a)))(v)
vmap(hessian(lambda a: loss(w, a)))(x)
vmap(jacrev(lambda a: a @ w))(x)
vmap(lambda a: jvp(lambda b: loss(w, b), (a,), (a * 2,)))(x)
hessian(lambda a, b: (a * b).sum() ** 2, argnums=(0, 1))(v, v)
torch.autograd.grad(vmap(lambda a: (a * param).sum())(x).sum(), param)
torch.autograd.grad(grad(lambda a: (a * param).pow(2).sum())(v).sum(), param)
torch.autograd.grad((param**2), param, torch.eye(2, dtype=torch.float64), is_grads_batched=True)
torch.autograd.grad((param**2, param), param, (torch.eye(2, dtype=torch.float64),) * 2, is_grads_batched=True)
torch.autograd.grad(param[0].prod(0, keepdim=True), param, torch.ones(3, dtype=torch.float64), is_grads_batched=True)
[t.requires_grad for t in (vmap(lambda a: a * 2)(x), jacrev(torch.sin)(v), hessian(lambda a: a.sin().sum())(v))]
vmap(lambda a: torch.rand(2).shape[0] * a, randomness="same")(x)
vmap(lambda a: (torch.rand(2) < 2) * a, randomness="different")(x)
vmap(lambda d: d["a"] * d["b"], in_dims=({"a": 0, "b": None},))({"b": v, "a": x})
vmap(lambda a: [a, [a, (a.sum(),)]], out_dims=[0, [1, (0,)]])(x)
vmap(lambda a: [a, [a, (a,)]], out_dims=[0, 1])(x)
vmap(lambda a: torch.linspace(a[0], a[1], 3))(x)
grad(lambda a, b: a.sum(), argnums=True)(v, x)
(lambda push: grad(lambda t: push(t).sum())(v))(linearize(torch.sin, v)[1])
grad(lambda t: vjp(torch.sin, v)[1](t)[0].sum())(v)
jvp(lambda a: a * 2, (v,), (v.float(),))
jvp(lambda a: a * 2, (torch.complex(v, v),), (v,))
linearize(lambda a: (a.sin(), 3), v)[1](v)
"""

ERRORS = """
vmap(lambda a: a, in_dims=(0, 0))(x)
vmap(lambda a: a, in_dims=3)(x)
vmap(lambda a: a, in_dims="a")(x)
vmap(lambda a: a, in_dims=None)(x)
vmap(lambda a: a, in_dims=(None,))(x)
vmap(lambda a: a)(3)
vmap(lambda a, b: a)(x, torch.ones(2))
vmap(lambda a: 3)(x)
vmap(lambda a: (a, 3))(x)
vmap(lambda a: a, out_dims=5)(x)
vmap(lambda a: a, out_dims=(0, 0))(x)
vmap(lambda a: (a, a), out_dims=(0, None))(x)
vmap(lambda: 3)()
vmap(lambda a: a.item())(v)
vmap(lambda a: bool(a > 0))(v)
vmap(lambda a: a, randomness="foo")(x)
vmap(lambda a: a, chunk_size=0)(x)
vmap(lambda a: torch.ones(2, dtype=torch.float64).add_(a))(x)
grad(lambda a: a)(x)
grad(lambda a: 3)(x)
grad(lambda a: (a.sum(), a.sum()))(x)
grad(lambda a: a.sum(), argnums=2)(x)
grad(lambda a: a.sum(), argnums=(0, 0))(x)
grad(lambda a: a.sum(), argnums="a")(x)
grad(lambda a: a.sum())(3)
grad(lambda a: a.sum(), has_aux=True)(x)
grad(lambda a: a.sum())(whole)
jvp(lambda a: a, x, x)
jvp(lambda a: a, (x,), (x, x))
jvp(lambda a: a, (x,), (v,))
jvp(lambda a: 3, (x,), (x,))
jvp(lambda a: a, (), ())
vjp(lambda a: a, x)[1](v)
vjp(lambda a: (a, a), x)[1](x)
vjp(lambda a: 3, x)
jacrev(lambda a: a, argnums=1)(x)
jacrev(lambda a: 3)(x)
jacfwd(lambda a: 3)(x)
jacrev(lambda a: a, argnums="a")(x)
jacrev(lambda a: a)(whole)
vmap(lambda a: a, in_dims=[0])(x)
vmap(lambda a: (a, a), out_dims=[0, 0])(x)
vmap(lambda a: torch.cat([a, a]))(v)
vmap(lambda a: torch.split(a, 1))(v)
vmap(lambda a: torch.unbind(a))(v)
vmap(lambda a: a.flip(0))(v)
vmap(lambda a: a.permute(1, 0))(x)
vmap(lambda a: torch.index_select(a, 0, torch.tensor([5])))(x)
vmap(lambda a: torch.index_select(a, 0, torch.tensor([[0]])))(x)
vmap(lambda a: a.apply_(lambda t: t))(x)
vmap(lambda a: a.requires_grad_())(x)
vmap(lambda a: (param * 2).retain_grad())(x)
vmap(lambda a: torch.nn.functional.pad(v, (1, 1), value=a))(v)
vmap(lambda a: torch.nn.functional.layer_norm(v, (2,), eps=a))(v)
vmap(lambda a: torch.nn.functional.threshold(v, a, 0.0))(v)
vmap(lambda a: torch.cdist(x, x, a.abs()))(v)
vmap(lambda a: torch.logit(v, a))(v)
vmap(lambda a: torch.addcdiv(v, v, v, value=a))(v)
vmap(lambda a: v.std(correction=a))(v)
vmap(lambda a: v.norm(a))(v)
vmap(lambda a: v.topk(a))(whole)
vmap(lambda a: v.diag(a))(whole)
vmap(lambda a: torch.nn.functional.scaled_dot_product_attention(x, x, x, scale=a))(v)
functional_call(torch.nn.Linear(2, 1), {"weight": 3}, x)
grad(lambda a: a.detach().requires_grad_().sum())(v)
grad(lambda a: param.sum().backward())(v)
grad(lambda a: a.sum() * 1j)(v)
grad(lambda a: (a.sum(), 3), has_aux=True)(v)
vjp(lambda a: (a, None), v, has_aux=True)
jvp(lambda a: (a, 3), (v,), (v,), has_aux=True)
vjp(lambda a: a * 2, v)[1](3)
vjp(lambda a: (a * 2, a), v)[1](v, v)
vjp(lambda a: a.argmax(), v)
vjp(lambda a: None, v)
jvp(lambda a: a, (whole,), (whole,))
jvp(lambda a: a, (v,), (whole,))
linearize(lambda a: a, whole)
linearize(lambda a: a, v)[1](x)
linearize(lambda a: a, v)[1](v.float())
jacrev(lambda a: a)(torch.complex(v, v))
jacfwd(lambda a: a)(torch.complex(v, v))
jacrev(lambda a: (a.sum(), a * 1j))(v)
jacfwd(lambda a: (a.sum(), a * 1j))(v)
jacrev(lambda a: a.argmax())(v)
jacfwd(lambda a: a)(whole)
"""


def evaluated(torch: ModuleType, expression: str) -> Any:
    """The value of an expression, with what the set-up names and all of torch.func."""
    names = {**vars(importlib.import_module(f"{torch.__name__}.func")), "torch": torch}
    exec(SETUP, names)
    return eval(expression, names)


@pytest.mark.parametrize("expression", VALUES.strip().splitlines())
def test_values(expression: str) -> None:
    """Both libraries give the same."""

    def program(torch: ModuleType) -> Iterator:
        yield evaluated(torch, expression)

    assert_same(program)


@pytest.mark.parametrize("expression", ERRORS.strip().splitlines())
def test_errors(expression: str) -> None:
    """Both libraries refuse, in the same words."""

    def program(torch: ModuleType) -> Iterator:
        yield fails(lambda: evaluated(torch, expression))

    assert_same(program)
