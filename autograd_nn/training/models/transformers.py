"""Transformers for images and text, with the weight names of timm, transformers and nanoGPT."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ... import nn
from ...nn import functional as F
from ...ops.shape import cat
from ...tensor import Tensor

__all__ = ["bert", "gpt", "vit_small", "vit_tiny"]


def _heads(x: Tensor, heads: int) -> Tensor:
    """Return (N, L, C) as (N, heads, L, C / heads)."""
    n, length, width = x.shape
    return x.reshape(n, length, heads, width // heads).transpose(1, 2)


def _joined(x: Tensor) -> Tensor:
    """Undo `_heads`."""
    n, heads, length, width = x.shape
    return x.transpose(1, 2).reshape(n, length, heads * width)


def _narrow_normal(model: nn.Module, std: float = 0.02) -> None:
    """Draw weights from a narrow normal distribution, and set biases to 0."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, 0.0, std)
            bias: Any = getattr(module, "bias", None)
            if bias is not None:
                nn.init.zeros_(bias)


# ------------------------------------------------------------------------------------ images


class _ViTAttention(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (_heads(part, self.heads) for part in self.qkv(x).chunk(3, -1))
        out: Tensor = self.proj(_joined(F.scaled_dot_product_attention(q, k, v)))
        return out


class _ViTMlp(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.fc1, self.act, self.fc2 = nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.act(self.fc1(x)))
        return out


class _ViTBlock(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width, eps=1e-6), _ViTAttention(width, heads)
        self.norm2, self.mlp = nn.LayerNorm(width, eps=1e-6), _ViTMlp(width)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x))
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class _Patches(nn.Module):
    def __init__(self, channels: int, width: int, patch: int):
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, patch)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return out


