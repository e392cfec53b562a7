"""Reductions over axes: sums, means, products, variances, log-sum-exp, and the logical ones."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import factors, softmaxes
from ..kernels import reductions as kernels
from ..layouts import in_order
from ..tensor import Tensor
from .axes import axes, axis, numpy_names
from .convert import to_dtype
from .define import op
from .fast import whole
from .levels import Layered
from .promotion import fit, float32, float64, is_half, raw
from .views import expand, view_as_shape
from .writing import write_out

__all__ = [
    "all", "any", "count_nonzero", "logsumexp", "mean", "nanmean", "nansum", "prod", "std", "std_mean", "sum", "var",
    "var_mean",
]  # fmt: skip

asarray = np.asarray
int64 = np.dtype("int64")
add: Any = np.add  # NumPy's stubs know fewer forms of `reduce` than NumPy
maximum: Any = np.maximum
minimum: Any = np.minimum
multiply: Any = np.multiply


def along(dim: Any, ndim: int) -> Any:
    """The axes to reduce as NumPy takes them."""
    return dim if type(dim) is int and -ndim <= dim < ndim else axes(dim, ndim)


def kept(shape: tuple, dim: Any) -> tuple[int, ...]:
    """The shape of a reduction that keeps its axes."""
    reduced = axes(dim, len(shape)) or range(len(shape))
    return tuple(1 if i in reduced else n for i, n in enumerate(shape))


def counted(shape: tuple, dim: Any) -> int:
    """How many elements are reduced to one."""
    reduced = axes(dim, len(shape))
    return math.prod(shape if reduced is None else (shape[i] for i in reduced))


def unreduced(value: Any, shape: tuple, dim: Any, keepdim: bool) -> Any:
    """A reduced value or its gradient with the axes of length 1 that broadcasting against the input takes."""
    return value if keepdim or dim is None or not shape else value.reshape(kept(shape, dim))


def spread(g: Any, shape: tuple, dim: Any = None, keepdim: bool = False, shared: bool = False) -> Any:
    """The gradient of a sum, or ``shared`` of a mean: the same number for everything that was added."""
    if isinstance(g, Tensor):
        g = g / builtins.max(counted(shape, dim), 1) if shared else g
        return expand(unreduced(g, shape, dim, keepdim), shape)
    return kernels.repeated(asarray(g), shape, along(dim, len(shape)), keepdim, shared)


def fitted(g: Any, like: Any) -> Any:
    """A gradient in the shape and type of what it belongs to."""
    return fit(g, tuple(like.shape), raw(like).dtype)


def converted(input: Any, dtype: dtypes.dtype | None) -> Any:
    """The input of an operation as the type that its caller asks for."""
    return input if dtype is None or raw(input).dtype is dtype.numpy else to_dtype(input, dtype.numpy)


def as_asked(operation: Any, input: Any, *args: Any, dtype: dtypes.dtype | None, out: Any = None) -> Any:
    """The result of an operation that computes in ``dtype``, and gives integers as int64 where none is asked for."""
    result = operation(converted(input, dtype), *args, **to_out(out))
    return result if out is not None else converted(result, dtype)


def widened(x: np.ndarray) -> np.ndarray:
    """An array of a type to compute in: half precision becomes float32."""
    return x.astype(float32) if x.dtype.itemsize == 2 and is_half(x.dtype) else x


def added(x: np.ndarray, axis: Any, keepdims: bool = False) -> np.ndarray:
    """Sums, of integers as int64 and of half precision in float32."""
    dtype = x.dtype
    if dtype is float32 or dtype is float64:
        total = kernels.sum(x, axis, keepdims)
        return in_order(total) if x.ndim > 2 else total
    if dtype.kind in "biu":
        return add.reduce(x, axis, int64, None, keepdims)
    total = kernels.sum(widened(x), axis, keepdims)
    return total.astype(dtype) if is_half(dtype) else total


def to_out(out: Any) -> dict[str, Any]:
    """The keyword by which an operation is told where to write."""
    return {} if out is None else {"out": out}


def written(result: Any, out: Any) -> Any:
    """The result of a function made of several operations, in ``out`` if that was given."""
    if out is None:
        return result
    several = isinstance(out, (tuple, list))
    for target, value in zip(out, result, strict=True) if several else [(out, result)]:
        if isinstance(value, Layered):
            value.level.write(target, value)
        else:
            write_out(target, raw(value))
    return out


def called(x: Any) -> str:
    """The name of the type of a tensor's or an array's elements in PyTorch's messages."""
    return dtypes.CASED[dtypes.of(raw(x).dtype)]


