"""Images in object storage: folders, tables and zip files at `s3://`, `gs://` and `az://`, through fsspec.

Credentials come from where the storage's own tools look for them, never from the address.
"""

import os
import posixpath
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Self

import fsspec

from dogs_vs_cats.errors import SourceError, reason
from dogs_vs_cats.images.sources.base import Entry, ImageReadError
from dogs_vs_cats.images.sources.downloads import stored
from dogs_vs_cats.images.sources.files import FileSource
from dogs_vs_cats.images.sources.names import as_text, suffix_of
from dogs_vs_cats.parameters.credentials import without_credentials
from dogs_vs_cats.parameters.ingestion import LABEL_SUFFIXES, IngestionParameters
from dogs_vs_cats.progress import progress

READERS = 32
"""Requests at the same time, for lists and for objects."""

BYTES_AHEAD = 128 * 1024**2
OBJECTS_AHEAD = 1024
"""Objects are read ahead of their decoding up to these limits; one object may exceed the bytes."""

_OPTIONS: dict[str, dict[str, Any]] = {"s3": {"config_kwargs": {"max_pool_connections": READERS}}}
"""Options of each kind of storage beside its defaults; `s3` would have 10 connections."""

_CREDENTIALS = {
    "s3": "AWS_PROFILE, AWS_ACCESS_KEY_ID or ~/.aws; FSSPEC_S3_ANON=true for a public bucket; AWS_ENDPOINT_URL for a "
    "service other than Amazon's",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS or gcloud auth application-default login",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY, or AZURE_STORAGE_CONNECTION_STRING",
}

_OF_ONE_OBJECT = {"AccessDenied", "Forbidden", "403", "InvalidObjectState", "InvalidRange"}
"""Codes of S3's errors that say nothing about other objects; an object that has become empty has no range to read."""

_CHUNK = 8 * 1024**2


