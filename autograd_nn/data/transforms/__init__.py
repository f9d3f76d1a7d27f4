"""Transforms of images, applied to one sample or to a whole batch at once, with torchvision's names and results.

A transform takes a PIL image, a Tensor (C, H, W) or (H, W), or an array (H, W), (H, W, C) or (C, H, W), and returns
the same kind (`ToTensor` always returns a Tensor). An array that can be read both ways is refused; see `base`.
A batch of arrays has one more axis in front.

Random transforms draw from their own `generator`, or else from `current_generator`, which a DataLoader sets per
batch.
"""

from ...engine.arguments import explain
from .base import ImageTransform, Transform
from .colour import (
    ColorJitter,
    ConvertImageDtype,
    Flatten,
    GaussianBlur,
    Grayscale,
    Normalize,
    PILToTensor,
    RandomErasing,
    RandomGrayscale,
    RandomInvert,
    ToDtype,
    ToImage,
    ToPILImage,
    ToTensor,
)
from .containers import Compose, Lambda, RandomApply, RandomChoice, RandomOrder
from .geometry import (
    CenterCrop,
    FiveCrop,
    Pad,
    RandomAffine,
    RandomCrop,
    RandomHorizontalFlip,
    RandomResizedCrop,
    RandomRotation,
    RandomVerticalFlip,
    Resize,
    warp,
)
from .mix import CutMix, MixUp
from .resample import InterpolationMode

__all__ = [
    "CenterCrop",
    "ColorJitter",
    "Compose",
    "ConvertImageDtype",
    "CutMix",
    "FiveCrop",
    "Flatten",
    "GaussianBlur",
    "Grayscale",
    "ImageTransform",
    "InterpolationMode",
    "Lambda",
    "MixUp",
    "Normalize",
    "PILToTensor",
    "Pad",
    "RandomAffine",
    "RandomApply",
    "RandomChoice",
    "RandomCrop",
    "RandomErasing",
    "RandomGrayscale",
    "RandomHorizontalFlip",
    "RandomInvert",
    "RandomOrder",
    "RandomResizedCrop",
    "RandomRotation",
    "RandomVerticalFlip",
    "Resize",
    "ToDtype",
    "ToImage",
    "ToPILImage",
    "ToTensor",
    "Transform",
    "warp",
]

explain(globals(), __all__)
