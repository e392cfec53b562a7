"""Special functions to the full precision of float64, in NumPy: float32 is computed wide and rounded."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import numpy as np

ndarray = np.ndarray
SQRT_HALF, SQRT_2, SQRT_PI = math.sqrt(0.5), math.sqrt(2), math.sqrt(math.pi)


def wide(function: Callable) -> Callable:
    """The function in float64, its result in the type of its last argument."""

    @functools.wraps(function)
    def computed(*arguments: ndarray) -> ndarray:
        dtype = np.result_type(*arguments)
        with np.errstate(all="ignore"):
            result = function(*(np.asarray(a, np.float64) for a in arguments))
        return np.asarray(result, dtype)

    return computed


def few_by(function: Callable) -> Callable:
    """For a few numbers the C library's function, one by one: quicker than the passes of the vectorised one."""

    def declare(vectorised: Callable) -> Callable:
        @functools.wraps(vectorised)
        def computed(x: ndarray) -> ndarray:
            if x.size > FEW:
                return vectorised(x)
            result = np.empty_like(x)  # in the same memory order
            result[...] = np.array([function(v) for v in x.ravel().tolist()], x.dtype).reshape(x.shape)
            return result

        return computed

    return declare


FEW = 100


def polynomial(x: ndarray, coefficients: tuple[float, ...]) -> ndarray:
    """A polynomial by Horner's rule, the highest power first."""
    total = np.full_like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        total *= x
        total += coefficient
    return total


def piecewise(x: ndarray, *pieces: tuple[ndarray, Callable]) -> ndarray:
    """Each function where its mask holds; the masks exclude each other, NaN where none holds."""
    result = np.full_like(x, np.nan)
    for mask, function in pieces:
        if mask.all():
            return function(x)
        if mask.any():
            result[mask] = function(x[mask])
    return result


# The error function. Rational approximations from W. J. Cody, "Rational Chebyshev approximations for the error
# function", Mathematics of Computation 23 (1969), and Cody's CALERF: near 0, in the middle, and of erfcx far out.

_NEAR = (
    1.85777706184603153e-1,
    3.16112374387056560e0,
    1.13864154151050156e2,
    3.77485237685302021e2,
    3.20937758913846947e3,
)
_NEAR_Q = (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3)
_MIDDLE = (
    2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1, 2.98635138197400131e2,
    8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3, 1.23033935479799725e3,
)  # fmt: skip
_MIDDLE_Q = (
    1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
    3.29079923573345963e3,
    4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3,
)  # fmt: skip
_FAR = (
    1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
    1.60837851487422766e-2,
    6.58749161529837803e-4,
)  # fmt: skip
_FAR_Q = (
    1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
    2.33520497626869185e-3,
)  # fmt: skip


def _erf_near(x: ndarray) -> ndarray:
    square = x * x
    return x * polynomial(square, _NEAR) / polynomial(square, _NEAR_Q)


def _erfcx_middle(x: ndarray) -> ndarray:
    return polynomial(x, _MIDDLE) / polynomial(x, _MIDDLE_Q)


def _erfcx_far(x: ndarray) -> ndarray:
    inverse = 1 / (x * x)
    ratio = inverse * polynomial(inverse, _FAR) / polynomial(inverse, _FAR_Q)
    return (1 / SQRT_PI - ratio) / x


def _minus_square(x: ndarray) -> ndarray:
    """exp(-x*x), the square in two parts of which one is exact."""
    coarse = np.trunc(x * 16) / 16
    return np.exp(-coarse * coarse) * np.exp(-(x - coarse) * (x + coarse))


def _erfcx_positive(x: ndarray) -> ndarray:
    return piecewise(
        x,
        (x <= 0.46875, lambda x: np.exp(x * x) * (1 - _erf_near(x))),
        ((x > 0.46875) & (x <= 4), _erfcx_middle),
        (x > 4, _erfcx_far),
    )


def _erfc_positive(x: ndarray) -> ndarray:
    return piecewise(
        x,
        (x <= 0.46875, lambda x: 1 - _erf_near(x)),
        ((x > 0.46875) & (x <= 4), lambda x: _minus_square(x) * _erfcx_middle(x)),
        ((x > 4) & (x < 30), lambda x: _minus_square(x) * _erfcx_far(x)),
        (x >= 30, np.zeros_like),
    )


