"""File formats: what is in a file, and how it is read and written."""

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from kedro.io import AbstractDataset

from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.storage.arrays import map_array, save_array
from dogs_vs_cats.storage.file_hash import md5

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DOTS_PER_INCH = 120


class AtomicDataset(LocalFileDataset[Any, Any]):
    """Wraps any file dataset of Kedro so that its file is replaced atomically.

    Example:
        ```yaml
        manifest:
          type: dogs_vs_cats.datasets.AtomicDataset
          filepath: data/02_intermediate/sample/manifest.csv
          dataset:
            type: pandas.CSVDataset
            save_args: {index: false}
        ```
    """

    def __init__(self, *, dataset: dict[str, Any], **arguments: Any):
        """Stores the definition of the wrapped dataset.

        Args:
            dataset: Definition of the wrapped dataset, without its `filepath`.
            **arguments: See `LocalFileDataset`.
        """
        super().__init__(**arguments)
        self._dataset = dataset

    def _wrapped(self, path: Path) -> AbstractDataset[Any, Any]:
        return AbstractDataset.from_config(path.name, {**deepcopy(self._dataset), "filepath": str(path)})

    def _read(self) -> Any:
        return self._wrapped(self._filepath).load()

    def _write(self, data: Any, path: Path) -> None:
        self._wrapped(path).save(data)


class JSONDataset(LocalFileDataset[Any, Any]):
    """Indented JSON in UTF-8. Equal content gives equal bytes; NaN, which JSON lacks, is refused."""

    def _read(self) -> Any:
        return json.loads(self._filepath.read_text(encoding="utf-8"))

    def _write(self, data: Any, path: Path) -> None:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        path.write_text(f"{text}\n", encoding="utf-8")


class FileHashDataset(LocalFileDataset[Any, str]):
    """Loads as the MD5 of a file that another entry writes, by which results say which version of it they are about."""

    def _read(self) -> str:
        return md5(self._filepath)


class FigureDataset(LocalFileDataset["Figure", bytes]):
    """Saves a matplotlib figure as PNG, and loads the bytes of the file. Equal figures give equal bytes."""

    def _read(self) -> bytes:
        return self._filepath.read_bytes()

    def _write(self, data: "Figure", path: Path) -> None:
        data.savefig(
            path,
            format="png",
            dpi=_DOTS_PER_INCH,
            # Neither matplotlib's version nor a date.
            metadata={"Software": None},
            # Compared with the default of 6, photos take half the time and 5 % more space.
            pil_kwargs={"compress_level": 3},
        )


class ArraysDataset(LocalFileDataset[dict[str, np.ndarray], dict[str, np.ndarray]]):
    """Arrays by name in a `.npz` file. Equal arrays give equal bytes, and nothing is unpickled."""

    def _read(self) -> dict[str, np.ndarray]:
        with np.load(self._filepath, allow_pickle=False) as arrays:
            return dict(arrays)

    def _write(self, data: dict[str, np.ndarray], path: Path) -> None:
        np.savez(path, allow_pickle=False, **data)


class MemoryMapDataset(LocalFileDataset[np.ndarray, np.ndarray]):
    """A `.npy` file, loaded as a read-only memory map.

    Saving a memory map of a whole `.npy` file creates a hard link to that file where the file system can, so that an
    array of many gigabytes takes neither time nor space again. Otherwise the content is written.
    """

    def _read(self) -> np.ndarray:
        return map_array(self._filepath)

    def _write(self, data: np.ndarray, path: Path) -> None:
        if not _linked(data, path):
            save_array(path, data)


def _linked(data: np.ndarray, path: Path) -> bool:
    """Links `path` to the file that an array maps as a whole; returns False where that isn't possible."""
    if not isinstance(data, np.memmap) or data.filename is None:
        return False
    try:
        whole = map_array(Path(data.filename))
        if any(getattr(whole, name) != getattr(data, name) for name in ("shape", "dtype", "strides", "offset")):
            return False
        os.link(data.filename, path)
    except (OSError, ValueError):
        return False
    return True
