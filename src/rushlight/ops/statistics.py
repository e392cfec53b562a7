"""Histograms, counts and covariances."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import dtypes
from ..tensor import Tensor
from .convert import to_dtype
from .define import op
from .levels import DYNAMIC, Layered, known
from .promotion import raw
from .reduce import called, mean, widened
from .reduce import sum as add_up

__all__ = ["bincount", "corrcoef", "cov", "histc", "histogram", "histogramdd"]


def _limits(name: str, x: np.ndarray, low: float, high: float, widen: float) -> tuple[float, float]:
    """The range of a histogram: that of the data where none is given, and ``widen`` to both sides if it is empty."""
    if low == high and x.size:
        low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = low - widen, high + widen
    if not (np.isfinite(low) and np.isfinite(high)):
        raise RuntimeError(f"{name}: range of [{low}, {high}] is not finite")
    if low > high:
        raise RuntimeError(f"{name}: max must be larger than min")
    return low, high


@op()
def histc(input, bins=100, min=0, max=0):
    """How many elements lie in each of ``bins`` equal parts of [min, max]; of the data's range if both are zero.

    Raises:
        RuntimeError: there are no bins, or ``max`` is less than ``min``.

    >>> import rushlight as torch
    >>> torch.histc(torch.tensor([1.0, 2.0, 1.0]), bins=4, min=0, max=3)
    tensor([0., 2., 1., 0.])
    """
    if bins <= 0:
        raise RuntimeError(f"bins must be > 0, but got {bins}")
    if input.dtype.kind not in "fV":
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{called(input)}'")
    x = widened(input).reshape(-1)
    low, high = _limits("histc", x, min, max, 1)
    inside = x[(x >= low) & (x <= high)]
    places = ((inside - x.dtype.type(low)) * bins / x.dtype.type(high - low)).astype(np.int64)
    return np.bincount(np.minimum(places, bins - 1), minlength=bins).astype(input.dtype)


def _edges(x: np.ndarray, bins: int, range: Any) -> np.ndarray:
    low, high = range if range is not None else (0, 0)
    if bins <= 0:
        raise RuntimeError(f"torch.histogram(): bins must be > 0, but got {bins}")
    low, high = _limits("torch.histogram()", x, low, high, 0.5) if x.size or range is not None else (0, 1)
    return np.linspace(low, high, bins + 1, dtype=x.dtype)


def _dense(points: np.ndarray, edges: list[np.ndarray], weight: Any, density: bool) -> np.ndarray:
    """The weights of points, shape (N, D), added up in the cells between the edges of each axis."""
    shape = tuple(len(e) - 1 for e in edges)
    places, inside = [], np.ones(len(points), bool)
    for column, edge in zip(points.T, edges, strict=True):
        place = np.searchsorted(edge, column, "right") - 1
        place[column == edge[-1]] = len(edge) - 2
        inside &= (column >= edge[0]) & (column <= edge[-1]) & (place >= 0) & (place < len(edge) - 1)
        places.append(place)
    flat = np.ravel_multi_index([p[inside] for p in places], shape) if inside.any() else np.zeros(0, np.int64)
    weights = None if weight is None else weight.reshape(-1)[inside].astype(np.float64)
    hist = np.bincount(flat, weights, minlength=int(np.prod(shape))).reshape(shape).astype(np.float64)
    if density:
        volume = np.ones(())
        for edge in edges:
            volume = np.multiply.outer(volume, np.diff(edge.astype(np.float64)))
        hist = hist / hist.sum() / volume
    return hist.astype(points.dtype)


@op(outputs=("hist", "bin_edges"))
def histogram(input, bins, *, range=None, weight=None, density=False):
    """How many elements, or how much ``weight``, lie between neighbouring bin edges, and the edges.

    Args:
        bins: the number of equal bins, or an increasing 1-D tensor of edges.
        range: the lowest and highest edge for a number of bins; by default those of the data.
        weight: of each element, by default 1.
        density: divide by the total and by the widths.

    >>> import rushlight as torch
    >>> torch.histogram(torch.tensor([1.0, 2.0, 1.0]), bins=2, range=(0.0, 4.0)).hist
    tensor([2., 1.])
    """
    if input.dtype.kind != "f":
        raise NotImplementedError(f"\"histogram_cpu\" not implemented for '{called(input)}'")
    if isinstance(bins, np.ndarray):
        if bins.dtype != input.dtype:
            raise RuntimeError("torch.histogram(): input tensor and bins tensors should have the same dtype")
        edges = bins.reshape(-1)
    else:
        edges = _edges(input, bins, range)
    if weight is not None and weight.shape != input.shape:
        raise RuntimeError(
            f"torch.histogram(): if weight tensor is provided it should have the same shape as the input tensor, but "
            f"got input with shape {list(input.shape)} and weight with shape {list(weight.shape)}"
        )
    return _dense(input.reshape(-1, 1), [edges], weight, density), edges.copy()


def histogramdd(input: Tensor, bins: Any, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """A histogram in several dimensions of points, shape (..., D).

    Args:
        bins: the number of bins of each axis, one number for all, or a list of tensors of edges.
        range: lowest and highest edge of each axis, one after the other.
    """
    from ..tensor import wrap
    from .returns import named

    array = known(input, f"{DYNAMIC} histogramdd")
    points = array.reshape(-1, array.shape[-1])
    dims = points.shape[1]
    bins = [bins] * dims if isinstance(bins, int) else list(bins)
    if len(bins) != dims:
        raise RuntimeError(
            f"histogramdd: The size of bins must be equal to the innermost dimension of the input: {dims}, but got "
            f"{len(bins)}"
        )
    ranges = [None] * dims if range is None else list(zip(range[::2], range[1::2], strict=True))
    edges = [
        known(b, f"{DYNAMIC} histogramdd").reshape(-1) if isinstance(b, Tensor) else _edges(column, b, span)
        for b, span, column in zip(bins, ranges, points.T, strict=True)
    ]
    hist = _dense(points, edges, weight if weight is None else known(weight, f"{DYNAMIC} histogramdd"), density)
    return named("histogramdd", ("hist", "bin_edges"))((wrap(hist), tuple(map(wrap, edges))))


@op()
def bincount(input, weights=None, minlength=0):
    """How often each of the numbers 0, 1, ... occurs in a 1-D tensor of non-negative integers, or their weights' sums.

    Raises:
        RuntimeError: the tensor is not 1-D, or has negative elements.

    >>> import rushlight as torch
    >>> torch.bincount(torch.tensor([1, 1, 3]))
    tensor([0, 2, 0, 1])
    """
    if input.dtype.kind not in "iu":
        raise NotImplementedError(f"\"bincount_cpu\" not implemented for '{called(input)}'")
    if minlength < 0:
        raise RuntimeError("minlength should be >= 0")
    if input.ndim != 1 or (input.size and input.min() < 0):
        raise RuntimeError("bincount only supports 1-d non-negative integral inputs.")
    if weights is None:
        return np.bincount(input, minlength=minlength).astype(np.int64)
    if weights.shape != input.shape:
        raise RuntimeError("weights should be 1-d and have the same length as input")
    found = np.bincount(input, weights.astype(np.float64), minlength)
    return found.astype(weights.dtype if weights.dtype == np.float32 else np.float64)


# Covariances


def cov(input: Tensor, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Tensor:
    """The covariance matrix of variables in rows, with observations in columns.

    Args:
        correction: taken from the number of observations in the divisor.
        fweights: how often each observation counts, integers.
        aweights: the weight of each observation.

    Raises:
        RuntimeError: there are more than two axes, or weights do not fit.

    >>> import rushlight as torch
    >>> torch.cov(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise _too_many_axes("cov", "input", input)
    if raw(input).dtype == bool:
        raise RuntimeError("cov(): bool dtype is not supported for input")
    x = input if input.ndim == 2 else input.reshape((1, -1))
    count = x.shape[1]
    weights = _weights(count, fweights, aweights)
    total = count if weights is None else add_up(weights)
    if weights is not None and count and not isinstance(total, Layered) and not bool(raw(total)):
        raise RuntimeError("cov(): weights sum to zero, can't be normalized")
    if raw(x).dtype.kind in "iu":
        x = to_dtype(x, dtypes.get_default_dtype().numpy)
    mid = mean(x, 1, True) if weights is None else add_up(x * weights, 1, True) / total
    if weights is None:
        free: Any = count - correction
    elif correction and aweights is not None:
        free = total - correction * add_up(weights * aweights) / total
    else:
        free = total - correction
    off = x - mid
    weighted = off if weights is None else off * weights
    product = off @ weighted.mT.conj()
    return (product / (free.clamp_min(0) if isinstance(free, Tensor) else max(free, 0))).squeeze()


def _too_many_axes(function: str, name: str, given: Any, most: str = "two") -> RuntimeError:
    return RuntimeError(
        f"{function}(): expected {name} to have {most} or fewer dimensions but got an {name} with {given.ndim} "
        f"dimensions"
    )


def _weights(count: int, fweights: Any, aweights: Any) -> Any:
    for name, given in (("fweights", fweights), ("aweights", aweights)):
        if given is None:
            continue
        if given.ndim > 1:
            raise _too_many_axes("cov", name, given, "one")
        integral = raw(given).dtype.kind in "iu"
        if integral != (name == "fweights"):
            kind = "integral" if name == "fweights" else "floating point"
            raise RuntimeError(f"cov(): expected {name} to have {kind} dtype but got {name} with {given.dtype} dtype")
        if raw(given).size != count:
            raise RuntimeError(
                f"cov(): expected {name} to have the same numel as there are observations in the input but got "
                f"{raw(given).size} != {count}"
            )
        if count and not isinstance(given, Layered) and raw(given).min() < 0:
            raise RuntimeError(f"cov(): {name} cannot be negative")
    if fweights is None or aweights is None:
        return aweights if fweights is None else fweights
    return fweights * aweights


def corrcoef(input: Tensor) -> Tensor:
    """The correlation coefficients of variables in rows, with observations in columns, within [-1, 1].

    >>> import rushlight as torch
    >>> torch.corrcoef(torch.tensor([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    tensor([[ 1., -1.],
            [-1.,  1.]])
    """
    if input.ndim > 2:
        raise _too_many_axes("corrcoef", "input", input)
    c = cov(input)
    if c.ndim == 0:
        return c / c
    spread = c.diagonal()
    spread = (spread.real if raw(c).dtype.kind == "c" else spread).sqrt()
    return _clipped(c / spread.unsqueeze(-1) / spread.unsqueeze(0))


def _clipped(c: Tensor) -> Tensor:
    from . import complex

    if raw(c).dtype.kind == "c":
        return complex(c.real.clamp(-1, 1), c.imag.clamp(-1, 1))
    return c.clamp(-1, 1)
