"""Arrays as images: mosaics of tiles, shades with a bar that tells what they mean."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from ...tensor import Tensor
from ...typing import Array
from .style import few_ticks

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.image import AxesImage


def bare(ax: Axes) -> None:
    """Take ticks and frame off."""
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)


DIVERGING = "PuOr_r"  # purple below 0, orange above; the colour-blind can tell them apart
_BETWEEN = "#b8b8b8"  # what is between tiles: neither end of the map, nor its middle


def show_image(ax: Axes, image: Array, limits: tuple[float, float], label: str) -> None:
    """Draw an image without ticks and, if it is not in colour, what its shades mean; NaN is left blank.

    Limits around 0 have a map of two colours, so that the sign is seen; others have one from dark to bright.
    """
    signed = limits[0] < 0
    cmap = DIVERGING if signed else "cividis"
    if signed:
        ax.set_facecolor(_BETWEEN)
    shown = ax.imshow(image, cmap=cmap, vmin=limits[0], vmax=limits[1], interpolation="nearest")
    bare(ax)
    if image.ndim == 2:
        bar = colour_bar(ax, shown, label, 0.04 * max(1.0, image.shape[0] / image.shape[1]))
        few_ticks(bar.ax.yaxis, 4)


def colour_bar(ax: Axes, shown: AxesImage, label: str, width: float = 0.04) -> Colorbar:
    """Add a bar beside an image, as high as the image."""
    bar = ax.figure.colorbar(shown, cax=ax.inset_axes((1.02, 0.0, width, 1.0)))
    ink = ax.title.get_color()
    bar.ax.tick_params(which="both", color=ink, labelcolor=ink)
    bar.outline.set_visible(False)
    bar.set_label(label, color=ink)
    return bar


def tile_columns(count: int) -> int:
    """Return how many columns leave few places empty in a mosaic that is somewhat wider than high."""
    wanted = math.sqrt(1.4 * count)
    candidates = range(max(1, math.isqrt(count)), math.ceil(2 * math.sqrt(count)) + 1)
    return min(candidates, key=lambda columns: (-count % columns, abs(columns - wanted)))


def mosaic(tiles: Array, columns: int) -> Array:
    """Return tiles (n, H, W) or (n, H, W, 3) as one image with a line of white between them."""
    n, height, width = tiles.shape[:3]
    rows, gap = -(-n // columns), max(1, round(min(height, width) / 14))
    blank = 1.0 if tiles.ndim == 4 else np.nan
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    image = np.full((*size, *tiles.shape[3:]), blank, np.float64)
    for i, tile in enumerate(tiles):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        image[top : top + height, left : left + width] = tile
    return image


def symmetric_limits(values: Array) -> tuple[float, float]:
    """Return limits around 0, so that 0 has the middle shade."""
    most = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    return -most, most


def limits_of(values: Array) -> tuple[float, float]:
    """Return limits from 0 where nothing is negative, and around 0 otherwise."""
    return symmetric_limits(values) if np.nanmin(values) < 0 else (0.0, float(np.nanmax(values)) or 1.0)


def as_image(function: str, image: Array) -> Array:
    """Return one input of a network as an image (H, W) or (H, W, 3)."""
    if image.ndim == 3 and image.shape[0] in (1, 3):
        return image[0] if image.shape[0] == 1 else np.clip(np.moveaxis(image, 0, 2), 0, 1)
    if image.ndim == 2:
        return image
    side = math.isqrt(image.size)
    if image.ndim == 1 and side * side == image.size:
        return image.reshape(side, side)
    raise ValueError(f"{function}(): an image must be (H, W), (1, H, W), (3, H, W) or a square in one dim "
                     f"(shape={image.shape})")


def array_of(values: Tensor | ArrayLike) -> Array:
    """Return the array of a Tensor or of what NumPy makes one of."""
    return values.array if isinstance(values, Tensor) else np.asarray(values)


def count_text(shown: int, total: int, what: str) -> str:
    """Return how many of how many are shown, in words."""
    return f"{total:,} {what}" if shown == total else f"{shown:,} of {total:,} {what}"
