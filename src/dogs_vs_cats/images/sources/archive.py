"""Images in a zip file, read in place: only an inner archive is unpacked to disk.

Archives aren't trusted. Members are read into memory one by one, none of more than `ingestion.max_bytes`, and no file
on disk is named after one. Members with dubious names, links and duplicate names are rejected with the reason.
"""

import hashlib
import logging
import ntpath
import posixpath
import shutil
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.base import ImageReadError
from dogs_vs_cats.images.sources.files import FileSource
from dogs_vs_cats.images.sources.names import as_text, has_image_name, natural_key, suffix_of
from dogs_vs_cats.parameters.ingestion import LABEL_SUFFIXES, IngestionParameters
from dogs_vs_cats.storage.atomic import replace_atomically

logger = logging.getLogger(__name__)

MAX_INNER_RATIO = 5
"""An inner archive that unpacks to more than this many times its stored size, and to more than a megabyte, is a zip
bomb: an archive is already compressed, so it hardly shrinks again."""

INNER_LABELLED = ("train.zip",)
INNER_UNLABELLED = ("test1.zip", "test.zip", "train.zip")
"""Kaggle's inner archives; of several the first is read."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError, RuntimeError)
"""Exceptions of `zipfile` for damaged, encrypted or unsupported members."""


class ZipSource(FileSource):
    """Images in a zip file.

    All threads share one handle. `zipfile` locks each access to the file and unpacks outside that lock; only opening
    and closing a member needs another lock.

    Args:
        path: The zip file. Kaggle's outer archive, which holds `train.zip` and `test1.zip`, is recognised.
        ingestion: Uses `max_bytes`, the largest size of a member, and `classes`, see `layouts.arrange`.
        labelled: Whether to detect classes.
        unpack_to: Folder for inner archives.
        inside: Folder or zip file in the archive that is read instead of the whole, and that paths are relative to; or
            a table of labels in it.

    Raises:
        SourceError: It is no zip file, is damaged, or holds no usable images; the table can't be read.
    """

    def __init__(
        self, path: Path, ingestion: IngestionParameters, *, labelled: bool, unpack_to: Path, inside: str = ""
    ) -> None:
        super().__init__(ingestion)
        self._lock = threading.Lock()
        self._zip = _open_zip(path)
        self._members: dict[str, zipfile.ZipInfo] = {}
        wanted = INNER_LABELLED if labelled else INNER_UNLABELLED
        if inner := _inner_archive(self._zip.infolist(), inside, wanted):
            name = _posix(inner.filename)
            logger.info("Of the archives in %s, %s is read.", path.name, name)
            with self._zip as outer:
                unpacked = _unpack(outer, inner, f"{name} in {path}", unpack_to)
            self._zip = _open_zip(unpacked)
            path /= inside or name
            inside = inside.removeprefix(name).removeprefix("/")
        else:
            path /= inside
        table = path.name if labelled and suffix_of(inside) in LABEL_SUFFIXES else ""
        inside = inside.removesuffix(table).removesuffix("/")
        self._list(f"{inside}/" if inside else "")
        if table in self.files:
            self.label_by_table(table, str(path.parent))
        elif table or (inside and not (self.files or self.folders or self.rejected)):
            there = sorted({_posix(info.filename).partition("/")[0] for info in self._zip.infolist()}, key=natural_key)
            kind = "table" if table else "folder"
            raise SourceError(f"There is no {kind} {path}; at the archive's top there are {listed(there)}.")
        else:
            self.arrange(str(path), labelled=labelled)

    def _list(self, inside: str) -> None:
        """Lists the members below a folder, and rejects those that aren't to be read."""
        for info in self._zip.infolist():
            name = _posix(info.filename)
            if not name.startswith(inside):
                continue
            name = name.removeprefix(inside)
            if info.filename.endswith(("/", "\\")):  # is_dir() fails for a member without a name
                self.folders.append(name)
            elif name.startswith(("/", "../")) or name in (".", "..") or ntpath.splitdrive(name)[0]:
                self.rejected.append((name, "a name that is empty, absolute, or leads out of the archive"))
            elif stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
                self.rejected.append((name, "not a regular file but a link or a device"))
            elif name in self.files:
                self.rejected.append((name, "a second member of the same name; the first is used"))
            else:
                self._members[name] = info
                self.files[name] = info.file_size, f"{info.CRC:08x}:{info.file_size}"

    def _read(self, path: str) -> bytes:
        """Unpacks one member into memory and checks its CRC."""
        info = self._members[path]
        try:
            with self._lock:
                member = self._zip.open(info)
            try:
                data = member.read()  # ends at the size in the archive's directory
            finally:
                with self._lock:
                    member.close()
        except _DAMAGE as error:
            raise ImageReadError(f"unreadable in the archive: {error or type(error).__name__}") from error
        if len(data) != info.file_size:
            raise ImageReadError("unreadable in the archive: it has another size than the archive says")
        return data

    def __exit__(self, *_: object) -> None:
        self._zip.close()


def check_sha256(path: Path, expected: str | None, shown: str | None = None) -> None:
    """Compares a file with a given checksum.

    Args:
        path: The file.
        expected: SHA-256 as 64 hex digits of any case; None doesn't check.
        shown: Its name in messages, if not the path.

    Raises:
        SourceError: The file has another checksum.
    """
    if expected is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != expected.lower():
        raise SourceError(
            f"{shown or path} isn't the expected file: its SHA-256 is {found}, ingestion.sha256 is {expected.lower()}. "
            "Get the file again, or correct ingestion.sha256 (null doesn't check)."
        )


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except _DAMAGE as error:
        raise SourceError(
            f"{path} can't be read, is no zip file, or is cut short or damaged ({error or type(error).__name__}). "
            "Download or copy it again; other kinds of archives have to be unpacked to a folder first."
        ) from error


def _posix(name: str) -> str:
    """A member's name with forward slashes (some Windows tools write others) and without empty, `.` or `..` steps."""
    return posixpath.normpath(as_text(name.replace("\\", "/")))


def _inner_archive(members: Sequence[zipfile.ZipInfo], inside: str, wanted: Sequence[str]) -> zipfile.ZipInfo | None:
    """The inner archive to read: the one that `inside` names, or Kaggle's.

    Kaggle's outer archive has no images of its own, and a `train.zip` or the like.
    """
    zips = {_posix(info.filename): info for info in members if info.filename.lower().endswith(".zip")}
    if inside:
        return next((info for name, info in zips.items() if f"{inside}/".startswith(f"{name}/")), None)
    if any(has_image_name(info.filename) for info in members):
        return None
    by_name = {posixpath.basename(name).lower(): info for name, info in zips.items()}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _unpack(outer: zipfile.ZipFile, inner: zipfile.ZipInfo, shown: str, folder: Path) -> Path:
    """Unpacks an inner archive once, to a file named after its content, and returns that file."""
    target = folder / f"{Path(_posix(inner.filename)).stem}-{inner.CRC:08x}-{inner.file_size}.zip"
    if target.is_file():
        return target
    if inner.file_size > MAX_INNER_RATIO * inner.compress_size + 1024**2:
        raise SourceError(f"{shown} isn't packed like an archive. Unpack it and set the source to the result.")
    logger.info("Unpacking %s (%s bytes) to %s", shown, f"{inner.file_size:,}", target)
    try:
        with outer.open(inner) as member, replace_atomically(target) as partial, partial.open("wb") as file:
            shutil.copyfileobj(member, file)
    except _DAMAGE as error:
        raise SourceError(
            f"Unpacking {shown} to {folder} failed: {error}. Get the archive again, or unpack it."
        ) from error
    return target
