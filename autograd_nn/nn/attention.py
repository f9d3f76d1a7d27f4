"""Attention of several heads."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike, Shape
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter, empty_parameter

__all__ = ["MultiheadAttention"]


def _additive(mask: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Return a mask as numbers to add: where a boolean mask is true, -inf."""
    if mask.dtype == np.bool_:
        return Tensor(np.where(mask.array, dtype.type(-np.inf), dtype.type(0)))
    return mask if mask.dtype == dtype else mask.to(dtype)


class MultiheadAttention(Module):
    """Attention of several heads: project queries, keys and values, attend in each head, join, project.

    Parameters
    ----------
    embed_dim : int
        E, of queries and results.
    num_heads : int
        Divides E.
    dropout : float
        Of the attention weights, in training.
    bias : bool
        Whether the projections have biases.
    add_bias_kv, add_zero_attn : bool
        Not available; must be False.
    kdim, vdim : int, optional
        Features of keys and values; E by default.
    batch_first : bool
        Tensors are (N, L, E) instead of (L, N, E).
    device, dtype : optional

    Attributes
    ----------
    in_proj_weight : Parameter of shape (3 E, E) or None
        The projections of queries, keys and values one below the other, drawn by Xavier's rule. With other `kdim` or
        `vdim`, they are `q_proj_weight`, `k_proj_weight` and `v_proj_weight`.
    in_proj_bias : Parameter of shape (3 E,) or None
        First 0.
    out_proj : Linear

    References
    ----------
    A. Vaswani et al., "Attention is all you need", 2017, arXiv:1706.03762.
    """

    in_proj_weight: Parameter | None
    in_proj_bias: Parameter | None

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
        device: DeviceLike = None,
        dtype: DTypeLike | None = None,
    ):
        super().__init__()
        if num_heads < 1 or embed_dim % num_heads:
            raise ValueError(f"MultiheadAttention: num_heads must divide embed_dim (embed_dim={embed_dim}, "
                             f"num_heads={num_heads})")
        if add_bias_kv or add_zero_attn:
            raise NotImplementedError("MultiheadAttention: add_bias_kv and add_zero_attn are not available")
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.batch_first = dropout, batch_first
        self.kdim = embed_dim if kdim is None else kdim
        self.vdim = embed_dim if vdim is None else vdim
        shared = self.kdim == self.vdim == embed_dim
        self.register_parameter(
            "in_proj_weight", empty_parameter((3 * embed_dim, embed_dim), dtype, device) if shared else None
        )
        for name, features in (("q", embed_dim), ("k", self.kdim), ("v", self.vdim)):
            weight = None if shared else empty_parameter((embed_dim, features), dtype, device)
            self.register_parameter(f"{name}_proj_weight", weight)
        self.register_parameter("in_proj_bias", empty_parameter((3 * embed_dim,), dtype, device) if bias else None)
        self.out_proj = Linear(embed_dim, embed_dim, bias, device, dtype)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)

    def _projections(self, query: Tensor, key: Tensor, value: Tensor) -> list[Tensor]:
        E = self.embed_dim
        if self.in_proj_weight is not None and query is key and key is value:
            joint = F.linear(query, self.in_proj_weight, self.in_proj_bias)
            return [joint[..., i * E : (i + 1) * E] for i in range(3)]
        if self.in_proj_weight is not None:
            weights = [self.in_proj_weight[i * E : (i + 1) * E] for i in range(3)]
        else:
            weights = [self.q_proj_weight, self.k_proj_weight, self.v_proj_weight]
        bias = self.in_proj_bias
        biases = [None if bias is None else bias[i * E : (i + 1) * E] for i in range(3)]
        return [F.linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]

    def _heads(self, x: Tensor) -> Tensor:
        """Return (N, L, E) as (N, heads, L, E / heads)."""
        return x.reshape(*x.shape[:2], self.num_heads, self.head_dim).transpose(1, 2)

    def _check(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        batched = query.ndim == 3
        if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim:
            raise RuntimeError(f"MultiheadAttention: query, key and value must all have 2 or all have 3 dims "
                               f"(shapes {query.shape}, {key.shape}, {value.shape})")
        sizes = (("query", query, self.embed_dim), ("key", key, self.kdim), ("value", value, self.vdim))
        for name, x, features in sizes:
            if x.shape[-1] != features:
                raise RuntimeError(f"MultiheadAttention: the last dim of {name} must be {features} "
                                   f"({name}.shape={x.shape})")
        batch = 0 if self.batch_first else 1
        if key.shape[:-1] != value.shape[:-1] or (batched and query.shape[batch] != key.shape[batch]):
            raise RuntimeError(f"MultiheadAttention: query, key and value do not fit each other "
                               f"(shapes {query.shape}, {key.shape}, {value.shape})")

    def _mask(
        self, key_padding_mask: Tensor | None, attn_mask: Tensor | None, shape: Shape, dtype: np.dtype[Any]
    ) -> Tensor | None:
        """Return both masks as one to add to scores of `shape` (N, heads, L, S)."""
        N, heads, L, S = shape
        mask = None
        if attn_mask is not None:
            if attn_mask.shape not in ((L, S), (N * heads, L, S)):
                raise RuntimeError(f"MultiheadAttention: attn_mask must have shape {(L, S)} or {(N * heads, L, S)} "
                                   f"(attn_mask.shape={attn_mask.shape})")
            mask = _additive(attn_mask, dtype)
            mask = mask if mask.ndim == 2 else mask.reshape(N, heads, L, S)
        if key_padding_mask is not None:
            if key_padding_mask.shape != (N, S):
                raise RuntimeError(f"MultiheadAttention: key_padding_mask must have shape {(N, S)} "
                                   f"(key_padding_mask.shape={key_padding_mask.shape})")
            padding = _additive(key_padding_mask, dtype).reshape(N, 1, 1, S)
            mask = padding if mask is None else mask + padding
        return mask

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
        """Attend.

        Parameters
        ----------
        query : Tensor of shape (L, N, E), (N, L, E) with `batch_first`, or (L, E)
        key, value : Tensor of shape (S, N, features), likewise
        key_padding_mask : Tensor of shape (N, S), optional
            True (or -inf to add) where a key is to be ignored.
        need_weights : bool
            Return the attention weights too; faster without.
        attn_mask : Tensor of shape (L, S) or (N * heads, L, S), optional
            True (or -inf to add) where a query may not attend.
        average_attn_weights : bool
            Return the mean of the weights over heads.
        is_causal : bool
            A hint that `attn_mask` hides later positions; needs `attn_mask`.

        Returns
        -------
        output : Tensor like `query`
        weights : Tensor of shape (N, L, S) or (N, heads, L, S), or None
        """
        if is_causal and attn_mask is None:
            raise RuntimeError("MultiheadAttention: is_causal=True needs attn_mask "
                               "(see Transformer.generate_square_subsequent_mask)")
        self._check(query, key, value)
        q, k, v = self._projections(query, key, value)
        batched = query.ndim == 3
        if not batched:
            q, k, v = q.unsqueeze(0), k.unsqueeze(0), v.unsqueeze(0)
            key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
        elif not self.batch_first:
            q, k, v = q.transpose(0, 1), k.transpose(0, 1), v.transpose(0, 1)
        N, L, E = q.shape
        q, k, v = self._heads(q), self._heads(k), self._heads(v)
        mask = self._mask(key_padding_mask, attn_mask, (N, self.num_heads, L, k.shape[2]), q.dtype)
        dropout = self.dropout if self.training else 0.0
        weights = None
        if need_weights:
            scores = (q * (1 / math.sqrt(self.head_dim))) @ k.transpose(-1, -2)
            weights = F.softmax(scores if mask is None else scores + mask, -1)
            weights = F.dropout(weights, dropout) if dropout else weights
            out = weights @ v
            weights = weights.mean(1) if average_attn_weights else weights
            weights = weights if batched else weights.squeeze(0)
        else:
            out = F.scaled_dot_product_attention(q, k, v, mask, dropout)
        out = self.out_proj(out.transpose(1, 2).reshape(N, L, E))
        if not batched:
            return out.squeeze(0), weights
        return out if self.batch_first else out.transpose(0, 1), weights

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
