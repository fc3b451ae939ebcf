"""Images in files: a folder, one file, or a list of paths."""

import csv
import os
import stat
import sys
from collections.abc import Iterable
from pathlib import Path

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources.base import UNLABELLED, Entry, ImageReadError, Source
from dogs_vs_cats.images.sources.layouts import Arrangement
from dogs_vs_cats.images.sources.names import natural_key

# Without O_NONBLOCK, a pipe that took a file's place would wait for a writer for ever.
_OPENING = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


class FileSource(Source):
    """Images in files of their own. The files stay where they are and are opened one at a time.

    Args:
        files: The files, and what was refused while listing.
        used: (path, label, part) of the files to read, in their order.
        class_names: Names of the classes.
        rejected: (path, reason) of further files.

    Attributes:
        max_bytes: Larger files are refused unread; `open_source` sets it.
    """

    max_bytes = sys.maxsize

    def __init__(
        self,
        files: "Files",
        used: Iterable[tuple[str, int, str]],
        class_names: list[str],
        rejected: list[tuple[str, str]],
    ) -> None:
        self.class_names = class_names
        self.rejected = files.rejected + rejected
        self._files = files
        self._entries = [
            Entry(path, label, part, int(files.tokens[path].partition(":")[0]), files.tokens[path])
            for path, label, part in used
        ]

    def read(self, entry: Entry) -> bytes:
        """Returns the bytes of one file.

        Raises:
            ImageReadError: It is gone, unreadable, too large, or no longer what was listed.
        """
        path = self._files.real_path(entry.path)
        if entry.size > self.max_bytes:
            raise ImageReadError(f"too large: {entry.size:,} bytes, ingestion.max_bytes is {self.max_bytes:,}")
        try:
            descriptor = os.open(path, _OPENING)
            # Not through a file object: it asks the system twice as often, and threads wait for each other each time.
            try:
                data = os.read(descriptor, entry.size)
                while len(data) < entry.size and (more := os.read(descriptor, entry.size - len(data))):
                    data += more
                status = os.fstat(descriptor)
            finally:
                os.close(descriptor)
        except FileNotFoundError:
            raise ImageReadError("vanished after it was listed") from None
        except (OSError, ValueError) as error:
            raise ImageReadError(f"can't be read: {_why(error)}") from error
        if not stat.S_ISREG(status.st_mode):
            raise ImageReadError("not a regular file")
        if entry.token != token(status):
            raise ImageReadError("changed after it was listed")
        return data


def token(status: os.stat_result) -> str:
    """Identity of a file's content as far as its status tells: size and time of the last change in nanoseconds."""
    return f"{status.st_size}:{status.st_mtime_ns}"


class Files:
    """Files below a folder, by the paths that are shown for them.

    Args:
        root: The folder.

    Attributes:
        tokens: Token (see `token`) by posix path.
        rejected: (path, reason) of what is no file, or can't be read.
    """

    def __init__(self, root: Path) -> None:
        self.tokens: dict[str, str] = {}
        self.rejected: list[tuple[str, str]] = []
        self._root = os.fspath(root)
        self._real_paths: dict[str, str] = {}

    def real_path(self, path: str) -> str:
        """Returns the name on disk of a file, whose path may show it otherwise (see `as_text`)."""
        return os.path.join(self._root, self._real_paths.get(path, path))  # noqa: PTH118 (any bytes)

    def add(self, path: str, status: os.stat_result, twice: str) -> None:
        """Adds a file by its name on disk, or rejects it, with the reason `twice` if its path is known already."""
        shown = as_text(path)
        if not stat.S_ISREG(status.st_mode):
            self.rejected.append((shown, "not a regular file"))
        elif shown in self.tokens:
            self.rejected.append((shown, twice))
        else:
            self.tokens[shown] = token(status)
            if shown != path:
                self._real_paths[shown] = path


