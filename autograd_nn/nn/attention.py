"""Attention of several heads."""

from __future__ import annotations

from ..tensor import Tensor
from ..typing import DeviceLike, DTypeLike
from . import functional as F
from . import init
from .linear import Linear
from .module import Module
from .parameter import Parameter, empty_parameter

__all__ = ["MultiheadAttention"]


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
    add_bias_kv : bool
        Whether there is one more key and value, which are parameters.
    add_zero_attn : bool
        Whether there is one more key and value, of zeros.
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

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn import nn
    >>> attention = nn.MultiheadAttention(embed_dim=8, num_heads=2, batch_first=True)
    >>> x = ag.zeros(2, 5, 8)
    >>> out, shares = attention(x, x, x)
    >>> out.shape, shares.shape
    ((2, 5, 8), (2, 5, 5))
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
        self.embed_dim, self.num_heads, self.head_dim = embed_dim, num_heads, embed_dim // num_heads
        self.dropout, self.batch_first, self.add_zero_attn = dropout, batch_first, add_zero_attn
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
        for name in ("bias_k", "bias_v"):
            self.register_parameter(name, empty_parameter((1, 1, embed_dim), dtype, device) if add_bias_kv else None)
        self._reset_parameters()

    def _reset_parameters(self) -> None:
        for weight in (self.in_proj_weight, self.q_proj_weight, self.k_proj_weight, self.v_proj_weight):
            if weight is not None:
                init.xavier_uniform_(weight)
        if self.in_proj_bias is not None:
            init.zeros_(self.in_proj_bias)
        if self.out_proj.bias is not None:
            init.zeros_(self.out_proj.bias)
        for bias in (self.bias_k, self.bias_v):
            if bias is not None:
                init.xavier_normal_(bias)

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
        of_query, of_key = query.shape, key.shape
        if of_key[:-1] != value.shape[:-1] or (batched and of_query[batch] != of_key[batch]):
            raise RuntimeError(f"MultiheadAttention: query, key and value do not fit each other "
                               f"(shapes {query.shape}, {key.shape}, {value.shape})")

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
        self._check(query, key, value)
        return F.multi_head_attention_forward(
            query, key, value, self.embed_dim, self.num_heads, self.in_proj_weight, self.in_proj_bias, self.bias_k,
            self.bias_v, self.add_zero_attn, self.dropout, self.out_proj.weight, self.out_proj.bias, self.training,
            key_padding_mask, need_weights, attn_mask, self.in_proj_weight is None, self.q_proj_weight,
            self.k_proj_weight, self.v_proj_weight, average_attn_weights=average_attn_weights, is_causal=is_causal,
            batch_first=self.batch_first,
        )  # fmt: skip

    def extra_repr(self) -> str:
        """Return the settings."""
        return f"embed_dim={self.embed_dim}, num_heads={self.num_heads}"
