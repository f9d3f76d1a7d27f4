"""Transforms: batch and single sample agree, values, seeds, errors."""

import numpy as np
import pytest

import autograd_nn
from autograd_nn.data import transforms
from autograd_nn.tensor import Tensor

GENERATOR = np.random.default_rng(0)
GREY = GENERATOR.integers(0, 256, (5, 9, 8)).astype(np.uint8)
COLOUR = GENERATOR.standard_normal((5, 3, 9, 8)).astype(np.float32)

DETERMINISTIC = [
    transforms.Pad(2), transforms.Pad((1, 2), fill=7), transforms.Pad((1, 2, 3, 4), padding_mode="edge"),
    transforms.Pad(2, padding_mode="reflect"), transforms.CenterCrop(5), transforms.CenterCrop((4, 7)),
    transforms.Flatten(), transforms.Resize(6), transforms.Resize((12, 20)), transforms.CenterCrop(12),
    transforms.Resize(7, "bicubic"), transforms.Resize((4, 3), "nearest"), transforms.Grayscale(),
]
RANDOM = [
    lambda g: transforms.RandomCrop(6, generator=g),
    lambda g: transforms.RandomCrop((9, 8), padding=2, generator=g),
    lambda g: transforms.RandomHorizontalFlip(generator=g),
    lambda g: transforms.RandomVerticalFlip(0.7, generator=g),
    lambda g: transforms.RandomRotation(40, generator=g),
    lambda g: transforms.RandomRotation((10, 20), interpolation="bilinear", fill=3, generator=g),
    lambda g: transforms.RandomAffine(20, (0.2, 0.1), (0.8, 1.2), 10, "bilinear", generator=g),
    lambda g: transforms.RandomResizedCrop((5, 4), generator=g),
    lambda g: transforms.RandomCrop(12, pad_if_needed=True, generator=g),
    lambda g: transforms.ColorJitter(0.5, 0.5, 0.5, 0.2, generator=g),
    lambda g: transforms.RandomErasing(1, generator=g),
    lambda g: transforms.GaussianBlur(3, generator=g),
    lambda g: transforms.RandomInvert(generator=g),
]


@pytest.mark.parametrize("batch", [GREY, COLOUR])
@pytest.mark.parametrize("transform", DETERMINISTIC)
def test_batch_and_samples_agree(transform, batch):
    result = transform.apply(batch)
    assert result.dtype == batch.dtype
    for sample, expected in zip(batch, result, strict=True):
        np.testing.assert_array_equal(transform(sample), expected)
        as_tensor = transform(Tensor(sample))
        assert isinstance(as_tensor, Tensor)
        np.testing.assert_array_equal(as_tensor.array, expected)
    assert transform.apply(batch[:0]).shape == (0, *result.shape[1:])


@pytest.mark.parametrize("batch", [GREY, COLOUR])
@pytest.mark.parametrize("make", RANDOM)
def test_random_transforms_repeat_and_leave_their_input(make, batch):
    before = batch.copy()
    first = make(3).apply(batch)
    np.testing.assert_array_equal(batch, before)
    np.testing.assert_array_equal(make(3).apply(batch), first)
    assert first.dtype == batch.dtype
    assert not np.array_equal(make(4).apply(batch), first)
    assert make(3).apply(batch[:0]).shape == (0, *first.shape[1:])
    transform = make(3)
    assert not np.array_equal(transform.apply(batch), transform.apply(batch))
    assert transform(batch[0]).shape == first.shape[1:]
    autograd_nn.manual_seed(8)
    free = make(None).apply(batch)
    autograd_nn.manual_seed(8)
    np.testing.assert_array_equal(make(None).apply(batch), free)


