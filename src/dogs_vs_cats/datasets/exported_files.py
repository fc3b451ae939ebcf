"""Model files of other formats, in one folder."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.storage.atomic import replace_atomically


class ExportedFilesDataset(LocalFileDataset[Mapping[str, Path], dict[str, Path]]):
    """Saves files and folders by their names, each atomically; others in the folder stay.

    Loads as the path of each by its name.
    """

    def save(self, data: Mapping[str, Path]) -> None:
        """Copies each file or folder to its name in this folder."""
        for name, source in data.items():
            with replace_atomically(self._filepath / name) as partial:
                copy = shutil.copytree if source.is_dir() else shutil.copyfile
                copy(source, partial)

    def _read(self) -> dict[str, Path]:
        return {path.name: path for path in sorted(self._filepath.iterdir()) if not path.name.startswith(".")}

    def _exists(self) -> bool:
        return self._filepath.is_dir()
