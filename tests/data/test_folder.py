"""ImageFolder: what is found, what is refused, what becomes of broken files."""

import os
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import pytest

from autograd_nn.data import DataLoader, ImageFolder, Subset, read_image, transforms
from autograd_nn.data import folder as module

Image = pytest.importorskip("PIL.Image", reason="the extra 'data' is not installed")
pytestmark = pytest.mark.data

TO_BATCH = transforms.Compose([transforms.Resize((8, 10)), transforms.ToTensor()])


def picture(path, mode="RGB", size=(12, 9), value=100, **settings):
    """Write an image file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = value if mode in ("L", "P", "1") else tuple([value] * len(Image.new(mode, (1, 1)).getbands()))
    Image.new(mode, size, colour).save(path, **settings)


@pytest.fixture
def pets(tmp_path):
    """A folder of two classes."""
    for number in range(4):
        picture(tmp_path / "cat" / f"{number}.png", value=number * 10)
    picture(tmp_path / "cat" / "deeper" / "grey.jpg", "L")
    picture(tmp_path / "dog" / "alpha.PNG", "RGBA")
    picture(tmp_path / "dog" / "palette.gif", "P")
    picture(tmp_path / "dog" / "b.webp")
    (tmp_path / "dog" / "notes.txt").write_text("no image")
    (tmp_path / "read me.txt").write_text("no class")
    return tmp_path


def test_classes_and_samples(pets):
    data = ImageFolder(pets)
    assert data.classes == ["cat", "dog"]
    assert data.class_to_idx == {"cat": 0, "dog": 1}
    names = [os.path.relpath(path, pets) for path, _ in data.samples]
    cats = [os.path.join("cat", f"{n}.png") for n in range(4)] + [os.path.join("cat", "deeper", "grey.jpg")]
    assert names == cats + [os.path.join("dog", name) for name in ("alpha.PNG", "b.webp", "palette.gif")]
    assert data.targets == [0] * 5 + [1] * 3
    assert data.imgs == data.samples
    image, target = data[0]
    assert image.mode == "RGB" and image.size == (12, 9) and target == 0
    assert {data[index][0].mode for index in range(len(data))} == {"RGB"}
    assert repr(data) == f"ImageFolder({str(pets)!r}: 8 images of 2 classes)"
    assert ImageFolder(pets, mode="L")[0][0].mode == "L"
    assert len(ImageFolder(pets, extensions=(".png",))) == 5
    assert len(ImageFolder(pets, is_valid_file=lambda path: "deeper" in path, allow_empty=True)) == 1
    assert ImageFolder(pets, loader=len, target_transform=lambda y: y + 10)[0] == (len(data.samples[0][0]), 10)


@pytest.mark.parametrize("workers", [0, 3])
def test_batches(pets, workers):
    data = ImageFolder(pets, TO_BATCH)
    images, labels = next(iter(DataLoader(data, batch_size=8, num_workers=workers)))
    assert images.shape == (8, 3, 8, 10) and images.dtype == np.float32
    assert labels.data.tolist() == data.targets
    np.testing.assert_allclose(images.data[:4, 0, 0, 0] * 255, [0, 10, 20, 30], atol=1e-4)
    with pytest.raises(TypeError, match="put ToTensor"):
        next(iter(DataLoader(ImageFolder(pets), batch_size=2, num_workers=workers)))


def test_workers_decode_at_once(pets):
    class Counter:
        most = now = 0
        lock = threading.Lock()

    def slow(path):
        with Counter.lock:
            Counter.now += 1
            Counter.most = max(Counter.most, Counter.now)
        time.sleep(0.03)
        with Counter.lock:
            Counter.now -= 1
        return np.zeros(2, np.float32)

    list(DataLoader(ImageFolder(pets, loader=slow), 1, num_workers=4))
    assert Counter.most >= 3


def break_files(pets):
    """Break two files; return their paths."""
    cut, text = pets / "cat" / "1.png", pets / "dog" / "b.webp"
    big = pets / "cat" / "1.jpg"
    cut.unlink()
    generator = np.random.default_rng(0)
    Image.fromarray(generator.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(big)
    big.write_bytes(big.read_bytes()[:-600])
    text.write_text("this is no image")
    return str(big), str(text)


def test_broken_files_are_named(pets):
    cut, text = break_files(pets)
    data = ImageFolder(pets, TO_BATCH)
    with pytest.raises(ValueError, match=r"1\.jpg is damaged .*truncated"):
        list(DataLoader(data, batch_size=8))
    with pytest.raises(ValueError, match=r"b\.webp is no image of a known format"):
        data[[path for path, _ in data.samples].index(text)]
    assert set(data.check()) == {cut, text}
    assert "damaged" in data.check(num_workers=1)[cut]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("wrap", [lambda data: data, lambda data: Subset(data, range(len(data)))])
@pytest.mark.parametrize("collate", [False, True])
def test_broken_files_are_skipped(pets, workers, wrap, collate):
    cut, text = break_files(pets)
    data = ImageFolder(pets, TO_BATCH, corrupt="skip")
    settings = {"collate_fn": lambda samples: tuple(zip(*samples, strict=True))} if collate else {}
    loader = DataLoader(wrap(data), batch_size=8, num_workers=workers, **settings)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            (images, labels), = list(loader)
    assert len(images) == len(labels) == 6
    assert set(data.corrupt_files) == {cut, text}
    messages = [str(one.message) for one in caught if "left out" in str(one.message)]
    assert len(messages) == 2 and any("1.jpg" in message for message in messages)
    with pytest.raises(ValueError, match="damaged"):
        data[[path for path, _ in data.samples].index(cut)]


def test_a_batch_of_broken_files_alone(pets):
    for name in ("alpha.PNG", "palette.gif", "b.webp"):
        (pets / "dog" / name).write_text("broken")
    data = ImageFolder(pets, TO_BATCH, corrupt="skip")
    with pytest.warns(UserWarning, match="left out"), pytest.raises(ValueError, match="none of the 3 files of a batch"):
        list(DataLoader(Subset(data, [5, 6, 7]), 3))


def bomb(width, height):
    """Return a PNG whose header announces many pixels."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + body


