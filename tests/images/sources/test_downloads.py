"""Downloads against a real server that breaks off, changes its mind, or has something else."""

import contextlib
import errno
import fcntl
import hashlib
import logging
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources import DOWNLOADS, downloads, open_source
from dogs_vs_cats.images.sources.downloads import download
from tests.conftest import SOURCE
from tests.images.sources.test_sources import parameters


@dataclass
class Site:
    """The server's file, its behaviour, and the requests it received."""

    data: bytes
    etag: str = '"one"'
    ranges: bool = True
    status: int = 200
    content_type: str = "application/zip"
    length_sent: bool = True
    cut_after: list[int] = field(default_factory=list)
    """How many bytes the next answers get before the connection breaks."""
    stop: threading.Event | None = None
    """If set, an answer waits for this after half of its bytes."""
    asked: list[str | None] = field(default_factory=list)
    """The Range header of every request."""
    address: str = ""
    halfway: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    state: Site
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.state.asked.append(asked)
        start, status = 0, self.state.status
        if asked and self.state.ranges and self.headers.get("If-Range", self.state.etag) == self.state.etag:
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
        if self.path.startswith("/elsewhere"):
            self.send_empty(302, "Location", "/photos.zip")
        elif start >= len(self.state.data):
            self.send_empty(416, "Content-Range", f"bytes */{len(self.state.data)}")
        else:
            self.send_part(start, status)

    def send_empty(self, status: int, header: str, value: str) -> None:
        self.send_response(status)
        self.send_header(header, value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_part(self, start: int, status: int) -> None:
        body = self.state.data[start:]
        self.send_response(status)
        self.send_header("Content-Type", self.state.content_type)
        if self.state.etag:
            self.send_header("ETag", self.state.etag)
        if self.state.length_sent:
            self.send_header("Content-Length", str(len(body)))
        else:
            self.close_connection = True
            self.send_header("Connection", "close")
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(self.state.data) - 1}/{len(self.state.data)}")
        self.end_headers()
        with contextlib.suppress(OSError):
            if self.state.stop is not None:
                half = len(body) // 2
                self.wfile.write(body[:half])
                self.wfile.flush()
                self.state.halfway.set()
                self.state.stop.wait(30)
                body = body[half:]
            if self.state.cut_after:
                body = body[: self.state.cut_after.pop(0)]
                self.close_connection = True
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    path = tmp_path / "made.zip"
    noise = np.random.default_rng(0).integers(0, 256, 100_000, np.uint8).tobytes()
    with zipfile.ZipFile(path, "w") as made:
        for name in ("train/cat.0.jpg", "train/dog.0.jpg"):
            made.writestr(name, name.encode() + noise)
    state = Site(path.read_bytes())

    handler = type("SiteHandler", (Handler,), {"state": state})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    if state.stop is not None:
        state.stop.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "RETRY_PAUSE_SECONDS", 0.001)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def left_in(folder: Path) -> list[str]:
    return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []


