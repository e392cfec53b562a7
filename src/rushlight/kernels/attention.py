"""Attention on arrays: softmax of the scaled products of queries and keys, times the values."""

from __future__ import annotations

import numpy as np

from .matrix import product
from .native import kernel


def scores(query: np.ndarray, key: np.ndarray, bias: np.ndarray | None, scale: float, causal: bool) -> np.ndarray:
    """What softmax is taken of, (*, L, S): minus infinity where a query must not look."""
    found = product(query * np.asarray(scale, query.dtype), key.mT)
    if bias is not None:
        found += bias
    if causal:
        found[..., ~np.tri(*found.shape[-2:], dtype=np.bool)] = -np.inf
    return found


def weights_of(scores: np.ndarray, logsums: np.ndarray) -> np.ndarray:
    """The weights from the scores and the logarithm of each row's sum of exponentials."""
    scores -= logsums.reshape(*scores.shape[:-1], 1)
    return np.exp(scores, out=scores)


@kernel
def attention(
    query: np.ndarray, key: np.ndarray, value: np.ndarray, bias: np.ndarray | None, scale: float, causal: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The result (*, L, V) for queries (*, L, E), keys (*, S, E) and values (*, S, V); bias (*, L, S).

    And the logarithm of the sum of exponentials of the scores of each query, (heads, L): infinity for a query that may
    look nowhere, whose result is zero.
    """
    found = scores(query, key, bias, scale, causal)
    most = found.max(-1, keepdims=True)
    most[np.isneginf(most)] = 0
    found -= most
    sums = np.add.reduce(np.exp(found, out=found), -1, keepdims=True)
    nothing = sums == 0
    found /= np.where(nothing, 1, sums)
    with np.errstate(divide="ignore"):
        logsums = np.where(nothing, np.inf, most + np.log(sums))
    return product(found, value), logsums.reshape(-1, query.shape[-2]).astype(query.dtype, copy=False)


@kernel
def attention_back(
    g: np.ndarray,
    query: np.ndarray,
    key: np.ndarray,
    value: np.ndarray,
    bias: np.ndarray | None,
    scale: float,
    causal: bool,
    result: np.ndarray,
    logsums: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradients of query, key and value."""
    weights = weights_of(scores(query, key, bias, scale, causal), logsums)
    of_scores = gradient_of_scores(g, value, weights, result)
    of_scores *= scale
    return product(of_scores, key), product(of_scores.mT, query), product(weights.mT, g)


def gradient_of_scores(g: np.ndarray, value: np.ndarray, weights: np.ndarray, result: np.ndarray) -> np.ndarray:
    """The gradient of the scores, which is that of the bias."""
    of_scores = product(g, value.mT)
    of_scores -= np.vecdot(g, result)[..., None]
    of_scores *= weights
    return of_scores
