"""Images in folders, one folder per class.

Nothing of a file is trusted: only files inside the folder are opened, as one of a few formats, and an image's size is
read from its header and checked before memory is taken for its pixels.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..engine.errors import warn
from .checks import whole_number
from .collate import default_collate
from .dataset import Dataset
from .extras import need

__all__ = ["IMAGE_EXTENSIONS", "ImageFolder", "read_image"]

IMAGE_EXTENSIONS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp", ".gif")
FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")  # none that starts another program
MOST_PIXELS = 100_000_000  # an image of 10,000 x 10,000


@lru_cache(maxsize=1)
def _formats() -> tuple[str, ...]:
    """Return the formats that this Pillow can read."""
    image = need("PIL.Image", "data", "read_image()")
    image.init()
    return tuple(name for name in FORMATS if name in image.OPEN)


def read_image(path: str | os.PathLike[str], mode: str | None = "RGB", *, max_pixels: int = MOST_PIXELS) -> Any:
    """Read an image file as a PIL image.

    Parameters
    ----------
    path : path
    mode : str or None
        What it is converted to: "RGB", "L" (grey), "RGBA" ...; None keeps the mode of the file.
    max_pixels : int
        The most pixels that it may have.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no whole image of a known format, or has too many pixels; the message names the file.
    ImportError
        Without the extra `data`.

    Examples
    --------
    >>> from PIL import Image
    >>> from autograd_nn.data import read_image
    >>> Image.new("L", (640, 480)).save("photo.png")
    >>> image = read_image("photo.png")
    >>> image.mode, image.size, image.resize((224, 224)).size
    ('RGB', (640, 480), (224, 224))
    """
    image = need("PIL.Image", "data", "read_image()")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"read_image(): no such file: {path}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", image.DecompressionBombWarning)
            with image.open(path, formats=_formats()) as opened:
                width, height = opened.size
                if width * height > max_pixels:
                    raise ValueError(f"read_image(): {path}: expected at most {max_pixels:,} pixels, its header says "
                                     f"{width} x {height} (max_pixels= sets the limit)")
                opened.load()
                return opened.convert(mode) if mode is not None and opened.mode != mode else opened.copy()
    except image.DecompressionBombError as error:
        raise ValueError(f"read_image(): {path}: expected at most {max_pixels:,} pixels ({error})") from error
    except image.UnidentifiedImageError as error:
        raise ValueError(f"read_image(): {path} is no image of a known format ({', '.join(FORMATS)})") from error
    except ValueError as error:
        if str(error).startswith("read_image()"):
            raise
        raise ValueError(f"read_image(): {path} is damaged ({error})") from error
    except (OSError, SyntaxError, EOFError, IndexError, KeyError, TypeError, OverflowError, ArithmeticError,
            AttributeError, NotImplementedError, RuntimeError) as error:  # Pillow raises all of them
        raise ValueError(f"read_image(): {path} is damaged ({type(error).__name__}: {error})") from error


class ImageFolder(Dataset):
    """Images in one folder per class: ``root/cat/1.png``, ``root/dog/some/where/2.jpg``.

    A sample is (image, class number); without a transform the image is a PIL image, so that a DataLoader needs one
    that ends in `ToTensor`. ``DataLoader(folder, num_workers=k)`` decodes in k threads.

    Parameters
    ----------
    root : path
    transform, target_transform : callable, optional
        Applied to the image, and to the class number.
    loader : callable, optional
        From a path to an image, instead of `read_image`.
    is_valid_file : callable, optional
        From a path to whether it belongs to the set, instead of `extensions`.
    allow_empty : bool
        Whether a class may have no file.
    extensions : sequence of str
        The files that belong to the set, by the end of their names in lower case.
    mode : str or None
        What images are converted to, as in `read_image`.
    corrupt : {"raise", "skip"}
        What becomes of a file that is no whole image. "raise": ValueError that names it. "skip": a batch goes without
        it, with a warning that names it, and it is listed in `corrupt_files`; asked for alone it still raises.
        `check` finds all of them before.
    max_pixels : int
        The most pixels that an image may have.
    follow_links : bool
        Whether files and folders that links lead to may lie outside `root`; else such a link is refused.

    Attributes
    ----------
    classes : list of str
        The names of the folders, sorted.
    class_to_idx : dict
    samples : list of (str, int)
        Paths and class numbers.
    targets : list of int
    corrupt_files : dict
        From the path of each file that was skipped to the reason.

    Raises
    ------
    FileNotFoundError
        If there is no folder at `root`, no class in it, or a class without files.
    ValueError
        If a link leads out of `root`.

    Examples
    --------
    >>> import pathlib
    >>> from PIL import Image
    >>> from autograd_nn.data import DataLoader, ImageFolder, transforms as T
    >>> for name in ("cats", "dogs"):
    ...     pathlib.Path("pets", name).mkdir(parents=True)
    ...     Image.new("RGB", (90, 70)).save(f"pets/{name}/1.png")
    >>> to_batch = T.Compose([T.Resize(64), T.CenterCrop(64), T.ToTensor()])
    >>> pets = ImageFolder("pets", transform=to_batch)
    >>> pets.classes
    ['cats', 'dogs']
    >>> images, labels = next(iter(DataLoader(pets, batch_size=2, num_workers=2)))
    >>> images.shape, labels.tolist()
    ((2, 3, 64, 64), [0, 1])
    """

    def __init__(self, root: str | os.PathLike[str], transform: Callable[[Any], Any] | None = None,
                 target_transform: Callable[[Any], Any] | None = None,
                 loader: Callable[[str], Any] | None = None, is_valid_file: Callable[[str], bool] | None = None,
                 allow_empty: bool = False, *, extensions: Sequence[str] = IMAGE_EXTENSIONS,
                 mode: str | None = "RGB", corrupt: str = "raise", max_pixels: int = MOST_PIXELS,
                 follow_links: bool = False):
        if loader is None:
            need("PIL.Image", "data", "ImageFolder()")
        if corrupt not in ("raise", "skip"):
            raise ValueError(f"ImageFolder(): corrupt must be 'raise' or 'skip' (corrupt={corrupt!r})")
        self.max_pixels = whole_number(max_pixels, "ImageFolder(): max_pixels", 1)
        self.root = Path(root)
        if not self.root.is_dir():
            raise FileNotFoundError(f"ImageFolder(): no such folder: {self.root}")
        self.transform = transform
        self.target_transform = target_transform
        self.loader = loader
        self.mode = mode
        self.corrupt = corrupt
        self.corrupt_files: dict[str, str] = {}
        ends = (extensions,) if isinstance(extensions, str) else tuple(extensions)
        wanted = is_valid_file or (lambda path: path.lower().endswith(ends))
        self.classes = sorted(entry.name for entry in os.scandir(self.root) if entry.is_dir())
        if not self.classes:
            raise FileNotFoundError(f"ImageFolder(): {self.root} has no folder in it; images of a class lie in a "
                                    "folder of its name, root/cat/1.png")
        self.class_to_idx = {name: number for number, name in enumerate(self.classes)}
        self.samples = [(path, number) for number, name in enumerate(self.classes)
                        for path in self._files(self.root / name, wanted, bool(follow_links))]
        self.targets = [number for _, number in self.samples]
        empty = sorted(set(self.classes) - {self.classes[number] for number in self.targets})
        if empty and not allow_empty:
            raise FileNotFoundError(f"ImageFolder(): {self.root}: no file in the class {', '.join(map(repr, empty))} "
                                    f"(names must end in {', '.join(ends)}; allow_empty=True allows it)")

    def _files(self, folder: Path, wanted: Callable[[str], bool], follow: bool) -> list[str]:
        """Return the files under a folder that belong to the set, sorted; a link that leads out is refused."""
        found, inside = [], os.path.realpath(self.root)
        seen: set[str] = set()
        for place, folders, names in os.walk(folder, followlinks=True):
            real = os.path.realpath(place)
            if real in seen:  # a link to a folder above
                folders.clear()
                continue
            seen.add(real)
            folders.sort()
            for path in [place, *(os.path.join(place, name) for name in names)]:
                if not follow and os.path.commonpath([inside, os.path.realpath(path)]) != inside:
                    raise ValueError(f"ImageFolder(): {path} is a link that leads out of {self.root}, to "
                                     f"{os.path.realpath(path)} (follow_links=True allows it)")
            paths = (os.path.join(place, name) for name in sorted(names))
            found += [path for path in paths if wanted(path) and os.path.isfile(path)]
        return found

    @property
    def imgs(self) -> list[tuple[str, int]]:
        """The samples, under torchvision's other name."""
        return self.samples

    def __len__(self) -> int:
        return len(self.samples)

    def __repr__(self) -> str:
        return f"ImageFolder({str(self.root)!r}: {len(self)} images of {len(self.classes)} classes)"

    def _read(self, path: str) -> Any:
        if self.loader is not None:
            return self.loader(path)
        return read_image(path, self.mode, max_pixels=self.max_pixels)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, target = self.samples[index]
        return self._finished(self._read(path), target)

    def _finished(self, image: Any, target: int) -> tuple[Any, Any]:
        image = image if self.transform is None else self.transform(image)
        return image, target if self.target_transform is None else self.target_transform(target)

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Any, Any]]:
        """Return several samples, for the DataLoader; with ``corrupt="skip"`` those that can be read."""
        if self.corrupt == "raise":
            return [self[index] for index in indices]
        found = []
        for index in indices:
            path, target = self.samples[index]
            try:
                image = self._read(path)
            except (ValueError, OSError) as error:
                self._note(path, str(error))
            else:
                found.append(self._finished(image, target))
        if not found:
            raise ValueError(f"ImageFolder(): none of the {len(indices)} files of a batch can be read, "
                             f"{self.samples[indices[0]][0]} is the first; see corrupt_files")
        return found

    def _note(self, path: str, reason: str) -> None:
        with _noting:
            if path in self.corrupt_files:
                return
            self.corrupt_files[path] = reason
        warn(f"ImageFolder(): left out {path}: {reason}")

    def batch(self, indices: np.ndarray) -> Any:
        """Return the samples at `indices` as a batch."""
        return default_collate(self.__getitems__(indices.tolist()))

    def check(self, num_workers: int = 4) -> dict[str, str]:
        """Read every file once, in so many threads; return the paths of those that cannot be read, with reasons."""
        count = whole_number(num_workers, "ImageFolder.check(): num_workers", 1)

        def problem(sample: tuple[str, int]) -> str | None:
            try:
                self._read(sample[0])
            except (ValueError, OSError) as error:
                return str(error)
            return None

        with ThreadPoolExecutor(count) as pool:
            reasons = pool.map(problem, self.samples)
            return {path: reason for (path, _), reason in zip(self.samples, reasons, strict=True) if reason}


_noting = threading.Lock()
