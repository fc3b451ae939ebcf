"""A folder in which a node stores work between runs."""

from pathlib import Path
from typing import Any, NoReturn

from kedro.io import AbstractDataset, DatasetError


class FolderDataset(AbstractDataset[NoReturn, Any]):
    """Loads as the path of a folder, which is created if it is missing.

    The folder never holds a result, only work that need not be repeated, such as features by the hash of their image or
    the state after the last finished epoch. Deleting it costs time and nothing else.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Stores the path.

        Args:
            filepath: The local folder.
            metadata: Anything; Kedro passes it on to plugins.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Any:
        """Creates the folder if needed, and returns its path."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: NoReturn) -> NoReturn:
        """Refuses: nodes write into the folder themselves."""
        raise DatasetError(f"{self._filepath} is a folder that can't be saved to as a whole")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
