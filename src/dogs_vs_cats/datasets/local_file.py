"""Local files that are written atomically, and working folders: the bases of this project's catalog types."""

from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar

from kedro.io import AbstractDataset, DatasetError

from dogs_vs_cats.storage.atomic import replace_atomically

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")

REQUIRED = object()
"""The default of a file that must exist."""


class LocalFileDataset(AbstractDataset[Saved, Loaded]):
    """A local file. Subclasses say how its content is read and written.

    With a `default`, a missing file loads as that value. A default is for files that a fresh clone lacks and no result
    depends on, such as the seconds of a training that ran on another machine.
    """

    def __init__(self, *, filepath: str, default: Any = REQUIRED, metadata: dict[str, Any] | None = None):
        """Stores the path.

        Args:
            filepath: The local file.
            default: The value of a missing file; without it, loading a missing file is an error.
            metadata: Anything; Kedro passes it on to plugins.
        """
        self._filepath = Path(filepath)
        self._default = default
        self.metadata = metadata

    @property
    def filepath(self) -> Path:
        """The local file."""
        return self._filepath

    def load(self) -> Loaded:
        """Reads the file, or returns the default if there is one and the file is missing."""
        if self._default is not REQUIRED and not self._filepath.is_file():
            missing: Loaded = deepcopy(self._default)
            return missing
        return self._read()

    def save(self, data: Saved) -> None:
        """Replaces the file atomically."""
        with replace_atomically(self._filepath) as partial:
            self._write(data, partial)

    def _read(self) -> Loaded:
        raise NotImplementedError

    def _write(self, data: Saved, path: Path) -> None:
        raise NotImplementedError

    def _exists(self) -> bool:
        return self._default is not REQUIRED or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}


class FolderDataset(LocalFileDataset[Any, Any]):
    """Loads as the path of a folder, which is created if it is missing.

    The folder never holds a result, only work that need not be repeated, such as features by the hash of their image or
    the state after the last finished epoch. Deleting it costs time and nothing else.
    """

    def load(self) -> Any:
        """Creates the folder if needed, and returns its path."""
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    def save(self, data: Any) -> None:
        """Refuses: nodes write into the folder themselves."""
        raise DatasetError(f"{self._filepath} is a folder that can't be saved to as a whole")

    def _exists(self) -> bool:
        return True