def test_to_tensor():
    x = transforms.ToTensor()(GREY[0])
    assert isinstance(x, Tensor)
    assert x.shape == (1, 9, 8)
    np.testing.assert_array_equal(x.array[0], GREY[0].astype(np.float32) / np.float32(255))
    colour = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(transforms.ToTensor()(colour).array[2], colour[..., 2] / np.float32(255))
    assert transforms.ToTensor()(np.ones((2, 3))).dtype == np.float64
    assert transforms.ToTensor()(np.ones((2, 3), np.int32)).dtype == np.float32
    with pytest.raises(ValueError, match=r"an image \(H, W\) or \(H, W, C\), got shape \(3,\)"):
        transforms.ToTensor()(np.zeros(3))


def test_normalize():
    result = transforms.Normalize([1, 2, 3], [2, 4, 5]).apply(COLOUR)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result[:, 1], (COLOUR[:, 1] - 2) / 4, rtol=1e-6)
    np.testing.assert_allclose(transforms.Normalize(0.5, 0.5)(COLOUR[0]), (COLOUR[0] - 0.5) / 0.5, rtol=1e-6)
    with pytest.raises(TypeError, match=r"got uint8 .put ToTensor before it"):
        transforms.Normalize(0, 1)(GREY[0])
    with pytest.raises(ValueError, match="mean has 2 channels but the image has 3"):
        transforms.Normalize([0, 1], [1, 1])(COLOUR[0])
    with pytest.raises(ValueError, match="std finite and above 0"):
        transforms.Normalize(0, 0)
    with pytest.raises(ValueError, match=r"expects images \(C, H, W\)"):
        transforms.Normalize(0, 1)(np.zeros((3, 3)))


def test_pad_equals_numpy():
    np.testing.assert_array_equal(transforms.Pad((1, 2, 3, 4), fill=5)(GREY[0]),
                                  np.pad(GREY[0], ((2, 4), (1, 3)), constant_values=5))
    with pytest.raises(ValueError, match="smaller than the image"):
        transforms.Pad(9, padding_mode="reflect")(GREY[0])
    with pytest.raises(ValueError, match="1, 2 or 4 integers"):
        transforms.Pad((1, 2, 3))
    with pytest.raises(ValueError, match="integer from 0"):
        transforms.Pad(-1)
    with pytest.raises(ValueError, match="padding_mode must be one of"):
        transforms.Pad(1, padding_mode="zeros")


def test_random_crop_takes_windows():
    image = np.arange(72).reshape(9, 8)
    crops = transforms.RandomCrop((5, 4), generator=0).apply(np.stack([image] * 200))
    windows = {tuple(image[i:i + 5, j:j + 4].ravel()) for i in range(5) for j in range(5)}
    found = {tuple(crop.ravel()) for crop in crops}
    assert found == windows
    with pytest.raises(ValueError, match=r"size \(10, 8\) is larger than the image \(9, 8\)"):
        transforms.RandomCrop((10, 8))(image)
    with pytest.raises(ValueError, match="at least 2 axes"):
        transforms.RandomCrop(2)(np.zeros(5))
    with pytest.raises(ValueError, match="one integer or two"):
        transforms.RandomCrop((1, 2, 3))


def test_channels_of_one_image_share_their_draw():
    image = np.stack([np.arange(72).reshape(9, 8)] * 3)
    for make in RANDOM:
        result = make(5)(image)
        np.testing.assert_array_equal(result[0], result[1])
        np.testing.assert_array_equal(result[0], result[2])


def test_flips():
    np.testing.assert_array_equal(transforms.RandomHorizontalFlip(1)(GREY[0]), GREY[0][:, ::-1])
    np.testing.assert_array_equal(transforms.RandomVerticalFlip(1)(GREY[0]), GREY[0][::-1])
    np.testing.assert_array_equal(transforms.RandomHorizontalFlip(0).apply(GREY), GREY)
    flipped = transforms.RandomHorizontalFlip(0.25, generator=1).apply(np.tile([[[1, 0]]], (2000, 1, 1)))
    assert abs(flipped[:, 0, 1].mean() - 0.25) < 0.04
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\]"):
        transforms.RandomHorizontalFlip(1.5)


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear"])
def test_rotation_by_right_angles(interpolation):
    square = np.random.default_rng(2).standard_normal((2, 7, 7)).astype(np.float32)
    for turns in range(4):
        transform = transforms.RandomRotation((90 * turns, 90 * turns), interpolation)
        np.testing.assert_allclose(transform.apply(square), np.rot90(square, turns, (1, 2)), atol=1e-5)


