"""Norms of vectors and matrices, distances, and what is scaled by them."""

from __future__ import annotations

import builtins
import math
from typing import Any

import numpy as np

from .. import dtypes
from ..kernels import reductions as kernels
from ..layouts import in_order
from ..tensor import wrap
from .axes import axes, axis, moved
from .define import op
from .extremes import amax, amin, even_weights
from .promotion import conj, raw
from .reduce import add, along, called, converted, fitted, maximum, minimum, to_out, unreduced, widened, written
from .reduce import sum as add_up
from .rows import index_add, index_select

__all__ = ["cdist", "cosine_similarity", "dist", "norm", "pairwise_distance", "pdist", "renorm"]


# Vector norms


def norm_of(x: np.ndarray, ord: float, dims: Any, keepdims: bool) -> np.ndarray:
    """The vector norm of an array."""
    if ord == 2 and x.dtype.kind == "f":
        return kernels.norm2(x, dims, keepdims)
    size = np.abs(x)
    if ord == math.inf:
        return maximum.reduce(size, dims, None, None, keepdims, 0)
    if ord == -math.inf:
        return minimum.reduce(size, dims, None, None, keepdims, math.inf)
    if ord == 0:
        return add.reduce(size != 0, dims, size.dtype, None, keepdims)
    if ord == 1:
        return add.reduce(size, dims, None, None, keepdims)
    if ord == 2:
        return np.sqrt(add.reduce(size * size, dims, None, None, keepdims))
    return add.reduce(size**ord, dims, None, None, keepdims) ** size.dtype.type(1 / ord)


def norm_gradient(g: Any, input: Any, result: Any, ord: float, dim: Any, keepdim: bool) -> Any:
    """The gradient of a vector norm; zero where the norm is zero, and shared evenly among largest elements."""
    if ord == 2 and type(input) is np.ndarray and input.dtype.kind == "f":
        return kernels.norm2_back(np.asarray(g), input, result, dim)
    from . import sgn, where

    g, result = (unreduced(v, input.shape, dim, keepdim) for v in (g, result))
    if ord == 0:
        return input * 0
    if ord == 1:
        return sgn(input) * g
    if abs(ord) == math.inf:
        return sgn(input) * (g * even_weights(abs(input), result, dim))
    flat = result == 0
    if ord == 2:
        return input * where(flat, 0.0, g / where(flat, 1.0, result))
    size = abs(input)
    scale = where(flat, 0.0, g / where(flat, 1.0, result) ** (ord - 1))
    if ord > 2:
        return input * size ** (ord - 2) * scale
    zero = size == 0
    return sgn(input) * where(zero, 0.0, where(zero, 1.0, size) ** (ord - 1)) * scale


@op(
    "LinalgVectorNormBackward0",
    batch="dim",
    input=lambda g, input, result, ord, dim, keepdim: (
        fitted(norm_gradient(g, input, result, ord, dim, keepdim), input) if ord else None
    ),
)
def _vector_norm(input, ord, dim, keepdim):
    if input.dtype.kind in "biu":
        raise RuntimeError(
            f"linalg.vector_norm: Expected a floating point or complex tensor as input. Got {called(input)}"
        )
    dims = along(dim, input.ndim)
    if ord < 0 or ord == math.inf:
        reduced = range(input.ndim) if dims is None else (dims,) if type(dims) is int else dims
        if builtins.any(input.shape[i] == 0 for i in reduced):
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {ord} norm on an empty tensor because the operation does not "
                f"have an identity"
            )
    found = in_order(norm_of(widened(input), ord, dims, keepdim))
    return found.astype(input.real.dtype, copy=False)