class CloudFolder(FileSource):
    """Images in objects whose names begin with the same folder.

    Args:
        url: A folder; for labels a table of labels beside its images, too; without labels a single image, too.
        ingestion: See `FileSource`.
        labelled: Whether to detect classes.

    Raises:
        SourceError: The folder can't be listed, is empty, or holds no usable images; the table can't be read.
    """

    def __init__(self, url: str, ingestion: IngestionParameters, *, labelled: bool) -> None:
        super().__init__(ingestion)
        self._url = url.rstrip("/")
        self._ahead = _ReadAhead(self._fetch)
        with _explained(self._url):
            self._storage, place = _connect(self._url)
            table = posixpath.basename(place) if labelled and suffix_of(place) in LABEL_SUFFIXES else ""
            self._root = posixpath.dirname(place) if table else place
            self._list()
        if not table:
            self.arrange(self._url, labelled=labelled)
        elif table in self.files:
            self.label_by_table(table, posixpath.dirname(self._url))
        else:
            raise SourceError(f"There is no table {self._url}. Check the address.")

    def _list(self) -> None:
        """Lists the objects below the root, those of each folder in it at the same time where the folders are few."""

        def listed(folder: str) -> list[tuple[str, int, str]]:
            return [_summary(info) for info in self._storage.find(folder, detail=True).values()]

        top = self._storage.ls(self._root, detail=True)
        if [info["name"] for info in top] == [self._root]:  # an object instead of a folder
            self._root = posixpath.dirname(self._root)
        folders = [info["name"] for info in top if info["type"] == "directory"]
        own = [_summary(info) for info in top if info["type"] != "directory"]
        if len(folders) > READERS:  # a request for each would be more than one for each thousand objects
            own, folders = [], [self._root]
        with ThreadPoolExecutor(READERS) as pool:
            for path, size, token in chain(own, *pool.map(listed, folders)):
                name = path.removeprefix(f"{self._root}/")
                if not name or name.endswith("/"):  # an empty object that stands for a folder
                    self.folders.append(name.rstrip("/"))
                elif "\r" in name:
                    self.rejected.append((as_text(name), "a name with a carriage return"))
                else:
                    self.files[name] = size, token

    def prefetch(self, entries: Sequence[Entry]) -> None:
        """Begins to fetch the objects of some entries."""
        sizes = ((entry.path, self.files[entry.path][0]) for entry in entries)
        self._ahead.expect((path, size) for path, size in sizes if size <= self._ingestion.max_bytes)

    def _part(self, entries: Sequence[Entry]) -> Self:
        # Not read yet: the machine that reads them has credentials of its own.
        part, files = copy(self), {entry.path: self.files[entry.path] for entry in entries}
        vars(part).update(_entries=list(entries), files=files, folders=[], rejected=[], groups={})
        return part

    def __getstate__(self) -> dict[str, Any]:
        # A storage is pickled with its options, into which fsspec puts the credentials of its own settings.
        return {**vars(self), "_ahead": None, "_storage": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _ahead=_ReadAhead(self._fetch))

    def _read(self, path: str) -> bytes:
        return self._ahead.take(path)

    def _fetch(self, path: str) -> bytes:
        """Fetches one object in one request; the library repeats a failed one.

        Raises:
            ImageReadError: The object itself is the cause.
            SourceError: Anything else: without network or valid credentials, no other object can be read either.
        """
        size, _ = self.files[path]
        try:
            # A byte more than there should be shows an object that has grown.
            data = self._storage.cat_file(f"{self._root}/{path}", start=0, end=size + 1) if size else b""
        except FileNotFoundError:
            raise ImageReadError("vanished after it was listed") from None
        except Exception as error:
            if _code(error) in _OF_ONE_OBJECT:
                raise ImageReadError(f"can't be read: {_reason(error)}") from error
            raise _refusal(self._url, error) from error
        if len(data) != size:
            raise ImageReadError("changed after it was listed")
        return data

    def __enter__(self) -> Self:
        if self._storage is None:  # a part from another machine
            with _explained(self._url):
                self._storage, _ = _connect_once(self._url)
        return self

    def __exit__(self, *_: object) -> None:
        self._ahead.close()


class _ReadAhead:
    """Reads what is going to be asked for in the background, within limits; see `BYTES_AHEAD`.

    Args:
        read: Reads one item, by its path; called on several threads at once.
    """

    def __init__(self, read: Callable[[str], bytes]) -> None:
        self._read = read
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="reading")
        self._lock = threading.Lock()
        self._waiting: OrderedDict[str, int] = OrderedDict()
        self._started: dict[str, tuple[int, Future[bytes]]] = {}
        self._bytes = 0

    def expect(self, sizes: Iterable[tuple[str, int]]) -> None:
        """Begins to read some items, in this order; forgets those that were expected before.

        Args:
            sizes: (path, size in bytes) of each.
        """
        with self._lock:
            for _, future in self._started.values():
                future.cancel()
            self._waiting, self._started, self._bytes = OrderedDict(sizes), {}, 0
            self._start()

    def take(self, path: str) -> bytes:
        """Returns an item, and makes room for others; one that isn't being read yet is read here."""
        with self._lock:
            self._waiting.pop(path, None)
            size, future = self._started.get(path, (0, None))
        if future is None:
            return self._read(path)
        try:
            return future.result()
        finally:
            with self._lock:
                if self._started.pop(path, None):
                    self._bytes -= size
                self._start()

    def close(self) -> None:
        """Ends the threads."""
        with self._lock:
            self._waiting.clear()
        self._pool.shutdown(cancel_futures=True)

    def _start(self) -> None:
        while self._waiting and len(self._started) < OBJECTS_AHEAD:
            path, size = next(iter(self._waiting.items()))
            if self._started and self._bytes + size > BYTES_AHEAD:
                break
            del self._waiting[path]
            self._bytes += size
            self._started[path] = size, self._pool.submit(self._read, path)