@pytest.mark.parametrize(("width", "height"), [(60_000, 60_000), (12_000, 12_000), (2**31 - 1, 1), (1, 2**31 - 1)])
def test_decompression_bombs_take_no_memory(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(bomb(width, height))
    with pytest.raises(ValueError, match=r"bomb\.png: expected at most 100,000,000 pixels"):
        read_image(path)
    with pytest.raises(ValueError, match=r"at most 50 pixels, its header says 12 x 9"):
        picture(tmp_path / "x.png")
        read_image(tmp_path / "x.png", max_pixels=50)


def test_other_formats_are_not_opened(tmp_path):
    path = tmp_path / "a" / "x.png"
    path.parent.mkdir()
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\nshowpage\n")
    with pytest.raises(ValueError, match="no image of a known format"):
        ImageFolder(tmp_path)[0]


@pytest.mark.parametrize("kind", ["file", "folder", "class"])
def test_nothing_outside_of_the_folder_is_read(pets, tmp_path_factory, kind):
    outside = tmp_path_factory.mktemp("outside")
    picture(outside / "secret.png")
    place = {"file": pets / "cat" / "link.png", "folder": pets / "cat" / "link", "class": pets / "link"}[kind]
    place.symlink_to(outside / "secret.png" if kind == "file" else outside)
    with pytest.raises(ValueError, match="is a link that leads out of"):
        ImageFolder(pets)
    assert len(ImageFolder(pets, follow_links=True)) == 9


def test_links_within_the_folder_and_in_circles(pets):
    (pets / "cat" / "again").symlink_to(pets / "cat")
    (pets / "dog" / "same.png").symlink_to(pets / "cat" / "0.png")
    data = ImageFolder(pets)
    assert len(data) == 9 and data.targets.count(1) == 4


def test_folders_without_images(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        ImageFolder(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match=r"has no folder in it; images of a class lie in a folder of its name"):
        ImageFolder(tmp_path)
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError, match=r"no file in the class 'b'"):
        ImageFolder(tmp_path)
    assert ImageFolder(tmp_path, allow_empty=True).classes == ["a", "b"]
    with pytest.raises(ValueError, match="corrupt must be"):
        ImageFolder(tmp_path, corrupt="ignore")
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_image(tmp_path / "c.png")


def test_without_pillow_the_error_names_the_extra(pets, monkeypatch):
    def need(name, extra, what):
        raise ImportError(f'{what} needs PIL, which is not installed: pip install "autograd_nn[{extra}]"')

    monkeypatch.setattr(module, "need", need)
    with pytest.raises(ImportError, match=r'ImageFolder\(\) needs PIL.*autograd_nn\[data\]'):
        ImageFolder(pets)
    assert len(ImageFolder(pets, loader=np.load)) == 8


def test_mutated_files_raise_value_errors_only(tmp_path):
    """A slice of fuzzing: nothing but ValueError comes out of a damaged image."""
    generator = np.random.default_rng(1)
    source = generator.integers(0, 256, (20, 24, 3)).astype(np.uint8)
    good = []
    for name in ("a.png", "a.jpg", "a.gif", "a.bmp", "a.tif", "a.webp", "a.ppm"):
        Image.fromarray(source).save(tmp_path / name)
        good.append((name, (tmp_path / name).read_bytes()))
    read = refused = 0
    for trial in range(350):
        name, data = good[trial % len(good)]
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), generator.integers(1, 12)):
            damaged[place] = generator.integers(0, 256)
        if trial % 3 == 0:
            del damaged[generator.integers(0, len(damaged)):]
        path = tmp_path / f"damaged{os.path.splitext(name)[1]}"
        path.write_bytes(damaged)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read_image(path, max_pixels=10**6)
                read += 1
            except ValueError as error:
                assert str(path) in str(error)
                refused += 1
    assert read > 20 and refused > 100