def require_real(name: str, x: np.ndarray) -> None:
    """Refuse complex numbers, which have no order."""
    if x.dtype.kind == "c":
        raise RuntimeError(f"{name}: complex numbers have no order: {dtypes.of(x.dtype)} is not supported")


def require_inexact(name: str, x: np.ndarray, dtype: dtypes.dtype | None = None) -> None:
    """Refuse integers where PyTorch does."""
    if dtype is None and x.dtype.kind in "biu":
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Input dtype must be either a floating point or complex dtype. "
            f"Got: {called(x)}"
        )
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            f"{name}(): could not infer output dtype. Optional dtype must be either a floating point or complex dtype. "
            f"Got: {dtypes.CASED[dtype]}"
        )


# Sums and means


@op(
    "SumBackward0",
    input=lambda g, input_shape: spread(g, input_shape),
    batch=lambda batch, input: _sum_along(batch.flat(input), 1, False),
)
def _sum(input):
    return added(input, None)


_sum = whole(_sum, spread)


@op("SumBackward1", batch="dim", input=lambda g, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim))
def _sum_along(input, dim, keepdim):
    return added(input, along(dim, input.ndim), keepdim)


@numpy_names
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The sum of all elements, or along the axes ``dim``.

    Args:
        input: of any type; integers are added as int64.
        dim: an axis or several.
        keepdim: leave the summed axes in, with length 1.
        dtype: convert to this type first.

    Raises:
        IndexError: there is no such axis.

    >>> import rushlight as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).sum(dim=0)
    tensor([4., 6.])
    """
    if dtype is not None or out is not None:
        return as_asked(_sum_along, input, dim, keepdim, dtype=dtype, out=out)
    return _sum(input) if dim is None and not keepdim else _sum_along(input, dim, keepdim)


def sum_to_size(input: Any, *size: Any) -> Any:
    """Sum over the axes along which a tensor of shape ``size`` would have to be broadcast to this one's shape.

    Raises:
        RuntimeError: a tensor of that shape does not broadcast to this one's.
    """
    wanted = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
    shape = input.shape
    lead = len(shape) - len(wanted)
    if lead < 0 or builtins.any(n not in (1, shape[i + lead]) for i, n in enumerate(wanted)):
        raise RuntimeError(f"size {{{list(wanted)}}} is not expandable to size {{{list(shape)}}}.")
    if not wanted:
        return _sum(input)
    dims = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(wanted) if n == 1 and shape[i + lead] != 1)
    if type(input) is np.ndarray:
        return added(input, dims, True).reshape(wanted) if dims else input
    summed = _sum_along(input, dims, True) if dims else input
    return view_as_shape(summed, wanted) if lead else summed


@op(
    "NansumBackward0",
    batch="dim",
    input=lambda g, input, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim) * (input == input),
)
def _nansum(input, dim, keepdim):
    if input.dtype.kind == "c":
        raise RuntimeError("nansum on CPU does not support complex inputs")
    return added(np.where(input == input, input, input.dtype.type(0)), along(dim, input.ndim), keepdim)


@numpy_names
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The sum of all elements, or along ``dim``, with NaN counted as zero.

    >>> import rushlight as torch
    >>> torch.nansum(torch.tensor([1.0, float("nan"), 2.0]))
    tensor(3.)
    """
    return _nansum(converted(input, dtype), dim, keepdim, **to_out(out))