def test_affine_shift_scale_and_fill():
    image = np.zeros((9, 9), np.float32)
    image[4, 4] = 1
    shifted = transforms.warp(image[None], np.eye(2)[None], np.array([[2.0, -1.0]]), "nearest", 5)[0]
    assert shifted[3, 6] == 1
    np.testing.assert_array_equal(shifted[-1], 5)
    np.testing.assert_array_equal(shifted[:, :2], 5)
    half = transforms.warp(image[None], np.eye(2)[None], np.array([[0.5, 0.0]]), "bilinear", 0)[0]
    np.testing.assert_allclose(half[4, 4:6], [0.5, 0.5])
    doubled = transforms.RandomAffine(0, scale=(3, 3))(image)
    np.testing.assert_array_equal(np.argwhere(doubled == 1), [[i, j] for i in (3, 4, 5) for j in (3, 4, 5)])
    far = transforms.warp(image[None], np.eye(2)[None], np.array([[1e9, 1e9]]), "bilinear", 2)[0]
    np.testing.assert_array_equal(far, 2)


@pytest.mark.parametrize(("settings", "match"), [
    ({"degrees": -5}, "degrees must be"), ({"degrees": (5, 1)}, "degrees must be"),
    ({"degrees": 0, "translate": (2, 0)}, "translate must be"), ({"degrees": 0, "scale": (0, 1)}, "scale must be"),
    ({"degrees": 0, "shear": 90}, "shear must lie"),
    ({"degrees": 0, "interpolation": "cubic"}, "interpolation must be"),
])
def test_affine_refuses(settings, match):
    with pytest.raises(ValueError, match=match):
        transforms.RandomAffine(**settings)


def test_resize_refuses_no_pixels():
    with pytest.raises(ValueError, match="without pixels"):
        transforms.Resize(3)(np.zeros((0, 4)))


def test_compose_and_lambda():
    chain = transforms.Compose([transforms.ToTensor(), transforms.Normalize(0.5, 0.5), transforms.Flatten()])
    assert chain.batched
    np.testing.assert_array_equal(chain.apply(GREY)[2], chain(GREY[2]).array)
    per_sample = transforms.Compose([transforms.ToTensor(), transforms.Lambda(lambda x: x.reshape(-1))])
    assert not per_sample.batched
    assert per_sample(GREY[0]).shape == (72,)
    whole = transforms.Lambda(lambda x: x * 2, batched=True)
    np.testing.assert_array_equal(whole.apply(COLOUR), COLOUR * 2)
    np.testing.assert_array_equal(whole(COLOUR[0]), COLOUR[0] * 2)
    with pytest.raises(TypeError, match="transform 1 is not callable"):
        transforms.Compose([abs, 3])
    with pytest.raises(TypeError, match="not callable"):
        transforms.Lambda(3)
    with pytest.raises(NotImplementedError, match="must define apply"):
        transforms.Transform()(GREY[0])


