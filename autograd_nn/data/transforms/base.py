"""The base classes of transforms, and where the channels of an image lie.

An image is a PIL image, a Tensor (..., C, H, W) or (H, W), or an array (H, W), (H, W, C) or (C, H, W). Of an array
with three axes or more, the end that has 1, 3 or 4 entries (or else 2) is that of the channels; if both ends or
neither can be, the array is refused. `ImageTransform` brings all of them to (N, ..., C, H, W) and the result back to
the kind that came in.
"""

from __future__ import annotations

import sys
from typing import Any, Literal, TypeAlias

import numpy as np

from ...engine import is_grad_enabled
from ...tensor import Tensor, from_numpy
from ..extras import need
from ..randomness import check_generator, current_generator, numpy_generator

__all__ = ["ImageTransform", "Layout", "Transform", "array_of_picture", "is_picture", "picture_of_array"]

Layout: TypeAlias = Literal["HW", "HWC", "CHW"]
MOST_CHANNELS = 4
CHANNELS = ((1, 3, 4), (2,))  # how many channels images have: first what is usual


def is_picture(sample: Any) -> bool:
    """Return whether a sample is a PIL image; Pillow is not imported for it."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(sample, module.Image)


def array_of_picture(picture: Any) -> np.ndarray:
    """Return the values of a PIL image as an array (C, H, W)."""
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else np.moveaxis(array, -1, 0)


def picture_of_array(array: np.ndarray, like: Any) -> Any:
    """Return an array (C, H, W) as a PIL image of the mode and the palette of `like`."""
    image = need("PIL.Image", "data", "a transform of PIL images")
    values = np.ascontiguousarray(np.moveaxis(array, 0, -1) if len(array) > 1 else array[0])
    if like.mode == "1":
        return image.fromarray(values.astype(np.uint8) * 255).convert("1")
    result = image.frombytes(like.mode, (array.shape[2], array.shape[1]), values.tobytes())
    if like.mode == "P":
        result.putpalette(like.getpalette("RGB"))
    return result


class Transform:
    """The base class of transforms: a subclass defines ``apply(batch)`` over arrays with one sample a row.

    Parameters
    ----------
    generator : Generator, numpy.random.Generator or int, optional
        A generator or a seed of the transform's own.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data.transforms import Transform
    >>> class Double(Transform):
    ...     def apply(self, batch):
    ...         return 2 * batch
    >>> Double()(ag.ones(3))
    tensor([2., 2., 2.])
    """

    batched = True

    def __init__(self, generator: Any = None):
        self._own = check_generator(generator, f"{type(self).__name__}(): generator")

    @property
    def generator(self) -> np.random.Generator:
        """The generator to draw from now."""
        return current_generator() if self._own is None else numpy_generator(self._own)

    def apply(self, batch: Any) -> Any:
        """Transform a batch, one sample a row."""
        raise NotImplementedError(f"{type(self).__name__} must define apply")

    def run(self, batch: Any, layout: Layout | None) -> tuple[Any, Layout | None]:
        """Transform a batch whose layout, if any, is known from the transforms before; return the layout too."""
        return self.apply(batch), layout

    def __call__(self, sample: Any) -> Any:
        if isinstance(sample, Tensor):
            self._need_no_gradient(sample)
            return from_numpy(np.ascontiguousarray(self.apply(sample.array[None])[0]))
        if not isinstance(sample, np.ndarray | np.generic) and not is_picture(sample):
            raise self._wrong_kind(sample)
        return self.apply(np.asarray(sample)[None])[0]

    def _need_no_gradient(self, sample: Tensor) -> None:
        if sample.requires_grad and is_grad_enabled():
            raise TypeError(f"{type(self).__name__}(): transforms record no gradient, and the Tensor requires one; "
                            "pass x.detach()")

    def _wrong_kind(self, sample: Any) -> TypeError:
        return TypeError(f"{type(self).__name__}(): takes a PIL image, an array or a Tensor, got "
                         f"{type(sample).__name__}")

    def __repr__(self) -> str:
        shown = {name: value for name, value in vars(self).items() if not name.startswith("_")}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"


class ImageTransform(Transform):
    """The base class of transforms of images: a subclass defines ``images(batch)`` over (N, ..., C, H, W).

    A subclass for which Pillow has a method of its own also defines ``picture(image)``.

    Examples
    --------
    >>> import autograd_nn as ag
    >>> from autograd_nn.data.transforms import ImageTransform
    >>> class Negative(ImageTransform):
    ...     def images(self, batch):
    ...         return 1 - batch
    >>> Negative()(ag.zeros(1, 2, 2))
    tensor([[[1., 1.],
             [1., 1.]]])
    """

    def images(self, batch: np.ndarray) -> np.ndarray:
        """Transform a batch (N, ..., C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} must define images")

    def picture(self, image: Any) -> Any:
        """Transform a PIL image."""
        return picture_of_array(self.images(array_of_picture(image)[None])[0], image)

    def apply(self, batch: Any) -> np.ndarray:
        """Transform a batch of arrays, one image a row."""
        result: np.ndarray = self.run(np.asarray(batch), None)[0]
        return result

    def run(self, batch: np.ndarray, layout: Layout | None) -> tuple[np.ndarray, Layout | None]:
        """Transform a batch whose layout is known, or found by its shape."""
        name = type(self).__name__
        if batch.ndim < 3:
            raise ValueError(f"{name}(): expects an image of at least 2 axes (height, width), got shape "
                             f"{batch.shape[1:]}")
        layout = _layout(name, batch.shape[1:]) if layout is None else layout
        if layout == "CHW":
            return self.images(batch), layout
        result = self.images(batch[:, None] if layout == "HW" else np.moveaxis(batch, -1, -3))
        if layout == "HW" and result.shape[-3] == 1:
            return np.squeeze(result, -3), layout
        return np.ascontiguousarray(np.moveaxis(result, -3, -1)), "HWC"

    def __call__(self, sample: Any) -> Any:
        if is_picture(sample):
            return self.picture(sample)
        if isinstance(sample, Tensor):
            self._need_no_gradient(sample)
            shape = sample.shape
            if len(shape) >= 3 and shape[-1] <= MOST_CHANNELS < min(shape[-3:-1]):
                raise TypeError(f"{type(self).__name__}(): a Tensor is read as (C, H, W), and {tuple(shape)} looks "
                                "like (H, W, C); pass x.permute(2, 0, 1), or the array itself")
            result, _ = self.run(sample.array[None], "HW" if len(shape) == 2 else "CHW")
            if result.ndim == 4 and len(shape) == 2:  # a grey image that was given channels
                result = np.moveaxis(result, -1, -3)
            return from_numpy(np.ascontiguousarray(result[0]))
        if not isinstance(sample, np.ndarray):
            raise self._wrong_kind(sample)
        return self.run(sample[None], None)[0][0]


def _layout(name: str, shape: tuple[int, ...]) -> Layout:
    """Find the layout of an array by its shape, or refuse it."""
    if len(shape) == 2:
        return "HW"
    for counts in CHANNELS:
        first, last = shape[-3] in counts, shape[-1] in counts
        if first != last:
            return "CHW" if first else "HWC"
        if first:
            break
    ends = "both ends" if first else "neither end"
    raise TypeError(f"{name}(): the array {shape} may be (H, W, C) or (C, H, W): {ends} can be 1 to {MOST_CHANNELS} "
                    f"channels; pass a PIL image or a Tensor (C, H, W), or put ToTensor() before {name}")