# The float32 error function is tanh(x * P(x*x)), exact to two or three units in the last place: the polynomial is the
# minimax fit of artanh(erf(x)) / x over |x| <= 4 by Lawson's iteration, and tanh makes no error of P larger.
_SINGLE = (
    1.786405553e-10, -8.465848767e-09, 1.561192421e-07, -1.288728155e-06, 1.325595526e-06, 6.932311370e-05,
    -5.953106788e-04, -2.066517414e-04, 1.027721645e-01, 1.128379178e00,
)  # fmt: skip


def _erf_single(x: ndarray) -> ndarray:
    square = np.multiply(x, x, out=...)
    np.minimum(square, 16, out=square)
    total = polynomial(square, _SINGLE)
    total *= x
    return np.tanh(total, out=total)


@wide
def _erf_double(x: ndarray) -> ndarray:
    size = np.absolute(x)
    return piecewise(
        x, (size <= 0.46875, _erf_near), (size > 0.46875, lambda x: np.copysign(1 - _erfc_positive(np.absolute(x)), x))
    )


@few_by(math.erf)
def erf(x: ndarray) -> ndarray:
    """The error function."""
    return _erf_single(x) if x.dtype == np.float32 else _erf_double(x)


@few_by(math.erfc)
@wide
def erfc(x: ndarray) -> ndarray:
    """``1 - erf(x)``, exact where that is tiny."""
    return piecewise(x, (x >= 0, _erfc_positive), (x < 0, lambda x: 2 - _erfc_positive(-x)))


@wide
def erfcx(x: ndarray) -> ndarray:
    """``exp(x*x) * erfc(x)``, which does not vanish."""
    return piecewise(x, (x >= 0, _erfcx_positive), (x < 0, lambda x: 2 * np.exp(x * x) - _erfcx_positive(-x)))


@wide
def log_ndtr(x: ndarray) -> ndarray:
    """The logarithm of the normal distribution function."""
    return piecewise(
        x,
        (x < -1, lambda x: np.log(_erfcx_positive(-x * SQRT_HALF) / 2) - x * x / 2),
        (x >= -1, lambda x: np.log1p(-erfc(x * SQRT_HALF) / 2)),
    )


# The inverse of the normal distribution function. Rational approximations from M. J. Wichura, "Algorithm AS 241: The
# percentage points of the normal distribution", Applied Statistics 37 (1988).

_CENTRE = (
    2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4, 4.5921953931549871457e4,
    1.3731693765509461125e4, 1.9715909503065514427e3, 1.3314166789178437745e2, 3.3871328727963666080e0,
)  # fmt: skip
_CENTRE_Q = (
    5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4, 2.1213794301586595867e4,
    5.3941960214247511077e3, 6.8718700749205790830e2, 4.2313330701600911252e1, 1.0,
)  # fmt: skip
_TAIL = (
    7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1, 1.27045825245236838258e0,
    3.64784832476320460504e0, 5.76949722146069140550e0, 4.63033784615654529590e0, 1.42343711074968357734e0,
)  # fmt: skip
_TAIL_Q = (
    1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2, 1.48103976427480074590e-1,
    6.89767334985100004550e-1, 1.67638483018380384940e0, 2.05319162663775882187e0, 1.0,
)  # fmt: skip
_LAST = (
    2.01033439929228813265e-7, 2.71155556874348757815e-5, 1.24266094738807843860e-3, 2.65321895265761230930e-2,
    2.96560571828504891230e-1, 1.78482653991729133580e0, 5.46378491116411436990e0, 6.65790464350110377720e0,
)  # fmt: skip
_LAST_Q = (
    2.04426310338993978564e-15, 1.42151175831644588870e-7, 1.84631831751005468180e-5, 7.86869131145613259100e-4,
    1.48753612908506148525e-2, 1.36929880922735805310e-1, 5.99832206555887937690e-1, 1.0,
)  # fmt: skip


