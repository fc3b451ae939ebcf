"""An array on disk that is read in place, never as a whole."""

import os
from pathlib import Path

import numpy as np

from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.storage.arrays import save_array


class MemoryMapDataset(LocalFileDataset[np.ndarray, np.ndarray]):
    """A `.npy` file, loaded as a read-only memory map.

    Saving a memory map of a whole `.npy` file creates a hard link to that file where the file system can, so that an
    array of many gigabytes takes neither time nor space again. Otherwise the content is written.
    """

    def _read(self) -> np.ndarray:
        array: np.ndarray = np.load(self._filepath, mmap_mode="r", allow_pickle=False)
        return array

    def _write(self, data: np.ndarray, path: Path) -> None:
        if not _linked(data, path):
            save_array(path, data)


def _linked(data: np.ndarray, path: Path) -> bool:
    """Links `path` to the file that an array maps as a whole; returns False where that isn't possible."""
    if not isinstance(data, np.memmap) or data.filename is None:
        return False
    try:
        whole = np.load(data.filename, mmap_mode="r", allow_pickle=False)
        if any(getattr(whole, name) != getattr(data, name) for name in ("shape", "dtype", "strides", "offset")):
            return False
        os.link(data.filename, path)
    except (OSError, ValueError):
        return False
    return True
