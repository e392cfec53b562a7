"""Running sums, products, extremes and log-sum-exps along an axis; differences and integrals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import factors, scans
from .axes import axis, numpy_names
from .convert import to_dtype
from .define import inplace, op
from .pick import put
from .promotion import is_half, raw
from .reduce import as_asked, called, to_out, widened, written

__all__ = [
    "cummax", "cummin", "cumprod", "cumsum", "cumulative_trapezoid", "diff", "logcumsumexp", "trapezoid", "trapz",
]  # fmt: skip


def _accumulated(cumulate: Callable, x: np.ndarray, dim: int, *options: bool) -> np.ndarray:
    line = axis(dim, x.ndim)
    wide = x.astype(np.int64) if x.dtype.kind in "biu" else widened(x)
    result = cumulate(wide, line, *options) if x.ndim else wide.copy()
    return result.astype(x.dtype) if is_half(x.dtype) else result


def _reversed(value: Any, dim: int) -> Any:
    """A line from its end to its beginning."""
    return np.flip(value, dim) if isinstance(value, np.ndarray) else value.flip(dim)


def _suffix_sums(g: Any, dim: int) -> Any:
    """For each element the sum of itself and all behind it."""
    if type(g) is np.ndarray and g.ndim:
        return _accumulated(scans.cumsum, g, dim, True)
    return _reversed(_cumsum(_reversed(g, dim), dim), dim) if raw(g).ndim else g


@op("CumsumBackward0", batch="dim", input=lambda g, dim: _suffix_sums(g, dim))
def _cumsum(input, dim):
    return _accumulated(scans.cumsum, input, dim, False)


@numpy_names
def cumsum(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
    """The running sum along an axis; integers are added as int64.

    >>> import rushlight as torch
    >>> torch.tensor([1, 2, 3]).cumsum(0)
    tensor([1, 3, 6])
    """
    return as_asked(_cumsum, input, dim, dtype=dtype, out=out)


def _cumprod_gradient(g: Any, input: np.ndarray, result: np.ndarray, dim: int) -> np.ndarray:
    if not input.ndim:
        return g
    if np.all(input):
        return _suffix_sums(g * result.conj(), dim) / input.conj()
    return factors.weighted_suffixes(input.conj(), g, axis(dim, input.ndim))


def _cumprod_by_doubling(input: Any, dim: int) -> Any:
    """A running product of multiplications only, whose derivatives hold for zeros too."""
    from . import cat

    length = input.shape[dim] if input.ndim else 0
    step = 1
    while step < length:
        ahead = input.narrow(dim, 0, length - step)
        input = cat((input.narrow(dim, 0, step), input.narrow(dim, step, length - step) * ahead), dim)
        step *= 2
    return input * 1


@op(
    "CumprodBackward0",
    batch="dim",
    composite=_cumprod_by_doubling,
    input=lambda g, input, result, dim: _cumprod_gradient(g, input, result, dim),
)
def _cumprod(input, dim):
    return _accumulated(scans.cumprod, input, dim)


@numpy_names
def cumprod(input: Any, dim: int, *, dtype: Any = None, out: Any = None) -> Any:
    """The running product along an axis; integers are multiplied as int64."""
    return as_asked(_cumprod, input, dim, dtype=dtype, out=out)


def _running_extreme(name: str, ufunc: np.ufunc, joined: str) -> Any:
    def compute(input, dim):
        if not input.ndim:
            axis(dim, 0)
            return input.copy(), np.zeros((), np.int64)
        return scans.extremes(input, ufunc, axis(dim, input.ndim))

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = f"""The {joined} element so far along an axis, and its index: the last of equals.

    >>> import rushlight as torch
    >>> torch.{name}(torch.tensor([2.0, 3.0, 1.0]), 0).indices
    tensor([{"0, 1, 1" if name == "cummax" else "0, 0, 2"}])
    """
    return op(
        f"{name.capitalize()}Backward0",
        batch="dim",
        outputs=("values", "indices"),
        nondifferentiable=("indices",),
        input=lambda g, input, indices, dim: put(g, indices, dim, input.shape, False),
    )(compute)


cummax = _running_extreme("cummax", np.maximum, "largest")
cummin = _running_extreme("cummin", np.minimum, "smallest")


def _outward(g: Any, before: Any, after: Any, dim: int, behind: bool) -> Any:
    """The gradient of the weights of `_weighed`: the same sum, taken in the other direction."""
    return _weighed(g, after, before, dim, not behind)


@op(
    "WeighedBackward0", real_rules=True, batch="dim",
    weights=_outward,
    before=lambda g, weights, before, after, dim, behind: _outward(g, before, after, dim, behind) * weights,
    after=lambda g, result: g * result,
)  # fmt: skip
def _weighed(weights, before, after, dim, behind):
    """``exp(after)`` times the running sum of ``weights * exp(before)``, from the front or from behind.

    Weights of either sign are added as logarithms, so that no exponential overflows.
    """
    order = (slice(None),) * dim + (slice(None, None, -1 if behind else 1),)
    dtype, wide = before.dtype, np.dtype(complex if before.dtype.kind == "c" else float)
    weights, before, after = (value.astype(wide) for value in (weights, before, after))

    def summed(part: np.ndarray) -> np.ndarray:
        present = part != 0
        logs = np.where(present, np.log(np.where(present, part, 1)), np.finfo(wide).min) + before
        return np.exp(scans.log_sum_exp(logs[order], dim)[order] + after)

    found = summed(weights) if wide.kind == "c" else summed(np.maximum(weights, 0)) - summed(np.maximum(-weights, 0))
    return found.astype(dtype)


def _logcumsumexp_gradient(g: Any, input: Any, input_dtype: np.dtype, result: Any, dim: int) -> Any:
    """Each element weighs ``exp(input - result)`` in every sum behind it."""
    if not raw(g).ndim:
        return g
    if is_half(input_dtype):  # in which a large sum has no digits left to tell its terms apart
        result = _logcumsumexp(input, dim)
    return _weighed(g, -result, input, axis(dim, raw(g).ndim), True)


@op("LogcumsumexpBackward0", real_rules=True, batch="dim", input=_logcumsumexp_gradient)
def _logcumsumexp(input, dim):
    line = axis(dim, input.ndim)
    if not input.ndim:
        return input.copy()
    return scans.log_sum_exp(widened(input), line).astype(input.dtype, copy=False)


@numpy_names
def logcumsumexp(input: Any, dim: int, *, out: Any = None) -> Any:
    """The logarithm of the running sum of the exponentials along an axis, safe from overflow."""
    if raw(input).dtype.kind in "biu":
        raise NotImplementedError(f"\"logcumsumexp_out_cpu\" not implemented for '{called(input)}'")
    return _logcumsumexp(input, dim, **to_out(out))


# Differences and integrals


@numpy_names
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None, *, out: Any = None) -> Any:
    """The differences of neighbours along an axis, taken ``n`` times.

    Args:
        prepend: put in front along the axis first.
        append: put behind along the axis first.

    Raises:
        RuntimeError: the tensor has no axes, or ``n`` is negative.

    >>> import rushlight as torch
    >>> torch.diff(torch.tensor([1, 4, 9]))
    tensor([3, 5])
    """
    from . import cat, logical_xor

    if input.ndim == 0:
        raise RuntimeError("diff expects input to be at least one-dimensional")
    if n < 0:
        raise RuntimeError(f"order must be non-negative but got {n}")
    dim = axis(dim, input.ndim)
    parts = [part for part in (prepend, input, append) if part is not None]
    if len(parts) > 1 and any(part.ndim != input.ndim for part in parts):
        raise RuntimeError("diff expects prepend or append to be the same dimension as input")
    result = cat(parts, dim) if len(parts) > 1 else input
    if n == 0:
        return written(input.clone(), out)
    for _ in range(min(n, result.shape[dim])):
        length = max(result.shape[dim] - 1, 0)
        later, earlier = result.narrow(dim, min(1, result.shape[dim]), length), result.narrow(dim, 0, length)
        result = logical_xor(later, earlier) if raw(input).dtype == bool else later - earlier
    return written(result, out)


def _strips(y: Any, x: Any, dx: Any, dim: int, name: str) -> Any:
    """The areas between neighbouring samples, and the axis counted from the front."""
    if raw(y).dtype == bool:
        raise RuntimeError(f"{name}: received a bool input for `y`, but bool is not supported")
    dim = axis(dim, y.ndim)
    steps = dx
    if x is not None:
        if raw(x).dtype == bool:
            raise RuntimeError(f"{name}: received a bool input for `x`, but bool is not supported")
        if x.ndim == 1 and y.ndim:
            if x.shape[0] != y.shape[dim]:
                raise RuntimeError(f"{name}: There must be one `x` value for each sample point")
            x = x.reshape((-1, *(1,) * (y.ndim - 1 - dim)))
        elif x.ndim < y.ndim and x.ndim:
            x = x.reshape((*(1,) * (y.ndim - x.ndim), *x.shape))
        if x.ndim:
            along = dim - y.ndim
            steps = x.narrow(along, 1, x.shape[along] - 1) - x.narrow(along, 0, x.shape[along] - 1)
    length = y.shape[dim] - 1
    return (y.narrow(dim, 1, length) + y.narrow(dim, 0, length)), steps, dim


def trapezoid(y: Any, x: Any = None, *, dx: Any = 1.0, dim: int = -1) -> Any:
    """The integral along an axis by the trapezoidal rule, of samples ``dx`` apart or at the points ``x``.

    >>> import rushlight as torch
    >>> torch.trapezoid(torch.tensor([1.0, 2.0, 3.0]))
    tensor(4.)
    """
    if y.ndim and y.shape[axis(dim, y.ndim)] == 0:
        return y.sum(dim) if y.is_floating_point() else to_dtype(y.sum(dim), dtypes.get_default_dtype().numpy)
    strips, steps, dim = _strips(y, x, dx, dim, "trapezoid")
    if isinstance(steps, (int, float, complex)):
        return strips.sum(dim) * (steps / 2)
    return (strips * steps).sum(dim) / 2.0


trapz = trapezoid


def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = 1.0, dim: int = -1) -> Any:
    """The running integral along an axis by the trapezoidal rule: one element less than there are samples."""
    strips, steps, dim = _strips(y, x, dx, dim, "cumulative_trapezoid")
    areas = strips * (steps / 2.0) if isinstance(steps, (int, float, complex)) else strips * steps / 2.0
    return areas.cumsum(dim)


def _inplace_form(operation: Any, name: str) -> Any:
    write = inplace(operation)

    def method(self: Any, dim: int, *, dtype: Any = None) -> Any:
        if dtype is not None and dtype is not self.dtype:
            raise RuntimeError(
                f"Bad in-place call: input tensor dtype {self.dtype} and output tensor dtype {dtype} should match"
            )
        return write(self, dim)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` in place."
    return method


INPLACE = {"cumsum_": _inplace_form(_cumsum, "cumsum_"), "cumprod_": _inplace_form(_cumprod, "cumprod_")}
"""The methods that write into the tensor."""