def test_once_is_enough(site, tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = tmp_path / "downloads"
    path = download(f"{site.address}/photos.zip", sha256(site.data).upper(), folder)
    assert path.read_bytes() == site.data
    assert path.name.startswith("photos-")
    assert left_in(folder) == [path.name]
    assert download(f"{site.address}/photos.zip", None, folder) == path
    assert download(f"{site.address}/photos.zip", sha256(site.data), folder) == path
    assert site.asked == [None]
    assert "downloaded before; delete it to download it again" in caplog.text


def test_as_a_source(site, tmp_path):
    with open_source(parameters(f"{site.address}/elsewhere", sha256=sha256(site.data)), tmp_path) as source:
        assert source.class_names == ["cat", "dog"]
        assert source.read(source.entries()[1]).startswith(b"train/dog.0.jpg")
    assert len(left_in(tmp_path / DOWNLOADS)) == 1


def test_a_broken_connection_resumes(site, tmp_path):
    site.cut_after = [3 * 2**14, 4 * 2**14]
    path = download(f"{site.address}/photos.zip", None, tmp_path / "downloads")
    assert path.read_bytes() == site.data
    assert site.asked == [None, "bytes=49152-", "bytes=114688-"]


def test_a_server_without_ranges_starts_again(site, tmp_path):
    site.ranges = False
    site.cut_after = [50_000]
    path = download(f"{site.address}/photos.zip", None, tmp_path / "downloads")
    assert path.read_bytes() == site.data
    assert len(site.asked) == 2


def test_the_file_changes_between_two_attempts(site, tmp_path):
    site.cut_after = [3 * 2**14] + [0] * downloads.ATTEMPTS
    folder = tmp_path / "downloads"
    with pytest.raises(SourceError, match=r"can't be downloaded: .* 49,152 bytes are stored"):
        download(f"{site.address}/photos.zip", None, folder)
    assert [Path(name).suffix for name in left_in(folder)] == [".part", ".version"]
    changed = tmp_path / "changed.zip"
    with zipfile.ZipFile(changed, "w") as made:
        made.writestr("train/cat.9.jpg", bytes(90_000))
    site.data, site.etag, site.asked, site.cut_after = changed.read_bytes(), '"two"', [], []
    path = download(f"{site.address}/photos.zip", None, folder)
    assert path.read_bytes() == site.data
    assert site.asked == ["bytes=49152-"]
    assert left_in(folder) == [path.name]


@pytest.mark.parametrize("etag", ["", 'W/"one"'])
def test_a_server_that_names_no_version_starts_again(site, tmp_path, etag):
    site.etag = etag
    site.cut_after = [50_000]
    path = download(f"{site.address}/photos.zip", None, tmp_path / "downloads")
    assert path.read_bytes() == site.data
    assert site.asked == [None, None]


def test_all_bytes_came_but_the_end_was_not_noticed(site, tmp_path):
    folder = tmp_path / "downloads"
    path = download(f"{site.address}/photos.zip", None, folder)
    path.rename(path.with_suffix(".part"))
    path.with_suffix(".version").write_text('"one"')
    assert download(f"{site.address}/photos.zip", None, folder).read_bytes() == site.data
    assert site.asked[1:] == [f"bytes={len(site.data)}-"]
    assert left_in(folder) == [path.name]


def test_a_partial_file_longer_than_the_whole(site, tmp_path):
    folder = tmp_path / "downloads"
    path = download(f"{site.address}/photos.zip", None, folder)
    path.unlink()
    path.with_suffix(".part").write_bytes(site.data + b"more")
    path.with_suffix(".version").write_text('"one"')
    assert download(f"{site.address}/photos.zip", None, folder).read_bytes() == site.data
    assert left_in(folder) == [path.name]


def test_a_killed_process_is_continued(site, tmp_path):
    site.stop = threading.Event()
    folder = tmp_path / "downloads"
    url = f"{site.address}/photos.zip"
    script = "import sys; from pathlib import Path; from dogs_vs_cats.images.sources.downloads import download; "
    script += "download(sys.argv[1], None, Path(sys.argv[2]))"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    process = subprocess.Popen([sys.executable, "-c", script, url, str(folder)], env=environment)
    assert site.halfway.wait(30)
    with pytest.raises(SourceError, match="Another process is downloading to"):
        download(url, None, folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not [name for name in left_in(folder) if name.endswith(".zip")]
    site.stop.set()
    site.stop = None
    path = download(url, None, folder)
    assert path.read_bytes() == site.data
    assert left_in(folder) == [path.name]


def test_wrong_checksum_keeps_nothing(site, tmp_path):
    folder = tmp_path / "downloads"
    with pytest.raises(SourceError, match=f"its SHA-256 is {sha256(site.data)}, ingestion.sha256 is {'0' * 64}"):
        download(f"{site.address}/photos.zip", "0" * 64, folder)
    assert left_in(folder) == []


def test_an_older_download_with_another_checksum_is_replaced(site, tmp_path):
    folder = tmp_path / "downloads"
    path = download(f"{site.address}/photos.zip", None, folder)
    path.write_bytes(b"PK\x03\x04 damaged since")
    assert download(f"{site.address}/photos.zip", sha256(site.data), folder).read_bytes() == site.data
    path.write_bytes(b"PK\x03\x04 damaged since")
    site.status = 404
    with pytest.raises(SourceError, match="404"):
        download(f"{site.address}/photos.zip", sha256(site.data), folder)
    assert left_in(folder) == [path.name]


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (404, "the server answered 404 Not Found. Check the address"),
        (403, "the server answered 403 Forbidden. .* download the file by other means, for instance in a browser"),
        (503, "can't be downloaded: the server answered 503 Service Unavailable"),
    ],
)
def test_answers_that_are_none(site, tmp_path, status, message):
    site.status = status
    with pytest.raises(SourceError, match=message):
        download(f"{site.address}/photos.zip", None, tmp_path / "downloads")
    assert len(site.asked) == (downloads.ATTEMPTS if status == 503 else 1)
    assert left_in(tmp_path / "downloads") == []


