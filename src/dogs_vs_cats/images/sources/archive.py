"""Images in a zip file, read in place: only an inner archive is unpacked to disk.

Archives aren't trusted. Names that lead outside, links, duplicate names and overlapping members are rejected one by
one, with the reason, and no member that unpacks to more than `ingestion.max_bytes` is read.
"""

import hashlib
import logging
import re
import shutil
import stat
import struct
import sys
import threading
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from dogs_vs_cats.errors import SourceError, listed
from dogs_vs_cats.images.sources.base import Entry, ImageReadError, Source
from dogs_vs_cats.images.sources.files import as_text
from dogs_vs_cats.images.sources.layouts import arrange
from dogs_vs_cats.images.sources.names import has_image_name, natural_key
from dogs_vs_cats.progress import progress
from dogs_vs_cats.storage.atomic import replace_atomically

logger = logging.getLogger(__name__)

MAX_INNER_RATIO = 5
"""An inner archive that unpacks to more than this many times its stored size, and to more than a megabyte, is a zip
bomb: an archive is already compressed, so it hardly shrinks again."""

INNER_LABELLED = ("train.zip",)
INNER_UNLABELLED = ("test1.zip", "test.zip", "train.zip")
"""Kaggle's inner archives; of several the first is read."""

_CHUNK = 1024**2
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_ENCRYPTED = 0x1
_LOCAL_HEADER_BYTES = 30
_DRIVE = re.compile("[A-Za-z]:")
_EMPTY_STEP = re.compile(r"(?:^|/)\.?(?:/|$)")
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError, OverflowError, RuntimeError)
"""Exceptions of `zipfile` for damaged, encrypted or unsupported members."""


class ZipSource(Source):
    """Images in a zip file.

    All threads share one handle. `zipfile` locks each access to the file and unpacks outside that lock; only opening
    and closing a member needs another lock.

    Args:
        path: The zip file. Kaggle's outer archive, which holds `train.zip` and `test1.zip`, is recognised.
        labelled: Whether to detect classes.
        unpack_to: Folder for inner archives.
        inside: Folder or zip file in the archive that is read instead of the whole; paths count from it.
        classes: `ingestion.classes`, see `arrange_labelled`.

    Attributes:
        max_bytes: Members that unpack to more are refused unread; `open_source` sets it.

    Raises:
        SourceError: It is no zip file, is damaged, or holds no usable images.
    """

    max_bytes = sys.maxsize

    def __init__(
        self, path: Path, *, labelled: bool, unpack_to: Path, inside: str = "", classes: Sequence[str] | None = None
    ) -> None:
        self._lock = threading.Lock()
        self._zip = _open_zip(path)
        try:
            wanted = INNER_LABELLED if labelled else INNER_UNLABELLED
            inner = _inner_archive(self._zip.infolist(), inside, wanted)
            where = f"{path}/{inside}" if inside else str(path)
            if inner is not None:
                name = _posix(inner.filename)
                logger.info("Of the archives in %s, %s is read.", path.name, name)
                unpacked = _unpack_inner(self._zip, inner, path, unpack_to)
                self._zip.close()
                self._zip = _open_zip(unpacked)
                where = f"{path}/{inside or name}"
                inside = inside.removeprefix(name).removeprefix("/")
            self.class_names: list[str] = []
            self.rejected: list[tuple[str, str]] = []
            self._list(where, inside, labelled, classes)
        except BaseException:
            self._zip.close()
            raise

    def _list(self, where: str, inside: str, labelled: bool, classes: Sequence[str] | None) -> None:
        members, folders = self._usable_members(f"{inside}/" if inside else "")
        if inside and not (members or folders or self.rejected):
            there = sorted({_posix(info.filename).partition("/")[0] for info in self._zip.infolist()}, key=natural_key)
            raise SourceError(f"There is no folder {where}; at the archive's top there are {listed(there)}.")
        try:
            found = arrange(members, where, folders, classes, labelled=labelled)
        except SourceError as error:
            raise SourceError(error.message + _summary(self.rejected)) from None
        self.class_names = found.class_names
        self.rejected += found.rejected
        self._members = members
        self._entries = [
            Entry(name, label, part, members[name].compress_size, f"{members[name].CRC:08x}:{members[name].file_size}")
            for name, label, part in found.files
        ]

    def _usable_members(self, inside: str) -> tuple[dict[str, zipfile.ZipInfo], list[str]]:
        """Returns the members below a folder that may be read, by name, and the folders there; refuses the others."""
        overlapping = _overlapping(self._zip.infolist())
        members: dict[str, zipfile.ZipInfo] = {}
        folders = []
        for index, info in enumerate(self._zip.infolist()):
            name = _posix(info.filename)
            if not name.startswith(inside):
                continue
            name = name.removeprefix(inside)
            if info.filename.endswith(("/", "\\")):  # is_dir() fails for a member without a name
                folders += [folder] if (folder := name.strip("/")) else []
            elif reason := _refusal(name, info):
                self.rejected.append((name, reason))
            elif index in overlapping:
                self.rejected.append((name, "overlaps another member (a zip bomb)"))
            elif name in members:
                self.rejected.append((name, "a second member of the same name; the first is used"))
            else:
                members[name] = info
        return members, folders

    def read(self, entry: Entry) -> bytes:
        """Unpacks one member into memory and checks its CRC.

        Raises:
            ImageReadError: It is too large, damaged or cut short.
        """
        info = self._members[entry.path]
        if info.file_size > self.max_bytes:
            raise ImageReadError(
                f"too large: {info.file_size:,} bytes unpacked, ingestion.max_bytes is {self.max_bytes:,}"
            )
        try:
            with self._lock:
                member = self._zip.open(info)
            try:
                data = member.read()  # ends at the size in the archive's directory
            finally:
                with self._lock:
                    member.close()
        except _DAMAGE as error:
            raise ImageReadError(f"damaged in the archive: {error or type(error).__name__}") from error
        if len(data) != info.file_size:
            raise ImageReadError("damaged in the archive: it has another size than the archive says")
        return data

    def __exit__(self, *_: object) -> None:
        self._zip.close()


