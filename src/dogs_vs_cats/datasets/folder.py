"""A folder that a node keeps work in between runs."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError


class FolderDataset(AbstractDataset[NoReturn, Path]):
    """Loads as the path of a folder, which is made where it is missing.

    What lies in it is never a result: only work that need not be done again, such as features by the hash of
    their image, or the state after the last finished epoch. Deleting it costs time and nothing else.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the folder.

        Args:
            filepath: The local folder.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Path:
        """Makes sure that the folder exists."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: NoReturn) -> NoReturn:
        """Refuses: a node writes into the folder itself."""
        raise DatasetError(f"{self._filepath} is a working folder and can't be saved to")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
