"""Comparison, choice, logic and bits, element by element."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..autograd.modes import open_levels, recording
from ..autograd.node import current_frame
from ..autograd.origin import CONSTANT, remember
from ..kernels import arithmetic
from ..kernels import choice as kernels
from ..kernels.layout import arranged
from ..tensor import Parameter, Tensor, edge_of, wrap
from .define import Op, op
from .fast import OPERANDS, constant, constants, int64
from .forms import NUMBERS, invalid, operator, requiring, requiring_one
from .levels import DYNAMIC, known
from .nodes import Saved, make_node
from .promotion import broadcast_error, float32, float64

__all__ = [
    "allclose", "bitwise_and", "bitwise_left_shift", "bitwise_not", "bitwise_or", "bitwise_right_shift", "bitwise_xor",
    "eq",
    "equal", "ge", "greater", "greater_equal", "gt", "is_complex", "is_floating_point", "is_nonzero", "is_same_size",
    "isclose", "isfinite", "isinf", "isnan", "isneginf", "isposinf", "isreal", "le", "less", "less_equal",
    "logical_and",
    "logical_not", "logical_or", "logical_xor", "lt", "ne", "not_equal", "where",
]  # fmt: skip


def of_type(number: Any, dtype: np.dtype) -> Any:
    """A number as a 0-dim array of a type; None if it is no number, or one that the type may not have."""
    kind = type(number)
    if (kind is not float or dtype is int64) and (kind is not int or abs(number) >= 2**63):
        return None
    if dtype.kind != "f" and dtype is not int64:
        return None
    kept = constants.get(dtype)
    found = kept.get(number) if kept is not None else np.array(number, dtype)
    return constant(number, dtype) if found is None else found


def comparison(name: str, ufunc: Any, doc: str) -> tuple[Any, Any]:
    """A comparison as a function and as a Python operator."""

    def compute(input: Any, other: Any) -> Any:
        if ordered and input.dtype.kind == "c":
            raise RuntimeError(f"\"{name}_cpu\" not implemented for '{dtypes.CASED[dtypes.of(input.dtype)]}'")
        return ufunc(input, other)

    ordered = name not in ("eq", "ne")
    compute.__name__ = name
    spec = Op(None, compute, {}, promote="common", batch="elementwise")

    def form(slow: Callable) -> Callable:
        """The comparison, with the way that everything else than plain tensors and numbers goes."""

        def call(input: Any, other: Any, *, out: Any = None) -> Any:
            kind = type(input)
            if out is None and (kind is Tensor or kind is Parameter):
                kind = type(other)
                a = input.array
                b = other.array if kind is Tensor or kind is Parameter else of_type(other, a.dtype)
                if b is not None and b.dtype is a.dtype and (a.dtype.kind == "f" or a.dtype is int64):
                    try:
                        value = ufunc(a, b, out=...)
                    except ValueError:
                        pass  # the shapes: the long way knows what to say
                    else:
                        if value.ndim > 1 and not (a.flags.c_contiguous and b.flags.c_contiguous):
                            value = arranged(value, (a, b))
                        result = wrap(value)
                        remember(result, name, CONSTANT, current_frame(1))
                        return result
            return slow((input, other), {} if out is None else {"out": out}, current_frame(1))

        call.__name__ = call.__qualname__ = name
        call.__doc__ = doc
        return call

    def compared(args: tuple, kwargs: dict, frame: Any) -> Any:
        if type(args[0]) in NUMBERS:
            raise invalid(name, *args)
        return spec(args, kwargs, frame)

    def known_only(args: tuple, kwargs: dict, frame: Any) -> Any:
        return compared(args, kwargs, frame) if isinstance(args[1], OPERANDS) else NotImplemented

    function = form(compared)
    function.op, spec.direct = spec, function  # type: ignore[attr-defined]
    return function, form(known_only)


eq, operator_eq = comparison("eq", arithmetic.equal, "Where two tensors are equal.")
ne, operator_ne = comparison("ne", arithmetic.not_equal, "Where two tensors are different.")
lt, operator_lt = comparison("lt", arithmetic.less, "Where ``input`` is less than ``other``.")
le, operator_le = comparison("le", arithmetic.less_equal, "Where ``input`` is less than ``other`` or equal.")
gt, operator_gt = comparison("gt", arithmetic.greater, "Where ``input`` is greater than ``other``.")
ge, operator_ge = comparison("ge", arithmetic.greater_equal, "Where ``input`` is greater than ``other`` or equal.")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def equal(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and equal elements.

    >>> import rushlight as torch
    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    if not isinstance(other, Tensor):
        raise TypeError(f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}")
    return is_same_size(input, other) and bool(eq(input, other).all())


@op(batch="elementwise")
def isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """Where ``|input - other| <= atol + rtol * |other|``.

    Raises:
        RuntimeError: the types differ, or a tolerance is negative.
    """
    if input.dtype != other.dtype:
        raise RuntimeError(
            f"{dtypes.CASED[dtypes.of(input.dtype)]} did not match {dtypes.CASED[dtypes.of(other.dtype)]}"
        )
    if rtol < 0 or atol < 0:
        raise RuntimeError(f"rtol and atol must be greater than or equal to zero, but got {rtol} and {atol}")
    close = input == other
    if equal_nan and input.dtype.kind in "fcV":
        close = close | (np.isnan(input) & np.isnan(other))
    if rtol == 0 and atol == 0:
        return close
    wide = input.dtype if input.dtype.kind in "fcV" else dtypes.get_default_dtype().numpy
    input, other = input.astype(wide), other.astype(wide)
    allowed = atol + np.absolute(rtol * other)
    distance = np.absolute(input - other)
    return close | (np.isfinite(distance) & (distance <= allowed))


isclose = requiring(isclose, "input", "other")


def allclose(input: Tensor, other: Tensor, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere."""
    return bool(isclose(input, other, rtol, atol, equal_nan).all())


