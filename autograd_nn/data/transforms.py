"""Transforms of images, applied to one sample or to a whole batch at once.

Layout: after `ToTensor` a sample is float32 (C, H, W); before it a grey image is (H, W) and a colour image
(H, W, C). The geometric transforms work on the last two axes, so they stand after `ToTensor`, or before it
where images are grey. A batch has one more axis in front.

Called with an array a transform returns an array, called with a Tensor a Tensor (`ToTensor` always returns a
Tensor). Random transforms draw from their own `generator`, or else from `current_generator`, which a
DataLoader sets per batch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..tensor import Tensor, from_numpy
from .checks import whole_number
from .randomness import check_generator, current_generator, numpy_generator

__all__ = ["CenterCrop", "Compose", "Flatten", "Lambda", "Normalize", "Pad", "RandomAffine", "RandomCrop",
           "RandomHorizontalFlip", "RandomRotation", "RandomVerticalFlip", "Resize", "ToTensor", "Transform"]

PADDING_MODES = ("constant", "edge", "reflect", "symmetric")


class Transform:
    """The base class of transforms: a subclass defines ``apply(batch)`` over arrays with one sample a row.

    Parameters
    ----------
    generator : Generator, numpy.random.Generator or int, optional
        A generator or a seed of the transform's own.
    """

    batched = True

    def __init__(self, generator: Any = None):
        self._own = check_generator(generator, f"{type(self).__name__}(): generator")

    @property
    def generator(self) -> np.random.Generator:
        """The generator to draw from now."""
        return current_generator() if self._own is None else numpy_generator(self._own)

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch, one sample a row."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def __call__(self, sample: Any) -> Any:
        if isinstance(sample, Tensor):
            result = self.apply(sample.array[None])[0]
            return from_numpy(np.ascontiguousarray(result))
        return self.apply(np.asarray(sample)[None])[0]

    def _need_image(self, batch: np.ndarray) -> None:
        if batch.ndim < 3:
            raise ValueError(f"{type(self).__name__}(): expects an image of at least 2 axes (height, "
                             f"width), got shape {batch.shape[1:]}")


class Compose(Transform):
    """One transform after the other.

    Parameters
    ----------
    transforms : sequence of callable
        Where all of them take batches, so does the composition; a plain function among them gets single
        samples.
    """

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]):
        super().__init__()
        self.transforms = list(transforms)
        for position, transform in enumerate(self.transforms):
            if not callable(transform):
                raise TypeError(f"Compose(): transform {position} is not callable ({transform!r})")

    @property
    def batched(self) -> bool:  # type: ignore[override]
        """Whether all transforms take batches."""
        return all(getattr(transform, "batched", False) for transform in self.transforms)

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch."""
        for transform in self.transforms:
            batch = transform.apply(batch)  # type: ignore[attr-defined]
        return batch

    def __call__(self, sample: Any) -> Any:
        for transform in self.transforms:
            sample = transform(sample)
        return sample


class ToTensor(Transform):
    """Turn an image (H, W) or (H, W, C) into a Tensor (C, H, W); uint8 becomes float32 divided by 255.

    Other dtypes keep their values: floats their dtype too, the rest becomes float32.
    """

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, H, W) or (N, H, W, C) into (N, C, H, W)."""
        if batch.ndim == 3:
            batch = batch[:, None]
        elif batch.ndim == 4:
            batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
        else:
            raise ValueError(f"ToTensor(): expects an image (H, W) or (H, W, C), got shape {batch.shape[1:]}")
        if batch.dtype == np.uint8:
            return batch.astype(np.float32) / np.float32(255)
        return batch if batch.dtype.kind == "f" else batch.astype(np.float32)

    def __call__(self, sample: Any) -> Tensor:
        array = sample.array if isinstance(sample, Tensor) else np.asarray(sample)
        result = self.apply(array[None])[0]
        return from_numpy(result)


class Normalize(Transform):
    """Subtract a mean from each channel and divide by a standard deviation: (x - mean) / std.

    Parameters
    ----------
    mean, std : float or sequence of float
        One number for all channels or one per channel of (C, H, W).
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float]):
        super().__init__()
        self.mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self.std = np.atleast_1d(np.asarray(std, dtype=np.float64))
        if self.mean.ndim != 1 or self.std.ndim != 1:
            raise ValueError("Normalize(): mean and std must be numbers or sequences of numbers "
                             f"(mean={mean}, std={std})")
        if not np.isfinite([*self.mean, *self.std]).all() or not np.all(self.std > 0):
            raise ValueError(f"Normalize(): mean must be finite and std finite and above 0 (mean={mean}, "
                             f"std={std})")

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, C, H, W)."""
        if batch.dtype.kind != "f":
            raise TypeError(f"Normalize(): expects floating-point numbers, got {batch.dtype} (put ToTensor "
                            "before it)")
        if batch.ndim != 4:
            raise ValueError(f"Normalize(): expects images (C, H, W), got shape {batch.shape[1:]}")
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, batch.shape[1]):
                raise ValueError(f"Normalize(): {name} has {len(values)} channels but the image has "
                                 f"{batch.shape[1]} (image shape {batch.shape[1:]})")
        mean, std = (values.astype(batch.dtype).reshape(-1, 1, 1) for values in (self.mean, self.std))
        return np.asarray(np.divide(batch - mean, std))


class Flatten(Transform):
    """Give each sample one axis."""

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ...) into (N, size of a sample)."""
        return batch.reshape(len(batch), math.prod(batch.shape[1:]))


