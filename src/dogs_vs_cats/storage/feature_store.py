"""Feature rows on disk, found by the content of the image they belong to."""

import hashlib
import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from dogs_vs_cats.storage.arrays import map_array, save_array, save_rows
from dogs_vs_cats.storage.content_store import ContentStore, mark_used

logger = logging.getLogger(__name__)

KEY_BYTES = 16
"""Length of an image's key."""


def count_rows(folder: Path, width: int) -> int:
    """Counts the rows of one width in a store, whatever base they are from; there may be no store yet."""
    count = 0
    for path in folder.glob("*/rows.npy"):
        with suppress(OSError, ValueError):
            rows = map_array(path)
            count += len(rows) if rows.shape[1:] == (width,) else 0
    return count


class FeatureStore:
    """float32 rows of one width, each under the key of its image, for any number of processes at once.

    An entry holds some rows and their keys: those that an extraction has added at once, or all of a finished array.
    """

    def __init__(self, folder: Path, name: str):
        """Opens the store, or makes it.

        Args:
            folder: Its folder, which the features of all bases share.
            name: Hexadecimal digits that stand for the base, its preprocessing and the pooling.
        """
        self._store = ContentStore(folder)
        self._name = name
        self._outdated: set[Path] = set()

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """While the block runs, no row is removed. Afterwards those are that `array` has put into an array."""
        with self._store.in_use():
            yield
        self._store.remove(*self._outdated)

    def missing(self, keys: Sequence[bytes]) -> list[int]:
        """Places in `keys` that have no row yet, the first of equal keys only."""
        places = {key: place for place, key in reversed(list(enumerate(keys)))}
        for _, stored, _ in self._entries(f"{self._name}-*"):
            for key in stored:
                places.pop(key, None)
        return sorted(places.values())

    def add(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Adds rows.

        Args:
            keys: `KEY_BYTES` bytes for each row.
            rows: float32 array of shape (len(keys), width).

        Raises:
            WriteError: The disk is full, or the store can't be written to.
        """
        self._write(keys, rows.shape[1], enumerate(rows))

    def array(self, keys: Sequence[bytes], width: int) -> np.ndarray:
        """Joins the rows of `keys`, in their order and in constant memory.

        Args:
            keys: Keys of rows there are; one may stand there repeatedly.
            width: Numbers in a row.

        Returns:
            float32 memory map of a whole `.npy` file, (len(keys), width).

        Raises:
            KeyError: There is no row for a key.
            WriteError: The disk is full, or the store can't be written to.
        """
        while True:
            for entry, _, rows in self._entries(self._key(keys)):
                mark_used(entry)
                return rows
            self._write(keys, width, self._rows(keys))

    def _rows(self, keys: Sequence[bytes]) -> Iterator[tuple[int, np.ndarray]]:
        """Yields the row of each key with its place. Entries that have no other rows are outdated afterwards."""
        places = defaultdict(list)
        for place, key in enumerate(keys):
            places[key].append(place)
        wanted = set(keys)
        for entry, stored, rows in self._entries(f"{self._name}-*"):
            for row, key in zip(rows, stored, strict=True):
                for place in places.pop(key, ()):
                    yield place, row
            if wanted.issuperset(stored):
                self._outdated.add(entry)
        if places:
            raise KeyError(f"{len(places)} keys have no row")

    def _write(self, keys: Sequence[bytes], width: int, rows: Iterable[tuple[int, np.ndarray]]) -> None:
        with self._store.create(self._key(keys)) as entry:
            digits = np.frombuffer(b"".join(keys), dtype=np.uint8)
            save_array(entry / "keys.npy", digits.reshape(-1, KEY_BYTES))
            save_rows(entry / "rows.npy", (len(keys), width), rows)

    def _entries(self, key: str) -> Iterator[tuple[Path, list[bytes], np.ndarray]]:
        """Yields entries with their keys and rows; a damaged one is ignored, and so extracted again."""
        for entry in self._store.entries(key):
            try:
                stored, rows = map_array(entry / "keys.npy"), map_array(entry / "rows.npy")
            except (OSError, ValueError):
                if entry not in self._outdated:
                    logger.warning("The features in %s are damaged, so they are extracted again", entry)
                self._outdated.add(entry)
            else:
                yield entry, [row.tobytes() for row in stored], rows

    def _key(self, keys: Sequence[bytes]) -> str:
        return f"{self._name}-{hashlib.sha256(b''.join(keys)).hexdigest()[:32]}"
