"""Products with one factor left out, and running products, without division: zeros are factors like others."""

from __future__ import annotations

import numpy as np


def of_others(x: np.ndarray, axis: int | None) -> np.ndarray:
    """For each element the product of all other elements, of the array or along an axis."""
    flat = x.reshape(-1) if axis is None else np.moveaxis(x, axis, -1)
    ones = np.ones_like(flat[..., :1])
    before = np.multiply.accumulate(np.concatenate([ones, flat[..., :-1]], -1), -1)
    after = np.multiply.accumulate(np.concatenate([ones, flat[..., :0:-1]], -1), -1)[..., ::-1]
    others = before * after
    return others.reshape(x.shape) if axis is None else np.moveaxis(others, -1, axis)


def weighted_suffixes(x: np.ndarray, g: np.ndarray, axis: int) -> np.ndarray:
    """The gradient of the running product: for each k the sum over j >= k of g[j] times x[0..j] without x[k].

    What lies behind k obeys s[k] = g[k] + x[k+1] s[k+1]; that recurrence is unrolled by doubling (Hillis and Steele,
    "Data parallel algorithms", Communications of the ACM 29, 1986).
    """
    x, g = np.moveaxis(x, axis, -1), np.moveaxis(g, axis, -1)
    ones = np.ones_like(x[..., :1])
    suffix = np.array(np.broadcast_to(g, x.shape), dtype=x.dtype)
    factor = np.concatenate([x[..., 1:], ones * 0], -1)
    step = 1
    while step < x.shape[-1]:
        suffix[..., :-step] += factor[..., :-step] * suffix[..., step:]
        factor[..., :-step] = factor[..., :-step] * factor[..., step:]
        factor[..., -step:] = 0
        step *= 2
    before = np.multiply.accumulate(np.concatenate([ones, x[..., :-1]], -1), -1)
    return np.moveaxis(before * suffix, -1, axis)