# Kinds of numbers


def _asked(name: str, doc: str, of_float: Any, of_integer: bool, of_complex: Any) -> Any:
    def compute(input: Any) -> Any:
        kind = input.dtype.kind
        if kind == "c":
            return of_complex(input)
        return of_float(input) if kind in "fV" else np.full(input.shape, of_integer)

    compute.__name__, compute.__doc__ = name, doc
    return op(batch="elementwise")(compute)


def _no_complex(name: str) -> Any:
    def refuse(input: Any) -> Any:
        raise RuntimeError(f"{name} does not support complex inputs.")

    return refuse


isnan = _asked("isnan", "Where elements are NaN.", np.isnan, False, np.isnan)
isinf = _asked("isinf", "Where elements are infinite.", np.isinf, False, np.isinf)
isfinite = _asked("isfinite", "Where elements are neither infinite nor NaN.", np.isfinite, True, np.isfinite)
isposinf = _asked("isposinf", "Where elements are +infinity.", lambda x: x == np.inf, False, _no_complex("isposinf"))
isneginf = _asked("isneginf", "Where elements are -infinity.", lambda x: x == -np.inf, False, _no_complex("isneginf"))
isreal = _asked(
    "isreal", "Where elements have no imaginary part.", lambda x: np.ones(x.shape, bool), True, lambda x: x.imag == 0
)


def is_floating_point(input: Tensor) -> bool:
    """Whether the type is one of floating-point numbers."""
    return input.dtype.is_floating_point


def is_complex(input: Tensor) -> bool:
    """Whether the type is one of complex numbers."""
    return input.dtype.is_complex


def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape."""
    return input.array.shape == other.array.shape


def is_nonzero(input: Tensor) -> bool:
    """Whether the only element is not zero.

    Raises:
        RuntimeError: it does not have exactly one element.
    """
    size = input.array.size
    if size != 1:
        values = "no values" if size == 0 else "more than one value"
        raise RuntimeError(f"Boolean value of Tensor with {values} is ambiguous")
    return bool(input)


# Choice


def _choose(condition: Any, input: Any, other: Any) -> Any:
    if condition.dtype != bool:
        if condition.dtype != np.uint8:
            raise RuntimeError(
                f"where expected condition to be a boolean tensor, but got a tensor with dtype "
                f"{dtypes.CASED[dtypes.of(condition.dtype)]}"
            )
        condition = condition.astype(bool)
    try:
        return kernels.choose(condition, input, other)
    except ValueError as error:
        raise broadcast_error(error, (condition, input, other)) from None


_RULES = {
    "input": lambda g, condition: where(condition, g, zero_of(g)),
    "other": lambda g, condition: where(condition, zero_of(g), g),
}
ZEROS = {float32: np.zeros((), float32), float64: np.zeros((), float64)}


def zero_of(g: Any) -> Any:
    """Zero, as an array of the gradient's type where that is an array."""
    return ZEROS.get(g.dtype, 0) if type(g) is np.ndarray else 0


_where = op("WhereBackward0", elementwise=True, **_RULES)(_choose)
_where_promoted = op("WhereBackward0", elementwise=True, promote="common", **_RULES)(_choose)


