"""Transforms give torchvision's results: its figures, written down once by make_torchvision_figures.py."""

import pathlib

import numpy as np
import pytest

from autograd_nn.data import transforms as T
from autograd_nn.data.transforms import colour, geometry
from autograd_nn.tensor import Tensor, from_numpy

Image = pytest.importorskip("PIL.Image", reason="the extra 'data' is not installed")
pytestmark = pytest.mark.data

FIGURES = dict(np.load(pathlib.Path(__file__).parent / "torchvision_figures.npz"))
AFFINES = [(20, (0, 0), 1.0, (0, 0)), (0, (3, -2), 1.37, (0, 0)), (-35, (1, 2), 0.7, (12, 0)),
           (10, (0, 0), 1.0, (5, -20))]
SIZES = {"7 None": (7, None), "19 None": (19, None), "(5, 20) None": ((5, 20), None), "(15, 6) None": ((15, 6), None),
         "8 10": (8, 10)}


def image(kind):
    """Return one of the images, (H, W) or (H, W, C) uint8."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:12, :17]
    waves = [127 + 120 * np.sin(x / (2 + c) + y / (5 - c)) for c in range(3)]
    noise = generator.integers(-40, 41, (12, 17, 3))
    rgb = np.clip(np.stack(waves, -1) + noise, 0, 255).astype(np.uint8)
    alpha = generator.integers(0, 256, (12, 17, 1)).astype(np.uint8)
    return {"rgb": rgb, "grey": rgb[..., 1], "rgba": np.concatenate([rgb, alpha], -1)}[kind]


class FixedAffine(T.RandomAffine):
    """An affine map that is not drawn."""

    def __init__(self, values, mode):
        super().__init__(0, interpolation=mode)
        self.values = values

    def draw(self, count, height, width):
        angle, shift, scale, shear = (np.array([value] * count, dtype=np.float64) for value in self.values)
        return geometry.affine_matrices(angle, scale, shear), shift


class FixedWindow(T.RandomResizedCrop):
    """A crop that is not drawn."""

    def window(self, height, width):
        return 2, 5, 9, 7


class FixedJitter(T.ColorJitter):
    """One change of colours that is not drawn."""

    def __init__(self, name, value):
        super().__init__()
        self.step = (name, value)

    def draw(self):
        return [self.step]


def transform(name, channels):
    """Return the transform that a figure's name describes."""
    what, _, rest = name.partition(" ")
    if what == "resize":
        size, _, mode = rest.rpartition(" ")
        size, most = SIZES[size]
        return T.Resize(size, mode, most)
    if what == "pad":
        return T.Pad((1, 2, 3, 4), 7 if rest == "constant" else 0, rest)
    if what == "rotate":
        return T.RandomRotation((33, 33), rest, [9] * channels)
    if what == "affine":
        position, mode = rest.split()
        return FixedAffine(AFFINES[int(position)], mode)
    if what in ("brightness", "contrast", "saturation", "hue"):
        return FixedJitter(what, float(rest))
    return {"hflip": T.RandomHorizontalFlip(1), "vflip": T.RandomVerticalFlip(1), "centre 9": T.CenterCrop(9),
            "centre (15, 8)": T.CenterCrop((15, 8)), "resized crop": FixedWindow((6, 8)), "grey": T.Grayscale(),
            "blur": T.GaussianBlur((3, 5), 1.1)}[name]


def difference(got, expected):
    """Return the largest difference."""
    assert got.shape == expected.shape
    return float(np.abs(got.astype(np.float64) - expected).max(initial=0))


NAMES = [name for name in FIGURES if name.split()[0] in ("rgb", "grey", "rgba") and "to tensor" not in name]


def test_all_figures_are_read():
    assert len(NAMES) > 250


@pytest.mark.parametrize("name", [name for name in NAMES if name.split()[1] == "pil"])
def test_pil_images(name):
    kind, _, rest = name.split(" ", 2)
    picture = Image.fromarray(image(kind))
    result = transform(rest, len(picture.getbands()))(picture)
    assert isinstance(result, Image.Image)
    allowed = 1 if "blur" in rest else 0
    assert difference(np.asarray(result), FIGURES[name]) <= allowed


