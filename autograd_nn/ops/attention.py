"""Scaled dot-product attention."""

from __future__ import annotations

import math

import numpy as np

from ..engine import effect, wrap
from ..typing import Array, Tensor
from .elementwise import add, eq, logical_not, masked_fill, mul
from .linalg import matmul
from .random import dropout
from .reduce import all, softmax
from .shape import repeat_interleave, transpose

__all__ = ["scaled_dot_product_attention"]


@effect
def _any(x: Tensor) -> bool:
    """Return whether an element is true."""
    return bool(x.array.any())


def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | Array | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """Return ``softmax(query @ key.T * scale + mask) @ value``.

    Parameters
    ----------
    query : Tensor of shape (..., L, E)
    key : Tensor of shape (..., S, E)
    value : Tensor of shape (..., S, V)
    attn_mask : Tensor broadcastable to (..., L, S), optional
        Booleans say which keys take part; numbers are added to the scores.
    dropout_p : float
        The probability with which a weight is set to 0.
    is_causal : bool
        Let query i see keys 0 to i only; not together with `attn_mask`.
    scale : float, optional
        ``1 / sqrt(E)`` by default.
    enable_gqa : bool
        Let several heads (dim -3) of the query share one head of key and value.

    Returns
    -------
    Tensor of shape (..., L, V)
        0 for a query that no key takes part in.

    References
    ----------
    A. Vaswani et al., "Attention is all you need", 2017, arXiv:1706.03762.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> q = k = v = ag.zeros(2, 4, 5, 8)  # batch, heads, places, features
    >>> F.scaled_dot_product_attention(q, k, v, is_causal=True).shape
    (2, 4, 5, 8)
    """
    operation = "scaled_dot_product_attention"
    if query.ndim < 2 or query.array.shape[-1] != key.array.shape[-1] or key.array.shape[-2] != value.array.shape[-2]:
        raise RuntimeError(
            f"{operation}(): query and key need one E, key and value one S "
            f"(query.shape={query.shape}, key.shape={key.shape}, value.shape={value.shape})"
        )
    if is_causal and attn_mask is not None:
        raise RuntimeError(
            f"{operation}(): attn_mask and is_causal exclude each other "
            f"(attn_mask.shape={attn_mask.shape}, is_causal=True)"
        )
    if enable_gqa:
        key, value = (repeat_interleave(x, query.array.shape[-3] // x.array.shape[-3], -3) for x in (key, value))
    scale = 1 / math.sqrt(query.array.shape[-1]) if scale is None else scale
    scores = matmul(mul(query, scale), transpose(key, -1, -2))
    hidden: Tensor | None = None
    if is_causal:
        hidden = wrap(np.triu(np.ones(scores.array.shape[-2:], bool), 1))
    elif attn_mask is not None and attn_mask.dtype == bool:
        hidden = logical_not(attn_mask)
    elif attn_mask is not None:
        scores = add(scores, attn_mask)
        infinite = eq(attn_mask, -np.inf)
        hidden = infinite if _any(infinite) else None
    if hidden is not None:
        scores = masked_fill(scores, hidden, -np.inf)
    blind = None if hidden is None or is_causal else all(hidden, -1, keepdim=True)
    hides_all = blind is not None and _any(blind)
    if blind is not None and hides_all:
        scores = masked_fill(scores, blind, 0.0)
    weights = softmax(scores, -1)
    if blind is not None and hides_all:
        weights = masked_fill(weights, blind, 0.0)
    return matmul(dropout(weights, dropout_p), value)