def test_warp_and_resize_equal_torch():
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    generator = np.random.default_rng(3)
    matrices = np.eye(2) + generator.uniform(-0.3, 0.3, (5, 2, 2))
    shift = generator.uniform(-2, 2, (5, 2))
    # grid_sample maps from output to input, in units of half the width and height.
    unit = np.array([8, 9]) / 2
    inverse = np.linalg.inv(matrices)
    theta = np.concatenate([inverse * unit[None, None, :] / unit[None, :, None],
                            -(inverse @ shift[:, :, None]) / unit[None, :, None]], axis=2)
    grid = functional.affine_grid(torch.tensor(theta), (5, 3, 9, 8), align_corners=False)
    images = COLOUR.astype(np.float64)
    for mode in ("bilinear", "nearest"):
        expected = functional.grid_sample(torch.tensor(images), grid, mode=mode, align_corners=False).numpy()
        np.testing.assert_allclose(transforms.warp(images, matrices, shift, mode, 0), expected, atol=1e-9)
    for size in ((6, 6), (12, 20), (9, 8), (1, 3)):
        for mode in ("bilinear", "bicubic"):
            for antialias in (False, True):
                expected = functional.interpolate(torch.tensor(images), size, mode=mode, align_corners=False,
                                                  antialias=antialias).numpy()
                result = transforms.Resize(size, mode, antialias=antialias).apply(images)
                np.testing.assert_allclose(result, expected, atol=1e-9)


# ------------------------------------------------------------------------------ layouts and kinds

LAST = np.random.default_rng(5).integers(0, 256, (4, 9, 8, 3)).astype(np.uint8)
FIRST = np.ascontiguousarray(LAST.transpose(0, 3, 1, 2))
ALL = [*DETERMINISTIC[:-1], *(make(3) for make in RANDOM)]


@pytest.mark.parametrize("position", [p for p, t in enumerate(ALL) if not isinstance(t, transforms.Flatten)])
def test_channels_last_and_first_agree(position):
    def fresh():
        return ([*DETERMINISTIC[:-1], *(make(3) for make in RANDOM)])[position]

    expected = fresh().apply(FIRST)
    np.testing.assert_array_equal(fresh().apply(LAST), expected.transpose(0, 2, 3, 1))
    sample = fresh()(FIRST[0])
    np.testing.assert_array_equal(fresh()(LAST[0]), sample.transpose(1, 2, 0))
    np.testing.assert_array_equal(fresh()(Tensor(FIRST[0])).data, sample)


@pytest.mark.parametrize("transform", [t for t in ALL if not isinstance(t, transforms.Flatten)], ids=repr)
def test_what_can_be_read_both_ways_is_refused(transform):
    name = type(transform).__name__
    with pytest.raises(TypeError, match=rf"{name}\(\): the array \(3, 32, 4\) may be .* both ends .* put ToTensor\(\)"):
        transform(np.zeros((3, 32, 4), np.float32))
    with pytest.raises(TypeError, match=rf"{name}\(\): the array \(16, 32, 20\) may be .* neither end"):
        transform(np.zeros((16, 32, 20), np.float32))
    with pytest.raises(TypeError, match=rf"{name}\(\): a Tensor is read as \(C, H, W\), .* x.permute"):
        transform(Tensor(np.zeros((16, 20, 3), np.float32)))
    for wrong in (None, "image", [[1, 2], [3, 4]], 3, {"image": 1}):
        with pytest.raises(TypeError, match=rf"{name}\(\): takes a PIL image, an array or a Tensor, got"):
            transform(wrong)
    with pytest.raises(TypeError, match="record no gradient"):
        transform(Tensor(np.zeros((3, 20, 20), np.float32), requires_grad=True))


def test_a_flip_before_to_tensor_mirrors_and_keeps_colours():
    image = np.zeros((5, 6, 3), np.uint8)
    image[:, 0] = (255, 0, 0)
    x = transforms.Compose([transforms.RandomHorizontalFlip(1.0), transforms.ToTensor()])(image)
    assert x.shape == (3, 5, 6)
    np.testing.assert_array_equal(x.data[:, :, -1], [[1] * 5, [0] * 5, [0] * 5])
    assert transforms.Compose([transforms.Resize((32, 32)), transforms.ToTensor()])(image).shape == (3, 32, 32)
    assert transforms.Compose([transforms.Pad(4), transforms.ToTensor()])(image).shape == (3, 13, 14)