def check_sha256(path: Path, expected: str, shown: str | None = None) -> None:
    """Compares a file with a given checksum.

    Args:
        path: The file.
        expected: SHA-256 as 64 hex digits of any case.
        shown: Its name in messages, if not the path.

    Raises:
        SourceError: The file has another checksum, or can't be read.
    """
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}.") from error
    if found != expected.lower():
        raise SourceError(
            f"{shown or path} isn't the expected file: its SHA-256 is {found}, ingestion.sha256 is {expected.lower()}. "
            "Get the file again, or correct ingestion.sha256 (null doesn't check)."
        )


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except PermissionError as error:
        raise SourceError(f"{path} can't be read: {error.strerror}.") from error
    except _DAMAGE as error:
        raise SourceError(
            f"{path} is no zip file, or is cut short or damaged ({error or type(error).__name__}). "
            "Download or copy it again; other kinds of archives have to be unpacked to a folder first."
        ) from error


def _posix(name: str) -> str:
    """A member's name with forward slashes (some Windows tools write others) and without empty or `.` steps.

    Names that lead outside stay as they are: they are only shown.
    """
    name = as_text(name.replace("\\", "/"))
    if name.startswith("/") or not _EMPTY_STEP.search(name):
        return name
    return "/".join(step for step in name.split("/") if step not in ("", ".")) or name


def _refusal(name: str, info: zipfile.ZipInfo) -> str:
    """Why a member isn't to be read, judged by the archive's directory; empty where it may be."""
    if name.startswith("/") or _DRIVE.match(name):
        return "an absolute name in the archive"
    if ".." in name.split("/"):
        return "a name that leads out of the archive"
    if name in ("", "."):
        return "a member without a name"
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return "not a regular file but a link or a device"
    if info.flag_bits & _ENCRYPTED:
        return "encrypted"
    if info.compress_type not in _METHODS:
        return f"packed by method {info.compress_type}, only stored and deflated members can be read"
    return ""


def _overlapping(members: Sequence[zipfile.ZipInfo]) -> set[int]:
    """Indices of members whose data share bytes of the file with another's, which no honest archive has."""
    overlapping = set()
    end, last = 0, -1
    for index in sorted(range(len(members)), key=lambda i: members[i].header_offset):
        info = members[index]
        if info.header_offset < end:
            overlapping |= {index, last}
        if (after := info.header_offset + _LOCAL_HEADER_BYTES + info.compress_size) > end:
            end, last = after, index
    return overlapping


def _summary(rejected: Sequence[tuple[str, str]]) -> str:
    if not rejected:
        return ""
    path, reason = rejected[0]
    return f" {len(rejected):,} members were refused, the first ({path}): {reason}."


def _inner_archive(members: Sequence[zipfile.ZipInfo], inside: str, wanted: Sequence[str]) -> zipfile.ZipInfo | None:
    """The inner archive to read: the one that `inside` names, or Kaggle's.

    Kaggle's outer archive has no images of its own, and a `train.zip` or the like.
    """
    if inside:
        zips = (info for info in members if info.filename.lower().endswith(".zip"))
        return next((info for info in zips if f"{inside}/".startswith(f"{_posix(info.filename)}/")), None)
    if any(has_image_name(info.filename) for info in members):
        return None
    by_name = {_posix(info.filename).rpartition("/")[2].lower(): info for info in reversed(members)}
    return next((by_name[name] for name in wanted if name in by_name), None)


def _unpack_inner(outer: zipfile.ZipFile, inner: zipfile.ZipInfo, path: Path, folder: Path) -> Path:
    """Unpacks an inner archive once, to a file named after its content, and returns that file."""
    what = f"{inner.filename} in {path}"
    if inner.flag_bits & _ENCRYPTED:
        raise SourceError(f"{what} is encrypted. Unpack it with its password and set the source to the result.")
    if inner.compress_type not in _METHODS or inner.file_size > MAX_INNER_RATIO * inner.compress_size + _CHUNK:
        raise SourceError(f"{what} isn't packed like Kaggle's. Unpack it and set the source to the result.")
    stem = Path(_posix(inner.filename)).stem
    target = folder / f"{stem}-{inner.CRC:08x}-{inner.file_size}.zip"
    if target.is_file() and target.stat().st_size == inner.file_size:
        return target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(folder).free < inner.file_size:
            raise SourceError(f"Unpacking {what} to {folder} needs {inner.file_size:,} bytes; the disk has fewer left.")
        with (
            replace_atomically(target) as partial,
            outer.open(inner) as member,
            partial.open("wb") as file,
            progress(f"Unpacking {inner.filename}", inner.file_size, "bytes") as on,
        ):
            while chunk := member.read(_CHUNK):
                file.write(chunk)
                on(len(chunk))
    except _DAMAGE as error:
        raise SourceError(
            f"Unpacking {what} to {folder} failed: {error}. Get the archive again, or unpack it."
        ) from error
    return target