def vector_norm(
    x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """The vector norm of all elements, or of the vectors along the axes ``dim``.

    Args:
        ord: the exponent; ``inf`` and ``-inf`` for the largest and smallest size, 0 for the number of non-zeros.
        dtype: convert to this type first.

    Raises:
        RuntimeError: the elements are integers.

    >>> import rushlight as torch
    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if dtype is not None:
        _check_dtype("linalg.vector_norm", raw(x), dtype)
    return _vector_norm(converted(x, dtype), ord, dim, keepdim, **to_out(out))


def _check_dtype(name: str, x: np.ndarray, dtype: dtypes.dtype) -> None:
    have = dtypes.of(x.dtype)
    if dtype.category < dtypes.FLOATING:
        raise RuntimeError(f"{name}: dtype should be floating point or complex. Got {dtypes.CASED[dtype]}")
    if have.is_complex != dtype.is_complex:
        kind = "complex" if have.is_complex else "real"
        raise RuntimeError(f"{name}: dtype should be {kind} for {kind} inputs, but got {dtypes.CASED[dtype]}")
    if dtypes.promote_types(have, dtype) is not dtype:
        raise RuntimeError(
            f"{name}: the dtype of the input ({dtypes.CASED[have]}) should be convertible without narrowing to the "
            f"specified dtype ({dtypes.CASED[dtype]})"
        )


# Matrix norms


def matrix_norm(
    A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """The norm of the matrices in the two axes ``dim``.

    Args:
        ord: "fro" (of all elements as a vector), "nuc" (the sum of the singular values), 1 or -1 (the largest or
            smallest column sum), inf or -inf (of row sums), 2 or -2 (the largest or smallest singular value).

    Raises:
        RuntimeError: there are fewer than two axes, or no such norm.

    >>> import rushlight as torch
    >>> torch.linalg.matrix_norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if A.ndim < 2:
        raise RuntimeError(f"linalg.matrix_norm: The input tensor A must have at least 2 dimensions. It has {A.ndim}")
    if isinstance(dim, int) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {dim}")
    rows, columns = axes(dim, A.ndim)  # type: ignore[misc]
    if raw(A).dtype.kind in "biu":
        raise RuntimeError(
            f"linalg.matrix_norm: Expected a floating point or complex tensor as input. Got {dtypes.CASED[A.dtype]}"
        )
    if dtype is not None:
        _check_dtype("linalg.matrix_norm", raw(A), dtype)
        A = converted(A, dtype)
    if ord == "fro":
        return written(_vector_norm(A, 2, (rows, columns), keepdim), out)
    if ord in ("nuc", 2, -2):
        return written(_spectral_norm(A, ord, rows, columns, keepdim), out)
    if ord not in (1, -1, math.inf, -math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
    sums = _vector_norm(A, 1, first, keepdim)
    second -= 0 if keepdim or second < first else 1
    return written((amax if ord > 0 else amin)(sums, second, keepdim), out)


def _spectral_norm(A: Any, ord: Any, rows: int, columns: int, keepdim: bool) -> Any:
    from .decompositions import svdvals

    values = svdvals(A.movedim((rows, columns), (-2, -1)))
    found = add_up(values, -1) if ord == "nuc" else amax(values, -1) if ord == 2 else amin(values, -1)
    if keepdim:
        found = found.reshape(tuple(1 if i in (rows, columns) else n for i, n in enumerate(A.shape)))
    return found


def linalg_norm(
    A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None, out: Any = None
) -> Any:
    """A vector or matrix norm: a matrix norm if ``dim`` has two axes, or the tensor has two and ``ord`` is given.

    >>> import rushlight as torch
    >>> torch.linalg.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    options = {"dtype": dtype, "out": out}
    if ord is None:
        return vector_norm(A, 2, dim, keepdim, **options)
    if dim is None and A.ndim not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got {A.ndim}D."
        )
    named = (dim,) if isinstance(dim, int) else dim
    if isinstance(ord, str) or (A.ndim == 2 if named is None else len(named) == 2):
        return matrix_norm(A, ord, (-2, -1) if named is None else named, keepdim, **options)
    return vector_norm(A, ord, dim, keepdim, **options)


def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, out: Any = None, dtype: Any = None) -> Any:
    """The vector norm of all elements, or of the vectors along the axes ``dim``; "nuc" for that norm of matrices.

    >>> import rushlight as torch
    >>> torch.norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if p == "nuc":
        return matrix_norm(input, "nuc", (-2, -1) if dim is None else dim, keepdim, dtype=dtype, out=out)
    if isinstance(p, str) and p != "fro":
        raise RuntimeError(f"only valid string values are 'fro' and 'nuc', found {p}")
    if isinstance(dim, int):
        dim = (dim,)
    return vector_norm(input, 2 if p in ("fro", None) else p, dim, keepdim, dtype=dtype, out=out)


# Distances


def _difference_norm(difference: Any, p: float, dim: Any = None, keepdim: bool = False) -> Any:
    return _vector_norm(difference, p, dim, keepdim)


def _dist_batch(batch: Any, input: Any, other: Any, p: float = 2) -> Any:
    rank = max(input.array.ndim, other.array.ndim)
    difference = batch.aligned(input, rank) - batch.aligned(other, rank)
    return _vector_norm(difference.reshape((batch.size, math.prod(difference.shape[1:]))), p, 1, False)


@op(
    "DistBackward0",
    batch=_dist_batch,
    input=lambda g, input, other, result, p: fitted(norm_gradient(g, input - other, result, p, None, False), input),
    other=lambda g, input, other, result, p: -fitted(norm_gradient(g, input - other, result, p, None, False), other),
)
def dist(input, other, p=2):
    """The norm of the difference of two tensors.

    >>> import rushlight as torch
    >>> torch.dist(torch.tensor([0.0, 0.0]), torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    return norm_of(widened(input - other), p, None, False).astype(input.real.dtype, copy=False)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """The norm of ``x1 - x2 + eps`` along the last axis."""
    return _difference_norm(x1 - x2 + eps, p, -1, keepdim)


def _check_points(name: str, p: float, *sets: Any) -> None:
    for place, points in enumerate(sets, 1):
        if points.ndim < 2:
            raise RuntimeError(f"{name} only supports at least 2D tensors, X{place} got: {points.ndim}D")
        if raw(points).dtype.kind != "f":
            raise RuntimeError(f"{name} only supports floating-point dtypes, X{place} got: {called(points)}")
    if p < 0:
        raise RuntimeError(f"{name} only supports non-negative p values")


def _cdist_gradient(g: Any, x1: Any, x2: Any, result: Any, p: float, needs: tuple) -> tuple:
    difference = x1.reshape((*x1.shape[:-1], 1, x1.shape[-1])) - x2.reshape((*x2.shape[:-2], 1, *x2.shape[-2:]))
    grad = norm_gradient(g.reshape((*g.shape, 1)), difference, result.reshape((*result.shape, 1)), p, -1, True)
    return (
        fitted(add_up(grad, -2), x1) if needs[0] else None,
        -fitted(add_up(grad, -3), x2) if needs[1] else None,
    )


def _cdist_batch(batch: Any, x1: Any, x2: Any, *options: Any, **named: Any) -> Any:
    _check_points("cdist", 2, x1, x2)
    rank = max(x1.array.ndim, x2.array.ndim)
    return batch.perform((batch.aligned(x1, rank), batch.aligned(x2, rank), *options), named)


@op(
    "CdistBackward0",
    batch=_cdist_batch,
    **{"x1, x2": lambda g, x1, x2, result, p, needs: _cdist_gradient(g, x1, x2, result, p, needs)},
)
def cdist(x1, x2, p=2.0, compute_mode=None):
    """The distance of every row of ``x1``, shape (..., P, M), to every row of ``x2``, (..., R, M): shape (..., P, R).

    Args:
        p: the exponent of the norm, not negative.
        compute_mode: whether Euclidean distances come from a matrix product, which is faster, or from differences,
            which is exact; by default from a product if a set has more than 25 points.

    Raises:
        RuntimeError: the rows differ in length, or the elements are not floating-point numbers.

    >>> import rushlight as torch
    >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    _check_points("cdist", p, x1, x2)
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}")
    if compute_mode not in (
        None, "use_mm_for_euclid_dist_if_necessary", "use_mm_for_euclid_dist", "donot_use_mm_for_euclid_dist"
    ):  # fmt: skip
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    many = max(x1.shape[-2], x2.shape[-2]) > 25 and compute_mode != "donot_use_mm_for_euclid_dist"
    if p == 2 and (many or compute_mode == "use_mm_for_euclid_dist"):
        return _euclidean(x1, x2)
    return norm_of(x1[..., :, None, :] - x2[..., None, :, :], p, -1, False)


def _euclidean(x1: np.ndarray, x2: np.ndarray) -> np.ndarray:
    """The distances from |a|² - 2ab + |b|²: one matrix product, less exact for points that are close together."""
    squares = (np.einsum("...i,...i->...", x, x) for x in (x1, x2))
    distances = np.matmul(x1 * -2, np.swapaxes(x2, -1, -2))
    distances += next(squares)[..., :, None]
    distances += next(squares)[..., None, :]
    return np.sqrt(np.maximum(distances, 0, out=distances), out=distances)


def pdist(input: Any, p: float = 2) -> Any:
    """The distances of all pairs of rows of a matrix, in the order of the upper triangle of `cdist`.

    >>> import rushlight as torch
    >>> torch.pdist(torch.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    _check_points("pdist", p, input)
    return _pdist(input, p)


def _pdist_gradient(g: Any, input: Any, result: Any, p: float) -> Any:
    first, second = np.triu_indices(input.shape[0], 1)
    if raw(input) is not input:
        first, second = wrap(first), wrap(second)
    difference = index_select(input, 0, first) - index_select(input, 0, second)
    grad = norm_gradient(g, difference, result, p, 1, False)
    zero = input * 0
    return index_add(index_add(zero, 0, first, grad), 0, second, -grad)


def _pdist_batch(batch: Any, input: Any, p: float) -> Any:
    pairs = map(wrap, np.triu_indices(input.shape[0], 1))
    first, second = (index_select(batch.front(input), 1, rows) for rows in pairs)
    return _vector_norm(first - second, p, 2, False)


@op("PdistBackward0", batch=_pdist_batch, input=lambda g, input, result, p: _pdist_gradient(g, input, result, p))
def _pdist(input, p):
    first, second = np.triu_indices(input.shape[0], 1)
    return norm_of(input[first] - input[second], p, -1, False)


# Scaled by a norm


def normalize(input: Any, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: Any = None) -> Any:
    """The tensor over its norm along ``dim``, or over ``eps`` where the norm is smaller.

    >>> import rushlight as torch
    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    return written(input / vector_norm(input, p, dim, True).clamp_min(eps), out)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """The cosine of the angle between vectors along ``dim``; each norm counts as at least ``eps``.

    Raises:
        RuntimeError: the elements are integers.

    >>> import rushlight as torch
    >>> torch.cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    from . import broadcast_tensors
    from . import maximum as larger

    common = dtypes.promote_types(x1.dtype, x2.dtype)
    if common.category < dtypes.FLOATING:
        raise RuntimeError(f"expected common dtype to be floating point, yet common dtype is {dtypes.CASED[common]}")
    x1, x2 = converted(x1, common), converted(x2, common)
    if x1.shape != x2.shape:
        x1, x2 = broadcast_tensors(x1, x2)
    lengths = [larger(vector_norm(x, 2, dim, True), wrap(np.array(eps, raw(x).real.dtype))) for x in (x1, x2)]
    return add_up(x1 / lengths[0] * (x2 / lengths[1]), dim)


def _scales(lengths: Any, maxnorm: float) -> Any:
    from . import where

    return where(lengths > maxnorm, maxnorm / (lengths + 1e-7), 1.0)


def _others(ndim: int, dim: int) -> tuple[int, ...]:
    kept_axis = axis(dim, ndim)
    return tuple(i for i in range(ndim) if i != kept_axis)


def _renorm_gradient(g: Any, input: Any, p: float, dim: int, maxnorm: float) -> Any:
    from . import where

    others = _others(input.ndim, dim)
    lengths = _vector_norm(input, p, others, True)
    product = add_up(g * conj(input), others, True)
    product = product.real if raw(product).dtype.kind == "c" else product
    shrink = where(lengths > maxnorm, product * (-maxnorm / ((lengths + 1e-7) * (lengths + 1e-7))), 0.0)
    return g * _scales(lengths, maxnorm) + norm_gradient(shrink, input, lengths, p, others, True)


def _renorm_batch(batch: Any, input: Any, p: float, dim: int, maxnorm: float) -> Any:
    renorm.op.compute(np.empty(input.array.shape, input.array.dtype), p, dim, maxnorm)
    others = moved(_others(input.ndim, dim), input.ndim)
    return batch.front(input) * _scales(_vector_norm(batch.front(input), p, others, True), maxnorm)


@op(
    "RenormBackward0",
    batch=_renorm_batch,
    input=lambda g, input, p, dim, maxnorm: _renorm_gradient(g, input, p, dim, maxnorm),
)
def renorm(input, p, dim, maxnorm):
    """The slices along ``dim`` scaled so that none has a larger norm than ``maxnorm``.

    Raises:
        RuntimeError: the tensor has fewer than two axes, or ``p`` or ``maxnorm`` is out of range.
    """
    if p <= 0:
        raise RuntimeError("renorm: non-positive norm not supported")
    if maxnorm < 0:
        raise RuntimeError(f"renorm: expected maxnorm to be >= 0 but got {maxnorm}")
    if input.ndim < 2:
        raise RuntimeError(f"renorm: input needs at least 2 dimensions, got {input.ndim} dimensions")
    wide = widened(input)
    lengths = norm_of(wide, p, _others(input.ndim, dim), True)
    scales = np.where(lengths > maxnorm, lengths.dtype.type(maxnorm) / (lengths + lengths.dtype.type(1e-7)), 1)
    return (wide * scales.astype(lengths.dtype)).astype(input.dtype, copy=False)
