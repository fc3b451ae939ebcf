"""The caches of a project as a user sees them: what is in them, who uses it, and what can go."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from dogs_vs_cats.errors import quantity
from dogs_vs_cats.storage.arrays import map_array
from dogs_vs_cats.storage.content_store import ContentStore, last_used

STORES = {"decoded images": "data/02_intermediate/store", "features": "data/04_feature/store"}
"""Folder of each cache, relative to the project's root."""

GIB = 1024**3
"""Bytes of a GiB."""

_USERS = ".users"
"""The folder of a cache with a file for each experiment, which names the entry that this was made from last."""


@dataclass(frozen=True)
class CacheEntry:
    """An entry of a cache.

    Attributes:
        kind: One of `STORES`.
        path: Its folder.
        shape: Of its array; empty where that can't be read.
        size: Bytes of its files.
        frees: Bytes that removing it frees: files that results link to stay on the disk.
        users: Experiments whose results were made from it, sorted.
        last_used: When it was made or used last, in seconds since 1970.
    """

    kind: str
    path: Path
    shape: tuple[int, ...]
    size: int
    frees: int
    users: list[str]
    last_used: float


def note_use(root: Path, file: Path, experiment: str) -> None:
    """Notes that a result of an experiment was made from a file, if that is a cache's."""
    store = file.parent.parent
    if store in [root / folder for folder in STORES.values()]:
        (store / _USERS).mkdir(exist_ok=True)
        (store / _USERS / experiment).write_text(file.parent.name, encoding="utf-8")


def cache_entries(root: Path) -> list[CacheEntry]:
    """Lists all entries of a project's caches, the least recently used first."""
    found = [entry for kind, folder in STORES.items() for entry in _entries(kind, root / folder)]
    return sorted(found, key=lambda entry: entry.last_used)


def remove(root: Path, entries: Iterable[CacheEntry]) -> list[CacheEntry]:
    """Removes entries, except those that a run in progress uses.

    Args:
        root: The project's root.
        entries: Some of `cache_entries`.

    Returns:
        Those that are gone.
    """
    running = _running(root)
    since = min(running.values(), default=float("inf"))
    free = [entry for entry in entries if entry.last_used < since and not running.keys() & set(entry.users)]
    return [entry for entry in free if ContentStore(entry.path.parent).remove(entry.path)]


def remove_beyond(root: Path, limit: float) -> list[CacheEntry]:
    """Removes the least recently used entries, until the rest takes no more room than a limit.

    Entries that results link to don't count: removing them would make hardly any room.

    Args:
        root: The project's root.
        limit: In bytes.

    Returns:
        Those that are gone.
    """
    entries = [entry for entry in cache_entries(root) if entry.frees == entry.size]
    taken = sum(entry.size for entry in entries)
    removed: list[CacheEntry] = []
    for entry in entries:
        if taken > limit and remove(root, [entry]):
            removed.append(entry)
            taken -= entry.size
    return removed


def total(entries: list[CacheEntry]) -> str:
    """The number and the size of entries, in words."""
    taken, frees = size(sum(entry.size for entry in entries)), size(sum(entry.frees for entry in entries))
    linked = "" if taken == frees else f", of which {frees} are the caches' alone; results link to the rest and keep it"
    return f"{quantity(len(entries), 'entry', 'entries')}, {taken}{linked}."


def size(count: int) -> str:
    """A number of bytes in words."""
    return f"{count / GIB:.1f} GiB" if count >= GIB else f"{count / 1024**2:.1f} MiB"


def _entries(kind: str, folder: Path) -> Iterator[CacheEntry]:
    """The entries of a cache; also those that an earlier version has left there."""
    users = defaultdict(list)
    for mark in sorted(folder.glob(f"{_USERS}/*")):
        if (folder.parent / mark.name).is_dir():
            users[mark.read_text(encoding="utf-8")].append(mark.name)
    for path in folder.glob("[!.]*/"):
        try:
            used, files = last_used(path), [file.stat() for file in path.rglob("*") if file.is_file()]
        except FileNotFoundError:  # another run has removed it meanwhile
            continue
        yield CacheEntry(
            kind,
            path,
            _shape(path),
            size=sum(file.st_size for file in files),
            frees=sum(file.st_size for file in files if file.st_nlink == 1),
            users=users[path.name],
            last_used=used,
        )


def _shape(path: Path) -> tuple[int, ...]:
    for name in ("images.npy", "rows.npy"):
        try:
            return map_array(path / name).shape
        except (OSError, ValueError):
            continue
    return ()


def _running(root: Path) -> dict[str, float]:
    """Experiments with a run in progress, and the time of its start."""
    running = {}
    for lock in (root / "data").glob(".*.lock"):
        started = lock.stat().st_mtime
        try:
            with FileLock(lock, timeout=0):
                pass
        except Timeout:
            running[lock.name.removeprefix(".").removesuffix(".lock")] = started
    return running