class FolderListing(Files):
    """All files below a folder, following symbolic links, each real folder once.

    Links to files count as files (DVC and dataset tools link instead of copying). Folders behind links are listed
    after all others, so a folder keeps its own name where it is linked too, and loops end.

    Args:
        root: The folder.

    Attributes:
        folders: Posix path of every folder that was listed, but the root.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.folders: list[str] = []
        self._links: list[str] = []
        self._seen: dict[tuple[int, int], str] = {}
        self._list_below("")
        while self._links:
            self._links.sort(key=natural_key)
            self._list_below(self._links.pop(0))
        self.rejected.sort(key=lambda row: natural_key(row[0]))

    def _list_below(self, start: str) -> None:
        waiting = [start]
        while waiting:
            folder = waiting.pop()
            try:
                if self._is_new(folder):
                    with os.scandir(self.real_path(folder)) as items:
                        self.folders += [as_text(folder)] if folder else []
                        waiting += [path for item in items if (path := self._sub_folder(folder, item))]
            except OSError as error:
                if folder == "":
                    raise SourceError(f"The folder {self._root} can't be listed: {_why(error)}.") from error
                self.rejected.append((as_text(folder), f"can't be listed: {_why(error)}"))

    def _is_new(self, folder: str) -> bool:
        """Whether a folder hasn't been listed yet under any name; rejects it otherwise."""
        status = os.stat(self.real_path(folder))  # noqa: PTH116 (any bytes)
        earlier = self._seen.setdefault((status.st_dev, status.st_ino), folder)
        if earlier == folder:
            return True
        loop = f"{folder}/".startswith(f"{earlier}/") or earlier == ""
        name = as_text(earlier) or "the source itself"
        reason = f"a symbolic link loop back to {name}" if loop else f"the same folder as {name}"
        self.rejected.append((as_text(folder), reason))
        return False

    def _sub_folder(self, folder: str, item: os.DirEntry[str]) -> str:
        """Returns the path of a sub-folder; adds anything else, and returns an empty text."""
        path = f"{folder}/{item.name}" if folder else item.name
        if item.is_dir(follow_symlinks=False):
            return path
        try:
            status = item.stat()
        except OSError as error:
            link = "a broken symbolic link" if item.is_symlink() else "can't be read"
            self.rejected.append((as_text(path), f"{link}: {_why(error)}"))
            return ""
        if stat.S_ISDIR(status.st_mode):
            self._links.append(path)
        else:
            self.add(path, status, "its name can't be written as it is, and another file is shown by the same name")
        return ""


def folder_source(listing: FolderListing, arrangement: Arrangement) -> FileSource:
    """The arranged files of a listed folder."""
    return FileSource(listing, arrangement.files, arrangement.class_names, arrangement.rejected)


def single_file_source(path: Path) -> FileSource:
    """One image file, without a label."""
    return _unlabelled([path.name], path.parent)


def list_source(path: Path) -> FileSource:
    """The files that a list names, without labels, in the order of the list.

    Args:
        path: A `.txt` file with one path a line, or a `.csv` file with a column `path`. Relative paths count from
            the folder that the list lies in.

    Raises:
        SourceError: The list can't be read, has no column `path`, or is empty.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            if path.suffix.lower() == ".csv":
                rows = csv.DictReader(file)
                if "path" not in (rows.fieldnames or []):
                    columns = ", ".join(rows.fieldnames or []) or "none"
                    raise SourceError(f"The list {path} needs a column named path; its columns are: {columns}.")
                names = [row["path"] or "" for row in rows]
            else:
                names = [line.rstrip("\r\n") for line in file]
    except (OSError, csv.Error) as error:
        raise SourceError(f"The list {path} can't be read: {_why(error)}.") from error
    source = _unlabelled((name for name in names if name.strip()), path.parent)
    if not source.entries() and not source.rejected:
        raise SourceError(f"The list {path} names no files: it needs one path a line, or a column named path.")
    return source


def _unlabelled(names: Iterable[str], root: Path) -> FileSource:
    files = Files(root)
    for name in names:
        try:
            status = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 (any bytes)
        except (OSError, ValueError) as error:
            files.rejected.append((as_text(name), f"can't be read: {_why(error)}"))
        else:
            files.add(name, status, "listed twice")
    return FileSource(files, ((path, UNLABELLED, "") for path in files.tokens), [], [])


def as_text(path: str) -> str:
    r"""A path that any text file and any table can hold.

    Bytes that aren't UTF-8 become `\xNN`; so do carriage returns, which tables of comma-separated values don't quote,
    and which would end a row of theirs.
    """
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\r", r"\x0d")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
