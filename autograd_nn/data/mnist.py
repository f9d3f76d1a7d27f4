"""MNIST and the sets modelled on it: the digits in the package, IDX files from a folder, or a download."""

from __future__ import annotations

import os
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from .dataset import ArrayDataset
from .download import cache_folder, fetch
from .idx import read_idx

__all__ = ["EMNIST", "MNIST", "FashionMNIST", "IDXDataset"]

DIGITS_FILE = Path(__file__).parent / "mnist_train_first_10000.npz"
DIGITS_TO_TRAIN = 8000
PIXELS = np.arange(256, dtype=np.float32) / np.float32(255)


class ImageDataset(ArrayDataset):
    """Grey images with class labels.

    Without a `transform` a sample is ``(float32 array (1, H, W) in [0, 1], int label)``. A `transform` gets
    the uint8 image (H, W) instead, as `ToTensor` expects it.

    Parameters
    ----------
    images : ndarray of uint8, (N, H, W)
    labels : ndarray, (N,)
        Integers in [0, number of classes).
    classes : sequence of str
        The names of the classes.
    transform, target_transform : callable, optional
        See `ArrayDataset`.

    Attributes
    ----------
    images : ndarray of uint8, (N, H, W)
    labels : ndarray of int64, (N,)
    classes : tuple of str
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, classes: Any,
                 transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None):
        super().__init__(images, np.asarray(labels, dtype=np.int64), transform=transform,
                         target_transform=target_transform)
        self.images, self.labels = self.arrays
        self.classes = tuple(classes)
        if len(labels) and not 0 <= self.labels.min() <= self.labels.max() < len(self.classes):
            raise ValueError(f"{type(self).__name__}(): labels must be in [0, {len(self.classes)}), got "
                             f"{self.labels.min()} to {self.labels.max()}")
        self._inputs: np.ndarray | None = None

    @property
    def data(self) -> np.ndarray:
        """The images, under torchvision's name."""
        return self.images

    @property
    def targets(self) -> np.ndarray:
        """The labels, under torchvision's name."""
        return self.labels

    @property
    def inputs(self) -> np.ndarray:
        """The images as float32 (N, 1, H, W) divided by 255; made once, kept, read-only."""
        if self._inputs is None:
            self._inputs = PIXELS[self.images][:, None]
            self._inputs.flags.writeable = False
        return self._inputs

    def _sources(self) -> tuple[np.ndarray, ...]:
        return (self.inputs if self.transform is None else self.images), self.labels

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        image, label = super().__getitem__(index)
        return image, int(label) if isinstance(label, np.integer) else label

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} images of {self.images.shape[1]}x{self.images.shape[2]})"


class IDXDataset(ImageDataset):
    """Images and labels from two IDX files, plain or gz.

    Parameters
    ----------
    images, labels : path
        The files.
    classes : sequence of str or int, optional
        The names of the classes, or how many there are; by default as many as the largest label asks for.
    transform, target_transform : callable, optional
        See `ImageDataset`.
    transposed : bool
        Whether the file holds each image by columns (EMNIST does).

    Raises
    ------
    FileNotFoundError, ValueError
        As `read_idx`; also if the counts of images and labels differ or a label has no class.

    Examples
    --------
    >>> import numpy as np
    >>> import pathlib, tempfile
    >>> from autograd_nn.data import IDXDataset, write_idx
    >>> folder = tempfile.TemporaryDirectory()
    >>> images, labels = pathlib.Path(folder.name, "images"), pathlib.Path(folder.name, "labels")
    >>> write_idx(images, np.zeros((2, 28, 28), np.uint8))
    >>> write_idx(labels, np.array([3, 1], np.uint8))
    >>> dataset = IDXDataset(images, labels)
    >>> len(dataset), dataset[0][0].shape, dataset[0][1]
    (2, (1, 28, 28), 3)
    >>> folder.cleanup()
    """

    def __init__(self, images: str | os.PathLike[str], labels: str | os.PathLike[str], classes: Any = None,
                 transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None, *, transposed: bool = False):
        pixels, values, names = _read_pair(type(self).__name__, Path(images), Path(labels), classes)
        if transposed:
            pixels = np.ascontiguousarray(pixels.transpose(0, 2, 1))
        super().__init__(pixels, values, names, transform, target_transform)