def test_a_server_that_is_not_there_is_soon_given_up(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr(downloads, "RETRY_PAUSE_SECONDS", 0)
    caplog.set_level("INFO")
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(SourceError, match=r"can't be downloaded: Connection refused\. Check the address"):
        download(f"http://127.0.0.1:{port}/photos.zip", None, tmp_path / "downloads")
    assert [message for message in caplog.messages if "trying again" in message] == [
        f"The download of http://127.0.0.1:{port}/photos.zip broke off (Connection refused); trying again."
    ]


def test_a_web_page_instead_of_a_zip(site, tmp_path):
    site.data, site.content_type = b"<!doctype html><title>Log in</title>", "text/html; charset=utf-8"
    with pytest.raises(SourceError, match=r"is no zip file, .* Where the server wants a login, it sends a web page"):
        download(f"{site.address}/photos.zip", None, tmp_path / "downloads")
    assert left_in(tmp_path / "downloads") == []


def test_cut_short_without_a_length(site, tmp_path):
    site.length_sent = False
    site.cut_after = [100_000]
    with pytest.raises(SourceError, match="is no zip file, or is cut short"):
        download(f"{site.address}/photos.zip", None, tmp_path / "downloads")
    assert left_in(tmp_path / "downloads") == []


def test_secrets_in_an_address_are_not_shown(site, tmp_path, caplog):
    caplog.set_level(logging.DEBUG, "dogs_vs_cats")
    host = site.address.removeprefix("http://")
    site.cut_after = [50_000]
    path = download(f"http://me:hunter2@{host}/photos.zip?token=abc123", None, tmp_path / "downloads")
    with pytest.raises(SourceError) as caught:
        download("http://me:hunter2@127.0.0.1:9/photos.zip?token=abc123", None, tmp_path / "downloads")
    told = caplog.text + caught.value.message + path.name
    assert "trying again" in told
    assert "hunter2" not in told
    assert "abc123" not in told


@pytest.mark.parametrize("name", ["..%2F..%2Fevil.zip", "%2e%2e", "", "a b ü%00.zip", "x" * 300 + ".zip"])
def test_the_file_stays_in_its_folder_whatever_its_name(site, tmp_path, name):
    folder = tmp_path / "downloads"
    assert download(f"{site.address}/{name}", None, folder).parent == folder
    assert len(left_in(folder)) == 1


def test_a_folder_that_cannot_be_written(site, tmp_path):
    (tmp_path / "downloads").write_text("a file where the folder should be")
    with pytest.raises(SourceError, match=r"can't be stored in .*downloads"):
        download(f"{site.address}/photos.zip", None, tmp_path / "downloads")


def test_a_file_system_without_locks_is_no_other_process(site, tmp_path, monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", flock)
    assert download(f"{site.address}/photos.zip", None, tmp_path / "downloads").read_bytes() == site.data


def test_disk_full_and_room_again(site, tmp_path):
    folder = tmp_path / "downloads"
    url = f"{site.address}/photos.zip"
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * 2**14, limits[1]))
    try:
        with pytest.raises(SourceError, match=r"can't be stored in .*: File too large\. Free space"):
            download(url, None, folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    path = download(url, None, folder)
    assert path.read_bytes() == site.data
    assert site.asked == [None, "bytes=65536-"]
    assert left_in(folder) == [path.name]
