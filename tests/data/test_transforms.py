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
    transforms.Flatten(), transforms.Resize(6), transforms.Resize((12, 20)),
]
RANDOM = [
    lambda g: transforms.RandomCrop(6, generator=g),
    lambda g: transforms.RandomCrop((9, 8), padding=2, generator=g),
    lambda g: transforms.RandomHorizontalFlip(generator=g),
    lambda g: transforms.RandomVerticalFlip(0.7, generator=g),
    lambda g: transforms.RandomRotation(40, generator=g),
    lambda g: transforms.RandomRotation((10, 20), interpolation="bilinear", fill=3, generator=g),
    lambda g: transforms.RandomAffine(20, (0.2, 0.1), (0.8, 1.2), 10, "bilinear", generator=g),
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
        expected = functional.interpolate(torch.tensor(images), size, mode="bilinear", align_corners=False).numpy()
        np.testing.assert_allclose(transforms.Resize(size).apply(images), expected, atol=1e-9)
