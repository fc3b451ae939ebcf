"""A few named arrays in one file."""

from pathlib import Path
from typing import Any

import numpy as np
from kedro.io import AbstractDataset

from dogs_vs_cats.storage.atomic import replace_atomically


class ArraysDataset(AbstractDataset[dict[str, np.ndarray], dict[str, np.ndarray]]):
    """Arrays by name in a `.npz` file, the same bytes for the same arrays."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the file.

        Args:
            filepath: The local `.npz` file.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, np.ndarray]:
        """Reads all arrays into memory; nothing is unpickled."""
        with np.load(self._filepath, allow_pickle=False) as arrays:
            return dict(arrays)

    def save(self, data: dict[str, np.ndarray]) -> None:
        """Writes the arrays."""
        with replace_atomically(self._filepath) as partial:
            np.savez(partial, allow_pickle=False, **data)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
