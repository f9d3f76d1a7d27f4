"""Padding in PyTorch's argument form: constant, reflected, replicated, circular."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ..engine import check_holds
from ..typing import Array, Pair, Shape, Tensor
from .index import _index_select
from .shape import _crop, _pad_constant, reshape

__all__ = ["pad"]

PLACES = 16384  # of several dims at once, while the index of their elements is small


def _margins(input: Tensor, pad: Sequence[int], operation: str) -> list[Pair]:
    """Return (before, after) of each dim from PyTorch's flat form, which begins at the last dim."""
    pad = tuple(int(n) for n in pad)
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            f"{operation}(): pad needs two entries per dim, from the last dim on (pad={pad}, input.shape={input.shape})"
        )
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)]
    return [(0, 0)] * (input.ndim - len(pairs)) + pairs[::-1]


def _source(mode: str, size: int, before: int, after: int) -> Array:
    """Return which element each place of a padded axis repeats."""
    places = np.arange(-before, size + after)
    if mode == "replicate":
        return np.clip(places, 0, size - 1)
    if mode == "circular":
        return places % size
    period = 2 * (size - 1)
    return np.abs((places + size - 1) % period - (size - 1)) if period else np.zeros_like(places)


@lru_cache(maxsize=128)
def _places(mode: str, shape: Shape, margins: tuple[Pair, ...]) -> Array:
    """Return which element each place of neighbouring padded dims repeats, all counted as one dim."""
    places: Array = np.zeros(1, np.int64)
    for size, widths in zip(shape, margins, strict=True):
        places = (places[:, None] * size + _source(mode, size, *widths)).reshape(-1)
    return places


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Tensor:
    """Return `input` with elements added at the edges of its last dims; negative widths take elements away.

    Parameters
    ----------
    input : Tensor
    pad : sequence of int
        ``(left, right)`` of the last dim, then of the one before it, and so on.
    mode : {'constant', 'reflect', 'replicate', 'circular'}
        'reflect' mirrors without repeating the edge and needs widths below the size of the dim.
    value : number, optional
        For 'constant'; 0 by default.

    Returns
    -------
    Tensor
        The gradient of an element is the sum over the places that repeat it.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.nn import functional as F
    >>> F.pad(ag.tensor([1.0, 2.0]), (1, 2))
    tensor([0., 1., 2., 0., 0.])
    """
    margins = _margins(input, pad, "pad")
    if mode != "constant" and value:
        raise ValueError(f"pad(): value is for mode='constant' only (value={value}, mode={mode!r})")
    if mode not in ("constant", "reflect", "replicate", "circular"):
        raise NotImplementedError(
            f"pad(): mode must be 'constant', 'reflect', 'replicate' or 'circular' (mode={mode!r})"
        )
    if any(n + before + after < 0 for n, (before, after) in zip(input.array.shape, margins)):
        raise RuntimeError(f"pad(): nothing would be left of a dim (input.shape={input.shape}, pad={tuple(pad)})")
    if mode != "replicate" and any(n < 0 for pair in margins for n in pair):
        input = _crop(input, widths=tuple((max(-before, 0), max(-after, 0)) for before, after in margins))
        margins = [(max(before, 0), max(after, 0)) for before, after in margins]
    if mode == "constant":
        check_holds(input.dtype, value or 0, "pad")
        return _pad_constant(input, widths=tuple(margins), value=value or 0) if any(map(any, margins)) else input
    for dim, (before, after) in enumerate(margins):
        if before or after:
            size = input.array.shape[dim]
            limit = {"reflect": size - 1, "circular": size, "replicate": math.inf if size else 0}[mode]
            if max(before, after) > limit:
                raise RuntimeError(
                    f"pad(): mode={mode!r} needs widths of at most {limit} in dim {dim} "
                    f"(pad={tuple(pad)}, input.shape={input.shape})"
                )
    padded = [dim for dim, widths in enumerate(margins) if any(widths)]
    runs = [range(padded[0], padded[-1] + 1)] if padded else []
    if len(padded) > 1 and math.prod(input.array.shape[dim] + sum(margins[dim]) for dim in runs[0]) > PLACES:
        runs = [range(dim, dim + 1) for dim in padded]
    for dims in runs:
        input = _repeated(input, mode, dims, margins)
    return input


def _repeated(input: Tensor, mode: str, dims: range, margins: Sequence[Pair]) -> Tensor:
    """Return `input` padded by its own elements along neighbouring dims, taken as one."""
    shape, first, last = input.array.shape, dims[0], dims[-1] + 1
    places = _places(mode, shape[first:last], tuple(margins[first:last]))
    if len(dims) == 1:
        return _index_select(input, places, dim=first)
    out = _index_select(
        reshape(input, (*shape[:first], math.prod(shape[first:last]), *shape[last:])), places, dim=first
    )
    return reshape(out, (*shape[:first], *(shape[dim] + sum(margins[dim]) for dim in dims), *shape[last:]))