def _quantile(q: ndarray, tail: ndarray) -> ndarray:
    """The x with a probability of ``q + 1/2`` below it; ``tail`` is ``1/2 - |q|`` without cancellation."""

    def centre(q: ndarray) -> ndarray:
        r = 0.180625 - q * q
        return q * polynomial(r, _CENTRE) / polynomial(r, _CENTRE_Q)

    depth = np.sqrt(-np.log(tail))
    outer = piecewise(
        depth,
        (depth <= 5, lambda r: polynomial(r - 1.6, _TAIL) / polynomial(r - 1.6, _TAIL_Q)),
        ((depth > 5) & (depth <= 27), lambda r: polynomial(r - 5, _LAST) / polynomial(r - 5, _LAST_Q)),
        (depth == np.inf, lambda r: r),
    )
    return np.where(np.absolute(q) <= 0.425, centre(q), np.copysign(outer, q))


@wide
def erfinv(y: ndarray) -> ndarray:
    """The inverse of the error function."""
    return _quantile(y / 2, (1 - np.absolute(y)) / 2) * SQRT_HALF


@wide
def ndtri(p: ndarray) -> ndarray:
    """The inverse of the normal distribution function."""
    return _quantile(p - 0.5, np.minimum(p, 1 - p))


# The gamma function's logarithm and its derivatives: Stirling's series after raising the argument by the recurrence,
# reflection for negative arguments. Abramowitz and Stegun, chapter 6.

_BERNOULLI = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510)
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI, 1))[::-1]
_RAISED, _MOST_TERMS = 10.0, 10_000
EULER = 0.57721566490153286061


def _zeta_minus_one(s: int) -> float:
    """``zeta(s) - 1``, by Euler's summation."""
    n = 10
    head = math.fsum(k**-s for k in range(2, n))
    return head + n ** (1 - s) / (s - 1) + n**-s / 2 + math.fsum(
        b / math.factorial(2 * j) * math.prod(range(s, s + 2 * j - 1)) * n ** (1 - s - 2 * j)
        for j, b in enumerate(_BERNOULLI, 1)
    )  # fmt: skip


@functools.cache
def _around_two() -> tuple[float, ...]:
    """The power series of ``lgamma(2 + w)``."""
    terms = [(-1) ** k * _zeta_minus_one(k) / k if k > 1 else 1 - EULER for k in range(1, 31)]
    return (*reversed(terms), 0.0)


def _lgamma_large(x: ndarray) -> ndarray:
    return (x - 0.5) * np.log(x) - x + math.log(2 * math.pi) / 2 + polynomial(1 / (x * x), _STIRLING) / x


def _lgamma_raised(x: ndarray) -> ndarray:
    product = np.ones_like(x)
    raised = x.copy()
    for _ in range(8):
        low = raised < _RAISED
        product = np.where(low, product * raised, product)
        raised = np.where(low, raised + 1, raised)
    return _lgamma_large(raised) - np.log(product)


def _lgamma_negative(x: ndarray) -> ndarray:
    """``pi / |sin(pi x)|`` over the gamma function of ``1 - x``."""
    sine = np.absolute(np.sin(math.pi * (x - np.rint(x))))
    return np.where(sine == 0, np.inf, math.log(math.pi) - np.log(sine) - _lgamma_positive(1 - x))


def _lgamma_positive(x: ndarray) -> ndarray:
    return piecewise(
        x,
        (x < 0.5, lambda x: polynomial(x, _around_two()) - np.log1p(x) - np.log(x)),
        ((x >= 0.5) & (x < 1.5), lambda x: polynomial(x - 1, _around_two()) - np.log(x)),
        ((x >= 1.5) & (x < 2.5), lambda x: polynomial(x - 2, _around_two())),
        ((x >= 2.5) & (x < _RAISED), _lgamma_raised),
        ((x >= _RAISED) & (x < np.inf), _lgamma_large),
        (x == np.inf, np.copy),
    )


@wide
def lgamma(x: ndarray) -> ndarray:
    """The logarithm of the absolute value of the gamma function."""
    return piecewise(
        x, (x > 0, _lgamma_positive), ((x <= 0) & np.isfinite(x), _lgamma_negative), (x == -np.inf, np.absolute)
    )


def _digamma_positive(x: ndarray) -> ndarray:
    total, raised = np.zeros_like(x), x.copy()
    while (low := raised < _RAISED).any():
        total -= np.where(low, 1 / raised, 0)
        raised = np.where(low, raised + 1, raised)
    inverse = 1 / (raised * raised)
    series = polynomial(inverse, tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI, 1))[::-1])
    return np.where(raised == np.inf, np.inf, total + np.log(raised) - 0.5 / raised - inverse * series)


