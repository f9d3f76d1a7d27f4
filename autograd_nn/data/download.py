"""Fetch files by name, size and SHA-256 into a folder, resuming what was interrupted.

pooch keeps the folder (checks what is there, retries, moves a file into place once its checksum holds); the
downloader here adds to it that a transfer goes on where the last one stopped and never exceeds the known
size. Both pooch and requests come with the extra `download` and are imported at the first fetch.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .extras import need

__all__ = ["cache_folder", "fetch"]

CHUNK = 2**16
TIMEOUT = 30  # seconds without an answer


class ResumingDownloader:
    """Download to a ``.part`` file beside the target, continue one that is there, then move it to the target.

    Parameters
    ----------
    part : Path
        The file that holds what has been received so far.
    size : int
        The size of the whole file in bytes.
    progress : bool
        Whether to show a progress bar.
    """

    def __init__(self, part: Path, size: int, progress: bool):
        self.part = part
        self.size = size
        self.progress = progress

    def __call__(self, url: str, output_file: str, _: Any, check_only: bool = False) -> None:
        have = self.part.stat().st_size if self.part.exists() else 0
        if have > self.size:
            have = 0
        if have < self.size:
            self._receive(url, have)
        os.replace(self.part, output_file)

    def _receive(self, url: str, have: int) -> None:
        """Append what the server sends to the part file."""
        requests = need("requests", "download", "A download")
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            if not response.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                have = 0  # the server sends the file from its start
            bar = tqdm(total=self.size, initial=have, unit="B", unit_scale=True, desc=url.rsplit("/", 1)[-1],
                       disable=not self.progress)
            with bar, open(self.part, "ab" if have else "wb") as file:
                for chunk in response.iter_content(CHUNK):
                    have += len(chunk)
                    if have > self.size:
                        file.truncate(0)
                        raise ValueError(f"fetch(): {url}: expected {self.size:,} bytes, the server sends "
                                         "more")
                    file.write(chunk)
                    bar.update(len(chunk))
        if have < self.size:
            raise requests.ConnectionError(f"fetch(): {url}: expected {self.size:,} bytes, received {have:,}")


def cache_folder(name: str) -> Path:
    """Return the folder in the user's cache that keeps the files of the set `name`."""
    return Path(need("pooch", "download", "A download").os_cache("autograd_nn")) / name


def fetch(files: Mapping[str, tuple[int, str]], folder: Path, base_url: str, *, progress: bool = True,
          retries: int = 2) -> list[Path]:
    """Fetch files into a folder; one that is there and whole is not fetched again.

    Parameters
    ----------
    files : mapping
        From each name to its size in bytes and its SHA-256.
    folder : Path
        Made if need be.
    base_url : str
        What stands before the names.
    progress : bool
        Whether to show a progress bar.
    retries : int
        How often to try again after a failure.

    Returns
    -------
    list of Path

    Raises
    ------
    ImportError
        Without the extra `download`.
    ConnectionError
        If a file cannot be fetched; what has arrived of it is kept for the next try.
    ValueError
        If a file is not the one expected; it is deleted.
    """
    pooch, requests = (need(name, "download", "A download") for name in ("pooch", "requests"))
    keeper = pooch.create(folder, base_url if base_url.endswith("/") else base_url + "/",
                          registry={name: f"sha256:{digest}" for name, (_, digest) in files.items()},
                          retry_if_failed=retries)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, (size, _) in files.items():
        downloader = ResumingDownloader(folder / f"{name}.part", size, progress)
        try:
            paths.append(Path(keeper.fetch(name, downloader=downloader)))
        except requests.RequestException as error:
            raise ConnectionError(f"fetch(): could not fetch {keeper.get_url(name)} ({error}); {name} can "
                                  f"be put into {folder} by hand") from error
    return paths