@pytest.mark.parametrize("name", [name for name in NAMES if name.split()[1] != "pil"])
def test_tensors_and_arrays(name):
    kind, dtype, rest = name.split(" ", 2)
    array = image(kind)
    array = array / np.float32(255) if dtype == "float" else array
    first = array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))
    apply = transform(rest, len(first))
    result = apply(from_numpy(first))
    assert isinstance(result, Tensor)
    expected = FIGURES[name]
    assert result.dtype == expected.dtype
    wrong = np.abs(result.array.astype(np.float64) - expected) > (2e-6 if dtype == "float" else 1)
    if rest.startswith(("rotate bilinear", "affine")) and rest.endswith("bilinear"):
        # torchvision blends the border twice: look inside.
        wrong &= transform(rest, 1)(np.ones(array.shape[:2], np.float32)) == 1
    assert wrong.mean() <= (0.01 if "rotate" in rest or "affine" in rest else 0)  # places between two pixels
    # The same image as an array, channels last or first, and in a batch.
    last = apply(array)
    np.testing.assert_array_equal(last[None] if last.ndim == 2 else last.transpose(2, 0, 1), result.array)
    np.testing.assert_array_equal(apply(first), result.array)
    batch = apply.apply(np.stack([array, array]))
    np.testing.assert_array_equal(batch[1], last)


@pytest.mark.parametrize("kind", ["rgb", "grey"])
@pytest.mark.parametrize("size", SIZES)
def test_arrays_are_resized_to_the_bits_of_pillow(kind, size):
    size = SIZES[size]
    result = T.Resize(size[0], "bilinear", size[1])(image(kind))
    expected = FIGURES[f"{kind} pil resize {size[0]} {size[1]} bilinear"]
    assert difference(result, expected) <= (size[0] == (5, 20))  # there Pillow 13 takes the other axis first


@pytest.mark.parametrize("kind", ["rgb", "grey", "rgba"])
@pytest.mark.parametrize("size", SIZES)
def test_bicubic_arrays_have_the_values_of_torchvisions_tensors(kind, size):
    result = T.Resize(SIZES[size][0], "bicubic", SIZES[size][1])(image(kind))
    first = result[None] if kind == "grey" else result.transpose(2, 0, 1)
    wrong = first.astype(int) - FIGURES[f"{kind} uint8 resize {size} bicubic"]
    assert abs(wrong).max() <= 1  # PyTorch sums in float32
    assert (wrong != 0).mean() < 0.01


@pytest.mark.parametrize("kind", ["rgb", "grey", "rgba"])
def test_to_tensor(kind):
    for sample in (Image.fromarray(image(kind)), image(kind)):
        np.testing.assert_array_equal(T.ToTensor()(sample).array, FIGURES[f"{kind} to tensor"])


class Draws:
    """A generator whose numbers are set."""

    def __init__(self):
        self.places = [4, 11]

    def integers(self, low, high):
        return self.places.pop(0)


@pytest.mark.parametrize(("name", "mix"), [("mixup", T.MixUp(num_classes=4)), ("cutmix", T.CutMix(num_classes=4))])
def test_mixing(name, mix):
    batch = np.stack([image("rgb").transpose(2, 0, 1)] * 3) / np.float32(255)
    batch = batch * np.array([1, 0.5, 0.25], np.float32)[:, None, None, None]
    images, share = mix._mix(batch, 0.3, Draws())
    np.testing.assert_allclose(images, FIGURES[f"{name} images"], atol=1e-6)
    labels = np.eye(4)[[0, 3, 1]]
    labels = labels * share + np.roll(labels, 1, 0) * (1 - share)
    np.testing.assert_allclose(labels, FIGURES[f"{name} labels"], atol=1e-6)


def test_formulas_by_name():
    assert set(colour.ADJUST) == {"brightness", "contrast", "saturation", "hue"}
