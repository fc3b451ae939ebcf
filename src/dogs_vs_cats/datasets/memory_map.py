"""An array on disk that is read in place, never as a whole."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset, DatasetError

from dogs_vs_cats.storage.arrays import save_array
from dogs_vs_cats.storage.atomic import replace_atomically


class MemoryMapDataset(AbstractDataset[np.ndarray, np.ndarray]):
    """A `.npy` file, loaded as a read-only memory map.

    Saving a memory map of a whole `.npy` file links to that file where the file system can, so that an array of
    many gigabytes costs neither time nor space again; else its content is written.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the file.

        Args:
            filepath: The local `.npy` file.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> np.ndarray:
        """Opens the array for reading."""
        return np.load(self._filepath, mmap_mode="r", allow_pickle=False)

    def save(self, data: np.ndarray) -> None:
        """Writes the array, or links to the file of a memory map."""
        source = _file_of(data)
        with replace_atomically(self._filepath) as partial:
            if source is None or not _linked(source, partial):
                save_array(partial, data)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


def _linked(source: Path, target: Path) -> bool:
    """Links to a file, unless the file system can't or the file is gone."""
    try:
        os.link(source, target)
    except OSError:
        return False
    return True


def _file_of(data: np.ndarray) -> Path | None:
    """The `.npy` file that `data` maps as a whole, if it does."""
    if not isinstance(data, np.memmap) or data.filename is None:
        return None
    path = Path(data.filename)
    try:
        whole = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError):
        return None
    same = whole.shape == data.shape and whole.dtype == data.dtype and whole.offset == data.offset
    if not same:
        raise DatasetError(f"{path} is mapped in part, which can't be saved as an array of its own")
    return path
