"""Attention: every position of a sequence looks at the positions of another, or of its own."""

from __future__ import annotations

import math
import warnings
from typing import Any

from .. import ops
from ..dtypes import bool as bool_dtype
from ..dtypes import dtype
from ..tensor import Parameter, Tensor
from . import functional as F
from . import init
from .linear import NonDynamicallyQuantizableLinear
from .module import Module
from .parameter import new_parameter


class MultiheadAttention(Module):
    """softmax(Q Kᵀ / √d) V in `num_heads` subspaces of width d = embed_dim / num_heads, put together by a Linear.

    Q, K, V are linear maps of query, key and value. `kdim` and `vdim` are the widths of key and value where these
    differ; `add_bias_kv` appends a learned position, `add_zero_attn` a position of zeros, to keys and values.

    Shape:
        query (L, N, embed_dim), key (S, N, kdim), value (S, N, vdim), with N first if `batch_first`, without N if
        unbatched → (L, N, embed_dim), and weights (N, L, S), or (N, num_heads, L, S) if they are not averaged.

    Source: Vaswani et al., 2017.

    Example:
        >>> import rushlight as torch
        >>> attention = torch.nn.MultiheadAttention(8, num_heads=2, batch_first=True)
        >>> x = torch.zeros(4, 5, 8)
        >>> output, weights = attention(x, x, x)
        >>> output.shape, weights.shape
        (torch.Size([4, 5, 8]), torch.Size([4, 5, 5]))
    """

    bias_k: Tensor | None
    bias_v: Tensor | None

    def __init__(
        self,
        embed_dim: int,
        num_heads: int,
        dropout: float = 0.0,
        bias: bool = True,
        add_bias_kv: bool = False,
        add_zero_attn: bool = False,
        kdim: int | None = None,
        vdim: int | None = None,
        batch_first: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        if embed_dim <= 0 or num_heads <= 0:
            raise ValueError(
                f"embed_dim and num_heads must be greater than 0, got embed_dim={embed_dim} and "
                f"num_heads={num_heads} instead"
            )
        if embed_dim % num_heads:
            raise AssertionError("embed_dim must be divisible by num_heads")
        super().__init__()
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.kdim, self.vdim = kdim or embed_dim, vdim or embed_dim
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
        self._qkv_same_embed_dim = self.kdim == self.vdim == embed_dim

        def parameter(wanted: bool, *shape: int) -> Parameter | None:
            return new_parameter(*shape, device=device, dtype=dtype) if wanted else None

        together = self._qkv_same_embed_dim
        for letter, width in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            self.register_parameter(f"{letter}_proj_weight", parameter(not together, embed_dim, width))
        self.register_parameter("in_proj_weight", parameter(together, 3 * embed_dim, embed_dim))
        self.register_parameter("in_proj_bias", parameter(bias, 3 * embed_dim))
        self.out_proj = NonDynamicallyQuantizableLinear(embed_dim, embed_dim, bias=bias, device=device, dtype=dtype)
        self.bias_k, self.bias_v = (parameter(add_bias_kv, 1, 1, embed_dim) for _ in range(2))
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend; return the output and the weights, or None for these unless `need_weights`.

        Masks are True, or added -inf, where nothing is to be looked at: `key_padding_mask` (N, S) for positions of
        the key, `attn_mask` (L, S) or (N · num_heads, L, S) for pairs; `is_causal` says that it is the causal one.
        """
        swapped = self.batch_first and query.dim() == 3
        if swapped:
            query, key, value = _transposed(query, key, value)
        output, weights = multi_head_attention_forward(
            query,
            key,
            value,
            self.embed_dim,
            self.num_heads,
            self.in_proj_weight,
            self.in_proj_bias,
            self.bias_k,
            self.bias_v,
            self.add_zero_attn,
            self.dropout,
            self.out_proj.weight,
            self.out_proj.bias,
            training=self.training,
            key_padding_mask=key_padding_mask,
            need_weights=need_weights,
            attn_mask=attn_mask,
            use_separate_proj_weight=not self._qkv_same_embed_dim,
            q_proj_weight=self.q_proj_weight,
            k_proj_weight=self.k_proj_weight,
            v_proj_weight=self.v_proj_weight,
            average_attn_weights=average_attn_weights,
            is_causal=is_causal,
        )
        return output.transpose(0, 1) if swapped else output, weights


def _transposed(*tensors: Tensor) -> list[Tensor]:
    """The tensors with their first two axes exchanged; one that is given twice stays one."""
    done = {id(tensor): tensor.transpose(0, 1) for tensor in tensors}
    return [done[id(tensor)] for tensor in tensors]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """MultiheadAttention with its parameters given; see there. `static_k`, `static_v` replace the mapped key, value.

    Shape:
        query (L, N, E), key and value (S, N, ·), or without N; static_k and static_v (N · num_heads, S, head_dim).
    """
    _check_axes(query, key, value, key_padding_mask, attn_mask)
    batched = query.dim() == 3
    if not batched:
        query, key, value = (tensor.unsqueeze(1) for tensor in (query, key, value))
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    length, batch, width = query.shape
    source = key.size(0)
    head_dim = _head_dim(width, embed_dim_to_check, num_heads)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if (key.shape[:2] if use_separate_proj_weight else key.shape) != (
        value.shape[:2] if use_separate_proj_weight else value.shape
    ):
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")

    weights = (q_proj_weight, k_proj_weight, v_proj_weight) if use_separate_proj_weight else in_proj_weight.chunk(3)
    biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
    q, k, v = (F.linear(*mapped) for mapped in zip((query, key, value), weights, biases, strict=True))
    if bias_k is not None:
        k, v = (ops.cat([x, bias.repeat(1, batch, 1)]) for x, bias in ((k, bias_k), (v, bias_v)))
    q, k, v = (x.reshape(x.size(0), batch, num_heads, head_dim).permute(1, 2, 0, 3) for x in (q, k, v))
    if static_k is not None:
        k = static_k.reshape(batch, num_heads, -1, head_dim)
    if static_v is not None:
        v = static_v.reshape(batch, num_heads, -1, head_dim)
    if add_zero_attn:
        k, v = (F.pad(x, (0, 0, 0, 1)) for x in (k, v))

    causal = is_causal and key_padding_mask is None and not need_weights
    mask = None if causal else _merged(attn_mask, key_padding_mask, (batch, num_heads, length, source), query.dtype)
    if mask is not None:
        mask = F.pad(mask, (0, k.size(2) - source))
    dropout_p = dropout_p if training else 0.0

    attention = None
    if need_weights:
        scores = (q * math.sqrt(1.0 / head_dim)) @ k.transpose(-2, -1)
        attention = F.softmax(scores if mask is None else scores + mask, -1)
        attention = F.dropout(attention, dropout_p) if dropout_p > 0 else attention
        output = attention @ v
        attention = attention.mean(1) if average_attn_weights else attention
    else:
        output = F.scaled_dot_product_attention(q, k, v, mask, dropout_p, causal)
    output = F.linear(output.permute(2, 0, 1, 3).reshape(length, batch, width), out_proj_weight, out_proj_bias)
    if batched:
        return output, attention
    return output.squeeze(1), None if attention is None else attention.squeeze(0)


def _check_axes(query: Tensor, key: Tensor, value: Tensor, padding: Tensor | None, mask: Tensor | None) -> None:
    axes = query.dim()
    if axes not in (2, 3):
        raise AssertionError(f"query should be unbatched 2D or batched 3D tensor but received {axes}-D query tensor")
    kind = "batched (3-D)" if axes == 3 else "unbatched (2-D)"
    if key.dim() != axes or value.dim() != axes:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {axes}-D but found {key.dim()}-D and "
            f"{value.dim()}-D tensors respectively"
        )
    if padding is not None and padding.dim() != axes - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {axes - 1}-D but found "
            f"{padding.dim()}-D tensor instead"
        )
    if mask is not None and mask.dim() not in (2, 3):
        raise AssertionError(
            f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {mask.dim()}-D tensor instead"
        )


def _head_dim(width: int, expected: int, num_heads: int) -> int:
    if width != expected:
        raise AssertionError(f"was expecting embedding dimension of {expected}, but got {width}")
    if width % num_heads:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    return width // num_heads


def _merged(
    attn_mask: Tensor | None, key_padding_mask: Tensor | None, shape: tuple[int, int, int, int], target: dtype
) -> Tensor | None:
    """Both masks as one that is added to scores of this shape, (N, heads, L, S), or None."""
    batch, heads, length, source = shape
    if attn_mask is not None and key_padding_mask is not None and attn_mask.dtype != key_padding_mask.dtype:
        warnings.warn(
            "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.",
            stacklevel=4,
        )
    mask = None
    if attn_mask is not None:
        expected = (length, source) if attn_mask.dim() == 2 else (batch * heads, length, source)
        if tuple(attn_mask.shape) != expected:
            raise RuntimeError(
                f"The shape of the {attn_mask.dim()}D attn_mask is {attn_mask.shape}, but should be {expected}."
            )
        mask = _additive(attn_mask, "attn_mask", target).reshape(
            *((1, 1) if attn_mask.dim() == 2 else (batch, heads)), length, source
        )
    if key_padding_mask is not None:
        for axis, size in enumerate((batch, source)):
            if key_padding_mask.size(axis) != size:
                raise AssertionError(
                    f"Expected key_padded_mask.shape[{axis}] to be {size}, but got {key_padding_mask.size(axis)}"
                )
        padding = _additive(key_padding_mask, "key_padding_mask", target).reshape(batch, 1, 1, source)
        mask = padding if mask is None else mask + padding
    return mask


def _additive(mask: Tensor, name: str, target: dtype) -> Tensor:
    """The mask as numbers to be added: -inf where a mask of booleans is True."""
    if mask.is_floating_point():
        return mask
    if mask.dtype is not bool_dtype:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return ops.zeros(mask.shape, dtype=target).masked_fill(mask, -math.inf)