class Lambda(Transform):
    """Apply a function of the user.

    Parameters
    ----------
    function : callable
        From a sample to a sample.
    batched : bool
        Whether `function` takes arrays with one sample a row instead; then the whole batch goes through it at
        once.
    """

    def __init__(self, function: Callable[[Any], Any], batched: bool = False):
        super().__init__()
        if not callable(function):
            raise TypeError(f"Lambda(): function is not callable ({function!r})")
        self.function = function
        self.batched = batched

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch."""
        result = self.function(batch)
        return result.array if isinstance(result, Tensor) else np.asarray(result)

    def __call__(self, sample: Any) -> Any:
        return super().__call__(sample) if self.batched else self.function(sample)


def _pair(name: str, what: str, value: Any) -> tuple[int, int]:
    """Return a positive integer or a pair of them as a pair."""
    pair = tuple(value) if isinstance(value, (tuple, list)) else (value, value)
    if len(pair) != 2:
        raise ValueError(f"{name}(): {what} must be one integer or two (height, width) ({what}={value!r})")
    return whole_number(pair[0], f"{name}(): {what}", 1), whole_number(pair[1], f"{name}(): {what}", 1)


class Pad(Transform):
    """Pad the last two axes.

    Parameters
    ----------
    padding : int or sequence of int
        All sides; or (left and right, top and bottom); or (left, top, right, bottom).
    fill : float
        The value of constant padding.
    padding_mode : {"constant", "edge", "reflect", "symmetric"}
    """

    def __init__(self, padding: int | Sequence[int], fill: float = 0, padding_mode: str = "constant"):
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

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., H, W)."""
        self._need_image(batch)
        (top, bottom), (left, right) = self.padding
        room = max(top, bottom) < batch.shape[-2] and max(left, right) < batch.shape[-1]
        if self.padding_mode == "reflect" and not room:
            raise ValueError("Pad(): reflect padding must be smaller than the image "
                             f"(padding={self.padding}, image shape {batch.shape[1:]})")
        widths = [(0, 0)] * (batch.ndim - 2) + [*self.padding]
        if self.padding_mode == "constant":
            return np.pad(batch, widths, constant_values=self.fill)
        mode: Any = self.padding_mode
        return np.pad(batch, widths, mode=mode)


class CenterCrop(Transform):
    """Cut the middle of the image.

    Parameters
    ----------
    size : int or (int, int)
        Height and width; not larger than the image.
    """

    def __init__(self, size: int | tuple[int, int]):
        super().__init__()
        self.size = _pair("CenterCrop", "size", size)

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., H, W)."""
        self._need_image(batch)
        _need_room("CenterCrop", self.size, batch)
        height, width = self.size
        top, left = round((batch.shape[-2] - height) / 2), round((batch.shape[-1] - width) / 2)
        return batch[..., top:top + height, left:left + width]


def _need_room(name: str, size: tuple[int, int], batch: np.ndarray) -> None:
    if size[0] > batch.shape[-2] or size[1] > batch.shape[-1]:
        raise ValueError(f"{name}(): size {size} is larger than the image {batch.shape[-2:]}")


class RandomCrop(Transform):
    """Cut a window at a random place of each image.

    Parameters
    ----------
    size : int or (int, int)
        Height and width.
    padding : int or sequence of int, optional
        Pad first, as `Pad` does.
    fill, padding_mode
        See `Pad`.
    generator : Generator, numpy.random.Generator or int, optional
    """

    def __init__(self, size: int | tuple[int, int], padding: int | Sequence[int] | None = None, *,
                 fill: float = 0, padding_mode: str = "constant", generator: Any = None):
        super().__init__(generator)
        self.size = _pair("RandomCrop", "size", size)
        self.pad = None if padding is None else Pad(padding, fill, padding_mode)

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., H, W)."""
        self._need_image(batch)
        if self.pad is not None:
            batch = self.pad.apply(batch)
        _need_room("RandomCrop", self.size, batch)
        count, lead = len(batch), batch.shape[1:-2]
        images = batch.reshape(count, math.prod(lead), *batch.shape[-2:])
        windows = sliding_window_view(images, self.size, axis=(2, 3))
        top = self.generator.integers(0, windows.shape[2], count)
        left = self.generator.integers(0, windows.shape[3], count)
        return windows[np.arange(count), :, top, left].reshape(count, *lead, *self.size)


