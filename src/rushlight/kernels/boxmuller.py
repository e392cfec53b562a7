"""Normal numbers from uniform ones by the transform of Box and Muller, equal to PyTorch's to the last bit or nearly so.

Box and Muller, "A note on the generation of random normal deviates", Annals of Mathematical Statistics 29 (1958). The
numbers come in blocks of 16: eight radii's uniforms, then eight angles'. In float32 logarithm, sine and cosine are the
polynomials of Moshier's Cephes library (`logf`, `sinf`, `cosf`), every multiply-add rounded once, because PyTorch's
own are; in float64 they are the C library's.
"""

from __future__ import annotations

import numpy as np

from .fused import fma, fma32
from .native import kernel

BLOCK = 16
_CHUNK = 1024 * BLOCK  # small enough for its temporaries to stay in the cache

_f32 = np.float32
_LOG = [
    _f32(c)
    for c in (
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
]
_SIN = [_f32(c) for c in (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)]
_COS = [_f32(c) for c in (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)]
_LN2_UPPER, _LN2_LOWER = 0.693359375, _f32(-2.12194440e-4)
_PI_4_PARTS = [float(_f32(c)) for c in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8)]
_4_OVER_PI = _f32(4 / np.pi)
_SQRT_HALF = _f32(0.5**0.5)
_HALF = _f32(0.5)
_ONE = _f32(1)


@kernel
def box_muller(uniforms: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Normal numbers of `mean` and `std` from `uniforms` in [0, 1), float32 or float64, whole blocks of them."""
    normals = np.empty_like(uniforms)
    number = uniforms.dtype.type
    for start in range(0, uniforms.size, _CHUNK):
        chunk = slice(start, start + _CHUNK)
        _transform(uniforms[chunk].reshape(-1, 2, 8), normals[chunk].reshape(-1, 2, 8), number(mean), number(std))
    return normals


def _transform(uniforms: np.ndarray, normals: np.ndarray, mean: np.floating, std: np.floating) -> None:
    number = uniforms.dtype.type
    log, sin_cos = (_log32, _sin_cos32) if number is _f32 else (np.log, _sin_cos64)
    radius = np.sqrt(number(-2) * log(1 - uniforms[:, 0]))
    sin, cos = sin_cos(number(2 * np.pi) * uniforms[:, 1])
    for place, direction in enumerate((cos, sin)):
        direction *= radius
        normals[:, place] = direction + mean if std == 1 else fma(direction, std, mean)


def _sin_cos64(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.sin(x), np.cos(x)


def _polynomial(x: np.ndarray, coefficients: list[np.float32]) -> np.ndarray:
    """By Horner's rule, at float32 numbers held as float64."""
    value = np.full(x.shape, coefficients[0])
    for coefficient in coefficients[1:]:
        value = fma32(value, x, coefficient)
    return value


def _log32(x: np.ndarray) -> np.ndarray:
    """The logarithm of positive normal float32 numbers."""
    mantissa, exponent = np.frexp(x)
    small = mantissa < _SQRT_HALF
    m = np.where(small, mantissa + mantissa, mantissa) - _ONE
    e = (exponent - small).astype(_f32)
    square = m * m
    y = fma32(_polynomial(m.astype(np.float64), _LOG) * m, square, e * _LN2_LOWER) - square * _HALF
    return fma32(e, _LN2_UPPER, m + y)


def _sin_cos32(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 numbers from 0 to some thousands."""
    octant = ((x * _4_OVER_PI).astype(np.int32) + 1) & ~1
    for part in _PI_4_PARTS:
        x = fma32(octant, part, x)
    square = x * x
    wide = square.astype(np.float64)
    cos = fma32(_polynomial(wide, _COS) * square, wide, square * -_HALF) + _ONE
    sin = fma32(_polynomial(wide, _SIN) * square, x, x)
    swapped = (octant & 2) != 0
    sin, cos = np.where(swapped, cos, sin), np.where(swapped, sin, cos)
    np.negative(sin, out=sin, where=(octant & 4) != 0)
    np.negative(cos, out=cos, where=((octant + 2) & 4) != 0)
    return sin, cos