def download_archive(url: str, sha256: str | None, folder: Path) -> tuple[Path | None, str]:
    """Downloads the zip file that an address names or leads into, unless this version of it is there already.

    A download that was interrupted is continued.

    Args:
        url: An address in object storage.
        sha256: Expected checksum as 64 hex digits, or None.
        folder: Where the file goes.

    Returns:
        The file and the path in it; None and an empty path where the address leads to no zip file.

    Raises:
        SourceError: It can't be reached or stored, is no zip file, or has another checksum.
    """
    match = re.fullmatch(r"(.+?\.zip)(?:/(.*))?", url, re.IGNORECASE)
    if match is None:
        return None, ""
    archive, inside = match[1], (match[2] or "").rstrip("/")
    with _explained(archive):
        storage, place = _connect(archive)
        info = storage.info(place)
    if info["type"] == "directory":
        return None, ""
    path, size, token = _summary(info)

    def rest(start: int) -> Iterator[bytes]:
        with _explained(archive), storage.open(path, cache_type="none") as remote:
            remote.seek(start)
            while chunk := remote.read(_CHUNK):
                yield chunk

    def transfer(part: Path) -> None:
        with part.open("ab") as file, progress(f"Downloading {archive}", size, "bytes") as advance:
            advance(start := file.tell())
            for chunk in rest(start):
                file.write(chunk)
                file.flush()
                advance(len(chunk))
            os.fsync(file.fileno())

    return stored(archive, f"{archive} {token}", sha256, folder, transfer), inside


def _connect(url: str) -> tuple[Any, str]:
    """Returns the storage as fsspec's file system, and the path there.

    Raises:
        SourceError: The address names no bucket, or has a password in it.
    """
    kind, _, place = url.partition("://")
    bucket = place.partition("/")[0]
    if not bucket or (":" in bucket and not bucket.startswith("arn:")):  # arn: an access point of Amazon's
        raise SourceError(
            f"Addresses are {kind}://BUCKET/FOLDER, without a password. Credentials come from {_CREDENTIALS[kind]}."
        )
    # Neither lists nor sessions of an earlier run in this process.
    options = {"use_listings_cache": False, "skip_instance_cache": True, **_OPTIONS.get(kind, {})}
    storage, path = fsspec.url_to_fs(url, **options)
    return storage, str(path)


@lru_cache(maxsize=1)
def _connect_once(url: str) -> tuple[Any, str]:
    """Connects for all parts that a worker of a cluster reads; it ends with the run."""
    return _connect(url)


def _summary(info: dict[str, Any]) -> tuple[str, int, str]:
    """Path, size and token of an object; its ETag changes with the content."""
    size = int(info["size"] or 0)
    return info["name"], size, f"{size}:{info.get('ETag') or info.get('etag')}"


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turns whatever a storage's library raises into a refusal of an address."""
    try:
        yield
    except SourceError:
        raise
    except Exception as error:
        raise _refusal(url, error) from error


def _refusal(url: str, error: Exception) -> SourceError:
    shown, kind = without_credentials(url), url.partition("://")[0]
    if isinstance(error, ImportError):
        package = {"gs": "gcsfs", "az": "adlfs"}.get(kind, "s3fs")
        return SourceError(f"{shown} can't be read without the package {package}: pip install {package}")
    if isinstance(error, FileNotFoundError):
        return SourceError(f"There is nothing at {shown} ({_reason(error)}). Check the address.")
    return SourceError(
        f"{shown} can't be read: {_reason(error)}. Check the address, the network and the credentials, which come from "
        f"{_CREDENTIALS[kind]}."
    )


def _code(error: Exception) -> str | None:
    """S3's code of an error, which its library translates into one of Python's."""
    response = getattr(error.__cause__, "response", {})
    return response.get("Error", {}).get("Code") if isinstance(response, dict) else None


def _reason(error: Exception) -> str:
    """The message of a library, without the secrets of addresses."""
    return without_credentials(reason(error)).removesuffix(".")
