"""Samplers: arrays of random numbers from a Mersenne Twister, as PyTorch's CPU generator makes them.

Every sampler takes the twister first and returns a new one-dimensional array (or one shaped as its parameters), having
used exactly the words that PyTorch would have used. Arguments are checked before a word is drawn; RuntimeError says
what is wrong with them. Data types are NumPy's, bfloat16 being the one named so.
"""

from __future__ import annotations

import math
import warnings
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from .boxmuller import BLOCK, box_muller
from .fused import fma
from .mersenne import MersenneTwister
from .native import kernel

INT64_MIN, INT64_MAX = -(1 << 63), (1 << 63) - 1
_WORDS64 = 1 << 64
_WIDE_RANGE = 1 << 28  # from here on a whole number takes 64 random bits
_LONG_PERMUTATION = ((1 << 32) - 1) // 20
_FEW_PAIRS = 128
_FEW_SWAPS = 500

# The two names that PyTorch's messages give a type.
_NAMES = {
    "float16": ("Half", "c10::Half"),
    "bfloat16": ("BFloat16", "c10::BFloat16"),
    "float32": ("Float", "float"),
    "float64": ("Double", "double"),
    "complex64": ("ComplexFloat", "c10::complex<float>"),
    "complex128": ("ComplexDouble", "c10::complex<double>"),
    "bool": ("Bool", "bool"),
    "uint8": ("Byte", "unsigned char"),
    "int8": ("Char", "signed char"),
    "int16": ("Short", "short int"),
    "uint16": ("UInt16", "short unsigned int"),
    "int32": ("Int", "int"),
    "uint32": ("UInt32", "unsigned int"),
    "int64": ("Long", "long int"),
    "uint64": ("UInt64", "long unsigned int"),
}
_SIGNIFICANDS = {"float16": (11, 16), "bfloat16": (8, 128), "float32": (24, 128), "float64": (53, 1024)}


class Kind(NamedTuple):
    """What sampling needs to know of a data type."""

    name: str
    c_name: str  # in some messages
    scalar_name: str  # in others
    digits: int  # bits of a float's significand; 0 of other types
    smallest: float
    largest: float


@cache
def kind_of(dtype: np.dtype) -> Kind:
    """What sampling needs to know of `dtype`."""
    scalar_name, c_name = _NAMES[dtype.name]
    if dtype.name in _SIGNIFICANDS:
        digits, exponent = _SIGNIFICANDS[dtype.name]
        largest = math.ldexp(1.0 - 2.0**-digits, exponent)
        return Kind(dtype.name, c_name, scalar_name, digits, -largest, largest)
    if dtype.kind in "ui":
        limits = np.iinfo(dtype)
        return Kind(dtype.name, c_name, scalar_name, 0, int(limits.min), int(limits.max))
    return Kind(dtype.name, c_name, scalar_name, 0, 0, 1)


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """`values` as `dtype`; 16-bit floats are rounded by way of float32, as a C++ cast does it."""
    if dtype.itemsize == 2 and dtype.kind not in "ui":
        values = values.astype(np.float32, copy=False)
    return values.astype(dtype, copy=False)


def _uniforms(twister: MersenneTwister, size: int, dtype: np.dtype) -> np.ndarray:
    """Numbers in [0, 1) in the type that arithmetic for `dtype` is done in."""
    return twister.uniforms64(size) if dtype == np.float64 else twister.uniforms32(size)


def uniform(twister: MersenneTwister, size: int, dtype: np.dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """`size` numbers uniform in [low, high), floating point or complex (both parts)."""
    if dtype.kind == "c":
        return uniform(twister, 2 * size, np.dtype(f"f{dtype.itemsize // 2}"), low, high).view(dtype)
    kind = kind_of(dtype)
    for bound, value in (("from", low), ("to", high)):
        if not -kind.largest <= value <= kind.largest:
            raise RuntimeError(f"{bound} is out of bounds for {kind.c_name}")
    if low > high:
        raise RuntimeError(f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}")
    if high - low > kind.largest:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{kind.scalar_name}>::max(), but found to={high:g} "
            f"and from={low:g} which result in to-from to exceed the limit"
        )
    values = _uniforms(twister, size, dtype)
    if low == 0.0 and high == 1.0 and dtype.itemsize > 2:
        return values
    number = values.dtype.type
    if low != 0.0 or high != 1.0:
        values = fma(values, number(high) - number(low), number(low))
    values = _cast(values, dtype)
    # Rounding can reach the upper bound, which is excluded.
    values[values == _cast(np.asarray(high), dtype)] = low
    return values