def _read_pair(name: str, images: Path, labels: Path,
               classes: Any) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Read the two files of a set and check that they fit each other and the classes."""
    values = read_idx(labels, dtype=np.uint8, ndim=1)
    pixels = read_idx(images, dtype=np.uint8, ndim=3)
    if len(pixels) != len(values):
        raise ValueError(f"{name}(): expected as many labels as images, found {len(pixels)} images in "
                         f"{images} and "
                         f"{len(values)} labels in {labels}")
    largest = int(values.max(initial=0))
    if classes is None:
        classes = largest + 1
    names = tuple(map(str, range(classes))) if isinstance(classes, int) else tuple(classes)
    if largest >= len(names):
        raise ValueError(f"{name}(): {labels}: expected labels in [0, {len(names)}), found {largest} at "
                         "position "
                         f"{int(np.argmax(values))}")
    return pixels, values, names


def _find(name: str, root: Path, files: tuple[str, str], sub: str) -> tuple[Path, Path]:
    """Return where the files lie: in `root`, ``root/sub`` or torchvision's ``root/sub/raw``; plain or gz."""
    folders = [root, root / sub, root / sub / "raw"]
    for folder in folders:
        found = [path for file in files for path in (folder / file, folder / f"{file}.gz") if path.is_file()]
        by_name = {path.name.removesuffix(".gz"): path for path in reversed(found)}
        if len(by_name) == 2:
            return by_name[files[0]], by_name[files[1]]
    raise FileNotFoundError(f"{name}(): expected {files[0]} and {files[1]}, plain or .gz, in one of the "
                            f"folders {', '.join(map(str, folders))}; found none of them complete")