def _digamma_negative(x: ndarray) -> ndarray:
    fraction = x - np.rint(x)
    return np.where(fraction == 0, np.nan, _digamma_positive(1 - x) - math.pi / np.tan(math.pi * fraction))


@wide
def digamma(x: ndarray) -> ndarray:
    """The derivative of `lgamma`."""
    return piecewise(
        x, (x > 0, _digamma_positive), (x == 0, lambda x: np.copysign(np.inf, -x)), (x < 0, _digamma_negative)
    )


@wide
def zeta(s: ndarray, q: ndarray) -> ndarray:
    """The Hurwitz zeta function, the sum of ``(q + k) ** -s``: ten or more terms, then Euler and Maclaurin."""
    s, q = np.broadcast_arrays(s, q)
    valid = (s > 1) & np.isfinite(q) & ((q > 0) | ((s == np.floor(s)) & (q != np.floor(q))))
    below = valid & (q < 0)
    if below.any():  # the terms before zero are those of a sum in the other direction
        result = np.array(zeta(s, np.where(below, 1.0, q)))
        power, start = s[below], q[below] - np.floor(q[below])
        mirrored = zeta(power, 1 - start) - zeta(power, 1 - q[below])
        result[below] = zeta(power, start) + np.where(power % 2 == 0, mirrored, -mirrored)
        return result
    base, exponent = np.where(valid, q, 1.0), np.where(valid, s, 2.0)
    total = np.zeros_like(base)
    for _ in range(int(_RAISED)):
        total = total + base**-exponent
        base = base + 1
    power = base**-exponent
    total = total + base * power / (exponent - 1) + power / 2
    factor = exponent * power / base
    for j, bernoulli in enumerate(_BERNOULLI, 1):
        total = total + bernoulli / math.factorial(2 * j) * factor
        factor = factor * (exponent + 2 * j - 1) * (exponent + 2 * j) / (base * base)
    pole = (s == 1) | (~(s < 1) & (q <= 0) & (q == np.floor(q)))
    return np.where(valid, total, np.where(pole, np.inf, np.nan))


@wide
def trigamma(x: ndarray) -> ndarray:
    """The derivative of `digamma`."""

    def reflected(x: ndarray) -> ndarray:
        sine = np.sin(math.pi * (x - np.rint(x)))
        return (math.pi / sine) ** 2 - zeta(np.full_like(x, 2.0), 1 - x)

    return piecewise(x, (x >= 0.5, lambda x: zeta(np.full_like(x, 2.0), x)), (x < 0.5, reflected))


def polygamma(n: int, x: ndarray) -> ndarray:
    """The ``n``-th derivative of `digamma`."""
    if n == 0:
        return digamma(x)
    if n == 1:
        return trigamma(x)
    return np.asarray((-1.0) ** (n + 1) * math.gamma(n + 1) * zeta(np.full_like(x, n + 1), x), x.dtype)


# The regularised incomplete gamma functions: power series below the mean, Legendre's continued fraction above.
# Press, Teukolsky, Vetterling and Flannery, Numerical Recipes, section 6.2. For large arguments Temme's uniform
# expansion:
# NIST Digital Library of Mathematical Functions, section 8.12.

_LARGE = 2e4


def _gamma_parts(a: ndarray, x: ndarray) -> tuple[ndarray, ndarray]:
    """The lower and the upper function; each without cancellation where it is the smaller one."""
    a, x = (np.array(v) for v in np.broadcast_arrays(a, x))
    valid = (a >= 0) & (x >= 0) & ~((a == 0) & (x == 0))
    plain = valid & (a > 0) & (x > 0) & np.isfinite(a) & np.isfinite(x)
    lower = np.where(valid, np.where((a == 0) | (x == np.inf), 1.0, 0.0), np.nan)
    lower[valid & np.isinf(a) & np.isinf(x)] = np.nan
    lower[np.isposinf(a) & np.isnan(x)], lower[np.isnan(a) & np.isposinf(x)] = 0.0, 1.0  # whatever the other is
    upper = np.subtract(1, lower, out=...)
    large = plain & (a > _LARGE)
    if large.any():
        lower[large], upper[large] = _uniform(a[large], x[large])
    plain &= ~large
    for mask, part in ((plain & (x < a + 1), _lower_series), (plain & (x >= a + 1), _upper_fraction)):
        if mask.any():
            b, y = a[mask], x[mask]
            value = part(b, y) * np.exp(b * np.log(y) - y - lgamma(b))
            first, second = (lower, upper) if part is _lower_series else (upper, lower)
            first[mask], second[mask] = value, 1 - value
    return lower, upper


