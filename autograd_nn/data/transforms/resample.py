"""Resize images by weighted sums of pixels, as Pillow and torchvision do.

Each axis is one product with a banded matrix of weights (out, in), the last axis first. With antialiasing the filter
is as wide as the output pixel, so that every input pixel counts (Pillow, ``Resample.c``). Values of uint8 are summed
in Pillow's fixed point, 22 bits behind the point, and rounded after each axis: the same bits as Pillow's, unless it
takes the other axis first (then they differ by 1 at most). Bicubic sums of uint8 are rounded once, as torchvision's
Tensors are: its overshoot would be cut off between the axes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np

__all__ = ["InterpolationMode", "interpolation_mode", "resample"]

FIXED_POINT = 22  # bits
BLOCK = 32  # output pixels per product: of a band's matrix little more than the band is multiplied


class InterpolationMode(enum.Enum):
    """How values between pixels are found, under torchvision's names.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data.transforms import InterpolationMode, Resize
    >>> Resize((4, 4), interpolation=InterpolationMode.NEAREST)(ag.zeros(3, 8, 8)).shape
    (3, 4, 4)
    """

    NEAREST = "nearest"
    NEAREST_EXACT = "nearest-exact"
    BILINEAR = "bilinear"
    BICUBIC = "bicubic"
    BOX = "box"
    HAMMING = "hamming"
    LANCZOS = "lanczos"


# Pillow's numbers (Image.Resampling).
PILLOW = {"nearest": 0, "nearest-exact": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}
OF_PILLOW = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}


def interpolation_mode(value: Any, what: str, modes: tuple[str, ...] = tuple(PILLOW)) -> str:
    """Return a mode by its name, given as a string, an `InterpolationMode` or Pillow's number."""
    mode = value.value if isinstance(value, InterpolationMode) else value
    if isinstance(mode, int) and not isinstance(mode, bool):
        mode = OF_PILLOW.get(int(mode), mode)
    if mode not in modes:
        accepted = " or ".join(map(repr, modes)) if len(modes) == 2 else f"one of {modes}"
        raise ValueError(f"{what} must be {accepted} ({what.split(' ')[-1]}={value!r})")
    return str(mode)


def _triangle(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.maximum(1 - np.abs(x), 0))


def _cubic(x: np.ndarray, a: float = -0.5) -> np.ndarray:
    x = np.abs(x)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _box(x: np.ndarray) -> np.ndarray:
    return ((x > -0.5) & (x <= 0.5)).astype(np.float64)


def _hamming(x: np.ndarray) -> np.ndarray:
    return np.where(np.abs(x) < 1, np.sinc(x) * (0.54 + 0.46 * np.cos(np.pi * x)), 0)


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where((x >= -3) & (x < 3), np.sinc(x) * np.sinc(x / 3), 0)


FILTERS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], float]] = {
    "bilinear": (_triangle, 1), "bicubic": (_cubic, 2), "box": (_box, 0.5), "hamming": (_hamming, 1),
    "lanczos": (_lanczos, 3)}


