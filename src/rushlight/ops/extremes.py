"""Largest, smallest and middle elements: values, where they are, and quantiles."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..kernels import lines, order
from ..kernels import reductions as kernels
from ..layouts import in_order
from ..tensor import Tensor, wrap
from .axes import axes, axis, moved, numpy_names
from .batching_rules import of_last_axes
from .convert import to_dtype
from .define import op
from .levels import Layered
from .pick import pick, put_selected
from .promotion import raw
from .reduce import add, along, called, kept, require_real, to_out, unreduced, widened, written
from .reduce import sum as add_up
from .rounding import floor
from .sorting import sort
from .views import reshape

__all__ = [
    "amax", "amin", "aminmax", "argmax", "argmin", "kthvalue", "max", "median", "min", "mode", "nanmedian",
    "nanquantile", "quantile",
]  # fmt: skip


def require_elements(name: str, x: np.ndarray, dim: Any = None) -> None:
    """Refuse a reduction without identity over no elements."""
    if x.size:
        return
    if dim is None or dim == () or dim == []:
        raise RuntimeError(
            f"{name}(): Expected reduction dim to be specified for input.numel() == 0. Specify the reduction dim with "
            f"the 'dim' argument."
        )
    for reduced in axes(dim, x.ndim) or ():
        if x.shape[reduced] == 0:
            raise IndexError(f"{name}(): Expected reduction dim {reduced} to have non-zero size.")


def require_same_type(input: Any, out: Any) -> None:
    """Refuse to write into a tensor of another type."""
    for target in out if isinstance(out, (tuple, list)) else () if out is None else (out,):
        if target.dtype is not input.dtype:
            raise RuntimeError(
                f"Expected the dtype for input and out to match, but got {called(input)} for input's dtype and "
                f"{called(target)} for out's dtype."
            )


# The extreme value, its gradient shared evenly among all elements that have it


def even_weights(value: Any, result: Any, dim: Any = None) -> Any:
    """One over the number of elements that equal the reduced ``result``, at those elements, and zero elsewhere."""
    here = (value == result) | ((value != value) & (result != result))
    if isinstance(value, Tensor):
        here = to_dtype(here, value.array.real.dtype)
        return here / add_up(here, dim, True)
    return np.asarray(here / add.reduce(here, along(dim, value.ndim), None, None, True), value.real.dtype)


def _shared(g: Any, input: Any, result: Any, dim: Any = None, keepdim: bool = False) -> Any:
    g, result = (unreduced(v, input.shape, dim, keepdim) for v in (g, result))
    if type(input) is np.ndarray and input.dtype.kind == "f":
        return kernels.extreme_back(np.asarray(g), input, np.asarray(result), along(dim, input.ndim))
    return g * even_weights(input, result, dim)


def _extreme(kernel: Any, name: str, x: np.ndarray, dim: Any, keepdim: bool) -> np.ndarray:
    if x.dtype.kind == "c":
        require_real(name, x)
    if not x.size:
        require_elements(name, x, dim)
    return in_order(kernel(x, along(dim, x.ndim), keepdim))


def _extremes(kernel: Any, name: str) -> tuple[Any, Any]:
    """The extreme element of all, as of ``max(input)``, and along axes, as of ``amax``."""

    @op(
        f"{name.capitalize()}Backward1",
        input=lambda g, input, result: _shared(g, input, result),
        batch=lambda batch, input: of_axes(batch.flat(input), 1, False),
    )
    def of_all(input):
        return _extreme(kernel, name, input, None, False)

    @op(
        f"A{name}Backward0",
        batch="dim",
        input=lambda g, input, result, dim, keepdim: _shared(g, input, result, dim, keepdim),
    )
    def of_axes(input, dim, keepdim):
        return _extreme(kernel, f"a{name}", input, dim, keepdim)

    return of_all, of_axes


_max, _amax = _extremes(kernels.amax, "max")
_min, _amin = _extremes(kernels.amin, "min")


@numpy_names
def amax(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
    """The largest element, or the largest along the axes ``dim``; the gradient is shared evenly among equals.

    Raises:
        RuntimeError: there are no elements.

    >>> import rushlight as torch
    >>> torch.amax(torch.tensor([[1, 4], [3, 2]]), 1)
    tensor([4, 3])
    """
    require_same_type(input, out)
    return _amax(input, dim, keepdim, **to_out(out))


@numpy_names
def amin(input: Any, dim: Any = (), keepdim: bool = False, *, out: Any = None) -> Any:
    """The smallest element, or the smallest along the axes ``dim``; the gradient is shared evenly among equals."""
    require_same_type(input, out)
    return _amin(input, dim, keepdim, **to_out(out))


@op(
    "AminmaxBackward0",
    batch="dim",
    outputs=("min", "max"),
    input=lambda g, input, min, max, dim, keepdim: (
        _shared(g[0], input, min, dim, keepdim) + _shared(g[1], input, max, dim, keepdim)
    ),
)
def _aminmax(input, dim, keepdim):
    require_real("aminmax", input)
    if dim is None and not input.size:
        raise RuntimeError(
            "aminmax(): cannot compute aminmax over an empty dimension as the operation has no identity."
        )
    require_elements("aminmax", input, dim)
    dims = along(dim, input.ndim)
    return kernels.amin(input, dims, keepdim), kernels.amax(input, dims, keepdim)


@numpy_names
def aminmax(input: Any, *, dim: int | None = None, keepdim: bool = False, out: Any = None) -> Any:
    """The smallest and the largest element, of all or along the axis ``dim``."""
    require_same_type(input, out)
    return _aminmax(input, dim, keepdim, **to_out(out))


# The extreme element of each line, with its place: the first of equals, which alone gets the gradient


def _line_end(name: str, kernel: Any, joined: str) -> Any:
    """``max`` or ``min`` in its three forms."""

    @op(
        f"{name.capitalize()}Backward0",
        batch="dim",
        outputs=("values", "indices"),
        nondifferentiable=("indices",),
        input=lambda g, indices, input_shape, dim, keepdim: put_selected(g, indices, input_shape, dim, keepdim),
    )
    def along_axis(input, dim, keepdim):
        require_real(name, input)
        line = axis(dim, input.ndim)
        require_elements(name, input, line)
        if not input.ndim:
            return input.copy(), np.zeros((), np.int64)
        values, places = kernel(widened(input), line, keepdim)
        return in_order(values).astype(input.dtype, copy=False), places

    along_axis.op.returns.__name__ = name
    whole, pairwise = (_max, "maximum") if name == "max" else (_min, "minimum")

    def function(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None, out: Any = None) -> Any:
        if not isinstance(input, (Tensor, np.ndarray)):
            kinds = ", ".join(type(v).__name__ for v in (input, dim, other) if v is not None)
            raise TypeError(f"{name}() received an invalid combination of arguments - got ({kinds})")
        if dim is None and other is None:
            return whole(input, **to_out(out))
        if other is not None or isinstance(dim, Tensor):
            from .. import ops

            return getattr(ops, pairwise)(input, dim if other is None else other, **to_out(out))
        return along_axis(input, dim, keepdim, **to_out(out))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"""The {joined} element of all; with an axis ``dim``, that of each line along it, and its index.

    With a second tensor: the {joined} of both, element by element. Over all elements the gradient is shared evenly
    among equals; along an axis it goes to the element at the index.

    Raises:
        RuntimeError: there are no elements.
    """
    return numpy_names(function)


max = _line_end("max", kernels.largest, "largest")
min = _line_end("min", kernels.smallest, "smallest")


def _place_batch(batch: Any, input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    whole, ndim = batch.front(input), input.array.ndim
    if dim is not None and ndim:
        return batch.perform((whole, moved(dim, ndim), keepdim), {})
    out = batch.perform((batch.flat(input), 1, False), {})
    return reshape(out, (batch.size, *(1,) * ndim)) if keepdim else out


def _place(name: str, kernel: Any, joined: str) -> Any:
    def compute(input, dim=None, keepdim=False):
        require_real(name, input)
        if dim is None and not input.size:
            raise IndexError(f"{name}(): Expected reduction dim to be specified for input.numel() == 0.")
        line = None if dim is None else axis(dim, input.ndim)
        require_elements(name, input, line)
        if not input.ndim:
            return np.zeros((), np.int64)
        if line is None:
            place = kernel(widened(input).reshape(-1), 0, False)[1]
            return place.reshape((1,) * input.ndim) if keepdim else place
        return kernel(widened(input), line, keepdim)[1]

    compute.__name__ = compute.__qualname__ = name
    compute.__doc__ = f"The index of the {joined} element, of all or along the axis ``dim``; the first of equals."
    return numpy_names(op(batch=_place_batch)(compute))


argmax = _place("argmax", kernels.largest, "largest")
argmin = _place("argmin", kernels.smallest, "smallest")


# The element at a rank


def _by_rank(name: str, kernel: Any) -> Any:
    """An operation that selects one element of each line, and where it is."""
    node = f"{name.capitalize()}Backward{int(name.endswith('median'))}"

    @op(
        node,
        batch="dim",
        outputs=("values", "indices"),
        nondifferentiable=("indices",),
        input=lambda g, indices, input_shape, dim, keepdim: put_selected(g, indices, input_shape, dim, keepdim),
        apart=True,
    )
    def select(input, dim, keepdim, rank):
        require_real(name, input)
        if not input.ndim:
            return input.copy(), np.zeros((), np.int64)
        line = axis(dim, input.ndim)
        require_elements(name, input, line)
        indices = np.expand_dims(kernel(np.moveaxis(widened(input), line, -1), rank), line)
        values = lines.taken(input, indices, line)
        return (values, indices) if keepdim else (values.squeeze(line), indices.squeeze(line))

    select.op.returns.__name__ = name
    return select


_kthvalue = _by_rank("kthvalue", lambda x, rank: order.kth_index(x, rank))
_mode = _by_rank("mode", lambda x, rank: order.mode_index(x))
_median_along = _by_rank("median", lambda x, rank: order.median_index(x, skip_nan=False))
_nanmedian_along = _by_rank("nanmedian", lambda x, rank: order.median_index(x, skip_nan=True))


@numpy_names
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The ``k``-th smallest element of each line along an axis, counted from 1, and its index.

    Raises:
        RuntimeError: a line has fewer than ``k`` elements, or ``k`` is not positive.

    >>> import rushlight as torch
    >>> torch.kthvalue(torch.tensor([3.0, 1.0, 2.0]), 2)
    torch.return_types.kthvalue(
    values=tensor(2.),
    indices=tensor(2))
    """
    shape = raw(input).shape
    place = axis(dim, len(shape))
    if not 1 <= k <= (shape[place] if shape else 1):
        raise RuntimeError(
            f"kthvalue(): selected number k out of range for dimension {place}: got {k}, the shape is {list(shape)}"
        )
    return _kthvalue(input, dim, keepdim, k, **to_out(out))


