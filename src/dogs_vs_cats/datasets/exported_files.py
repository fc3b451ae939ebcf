"""Model files of other formats, in one folder."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from dogs_vs_cats.datasets.local_file import LocalFileDataset
from dogs_vs_cats.storage.atomic import replace_atomically


class ExportedFilesDataset(LocalFileDataset[Mapping[str, Path | None], dict[str, Path]]):
    """Saves files and folders by their names, each atomically; others in the folder stay.

    Loads as the path of each by its name.
    """

    def save(self, data: Mapping[str, Path | None]) -> None:
        """Copies each file or folder to its name in this folder; without a source, removes an earlier one."""
        for name, source in data.items():
            target = self._filepath / name
            if source is None:
                shutil.rmtree(target) if target.is_dir() else target.unlink(missing_ok=True)
                continue
            with replace_atomically(target) as partial:
                copy = shutil.copytree if source.is_dir() else shutil.copyfile
                copy(source, partial)

    def _read(self) -> dict[str, Path]:
        return {path.name: path for path in sorted(self._filepath.glob("[!.]*"))}

    def _exists(self) -> bool:
        return self._filepath.is_dir()