@lru_cache(maxsize=64)
def _weights(length: int, size: int, mode: str, antialias: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the weights (size, taps) of each output pixel, and the first and last input pixel + 1 that it reads."""
    scale = length / size
    if not antialias:
        return _plain_weights(length, size, mode)
    kernel, support = FILTERS[mode]
    stretch = max(scale, 1)
    centre = (np.arange(size) + 0.5) * scale
    first = np.maximum(np.trunc(centre - support * stretch + 0.5), 0).astype(np.intp)
    last = np.minimum(np.trunc(centre + support * stretch + 0.5), length).astype(np.intp)
    taps = np.arange((last - first).max())
    weights = kernel((taps + first[:, None] - centre[:, None] + 0.5) / stretch)
    weights[taps >= (last - first)[:, None]] = 0
    total = weights.sum(1, keepdims=True)
    return weights / np.where(total == 0, 1, total), first, last


def _plain_weights(length: int, size: int, mode: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return weights without antialiasing, PyTorch's: two or four pixels, the outermost ones repeated."""
    place = (np.arange(size) + 0.5) * (length / size) - 0.5
    if mode == "bilinear":
        place = np.maximum(place, 0)
    low = np.floor(place).astype(np.intp)
    part = place - low
    offsets = range(2) if mode == "bilinear" else range(-1, 3)
    read = np.stack([np.clip(low + offset, 0, length - 1) for offset in offsets], 1)
    values = np.stack([_triangle(part - offset) if mode == "bilinear" else _cubic(part - offset, -0.75)
                       for offset in offsets], 1)
    first, last = read.min(1), read.max(1) + 1
    weights = np.zeros((size, (last - first).max()))
    np.add.at(weights, (np.arange(size)[:, None], read - first[:, None]), values)
    return weights, first, last


def _along_last(x: np.ndarray, size: int, mode: str, antialias: bool, fixed: bool) -> np.ndarray:
    """Resize the last axis of float values; `fixed` rounds as Pillow does for uint8."""
    weights, first, last = _weights(x.shape[-1], size, mode, antialias)
    if fixed:
        weights = np.trunc(np.where(weights < 0, -0.5, 0.5) + weights * 2.0**FIXED_POINT)
    result = np.empty((*x.shape[:-1], size), x.dtype)
    for start in range(0, size, BLOCK):
        stop = min(start + BLOCK, size)
        low, high = int(first[start:stop].min()), int(last[start:stop].max())
        band = np.zeros((stop - start, high - low + weights.shape[1]))
        rows = np.arange(stop - start)[:, None]
        band[rows, (first[start:stop] - low)[:, None] + np.arange(weights.shape[1])] = weights[start:stop]
        result[..., start:stop] = x[..., low:high] @ band[:, :high - low].T.astype(x.dtype)
    if fixed:  # whole numbers below 2**53: exact in float64
        result = np.clip(np.floor((result + 2.0**(FIXED_POINT - 1)) / 2.0**FIXED_POINT), 0, 255)
    return result


def resample(batch: np.ndarray, size: tuple[int, int], mode: str, antialias: bool = True) -> np.ndarray:
    """Resize the last two axes to `size`; the dtype stays.

    Parameters
    ----------
    batch : ndarray, (..., H, W)
    size : (int, int)
        Height and width.
    mode : str
        A name of `InterpolationMode`. "nearest" takes pixel ``floor(i * in / out)`` as PyTorch does,
        "nearest-exact" the one under the centre of the output pixel as Pillow does.
    antialias : bool
        Only for "bilinear" and "bicubic"; the others have no other form.
    """
    if mode.startswith("nearest"):
        for axis, length in ((-2, size[0]), (-1, size[1])):
            place = np.arange(length) + (0.5 if mode == "nearest-exact" else 0)
            taken = np.minimum((place * batch.shape[axis] / length).astype(np.intp), batch.shape[axis] - 1)
            batch = np.take(batch, taken, axis)
        return batch
    antialias = antialias or mode not in ("bilinear", "bicubic")
    fixed = batch.dtype == np.uint8 and antialias and mode != "bicubic"
    inner = batch.dtype if batch.dtype in (np.float32, np.float64) else np.float64 if batch.dtype.kind in "iu" else (
        np.float32)
    x = batch.astype(inner, copy=False)
    if batch.shape[-1] != size[1]:
        x = _along_last(x, size[1], mode, antialias, fixed)
    if batch.shape[-2] != size[0]:
        x = np.swapaxes(_along_last(np.swapaxes(x, -1, -2), size[0], mode, antialias, fixed), -1, -2)
    if batch.dtype.kind in "iu" and not fixed:
        info = np.iinfo(batch.dtype)
        x = np.clip(np.rint(x), info.min, info.max)
    elif batch.dtype.kind == "b":
        x = x >= 0.5
    return np.ascontiguousarray(x, dtype=batch.dtype)