def test_a_composition_hands_the_layout_on():
    small = np.random.default_rng(6).integers(0, 256, (5, 9, 9, 3)).astype(np.uint8)
    chain = transforms.Compose([transforms.CenterCrop(3), transforms.Pad(1), transforms.ToTensor(),
                                transforms.Pad(1), transforms.Normalize(0.5, 0.5)])
    result = chain.apply(small)  # after the crop (3, 3, 3): no shape tells the channels
    assert result.shape == (5, 3, 7, 7)
    np.testing.assert_array_equal(result[:, :, 2:5, 2:5],
                                  (small[:, 3:6, 3:6].transpose(0, 3, 1, 2) / np.float32(255) - 0.5) / 0.5)


def test_resize_an_int_is_the_shorter_side_and_stripes_vanish():
    assert transforms.Resize(20)(np.zeros((30, 45, 3), np.uint8)).shape == (20, 30, 3)
    assert transforms.Resize(20)(np.zeros((45, 30), np.uint8)).shape == (30, 20)
    assert transforms.Resize([20])(np.zeros((45, 30), np.uint8)).shape == (30, 20)
    assert transforms.Resize(20, max_size=25)(np.zeros((50, 20), np.uint8)).shape == (25, 10)
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (64, 32))
    assert transforms.Resize(20)(stripes).std() < 0.03
    assert transforms.Resize(20, antialias=False)(stripes).std() > 0.25
    for settings, match in (({"size": 20, "max_size": 20}, "max_size must be above size"),
                            ({"size": (20, 20), "max_size": 30}, "size one integer"),
                            ({"size": 0}, "size must be an integer from 1"),
                            ({"size": 3, "interpolation": "cubic"}, "interpolation must be one of")):
        with pytest.raises(ValueError, match=match):
            transforms.Resize(**settings)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float16, np.float32, np.float64, bool])
@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic", "box", "hamming", "lanczos"])
def test_resize_keeps_the_dtype_and_constant_images(dtype, mode):
    for value in (0, 1):
        result = transforms.Resize((5, 31), mode)(np.full((12, 9), value, dtype))
        assert result.dtype == dtype
        np.testing.assert_allclose(result.astype(np.float64), value, atol=2e-3 if dtype == np.float16 else 1e-6)


def test_to_tensor_refuses_what_it_would_garble():
    with pytest.raises(TypeError, match=r"takes arrays \(H, W, C\), and \(3, 32, 32\) looks like \(C, H, W\)"):
        transforms.ToTensor()(np.zeros((3, 32, 32), np.uint8))
    with pytest.raises(TypeError, match="got a Tensor, whose channels stand first already"):
        transforms.ToTensor()(Tensor(np.zeros((3, 32, 32), np.uint8)))
    with pytest.raises(TypeError, match=r"takes a PIL image or an array .* got list"):
        transforms.ToTensor()([[1, 2]])


def test_dtypes_are_converted_as_torchvision_does():
    convert = transforms.ConvertImageDtype
    np.testing.assert_array_equal(convert(np.float32)(np.array([0, 51, 255], np.uint8)), np.float32([0, 0.2, 1]))
    np.testing.assert_array_equal(convert(np.uint8)(np.float32([0, 0.2, 0.999, 1])), [0, 51, 255, 255])
    np.testing.assert_array_equal(convert(np.int16)(np.array([0, 255], np.uint8)), [0, 255 * 128])
    np.testing.assert_array_equal(convert(np.uint8)(np.array([0, 32767], np.int16)), [0, 255])
    x = transforms.Compose([transforms.ToImage(), transforms.ToDtype(np.float32, scale=True)])(LAST[0])
    np.testing.assert_array_equal(x.data, FIRST[0] / np.float32(255))
    assert transforms.ToDtype(np.float32)(LAST[0]).max() > 1


