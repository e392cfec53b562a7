"""Gradients of complex numbers in PyTorch's convention: values, types, flags; mixtures of real and complex."""

from __future__ import annotations

import pytest
import torch

import rushlight

from .both import Programs, assert_equal, assert_same, fails, name
from .test_functional import first_words, shown

programs = Programs()


@pytest.mark.parametrize("program", programs, ids=name)
def test_programs(program):
    assert_same(program)


def operands(lib):
    """A complex and a real matrix, and a complex and a real vector."""
    return (
        lib.tensor([[1.0 + 2.0j, -0.5 + 0.25j], [0.5j - 1, 2.0 - 1j]], dtype=lib.complex128, requires_grad=True),
        lib.tensor([[0.5, -1.25], [2.0, 0.75]], dtype=lib.float64, requires_grad=True),
        lib.tensor([1.0 - 1.0j, 0.25 + 3.0j], dtype=lib.complex128, requires_grad=True),
        lib.tensor([1.5, -0.5], dtype=lib.float64, requires_grad=True),
    )


def written(z, place, value):
    changed = z * 1
    changed[place] = value
    return changed


EXPRESSIONS = {
    "product": lambda lib, z, x, w, y: z * x + x * w - y * z,
    "quotient": lambda lib, z, x, w, y: z / x + x / w + y / z,
    "power": lambda lib, z, x, w, y: z**2 + z**x.abs() + z**w + 2**z + x.abs() ** w,
    "numbers": lambda lib, z, x, w, y: (x * 2j + 1) * (1 - 3j) / (z - 2j) - (4j - y),
    "matrix_products": lambda lib, z, x, w, y: z @ x.to(z.dtype) @ w + (z.mH @ z)[0] * y,
    "outer": lambda lib, z, x, w, y: lib.outer(w, w.conj()) * x,
    "dots": lambda lib, z, x, w, y: lib.dot(w, w) * lib.vdot(w, w * 2j) * y,
    "einsum": lambda lib, z, x, w, y: lib.einsum("ij,j,ik->k", z, w, z.conj()),
    "parts": lambda lib, z, x, w, y: z.real * x + z.imag * y + w.real,
    "parts_and_back": lambda lib, z, x, w, y: lib.complex(z.imag * x, z.real) * lib.polar(x.abs(), x),
    "views": lambda lib, z, x, w, y: lib.view_as_complex(lib.view_as_real(z) * 2).conj() * y,
    "absolute": lambda lib, z, x, w, y: z.abs() * x + w.abs(),
    "angle": lambda lib, z, x, w, y: z.angle() * x.angle() + w.angle(),
    "sgn": lambda lib, z, x, w, y: z.sgn() * x + w.sgn(),
    "functions": lambda lib, z, x, w, y: z.exp() + z.log() + z.sqrt() + z.sin() * z.cosh() + z.tanh(),
    "inverse_functions": lambda lib, z, x, w, y: (z / 5).asin() + (z / 5).atan() + z.acosh() + (z / 5).atanh(),
    "more_functions": lambda lib, z, x, w, y: z.reciprocal() + z.rsqrt() + z.expm1() + z.log1p() + z.sigmoid(),
    "sums": lambda lib, z, x, w, y: z.sum(0) * x.mean() + z.prod(1) + w.cumsum(0) + w.cumprod(0),
    "norms": lambda lib, z, x, w, y: z.norm() + lib.linalg.norm(w, 1) * lib.linalg.matrix_norm(z, "fro") + w.var(),
    "joined": lambda lib, z, x, w, y: lib.cat([z, x]).sum(0) * lib.stack([w, y]),
    "chosen": lambda lib, z, x, w, y: lib.where(x > 0, z, -z) * lib.where(y > 0, w, 2j),
    "indexed": lambda lib, z, x, w, y: z[0] * x[:, 1] + z[[1, 0], [0, 1]] * w.flip(0),
    "written": lambda lib, z, x, w, y: written(z, 0, y) * written(z, (slice(None), 1), w) + written(z, 0, 2j),
    "added_in_place": lambda lib, z, x, w, y: (z * 1).add_(x).mul_(y).sub_(w, alpha=2j).div_(x),
    "part_changed_in_place": lambda lib, z, x, w, y: changed_part(z * 1, "real", x) * changed_part(z * 1, "imag", y),
    "scattered": lambda lib, z, x, w, y: z.index_add(0, lib.tensor([0, 0]), z) + z.masked_fill(x > 0, 2j),
    "addcmul": lambda lib, z, x, w, y: lib.addcmul(z, z, w, value=2j) + lib.addmm(z, z, z, beta=1j) + z.lerp(w, 0.5),
    "inverse": lambda lib, z, x, w, y: lib.linalg.inv(z) * x + lib.linalg.solve(z, w),
    "determinants": lambda lib, z, x, w, y: lib.linalg.det(z) * y + lib.linalg.slogdet(z)[1],
    "singular_values": lambda lib, z, x, w, y: lib.linalg.svdvals(z) * y,
    "hermitian": lambda lib, z, x, w, y: lib.linalg.eigvalsh(z @ z.mH) * y,
    "cholesky": lambda lib, z, x, w, y: lib.linalg.cholesky(z @ z.mH + lib.eye(2)) * x,
    "converted": lambda lib, z, x, w, y: z.to(lib.complex64) * x.float() + w.to(lib.complex64) * y.to(lib.complex64),
    "to_real": lambda lib, z, x, w, y: z.to(lib.float64) * x,
    "integers": lambda lib, z, x, w, y: z * lib.tensor([1, 2]) + lib.tensor([[True], [False]]) * w,
}  # fmt: skip