class RandomHorizontalFlip(Transform):
    """Mirror each image left to right with probability `p`.

    Parameters
    ----------
    p : float
    generator : Generator, numpy.random.Generator or int, optional
    """

    axis = -1

    def __init__(self, p: float = 0.5, *, generator: Any = None):
        super().__init__(generator)
        if not 0 <= p <= 1:
            raise ValueError(f"{type(self).__name__}(): p must be in [0, 1] (p={p})")
        self.p = p

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., H, W)."""
        self._need_image(batch)
        chosen = self.generator.random(len(batch)) < self.p
        result = batch.copy()
        result[chosen] = np.flip(batch[chosen], self.axis)
        return result


class RandomVerticalFlip(RandomHorizontalFlip):
    """Mirror each image top to bottom with probability `p`."""

    axis = -2


def _range(name: str, what: str, value: float | Sequence[float]) -> tuple[float, float]:
    """Return a number d as (-d, d) and a pair as it is."""
    pair = (-value, value) if isinstance(value, int | float | np.number) else tuple(value)
    if len(pair) != 2 or not pair[0] <= pair[1] or not np.all(np.isfinite(pair)):
        raise ValueError(f"{name}(): {what} must be a number from 0 or a pair (low, high) ({what}={value!r})")
    return float(pair[0]), float(pair[1])


class RandomAffine(Transform):
    """Rotate, scale, shear and shift each image at random around its centre.

    A pixel at p (measured from the centre, y downwards) goes to ``s R H p + t``: H shears along x, s scales,
    R turns counter-clockwise, t shifts. Each output pixel takes the input at the inverse image of its centre,
    as ``grid_sample`` does with ``align_corners=False``.

    Parameters
    ----------
    degrees : float or (float, float)
        The range of angles; a number d means (-d, d).
    translate : (float, float), optional
        The largest shift as a fraction of width and of height.
    scale : (float, float), optional
        The range of scale factors.
    shear : float or (float, float), optional
        The range of shear angles in degrees.
    interpolation : {"nearest", "bilinear"}
    fill : float
        The value outside the image.
    generator : Generator, numpy.random.Generator or int, optional
    """

    def __init__(self, degrees: float | tuple[float, float], translate: tuple[float, float] | None = None,
                 scale: tuple[float, float] | None = None, shear: float | tuple[float, float] | None = None,
                 interpolation: str = "nearest", fill: float = 0, *, generator: Any = None):
        super().__init__(generator)
        name = type(self).__name__
        self.degrees = _range(name, "degrees", degrees)
        self.shear = (0.0, 0.0) if shear is None else _range(name, "shear", shear)
        self.translate = (0.0, 0.0) if translate is None else tuple(translate)
        self.scale = (1.0, 1.0) if scale is None else tuple(scale)
        if len(self.translate) != 2 or not all(0 <= value <= 1 for value in self.translate):
            raise ValueError(f"{name}(): translate must be two fractions in [0, 1] (translate={translate!r})")
        if len(self.scale) != 2 or not 0 < self.scale[0] <= self.scale[1] < math.inf:
            raise ValueError(f"{name}(): scale must be a pair 0 < low <= high (scale={scale!r})")
        if interpolation not in ("nearest", "bilinear"):
            raise ValueError(f"{name}(): interpolation must be 'nearest' or 'bilinear' "
                             f"(interpolation={interpolation!r})")
        if not -90 < self.shear[0] <= self.shear[1] < 90:
            raise ValueError(f"{name}(): shear must lie between -90 and 90 degrees (shear={shear!r})")
        self.interpolation = interpolation
        self.fill = fill

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., H, W)."""
        self._need_image(batch)
        count, (height, width) = len(batch), batch.shape[-2:]
        draw: Any = self.generator.uniform
        angle = np.deg2rad(draw(*self.degrees, count))
        scale = draw(*self.scale, count)
        shear = np.tan(np.deg2rad(draw(*self.shear, count)))
        shift = draw(-1, 1, (count, 2)) * np.multiply(self.translate, (width, height))
        cosine, sine = np.cos(angle), np.sin(angle)
        rotation = np.stack([cosine, sine, -sine, cosine], axis=1).reshape(count, 2, 2)
        matrices = rotation * scale[:, None, None]
        matrices[:, :, 1] += shear[:, None] * matrices[:, :, 0]
        return warp(batch, matrices, shift, self.interpolation, self.fill)