def test_random_resized_crop_draws_areas_and_ratios():
    crop = transforms.RandomResizedCrop(8, (0.25, 0.5), (0.5, 2), generator=0)
    windows = np.array([crop.window(40, 60) for _ in range(500)])
    top, left, height, width = windows.T
    assert (top >= 0).all() and (left >= 0).all() and (top + height <= 40).all() and (left + width <= 60).all()
    assert (height * width / 2400).min() > 0.24 and (height * width / 2400).max() < 0.52
    assert (width / height).min() > 0.47 and (width / height).max() < 2.1
    assert transforms.RandomResizedCrop(8, (1, 1), (1, 1), generator=0).window(40, 60) == (0, 10, 40, 40)
    assert transforms.RandomResizedCrop(8, (1, 1), (1, 1), generator=0).window(60, 40) == (10, 0, 40, 40)
    with pytest.raises(ValueError, match="scale must be a pair"):
        transforms.RandomResizedCrop(8, scale=(1, 0.5))


def test_erasing():
    image = np.ones((3, 20, 30), np.float32)
    erased = transforms.RandomErasing(1, scale=(0.1, 0.2), value=(5, 6, 7), generator=0)(image)
    for channel, value in enumerate((5, 6, 7)):
        share = (erased[channel] == value).mean()
        assert 0.08 < share < 0.22
        assert (erased[channel][erased[channel] != value] == 1).all()
    assert len(np.unique(transforms.RandomErasing(1, value="random", generator=0)(image))) > 10
    assert (image == 1).all()
    np.testing.assert_array_equal(transforms.RandomErasing(0)(image), image)
    with pytest.raises(ValueError, match="value must be"):
        transforms.RandomErasing(value="noise")
    with pytest.raises(ValueError, match="one per channel"):
        transforms.RandomErasing(1, value=(1, 2), generator=0)(image)


def test_jitter_ranges_and_order():
    jitter = transforms.ColorJitter(0.5, (0.2, 3), 0, 0.1, generator=0)
    assert (jitter.brightness, jitter.contrast) == ((0.5, 1.5), (0.2, 3))
    assert (jitter.saturation, jitter.hue) == (None, (-0.1, 0.1))
    drawn = [jitter.draw() for _ in range(200)]
    assert len({tuple(name for name, _ in steps) for steps in drawn}) == 6
    assert all(0.5 <= dict(steps)["brightness"] <= 1.5 for steps in drawn)
    assert transforms.ColorJitter(3).brightness == (0, 4)
    for settings in ({"hue": 0.6}, {"brightness": -1}, {"contrast": (2, 1)}, {"saturation": "much"}):
        with pytest.raises(ValueError, match=r"ColorJitter\(\): "):
            transforms.ColorJitter(**settings)
    with pytest.raises(ValueError, match="images of 1 or 3 channels, got 4"):
        transforms.ColorJitter(0.5)(np.zeros((9, 9, 4), np.uint8))


def test_random_apply_choice_and_order():
    flip, invert = transforms.RandomHorizontalFlip(1), transforms.RandomInvert(1)
    image = np.arange(72, dtype=np.uint8).reshape(9, 8)
    apply = transforms.RandomApply([flip, invert], p=0.3, generator=0)
    results = [apply(image) for _ in range(300)]
    changed = [result for result in results if not np.array_equal(result, image)]
    assert 60 < len(changed) < 120
    assert all(np.array_equal(result, 255 - image[:, ::-1]) for result in changed)
    choice = transforms.RandomChoice([flip, invert], p=[1, 3], generator=0)
    assert 200 < sum(np.array_equal(choice(image), 255 - image) for _ in range(300)) < 250
    steps = [transforms.Lambda(lambda x: x + 1), transforms.Lambda(lambda x: x * 2)]
    order = transforms.RandomOrder(steps, generator=0)
    assert {int(order(np.array(3))) for _ in range(50)} == {7, 8}
    with pytest.raises(ValueError, match="one weight from 0 per transform"):
        transforms.RandomChoice([flip], p=[1, 2])
    with pytest.raises(TypeError, match=r"write RandomOrder\(\[...\]\)"):
        transforms.RandomOrder(flip)