class MNIST(ImageDataset):
    """Handwritten digits, 28 x 28 (Y. LeCun, C. Cortes, C. J. C. Burges).

    Without `root` and `download`, the digits that the package ships: the first 10,000 images of the MNIST
    *training* set, shuffled, 8,000 of them to train and 2,000 to test. Accuracy on those 2,000 is not MNIST
    test accuracy.

    Parameters
    ----------
    root : path, optional
        A folder with the four original IDX files, plain or gz, or with torchvision's ``MNIST/raw`` in it.
    train : bool
        The training set or the test set.
    transform, target_transform : callable, optional
        See `ImageDataset`.
    download : bool
        Whether to fetch the files that `root` lacks (to ``root/MNIST/raw``; without `root` to the user's
        cache), checked by SHA-256.
    base_url : str, optional
        Where to fetch from instead of `MNIST.base_url`.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    FileNotFoundError
        If `root` does not hold the files.
    ValueError
        If a file is damaged or not what its name says.
    ConnectionError
        If the download fails.

    Examples
    --------
    >>> from autograd_nn.data import MNIST
    >>> digits = MNIST()
    >>> digits.images.shape, digits.images.dtype, digits.inputs.shape, digits.inputs.dtype
    ((8000, 28, 28), dtype('uint8'), (8000, 1, 28, 28), dtype('float32'))
    """

    classes: Any = tuple(string.digits)
    base_url: ClassVar[str] = "https://ossci-datasets.s3.amazonaws.com/mnist/"
    files: ClassVar[dict[str, tuple[int, str]]] = {
        "train-images-idx3-ubyte.gz":
            (9912422, "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609"),
        "train-labels-idx1-ubyte.gz":
            (28881, "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c"),
        "t10k-images-idx3-ubyte.gz":
            (1648877, "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6"),
        "t10k-labels-idx1-ubyte.gz":
            (4542, "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"),
    }

    def __init__(self, root: str | os.PathLike[str] | None = None, train: bool = True,
                 transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None, download: bool = False, *,
                 base_url: str | None = None, progress: bool = True):
        self.train = bool(train)
        if root is None and not download:
            images, labels = self._shipped()
        else:
            files = self._locate(root, download, base_url or self.base_url, progress)
            images, labels, _ = _read_pair(type(self).__name__, *files, self.classes)
        super().__init__(images, labels, self.classes, transform, target_transform)

    def _shipped(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the digits in the package."""
        part = slice(0, DIGITS_TO_TRAIN) if self.train else slice(DIGITS_TO_TRAIN, None)
        with np.load(DIGITS_FILE, allow_pickle=False) as digits:
            return digits["images"][part], digits["labels"][part]

    def _locate(self, root: str | os.PathLike[str] | None, download: bool, base_url: str,
                progress: bool) -> tuple[Path, Path]:
        """Return the two IDX files, fetched where they are missing and may be."""
        name = type(self).__name__
        prefix = "train" if self.train else "t10k"
        files = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
        if root is None:
            root = cache_folder(name)
        root = Path(root)
        try:
            return _find(name, root, files, name)
        except FileNotFoundError as error:
            if not download:
                raise FileNotFoundError(f"{error} (download=True fetches them)") from None
        wanted = {f"{file}.gz": self.files[f"{file}.gz"] for file in files}
        images, labels = fetch(wanted, root / name / "raw", base_url, progress=progress)
        return images, labels


class FashionMNIST(MNIST):
    """Pictures of clothing, 28 x 28, 60,000 to train and 10,000 to test (H. Xiao et al., arXiv:1708.07747).

    Parameters are those of `MNIST`; without `root` it needs ``download=True``, as the package ships no part
    of it.

    Examples
    --------
    The four files, here written with two pictures each:

    >>> import pathlib, struct
    >>> from autograd_nn.data import FashionMNIST
    >>> folder = pathlib.Path("fashion")
    >>> folder.mkdir()
    >>> for part in ("train", "t10k"):
    ...     head = struct.pack(">4i", 0x803, 2, 28, 28)
    ...     _ = (folder / f"{part}-images-idx3-ubyte").write_bytes(head + bytes(2 * 784))
    ...     _ = (folder / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 0x801, 2) + bytes([9, 2]))
    >>> clothes = FashionMNIST(folder)
    >>> [clothes.classes[label] for label in clothes.labels]
    ['Ankle boot', 'Pullover']
    """

    classes = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
               "Ankle boot")
    base_url = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"
    files: ClassVar[dict[str, tuple[int, str]]] = {
        "train-images-idx3-ubyte.gz":
            (26421880, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        "train-labels-idx1-ubyte.gz":
            (29515, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        "t10k-images-idx3-ubyte.gz":
            (4422102, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        "t10k-labels-idx1-ubyte.gz":
            (5148, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    }

    def _shipped(self) -> tuple[np.ndarray, np.ndarray]:
        raise ValueError("FashionMNIST(): needs root (a folder with the four IDX files) or download=True; "
                         "the package ships no part of it")


class EMNIST(IDXDataset):
    """Handwritten letters and digits, 28 x 28, from IDX files (G. Cohen et al., arXiv:1702.05373).

    The original archive (``gzip.zip``, 562 MB, from NIST) is to be unpacked by hand. The images are turned
    upright on reading. Labels are those of the files: in the split "letters" they run from 1.

    Parameters
    ----------
    root : path
        The folder with the files ``emnist-<split>-train-images-idx3-ubyte`` and so on, plain or gz.
    split : {"byclass", "bymerge", "balanced", "letters", "digits", "mnist"}
    train : bool
        The training set or the test set.
    transform, target_transform : callable, optional
        See `ImageDataset`.

    Examples
    --------
    The two files of a split, here written with two pictures:

    >>> import pathlib, struct
    >>> from autograd_nn.data import EMNIST
    >>> folder = pathlib.Path("emnist")
    >>> folder.mkdir()
    >>> head = struct.pack(">4i", 0x803, 2, 28, 28)
    >>> _ = (folder / "emnist-letters-train-images-idx3-ubyte").write_bytes(head + bytes(2 * 784))
    >>> labels = struct.pack(">2i", 0x801, 2) + bytes([1, 26])
    >>> _ = (folder / "emnist-letters-train-labels-idx1-ubyte").write_bytes(labels)
    >>> letters = EMNIST(folder, split="letters")
    >>> [letters.classes[label] for label in letters.labels]
    ['a', 'z']
    """

    _merged = tuple(letter for letter in string.ascii_lowercase if letter not in "cijklmopsuvwxyz")
    splits: ClassVar[dict[str, tuple[str, ...]]] = {
        "byclass": tuple(string.digits + string.ascii_uppercase + string.ascii_lowercase),
        "bymerge": (*string.digits, *string.ascii_uppercase, *_merged),
        "balanced": (*string.digits, *string.ascii_uppercase, *_merged),
        "letters": ("N/A", *string.ascii_lowercase),
        "digits": tuple(string.digits),
        "mnist": tuple(string.digits),
    }

    def __init__(self, root: str | os.PathLike[str], split: str = "balanced", train: bool = True,
                 transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None):
        if split not in self.splits:
            raise ValueError(f"EMNIST(): split must be one of {sorted(self.splits)} (split={split!r})")
        self.split = split
        self.train = bool(train)
        prefix = f"emnist-{split}-{'train' if train else 'test'}"
        files = (f"{prefix}-images-idx3-ubyte", f"{prefix}-labels-idx1-ubyte")
        images, labels = _find("EMNIST", Path(root), files, "EMNIST")
        super().__init__(images, labels, self.splits[split], transform, target_transform, transposed=True)
