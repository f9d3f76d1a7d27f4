"""Scaled dot-product attention: one primitive that never holds the weights of all queries on all keys.

Its gradient is a primitive too. What they do not take (a gradient of the mask, float16, no keys) is composed of
operations, and so is the gradient of the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import effect, primitive, wrap
from ..kernels import attention as kernels
from ..typing import Array, Gradients, Tensor
from .elementwise import add, eq, logical_not, masked_fill, mul, sub
from .linalg import matmul
from .random import _dropout, default_generator, dropout
from .recurrent import composed_gradients
from .reduce import all, softmax, sum
from .shape import broadcast_to, repeat_interleave, transpose

__all__ = ["scaled_dot_product_attention"]

FEWEST = 8  # queries from which on blocks of them pay


@primitive(results="out largest total")
def _attention(
    q: Array, k: Array, v: Array, mask: Array | None, seed: Array | None, *, scale: float, causal: bool, p: float
) -> tuple[Array, Array, Array]:
    """Return the result, and of each query the largest score and the sum of exponentials less it."""
    return kernels.attention(q, k, v, mask, seed, scale=scale, causal=causal, p=p)


@primitive(results="dq dk dv")
def _attention_input(
    g: Array, q: Array, k: Array, v: Array, mask: Array | None, seed: Array | None, out: Array, largest: Array,
    total: Array, *, scale: float, causal: bool, p: float,
) -> tuple[Array, Array, Array]:  # fmt: skip
    """Return the gradients in q, k and v; the three results are functions of the other inputs."""
    return kernels.attention_input(g, q, k, v, mask, seed, out, largest, total, scale=scale, causal=causal, p=p)


@_attention.defvjps
def _attention_rule(
    g: Tensor, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None, seed: Tensor | None, out: Tensor, largest: Tensor,
    total: Tensor, **settings: Any,
) -> Gradients:  # fmt: skip
    return *_attention_input(g, q, k, v, mask, seed, out, largest, total, **settings), None, None


@_attention_input.defvjps
def _attention_input_rule(
    h: Tensor | None, h_dk: Tensor | None, h_dv: Tensor | None, g: Tensor, q: Tensor, k: Tensor, v: Tensor,
    mask: Tensor | None, seed: Tensor | None, needs: Sequence[bool], scale: float, causal: bool, p: float,
) -> Gradients:  # fmt: skip
    def composed(g: Tensor, q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        weights = _weights(q, k, mask, scale, causal)
        kept = weights if seed is None else _dropout(weights, seed, p=p)[0]
        through = matmul(g, transpose(v, -1, -2))
        through = through if seed is None else _dropout(through, seed, p=p)[0]
        slopes = mul(mul(weights, sub(through, sum(mul(weights, through), -1, keepdim=True))), scale)
        turned = transpose(slopes, -1, -2)
        return matmul(slopes, k), matmul(turned, q), matmul(transpose(kept, -1, -2), g)

    found = composed_gradients(composed, (g, q, k, v), (h, h_dk, h_dv), needs[:4])
    return [*found, None, None, None, None, None]


@effect
def _any(x: Tensor) -> bool:
    """Return whether an element is true."""
    return bool(x.array.any())


def _weights(q: Tensor, k: Tensor, mask: Tensor | Array | None, scale: float, causal: bool) -> Tensor:
    """Return the softmax of the scores that neither the mask nor causality hides, 0 if it hides all of a query."""
    scores = matmul(mul(q, scale), transpose(k, -1, -2))
    hidden: Tensor | None = None
    if causal:
        hidden = wrap(np.triu(np.ones(scores.array.shape[-2:], bool), 1))
    elif mask is not None and mask.dtype == bool:
        hidden = logical_not(mask)
    elif mask is not None:
        scores = add(scores, mask)
        infinite = eq(mask, -np.inf)
        hidden = infinite if _any(infinite) else None
    if hidden is not None:
        scores = masked_fill(scores, hidden, -np.inf)
    blind = None if hidden is None or causal else all(hidden, -1, keepdim=True)
    hides_all = blind is not None and _any(blind)
    if blind is not None and hides_all:
        scores = masked_fill(scores, blind, 0.0)
    weights = softmax(scores, -1)
    if blind is not None and hides_all:
        weights = masked_fill(weights, blind, 0.0)
    return weights


def _is_fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | Array | None) -> bool:
    """Return whether the primitive computes an attention: by dtypes and shapes, and what needs a gradient."""
    queries, keys, values = q.array.shape, k.array.shape, v.array.shape
    if not (q.dtype == k.dtype == v.dtype and q.dtype.char in "fd") or 0 in (*queries, *keys, *values):
        return False
    if queries[-2] < FEWEST:
        return False
    lead, scores = queries[:-2], (*queries[:-1], keys[-2])
    try:
        if not (keys[:-2] == lead == values[:-2] or np.broadcast_shapes(keys[:-2], lead, values[:-2]) == lead):
            return False
        if mask is None:
            return True
        known = mask.dtype == np.bool_ or (mask.dtype == q.dtype and not getattr(mask, "requires_grad", False))
        return known and np.broadcast_shapes(mask.shape, scores) == scores
    except ValueError:
        return False  # the operations say why


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
    if not 0 <= dropout_p <= 1:
        raise ValueError(f"dropout(): p must be from 0 to 1 (p={dropout_p})")
    if not (isinstance(scale, float | int) and _is_fused(query, key, value, attn_mask)):
        return matmul(dropout(_weights(query, key, attn_mask, scale, is_causal), dropout_p), value)
    lead = query.array.shape[:-2]
    key, value = (x if x.array.shape[:-2] == lead else broadcast_to(x, (*lead, *x.array.shape[-2:]))
                  for x in (key, value))  # fmt: skip
    seed = default_generator.integers(0, 2**63 - 1, ()) if dropout_p else None
    out, _, _ = _attention(query, key, value, attn_mask, seed, scale=float(scale), causal=is_causal,
                           p=float(dropout_p))  # fmt: skip
    return out