def test_mixing_needs_a_batch():
    images, labels = np.ones((4, 3, 8, 8), np.float32), np.array([0, 1, 2, 1])
    for make in (transforms.MixUp, transforms.CutMix):
        x, y = make(num_classes=3, generator=1)(images * np.arange(4, dtype=np.float32)[:, None, None, None], labels)
        assert x.shape == images.shape and y.shape == (4, 3)
        np.testing.assert_allclose(y.array.sum(1), 1, rtol=1e-6)
        own = y.array[0, 0]  # image 0 is 0, the one before it, image 3, is 3
        np.testing.assert_allclose(x.array[0].mean(), 3 * (1 - own), atol=1e-5)
        with pytest.raises(ValueError, match="num_classes is needed"):
            make()(images, labels)
        with pytest.raises(ValueError, match=r"labels must be in \[0, 2\), got 0 to 2"):
            make(num_classes=2)(images, labels)
        with pytest.raises(TypeError, match="put ToTensor"):
            make(num_classes=3)((images * 255).astype(np.uint8), labels)
        with pytest.raises(ValueError, match="alpha must be a number above 0"):
            make(alpha=0)
    soft = np.eye(3, dtype=np.float32)[labels]
    np.testing.assert_allclose(transforms.MixUp(generator=1)(images, soft)[1].data,
                               transforms.MixUp(num_classes=3, generator=1)(images, labels)[1].data)


def test_five_crops():
    crops = transforms.FiveCrop(3)(np.arange(72).reshape(9, 8))
    assert [int(crop[0, 0]) for crop in crops] == [0, 5, 48, 53, 26]
    with pytest.raises(ValueError, match="larger than the image"):
        transforms.FiveCrop(10)(np.zeros((9, 8)))


@pytest.mark.data
def test_pil_images_keep_their_kind():
    Image = pytest.importorskip("PIL.Image")
    rgb = Image.fromarray(LAST[0])
    modes = {mode: rgb.convert(mode) for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "I", "F", "LA", "HSV")}
    modes["I;16"] = Image.fromarray(np.arange(72, dtype=np.uint16).reshape(9, 8))
    for mode, picture in modes.items():
        assert picture.mode == mode
        flipped = transforms.RandomHorizontalFlip(1)(picture)
        assert flipped.mode == mode and flipped.size == picture.size
        np.testing.assert_array_equal(np.asarray(flipped), np.asarray(picture)[:, ::-1])
        assert flipped.getpixel((0, 0)) == picture.getpixel((7, 0))
        cropped = transforms.CenterCrop((4, 6))(picture)
        assert cropped.size == (6, 4) and cropped.mode == mode
        assert transforms.Pad(2)(picture).size == (12, 13)
    np.testing.assert_array_equal(np.asarray(transforms.RandomHorizontalFlip(1)(modes["P"]).convert("RGB")),
                                  np.asarray(modes["P"].convert("RGB"))[:, ::-1])
    assert transforms.ToTensor()(modes["1"]).data.max() == 1
    for computing in (transforms.ToTensor(), transforms.GaussianBlur(3), transforms.RandomInvert(1.0),
                      transforms.ColorJitter(0.5), transforms.PILToTensor()):
        with pytest.raises(TypeError, match=rf"{type(computing).__name__}\(\): .*mode 'P' are places in its palette"):
            computing(modes["P"])
    with pytest.raises(TypeError, match=r"ColorJitter\(\): a PIL image of mode '1' has no colours to change"):
        transforms.ColorJitter(0.5)(modes["1"])
    for refused in (transforms.Normalize(0, 1), transforms.RandomErasing(1)):
        with pytest.raises(TypeError, match="got a PIL image"):
            refused(rgb)
    back = transforms.ToPILImage()(transforms.ToTensor()(rgb))
    np.testing.assert_array_equal(np.asarray(back), LAST[0])
    assert transforms.ToPILImage()(LAST[0, ..., 0]).mode == "L"
