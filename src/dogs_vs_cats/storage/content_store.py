"""A cache of folders, each found by a key that stands for all it was made from."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from dogs_vs_cats.storage.atomic import alone_in, in_use, replace_atomically


class ContentStore:
    """Folders of files under keys, for any number of processes at once.

    An entry exists completely or not at all, never changes, and its name is never used again: a process that has a path
    in it has that content or none, and may link to its files. Removing entries costs time and nothing else.
    """

    def __init__(self, folder: Path):
        """Opens the store.

        Args:
            folder: Its folder, made where it is missing.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def in_use(self) -> AbstractContextManager[None]:
        """While the block runs, no entry is removed. New ones may appear."""
        return in_use(self.folder)

    def find(self, key: str) -> Path | None:
        """Returns the newest entry under `key`, or None; to be called while the store is in use."""
        entry = max(self.entries(key), key=last_used, default=None)
        if entry is not None:
            mark_used(entry)
        return entry

    def entries(self, pattern: str = "*") -> list[Path]:
        """Returns all entries whose keys match a glob pattern, sorted by name."""
        return sorted(self.folder.glob(f"{pattern}.????????"))

    @contextmanager
    def create(self, key: str) -> Iterator[Path]:
        """Gives an empty folder to fill, which becomes an entry when the block ends well.

        Two processes that create the same key at once make two entries of the same content.

        Args:
            key: Letters, digits and dashes that stand for everything the content depends on.

        Yields:
            The folder to write files into.

        Raises:
            WriteError: The disk is full, or the store can't be written to.
        """
        with replace_atomically(self.folder / f"{key}.{secrets.token_hex(4)}") as partial:
            partial.mkdir()
            yield partial

    def remove(self, *entries: Path) -> bool:
        """Removes entries, unless somebody uses the store right now; returns whether it did."""
        with alone_in(self.folder) as alone:
            for entry in entries if alone else ():
                # Renamed first: a process that is killed now leaves no part of an entry under its name.
                with suppress(FileNotFoundError):
                    discarded = entry.rename(entry.with_name(f".{entry.name}.partial"))
                    shutil.rmtree(discarded, ignore_errors=True)
            return bool(alone)


def last_used(entry: Path) -> float:
    """When an entry was made or used last, in seconds since 1970."""
    return entry.stat().st_mtime


def mark_used(entry: Path) -> None:
    """Notes that an entry is used now, where the store may be written to."""
    with suppress(OSError):
        os.utime(entry)
