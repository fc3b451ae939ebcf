"""Images in files: a folder, one file, or a list of paths."""

import csv
import errno
import logging
import os
import stat
import unicodedata
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dogs_vs_cats.errors import SourceError, reason
from dogs_vs_cats.images.sources.base import UNLABELLED, Entry, ImageReadError, Source
from dogs_vs_cats.images.sources.layouts import NoClassesError, arrange
from dogs_vs_cats.images.sources.names import as_text, has_image_name, natural_key, separator_of, suffix_of
from dogs_vs_cats.parameters.command_line import as_yaml
from dogs_vs_cats.parameters.ingestion import LABEL_SUFFIXES, IngestionParameters

if TYPE_CHECKING:
    from dogs_vs_cats.images.sources.tables import LabelTable

logger = logging.getLogger(__name__)

_MOST_TABLES = 10
"""At most this many tables among the files are searched for labels."""


class FileSource(Source):
    """Images in files, in a folder or an archive. A subclass lists the files and reads one of them.

    Args:
        ingestion: Uses `max_bytes`, above which files are refused unread; `classes`, see `layouts.arrange`; and
            `columns` and `group`, see `LabelTable`.

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
        """Chooses the entries and their classes among the files: see `layouts.arrange`; else by a table among them."""
        try:
            found = arrange(self.files, where, self.folders, self._ingestion.classes, labelled=labelled)
        except NoClassesError as error:
            self._label_by_own_table(where, error)
            return
        self.class_names = found.class_names
        self.rejected += found.rejected
        self._entries = [Entry(path, label, part, self.files[path][1]) for path, label, part in found.files]
        if labelled:
            self.log_classes(where)

    def _table(self, path: str, where: str) -> "LabelTable":
        from dogs_vs_cats.images.sources.tables import LabelTable  # imports pandas, which few sources need

        data = self.read(Entry(path, UNLABELLED, "", ""))
        return LabelTable(data, f"{where}/{path}", self._ingestion.columns, group=self._ingestion.group)

    def label_by_table(self, path: str, where: str) -> None:
        """Takes the files that a table among them names; `where` is the folder in messages.

        Raises:
            SourceError: The table can't be read, or see `LabelTable.rows`.
        """
        try:
            table = self._table(path, where)
        except ImageReadError as error:
            raise SourceError(f"The table {where}/{path} gives no labels: {error}.") from error
        self.take(table, table.rows(self.files))

    def take(self, table: "LabelTable", rows: Sequence[tuple[str, str, str]]) -> None:
        """Takes the files that a table names, with the classes and parts that it gives them: `LabelTable.rows`."""
        self.class_names = sorted({label for _, label, _ in rows}, key=natural_key)
        index = {name: label for label, name in enumerate(self.class_names)}
        self._entries = [Entry(path, index[label], part, self.files[path][1]) for path, label, part in rows]
        self.columns, self.groups = table.columns, table.groups
        known = {path for path, _ in self.rejected}
        self.rejected += [(as_text(name), "not there") for name in table.missing if as_text(name) not in known]
        unnamed = sum(map(has_image_name, self.files.keys() - {path for path, _, _ in rows}))
        if unnamed:
            logger.info("Ignored %s images that %s doesn't name.", f"{unnamed:,}", table.where)
        self.log_classes(table.where)

    def _label_by_own_table(self, where: str, without: NoClassesError) -> None:
        """Takes the classes from the only table among the files that has some."""
        tables = [path for path in sorted(self.files, key=natural_key) if suffix_of(path) in LABEL_SUFFIXES]
        found, wrong, others = [], [], [without.message.removesuffix(".")]
        for path in tables[:_MOST_TABLES]:
            try:
                table = self._table(path, where)
            except (SourceError, ImageReadError) as error:
                others.append(str(error).removesuffix("."))
                continue
            try:
                found.append((table, table.rows(self.files)))
            except SourceError as error:
                wrong.append(error)
        found = [(table, rows) for table, rows in found if not table.missing] or found
        if len(found) == 1:
            self.take(*found[0])
        elif found:
            values = " or ".join(f"ingestion.source={as_yaml(table.where)}" for table, _ in found[:3])
            raise SourceError(f"Several tables in {where} may hold the labels. Set {values}.") from without
        elif wrong:
            raise wrong[0]
        else:
            raise SourceError(". ".join(others) + ".") from without

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
        for name in (self._spelling(name) for name in names):
            if status := self._status(name):
                self._add(name, status)
        self._entries = [Entry(path, UNLABELLED, "", token) for path, (_, token) in self.files.items()]

    def _spelling(self, name: str) -> str:
        """The name that a file has on disk, whether Unicode's composed or decomposed form of it; or the given one."""
        if name.isascii():
            return name
        forms = [name, *(unicodedata.normalize(form, name) for form in ("NFC", "NFD"))]
        return next((form for form in forms if _is_file(self._root / form)), name)

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
                    raise SourceError(f"The folder {self._root} can't be listed: {reason(error)}.") from error
                self.rejected.append((as_text(folder), f"can't be listed: {reason(error)}"))
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
            if token.startswith(_version(place.stat())) and len(data := place.read_bytes()) == size:
                return data
        except FileNotFoundError:
            raise ImageReadError("vanished after it was listed") from None
        except OSError as error:
            raise ImageReadError(f"can't be read: {reason(error)}") from error
        raise ImageReadError("changed after it was listed")

    def _status(self, path: str) -> os.stat_result | None:
        """Returns the status of a file or folder behind all links, or rejects it."""
        place = self._root / path
        try:
            return place.stat()
        except (OSError, ValueError) as error:
            # `is_symlink` fails for names that are too long.
            is_link = getattr(error, "errno", None) != errno.ENAMETOOLONG and place.is_symlink()
            problem = "a broken symbolic link" if is_link else "can't be read"
            self.rejected.append((as_text(path), f"{problem}: {reason(error)}"))
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


