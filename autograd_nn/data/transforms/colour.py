"""Transforms of values: conversion to Tensors, normalisation, colours, blur and erasing, by torchvision's formulas."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...tensor import Tensor, from_numpy
from ..checks import whole_number
from ..extras import need
from .base import ImageTransform, Layout, Transform, array_of_picture, is_picture
from .containers import probability
from .geometry import TRIES, _interval

__all__ = ["ColorJitter", "ConvertImageDtype", "Flatten", "GaussianBlur", "Grayscale", "Normalize", "PILToTensor",
           "RandomErasing", "RandomGrayscale", "RandomInvert", "ToDtype", "ToImage", "ToPILImage", "ToTensor"]

LUMA = (0.2989, 0.587, 0.114)  # ITU-R BT.601 to four digits, torchvision's numbers


def _of_colours(name: str, image: Any) -> Any:
    """Return a PIL image, or raise if its values are places in a palette, with which one cannot compute."""
    if image.mode in ("P", "PA"):
        raise TypeError(f"{name}(): the values of a PIL image of mode {image.mode!r} are places in its palette, "
                        "no colours; use image.convert('RGB')")
    return image


def _channels_first(name: str, sample: Any) -> np.ndarray:
    """Return a PIL image, or an array (H, W) or (H, W, C), as an array (C, H, W)."""
    if is_picture(sample):
        return array_of_picture(_of_colours(name, sample))
    if isinstance(sample, Tensor):
        raise TypeError(f"{name}(): takes a PIL image or an array, and got a Tensor, whose channels stand first "
                        "already; use ToDtype(np.float32, scale=True) to scale it")
    if not isinstance(sample, np.ndarray):
        raise TypeError(f"{name}(): takes a PIL image or an array (H, W) or (H, W, C), got {type(sample).__name__}")
    first: np.ndarray = _first(name, sample[None], None)[0]
    return first


def _first(name: str, batch: np.ndarray, layout: Layout | None) -> np.ndarray:
    """Return a batch (N, H, W) or (N, H, W, C) as (N, C, H, W)."""
    if layout == "CHW":
        return batch
    if batch.ndim == 3:
        return batch[:, None]
    if batch.ndim != 4:
        raise ValueError(f"{name}(): expects an image (H, W) or (H, W, C), got shape {batch.shape[1:]}")
    if layout is None and batch.shape[1] <= 4 < min(batch.shape[2:]):
        raise TypeError(f"{name}(): takes arrays (H, W, C), and {batch.shape[1:]} looks like (C, H, W), as it should "
                        f"be after {name}; use from_numpy(x), or x.transpose(1, 2, 0) before {name}")
    return np.ascontiguousarray(batch.transpose(0, 3, 1, 2))


def convert_dtype(values: np.ndarray, dtype: Any) -> np.ndarray:
    """Convert an image to another dtype, its range scaled: [0, 1] for floats, from 0 to the largest for integers."""
    dtype = np.dtype(dtype)
    if values.dtype == dtype:
        return values
    if values.dtype.kind == "f":
        if dtype.kind == "f":
            return values.astype(dtype)
        top = 1.0 if dtype.kind == "b" else float(np.iinfo(dtype).max)
        return np.asarray(np.floor(np.clip(values, 0, 1).astype(np.float64) * (top + 1 - 1e-3))).astype(dtype)
    top_in = 1 if values.dtype.kind == "b" else int(np.iinfo(values.dtype).max)
    if dtype.kind == "f":
        return np.asarray(values.astype(dtype) / dtype.type(top_in))
    top_out = 1 if dtype.kind == "b" else int(np.iinfo(dtype).max)
    if top_in > top_out:
        return (values // ((top_in + 1) // (top_out + 1))).astype(dtype)
    return np.asarray(values.astype(dtype) * dtype.type((top_out + 1) // (top_in + 1)))


class ToTensor(Transform):
    """Turn a PIL image or an array (H, W) or (H, W, C) into a Tensor (C, H, W); uint8 becomes float32 divided by 255.

    Other dtypes keep their values: floats their dtype too, the rest becomes float32. A PIL image of mode "1" becomes
    0 and 1.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import transforms as T
    >>> T.ToTensor()(np.full((5, 7, 3), 255, np.uint8)).shape
    (3, 5, 7)
    """

    def apply(self, batch: Any) -> np.ndarray:
        """Transform a batch (N, H, W) or (N, H, W, C) into (N, C, H, W)."""
        return self.run(np.asarray(batch), None)[0]

    def run(self, batch: np.ndarray, layout: Layout | None) -> tuple[np.ndarray, Layout | None]:
        """Transform a batch; its channels come first then."""
        return self._scaled(_first("ToTensor", batch, layout)), "CHW"

    def _scaled(self, values: np.ndarray) -> np.ndarray:
        if values.dtype == np.uint8:
            return values.astype(np.float32) / np.float32(255)
        return values if values.dtype.kind == "f" else values.astype(np.float32)

    def __call__(self, sample: Any) -> Tensor:
        return from_numpy(np.ascontiguousarray(self._scaled(_channels_first("ToTensor", sample))))


class PILToTensor(Transform):
    """Turn a PIL image or an array (H, W) or (H, W, C) into a Tensor (C, H, W) of the same values and dtype.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data.transforms import PILToTensor
    >>> x = PILToTensor()(np.zeros((4, 6, 3), np.uint8))
    >>> x.shape, x.dtype
    ((3, 4, 6), dtype('uint8'))
    """

    def apply(self, batch: Any) -> np.ndarray:
        """Transform a batch (N, H, W) or (N, H, W, C) into (N, C, H, W)."""
        return self.run(np.asarray(batch), None)[0]

    def run(self, batch: np.ndarray, layout: Layout | None) -> tuple[np.ndarray, Layout | None]:
        """Transform a batch; its channels come first then."""
        return _first(type(self).__name__, batch, layout), "CHW"

    def __call__(self, sample: Any) -> Tensor:
        return from_numpy(np.ascontiguousarray(_channels_first(type(self).__name__, sample)).copy())


class ToImage(PILToTensor):
    """The same as `PILToTensor`, under the name of torchvision's v2; a Tensor stays as it is.

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data import transforms as T
    >>> T.ToImage()(np.zeros((5, 7, 3), np.uint8)).shape
    (3, 5, 7)
    """

    def __call__(self, sample: Any) -> Tensor:
        return sample if isinstance(sample, Tensor) else super().__call__(sample)


class ToPILImage(Transform):
    """Turn a Tensor (C, H, W) or an array (H, W) or (H, W, C) into a PIL image; floats in [0, 1] become 0 to 255.

    Parameters
    ----------
    mode : str, optional
        Pillow's mode; by default "L", "LA", "RGB" or "RGBA" by the number of channels.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data.transforms import ToPILImage
    >>> image = ToPILImage()(ag.ones(3, 4, 6))
    >>> image.size, image.mode, image.getpixel((0, 0))
    ((6, 4), 'RGB', (255, 255, 255))
    """

    batched = False

    def __init__(self, mode: str | None = None):
        super().__init__()
        self.mode = mode

    def __call__(self, sample: Any) -> Any:
        image = need("PIL.Image", "data", "ToPILImage()")
        if not isinstance(sample, (Tensor, np.ndarray)):
            raise TypeError(f"ToPILImage(): takes a Tensor or an array, got {type(sample).__name__}")
        values = np.moveaxis(sample.array, -3, -1) if isinstance(sample, Tensor) and sample.ndim == 3 else (
            np.asarray(sample.array if isinstance(sample, Tensor) else sample))
        values = values[..., 0] if values.ndim == 3 and values.shape[-1] == 1 else values
        if values.ndim not in (2, 3) or (values.ndim == 3 and not 2 <= values.shape[-1] <= 4):
            raise ValueError("ToPILImage(): expects an image (H, W) or one of 1 to 4 channels, got shape "
                             f"{tuple(sample.shape)}")
        if values.dtype.kind == "f":
            values = (values * 255).astype(np.uint8)
        elif values.dtype.kind == "b":
            values = values.astype(np.uint8) * 255
        if values.dtype != np.uint8:
            raise TypeError(f"ToPILImage(): elements must be uint8 or floats in [0, 1], got {values.dtype}")
        mode = self.mode or (("L",) if values.ndim == 2 else ("", "", "LA", "RGB", "RGBA"))[
            0 if values.ndim == 2 else values.shape[-1]]
        return image.frombytes(mode, (values.shape[1], values.shape[0]), np.ascontiguousarray(values).tobytes())


class ToDtype(Transform):
    """Convert to another dtype.

    Parameters
    ----------
    dtype : dtype
    scale : bool
        Whether the range is scaled: [0, 1] for floats, from 0 to the largest number for integers.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.ToDtype("float32", scale=True)(ag.tensor([[[255]]], dtype="uint8")).item()
    1.0
    """

    def __init__(self, dtype: Any = np.float32, scale: bool = False):
        super().__init__()
        self.dtype = np.dtype(dtype)
        self.scale = bool(scale)

    def apply(self, batch: Any) -> np.ndarray:
        """Transform a batch."""
        values = np.asarray(batch)
        return convert_dtype(values, self.dtype) if self.scale else values.astype(self.dtype)


class ConvertImageDtype(ToDtype):
    """Convert an image to another dtype and scale its range.

    Parameters
    ----------
    dtype : dtype

    Examples
    --------
    >>> import numpy as np
    >>> from autograd_nn.data.transforms import ConvertImageDtype
    >>> ConvertImageDtype()(np.array([[[0, 51, 255]]], np.uint8))
    array([[[0. , 0.2, 1. ]]], dtype=float32)
    """

    def __init__(self, dtype: Any = np.float32):
        super().__init__(dtype, scale=True)


class Normalize(ImageTransform):
    """Subtract a mean from each channel and divide by a standard deviation: (x - mean) / std.

    Parameters
    ----------
    mean, std : float or sequence of float
        One number for all channels or one per channel.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.Normalize((0.5,), (0.25,))(ag.ones(1, 2, 2))[0]
    tensor([[2., 2.],
            [2., 2.]])
    """

    def __init__(self, mean: float | Sequence[float], std: float | Sequence[float], inplace: bool = False):
        super().__init__()
        self.mean = np.atleast_1d(np.asarray(mean, dtype=np.float64))
        self.std = np.atleast_1d(np.asarray(std, dtype=np.float64))
        if self.mean.ndim != 1 or self.std.ndim != 1:
            raise ValueError("Normalize(): mean and std must be numbers or sequences of numbers "
                             f"(mean={mean}, std={std})")
        if not np.isfinite([*self.mean, *self.std]).all() or not np.all(self.std > 0):
            raise ValueError(f"Normalize(): mean must be finite and std finite and above 0 (mean={mean}, "
                             f"std={std})")

    def run(self, batch: np.ndarray, layout: Layout | None) -> tuple[np.ndarray, Layout | None]:
        """Transform a batch of images with channels."""
        if batch.dtype.kind != "f":
            raise TypeError(f"Normalize(): expects floating-point numbers, got {batch.dtype} (put ToTensor "
                            "before it)")
        if batch.ndim < 4:
            raise ValueError(f"Normalize(): expects images (C, H, W), got shape {batch.shape[1:]}")
        return super().run(batch, layout)

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) not in (1, batch.shape[-3]):
                raise ValueError(f"Normalize(): {name} has {len(values)} channels but the image has "
                                 f"{batch.shape[-3]} (image shape {batch.shape[1:]})")
        mean, std = (values.astype(batch.dtype).reshape(-1, 1, 1) for values in (self.mean, self.std))
        return np.asarray(np.divide(batch - mean, std))

    def picture(self, image: Any) -> Any:
        """Refuse a PIL image."""
        raise TypeError("Normalize(): takes a Tensor or an array of floating-point numbers, got a PIL image (put "
                        "ToTensor before it)")


class Flatten(Transform):
    """Give each sample one axis.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.Flatten()(ag.zeros(1, 28, 28)).shape
    (784,)
    """

    def apply(self, batch: Any) -> np.ndarray:
        """Transform a batch (N, ...) into (N, size of a sample)."""
        values = np.asarray(batch)
        return values.reshape(len(values), math.prod(values.shape[1:]))


def _top(values: np.ndarray) -> float:
    """Return the largest value of an image of this dtype."""
    return 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)


def _need_numbers(name: str, values: np.ndarray) -> None:
    if values.dtype.kind not in "fiu":
        raise TypeError(f"{name}(): expects floating-point numbers or integers, got {values.dtype}")


def _blend(image: np.ndarray, other: np.ndarray | float, factor: float) -> np.ndarray:
    """Return ``factor * image + (1 - factor) * other`` within the range of the dtype."""
    inner = image.astype(np.float32) if image.dtype.kind != "f" else image
    part: Any = other.astype(inner.dtype) if isinstance(other, np.ndarray) else other
    mixed = inner * inner.dtype.type(factor) + part * inner.dtype.type(1 - factor)
    return np.asarray(np.clip(mixed, 0, _top(image))).astype(image.dtype)


def grey(image: np.ndarray) -> np.ndarray:
    """Return the brightness (..., 1, H, W) of an image (..., C, H, W): itself where it has 1 channel."""
    if image.shape[-3] == 1:
        return image
    if image.shape[-3] != 3:
        raise ValueError(f"to grey: expects an image of 1 or 3 channels, got {image.shape[-3]} (shape {image.shape})")
    inner = image.astype(np.float32) if image.dtype.kind != "f" else image
    red, green, blue = (inner[..., c:c + 1, :, :] * inner.dtype.type(LUMA[c]) for c in range(3))
    return np.asarray(red + green + blue).astype(image.dtype)


class Grayscale(ImageTransform):
    """Turn images grey.

    Parameters
    ----------
    num_output_channels : int
        1, or 3 equal channels.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.Grayscale()(ag.ones(3, 2, 2)).shape
    (1, 2, 2)
    """

    def __init__(self, num_output_channels: int = 1):
        super().__init__()
        if num_output_channels not in (1, 3):
            raise ValueError(f"Grayscale(): num_output_channels must be 1 or 3 (got {num_output_channels!r})")
        self.num_output_channels = num_output_channels

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_numbers("Grayscale", batch)
        return np.repeat(grey(batch), self.num_output_channels, -3)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        result = image.convert("L")
        return need("PIL.Image", "data", "Grayscale()").merge("RGB", [result] * 3) if (
            self.num_output_channels == 3) else result


class _Sometimes(ImageTransform):
    """The base class of transforms that change an image with probability `p`: a subclass defines `change`."""

    def __init__(self, p: float, generator: Any):
        super().__init__(generator)
        self.p = probability(type(self).__name__, p)

    def change(self, image: np.ndarray) -> np.ndarray:
        """Change an image (..., C, H, W)."""
        raise NotImplementedError

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_numbers(type(self).__name__, batch)
        result = batch.copy()
        for position in np.flatnonzero(self.generator.random(len(batch)) < self.p):
            result[position] = self.change(batch[position])
        return result


class RandomGrayscale(_Sometimes):
    """Turn an image grey with probability `p`; it keeps its number of channels.

    Parameters
    ----------
    p : float
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomGrayscale(p=1.0)(ag.rand(3, 2, 2)).shape
    (3, 2, 2)
    """

    def __init__(self, p: float = 0.1, *, generator: Any = None):
        super().__init__(p, generator)

    def change(self, image: np.ndarray) -> np.ndarray:
        """Turn an image grey."""
        return np.repeat(grey(image), image.shape[-3], -3)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        return image.convert("L").convert(image.mode) if self.generator.random() < self.p else image


class RandomInvert(_Sometimes):
    """Turn values x into largest - x with probability `p`.

    Parameters
    ----------
    p : float
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomInvert(p=1.0)(ag.full((1, 2, 2), 0.25)).max().item()
    0.75
    """

    def __init__(self, p: float = 0.5, *, generator: Any = None):
        super().__init__(p, generator)

    def change(self, image: np.ndarray) -> np.ndarray:
        """Invert an image."""
        return np.asarray(image.dtype.type(_top(image)) - image)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        return super().picture(_of_colours("RandomInvert", image))


class RandomErasing(_Sometimes):
    """Overwrite a random rectangle with probability `p` (Z. Zhong et al., arXiv:1708.04896).

    Parameters
    ----------
    p : float
    scale : (float, float)
        The range of the rectangle's area, as a fraction of the image's.
    ratio : (float, float)
        The range of height over width.
    value : float, sequence of float or "random"
        What is written: a number, one per channel, or normal random numbers.
    inplace : bool
        Accepted; the input stays as it is.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.RandomErasing(p=1.0)(ag.ones(1, 28, 28)).min().item()
    0.0
    """

    def __init__(self, p: float = 0.5, scale: tuple[float, float] = (0.02, 0.33),
                 ratio: tuple[float, float] = (0.3, 3.3), value: float | Sequence[float] | str = 0,
                 inplace: bool = False, *, generator: Any = None):
        super().__init__(p, generator)
        self.scale = _interval("RandomErasing", "scale", scale, -1e-300)
        self.ratio = _interval("RandomErasing", "ratio", ratio, 0)
        if not 0 <= self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"RandomErasing(): scale must lie in [0, 1] (scale={scale!r})")
        if isinstance(value, str) and value != "random":
            raise ValueError(f"RandomErasing(): value must be a number, one per channel or 'random' (value={value!r})")
        self.value = value

    def change(self, image: np.ndarray) -> np.ndarray:
        """Overwrite a rectangle; an image in which none of ten drawn ones has room stays as it is."""
        height, width = image.shape[-2:]
        generator, result = self.generator, image.copy()
        for _ in range(TRIES):
            area = height * width * generator.uniform(*self.scale)
            ratio = math.exp(generator.uniform(math.log(self.ratio[0]), math.log(self.ratio[1])))
            h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
            if not (h < height and w < width):
                continue
            top, left = int(generator.integers(0, height - h + 1)), int(generator.integers(0, width - w + 1))
            target = result[..., top:top + h, left:left + w]
            if isinstance(self.value, str):
                target[...] = generator.standard_normal(target.shape)
            else:
                value = np.asarray(self.value)
                if value.size not in (1, image.shape[-3]):
                    raise ValueError("RandomErasing(): value must be a number or one per channel "
                                     f"(value={self.value!r}, {image.shape[-3]} channels)")
                target[...] = value.reshape(-1, 1, 1)
            break
        return result

    def picture(self, image: Any) -> Any:
        """Refuse a PIL image."""
        raise TypeError("RandomErasing(): takes a Tensor (C, H, W) or an array, got a PIL image (put ToTensor before "
                        "it)")


class GaussianBlur(ImageTransform):
    """Blur each image with a Gaussian of random width.

    Parameters
    ----------
    kernel_size : int or (int, int)
        Odd; one number for both axes, or (width, height) as in torchvision.
    sigma : float or (float, float)
        The standard deviation in pixels, or its range.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.GaussianBlur(3, sigma=1.0)(ag.rand(3, 8, 8)).shape
    (3, 8, 8)
    """

    def __init__(self, kernel_size: int | Sequence[int], sigma: float | Sequence[float] = (0.1, 2.0), *,
                 generator: Any = None):
        super().__init__(generator)
        pair = tuple(kernel_size) if isinstance(kernel_size, (tuple, list)) else (kernel_size, kernel_size)
        if len(pair) != 2:
            raise ValueError(f"GaussianBlur(): kernel_size must be one integer or two (kernel_size={kernel_size!r})")
        pair = tuple(whole_number(size, "GaussianBlur(): kernel_size", 1) for size in pair)
        if any(size % 2 == 0 for size in pair):
            raise ValueError(f"GaussianBlur(): kernel_size must be odd (kernel_size={kernel_size!r})")
        self.kernel_size = pair
        self.sigma = _interval("GaussianBlur", "sigma",
                               (sigma, sigma) if isinstance(sigma, int | float | np.number) else sigma, 0)

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        return super().picture(_of_colours("GaussianBlur", image))

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_numbers("GaussianBlur", batch)
        for size, length in zip(self.kernel_size, batch.shape[:-3:-1], strict=True):
            if size // 2 >= length:
                raise ValueError(f"GaussianBlur(): kernel_size must be below twice the image's size (kernel_size="
                                 f"{self.kernel_size}, image shape {batch.shape[1:]})")
        result = np.empty_like(batch)
        for position, sigma in enumerate(self.generator.uniform(*self.sigma, len(batch))):
            result[position] = blur(batch[position], self.kernel_size, sigma)
        return result


def blur(image: np.ndarray, kernel_size: Sequence[int], sigma: float) -> np.ndarray:
    """Blur the last two axes, mirrored at the borders, with a Gaussian of ``kernel_size`` (width, height) taps."""
    inner = image.astype(np.float32) if image.dtype.kind != "f" else image
    for size, axis in zip(kernel_size, (-1, -2), strict=True):
        taps = np.exp(-0.5 * (np.linspace(-(size - 1) / 2, (size - 1) / 2, size) / sigma) ** 2)
        widths = [(0, 0)] * inner.ndim
        widths[axis] = (size // 2, size // 2)
        windows = sliding_window_view(np.pad(inner, widths, mode="reflect"), size, axis=axis)
        inner = np.asarray(windows @ (taps / taps.sum()).astype(inner.dtype))
    return np.asarray(np.rint(inner) if image.dtype.kind != "f" else inner).astype(image.dtype)


def _factors(what: str, value: Any, centre: float, low: float, high: float) -> tuple[float, float] | None:
    """Return the range of a factor of `ColorJitter`, or None where it changes nothing."""
    if isinstance(value, int | float | np.number) and not isinstance(value, bool):
        if value < 0:
            raise ValueError(f"ColorJitter(): {what} must not be negative ({what}={value!r})")
        pair = (max(centre - value, low), centre + value) if centre else (-value, value)
    else:
        pair = tuple(value) if isinstance(value, (tuple, list)) else ()
    if len(pair) != 2 or not low <= pair[0] <= pair[1] <= high:
        raise ValueError(f"ColorJitter(): {what} must be a number, or a pair {low:g} <= low <= high <= {high:g} "
                         f"({what}={value!r})")
    return None if pair == (centre, centre) else (float(pair[0]), float(pair[1]))


class ColorJitter(ImageTransform):
    """Change brightness, contrast, saturation and hue at random, in an order drawn anew for each image.

    Parameters
    ----------
    brightness, contrast, saturation : float or (float, float)
        A number v draws the factor from [max(0, 1 - v), 1 + v]; a pair is the range.
    hue : float or (float, float)
        At most 0.5: a number v draws the shift from [-v, v], where 1 is the whole circle.
    generator : Generator, numpy.random.Generator or int, optional

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data import transforms as T
    >>> T.ColorJitter(brightness=0.2, contrast=0.2)(ag.rand(3, 8, 8)).shape
    (3, 8, 8)
    """

    def __init__(self, brightness: float | Sequence[float] = 0, contrast: float | Sequence[float] = 0,
                 saturation: float | Sequence[float] = 0, hue: float | Sequence[float] = 0, *, generator: Any = None):
        super().__init__(generator)
        self.brightness = _factors("brightness", brightness, 1, 0, math.inf)
        self.contrast = _factors("contrast", contrast, 1, 0, math.inf)
        self.saturation = _factors("saturation", saturation, 1, 0, math.inf)
        self.hue = _factors("hue", hue, 0, -0.5, 0.5)

    def draw(self) -> list[tuple[str, float]]:
        """Draw what is done to one image, in order: names and factors."""
        ranges = {"brightness": self.brightness, "contrast": self.contrast, "saturation": self.saturation,
                  "hue": self.hue}
        generator = self.generator
        steps = [(name, float(generator.uniform(*pair))) for name, pair in ranges.items() if pair is not None]
        return [steps[position] for position in generator.permutation(len(steps))]

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        _need_numbers("ColorJitter", batch)
        if batch.shape[-3] not in (1, 3):
            raise ValueError(f"ColorJitter(): expects images of 1 or 3 channels, got {batch.shape[-3]} (image shape "
                             f"{batch.shape[1:]})")
        result = batch.copy()
        for position in range(len(batch)):
            for name, factor in self.draw():
                result[position] = ADJUST[name](result[position], factor)
        return result

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        if _of_colours("ColorJitter", image).mode not in ("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"):
            raise TypeError(f"ColorJitter(): a PIL image of mode {image.mode!r} has no colours to change; use "
                            "image.convert('RGB'), or 'L'")
        enhance = need("PIL.ImageEnhance", "data", "ColorJitter()")
        kinds = {"brightness": enhance.Brightness, "contrast": enhance.Contrast, "saturation": enhance.Color}
        for name, factor in self.draw():
            image = _turn_picture(image, factor) if name == "hue" else kinds[name](image).enhance(factor)
        return image


def adjust_brightness(image: np.ndarray, factor: float) -> np.ndarray:
    """Multiply an image (..., C, H, W) by a factor."""
    return _blend(image, 0.0, factor)


def adjust_contrast(image: np.ndarray, factor: float) -> np.ndarray:
    """Move an image (..., C, H, W) away from its mean brightness by a factor."""
    mean = grey(image).mean((-3, -2, -1), dtype=np.float64, keepdims=True)
    return _blend(image, mean, factor)


def adjust_saturation(image: np.ndarray, factor: float) -> np.ndarray:
    """Move an image (..., C, H, W) away from its grey version by a factor."""
    return image if image.shape[-3] == 1 else _blend(image, grey(image), factor)


def adjust_hue(image: np.ndarray, shift: float) -> np.ndarray:
    """Turn the hues of an image (..., 3, H, W) by a part of the circle."""
    if image.shape[-3] == 1:
        return image
    x = convert_dtype(image, np.float32) if image.dtype.kind != "f" else image
    red, green, blue = (x[..., c, :, :] for c in range(3))
    high, low = x.max(-3), x.min(-3)
    spread = high - low
    flat = spread == 0
    by = np.where(flat, 1, spread)
    r, g, b = (high - red) / by, (high - green) / by, (high - blue) / by
    hue = np.where(high == red, b - g, np.where(high == green, 2 + r - b, 4 + g - r))
    hue = np.where(flat, 0, hue / 6 + 1 + shift) % 1 if shift == 0 else (np.where(flat, 0, hue / 6 + 1) + shift) % 1
    saturation = spread / np.where(flat, 1, high)
    sector = np.floor(hue * 6)
    part = hue * 6 - sector
    p = np.clip(high * (1 - saturation), 0, 1)
    q = np.clip(high * (1 - saturation * part), 0, 1)
    t = np.clip(high * (1 - saturation * (1 - part)), 0, 1)
    which = sector.astype(np.intp) % 6
    result = np.stack([np.choose(which, values) for values in (
        (high, q, p, p, t, high), (t, high, high, q, p, p), (p, p, t, high, high, q))], -3).astype(x.dtype)
    return convert_dtype(result, image.dtype)


def _turn_picture(image: Any, shift: float) -> Any:
    """Turn the hues of a PIL image, in Pillow's steps of 1/256."""
    if image.mode in ("L", "1", "I", "F"):
        return image
    module = need("PIL.Image", "data", "ColorJitter()")
    hue, saturation, value = image.convert("HSV").split()
    turned = (np.asarray(hue).astype(np.int64) + int(shift * 255)) % 256
    hue = module.fromarray(turned.astype(np.uint8))
    return module.merge("HSV", (hue, saturation, value)).convert(image.mode)


ADJUST = {"brightness": adjust_brightness, "contrast": adjust_contrast, "saturation": adjust_saturation,
          "hue": adjust_hue}
