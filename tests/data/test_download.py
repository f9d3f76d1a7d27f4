"""Downloads: from a server on the loopback address only."""

import gzip
import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import numpy as np
import pytest

from autograd_nn.data import MNIST, download

pytest.importorskip("pooch", reason="the extra 'download' is not installed")
pytest.importorskip("requests", reason="the extra 'download' is not installed")


class Server(ThreadingHTTPServer):
    """Serves `files`; cuts the next `cuts` answers short; knows ranges unless told otherwise."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = {}
        self.cuts = 0
        self.ranges = True
        self.requests = []

    @property
    def url(self):
        """The address of the files."""
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(BaseHTTPRequestHandler):
    """Answers GET requests."""

    def do_GET(self):
        """Answer with the file, or the rest of it that the request asks for."""
        data = self.server.files.get(self.path[1:])
        asked = self.headers.get("Range")
        self.server.requests.append((self.path[1:], asked))
        if data is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and self.server.ranges else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if self.server.cuts:
            self.server.cuts -= 1
            body = body[:len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def server(monkeypatch):
    """A running server; no proxy, no waiting between tries."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def idx(array):
    """Return an array of uint8 as a compressed IDX file."""
    shape = b"".join(length.to_bytes(4, "big") for length in array.shape)
    return gzip.compress(bytes([0, 0, 8, array.ndim]) + shape + array.tobytes(), mtime=0)


def listed(files):
    """Return what `fetch` needs to know of files."""
    return {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}


IMAGES = np.random.default_rng(0).integers(0, 256, (30, 28, 28)).astype(np.uint8)
LABELS = (np.arange(30) % 10).astype(np.uint8)
SET = {f"{part}-{what}-ubyte.gz": idx(array[:count]) for part, count in (("train", 30), ("t10k", 10))
       for what, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS))}


class SmallMNIST(MNIST):
    """MNIST with the checksums of the files that the tests serve."""

    files: ClassVar = listed(SET)


def test_mnist_downloads_once(server, tmp_path, capsys):
    server.files = SET
    train = SmallMNIST(tmp_path, download=True, base_url=server.url)
    np.testing.assert_array_equal(train.images, IMAGES)
    np.testing.assert_array_equal(train.labels, LABELS)
    assert "train-images-idx3-ubyte.gz" in capsys.readouterr().err
    test = SmallMNIST(tmp_path, train=False, download=True, base_url=server.url, progress=False)
    assert len(test) == 10
    assert len(server.requests) == 4
    SmallMNIST(tmp_path, download=True, base_url=server.url)
    SmallMNIST(tmp_path, train=False)
    assert len(server.requests) == 4
    assert sorted(path.name for path in (tmp_path / "SmallMNIST" / "raw").iterdir()) == sorted(SET)


def test_without_root_the_cache_is_used(server, tmp_path, monkeypatch):
    server.files = SET
    monkeypatch.setattr("autograd_nn.data.mnist.cache_folder", lambda name: tmp_path / name)
    assert len(SmallMNIST(download=True, base_url=server.url, progress=False)) == 30
    assert (tmp_path / "SmallMNIST" / "SmallMNIST" / "raw" / "train-labels-idx1-ubyte.gz").exists()
    assert download.cache_folder("MNIST").name == "MNIST"


def test_interrupted_transfer_goes_on_where_it_stopped(server, tmp_path):
    data = np.random.default_rng(1).bytes(300_000)
    server.files = {"a": data}
    server.cuts = 2
    path, = download.fetch(listed(server.files), tmp_path, server.url, progress=False)
    assert path.read_bytes() == data
    starts = [0 if asked is None else int(asked[6:-1]) for _, asked in server.requests]
    assert len(starts) == 3
    assert 0 == starts[0] < starts[1] <= 150_000 < starts[2] <= 225_000


def test_next_run_continues_what_the_last_one_left(server, tmp_path):
    data = np.random.default_rng(1).bytes(300_000)
    server.files = {"a": data}
    server.cuts = 1
    with pytest.raises(ConnectionError, match=r"could not fetch .*/a .*by hand"):
        download.fetch(listed(server.files), tmp_path, server.url, progress=False, retries=0)
    assert [path.name for path in tmp_path.iterdir()] == ["a.part"]
    have = (tmp_path / "a.part").stat().st_size
    assert 100_000 < have <= 150_000
    path, = download.fetch(listed(server.files), tmp_path, server.url, progress=False, retries=0)
    assert path.read_bytes() == data
    assert server.requests[-1] == ("a", f"bytes={have}-")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_server_without_ranges(server, tmp_path):
    data = np.random.default_rng(1).bytes(100_000)
    server.files = {"a": data}
    server.ranges = False
    server.cuts = 1
    path, = download.fetch(listed(server.files), tmp_path, server.url, progress=False)
    assert path.read_bytes() == data


def test_damaged_rest_is_thrown_away_and_fetched_again(server, tmp_path):
    data = np.random.default_rng(1).bytes(100_000)
    server.files = {"a": data}
    (tmp_path / "a.part").write_bytes(b"x" * 1000)
    path, = download.fetch(listed(server.files), tmp_path, server.url, progress=False)
    assert path.read_bytes() == data
    (tmp_path / "a").write_bytes(data[:-1])
    (tmp_path / "a.part").write_bytes(data + b"x")
    path, = download.fetch(listed(server.files), tmp_path, server.url, progress=False)
    assert path.read_bytes() == data


def test_wrong_file_is_refused(server, tmp_path):
    expected = listed({"a": b"right"})
    server.files = {"a": b"wrong"}
    with pytest.raises(ValueError, match=r"(?s)hash.*a.*expected"):
        download.fetch(expected, tmp_path, server.url, progress=False, retries=0)
    assert list(tmp_path.iterdir()) == []


def test_endless_file_is_refused(server, tmp_path):
    server.files = {"a": b"x" * 1_000_000}
    with pytest.raises(ValueError, match="expected 5 bytes, the server sends more"):
        download.fetch(listed({"a": b"right"}), tmp_path, server.url, progress=False, retries=0)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) == 0


def test_missing_file_and_no_server(server, tmp_path):
    with pytest.raises(ConnectionError, match="404"):
        download.fetch(listed({"a": b"right"}), tmp_path, server.url, progress=False, retries=0)
    with pytest.raises(ConnectionError, match="could not fetch"):
        download.fetch(listed({"a": b"right"}), tmp_path, "http://127.0.0.1:9", progress=False, retries=0)


def test_without_the_extra_the_error_names_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r'A download needs pooch.*pip install "autograd_nn\[download\]"'):
        download.fetch(listed({"a": b"right"}), tmp_path, "http://127.0.0.1:9", progress=False)
    assert MNIST(train=False).images.shape == (2000, 28, 28)
