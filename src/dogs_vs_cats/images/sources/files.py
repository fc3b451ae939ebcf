"""Images in files: a folder, one file, or a list of paths."""

import csv
import os
import stat
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path

from dogs_vs_cats.errors import SourceError
from dogs_vs_cats.images.sources.base import UNLABELLED, Entry, ImageReadError, Source
from dogs_vs_cats.images.sources.layouts import arrange
from dogs_vs_cats.images.sources.names import as_text, natural_key
from dogs_vs_cats.parameters.ingestion import IngestionParameters


class FileSource(Source):
    """Images in files, in a folder or an archive. A subclass lists the files and reads one of them.

    Args:
        ingestion: Uses `max_bytes`, above which files are refused unread, and `classes`, see `layouts.arrange`.

    Attributes:
        files: (size in bytes, token) of every file, by posix path.
        folders: Posix path of every folder.
    """

    def __init__(self, ingestion: IngestionParameters) -> None:
        super().__init__([], [])
        self.files: dict[str, tuple[int, str]] = {}
        self.folders: list[str] = []
        self._ingestion = ingestion

    def arrange(self, where: str, *, labelled: bool) -> None:
        """Chooses the entries and their classes among the files; see `layouts.arrange`."""
        found = arrange(self.files, where, self.folders, self._ingestion.classes, labelled=labelled)
        self.class_names = found.class_names
        self.rejected += found.rejected
        self._entries = [Entry(path, label, part, self.files[path][1]) for path, label, part in found.files]
        if labelled:
            self.log_classes(where)

    def read(self, entry: Entry) -> bytes:
        """Returns the bytes of one file.

        Raises:
            ImageReadError: It is gone, unreadable, too large, damaged, or no longer what was listed.
        """
        size, _ = self.files[entry.path]
        if size > (most := self._ingestion.max_bytes):
            raise ImageReadError(f"too large: {size:,} bytes, ingestion.max_bytes is {most:,}")
        return self._read(entry.path)

    @abstractmethod
    def _read(self, path: str) -> bytes: ...


class FolderSource(FileSource):
    """Images in files of their own. The files stay where they are and are opened one at a time.

    Links to files count as files (DVC and dataset tools link instead of copying).

    Args:
        root: The folder.
        ingestion: See `FileSource`.
        names: The files to use, without labels and in this order, by their paths from the root. None lists the folder.

    Raises:
        SourceError: The folder can't be listed.
    """

    def __init__(self, root: Path, ingestion: IngestionParameters, names: Iterable[str] | None = None) -> None:
        super().__init__(ingestion)
        self._root = root
        self._on_disk: dict[str, str] = {}
        if names is None:
            self._list_folder()
            return
        for name in names:
            if status := self._status(name):
                self._add(name, status)
        self._entries = [Entry(path, UNLABELLED, "", token) for path, (_, token) in self.files.items()]

    def _list_folder(self) -> None:
        """Lists all files below the root, each real folder once.

        Folders behind links come after all others, so a folder has its own name where it is linked too, and loops end.
        """
        seen: dict[tuple[int, int], str] = {}
        folders, links = [""], list[str]()
        while folders or links:
            folder = folders.pop() if folders else links.pop(0)
            try:
                status = (self._root / folder).stat()
                earlier = seen.setdefault((status.st_dev, status.st_ino), folder)
                items = os.listdir(self._root / folder) if earlier == folder else []  # noqa: PTH208 (names alone)
            except OSError as error:
                if folder == "":
                    raise SourceError(f"The folder {self._root} can't be listed: {_why(error)}.") from error
                self.rejected.append((as_text(folder), f"can't be listed: {_why(error)}"))
                continue
            if earlier != folder:
                self.rejected.append((as_text(folder), f"the same folder as {as_text(earlier) or 'the source itself'}"))
                continue
            self.folders.append(as_text(folder))
            for path in (f"{folder}/{item}" if folder else item for item in items):
                if (found := self._status(path)) is None:
                    continue
                if not stat.S_ISDIR(found.st_mode):
                    self._add(path, found)
                elif (self._root / path).is_symlink():
                    links.append(path)
                else:
                    folders.append(path)
            links.sort(key=natural_key)
        self.rejected.sort(key=lambda row: natural_key(row[0]))

    def _read(self, path: str) -> bytes:
        place = self._root / self._on_disk[path]
        size, token = self.files[path]
        try:
            # The status comes first: opening a pipe that took the file's place would block.
            if _token(place.stat()) == token and len(data := place.read_bytes()) == size:
                return data
        except FileNotFoundError:
            raise ImageReadError("vanished after it was listed") from None
        except OSError as error:
            raise ImageReadError(f"can't be read: {_why(error)}") from error
        raise ImageReadError("changed after it was listed")

    def _status(self, path: str) -> os.stat_result | None:
        """Returns the status of a file or folder behind all links, or rejects it."""
        place = self._root / path
        try:
            return place.stat()
        except (OSError, ValueError) as error:
            problem = "a broken symbolic link" if place.is_symlink() else "can't be read"
            self.rejected.append((as_text(path), f"{problem}: {_why(error)}"))
            return None

    def _add(self, path: str, status: os.stat_result) -> None:
        """Adds a file by its name on disk, or rejects it."""
        shown = as_text(path)
        if not stat.S_ISREG(status.st_mode):
            self.rejected.append((shown, "not a regular file"))
        elif shown in self.files:
            self.rejected.append((shown, "listed twice, or shown by the same name as another file"))
        else:
            self.files[shown] = status.st_size, _token(status)
            self._on_disk[shown] = path


def listed_paths(path: Path) -> list[str]:
    """Reads a list of paths.

    Args:
        path: A `.txt` file with one path a line, or a `.csv` file with a column `path`.

    Raises:
        SourceError: The list can't be read, has no column `path`, or is empty.
    """
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            if path.suffix.lower() == ".csv":
                lines = [row.get("path") or "" for row in csv.DictReader(file)]
            else:
                lines = [line.rstrip("\r\n") for line in file]
    except (OSError, csv.Error) as error:
        raise SourceError(f"The list {path} can't be read: {_why(error)}.") from error
    paths = [line for line in lines if line.strip()]
    if not paths:
        raise SourceError(f"The list {path} names no files: it needs one path a line, or a column named path.")
    return paths


def _token(status: os.stat_result) -> str:
    """Identity of a file's content as far as its status tells: size and time of the last change in nanoseconds."""
    return f"{status.st_size}:{status.st_mtime_ns}"


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