def _mean_of(x: np.ndarray, dim: Any, keepdim: bool) -> np.ndarray:
    mean = kernels.mean(widened(x), along(dim, x.ndim), keepdim)
    return mean if mean.dtype is x.dtype else mean.astype(x.dtype)


def _share(g: Any, shape: tuple) -> Any:
    return spread(g, shape, shared=True)


@op(
    "MeanBackward0",
    input=lambda g, input_shape: _share(g, input_shape),
    batch=lambda batch, input: _mean_along(batch.flat(input), 1, False),
)
def _mean(input):
    require_inexact("mean", input)
    return _mean_of(input, None, False)


_mean = whole(_mean, _share)


@op(
    "MeanBackward1",
    batch="dim",
    input=lambda g, input_shape, dim, keepdim: spread(g, input_shape, dim, keepdim, True),
)
def _mean_along(input, dim, keepdim):
    require_inexact("mean", input)
    return _mean_of(input, dim, keepdim)


@numpy_names
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The mean of all elements, or along the axes ``dim``.

    Raises:
        RuntimeError: the elements are integers and no floating-point ``dtype`` is asked for.

    >>> import rushlight as torch
    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).mean(dim=1, keepdim=True)
    tensor([[1.5000],
            [3.5000]])
    """
    if dtype is not None:
        require_inexact("mean", raw(input), dtype)
        input = converted(input, dtype)
    if out is not None:
        return _mean_along(input, dim, keepdim, out=out)
    return _mean(input) if dim is None and not keepdim else _mean_along(input, dim, keepdim)


@numpy_names
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The mean of the elements that are not NaN.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, float("nan"), 2.0]).nanmean()
    tensor(1.5000)
    """
    from . import div

    require_inexact("nanmean", raw(input), dtype)
    total = nansum(input, dim, keepdim, dtype=dtype)
    present = to_dtype((input == input).sum(dim, keepdim), raw(total).dtype)
    return div(total, present, **to_out(out))


# Products


def _prod_gradient(g: Any, input: np.ndarray, result: np.ndarray, dim: int | None = None, keepdim: bool = True) -> Any:
    """The product of all others: the result over the element, worked out without division where there are zeros."""
    g, result = (np.asarray(unreduced(v, input.shape, dim, keepdim)) for v in (g, result))
    if np.all(input):
        return g * (result / input).conj()
    return g * factors.of_others(input, None if dim is None or not input.ndim else axis(dim, input.ndim)).conj()


def _prod_by_halves(input: Any, dim: int | None = None, keepdim: bool = False) -> Any:
    """A product as a tree of multiplications, whose derivatives hold for zeros too."""
    shape = input.shape
    input = input.reshape(-1) if dim is None else input.movedim(dim, 0) if shape else input
    while input.ndim and input.shape[0] > 1:
        half = input.shape[0] // 2
        paired = input[:half] * input[half : 2 * half]
        if input.shape[0] % 2:
            first = paired[:1] * input[2 * half :]
            paired = first if half == 1 else _joined((first, paired[1:]))
        input = paired
    if not input.ndim:
        return input
    result = input[0] if input.shape[0] else input.sum(0) + 1
    return result.unsqueeze(dim) if keepdim and shape else result


def _joined(parts: tuple) -> Any:
    from . import cat

    return cat(parts)


def _multiplied(x: np.ndarray, axis: Any, keepdims: bool) -> np.ndarray:
    if x.dtype.kind in "biu":
        return multiply.reduce(x, axis, int64, None, keepdims)
    total = kernels.prod(widened(x), axis, keepdims)
    return total.astype(x.dtype) if is_half(x.dtype) else total


@op(
    "ProdBackward0",
    flat=True,
    composite=_prod_by_halves,
    input=lambda g, input, result: _prod_gradient(g, input, result),
    batch=lambda batch, input: _prod_along(batch.flat(input), 1, False),
)
def _prod(input):
    return _multiplied(input, None, False)


