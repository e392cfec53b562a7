"""What the families of elementwise operations share: forms by the kinds of their operands, checks before them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..tensor import Tensor
from .define import inplace, op
from .fast import OPERANDS, binary, no_method
from .promotion import like, raw


def zeros(g: Any) -> Any:
    """The gradient of a function that is constant almost everywhere."""
    return like(g, np.zeros_like(raw(g)))


def undefined(name: str) -> Any:
    """The rule of an operation that has a derivative in principle and none here, nor in PyTorch."""

    def rule(g: Any, _input: Any, _other: Any) -> Any:
        raise RuntimeError(f"derivative for aten::{name} is not implemented")

    return rule


def backward_of(name: str, plain: Any, curve: Any, bend: Any, back: Any, back_back: Any) -> Any:
    """A rule ``(g, input, result)`` that is an operation of its own in the graph of a gradient, and so is its own rule.

    Args:
        plain: the rule, ``(g, result)``.
        curve: the derivative of that by the result, ``(g, h, result)`` where ``h`` is what it took as ``g``.
        bend: the derivative of that by the result, ``(g, h, i)`` where ``h`` and ``i`` are the others.
        back: the first in one call for arrays; ``back_back`` the second.
    """

    def rule(g: Any, _input: Any, result: Any) -> Any:
        return operation(g, result) if isinstance(g, Tensor) else plain(g, result)

    def by_result(g: Any, h: Any, result: Any) -> Any:
        if type(g) is np.ndarray:
            return back_back(g, h, result)
        return curved(g, h, result) if isinstance(g, Tensor) else curve(g, h, result)

    operation: Any = binary(
        f"{name.capitalize()}BackwardBackward0", lambda g, result, out=None: np.asarray(back(g, result)),
        rule, by_result, (lambda g, _h, result: back(g, result), back_back),
    )  # fmt: skip
    operation.op.name = f"{name}_backward"

    @op(
        "MulBackward0", elementwise=True, promote="common",
        h=lambda g, i, y: by_result(g, i, y), i=lambda g, h, y: by_result(g, h, y), y=lambda g, h, i: bend(g, h, i),
    )  # fmt: skip
    def curved(h, i, y):
        return np.asarray(back_back(h, i, y))

    return rule


def before(operation: Any, check: Any) -> Any:
    """Have an operation first look at its arguments as they are given; ``check`` raises where they do not do."""
    spec = operation.op
    if spec.promote is None:
        compute = spec.compute

        def checked_compute(*args: Any, **kwargs: Any) -> Any:
            check(*args, *kwargs.values())
            return compute(*args, **kwargs)

        spec.compute = checked_compute
        return operation
    evaluate = spec.evaluate

    def checked(args: tuple, kwargs: dict) -> Any:
        check(*args, *kwargs.values())
        return evaluate(args, kwargs)

    spec.evaluate = checked
    return operation


def flat(*operations: Any) -> None:
    """Say of operations that their derivative depends on their inputs in steps only: a second derivative is zero.

    Others without a second derivative have none to ask for: PyTorch makes that difference, operation by operation.
    """
    for operation in operations:
        operation.op.flat()


def promoted_by(operation: Any, compute: Any) -> Any:
    """Give an operation another function for operands off the fast path: integers, and what had to be converted."""
    operation.op.compute = compute
    return operation


def written_after_checks(measured: tuple[int, ...] = ()) -> Any:
    """Have the in-place form look at its operands first; as in PyTorch, also at the axes of stacks that it measures."""

    def declare(operation: Any) -> Any:
        form = inplace(operation)

        def method(self: Any, *operands: Any, **factors: Any) -> Any:
            if len(operands) == 2 and factors.keys() <= {"beta", "alpha"}:
                for place, (operand, name) in enumerate(zip(operands, operation.op.names[1:])):
                    if not isinstance(operand, Tensor):
                        where, kind = f"'{name}' (position {place + 1})", type(operand).__name__
                        raise TypeError(f"{form.__name__}(): argument {where} must be Tensor, not {kind}")
                    if measured:
                        operand.size(measured[place])
            return form(self, *operands, **factors)

        method.__name__, method.__doc__ = form.__name__, form.__doc__
        operation.inplace = method
        return operation

    return declare


class Forms:
    """What `inplace` asks of an operation that has several forms: that of the one which takes these arguments."""

    def __init__(self, name: str, choose: Any) -> None:
        self.name, self.choose = name, choose

    def inplace(self, args: tuple, kwargs: dict, frame: Any) -> Tensor:
        """The operation with its result written into its first argument."""
        return self.choose(*args, **kwargs).op.inplace(args, kwargs, frame)


def by_operand(name: str, tensors: Any, number: Any, reflected: Any = None) -> Any:
    """One operation from its forms: with two tensors, with a number as the second operand, or as the first."""

    def choose(input: Any, other: Any) -> Any:
        if not isinstance(other, Tensor):
            if type(input) in NUMBERS and type(other) in NUMBERS:
                raise invalid(name, input, other)
            return number
        if reflected is None and type(input) in NUMBERS:
            raise invalid(name, input, other)
        return tensors if reflected is None or isinstance(input, Tensor) else reflected

    def call(input: Any, other: Any, *, out: Any = None) -> Any:
        return choose(input, other)(input, other, out=out)

    call.op = Forms(name, choose)  # type: ignore[attr-defined]
    call.__name__, call.__doc__ = name, tensors.__doc__
    return call


def operator(operation: Any, swapped: bool = False, of_numbers: bool = False) -> Any:
    """An operation as a Python operator, which leaves operands that it does not know to their own methods.

    ``of_numbers``: as a function it also takes a number for ``self``.
    """
    if not swapped and hasattr(operation, "operator"):
        return operation.operator

    def form(self: Any, other: Any) -> Any:
        if not isinstance(self, Tensor) and not of_numbers:
            raise no_method(self)
        if not isinstance(other, OPERANDS):
            return NotImplemented
        return operation(other, self) if swapped else operation(self, other)

    return form


NUMBERS = (bool, int, float, complex)


def requiring(operation: Any, *names: str) -> Any:
    """Have an operation that takes numbers for tensors only take tensors under these names."""

    def check(*values: Any) -> None:
        for position, (name, value) in enumerate(zip(names, values, strict=False), 1):
            if type(value) in NUMBERS:
                raise TypeError(
                    f"{operation.__name__}(): argument '{name}' (position {position}) must be Tensor, not "
                    f"{type(value).__name__}"
                )

    if hasattr(operation, "operator"):  # has a fast path, which takes numbers

        def call(input: Any, other: Any, *, out: Any = None) -> Any:
            if type(other) in NUMBERS or type(input) in NUMBERS:
                check(input, other)
            return operation(input, other) if out is None else operation(input, other, out=out)

        call.op, call.__name__, call.__doc__ = operation.op, operation.__name__, operation.__doc__  # type: ignore[attr-defined]
        return call
    return before(operation, check)


def invalid(name: str, *values: Any) -> TypeError:
    """The error for numbers where one operand at least has to be a tensor."""
    got = ", ".join(type(value).__name__ for value in values)
    return TypeError(
        f"{name}() received an invalid combination of arguments - got ({got}), but expected one of: (Tensor input, "
        "Tensor other) (Tensor input, Number other)"
    )


def requiring_one(operation: Any, name: str = "") -> Any:
    """Have an operation refuse two numbers."""

    def check(input: Any, other: Any, *_: Any) -> None:
        if type(input) in NUMBERS and type(other) in NUMBERS:
            raise invalid(name or operation.__name__, input, other)

    return before(operation, check)