@numpy_names
def mode(input: Any, dim: int = -1, keepdim: bool = False, *, out: Any = None) -> Any:
    """The most frequent element of each line along an axis, the smallest of several such, and an index of it."""
    return _mode(input, dim, keepdim, None, **to_out(out))


def _whole_median(name: str, skip_nan: bool, along_axis: Any) -> Any:
    @op(
        f"{name.capitalize()}Backward0",
        input=lambda g, input, result: _shared(g, input, result),
        batch=lambda batch, input: along_axis(batch.flat(input), 1, False, None)[0],
    )
    def compute(input):
        require_real(name, input)
        if not input.size:
            return np.array(math.nan if input.dtype.kind in "fV" else 0, input.dtype)
        flat = input.reshape(-1)
        return flat[order.median_index(widened(flat), skip_nan)]

    return compute


def _median_function(name: str, whole: Any, along_axis: Any, doc: str) -> Any:
    def function(input: Any, dim: int | None = None, keepdim: bool = False, *, out: Any = None) -> Any:
        return whole(input, **to_out(out)) if dim is None else along_axis(input, dim, keepdim, None, **to_out(out))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = doc
    return numpy_names(function)


median = _median_function(
    "median", _whole_median("median", False, _median_along), _median_along,
    """The middle element, the lower of two; with an axis ``dim`` that of each line, and its index.

    NaN makes the result NaN.

    >>> import rushlight as torch
    >>> torch.median(torch.tensor([3.0, 1.0, 4.0, 2.0]))
    tensor(2.)
    """,
)  # fmt: skip
nanmedian = _median_function(
    "nanmedian", _whole_median("nanmedian", True, _nanmedian_along), _nanmedian_along,
    "The middle element of those that are not NaN, as of `median`.",
)  # fmt: skip


