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
        if key_padding_mask is not None and attn_mask is not None and key_padding_mask.dtype != attn_mask.dtype:
            warnings.warn(
                "Support for mismatched key_padding_mask and attn_mask is deprecated. Use same type for both instead.",
                stacklevel=3,
            )
        key_padding_mask = _additive(key_padding_mask, "key_padding_mask", query.dtype)
        attn_mask = _additive(attn_mask, "attn_mask", query.dtype)
        swapped = self.batch_first and query.dim() == 3
        if swapped:
            query, key, value = _transposed(query, key, value)
        output, weights = F.multi_head_attention_forward(
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


def _additive(mask: Tensor | None, name: str, target: dtype) -> Tensor | None:
    """The mask as numbers to be added: -inf where a mask of booleans is True."""
    if mask is None or mask.is_floating_point():
        return mask
    if mask.dtype is not bool_dtype:
        raise AssertionError(f"only bool and floating types of {name} are supported")
    return ops.zeros(mask.shape, dtype=target).masked_fill(mask, -math.inf)
