"""Transforms that move pixels: flips, crops, padding, resizing, rotation and affine maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..checks import whole_number
from ..extras import need
from .base import ImageTransform
from .containers import probability
from .resample import PILLOW, InterpolationMode, interpolation_mode, resample

__all__ = ["CenterCrop", "FiveCrop", "Pad", "RandomAffine", "RandomCrop", "RandomHorizontalFlip", "RandomResizedCrop",
           "RandomRotation", "RandomVerticalFlip", "Resize", "warp"]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")
WARP_MODES = ("nearest", "bilinear")
TRIES = 10  # to draw a window that lies inside the image, torchvision's number


def _pair(name: str, what: str, value: Any) -> tuple[int, int]:
    """Return a positive integer or a pair of them as a pair."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    if len(pair) not in (1, 2):
        raise ValueError(f"{name}(): {what} must be one integer or two (height, width) ({what}={value!r})")
    return (whole_number(pair[0], f"{name}(): {what}", 1), whole_number(pair[-1], f"{name}(): {what}", 1))


def _interval(name: str, what: str, value: Any, least: float) -> tuple[float, float]:
    """Return a pair ``least < low <= high`` of finite numbers, or raise."""
    pair = tuple(value) if isinstance(value, (tuple, list, np.ndarray)) else ()
    numbers = len(pair) == 2 and all(isinstance(v, int | float | np.number) for v in pair)
    if not numbers or not least < pair[0] <= pair[1] < math.inf:
        raise ValueError(f"{name}(): {what} must be a pair {least:g} < low <= high ({what}={value!r})")
    return float(pair[0]), float(pair[1])


class Pad(ImageTransform):
    """Pad height and width.

    Parameters
    ----------
    padding : int or sequence of int
        All sides; or (left and right, top and bottom); or (left, top, right, bottom).
    fill : float or sequence of float
        The value of constant padding; a sequence has one value per channel.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.Pad(1)(ag.ones(1, 1, 1))[0]
    tensor([[0., 0., 0.],
            [0., 1., 0.],
            [0., 0., 0.]])
    """

    def __init__(self, padding: int | Sequence[int], fill: float | Sequence[float] = 0, padding_mode: str = "constant"):
        super().__init__()
        sides = tuple(padding) if isinstance(padding, (tuple, list)) else (padding,)
        if len(sides) not in (1, 2, 4):
            raise ValueError(f"Pad(): padding must be 1, 2 or 4 integers (padding={padding!r})")
        sides = tuple(whole_number(side, "Pad(): padding", 0) for side in sides)
        if padding_mode not in PADDING_MODES:
            raise ValueError(f"Pad(): padding_mode must be one of {PADDING_MODES} "
                             f"(padding_mode={padding_mode!r})")
        left, top = sides[0], sides[1 % len(sides)]
        right, bottom = (sides[2], sides[3]) if len(sides) == 4 else (left, top)
        self.padding = ((top, bottom), (left, right))
        self.fill = fill
        self.padding_mode = padding_mode

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        return padded(batch, self.padding, self.fill, self.padding_mode)


def padded(batch: np.ndarray, padding: tuple[tuple[int, int], tuple[int, int]], fill: Any, mode: Any) -> np.ndarray:
    """Pad the last two axes by ((top, bottom), (left, right))."""
    (top, bottom), (left, right) = padding
    room = max(top, bottom) < batch.shape[-2] and max(left, right) < batch.shape[-1]
    if mode == "reflect" and not room:
        raise ValueError(f"Pad(): reflect padding must be smaller than the image (padding={padding}, image shape "
                         f"{batch.shape[1:]})")
    widths = [(0, 0)] * (batch.ndim - 2) + [*padding]
    if mode != "constant":
        return np.pad(batch, widths, mode=mode)
    result = np.empty((*batch.shape[:-2], batch.shape[-2] + top + bottom, batch.shape[-1] + left + right), batch.dtype)
    result[...] = filling(fill, batch)
    result[..., top:top + batch.shape[-2], left:left + batch.shape[-1]] = batch
    return result