class VisionTransformer(nn.Module):
    """A vision transformer (A. Dosovitskiy et al., 2020, arXiv:2010.11929)."""

    def __init__(self, width: int, heads: int, depth: int, classes: int, size: int, patch: int, channels: int):
        super().__init__()
        if size % patch:
            raise ValueError(f"VisionTransformer(): size must be a multiple of patch (size={size}, patch={patch})")
        self.size = size
        self.cls_token = nn.Parameter(Tensor(np.zeros((1, 1, width), np.float32)))
        self.pos_embed = nn.Parameter(Tensor(np.zeros((1, 1 + (size // patch) ** 2, width), np.float32)))
        self.patch_embed = _Patches(channels, width, patch)
        self.blocks = nn.Sequential(*(_ViTBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, classes)
        _narrow_normal(self)
        nn.init.normal_(self.pos_embed, 0.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (N, classes) of images (N, channels, size, size)."""
        if x.ndim != 4 or x.shape[2:] != (self.size, self.size):
            raise ValueError(f"VisionTransformer: images must be (N, C, {self.size}, {self.size}), got "
                             f"{tuple(x.shape)}")
        x = self.patch_embed(x)
        x = cat([self.cls_token.expand(x.shape[0], -1, -1), x], 1) + self.pos_embed
        logits: Tensor = self.head(self.norm(self.blocks(x))[:, 0])
        return logits


def vit_tiny(classes: int = 1000, size: int = 224, patch: int = 16, channels: int = 3) -> VisionTransformer:
    """Return ViT-Ti/16, with timm's weight names (``vit_tiny_patch16_224``).

    Examples
    --------
    >>> from autograd_nn import models
    >>> import autograd_nn as ag
    >>> net = models.vit_tiny(classes=10, size=32, patch=8)
    >>> net(ag.zeros(1, 3, 32, 32)).shape
    (1, 10)
    """
    return VisionTransformer(192, 3, 12, classes, size, patch, channels)


def vit_small(classes: int = 1000, size: int = 224, patch: int = 16, channels: int = 3) -> VisionTransformer:
    """Return ViT-S/16, with timm's weight names (``vit_small_patch16_224``).

    Examples
    --------
    >>> from autograd_nn import models
    >>> net = models.vit_small(classes=10, size=32, patch=8)
    >>> net.head
    Linear(in_features=384, out_features=10, bias=True)
    """
    return VisionTransformer(384, 6, 12, classes, size, patch, channels)


# ------------------------------------------------------------------------------------ text: GPT


class _GPTAttention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float, bias: bool):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.c_attn, self.c_proj = nn.Linear(width, 3 * width, bias=bias), nn.Linear(width, width, bias=bias)
        self.resid_dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (_heads(part, self.heads) for part in self.c_attn(x).chunk(3, -1))
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0, is_causal=True)
        projected: Tensor = self.resid_dropout(self.c_proj(_joined(out)))
        return projected


class _GPTMlp(nn.Module):
    def __init__(self, width: int, dropout: float, bias: bool):
        super().__init__()
        self.c_fc, self.gelu = nn.Linear(width, 4 * width, bias=bias), nn.GELU()
        self.c_proj, self.dropout = nn.Linear(4 * width, width, bias=bias), nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.dropout(self.c_proj(self.gelu(self.c_fc(x))))
        return out


class _GPTBlock(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float, bias: bool):
        super().__init__()
        self.ln_1, self.attn = nn.LayerNorm(width, bias=bias), _GPTAttention(width, heads, dropout, bias)
        self.ln_2, self.mlp = nn.LayerNorm(width, bias=bias), _GPTMlp(width, dropout, bias)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.ln_1(x))
        out: Tensor = x + self.mlp(self.ln_2(x))
        return out


class GPT(nn.Module):
    """A decoder in the layout of nanoGPT; the embedding of tokens is the weight of the last layer too."""

    def __init__(self, vocabulary: int, context: int, layers: int, heads: int, width: int, dropout: float, bias: bool):
        super().__init__()
        if width % heads:
            raise ValueError(f"gpt(): width must be a multiple of heads (width={width}, heads={heads})")
        self.context = context
        self.transformer = nn.ModuleDict({
            "wte": nn.Embedding(vocabulary, width), "wpe": nn.Embedding(context, width), "drop": nn.Dropout(dropout),
            "h": nn.ModuleList(_GPTBlock(width, heads, dropout, bias) for _ in range(layers)),
            "ln_f": nn.LayerNorm(width, bias=bias)})
        self.lm_head = nn.Linear(width, vocabulary, bias=False)
        _narrow_normal(self)
        self.lm_head.weight = self.transformer["wte"].weight
        for name, parameter in self.named_parameters():
            if name.endswith("c_proj.weight"):
                nn.init.normal_(parameter, 0.0, 0.02 / math.sqrt(2 * layers))

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits (N, L, vocabulary) of the next token after each of (N, L) tokens."""
        length = tokens.shape[1]
        if length > self.context:
            raise ValueError(f"GPT: sequences have at most {self.context} tokens, got {length}")
        parts: Any = self.transformer
        x = parts["drop"](parts["wte"](tokens) + parts["wpe"](Tensor(np.arange(length))))
        for block in parts["h"]:
            x = block(x)
        logits: Tensor = self.lm_head(parts["ln_f"](x))
        return logits


def gpt(vocabulary: int = 50257, context: int = 1024, layers: int = 12, heads: int = 12, width: int = 768,
        dropout: float = 0.0, bias: bool = True) -> GPT:
    """Return a GPT with nanoGPT's weight names; the defaults are those of GPT-2 with 124 million parameters.

    Examples
    --------
    >>> from autograd_nn import models
    >>> import autograd_nn as ag
    >>> net = models.gpt(vocabulary=65, context=16, layers=2, heads=2, width=32)
    >>> net(ag.zeros(1, 8, dtype=ag.int64)).shape
    (1, 8, 65)
    """
    return GPT(vocabulary, context, layers, heads, width, dropout, bias)


# ------------------------------------------------------------------------------------ text: BERT


class _BertEmbeddings(nn.Module):
    def __init__(self, vocabulary: int, context: int, width: int, dropout: float):
        super().__init__()
        self.word_embeddings = nn.Embedding(vocabulary, width, padding_idx=0)
        self.position_embeddings = nn.Embedding(context, width)
        self.token_type_embeddings = nn.Embedding(2, width)
        self.LayerNorm, self.dropout = nn.LayerNorm(width, eps=1e-12), nn.Dropout(dropout)

    def forward(self, tokens: Tensor, types: Tensor | None) -> Tensor:
        if types is None:
            types = Tensor(np.zeros(tokens.shape, np.int64))
        places = self.position_embeddings(Tensor(np.arange(tokens.shape[1])))
        out: Tensor = self.dropout(self.LayerNorm(self.word_embeddings(tokens) + self.token_type_embeddings(types)
                                                  + places))
        return out


class _BertAttention(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.self = nn.Module()
        for name in ("query", "key", "value"):
            setattr(self.self, name, nn.Linear(width, width))
        self.output = _BertOutput(width, width, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        inner: Any = self.self
        q, k, v = (_heads(layer(x), self.heads) for layer in (inner.query, inner.key, inner.value))
        out = F.scaled_dot_product_attention(q, k, v, mask, self.dropout if self.training else 0.0)
        held: Tensor = self.output(_joined(out), x)
        return held


class _BertOutput(nn.Module):
    def __init__(self, inputs: int, width: int, dropout: float):
        super().__init__()
        self.dense, self.LayerNorm = nn.Linear(inputs, width), nn.LayerNorm(width, eps=1e-12)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, residual: Tensor) -> Tensor:
        out: Tensor = self.LayerNorm(self.dropout(self.dense(x)) + residual)
        return out


class _BertLayer(nn.Module):
    def __init__(self, width: int, heads: int, hidden: int, dropout: float):
        super().__init__()
        self.attention = _BertAttention(width, heads, dropout)
        self.intermediate = nn.Module()
        self.intermediate.dense = nn.Linear(width, hidden)
        self.output = _BertOutput(hidden, width, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention(x, mask)
        out: Tensor = self.output(F.gelu(self.intermediate.dense(x)), x)
        return out


class Bert(nn.Module):
    """An encoder of text in the layout of transformers' BertModel (J. Devlin et al., 2018, arXiv:1810.04805)."""

    def __init__(self, vocabulary: int, context: int, layers: int, heads: int, width: int, hidden: int, dropout: float):
        super().__init__()
        if width % heads:
            raise ValueError(f"bert(): width must be a multiple of heads (width={width}, heads={heads})")
        self.context = context
        self.embeddings = _BertEmbeddings(vocabulary, context, width, dropout)
        self.encoder = nn.Module()
        self.encoder.layer = nn.ModuleList(_BertLayer(width, heads, hidden, dropout) for _ in range(layers))
        self.pooler = nn.Module()
        self.pooler.dense = nn.Linear(width, width)
        _narrow_normal(self)

    def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None,
                token_type_ids: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Encode tokens.

        Parameters
        ----------
        input_ids : Tensor of int64, (N, L)
        attention_mask : Tensor, (N, L), optional
            0 where a token is padding.
        token_type_ids : Tensor of int64, (N, L), optional

        Returns
        -------
        tuple of Tensor
            The last layer's vectors (N, L, width), and the pooled one of the first token (N, width).
        """
        if input_ids.shape[1] > self.context:
            raise ValueError(f"Bert: sequences have at most {self.context} tokens, got {input_ids.shape[1]}")
        mask = None
        if attention_mask is not None:
            array = attention_mask.array if isinstance(attention_mask, Tensor) else np.asarray(attention_mask)
            mask = Tensor(array.astype(bool)[:, None, None, :])
        x = self.embeddings(input_ids, token_type_ids)
        for layer in self.encoder.layer:
            x = layer(x, mask)
        return x, self.pooler.dense(x[:, 0]).tanh()


def bert(vocabulary: int = 30522, context: int = 512, layers: int = 12, heads: int = 12, width: int = 768,
         hidden: int | None = None, dropout: float = 0.1) -> Bert:
    """Return a BERT encoder with the weight names of transformers' BertModel; the defaults are bert-base-uncased's.

    ``bert(layers=6, width=384)`` has the sizes of all-MiniLM-L6-v2.

    Examples
    --------
    >>> from autograd_nn import models
    >>> import autograd_nn as ag
    >>> encoder = models.bert(vocabulary=100, context=16, layers=2, heads=2, width=32)
    >>> hidden, pooled = encoder(ag.zeros(1, 8, dtype=ag.int64))
    >>> hidden.shape, pooled.shape
    ((1, 8, 32), (1, 32))
    """
    return Bert(vocabulary, context, layers, heads, width, 4 * width if hidden is None else hidden, dropout)