def _uniform(a: ndarray, x: ndarray) -> tuple[ndarray, ndarray]:
    excess = (x - a) / a
    eta = np.copysign(np.sqrt(2 * np.maximum(excess - np.log1p(excess), 0)), excess)
    close = np.absolute(excess) < 1e-3
    apart = 1 / np.where(close, 1, excess) - 1 / np.where(close, 1, eta)
    first = np.where(close, -1 / 3 + eta / 12 - eta * eta * (2 / 135), apart)
    rest = np.exp(-a * eta * eta / 2) / np.sqrt(2 * math.pi * a) * first
    scaled = eta * np.sqrt(a / 2)
    return erfc(-scaled) / 2 - rest, erfc(scaled) / 2 + rest


def _lower_series(a: ndarray, x: ndarray) -> ndarray:
    term = 1 / a
    total = term.copy()
    for k in range(1, _MOST_TERMS):
        term = term * x / (a + k)
        total += term
        if not (term > 1e-17 * total).any():
            break
    return total


def _upper_fraction(a: ndarray, x: ndarray) -> ndarray:
    tiny = 1e-300
    b = x + 1 - a
    c, d = np.full_like(x, 1 / tiny), 1 / b
    result = d.copy()
    for k in range(1, _MOST_TERMS):
        numerator = -k * (k - a)
        b = b + 2
        d, c = numerator * d + b, b + numerator / c
        d, c = 1 / np.where(np.absolute(d) < tiny, tiny, d), np.where(np.absolute(c) < tiny, tiny, c)
        result *= d * c
        if not (np.absolute(d * c - 1) > 1e-16).any():
            break
    return result


@wide
def gammainc(a: ndarray, x: ndarray) -> ndarray:
    """The regularised lower incomplete gamma function."""
    return _gamma_parts(a, x)[0]


@wide
def gammaincc(a: ndarray, x: ndarray) -> ndarray:
    """The regularised upper incomplete gamma function."""
    return _gamma_parts(a, x)[1]


# Modified Bessel functions of the first kind: the power series, all of whose terms are positive, and far out the
# asymptotic series of Hankel. Abramowitz and Stegun, 9.6.10 and 9.7.1.

_FAR_OUT = 25.0


def _scaled_bessel_i(order: int) -> Callable:
    """``exp(-|x|)`` times the modified Bessel function of order 0 or 1."""

    def series(x: ndarray) -> ndarray:
        quarter = x * x / 4
        term = np.ones_like(x) if order == 0 else x / 2
        total = term.copy()
        for k in range(1, 60):
            term = term * quarter / (k * (k + order))
            total += term
        return total * np.exp(-x)

    def asymptotic(x: ndarray) -> ndarray:
        term, total = np.ones_like(x), np.ones_like(x)
        for k in range(1, 30):
            term = term * ((2 * k - 1) ** 2 - 4 * order * order) / (8 * k * x)
            total += term
        return total / np.sqrt(2 * math.pi * x)

    def scaled(x: ndarray) -> ndarray:
        size = np.absolute(x)
        far = ((size >= _FAR_OUT) & (size < np.inf), asymptotic)
        value = piecewise(size, (size < _FAR_OUT, series), far, (size == np.inf, np.zeros_like))
        return np.copysign(value, x) if order else value

    return scaled


_i0e, _i1e = _scaled_bessel_i(0), _scaled_bessel_i(1)


@wide
def i0e(x: ndarray) -> ndarray:
    """The modified Bessel function of the first kind of order 0, times ``exp(-|x|)``."""
    return _i0e(x)


@wide
def i1e(x: ndarray) -> ndarray:
    """The modified Bessel function of the first kind of order 1, times ``exp(-|x|)``."""
    return _i1e(x)


@wide
def i0(x: ndarray) -> ndarray:
    """The modified Bessel function of the first kind of order 0."""
    return _i0e(x) * np.exp(np.absolute(x))


@wide
def i1(x: ndarray) -> ndarray:
    """The modified Bessel function of the first kind of order 1."""
    return _i1e(x) * np.exp(np.absolute(x))