def where(condition: Any, input: Any = None, other: Any = None, *, out: Any = None) -> Any:
    """``input`` where ``condition`` holds, else ``other``; with the condition alone, the indices where it holds.

    >>> import rushlight as torch
    >>> x = torch.tensor([-1.0, 2.0])
    >>> torch.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    if type(condition) is np.ndarray or type(condition) is np.bool_:  # bare arrays, as in a derivative rule
        return kernels.choose(condition, input, other)
    if input is None and other is None:
        return tuple(wrap(index) for index in np.nonzero(np.atleast_1d(known(condition, f"{DYNAMIC} where"))))
    if out is not None:
        return _where_promoted(condition, input, other, out=out)
    a, b = getattr(input, "array", None), getattr(other, "array", None)
    like: Any = a if b is None else b
    mode = recording.get()
    if like is not None and like.dtype in ZEROS and (mode is True or not mode) and not open_levels.get():
        given = condition.array
        if given.shape == like.shape and given.dtype.kind == "b":
            x = of_type(input, like.dtype) if a is None else a
            y = of_type(other, like.dtype) if b is None else b
            if (
                x is not None
                and y is not None
                and x.dtype is y.dtype
                and (a is None or b is None or a.shape == b.shape)
            ):
                return _chosen(condition, (input, other), (given, x, y), mode, current_frame(1))
    if a is not None and b is not None and a.dtype is b.dtype and a.dtype.kind == "f" and not open_levels.get():
        return _where(condition, input, other)
    return _where_promoted(condition, input, other)


def _chosen(condition: Tensor, sides: tuple, arrays: tuple, mode: Any, frame: Any) -> Tensor:
    """The usual choice: between tensors of one shape and type, and numbers."""
    value = kernels.select(*arrays)
    if value.ndim > 1:
        value = arranged(value, arrays)
    result = wrap(value)
    if mode:
        edges = tuple([edge_of(side) if isinstance(side, Tensor) else None for side in sides])
        if edges != (None, None):
            saved = {"condition": Saved(condition.array, condition.version, None)}
            result.node = make_node(_where.op.node, edges, saved, frame)
            return result
    remember(result, "where", mode, frame, (condition, *sides))
    return result


def _where_of(self: Tensor, condition: Tensor, other: Any) -> Tensor:
    """The tensor where ``condition`` holds, else ``other``."""
    if not isinstance(self, Tensor):
        raise TypeError(f"descriptor 'where' for 'Tensor' objects doesn't apply to a '{type(self).__name__}' object")
    return where(condition, self, other)


# Logic and bits


def logical(name: str, ufunc: Any, doc: str) -> Any:
    """An operation on truth values, which takes any number for true that is not zero."""

    def compute(input: Any, other: Any) -> Any:
        return ufunc(input, other)

    compute.__name__, compute.__doc__ = name, doc
    return requiring(op(batch="elementwise")(compute), "input", "other")


logical_and = logical("logical_and", np.logical_and, "Where both are true (not zero).")
logical_or = logical("logical_or", np.logical_or, "Where one of the two is true (not zero).")
logical_xor = logical("logical_xor", np.logical_xor, "Where exactly one of the two is true (not zero).")


@op(batch="elementwise")
def logical_not(input):
    """Where elements are false (zero)."""
    return np.logical_not(input)


def _bitwise(name: str, ufunc: Any, doc: str, kinds: str = "biu") -> Any:
    def compute(input: Any, other: Any) -> Any:
        if input.dtype.kind not in kinds:
            raise NotImplementedError(f"\"{name}_cpu\" not implemented for '{dtypes.CASED[dtypes.of(input.dtype)]}'")
        return ufunc(input, other)

    compute.__name__, compute.__doc__ = name, doc
    return requiring_one(op(promote="common", batch="elementwise")(compute))


def _shifted(ufunc: Any, overflow: Any) -> Any:
    """Shift; by a negative number or more bits than there are, all bits are lost."""

    def shift(input: Any, other: Any) -> Any:
        lost = (other < 0) | (other >= input.dtype.itemsize * 8)
        return np.where(lost, overflow(input), ufunc(input, np.where(lost, 0, other))).astype(input.dtype)

    return shift


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "The bits set in both.")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "The bits set in one of the two.")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "The bits set in exactly one of the two.")
bitwise_left_shift = _bitwise(
    "bitwise_left_shift", _shifted(np.left_shift, np.zeros_like), "``input * 2**other``: the bits moved left.", "iu"
)
bitwise_right_shift = _bitwise(
    "bitwise_right_shift", _shifted(np.right_shift, lambda x: np.where(x < 0, -1, 0)),
    "``input / 2**other`` rounded down: the bits moved right.", "iu",
)  # fmt: skip


@op(batch="elementwise")
def bitwise_not(input):
    """The bits inverted."""
    if input.dtype.kind not in "biu":
        raise NotImplementedError(f"\"bitwise_not_cpu\" not implemented for '{dtypes.CASED[dtypes.of(input.dtype)]}'")
    return np.invert(input)


def operator_invert(self: Tensor) -> Tensor:
    """``~self``."""
    if self.array.dtype.kind not in "biu":
        raise TypeError("~ (operator.invert) is only implemented on integer and Boolean-type tensors")
    return bitwise_not(self)


OPERATORS = {
    "__eq__": operator_eq, "__ne__": operator_ne, "__lt__": operator_lt, "__le__": operator_le, "__gt__": operator_gt,
    "__ge__": operator_ge, "__invert__": operator_invert, "where": _where_of,
    **{
        f"__{side}{name}__": operator(function, swapped=side == "r")
        for name, function in {
            "and": bitwise_and, "or": bitwise_or, "xor": bitwise_xor, "lshift": bitwise_left_shift,
            "rshift": bitwise_right_shift,
        }.items()
        for side in ("", "r")
    },
}  # fmt: skip
"""The Python operators of comparison, logic and bits."""
