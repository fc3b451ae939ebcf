"""Feature rows on disk, found by the content of the image they belong to."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

KEY_BYTES = 16
"""Length of an image's key."""


class FeatureStore:
    """Appends float32 rows of one width, each under the key of its image.

    Two files: `rows.f32`, the rows, and `keys.bin`, their keys. Rows are synced before their keys are written, and
    whatever has no key is cut off when the store is opened: a killed process costs the last rows, never a wrong one.
    """

    def __init__(self, folder: Path, width: int):
        """Opens the store, or makes it.

        Args:
            folder: Its folder; one for each base, preprocessing and pooling.
            width: Numbers in a row.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._rows = folder / "rows.f32"
        self._keys = folder / "keys.bin"
        self._row_bytes = 4 * width
        self._width = width
        self._positions = self._open()

    def _open(self) -> dict[bytes, int]:
        for file in (self._rows, self._keys):
            file.touch()
        complete = min(self._keys.stat().st_size // KEY_BYTES, self._rows.stat().st_size // self._row_bytes)
        os.truncate(self._keys, complete * KEY_BYTES)
        os.truncate(self._rows, complete * self._row_bytes)
        keys = self._keys.read_bytes()
        return {keys[i * KEY_BYTES : (i + 1) * KEY_BYTES]: i for i in range(complete)}

    def __contains__(self, key: bytes) -> bool:
        return key in self._positions

    def append(self, keys: Sequence[bytes], rows: np.ndarray) -> None:
        """Adds rows.

        Args:
            keys: `KEY_BYTES` bytes for each row.
            rows: float32 array of shape (len(keys), width).
        """
        with self._rows.open("ab") as file:
            file.write(np.ascontiguousarray(rows, dtype=np.float32).tobytes())
            file.flush()
            os.fsync(file.fileno())
        with self._keys.open("ab") as file:
            file.write(b"".join(keys))
        for key in keys:
            self._positions[key] = len(self._positions)

    def write_npy(self, keys: Sequence[bytes], path: Path, rows_at_once: int = 256) -> None:
        """Writes the rows of `keys`, in their order, as one float32 `.npy` array, a part at a time.

        Raises:
            KeyError: There is no row for a key.
        """
        positions = np.array([self._positions[key] for key in keys], dtype=np.int64)
        stored = np.memmap(self._rows, dtype=np.float32, mode="r", shape=(len(self._positions), self._width))
        target = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(len(keys), self._width))
        for start in range(0, len(keys), rows_at_once):
            part = positions[start : start + rows_at_once]
            target[start : start + len(part)] = stored[part]
        target.flush()


def missing(store: FeatureStore, keys: Iterable[bytes]) -> list[int]:
    """Places in `keys` that have no row yet, the first of equal keys only."""
    seen: set[bytes] = set()
    places = []
    for place, key in enumerate(keys):
        if key not in store and key not in seen:
            places.append(place)
            seen.add(key)
    return places
