"""Writing a file so that a reader sees the old content or the new, never a part."""

import glob
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import psutil
from kedro.io import AbstractDataset
from kedro.io.core import parse_dataset_definition

from dogs_vs_cats.errors import unwritable


@contextmanager
def replace_atomically(path: Path) -> Iterator[Path]:
    """Gives a path beside `path` to write to; what was written takes its place when the block ends well.

    The content is synced to the disk before it is renamed. When the block raises, or the process dies,
    `path` is as it was. What a killed process has left beside it is removed at the next write.

    Args:
        path: The file to replace or create; its folder is made where it is missing.

    Yields:
        A path of the same name, in a folder beside, that doesn't exist yet.

    Raises:
        WriteError: The disk is full, or the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        prefix = f".{path.name}.{os.getpid()}."
        with tempfile.TemporaryDirectory(prefix=prefix, suffix=".partial", dir=path.parent) as folder:
            partial = Path(folder) / path.name
            yield partial
            _sync(partial)
            partial.replace(path)
            _sync(path.parent)
    except OSError as error:
        raise unwritable(path, error) from error


def _remove_left_behind(path: Path) -> None:
    """Removes the folders that processes which are no more have begun to write `path` in."""
    for folder in path.parent.glob(f".{glob.escape(path.name)}.*.*.partial"):
        process = folder.name.removeprefix(f".{path.name}.").split(".")[0]
        if process.isdigit() and not psutil.pid_exists(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class AtomicDataset(AbstractDataset[Any, Any]):
    """Wraps any file dataset so that it is written beside its place, synced and renamed.

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

    def __init__(
        self,
        *,
        filepath: str,
        dataset: dict[str, Any],
        optional: bool = False,
        metadata: dict[str, Any] | None = None,
    ):
        """Remembers what to wrap.

        Args:
            filepath: The local file.
            dataset: Definition of the wrapped dataset, without its `filepath`.
            optional: Whether there need not be such a file; a missing one loads as None.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self._dataset = dataset
        self._optional = optional
        self.metadata = metadata

    def _wrapped(self, path: Path) -> AbstractDataset[Any, Any]:
        dataset_class, arguments = parse_dataset_definition({**deepcopy(self._dataset), "filepath": str(path)})
        return dataset_class(**arguments)

    def load(self) -> Any:
        """Loads through the wrapped dataset."""
        if self._optional and not self._filepath.is_file():
            return None
        return self._wrapped(self._filepath).load()

    def save(self, data: Any) -> None:
        """Saves through the wrapped dataset into a file beside, which then takes the place of the old one."""
        with replace_atomically(self._filepath) as partial:
            self._wrapped(partial).save(data)

    def _exists(self) -> bool:
        return self._optional or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath), "dataset": self._dataset}
