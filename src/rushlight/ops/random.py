"""Random tensors: what is made of random numbers, and what fills a tensor with them.

The numbers are those of PyTorch's CPU generator from the same seed. A tensor is filled in the order of its memory. No
gradient passes through a draw: it is zero.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from .. import devices, dtypes
from ..autograd.origin import born
from ..kernels import sampling
from ..random import Generator, default_generator
from ..tensor import Tensor, record_from
from .batching import Batch
from .creation import check_dtype, shape_of
from .drawing import drawn, filling, sampled
from .promotion import fit
from .writing import write_out

__all__ = [
    "bernoulli", "multinomial", "normal", "poisson", "rand", "rand_like", "randint",
    "randint_like", "randn", "randn_like", "randperm",
]  # fmt: skip

_FLOATING = frozenset(("float16", "bfloat16", "float32", "float64"))
_FLOATING_OR_COMPLEX = _FLOATING | {"complex64", "complex128"}
_REAL = _FLOATING | {"uint8", "int8", "int16", "int32", "int64"}
_REAL_OR_BOOL = _REAL | {"bool"}

# The types that each sampler serves, and the name under which PyTorch refuses the others.
_SERVES: dict[Callable, tuple[str, frozenset[str]]] = {
    sampling.uniform: ("check_uniform_bounds", _FLOATING_OR_COMPLEX),
    sampling.normal: ("normal_kernel_cpu", _FLOATING_OR_COMPLEX),
    sampling.log_normal: ("log_normal_cpu", _FLOATING),
    sampling.geometric: ("geometric_cpu", _REAL),
    sampling.bernoulli: ("bernoulli_scalar_cpu_", _REAL_OR_BOOL),
    sampling.bernoulli_each: ("bernoulli_tensor_cpu_self_", _REAL_OR_BOOL),
    sampling.whole_numbers: ("random_kernel_cpu", _REAL_OR_BOOL),
    sampling.permutation: ("randperm", _REAL),
    sampling.poisson: ("poisson_cpu", _FLOATING),
}
_CONTINUOUS = {sampling.exponential: "Exponential", sampling.cauchy: "Cauchy"}


# What every function that makes a tensor takes by keyword.
_OPTIONS = frozenset(
    ("size", "generator", "out", "dtype", "layout", "device", "requires_grad", "pin_memory", "memory_format")
)


# Drawing


def _draw(generator: Generator | None, sampler: Callable, *args: Any) -> np.ndarray:
    """What `sampler` gives from a generator, the default one if there is none."""
    if generator is None:
        generator = default_generator
    elif not isinstance(generator, Generator):
        raise TypeError(f"argument 'generator' must be torch.Generator, not {type(generator).__name__}")
    with generator.lock:
        return sampler(generator.twister, *args)


@cache
def _check_type(sampler: Callable, dtype: np.dtype) -> None:
    """Refuse a data type that a sampler does not serve."""
    if sampler in _CONTINUOUS and dtype.name not in _FLOATING:
        kind = sampling.kind_of(dtype)
        raise RuntimeError(
            f"{_CONTINUOUS[sampler]} distribution is a continuous probability distribution. dtype must be a floating "
            f"point but you specified {kind.scalar_name if sampler is sampling.exponential else kind.c_name}"
        )
    if sampler in _SERVES:
        name, served = _SERVES[sampler]
        if dtype.name not in served:
            raise NotImplementedError(f"\"{name}\" not implemented for '{sampling.kind_of(dtype).scalar_name}'")


def _fill(like: np.ndarray, generator: Generator | None, sampler: Callable, *args: Any) -> np.ndarray:
    """An array of the shape, type and memory order of `like`, filled in the order of its memory."""
    _check_type(sampler, like.dtype)
    contiguous = like.flags.c_contiguous
    if sampler is sampling.normal:
        args = (*args, contiguous)
    values = _draw(generator, sampler, like.size, like.dtype, *args)
    if contiguous:
        return values.reshape(like.shape)
    filled = np.empty_like(like)
    in_memory = filled.transpose(_memory_order(like))
    in_memory[...] = values.reshape(in_memory.shape)
    return filled


def _memory_order(array: np.ndarray) -> list[int]:
    return sorted(range(array.ndim), key=lambda axis: -array.strides[axis])


def dropout_mask(like: np.ndarray, p: float) -> Tensor:
    """What dropout multiplies an array of this shape and type with: 0 with probability `p`, else 1 / (1 - p)."""
    return drawn(like, lambda like: _fill(like, None, sampling.dropout_mask, p))


def _permutations(like: np.ndarray, generator: Generator | None) -> np.ndarray:
    """The numbers up to the last length in random order, anew for each place along the axes before it."""
    rows = like.reshape(math.prod(like.shape[:-1]), like.shape[-1])
    return np.stack([_fill(row, generator, sampling.permutation) for row in rows]).reshape(like.shape)


# Making tensors


def _shape(name: str, size: tuple, options: dict[str, Any]) -> tuple[int, ...]:
    """The shape that a caller has given as numbers, as one sequence or as `size=`."""
    if not size and "size" not in options:
        raise TypeError("a size is missing: give its lengths one by one, as one sequence or as size=")
    shape = shape_of((options.pop("size"),) if "size" in options else size, name)
    if min(shape, default=0) < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(shape)}: {list(shape)}")
    return shape


def _make(
    shape: tuple, default: dtypes.dtype | None, sampler: Callable, args: tuple, options: dict[str, Any]
) -> Tensor:
    """A tensor of a shape from a sampler, or `out=` filled."""
    out = options.get("out")
    dtype = check_dtype("random", options.get("dtype")) or default or dtypes.get_default_dtype()
    if out is not None and out.array.shape == shape:
        like = out.array
    else:
        like = np.empty(shape, dtype.numpy if out is None else out.array.dtype)
    return _finish(like, lambda like: _fill(like, options.get("generator"), sampler, *args), options)


def _make_like(input: Tensor, sampler: Callable, args: tuple, options: dict[str, Any]) -> Tensor:
    """A tensor of another one's shape, memory order and, unless told otherwise, type."""
    dtype = check_dtype("random_like", options.get("dtype"))
    order: Any = getattr(options.get("memory_format"), "order", "K")
    like = np.empty_like(input.array, input.array.dtype if dtype is None else dtype.numpy, order=order)
    return _finish(like, lambda like: _fill(like, options.get("generator"), sampler, *args), options)