# Quantiles

ROUNDED: dict[str, Any] = {"lower": np.floor, "higher": np.ceil, "nearest": np.round}
INTERPOLATIONS = ("linear", "lower", "higher", "midpoint", "nearest")


def _check_quantile(name: str, x: np.ndarray, q: Any, interpolation: str) -> None:
    if not x.size:
        raise RuntimeError(f"{name}() input tensor must be non-empty")
    if x.dtype not in (np.float32, np.float64):
        raise RuntimeError(f"{name}() input tensor must be either float or double dtype")
    if isinstance(q, (np.ndarray, Tensor)):
        if raw(q).ndim > 1:
            raise RuntimeError(f"{name}() q must be a scalar or 1D tensor")
        if raw(q).dtype != x.dtype:
            raise RuntimeError(f"{name}() q tensor must be same dtype as the input tensor")
    if not isinstance(q, Layered) and not np.all((np.asarray(raw(q)) >= 0) & (np.asarray(raw(q)) <= 1)):
        raise RuntimeError(f"{name}() q values must be in the range [0, 1]")
    if interpolation not in INTERPOLATIONS:
        raise RuntimeError(
            f"{name}() interpolation must be one of linear, lower, higher, midpoint or nearest, but got {interpolation}"
        )


def _quantile(name: str, input: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool) -> Any:
    from . import lerp

    x = raw(input)
    _check_quantile(name, x, q, interpolation)
    points = q if isinstance(q, Tensor) else wrap(np.asarray(q, x.dtype))
    whole = dim is None or not x.ndim
    ordered = sort(input.reshape(-1) if whole else input.movedim(axis(dim, x.ndim), -1), -1).values
    ranks = _ranks(ordered.detach(), points.reshape(-1), skip_nan)
    places = ranks.detach()
    if interpolation in ROUNDED:
        found = pick(ordered, _rounded(places, ROUNDED[interpolation]), -1)
    else:
        low, high = (pick(ordered, _rounded(places, end), -1) for end in (np.floor, np.ceil))
        found = lerp(low, high, ranks - floor(places) if interpolation == "linear" else 0.5)
    found = found.movedim(-1, 0) if points.ndim else found.squeeze(-1)
    return found.reshape((*points.shape, *kept(x.shape, dim))) if keepdim else found