def table_source(path: Path, ingestion: IngestionParameters, folder: Path) -> FolderSource:
    """Images that a table names, which may lie anywhere; see `LabelTable`.

    The folder is listed only where the table doesn't name its images by their paths.

    Args:
        path: A `.csv` or `.tsv` file.
        ingestion: See `FileSource`.
        folder: The folder that paths are relative to.

    Raises:
        SourceError: The table can't be read, or doesn't say a class for each image it names.
    """
    from dogs_vs_cats.images.sources.tables import LabelTable

    try:
        table = LabelTable(path.read_bytes(), str(path), ingestion.columns, str(folder), ingestion.group)
    except OSError as error:
        raise SourceError(f"The table {path} can't be read: {reason(error)}.") from error
    names = table.names(lambda name: _is_file(folder / name))
    source = FolderSource(folder, ingestion, names)
    source.take(table, table.rows(source.files, by_path=names is not None))
    return source


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
                separator = separator_of(file.readline())
                file.seek(0)
                lines = [row.get("path") or "" for row in csv.DictReader(file, delimiter=separator)]
            else:
                lines = [line.rstrip("\r\n") for line in file]
    except (OSError, csv.Error) as error:
        raise SourceError(f"The list {path} can't be read: {reason(error)}.") from error
    paths = [line for line in lines if line.strip()]
    if not paths:
        raise SourceError(f"The list {path} names no files: it needs one path a line, or a column named path.")
    return paths


def _is_file(place: Path) -> bool:
    """Whether a path is a file; a text too long to be a path, such as a caption in a table, isn't."""
    try:
        return place.is_file()
    except OSError:
        return False


def _token(status: os.stat_result) -> str:
    """Identity of a file's content as far as its status tells.

    Archives and tools set the time of the last change, and uncompressed images are of one size. The time of the last
    change of the status, which nobody can set, tells files apart even then.
    """
    return f"{_version(status)}{status.st_ctime_ns}"


def _version(status: os.stat_result) -> str:
    """The part of a token that stays if a file is only linked or gets other permissions."""
    return f"{status.st_size}:{status.st_mtime_ns}:"
