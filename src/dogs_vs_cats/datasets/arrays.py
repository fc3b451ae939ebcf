"""Several named arrays in one file."""

from pathlib import Path

import numpy as np

from dogs_vs_cats.datasets.local_file import LocalFileDataset


class ArraysDataset(LocalFileDataset[dict[str, np.ndarray], dict[str, np.ndarray]]):
    """Arrays by name in a `.npz` file. Equal arrays give equal bytes, and nothing is unpickled."""

    def _read(self) -> dict[str, np.ndarray]:
        with np.load(self._filepath, allow_pickle=False) as arrays:
            return dict(arrays)

    def _write(self, data: dict[str, np.ndarray], path: Path) -> None:
        np.savez(path, allow_pickle=False, **data)