@op(
    "ProdBackward1",
    flat=True,
    batch="dim",
    composite=_prod_by_halves,
    input=lambda g, input, result, dim, keepdim: _prod_gradient(g, input, result, dim, keepdim),
)
def _prod_along(input, dim, keepdim):
    return _multiplied(input, along(dim, input.ndim), keepdim)


@numpy_names
def prod(input: Any, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None) -> Any:
    """The product of all elements, or along the axis ``dim``; integers are multiplied as int64.

    >>> import rushlight as torch
    >>> torch.tensor([[1, 2], [3, 4]]).prod(1)
    tensor([ 2, 12])
    """
    if dim is None:
        return as_asked(_prod, input, dtype=dtype, out=out)
    return as_asked(_prod_along, input, dim, keepdim, dtype=dtype, out=out)


# Variances


def _freedom(shape: tuple, dim: Any, correction: float) -> float:
    return builtins.max(counted(shape, dim) - correction, 0)


def _variance(x: np.ndarray, dim: Any, correction: float, keepdim: bool, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The variance in real numbers, and the mean, in the type to compute in."""
    if x.dtype.kind not in "fcV":
        raise RuntimeError(f"{name} only support floating point and complex dtypes")
    var, mean = kernels.var_mean(widened(x), along(dim, x.ndim), float(_freedom(x.shape, dim, correction)), keepdim)
    return in_order(var), mean


def _var_gradient(g: Any, input: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    free = _freedom(input.shape, dim, correction)
    if type(input) is np.ndarray and input.dtype.kind == "f":
        g = np.asarray(unreduced(g, input.shape, dim, keepdim))
        return fitted(kernels.var_back(g, input, along(dim, input.ndim), 2.0 / free if free else math.inf), input)
    mid = sum(input, dim, True) / counted(input.shape, dim) if input.ndim else input
    g = unreduced(g, input.shape, dim, keepdim) * (2.0 / free if free else math.inf)
    return fitted(g * (input - mid), input)


def _std_gradient(g: Any, input: Any, result: Any, dim: Any, correction: float, keepdim: bool) -> Any:
    from . import where

    flat = result == 0
    scaled = where(flat, 0.0, g / where(flat, 1.0, result * 2.0))
    return _var_gradient(scaled, input, dim, correction, keepdim)


@op(
    "VarBackward0",
    batch="dim",
    input=lambda g, input, dim, correction, keepdim: _var_gradient(g, input, dim, correction, keepdim),
)
def _var(input, dim, correction, keepdim):
    var, _mean = _variance(input, dim, correction, keepdim, "std and var")
    return var.astype(input.dtype) if is_half(input.dtype) else var


@op(
    "StdBackward0",
    batch="dim",
    input=lambda g, input, result, dim, correction, keepdim: _std_gradient(g, input, result, dim, correction, keepdim),
)
def _std(input, dim, correction, keepdim):
    std = np.sqrt(_variance(input, dim, correction, keepdim, "std and var")[0])
    return std.astype(input.dtype) if is_half(input.dtype) else std


def _with_mean(input, dim, correction, keepdim, name, root):
    var, mean = _variance(input, dim, correction, keepdim, name)
    spread = np.sqrt(var) if root else var
    half = is_half(input.dtype)
    return (spread.astype(input.dtype), mean.astype(input.dtype)) if half else (spread, mean)


@op(
    "VarMeanBackward0",
    batch="dim",
    outputs=("var", "mean"),
    input=lambda g, input, dim, correction, keepdim: (
        _var_gradient(g[0], input, dim, correction, keepdim) + spread(g[1], input.shape, dim, keepdim, True)
    ),
)
def _var_mean(input, dim, correction, keepdim):
    return _with_mean(input, dim, correction, keepdim, "var_mean", False)


@op(
    "StdMeanBackward0",
    batch="dim",
    outputs=("std", "mean"),
    input=lambda g, input, std, dim, correction, keepdim: (
        _std_gradient(g[0], input, std, dim, correction, keepdim) + spread(g[1], input.shape, dim, keepdim, True)
    ),
)
def _std_mean(input, dim, correction, keepdim):
    return _with_mean(input, dim, correction, keepdim, "std_mean", True)


def _spread_function(operation: Any, name: str, doc: str, pair: bool = False) -> Any:
    """A public function for one of the variances: all take their arguments in the same two ways."""

    def function(
        input: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False, *, correction: Any = None,
        out: Any = None,
    ) -> Any:  # fmt: skip
        if type(dim) is bool:
            dim, unbiased = None, dim
        if unbiased is not None:
            correction = int(unbiased)
        result = operation(input, dim, 1 if correction is None else correction, keepdim, **to_out(out))
        return tuple(result) if pair else result

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return numpy_names(function)


var = _spread_function(
    _var, "var",
    """The variance of all elements, or along the axes ``dim``.

    It is the sum of the squared deviations from the mean over ``n - correction``; ``correction`` is 1 if not given.

    >>> import rushlight as torch
    >>> torch.tensor([1.0, 2.0, 3.0]).var()
    tensor(1.)
    """,
)  # fmt: skip
std = _spread_function(_std, "std", "The square root of `var`.")
var_mean = _spread_function(_var_mean, "var_mean", "The variance, as of `var`, and the mean.", pair=True)
std_mean = _spread_function(_std_mean, "std_mean", "The standard deviation, as of `std`, and the mean.", pair=True)


# Log-sum-exp


def _logsumexp_gradient(g: Any, input: Any, result: Any, dim: Any, keepdim: bool) -> Any:
    if type(input) is np.ndarray and type(dim) is int and input.dtype.kind == "f":
        return softmaxes.logsumexp_back(asarray(g), input, result, dim)
    from . import exp, where

    g, result = (unreduced(v, input.shape, dim, keepdim) for v in (g, result))
    if raw(result).dtype.kind != "c":
        result = where(abs(result) == math.inf, 0.0, result)
    return fitted(g * exp(input - result).conj(), input)


@op(
    "LogsumexpBackward0",
    batch="dim",
    input=lambda g, input, result, dim, keepdim: _logsumexp_gradient(g, input, result, dim, keepdim),
)
def _logsumexp(input, dim, keepdim):
    result = softmaxes.logsumexp(widened(input), along(dim, input.ndim), keepdim)
    return in_order(result).astype(input.dtype, copy=False)


@numpy_names
def logsumexp(input: Any, dim: Any, keepdim: bool = False, *, out: Any = None) -> Any:
    """The logarithm of the sum of the exponentials along the axes ``dim``, safe from overflow.

    >>> import rushlight as torch
    >>> torch.logsumexp(torch.tensor([1000.0, 1000.0]), 0)
    tensor(1000.6932)
    """
    if raw(input).dtype.kind in "biu":
        input = to_dtype(input, dtypes.get_default_dtype().numpy)
    return _logsumexp(input, dim, keepdim, **to_out(out))


# Logical


def _logical(ufunc: np.ufunc, name: str, doc: str) -> Any:
    def compute(input, dim=None, keepdim=False):
        found = ufunc.reduce(input, along(dim, input.ndim), bool, None, keepdim)
        return found.astype(np.uint8) if input.dtype == np.uint8 else found

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = doc
    return numpy_names(op(batch="dim")(compute))


all = _logical(np.logical_and, "all", "Whether all elements, or all along the axes ``dim``, are other than zero.")
any = _logical(np.logical_or, "any", "Whether an element, or one along the axes ``dim``, is other than zero.")


@op(batch="dim")
def count_nonzero(input, dim=None):
    """The number of elements other than zero, of all or along the axes ``dim``.

    >>> import rushlight as torch
    >>> torch.count_nonzero(torch.tensor([[0, 1], [2, 3]]), dim=0)
    tensor([1, 2])
    """
    return add.reduce(input != 0, along(dim, input.ndim), int64)
