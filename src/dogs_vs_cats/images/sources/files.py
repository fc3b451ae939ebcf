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
        root: Folder that the paths of the entries count from.
        entries: The files, in their order.
        class_names: Names of the classes.
        rejected: (path, reason) of what was refused while listing.
        real_paths: Name on disk of entries whose path shows it otherwise (see `as_text`).

    Attributes:
        max_bytes: Larger files are refused unread; `open_source` sets it.
    """

    max_bytes = sys.maxsize

    def __init__(
        self,
        root: Path,
        entries: list[Entry],
        class_names: list[str],
        rejected: list[tuple[str, str]],
        real_paths: dict[str, str] | None = None,
    ) -> None:
        self.class_names = class_names
        self.rejected = rejected
        self._root = os.fspath(root)
        self._entries = entries
        self._real_paths = real_paths or {}

    def read(self, entry: Entry) -> bytes:
        """Returns the bytes of one file.

        Raises:
            ImageReadError: It is gone, unreadable, too large, or no longer what was listed.
        """
        path = os.path.join(self._root, self._real_paths.get(entry.path, entry.path))  # noqa: PTH118 (any bytes)
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


class FolderListing:
    """All files below a folder, following symbolic links, each real folder once.

    Links to files count as files (DVC and dataset tools link instead of copying). Folders behind links are listed
    after all others, so a folder keeps its own name where it is linked too, and loops end.

    Args:
        root: The folder.

    Attributes:
        tokens: Token (see `token`) by posix path.
        folders: Posix path of every folder that was listed, but the root.
        rejected: (path, reason) of what is no file and no folder, or can't be listed.
        real_paths: Name on disk by path, where the path shows it otherwise (see `as_text`).
    """

    def __init__(self, root: Path) -> None:
        self.tokens: dict[str, str] = {}
        self.folders: list[str] = []
        self.rejected: list[tuple[str, str]] = []
        self.real_paths: dict[str, str] = {}
        self._root = os.fspath(root)
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
                status = os.stat(os.path.join(self._root, folder))  # noqa: PTH116, PTH118 (any bytes)
                earlier = self._seen.setdefault((status.st_dev, status.st_ino), folder)
                if earlier != folder:
                    loop = f"{folder}/".startswith(f"{earlier}/") or earlier == ""
                    name = as_text(earlier) or "the source itself"
                    reason = f"a symbolic link loop back to {name}" if loop else f"the same folder as {name}"
                    self.rejected.append((as_text(folder), reason))
                    continue
                with os.scandir(os.path.join(self._root, folder)) as items:  # noqa: PTH118
                    self.folders += [as_text(folder)] if folder else []
                    for item in items:
                        path = f"{folder}/{item.name}" if folder else item.name
                        if item.is_dir(follow_symlinks=False):
                            waiting.append(path)
                        else:
                            self._add(path, item)
            except OSError as error:
                if folder == "":
                    raise SourceError(f"The folder {self._root} can't be listed: {_why(error)}.") from error
                self.rejected.append((as_text(folder), f"can't be listed: {_why(error)}"))

    def _add(self, path: str, item: os.DirEntry[str]) -> None:
        shown = as_text(path)
        try:
            status = item.stat()
        except OSError as error:
            link = "a broken symbolic link" if item.is_symlink() else "can't be read"
            self.rejected.append((shown, f"{link}: {_why(error)}"))
            return
        if stat.S_ISDIR(status.st_mode):
            self._links.append(path)
        elif not stat.S_ISREG(status.st_mode):
            self.rejected.append((shown, "not a regular file"))
        elif shown in self.tokens:
            self.rejected.append(
                (shown, "its name can't be written as it is, and another file is shown by the same name")
            )
        else:
            self.tokens[shown] = token(status)
            if shown != path:
                self.real_paths[shown] = path


def folder_source(root: Path, listing: FolderListing, arrangement: Arrangement) -> FileSource:
    """The arranged files of a listed folder."""
    tokens = listing.tokens
    entries = [
        Entry(path, label, part, int(tokens[path].partition(":")[0]), tokens[path])
        for path, label, part in arrangement.files
    ]
    rejected = listing.rejected + arrangement.rejected
    return FileSource(root, entries, arrangement.class_names, rejected, listing.real_paths)


def single_file_source(path: Path) -> FileSource:
    """One image file, without a label."""
    return FileSource(path.parent, *_entries_of([path.name], path.parent))


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
    source = FileSource(path.parent, *_entries_of((name for name in names if name.strip()), path.parent))
    if not source.entries() and not source.rejected:
        raise SourceError(f"The list {path} names no files: it needs one path a line, or a column named path.")
    return source


def _entries_of(
    names: Iterable[str], root: Path
) -> tuple[list[Entry], list[str], list[tuple[str, str]], dict[str, str]]:
    entries: dict[str, Entry] = {}
    rejected = []
    real_paths = {}
    for name in names:
        shown = as_text(name)
        if shown in entries:
            rejected.append((shown, "listed twice"))
            continue
        try:
            status = os.stat(os.path.join(root, name))  # noqa: PTH116, PTH118 (any bytes)
        except (OSError, ValueError) as error:
            rejected.append((shown, f"can't be read: {_why(error)}"))
            continue
        if not stat.S_ISREG(status.st_mode):
            rejected.append((shown, "not a regular file"))
            continue
        entries[shown] = Entry(shown, UNLABELLED, "", status.st_size, token(status))
        if shown != name:
            real_paths[shown] = name
    return list(entries.values()), [], rejected, real_paths


def as_text(path: str) -> str:
    r"""A path that any text file and any table can hold.

    Bytes that aren't UTF-8 become `\xNN`; so do carriage returns, which tables of comma-separated values don't quote,
    and which would end a row of theirs.
    """
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace").replace("\r", r"\x0d")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
