"""Attention: softmax of scaled products of queries and keys, times values; and with several heads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .. import dtypes, ops
from ..kernels import attention as kernels
from ..tensor import wrap
from .affine import linear
from .define import op
from .dropouts import dropout
from .levels import everything
from .padding import pad
from .products import cased, summed_to
from .promotion import float32, is_half, raw

__all__: list[str] = []


@op(batch="elementwise")
def _bias_of(input, seen, dtype):
    """What is added to the scores: 0 where a mask says that a key is seen, else minus infinity."""
    return np.where(input == seen, dtype.type(0), dtype.type(-np.inf))


def _composite(query, key, value, bias, scale, causal):
    return _softmax_of_scores(_scores(query, key, bias, scale, causal)) @ value


def _scores(query, key, bias, scale, causal):
    root = math.sqrt(abs(scale))
    scores = (query * (math.copysign(root, scale))) @ (key * root).transpose(-2, -1)
    if causal:
        hidden = ~np.tri(*scores.shape[-2:], dtype=bool)
        return scores.masked_fill(wrap(hidden), -math.inf)
    return scores if bias is None else scores + bias


def _softmax_of_scores(scores: Any) -> Any:
    """Softmax along the last axis; rows without a finite score give zeros."""
    weights = ops.softmax(scores, -1)
    empty = (scores == -math.inf).all(-1, keepdim=True)
    return ops.where(empty, 0.0, weights) if everything(empty).any() else weights


def _attention_back(g, query, key, value, bias, scale, causal, result, logsums, needs):
    whole = bias if bias is None else np.broadcast_to(bias, (*query.shape[:-1], key.shape[-2]))
    of_bias = None
    if needs[3]:
        weights = kernels.weights_of(kernels.scores(query, key, bias, scale, causal), logsums)
        of_bias = summed_to(kernels.gradient_of_scores(g, value, weights, result), bias.shape)
    return *kernels.attention_back(g, query, key, value, whole, scale, causal, result, logsums), of_bias


def _attended_for_each(batch, query, key, value, bias, scale, causal):
    """vmap: the batch is one more of the leading axes."""
    bias = bias if bias is None else batch.aligned(bias, query.ndim)
    return batch.perform((*map(batch.front, (query, key, value)), bias, scale, causal), {})


@op(
    "ScaledDotProductFlashAttentionForCpuBackward0",
    **{"query, key, value, bias": _attention_back},
    outputs=("result", "logsums"),
    nondifferentiable=("logsums",),
    composite=_composite,
    batch=_attended_for_each,
)
def _attention(query, key, value, bias, scale, causal):
    if bias is not None:
        bias = np.broadcast_to(bias, (*query.shape[:-1], key.shape[-2]))
    return kernels.attention(query, key, value, bias, scale, causal)


def scaled_dot_product_attention(
    query, key, value, attn_mask=None, dropout_p=0.0, is_causal=False, scale=None, enable_gqa=False
):
    """softmax(query @ keyᵀ · scale + mask) @ value: (*, L, E), (*, S, E), (*, S, V) to (*, L, V).

    Args:
        attn_mask: added to the scores; a boolean one is True where a query may look.
        dropout_p: probability of dropping a weight; always, in training or not.
        is_causal: a query may look at keys up to its own place.
        scale: of the scores; by default 1 / √E.
        enable_gqa: each head of key and value serves several heads of the query.

    Raises:
        RuntimeError: types differ, or ``attn_mask`` comes together with ``is_causal``.

    Vaswani et al., "Attention Is All You Need", 2017.
    """
    _check_attention(query, key, value, attn_mask, is_causal)
    if enable_gqa and query.ndim >= 3:
        heads = query.shape[-3]
        key = key.repeat_interleave(heads // key.shape[-3], -3)
        value = value.repeat_interleave(heads // value.shape[-3], -3)
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None and query.shape[-1] else 1.0 if scale is None else scale
    bias = attn_mask
    if bias is not None and bias.dtype is dtypes.bool:
        bias = _bias_of(bias, True, float32)
    dtype = query.dtype
    if is_half(dtype.numpy):
        query, key, value = query.float(), key.float(), value.float()
    if bias is not None and bias.dtype is not query.dtype:
        bias = bias.to(query.dtype)
    return _attended(query, key, value, bias, scale, is_causal, dropout_p).to(dtype)


def _attended(query, key, value, bias, scale, causal, dropout_p):
    # Beyond what the fused form takes: dropout, heads to broadcast, nothing to attend to.
    fused = dropout_p == 0 and query.shape[:-2] == key.shape[:-2] == value.shape[:-2]
    if fused and query.numel() and key.numel() and value.numel():
        return _attention(query, key, value, bias, scale, bool(causal))[0]
    weights = _softmax_of_scores(_scores(query, key, bias, scale, causal))
    return dropout(weights, dropout_p) @ value


def _check_attention(query: Any, key: Any, value: Any, attn_mask: Any, is_causal: bool) -> None:
    if not query.dtype == key.dtype == value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{cased(raw(query)).lower()} key.dtype: {cased(raw(key)).lower()} and value.dtype: "
            f"{cased(raw(value)).lower()} instead."
        )
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(
            f"Expected query, key, and value to all be  at least 2 dimensional, but got query.dim: {query.ndim}, "
            f"key.dim: {key.ndim} and value.dim: {value.ndim} instead."
        )
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied: query, key and value have shapes {list(query.shape)}, "
            f"{list(key.shape)} and {list(value.shape)}, but should have (*, L, E), (*, S, E) and (*, S, V)"
        )
    if attn_mask is not None:
        if is_causal:
            raise RuntimeError(
                "_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True"
            )
        if raw(attn_mask).dtype not in (np.dtype(bool), raw(query).dtype, np.dtype(np.float32)):
            raise RuntimeError(
                f"Expected attn_mask dtype to be bool or float or to match query dtype, but got attn_mask.dtype: "
                f"{cased(raw(attn_mask)).lower()} and  query.dtype: {cased(raw(query)).lower()} instead."
            )


# With several heads


def multi_head_attention_forward(
    query, key, value, embed_dim_to_check, num_heads, in_proj_weight, in_proj_bias, bias_k, bias_v, add_zero_attn,
    dropout_p, out_proj_weight, out_proj_bias, training=True, key_padding_mask=None, need_weights=True, attn_mask=None,
    use_separate_proj_weight=False, q_proj_weight=None, k_proj_weight=None, v_proj_weight=None, static_k=None,
    static_v=None, average_attn_weights=True, is_causal=False,
):  # fmt: skip
    """Attention with several heads: what `nn.MultiheadAttention` computes; (L, N, E) or (L, E).

    Returns:
        The output, and the weights (N, L, S), averaged over heads or for each; None unless ``need_weights``.

    Raises:
        RuntimeError: sizes do not fit, or ``is_causal`` comes without ``attn_mask``.
    """
    if not use_separate_proj_weight and key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    batched = _check_heads(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        query, key, value = query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, n, width = query.shape
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    each = width // num_heads
    if each * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if is_causal and attn_mask is None:
        raise RuntimeError("Need attn_mask if specifying the is_causal hint.")
    by_mask = is_causal and key_padding_mask is None and not need_weights
    key_padding_mask = _as_bias(key_padding_mask, query)
    attn_mask = None if by_mask else _as_bias(attn_mask, query)

    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight.chunk(3)
    biases = (None, None, None) if in_proj_bias is None else in_proj_bias.chunk(3)
    q, k, v = (linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases))
    if attn_mask is not None and attn_mask.ndim == 2:
        attn_mask = attn_mask.unsqueeze(0)
    if bias_k is not None and bias_v is not None:
        k, v = ops.cat([k, bias_k.repeat(1, n, 1)]), ops.cat([v, bias_v.repeat(1, n, 1)])
        attn_mask, key_padding_mask = _one_more_key(attn_mask), _one_more_key(key_padding_mask)
    q = q.reshape(length, n * num_heads, each).transpose(0, 1)
    k = static_k if static_k is not None else k.reshape(k.shape[0], n * num_heads, each).transpose(0, 1)
    v = static_v if static_v is not None else v.reshape(v.shape[0], n * num_heads, each).transpose(0, 1)
    if add_zero_attn:
        nothing = wrap(np.zeros((n * num_heads, 1, each), raw(k).dtype))
        k, v = ops.cat([k, nothing], 1), ops.cat([v, nothing], 1)
        attn_mask, key_padding_mask = _one_more_key(attn_mask), _one_more_key(key_padding_mask)
    source = k.shape[1]
    if key_padding_mask is not None:
        padding = (
            key_padding_mask.reshape(n, 1, 1, source).expand(-1, num_heads, -1, -1).reshape(n * num_heads, 1, source)
        )
        attn_mask = padding if attn_mask is None else attn_mask + padding
    dropout_p = dropout_p if training else 0.0

    if not need_weights:
        q, k, v = (x.reshape(n, num_heads, -1, each) for x in (q, k, v))
        if attn_mask is not None:
            attn_mask = (
                attn_mask.unsqueeze(0) if attn_mask.shape[0] == 1 else attn_mask.reshape(n, num_heads, -1, source)
            )
        out = scaled_dot_product_attention(q, k, v, attn_mask, dropout_p, by_mask)
        out = linear(out.permute(2, 0, 1, 3).reshape(length * n, width), out_proj_weight, out_proj_bias).reshape(
            length, n, width
        )
        return (out if batched else out.squeeze(1)), None
    scores = (q * math.sqrt(1.0 / each)) @ k.transpose(-2, -1)
    weights = ops.softmax(scores if attn_mask is None else scores + attn_mask, -1)
    weights = dropout(weights, dropout_p)
    out = (weights @ v).transpose(0, 1).reshape(length * n, width)
    out = linear(out, out_proj_weight, out_proj_bias).reshape(length, n, width)
    weights = weights.reshape(n, num_heads, length, source)
    weights = weights.mean(1) if average_attn_weights else weights
    return (out, weights) if batched else (out.squeeze(1), weights.squeeze(0))


def _check_heads(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, num_heads: int) -> bool:
    """Whether there is a batch axis."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    for name, x in (("key", key), ("value", value)):
        if x.ndim != query.ndim:
            raise AssertionError(
                f"For {'batched (3-D)' if query.ndim == 3 else 'unbatched (2-D)'} `query`, expected `key` and "
                f"`value` to be {query.ndim}-D but found {name} of {x.ndim}-D"
            )
    if key_padding_mask is not None and key_padding_mask.ndim != query.ndim - 1:
        raise AssertionError(
            f"For {query.ndim}-D `query`, expected `key_padding_mask` to be `None` or {query.ndim - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(
                f"expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D tensor instead"
            )
        n = query.shape[1] if query.ndim == 3 else 1
        pairs = (query.shape[0], key.shape[0])
        expected = pairs if attn_mask.ndim == 2 else (n * num_heads, *pairs)
        if tuple(attn_mask.shape) != expected:
            raise RuntimeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {tuple(attn_mask.shape)}, but should be {expected}."
            )
    return query.ndim == 3


def _as_bias(mask: Any, like: Any) -> Any:
    """A mask that is True where a key must not be seen, as what is added to the scores."""
    if mask is None or mask.dtype is not dtypes.bool:
        return mask
    return _bias_of(mask, False, float32).to(like.dtype)


def _one_more_key(mask: Any) -> Any:
    return None if mask is None else pad(mask, (0, 1))