def changed_part(z, part, by):
    getattr(z, part).mul_(by)
    return z


def derivatives(lib, case):
    """The value, the gradients of a weighted sum of its parts, and the gradients of the squares of these."""
    given = operands(lib)
    value = EXPRESSIONS[case](lib, *given)
    weights = lib.arange(1, value.numel() + 1, dtype=lib.float64).reshape(value.shape)
    real, imaginary = (value.real, value.imag) if lib.is_complex(value) else (value, value)
    first = lib.autograd.grad((weights * (real - 2 * imaginary)).sum(), given, create_graph=True, allow_unused=True)
    found = [x for x in first if x is not None and x.requires_grad]
    second = []
    if found:
        squares = sum((x.abs() ** 2).sum() for x in found)
        second = lib.autograd.grad(squares, given, allow_unused=True)
    return [None if x is None else shown(x) for x in (value, *first, *second)]


@pytest.mark.parametrize("case", EXPRESSIONS)
def test_expressions(case):
    expected, got = (fails(lambda lib=lib: derivatives(lib, case)) for lib in (torch, rushlight))
    if isinstance(expected, Exception):
        assert type(got) is type(expected) and first_words(expected) in str(got), f"{got!r} instead of {expected!r}"
    else:
        assert_equal(got, expected, case)


@programs
def backward_of_complex_numbers(torch):
    z, x, w, y = operands(torch)
    yield fails(lambda: (z * x).sum().backward())
    yield fails(lambda: torch.autograd.grad(w.sum(), w))
    (z * x).sum().abs().backward()
    yield z.grad, x.grad
    (z * y).sum().backward(torch.tensor(1.0 + 2.0j, dtype=torch.complex128))
    yield z.grad, y.grad
    yield fails(lambda: (z * y).sum().backward(torch.tensor(1.0, dtype=torch.float64)))
    yield fails(lambda: z.abs().sum().backward(torch.tensor(1j, dtype=torch.complex128)))


@programs
def hooks_see_the_type_of_their_tensor(torch):
    z, x, _, y = operands(torch)
    seen = []
    middle = x * 2
    for tensor in (z, x, middle):
        tensor.register_hook(lambda g: seen.append(g.detach()))
    (z * middle + y).abs().sum().backward()
    yield seen


@programs
def gradient_assigned(torch):
    z, x, _, _ = operands(torch)
    yield fails(lambda: setattr(z, "grad", x.detach()))
    z.grad = z.detach() * 1j
    (z.real * x).sum().backward()
    yield z.grad, x.grad


@programs
def descent(torch):
    z, *_ = operands(torch)
    for _ in range(3):
        loss = (z * z - 1j).abs().square().sum()
        (gradient,) = torch.autograd.grad(loss, z)
        with torch.no_grad():
            z -= 0.05 * gradient
        yield loss.detach(), gradient


@programs
def at_zero(torch):
    for function in (torch.abs, torch.sgn, torch.angle, torch.square, torch.sqrt):
        z = torch.zeros(2, dtype=torch.complex128, requires_grad=True)
        value = function(z)
        yield value, torch.autograd.grad(value, z, torch.ones_like(value))