def _finish(like: np.ndarray, draw: Callable[[np.ndarray], np.ndarray], options: dict[str, Any]) -> Tensor:
    if not options.keys() <= _OPTIONS:
        unknown = options.keys() - _OPTIONS
        raise TypeError(f"got an unexpected keyword argument '{min(unknown)}'")
    devices.check(options.get("device"))
    if (out := options.get("out")) is not None:
        write_out(out, draw(like))
        return out
    tensor = born(drawn(like, draw))
    return record_from(tensor) if options.get("requires_grad") else tensor


def rand(*size: Any, **options: Any) -> Tensor:
    """A tensor of numbers uniform in [0, 1).

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    return _make(_shape("rand", size, options), None, sampling.uniform, (), options)


def randn(*size: Any, **options: Any) -> Tensor:
    """A tensor of normal numbers of mean 0 and variance 1 (complex ones share the variance between their parts).

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randn(2)
    tensor([ 1.5410, -0.2934])
    """
    return _make(_shape("randn", size, options), None, sampling.normal, (0.0, 1.0), options)


def randint(*args: Any, **options: Any) -> Tensor:
    """``randint(low=0, high, size)``: a tensor of whole numbers in [low, high), int64 unless `dtype` says otherwise.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randint(10, (3,))
    tensor([4, 9, 3])

    Raises RuntimeError when the range is empty or `dtype` cannot hold it.
    """
    low, high, size = _range(args, options, ("high", "size"), ("low", "high", "size"))
    return _make(_shape("randint", (size,), {}), dtypes.int64, sampling.integers, (low, high), options)


def _range(args: tuple, options: dict, short: tuple[str, ...], full: tuple[str, ...]) -> tuple:
    """The bounds, and what else there is, from positions and keywords; `low` is 0 where it is not given."""
    names = full if len(args) + sum(name in options for name in full) == len(full) else short
    missing = [name for name in names if name not in options]
    if len(missing) != len(args):
        raise TypeError(f"randint() takes ({', '.join(full)}) or ({', '.join(short)}), but got {len(args)} of them")
    given = {"low": 0, **dict(zip(missing, args, strict=True)), **{n: options.pop(n) for n in names if n in options}}
    return tuple(operator.index(given[name]) if name != "size" else given[name] for name in full)


def randperm(n: int, **options: Any) -> Tensor:
    """The numbers 0 .. n-1 in random order, int64 unless `dtype` says otherwise.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])

    Raises RuntimeError when `n` is negative or `dtype` cannot hold the numbers.
    """
    shape = _shape("randperm", (n,), {})
    dtype = check_dtype("randperm", options.get("dtype")) or dtypes.int64
    out = options.get("out")
    like = np.empty(shape, dtype.numpy if out is None else out.array.dtype)
    return _finish(like, lambda like: _permutations(like, options.get("generator")), options)


def rand_like(input: Tensor, **options: Any) -> Tensor:
    """`rand` of the shape and type of `input`."""
    return _make_like(input, sampling.uniform, (), options)


def randn_like(input: Tensor, **options: Any) -> Tensor:
    """`randn` of the shape and type of `input`."""
    return _make_like(input, sampling.normal, (0.0, 1.0), options)


def randint_like(input: Tensor, *bounds: Any, **options: Any) -> Tensor:
    """``randint_like(input, low=0, high)``: `randint` of the shape and type of `input`."""
    bounds = tuple(bound.array.item() if isinstance(bound, Tensor) else bound for bound in bounds)
    low, high = _range(bounds, options, ("high",), ("low", "high"))
    return _make_like(input, sampling.integers, (low, high), options)


def normal(mean: Any = 0.0, std: Any = 1.0, size: Any = None, **options: Any) -> Tensor:
    """Normal numbers, each of its own `mean` and `std` (tensors), or of one mean and deviation and a `size`.

    >>> import rushlight as torch
    >>> _ = torch.manual_seed(0)
    >>> torch.normal(torch.tensor([0.0, 100.0]), 1.0)
    tensor([ 1.5410, 99.7066])

    Raises RuntimeError when a deviation is negative.
    """
    if size is not None:
        return _make(_shape("normal", (size,), {}), None, sampling.normal, (float(mean), float(std)), options)
    if not isinstance(mean, Tensor) and not isinstance(std, Tensor):
        raise TypeError(
            "normal() received an invalid combination of arguments: mean or std is a Tensor, or size is given"
        )
    return _normal_of(mean, std, **options)


# Operations on tensors


def _no_gradient(g, input_shape, input_dtype):
    return fit(g * 0, input_shape, input_dtype)


@sampled(
    "NormalBackward3",
    mean=lambda g, mean_shape, mean_dtype: fit(g * 0, mean_shape, mean_dtype),
    std=lambda g, std_shape, std_dtype: fit(g * 0, std_shape, std_dtype),
)
def _normal_of(mean, std, *, generator=None):
    if isinstance(std, np.ndarray):
        if not (std >= 0).all():
            raise RuntimeError("normal expects all elements of std >= 0.0")
        scale, like = 1.0, std if not isinstance(mean, np.ndarray) else mean
    else:
        scale, like = float(std), mean
    shape = np.broadcast_shapes(np.shape(mean), np.shape(std))
    numbers = _fill(np.empty(shape, like.dtype), generator, sampling.normal, 0.0, scale)
    if isinstance(std, np.ndarray):
        numbers *= std
    numbers += mean
    return numbers


@sampled("BernoulliBackward0", input=_no_gradient)
def bernoulli(input, p=None, *, generator=None):
    """Ones, each with the probability that `input` has there (or with `p`), and zeros, in the type of `input`.

    >>> import rushlight as torch
    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])

    Raises RuntimeError when a probability is not in [0, 1].
    """
    like = np.empty(input.shape, input.dtype)
    return _bernoulli(like, input if p is None else p, generator)


def _bernoulli(like: np.ndarray, p: Any, generator: Generator | None) -> np.ndarray:
    if not isinstance(p, np.ndarray):
        return _fill(like, generator, sampling.bernoulli, float(p))
    _check_type(sampling.bernoulli_each, like.dtype)
    if p.dtype.name not in _FLOATING:
        name = sampling.kind_of(p.dtype).scalar_name
        raise NotImplementedError(f"\"bernoulli_tensor_cpu_p_\" not implemented for '{name}'")
    filled = np.empty_like(like)
    axes = _memory_order(like)
    probabilities = np.broadcast_to(p, like.shape).transpose(axes)
    filled.transpose(axes)[...] = _draw(generator, sampling.bernoulli_each, probabilities, like.dtype)
    return filled


@sampled("PoissonBackward0", input=_no_gradient)
def poisson(input, generator=None):
    """Numbers of the Poisson distribution, each of the rate that `input` has there.

    >>> import rushlight as torch
    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])

    Raises RuntimeError when a rate is negative.
    """
    _check_type(sampling.poisson, input.dtype)
    return _draw(generator, sampling.poisson, input)


def _rows_for_all(batch: Batch, input: Any, *args: Any, **kwargs: Any) -> Any:
    whole = batch.front(input)
    if input.ndim != 2:
        return batch.perform((whole, *args), kwargs)
    return batch.perform((whole.flatten(0, 1), *args), kwargs).unflatten(0, (batch.size, -1))


@sampled(rule=_rows_for_all, apart=True)
def multinomial(input, num_samples, replacement=False, *, generator=None):
    """From each row of weights (1 or 2 dimensions), the indices of `num_samples` draws with these weights.

    >>> import rushlight as torch
    >>> torch.multinomial(torch.tensor([0.0, 3.0]), 4, replacement=True)
    tensor([1, 1, 1, 1])

    Raises RuntimeError when the weights are negative, not finite or all zero, or fewer than the draws without
    replacement.
    """
    if input.dtype.name not in _FLOATING:
        name = sampling.kind_of(input.dtype).scalar_name
        raise RuntimeError(f"multinomial only supports floating-point dtypes for input, got: {name}")
    if input.ndim and input.shape[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    return _draw(generator, sampling.multinomial, input, num_samples, replacement)


# Filling tensors: the operations whose in-place forms are methods. Each takes the tensor to fill first.


@sampled("UniformBackward0", input=_no_gradient, fills=True)
def _uniform(input, from_=0.0, to=1.0, *, generator=None):
    return _fill(input, generator, sampling.uniform, float(from_), float(to))


@sampled("NormalBackward0", input=_no_gradient, fills=True)
def _normal(input, mean=0.0, std=1.0, *, generator=None):
    return _fill(input, generator, sampling.normal, float(mean), float(std))


@sampled("LogNormalBackward0", input=_no_gradient, fills=True)
def _log_normal(input, mean=1.0, std=2.0, *, generator=None):
    return _fill(input, generator, sampling.log_normal, float(mean), float(std))


@sampled("CauchyBackward0", input=_no_gradient, fills=True)
def _cauchy(input, median=0.0, sigma=1.0, *, generator=None):
    return _fill(input, generator, sampling.cauchy, float(median), float(sigma))


@sampled("ExponentialBackward0", input=_no_gradient, fills=True)
def _exponential(input, lambd=1.0, *, generator=None):
    return _fill(input, generator, sampling.exponential, float(lambd))


@sampled("GeometricBackward0", input=_no_gradient, fills=True)
def _geometric(input, p, *, generator=None):
    return _fill(input, generator, sampling.geometric, float(p))


def _bernoulli_in(input, p=0.5, *, generator=None):
    return _bernoulli(input, p, generator)


_bernoulli_in.__name__ = "bernoulli"
_bernoulli_each = sampled("BernoulliBackward1", input=_no_gradient, fills=True)(_bernoulli_in)
_bernoulli_all = sampled("BernoulliBackward2", input=_no_gradient, fills=True)(_bernoulli_in)


_NOT_GIVEN = object()


def _random(input, from_=_NOT_GIVEN, to=_NOT_GIVEN, *, generator=None):
    if from_ is _NOT_GIVEN and to is _NOT_GIVEN:
        return _fill(input, generator, sampling.whole_numbers)
    low, high = (0, from_) if to is _NOT_GIVEN else (0 if from_ is _NOT_GIVEN else from_, to)
    high = None if high is None else operator.index(high)
    return _fill(input, generator, sampling.integers, operator.index(low), high)


_random_ranges = tuple(sampled(f"RandomBackward{i}", input=_no_gradient, fills=True)(_random) for i in range(3))


def _method(operation: Callable, name: str, doc: str) -> Callable:
    method = filling(operation)
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"Fill the tensor with {doc}."
    return method


uniform_ = _method(_uniform, "uniform_", "numbers uniform in [from, to)")
normal_ = _method(_normal, "normal_", "normal numbers of `mean` and `std`")
log_normal_ = _method(_log_normal, "log_normal_", "numbers whose logarithm is normal with `mean` and `std`")
cauchy_ = _method(_cauchy, "cauchy_", "numbers of the Cauchy distribution")
exponential_ = _method(_exponential, "exponential_", "numbers of the exponential distribution of rate `lambd`")
geometric_ = _method(_geometric, "geometric_", "numbers of trials up to the first success, of probability `p`")
_bernoulli_each_in, _bernoulli_all_in = filling(_bernoulli_each), filling(_bernoulli_all)
_random_in = tuple(map(filling, _random_ranges))


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Any = None) -> Tensor:
    """Fill the tensor with ones, of probability ``p`` (a number or a tensor), and zeros."""
    return (_bernoulli_each_in if isinstance(p, Tensor) else _bernoulli_all_in)(self, p, generator=generator)


def random_(self: Tensor, *bounds: Any, generator: Any = None, **named: Any) -> Tensor:
    """Fill the tensor with whole numbers in [from, to), without bounds in all that the type counts to."""
    return _random_in[2 - min(len(bounds) + len(named), 2)](self, *bounds, generator=generator, **named)
