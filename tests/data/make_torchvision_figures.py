"""Write torchvision_figures.npz: what torchvision makes of a few small images, for test_torchvision.py.

Run once, in an environment of its own (torchvision needs another PyTorch than the tests):

    pip install torch==2.14.1 torchvision==0.29.1 && python tests/data/make_torchvision_figures.py
"""

import pathlib

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import InterpolationMode as Mode
from torchvision.transforms import functional as F
from torchvision.transforms import v2

FILE = pathlib.Path(__file__).parent / "torchvision_figures.npz"


def images():
    """Return the images: (H, W, 3), (H, W) and (H, W, 4) uint8; smooth, with noise, and no two axes alike."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:12, :17]
    waves = [127 + 120 * np.sin(x / (2 + c) + y / (5 - c)) for c in range(3)]
    noise = generator.integers(-40, 41, (12, 17, 3))
    colour = np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)
    alpha = generator.integers(0, 256, (12, 17, 1)).astype(np.uint8)
    return {"rgb": colour, "grey": colour[..., 1].copy(), "rgba": np.concatenate([colour, alpha], -1)}


RESIZES = [(7, None), (19, None), ((5, 20), None), ((15, 6), None), (8, 10)]
MODES = ["nearest", "bilinear", "bicubic"]
AFFINES = [(20, (0, 0), 1.0, (0, 0)), (0, (3, -2), 1.37, (0, 0)), (-35, (1, 2), 0.7, (12, 0)),
           (10, (0, 0), 1.0, (5, -20))]


def results(kind, image, one):
    """Yield names and results of all transforms of one image, a PIL image or a Tensor."""
    for size, most in RESIZES:
        for mode in MODES:
            yield f"resize {size} {most} {mode}", F.resize(image, size if isinstance(size, tuple) else [size],
                                                           Mode(mode), most, antialias=True)
    yield "hflip", F.hflip(image)
    yield "vflip", F.vflip(image)
    yield "centre 9", F.center_crop(image, [9])
    yield "centre (15, 8)", F.center_crop(image, [15, 8])
    yield "resized crop", F.resized_crop(image, 2, 5, 9, 7, [6, 8])
    for mode in ("constant", "edge", "reflect", "symmetric"):
        yield f"pad {mode}", F.pad(image, [1, 2, 3, 4], 7 if mode == "constant" else 0, mode)
    for mode in ("nearest", "bilinear"):
        yield f"rotate {mode}", F.rotate(image, 33, Mode(mode), fill=[9.0] * one)
        for position, (angle, shift, scale, shear) in enumerate(AFFINES):
            yield f"affine {position} {mode}", F.affine(image, angle, list(shift), scale, list(shear), Mode(mode))
    if kind != "rgba":
        yield "grey", F.rgb_to_grayscale(image)
        for factor in (0.4, 1.7):
            yield f"brightness {factor}", F.adjust_brightness(image, factor)
            yield f"contrast {factor}", F.adjust_contrast(image, factor)
            yield f"saturation {factor}", F.adjust_saturation(image, factor)
        for shift in (-0.3, 0.0, 0.15):
            yield f"hue {shift}", F.adjust_hue(image, shift)
    yield "blur", F.gaussian_blur(image, [3, 5], [1.1, 1.1])


def mixed():
    """Yield what mixup and CutMix make of a batch, their random numbers set."""
    batch = torch.from_numpy(np.stack([images()["rgb"]] * 3).transpose(0, 3, 1, 2).copy()).float() / 255
    batch = batch * torch.tensor([1.0, 0.5, 0.25])[:, None, None, None]
    labels = torch.tensor([0, 3, 1])
    for name, transform in (("mixup", v2.MixUp(num_classes=4)), ("cutmix", v2.CutMix(num_classes=4))):
        transform._dist.sample = lambda *_: torch.tensor([0.3])
        places = iter([4, 11])  # x, y
        randint, torch.randint = torch.randint, lambda *_, places=places, **__: torch.tensor([next(places)])
        x, y = transform(batch, labels)
        torch.randint = randint
        yield f"{name} images", x
        yield f"{name} labels", y


def main():
    """Write the file."""
    figures = {}
    for kind, array in images().items():
        picture = Image.fromarray(array)
        figures[f"{kind} to tensor"] = F.to_tensor(picture).numpy()
        tensor = F.pil_to_tensor(picture)
        for name, result in results(kind, picture, len(picture.getbands())):
            figures[f"{kind} pil {name}"] = np.asarray(result)
        for name, result in results(kind, tensor, len(tensor)):
            figures[f"{kind} uint8 {name}"] = result.numpy()
        if kind == "rgb":
            for name, result in results(kind, F.to_tensor(picture), 3):
                figures[f"{kind} float {name}"] = result.numpy()
    for name, result in mixed():
        figures[name] = result.numpy()
    np.savez_compressed(FILE, **figures)
    print(len(figures), "figures,", FILE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
