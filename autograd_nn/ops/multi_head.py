"""Attention of several heads as one function: project, attend in each head, join, project."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..engine import wrap
from ..typing import Array, Shape, Tensor
from .attention import scaled_dot_product_attention
from .elementwise import add, masked_fill, mul
from .linalg import linear, matmul
from .random import dropout
from .reduce import mean, softmax
from .shape import broadcast_to, cat, narrow, reshape, squeeze, to_dtype, transpose, unsqueeze

__all__ = ["multi_head_attention_forward"]

_NAME = "multi_head_attention_forward"


def _additive(mask: Tensor, dtype: np.dtype[Any]) -> Tensor:
    """Return a mask as numbers to add: -inf if a boolean mask is true."""
    if mask.dtype == np.bool_:
        return masked_fill(wrap(np.zeros(mask.array.shape, dtype)), mask, -math.inf)
    return to_dtype(mask, dtype)


def _joined_mask(
    key_padding_mask: Tensor | None, attn_mask: Tensor | None, shape: Shape, dtype: np.dtype[Any], more: int
) -> Tensor | None:
    """Return both masks as one to add to scores of `shape` (N, heads, L, S), `more` keys at the end not hidden."""
    N, heads, L, S = shape
    mask = None
    if attn_mask is not None:
        if attn_mask.array.shape not in ((L, S), (N * heads, L, S)):
            raise RuntimeError(f"{_NAME}(): attn_mask must have shape {(L, S)} or {(N * heads, L, S)} "
                               f"(attn_mask.shape={attn_mask.shape})")
        mask = _additive(attn_mask, dtype)
        mask = mask if mask.ndim == 2 else reshape(mask, (N, heads, L, S))
    if key_padding_mask is not None:
        if key_padding_mask.array.shape != (N, S):
            raise RuntimeError(f"{_NAME}(): key_padding_mask must have shape {(N, S)} "
                               f"(key_padding_mask.shape={key_padding_mask.shape})")
        padding = reshape(_additive(key_padding_mask, dtype), (N, 1, 1, S))
        mask = padding if mask is None else add(mask, padding)
    if mask is None or not more:
        return mask
    return cat([mask, wrap(np.zeros((*mask.array.shape[:-1], more), dtype))], -1)


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weight: Tensor | None, separate: list[Tensor | None],
    bias: Tensor | None, E: int,
) -> list[Tensor]:  # fmt: skip
    if weight is not None and query is key and key is value:
        joint = linear(query, weight, bias)
        return [narrow(joint, -1, i * E, E) for i in range(3)]
    weights = separate if weight is None else [narrow(weight, 0, i * E, E) for i in range(3)]
    biases = [None if bias is None else narrow(bias, 0, i * E, E) for i in range(3)]
    return [linear(x, w, b) for x, w, b in zip((query, key, value), weights, biases)]  # type: ignore[arg-type]


def _with_row(x: Tensor, row: Tensor | Array) -> Tensor:
    """Return keys or values (N, S, E) with one more, the same in each sequence."""
    return cat([x, broadcast_to(row, (x.array.shape[0], 1, x.shape[2]))], 1)  # type: ignore[arg-type]


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
    *,
    batch_first: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Return what `nn.MultiheadAttention` computes, given its parameters, and the attention weights.

    Parameters
    ----------
    query : Tensor of shape (L, N, E) or (L, E)
    key, value : Tensor of shape (S, N, features) or (S, features)
    embed_dim_to_check : int
        E.
    num_heads : int
        Divides E.
    in_proj_weight : Tensor of shape (3 E, E)
        The projections of queries, keys and values one below the other.
    in_proj_bias : Tensor of shape (3 E,), optional
    bias_k, bias_v : Tensor of shape (1, 1, E), optional
        One more key and value in each sequence.
    add_zero_attn : bool
        Add a key and a value of zeros.
    dropout_p : float
        Of the attention weights, if `training`.
    out_proj_weight : Tensor of shape (E, E)
    out_proj_bias : Tensor of shape (E,), optional
    training : bool
    key_padding_mask : Tensor of shape (N, S), optional
        True, or -inf to add, for a key to be ignored.
    need_weights : bool
        Return the attention weights too; faster without.
    attn_mask : Tensor of shape (L, S) or (N * num_heads, L, S), optional
        True, or -inf to add, for a key that a query may not attend to.
    use_separate_proj_weight : bool
        Whether `q_proj_weight`, `k_proj_weight` and `v_proj_weight` are given instead of `in_proj_weight`.
    static_k, static_v
        Not available; must be None.
    average_attn_weights : bool
        Return the mean of the weights over heads.
    is_causal : bool
        A hint that `attn_mask`, which must be given, hides later positions.
    batch_first : bool
        Whether query, key, value and output are (N, L, E) and (N, S, features), as `nn.MultiheadAttention` may be told;
        PyTorch's function has no such setting.

    Returns
    -------
    output : Tensor like `query`
    weights : Tensor of shape (N, L, S) or (N, num_heads, L, S), or None

    Examples
    --------
    >>> import autograd_nn as ag
    >>> x, weight = ag.ones(2, 1, 4), ag.ones(12, 4)
    >>> attend = ag.nn.functional.multi_head_attention_forward
    >>> attend(x, x, x, 4, 2, weight, None, None, None, False, 0.0, ag.eye(4), None)[0].shape
    (2, 1, 4)
    """
    E = embed_dim_to_check
    if query.ndim not in (2, 3) or key.ndim != query.ndim or value.ndim != query.ndim or query.array.shape[-1] != E:
        raise RuntimeError(f"{_NAME}(): query, key and value must all have 2 or 3 dims, and query {E} features "
                           f"(shapes {query.shape}, {key.shape}, {value.shape})")
    if num_heads < 1 or E % num_heads:
        raise ValueError(f"{_NAME}(): num_heads must divide E (E={E}, num_heads={num_heads})")
    if static_k is not None or static_v is not None:
        raise NotImplementedError(f"{_NAME}(): static_k and static_v are not available")
    if is_causal and attn_mask is None:
        raise RuntimeError(f"{_NAME}(): is_causal=True needs attn_mask "
                           "(see nn.Transformer.generate_square_subsequent_mask)")
    separate = [q_proj_weight, k_proj_weight, v_proj_weight]
    weight = None if use_separate_proj_weight else in_proj_weight
    if weight is None and None in [None if w is None else 0 for w in separate]:
        raise RuntimeError(f"{_NAME}(): needs in_proj_weight, or use_separate_proj_weight and the weights of all three")
    batched = query.ndim == 3
    projected = _projected(query, key, value, weight, separate, in_proj_bias, E)
    if not batched:
        q, k, v = (unsqueeze(x, 0) for x in projected)
    else:
        q, k, v = projected if batch_first else (transpose(x, 0, 1) for x in projected)
    if key_padding_mask is not None and not batched:
        key_padding_mask = unsqueeze(key_padding_mask, 0)
    (N, L, _), S, width = q.array.shape, k.array.shape[1], E // num_heads
    if bias_k is not None and bias_v is not None:
        k, v = _with_row(k, bias_k), _with_row(v, bias_v)
    if add_zero_attn:
        zeros = wrap(np.zeros((1, 1, E), q.dtype))
        k, v = _with_row(k, zeros), _with_row(v, zeros)
    mask = _joined_mask(key_padding_mask, attn_mask, (N, num_heads, L, S), q.dtype, k.array.shape[1] - S)
    q, k, v = (transpose(reshape(x, (*x.array.shape[:2], num_heads, width)), 1, 2) for x in (q, k, v))
    rate = dropout_p if training else 0.0
    weights = None
    if need_weights:
        scores = matmul(mul(q, 1 / math.sqrt(width)), transpose(k, -1, -2))
        weights = softmax(scores if mask is None else add(scores, mask), -1)
        weights = dropout(weights, rate) if rate else weights
        out = matmul(weights, v)
        weights = mean(weights, 1) if average_attn_weights else weights
        weights = weights if batched else squeeze(weights, 0)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, rate)
    out = linear(reshape(transpose(out, 1, 2), (N, L, E)), out_proj_weight, out_proj_bias)
    if not batched:
        return squeeze(out, 0), weights
    return out if batch_first else transpose(out, 0, 1), weights