def filling(fill: Any, batch: np.ndarray) -> np.ndarray:
    """Return a number, or one per channel, as an array that broadcasts over (N, ..., C, H, W)."""
    values = np.asarray(0 if fill is None else fill)
    if values.dtype.kind not in "fiub" or values.ndim > 1 or values.size not in (1, batch.shape[-3]):
        raise ValueError(f"fill must be a number or one per channel (fill={fill!r}, {batch.shape[-3]} channels)")
    return values.astype(batch.dtype).reshape(-1, 1, 1)


def _pillow_fill(fill: Any, image: Any) -> Any:
    """Return a fill value as Pillow takes it for this image."""
    bands = len(image.getbands())
    values = [0 if fill is None else fill] * bands if np.ndim(fill) == 0 else list(fill)
    if len(values) not in (1, bands):
        raise ValueError(f"fill must be a number or one per channel (fill={fill!r}, {bands} channels)")
    values = values * bands if len(values) == 1 else values
    if image.mode == "F":
        return float(values[0])
    return int(values[0]) if bands == 1 else tuple(map(int, values))


class CenterCrop(ImageTransform):
    """Cut the middle of the image; one that is smaller is padded with zeros first.

    Parameters
    ----------
    size : int or (int, int)
        Height and width.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.CenterCrop(2)(ag.arange(16.0).reshape(1, 4, 4))[0]
    tensor([[ 5.,  6.],
            [ 9., 10.]])
    """

    def __init__(self, size: int | Sequence[int]):
        super().__init__()
        self.size = _pair("CenterCrop", "size", size)

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        (height, width), (rows, columns) = self.size, batch.shape[-2:]
        if height > rows or width > columns:
            down, right = max(height - rows, 0), max(width - columns, 0)
            batch = padded(batch, ((down // 2, (down + 1) // 2), (right // 2, (right + 1) // 2)), 0, "constant")
            rows, columns = batch.shape[-2:]
        top, left = round((rows - height) / 2), round((columns - width) / 2)
        return batch[..., top:top + height, left:left + width]


class FiveCrop(ImageTransform):
    """Cut the four corners and the middle: a sample becomes a tuple of five.

    Parameters
    ----------
    size : int or (int, int)
        Height and width; not larger than the image.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> [crop.shape for crop in T.FiveCrop(2)(ag.zeros(1, 4, 4))]
    [(1, 2, 2), (1, 2, 2), (1, 2, 2), (1, 2, 2), (1, 2, 2)]
    """

    batched = False

    def __init__(self, size: int | Sequence[int]):
        super().__init__()
        self.size = _pair("FiveCrop", "size", size)

    def __call__(self, sample: Any) -> Any:
        return tuple(_Corner(self.size, corner)(sample) for corner in range(5))


class _Corner(ImageTransform):
    """Cut one corner (0 to 3) or the middle (4)."""

    def __init__(self, size: tuple[int, int], corner: int):
        super().__init__()
        self.size = size
        self.corner = corner

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_room("FiveCrop", self.size, batch.shape[-2:])
        down, right = batch.shape[-2] - self.size[0], batch.shape[-1] - self.size[1]
        top, left = [(0, 0), (0, right), (down, 0), (down, right), (round(down / 2), round(right / 2))][self.corner]
        return batch[..., top:top + self.size[0], left:left + self.size[1]]


def _need_room(name: str, size: tuple[int, int], image: tuple[int, ...]) -> None:
    if size[0] > image[0] or size[1] > image[1]:
        raise ValueError(f"{name}(): size {size} is larger than the image {tuple(image)}")


class RandomCrop(ImageTransform):
    """Cut a window at a random place of each image.

    Parameters
    ----------
    size : int or (int, int)
        Height and width.
    padding : int or sequence of int, optional
        Pad first, as `Pad` does.
    pad_if_needed : bool
        Whether an image that is smaller than `size` is padded on both sides; else it is refused.
    fill, padding_mode
        See `Pad`.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomCrop(28, padding=2)(ag.zeros(1, 28, 28)).shape
    (1, 28, 28)
    """

    def __init__(self, size: int | Sequence[int], padding: int | Sequence[int] | None = None,
                 pad_if_needed: bool = False, fill: float | Sequence[float] = 0, padding_mode: str = "constant", *,
                 generator: Any = None):
        super().__init__(generator)
        self.size = _pair("RandomCrop", "size", size)
        self.pad = None if padding is None else Pad(padding, fill, padding_mode)
        self.pad_if_needed = bool(pad_if_needed)
        self.fill = fill
        self.padding_mode = padding_mode

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        if self.pad is not None:
            batch = self.pad.images(batch)
        if self.pad_if_needed:
            down, right = (max(self.size[axis] - batch.shape[axis - 2], 0) for axis in (0, 1))
            if down or right:
                batch = padded(batch, ((down, down), (right, right)), self.fill, self.padding_mode)
        _need_room("RandomCrop", self.size, batch.shape[-2:])
        count, lead = len(batch), batch.shape[1:-2]
        images = batch.reshape(count, math.prod(lead), *batch.shape[-2:])
        windows = sliding_window_view(images, self.size, axis=(2, 3))
        generator = self.generator
        top = generator.integers(0, windows.shape[2], count)
        left = generator.integers(0, windows.shape[3], count)
        return windows[np.arange(count), :, top, left].reshape(count, *lead, *self.size)


class RandomHorizontalFlip(ImageTransform):
    """Mirror each image left to right with probability `p`.

    Parameters
    ----------
    p : float
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomHorizontalFlip(p=1.0)(ag.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1.]]])
    """

    axis = -1

    def __init__(self, p: float = 0.5, *, generator: Any = None):
        super().__init__(generator)
        self.p = probability(type(self).__name__, p)

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        chosen = self.generator.random(len(batch)) < self.p
        result = batch.copy()
        result[chosen] = np.flip(batch[chosen], self.axis)
        return result


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirror each image top to bottom with probability `p`.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomVerticalFlip(p=1.0)(ag.tensor([[[1.0], [2.0]]]))
    tensor([[[2.],
             [1.]]])
    """

    axis = -2


class Resize(ImageTransform):
    """Resize height and width, with antialiasing as Pillow and torchvision do.

    PIL images are resized by Pillow; arrays and Tensors without it, by the same sums.

    Parameters
    ----------
    size : int or (int, int)
        Height and width; one number is the shorter side, and the longer keeps the proportions.
    interpolation : InterpolationMode or str
        See `InterpolationMode`.
    max_size : int, optional
        The most that the longer side may get, where `size` is one number.
    antialias : bool
        Without it "bilinear" and "bicubic" read two and four pixels per axis, as
        ``interpolate(align_corners=False)`` does; PIL images are always antialiased.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.Resize(20)(ag.zeros(3, 30, 45)).shape  # the shorter side
    (3, 20, 30)
    """

    def __init__(self, size: int | Sequence[int], interpolation: InterpolationMode | str | int = "bilinear",
                 max_size: int | None = None, antialias: bool | None = True):
        super().__init__()
        pair = _pair("Resize", "size", size)
        one = not isinstance(size, (tuple, list)) or len(size) == 1
        self.size: int | tuple[int, int] = pair[0] if one else pair
        self.interpolation = interpolation_mode(interpolation, "Resize(): interpolation")
        self.max_size = None if max_size is None else whole_number(max_size, "Resize(): max_size", 1)
        if max_size is not None and (not one or max_size <= pair[0]):
            raise ValueError("Resize(): max_size must be above size, and size one integer "
                             f"(max_size={max_size}, size={size!r})")
        self.antialias = bool(antialias)

    def target(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width that an image of the given height and width gets."""
        if not isinstance(self.size, int):
            return self.size
        short, long = self.size, int(self.size * max(height, width) / min(height, width))
        if self.max_size is not None and long > self.max_size:
            short, long = int(self.max_size * short / long), self.max_size
        return (long, short) if width <= height else (short, long)

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_pixels("Resize", batch)
        return resample(batch, self.target(*batch.shape[-2:]), self.interpolation, self.antialias)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        height, width = self.target(image.height, image.width)
        return image.resize((width, height), PILLOW[self.interpolation])


def _need_pixels(name: str, batch: np.ndarray) -> None:
    if 0 in batch.shape[-2:]:
        raise ValueError(f"{name}(): cannot resize an image without pixels (image shape {batch.shape[1:]})")


class RandomResizedCrop(ImageTransform):
    """Cut a window of random area and shape from each image and resize it.

    Parameters
    ----------
    size : int or (int, int)
        Height and width of the result; one number means a square.
    scale : (float, float)
        The range of the window's area, as a fraction of the image's.
    ratio : (float, float)
        The range of width over height.
    interpolation, antialias
        See `Resize`.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomResizedCrop(16)(ag.rand(3, 40, 60)).shape
    (3, 16, 16)
    """

    def __init__(self, size: int | Sequence[int], scale: tuple[float, float] = (0.08, 1.0),
                 ratio: tuple[float, float] = (3 / 4, 4 / 3),
                 interpolation: InterpolationMode | str | int = "bilinear", antialias: bool | None = True, *,
                 generator: Any = None):
        super().__init__(generator)
        self.size = _pair("RandomResizedCrop", "size", size)
        self.scale = _interval("RandomResizedCrop", "scale", scale, 0)
        self.ratio = _interval("RandomResizedCrop", "ratio", ratio, 0)
        self.interpolation = interpolation_mode(interpolation, "RandomResizedCrop(): interpolation")
        self.antialias = bool(antialias)

    def window(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Draw a window: top, left, height, width."""
        generator = self.generator
        for _ in range(TRIES):
            area = height * width * generator.uniform(*self.scale)
            ratio = math.exp(generator.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if 0 < w <= width and 0 < h <= height:
                return int(generator.integers(0, height - h + 1)), int(generator.integers(0, width - w + 1)), h, w
        w, h = width, height  # the middle, as large as the ratio allows
        if width / height < self.ratio[0]:
            h = round(width / self.ratio[0])
        elif width / height > self.ratio[1]:
            w = round(height * self.ratio[1])
        return (height - h) // 2, (width - w) // 2, h, w

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_pixels("RandomResizedCrop", batch)
        result = np.empty((*batch.shape[:-2], *self.size), batch.dtype)
        for image, place in zip(batch, result, strict=True):
            top, left, height, width = self.window(*image.shape[-2:])
            window = image[..., top:top + height, left:left + width]
            place[...] = resample(window, self.size, self.interpolation, self.antialias)
        return result

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        top, left, height, width = self.window(image.height, image.width)
        window = image.crop((left, top, left + width, top + height))
        return window.resize(self.size[::-1], PILLOW[self.interpolation])


def _range(name: str, what: str, value: Any) -> tuple[float, float]:
    """Return a number d as (-d, d) and a pair as it is."""
    pair = (-value, value) if isinstance(value, int | float | np.number) else tuple(value)
    if len(pair) != 2 or not pair[0] <= pair[1] or not np.all(np.isfinite(pair)):
        raise ValueError(f"{name}(): {what} must be a number from 0 or a pair (low, high) ({what}={value!r})")
    return float(pair[0]), float(pair[1])


class RandomAffine(ImageTransform):
    """Rotate, shear, scale and shift each image at random around its centre, by torchvision's map.

    With sizes measured from the centre, x to the right and y downwards, a pixel at p goes to
    ``s R(angle) Y X p + t``: X shears along x by -tan(shear), Y along y, R turns clockwise, s scales, t shifts by
    whole pixels. Each output pixel takes the input at the inverse image of its centre, as ``grid_sample`` does with
    ``align_corners=False``; PIL images are mapped by Pillow. At the border "bilinear" blends the image with `fill`
    once (torchvision blends Tensors twice, which darkens the border).

    Parameters
    ----------
    degrees : float or (float, float)
        The range of angles, clockwise; a number d means (-d, d).
    translate : (float, float), optional
        The largest shift as a fraction of width and of height.
    scale : (float, float), optional
        The range of scale factors.
    shear : float, (float, float) or (float, float, float, float), optional
        The range of shear angles in degrees along x; four numbers are the ranges along x and along y.
    interpolation : {"nearest", "bilinear"}
    fill : float or sequence of float
        The value outside the image, or one per channel.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomAffine(10, translate=(0.1, 0.1), scale=(0.9, 1.1))(ag.rand(1, 28, 28)).shape
    (1, 28, 28)
    """

    def __init__(self, degrees: float | Sequence[float], translate: Sequence[float] | None = None,
                 scale: Sequence[float] | None = None, shear: float | Sequence[float] | None = None,
                 interpolation: InterpolationMode | str | int = "nearest", fill: float | Sequence[float] = 0, *,
                 generator: Any = None):
        super().__init__(generator)
        name = type(self).__name__
        self.degrees = _range(name, "degrees", degrees)
        along_x, along_y = shear, 0.0
        if isinstance(shear, (tuple, list)) and len(shear) == 4:
            along_x, along_y = shear[:2], shear[2:]  # type: ignore[assignment]
        self.shear = (*_range(name, "shear", 0.0 if along_x is None else along_x), *_range(name, "shear", along_y))
        self.translate = (0.0, 0.0) if translate is None else tuple(translate)
        self.scale = (1.0, 1.0) if scale is None else _interval(name, "scale", tuple(scale), 0)
        if len(self.translate) != 2 or not all(0 <= value <= 1 for value in self.translate):
            raise ValueError(f"{name}(): translate must be two fractions in [0, 1] (translate={translate!r})")
        self.interpolation = interpolation_mode(interpolation, f"{name}(): interpolation", WARP_MODES)
        if not all(-90 < value < 90 for value in self.shear):
            raise ValueError(f"{name}(): shear must lie between -90 and 90 degrees (shear={shear!r})")
        self.fill = fill

    def draw(self, count: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
        """Draw the matrices (count, 2, 2) and the shifts (count, 2) of so many images."""
        draw: Any = self.generator.uniform
        angle = draw(*self.degrees, count)
        scale = draw(*self.scale, count)
        shear = np.stack([draw(*self.shear[:2], count), draw(*self.shear[2:], count)], 1)
        shift = np.rint(draw(-1, 1, (count, 2)) * np.multiply(self.translate, (width, height)))
        return affine_matrices(angle, scale, shear), shift

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        matrices, shift = self.draw(len(batch), *batch.shape[-2:])
        return warp(batch, matrices, shift, self.interpolation, self.fill)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        matrices, shift = self.draw(1, image.height, image.width)
        inverse = np.linalg.inv(matrices[0])
        centre = np.array([image.width, image.height]) / 2
        offset = centre - inverse @ (centre + shift[0])
        method = need("PIL.Image", "data", "RandomAffine()").Transform.AFFINE
        return image.transform(image.size, method, (*inverse[0], offset[0], *inverse[1], offset[1]),
                               PILLOW[self.interpolation], fillcolor=_pillow_fill(self.fill, image))


def affine_matrices(angle: np.ndarray, scale: np.ndarray, shear: np.ndarray) -> np.ndarray:
    """Return the matrices (N, 2, 2) of torchvision's affine maps.

    Parameters
    ----------
    angle : ndarray, (N,)
        In degrees, clockwise.
    scale : ndarray, (N,)
    shear : ndarray, (N, 2)
        In degrees, along x and along y.
    """
    turn, along_x, along_y = np.deg2rad(angle), np.deg2rad(shear[:, 0]), np.deg2rad(shear[:, 1])
    a, c = np.cos(turn - along_y) / np.cos(along_y), np.sin(turn - along_y) / np.cos(along_y)
    b, d = -a * np.tan(along_x) - np.sin(turn), -c * np.tan(along_x) + np.cos(turn)
    return np.asarray(np.stack([a, b, c, d], 1).reshape(-1, 2, 2) * scale[:, None, None])


class RandomRotation(ImageTransform):
    """Turn each image by a random angle around its centre.

    Parameters
    ----------
    degrees : float or (float, float)
        The range of angles, counter-clockwise; a number d means (-d, d).
    interpolation : {"nearest", "bilinear"}
    fill : float or sequence of float
        The value outside the image, or one per channel.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomRotation(15)(ag.rand(1, 28, 28)).shape
    (1, 28, 28)
    """

    def __init__(self, degrees: float | Sequence[float], interpolation: InterpolationMode | str | int = "nearest",
                 fill: float | Sequence[float] = 0, *, generator: Any = None):
        super().__init__(generator)
        self.degrees = _range("RandomRotation", "degrees", degrees)
        self.interpolation = interpolation_mode(interpolation, "RandomRotation(): interpolation", WARP_MODES)
        self.fill = fill

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        angle = self.generator.uniform(*self.degrees, len(batch))
        matrices = affine_matrices(-angle, np.ones(len(batch)), np.zeros((len(batch), 2)))
        return warp(batch, matrices, np.zeros((len(batch), 2)), self.interpolation, self.fill)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        angle = float(self.generator.uniform(*self.degrees))
        return image.rotate(angle, PILLOW[self.interpolation], fillcolor=_pillow_fill(self.fill, image))


def warp(batch: np.ndarray, matrices: np.ndarray, shift: np.ndarray, interpolation: str,
         fill: float | Sequence[float]) -> np.ndarray:
    """Move each image of a batch by its own affine map around the centre.

    Parameters
    ----------
    batch : ndarray, (N, ..., H, W)
    matrices : ndarray, (N, 2, 2)
        Where a pixel (x, y) goes, measured from the centre.
    shift : ndarray, (N, 2)
        How far it goes then, in pixels (x, y).
    interpolation : {"nearest", "bilinear"}
    fill : float or sequence of float
        One per channel, where the images are (..., C, H, W).

    Returns
    -------
    ndarray
        Of the shape and dtype of `batch`.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data.transforms import warp
    >>> image = np.array([[[1.0, 2.0], [3.0, 4.0]]])
    >>> warp(image, np.eye(2)[None], np.array([[1.0, 0.0]]), "nearest", fill=0.0)
    array([[[0., 1.],
            [0., 3.]]])
    """
    count, lead, (height, width) = len(batch), batch.shape[1:-2], batch.shape[-2:]
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing="ij")
    target = np.stack([x.ravel(), y.ravel()])[None] - shift[:, :, None]
    source = np.linalg.inv(matrices) @ target
    # One pixel of `fill` around the image (two behind it): a place outside is clipped into that rim.
    x = np.clip(source[:, 0] + (width - 1) / 2, -1, width) + 1
    y = np.clip(source[:, 1] + (height - 1) / 2, -1, height) + 1
    images = padded(batch, ((1, 2), (1, 2)), fill, "constant") if np.ndim(fill) else np.pad(
        batch, [(0, 0)] * (batch.ndim - 2) + [(1, 2)] * 2, constant_values=fill)
    images = images.reshape(count, math.prod(lead), height + 3, width + 3).transpose(0, 2, 3, 1)
    rows = np.arange(count)[:, None]
    if interpolation == "nearest":
        result = images[rows, np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)]
    else:
        left, top = np.floor(x).astype(np.intp), np.floor(y).astype(np.intp)
        dtype = batch.dtype if batch.dtype.kind == "f" else np.float32
        u, v = (x - left).astype(dtype)[..., None], (y - top).astype(dtype)[..., None]
        upper = images[rows, top, left] * (1 - u) + images[rows, top, left + 1] * u
        lower = images[rows, top + 1, left] * (1 - u) + images[rows, top + 1, left + 1] * u
        result = upper * (1 - v) + lower * v
        if batch.dtype.kind in "iu":
            result = np.rint(result)
    return np.ascontiguousarray(result.transpose(0, 2, 1), dtype=batch.dtype).reshape(batch.shape)