class RandomRotation(RandomAffine):
    """Turn each image by a random angle around its centre.

    Parameters
    ----------
    degrees : float or (float, float)
        The range of angles, counter-clockwise; a number d means (-d, d).
    interpolation : {"nearest", "bilinear"}
    fill : float
        The value outside the image.
    generator : Generator, numpy.random.Generator or int, optional
    """

    def __init__(self, degrees: float | tuple[float, float], interpolation: str = "nearest", fill: float = 0,
                 *, generator: Any = None):
        super().__init__(degrees, interpolation=interpolation, fill=fill, generator=generator)


def warp(batch: np.ndarray, matrices: np.ndarray, shift: np.ndarray, interpolation: str,
         fill: float) -> np.ndarray:
    """Move each image of a batch by its own affine map around the centre.

    Parameters
    ----------
    batch : ndarray, (N, ..., H, W)
    matrices : ndarray, (N, 2, 2)
        Where a pixel (x, y) goes, measured from the centre.
    shift : ndarray, (N, 2)
        How far it goes then, in pixels (x, y).
    interpolation : {"nearest", "bilinear"}
    fill : float

    Returns
    -------
    ndarray
        Of the shape and dtype of `batch`.
    """
    count, lead, (height, width) = len(batch), batch.shape[1:-2], batch.shape[-2:]
    y, x = np.meshgrid(np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2, indexing=""
                                                                                                          "ij")
    target = np.stack([x.ravel(), y.ravel()])[None] - shift[:, :, None]
    source = np.linalg.inv(matrices) @ target
    # One pixel of `fill` around the image (two behind it): a place outside is clipped into that rim.
    x = np.clip(source[:, 0] + (width - 1) / 2, -1, width) + 1
    y = np.clip(source[:, 1] + (height - 1) / 2, -1, height) + 1
    images = np.pad(batch.reshape(count, math.prod(lead), height, width), [(0, 0), (0, 0), (1, 2), (1, 2)],
                    constant_values=fill)
    images = images.transpose(0, 2, 3, 1)
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


class Resize(Transform):
    """Resize to a fixed height and width by bilinear interpolation without antialiasing.

    Equals ``interpolate(mode="bilinear", align_corners=False)``.

    Parameters
    ----------
    size : int or (int, int)
        Height and width; one number means a square (torchvision keeps the aspect ratio there).
    """

    def __init__(self, size: int | tuple[int, int]):
        super().__init__()
        self.size = _pair("Resize", "size", size)

    def apply(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., H, W)."""
        self._need_image(batch)
        if 0 in batch.shape[-2:]:
            raise ValueError("Resize(): cannot resize an image without pixels (image shape "
                             f"{batch.shape[1:]})")
        result = batch.astype(np.float32) if batch.dtype.kind != "f" else batch
        for axis, size in ((-2, self.size[0]), (-1, self.size[1])):
            length = batch.shape[axis]
            place = np.maximum((np.arange(size) + 0.5) * (length / size) - 0.5, 0)
            low = np.minimum(np.floor(place).astype(np.intp), length - 1)
            high = np.minimum(low + 1, length - 1)
            part = (place - low).astype(result.dtype)
            part = part[:, None] if axis == -2 else part
            result = np.take(result, low, axis) * (1 - part) + np.take(result, high, axis) * part
        return np.rint(result).astype(batch.dtype) if batch.dtype.kind in "iu" else result.astype(batch.dtype)
