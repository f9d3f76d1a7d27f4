"""Images and volumes sampled at points: `grid_sample`, `affine_grid`, and the resampling of one axis.

A sample is a weighted sum of elements at some places. The weights are computed by operations from the positions, so
that their gradients follow; the sum is one of three primitives, each the adjoint of the others (see `kernels.sample`).
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine import primitive, wrap
from ..kernels import sample as kernels
from ..typing import Array, Shape, Tensor
from .elementwise import add, clamp, div, eq, floor, gt, isnan, logical_and, lt, mul, remainder, round, sub, where
from .linalg import matmul
from .shape import movedim, reshape, select, stack, transpose

__all__ = ["affine_grid", "grid_sample"]


@primitive
def _weighted_take(x: Array, weight: Array, index: Array) -> Array:
    return kernels.weighted_take(x, weight, index)


@primitive
def _weighted_put(g: Array, weight: Array, index: Array, *, size: int) -> Array:
    return kernels.weighted_put(g, weight, index, size)


@primitive
def _weighted_products(g: Array, x: Array, index: Array) -> Array:
    return kernels.weighted_products(g, x, index)


_weighted_take.defvjp(
    x=lambda g, x_like, weight, index: _weighted_put(g, weight, index, size=x_like.shape[2]),
    weight=lambda g, x, index: _weighted_products(g, x, index),
)
_weighted_put.defvjp(
    g=lambda h, weight, index: _weighted_take(h, weight, index),
    weight=lambda h, g, index: _weighted_products(g, h, index),
)
_weighted_products.defvjp(
    g=lambda h, x, index: _weighted_take(x, h, index),
    x=lambda h, g, x_like, index: _weighted_put(g, h, index, size=x_like.shape[2]),
)


def resampled(x: Tensor, dim: int, weight: Array, index: Array) -> Tensor:
    """Return `x` with each element along `dim` replaced by weighted sums, (size, K) weights at (size, K) places."""
    moved = movedim(x, dim, -1)
    rows = reshape(moved, (1, math.prod(moved.array.shape[:-1]), moved.array.shape[-1]))
    out = _weighted_take(rows, wrap(weight.astype(x.dtype)[None]), wrap(index[None]))
    return movedim(reshape(out, (*moved.array.shape[:-1], len(weight))), -1, dim)


def cubic(t: Any, a: float) -> list[Any]:
    """Return the weights of the four neighbours of a point that lies `t` beyond the second of them (Keys 1981).

    Parameters
    ----------
    t : Tensor or ndarray
        From 0 to 1.
    a : float
        The slope of the weights at a distance of 1.
    """

    def near(u: Any) -> Any:
        return ((a + 2) * u - (a + 3)) * u * u + 1

    def far(u: Any) -> Any:
        return ((a * u - 5 * a) * u + 8 * a) * u - 4 * a

    return [far(t + 1), near(t), near(1 - t), far(2 - t)]


# ------------------------------------------------------------------------------------ positions


def _kept_within(x: Tensor, size: int) -> Tensor:
    """Return positions moved to the nearest element; the derivative is 1 between the outermost elements, else 0."""
    inside = logical_and(gt(x, 0), lt(x, size - 1))
    end = clamp(x.detach(), 0, size - 1)
    return where(inside, x, where(isnan(end), 0.0, end))  # NaN stands for -1 in the grid


def _mirror(size: int, align_corners: bool) -> tuple[float, float]:
    """Return where the mirror at the low end stands, and its distance to the other one."""
    return (0.0, size - 1.0) if align_corners else (-0.5, float(size))


def _reflected(x: Tensor, size: int, align_corners: bool) -> Tensor:
    """Return positions mirrored at the outermost elements, or at their outer edges, until they lie within."""
    low, span = _mirror(size, align_corners)
    if span == 0:
        return mul(x, 0.0)
    away = where(lt(x, low), sub(low, x), sub(x, low))
    turns = floor(div(away, span)).detach()
    rest = sub(away, mul(turns, span))
    return _kept_within(where(eq(remainder(turns, 2), 0), add(rest, low), sub(span + low, rest)), size)


def _padded(x: Tensor, size: int, padding_mode: str, align_corners: bool) -> Tensor:
    if padding_mode == "border":
        return _kept_within(x, size)
    return _reflected(x, size, align_corners) if padding_mode == "reflection" else x


def _place(position: Array, size: int, padding_mode: str, align_corners: bool) -> Array:
    """Return the element at a whole position, -1 beyond the ends unless the mode says which one stands for it."""
    if padding_mode == "border":
        position = np.where(np.isnan(position), 0, position.clip(0, size - 1))
    elif padding_mode == "reflection":
        low, span = _mirror(size, align_corners)
        if span == 0:
            position = np.zeros_like(position)
        else:
            away = np.abs(position - low)
            turns = np.floor(away / span)
            rest = away - turns * span
            position = np.where(turns % 2 == 0, rest + low, span + low - rest).clip(0, size - 1)
            position = np.where(np.isnan(position), 0, position)  # infinity is mirrored to nowhere
    inside = (position >= 0) & (position < size)
    return np.where(inside, position, -1).astype(np.int64)


@primitive
def _grid_places(
    *positions: Array, sizes: Shape, taps: tuple[int, ...], nearest: bool, padding_mode: str, align_corners: bool
) -> Array:
    """Return the elements (N, P, K) around each point, given its position along each dim, in flattened volumes."""
    out = np.zeros((*positions[0].shape, 1), np.int64)
    outside = np.zeros(out.shape, bool)
    for position, size in zip(positions, sizes):
        first = (np.rint if nearest else np.floor)(position).astype(np.float64)
        near = _place(first[..., None] + np.array(taps), size, padding_mode, align_corners)
        shape = (*position.shape, out.shape[-1] * len(taps))
        outside = (outside[..., None] | (near < 0)[..., None, :]).reshape(shape)
        out = (out[..., None] * size + near[..., None, :]).reshape(shape)
    return np.where(outside, -1, out)


def _weights(t: Tensor, mode: str) -> list[Tensor]:
    """Return the weights of the taps along one dim, given how far a point lies beyond the element before it."""
    if mode == "bicubic":
        return cubic(t, -0.75)
    return [sub(1.0, t), t]


def grid_sample(
    input: Tensor,
    grid: Tensor,
    mode: str = "bilinear",
    padding_mode: str = "zeros",
    align_corners: bool | None = None,
) -> Tensor:
    """Sample images or volumes at points.

    Differentiable in both, to any order. The derivative in a position has a jump at each element (mode 'bilinear'),
    where it is that of the side of larger positions; it is 0 at and beyond the outermost elements if `padding_mode`
    moves points there, and always 0 for 'nearest'.

    Parameters
    ----------
    input : Tensor of shape (N, C, H, W) or (N, C, D, H, W)
    grid : Tensor of shape (N, OH, OW, 2) or (N, OD, OH, OW, 3)
        Positions (x, y) or (x, y, z): -1 and 1 are the ends of the last, the last but one (and the third last) dim.
    mode : {'bilinear', 'nearest', 'bicubic'}
        'bilinear' is trilinear for volumes; 'bicubic' (Keys, a = -0.75) is for images only; 'nearest' rounds halves to
        even positions.
    padding_mode : {'zeros', 'border', 'reflection'}
        What lies beyond the ends. For the last two NaN in `grid` stands for -1.
    align_corners : bool, optional
        Whether -1 and 1 are the centres of the outermost elements, or (the default) their outer edges.

    Returns
    -------
    Tensor of shape (N, C, OH, OW) or (N, C, OD, OH, OW)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> image = ag.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    >>> ag.nn.functional.grid_sample(image, ag.zeros(1, 1, 1, 2)).item()
    2.5
    """
    if input.ndim not in (4, 5) or grid.ndim != input.ndim or grid.array.shape[-1] != input.ndim - 2:
        raise RuntimeError("grid_sample(): expects images (N, C, H, W) and grids (N, OH, OW, 2), or volumes and "
                           f"grids (N, OD, OH, OW, 3) (input.shape={input.shape}, grid.shape={grid.shape})")
    if input.array.shape[0] != grid.array.shape[0] or 0 in input.array.shape[2:]:
        raise RuntimeError("grid_sample(): input and grid need the same first dim, and input elements "
                           f"(input.shape={input.shape}, grid.shape={grid.shape})")
    if input.dtype != grid.dtype or input.dtype.kind != "f":
        raise RuntimeError(f"grid_sample(): input and grid must have one floating-point dtype (input: {input.dtype}, "
                           f"grid: {grid.dtype})")
    if mode not in ("bilinear", "nearest", "bicubic") or (mode == "bicubic" and input.ndim == 5):
        raise ValueError("grid_sample(): mode must be 'bilinear', 'nearest' or, for images, 'bicubic' "
                         f"(mode={mode!r}, input.shape={input.shape})")
    if padding_mode not in ("zeros", "border", "reflection"):
        raise ValueError("grid_sample(): padding_mode must be 'zeros', 'border' or 'reflection' "
                         f"(padding_mode={padding_mode!r})")
    align_corners = bool(align_corners)
    N, C, *sizes = input.array.shape
    points = reshape(grid, (N, math.prod(grid.array.shape[1:-1]), len(sizes)))
    positions, along = [], []
    for axis, size in enumerate(sizes):
        x = select(points, -1, len(sizes) - 1 - axis)
        x = mul(add(x, 1.0), (size - 1) / 2) if align_corners else sub(mul(add(x, 1.0), size / 2), 0.5)
        x = x if mode == "bicubic" else _padded(x, size, padding_mode, align_corners)
        positions.append(x)
        if mode == "nearest":
            along.append([add(mul(round(x), 0.0), 1.0)])  # 1, with a derivative of 0
        else:
            along.append(_weights(sub(x, floor(x)), mode))
    taps = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}[mode]
    index = _grid_places(*positions, sizes=tuple(sizes), taps=taps, nearest=mode == "nearest",
                         padding_mode=padding_mode, align_corners=align_corners)  # fmt: skip
    weight = stack([functools.reduce(mul, chosen) for chosen in itertools.product(*along)], -1)
    out = _weighted_take(reshape(input, (N, C, math.prod(sizes))), weight, index)
    return reshape(out, (N, C, *grid.array.shape[1:-1]))


def affine_grid(theta: Tensor, size: Sequence[int], align_corners: bool | None = None) -> Tensor:
    """Return the positions that affine maps give to the elements of images or volumes, for `grid_sample`.

    Parameters
    ----------
    theta : Tensor of shape (N, 2, 3) or (N, 3, 4)
        Maps of (x, y, 1) or (x, y, z, 1).
    size : (N, C, H, W) or (N, C, D, H, W)
        Of what is sampled.
    align_corners : bool, optional
        As for `grid_sample`.

    Returns
    -------
    Tensor of shape (N, H, W, 2) or (N, D, H, W, 3)

    Examples
    --------
    >>> import autograd_nn as ag
    >>> theta = ag.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]])
    >>> ag.nn.functional.affine_grid(theta, (1, 1, 1, 2)).tolist()
    [[[[-0.5, 0.0], [0.5, 0.0]]]]
    """
    sizes = tuple(size)[2:]
    count = len(sizes)
    if count not in (2, 3) or theta.array.shape != (size[0], count, count + 1):
        raise RuntimeError("affine_grid(): expects theta (N, 2, 3) and size (N, C, H, W), or (N, 3, 4) and "
                           f"(N, C, D, H, W) (theta.shape={theta.shape}, size={tuple(size)})")
    if theta.dtype.kind != "f" or min(size) < 1:
        raise RuntimeError("affine_grid(): expects a floating-point theta and positive sizes "
                           f"(theta.dtype={theta.dtype}, size={tuple(size)})")
    ends = [np.linspace(-1, 1, n) if n > 1 else np.zeros(1) for n in sizes]
    ends = ends if align_corners else [end * (n - 1) / n for end, n in zip(ends, sizes)]
    points = np.meshgrid(*ends, indexing="ij")[::-1]
    base = np.stack([*points, np.ones(sizes)], -1).reshape(-1, count + 1)
    out = matmul(wrap(base.astype(theta.dtype)), transpose(theta, 1, 2))
    return reshape(out, (theta.array.shape[0], *sizes, count))