@op(batch="leading")
def _rounded(ranks, rounding):
    return rounding(ranks).astype(np.int64)


@op(batch=of_last_axes(1))
def _present(ordered, skip_nan):
    """The last place of each line without its NaN, or whether it has none."""
    missing = np.isnan(ordered).sum(-1, keepdims=True)
    return np.maximum(ordered.shape[-1] - 1 - missing, 0).astype(ordered.dtype) if skip_nan else missing == 0


def _ranks(ordered: Tensor, points: Tensor, skip_nan: bool) -> Tensor:
    """The places in sorted lines that fractions stand for; that of a NaN where it counts."""
    from . import where

    present, last = _present(ordered, skip_nan), float(ordered.shape[-1] - 1)
    return points * present if skip_nan else where(present, points * last, last)


@numpy_names
def quantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """The elements below which the fractions ``q`` of all lie, of each line along ``dim``; NaN where a line has one.

    Args:
        input: float32 or float64.
        q: a number or a 1-D tensor in 0 to 1; the result has a leading axis for a 1-D tensor.
        interpolation: "linear", "lower", "higher", "midpoint" or "nearest", for ranks between two elements.

    Raises:
        RuntimeError: there are no elements, a fraction is out of range, or an argument is of another type.

    >>> import rushlight as torch
    >>> torch.quantile(torch.tensor([0.0, 1.0, 2.0, 3.0]), 0.5)
    tensor(1.5000)
    """
    return written(_quantile("quantile", input, q, dim, keepdim, interpolation, False), out)


@numpy_names
def nanquantile(
    input: Any, q: Any, dim: int | None = None, keepdim: bool = False, *, interpolation: str = "linear", out: Any = None
) -> Any:
    """The quantiles of the elements that are not NaN, as of `quantile`."""
    return written(_quantile("nanquantile", input, q, dim, keepdim, interpolation, True), out)