def normal(
    twister: MersenneTwister,
    size: int,
    dtype: np.dtype,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> np.ndarray:
    """`size` normal numbers; where they go is `contiguous` or not, on which their order depends.

    In complex numbers the variance is shared by the two parts.
    """
    if not std >= 0.0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")
    if dtype.kind == "c":
        real = np.dtype(f"f{dtype.itemsize // 2}")
        return normal(twister, 2 * size, real, mean, std / math.sqrt(2), contiguous).view(dtype)
    if size < BLOCK or not contiguous:
        return _cast(_normal_pairs(twister, size, mean, std), dtype)
    whole = size - size % BLOCK
    # In 16-bit types no number is drawn that the last block will replace.
    uniforms = _uniforms(twister, whole if dtype.itemsize == 2 else size, dtype)
    if whole == size:
        return _cast(box_muller(uniforms, mean, std), dtype)
    uniforms = np.concatenate((uniforms[:whole], _uniforms(twister, BLOCK, dtype)))
    normals = box_muller(uniforms, mean, std)
    return _cast(np.concatenate((normals[: size - BLOCK], normals[whole:])), dtype)


def _normal_pairs(twister: MersenneTwister, size: int, mean: float, std: float) -> np.ndarray:
    """`size` normal numbers in float64, made in pairs; an unneeded second one is kept for the next call."""
    normals = np.empty(size)
    start = 0
    if size and twister.kept_normal is not None:
        normals[0], twister.kept_normal, start = twister.kept_normal, None, 1
    pairs = (size - start + 1) // 2
    uniforms = twister.uniforms64(2 * pairs)
    bulk = pairs - 1 if pairs > _FEW_PAIRS else 0
    if bulk:
        angle, radius = 2 * math.pi * uniforms[: 2 * bulk : 2], np.sqrt(-2 * np.log1p(-uniforms[1 : 2 * bulk : 2]))
        end = start + 2 * bulk
        np.multiply(radius, np.cos(angle), out=normals[start:end:2])
        np.multiply(radius, np.sin(angle), out=normals[start + 1 : end : 2])
        start = end
    rest = uniforms[2 * bulk :].tolist()
    for angle, tail in zip(rest[::2], rest[1::2], strict=True):
        # The C library's functions, so that the number kept has PyTorch's very bits.
        angle, radius = 2 * math.pi * angle, math.sqrt(-2 * math.log1p(-tail))
        normals[start] = radius * math.cos(angle)
        if start + 1 < size:
            normals[start + 1] = radius * math.sin(angle)
        else:
            twister.kept_normal = radius * math.sin(angle)
        start += 2
    return normals if mean == 0.0 and std == 1.0 else fma(normals, float(std), float(mean))


def log_normal(twister: MersenneTwister, size: int, dtype: np.dtype, mean: float = 1.0, std: float = 2.0) -> np.ndarray:
    """`size` numbers whose logarithm is normal with `mean` and `std`."""
    if not std > 0.0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    with np.errstate(over="ignore"):
        return _cast(np.exp(_normal_pairs(twister, size, mean, std)), dtype)


def cauchy(twister: MersenneTwister, size: int, dtype: np.dtype, median: float = 0.0, sigma: float = 1.0) -> np.ndarray:
    """`size` numbers of the Cauchy distribution: median + sigma tan(pi (u - 1/2))."""
    if not sigma > 0.0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    tangents = np.tan(math.pi * (twister.uniforms64(size) - 0.5))
    with np.errstate(over="ignore"):
        return _cast(fma(tangents, float(sigma), float(median)), dtype)


def exponential(twister: MersenneTwister, size: int, dtype: np.dtype, rate: float = 1.0) -> np.ndarray:
    """`size` numbers of the exponential distribution with `rate`: -log(1 - u) / rate."""
    if not rate > 0.0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    return _cast(-1.0 / rate * np.log1p(-twister.uniforms64(size)), dtype)


def geometric(twister: MersenneTwister, size: int, dtype: np.dtype, p: float) -> np.ndarray:
    """`size` numbers of trials up to the first success, each of which has probability `p`."""
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    with np.errstate(divide="ignore", invalid="ignore"):
        return _cast(np.ceil(np.log(twister.uniforms64(size)) / math.log1p(-p)), dtype)


def bernoulli(twister: MersenneTwister, size: int, dtype: np.dtype, p: float = 0.5) -> np.ndarray:
    """`size` ones, with probability `p`, and zeros."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    if dtype in (np.float32, np.float64):
        return twister.chosen(size, p, 1.0, dtype)
    return (twister.uniforms64(size) < p).astype(dtype)


def bernoulli_each(twister: MersenneTwister, probabilities: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """For each of `probabilities`, in C order, a one with that probability, or else a zero."""
    if not ((probabilities >= 0) & (probabilities <= 1)).all():
        raise RuntimeError("Expected p_in >= 0 && p_in <= 1 to be true")
    uniforms = _uniforms(twister, probabilities.size, probabilities.dtype).reshape(probabilities.shape)
    return (uniforms < probabilities).astype(dtype)


def dropout_mask(twister: MersenneTwister, size: int, dtype: np.dtype, p: float) -> np.ndarray:
    """What dropout multiplies with: 0 with probability `p`, else 1 / (1 - p); certainty draws no word."""
    if p in (0, 1):
        return np.full(size, 1 - p, dtype)
    wide = np.dtype(np.float64 if dtype == np.float64 else np.float32)
    return _cast(twister.chosen(size, 1 - p, 1 / wide.type(1 - p), wide), dtype)


def integers(twister: MersenneTwister, size: int, dtype: np.dtype, low: int, high: int | None) -> np.ndarray:
    """`size` whole numbers in [low, high); without `high`, up to the largest that `dtype` counts to without gaps."""
    if high is None and low == INT64_MIN:
        return _any_int64(twister, size, dtype)
    first, last = _bounds(dtype, low, high)
    span = last - first + 1
    if span < _WIDE_RANGE:
        values = twister.integers(size, span, first)
    else:
        distances = twister.words64(size) % np.uint64(span)
        values = (distances + np.uint64(first % _WORDS64)).view(np.int64)
    return _cast(values, dtype)


@lru_cache(256)
def _bounds(dtype: np.dtype, low: int, high: int | None) -> tuple[int, int]:
    """The smallest and the largest whole number to draw, both of which `dtype` must be able to hold."""
    if dtype.kind == "c":
        raise RuntimeError("check_random_bounds handles only integral, floating-point and boolean types")
    if high is not None and low >= high:
        raise RuntimeError(f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}")
    kind = kind_of(dtype)
    if kind.digits:
        low = _raised(low, dtype, kind.digits)
        high = (1 << kind.digits) + 1 if high is None else _lowered(high, dtype, kind.digits)
        if low >= high:
            raise RuntimeError(
                f"random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got from={low} >= "
                f"to={high}"
            )
    last = int(kind.largest) if high is None else high - 1
    for bound, value in (("from", low), ("to - 1", last)):
        if not kind.smallest <= value <= min(kind.largest, INT64_MAX if dtype.kind == "u" else math.inf):
            raise RuntimeError(f"{bound} is out of bounds for {kind.c_name}")
        if kind.digits and abs(value) > 1 << kind.digits:
            warnings.warn(
                f"{bound} is out of bounds [-(2^{kind.digits}), 2^{kind.digits}]. Due to precision limitations "
                f"{kind.c_name} can support discrete uniform distribution only within this range.",
                stacklevel=3,
            )
    return low, last


def _as_held(value: int, dtype: np.dtype) -> int:
    """`value` as `dtype` rounds it; one out of its range is the least int64, as a C++ cast back has it."""
    with np.errstate(over="ignore"):
        held = float(_cast(np.asarray(value), dtype))
    return int(held) if abs(held) < 2.0**63 else INT64_MIN


def _raised(low: int, dtype: np.dtype, digits: int) -> int:
    """`low`, or the next number that `dtype` holds where the one after `low` rounds to below it."""
    held = _as_held(low + 1, dtype)
    return held + (1 << abs(low + 1).bit_length() - digits) if held < low else low


def _lowered(high: int, dtype: np.dtype, digits: int) -> int:
    """`high`, or the number before it that `dtype` holds where the one below `high` rounds up to it."""
    held = _as_held(high - 1, dtype)
    return held - (1 << abs(high - 1).bit_length() - digits) if held >= high else high


def _any_int64(twister: MersenneTwister, size: int, dtype: np.dtype) -> np.ndarray:
    if dtype.name not in ("int64", "float64", "float32", "bfloat16"):
        raise RuntimeError("random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16")
    return _cast(twister.words64(size).view(np.int64), dtype)


def whole_numbers(twister: MersenneTwister, size: int, dtype: np.dtype) -> np.ndarray:
    """`size` whole numbers from 0 to the largest one that `dtype` counts to without gaps."""
    kind = kind_of(dtype)
    span = ((1 << kind.digits) if kind.digits else int(kind.largest)) + 1
    if kind.name in ("float64", "int64"):
        return _cast((twister.words64(size) % np.uint64(span)).view(np.int64), dtype)
    return _cast(twister.words(size) % np.uint32(span), dtype)


def permutation(twister: MersenneTwister, n: int, dtype: np.dtype) -> np.ndarray:
    """The numbers 0 .. n-1 in random order, shuffled from the front (Fisher and Yates)."""
    kind = kind_of(dtype)
    if not kind.digits and n - 1 > kind.largest:
        c_type = "int" if kind.name == "int32" else f"{kind.name}_t"
        raise RuntimeError(f"value cannot be converted to type {c_type} without overflow: {n}")
    if kind.digits > 8 and n - 1 > 1 << kind.digits:
        most = "2049" if kind.digits == 11 else f"2^{kind.digits}+1"
        raise RuntimeError(f"n cannot be greater than {most} for {kind.scalar_name} type.")
    if n < 2:
        return np.arange(n).astype(dtype)
    left = np.arange(n, 1, -1)
    if n < _LONG_PERMUTATION:
        steps = twister.words(n - 1) % left.astype(np.uint32)
    else:
        steps = twister.words64(n - 1) % left.astype(np.uint64)
    targets = np.arange(n)
    targets[:-1] += steps.astype(np.int64)
    return swapped(targets).astype(dtype, copy=False)


@kernel
def swapped(targets: np.ndarray) -> np.ndarray:
    """The numbers 0 .. n-1 after swapping place i with place `targets[i]` >= i, for every i in turn."""
    return (_swapped_one_by_one if targets.size < _FEW_SWAPS else _swapped_at_once)(targets)


def _swapped_one_by_one(targets: np.ndarray) -> np.ndarray:
    """By a loop over them."""
    order = list(range(targets.size))
    for i, j in enumerate(targets.tolist()):
        order[i], order[j] = order[j], order[i]
    return np.array(order, np.int64)


def _swapped_at_once(targets: np.ndarray) -> np.ndarray:
    """The same for many, without a loop over them.

    What lies at a place is what the last swap aimed at it has left there: the number that the place of that swap had
    then, and so on back to a place at which no earlier swap was aimed, which had its own number.
    """
    n = targets.size
    swaps = np.arange(n)
    bits = n.bit_length()
    keys = (targets << bits) | swaps
    keys.sort()
    places, aimed = keys >> bits, keys & ((1 << bits) - 1)
    again = places[1:] == places[:-1]
    previous = np.full(n, -1)  # the last swap before, aimed at the same place
    previous[aimed[1:][again]] = aimed[:-1][again]
    latest = np.full(n, -1)  # the last swap before, aimed at the swap's own place
    ends = np.append(~again, True)
    latest[places[ends]] = aimed[ends]
    np.copyto(latest, previous, where=latest == swaps)
    origins = np.where(latest < 0, swaps, latest)
    while not np.array_equal(further := origins[origins], origins):
        origins = further
    return np.where(previous < 0, targets, origins[previous])


def multinomial(twister: MersenneTwister, weights: np.ndarray, count: int, replacement: bool = False) -> np.ndarray:
    """For each row of `weights` (1 or 2 dimensions), `count` of its indices drawn with these weights, as int64."""
    if weights.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > weights.shape[-1]:
        raise RuntimeError("cannot sample n_sample > prob_dist.size(-1) samples without replacement")
    rows = np.atleast_2d(weights)
    if replacement and count > 1:
        drawn = _multinomial_with_replacement(twister, rows, count)
    else:
        drawn = _multinomial_without_replacement(twister, rows, count)
    return drawn.reshape(weights.shape[:-1] + (count,))


def _multinomial_without_replacement(twister: MersenneTwister, rows: np.ndarray, count: int) -> np.ndarray:
    """The largest of weight / exponential: Efraimidis and Spirakis, Information Processing Letters 97 (2006).

    Equal keys come in the order of their indices; PyTorch promises no order for them.
    """
    if not (np.isfinite(rows) & (rows >= 0)).all():
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if not (rows.sum(-1) > 0).all():
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")
    with np.errstate(divide="ignore", invalid="ignore"):
        keys = rows / exponential(twister, rows.size, rows.dtype).reshape(rows.shape)
    if count == 1:
        return keys.argmax(-1)[:, None]
    return np.argsort(-keys, axis=-1, kind="stable")[:, :count]


def _multinomial_with_replacement(twister: MersenneTwister, rows: np.ndarray, count: int) -> np.ndarray:
    invalid = "invalid multinomial distribution "
    if (rows < 0).any():
        raise RuntimeError(invalid + "(encountering probability entry < 0)")
    if not np.isfinite(rows).all():
        raise RuntimeError(invalid + "(encountering probability entry = infinity or NaN)")
    accumulated = np.cumsum(_widened(rows), axis=-1)
    totals = accumulated[:, -1:]
    if not (totals > 0).all():
        raise RuntimeError(invalid + "(sum of probabilities <= 0)")
    accumulated = accumulated / totals
    accumulated[:, -1] = 1
    uniforms = twister.uniforms64(len(rows) * count).reshape(-1, count)
    return np.stack([np.searchsorted(*row) for row in zip(accumulated.astype(np.float64), uniforms, strict=True)])


def _widened(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32) if values.dtype.itemsize == 2 else values


def poisson(twister: MersenneTwister, rates: np.ndarray) -> np.ndarray:
    """For each of `rates`, in C order, a number of the Poisson distribution, in the type and shape of `rates`."""
    if not (rates >= 0).all():
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    counts = [_poisson(twister, rate) for rate in rates.astype(np.float64).ravel().tolist()]
    return _cast(np.array(counts, np.float64), rates.dtype).reshape(rates.shape)


def _poisson(twister: MersenneTwister, rate: float) -> int:
    if rate == 0:
        return 0
    if rate >= 10:
        return _poisson_by_rejection(twister, rate)
    # Knuth, The Art of Computer Programming 2, 3.4.1: multiply until below exp(-rate).
    limit, product, count = math.exp(-rate), 1.0, -1
    while count < 0 or product > limit:
        product *= twister.uniforms64(1).item()
        count += 1
    return count


def _poisson_by_rejection(twister: MersenneTwister, rate: float) -> int:
    """Hörmann, "The transformed rejection method for generating Poisson random variables" (PTRS), 1993."""
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_inverse_alpha = math.log(1.1239 + 1.1328 / (b - 3.4))
    log_rate = math.log(rate)
    accepted_at_once = 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = twister.uniforms64(2).tolist()
        u -= 0.5
        margin = 0.5 - abs(u)
        k = math.floor((2 * a / margin + b) * u + rate + 0.43)
        if margin >= 0.07 and v <= accepted_at_once:
            return k
        if k < 0 or (margin < 0.013 and v > margin):
            continue
        left = math.log(v) + log_inverse_alpha - math.log(a / (margin * margin) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1):
            return k
