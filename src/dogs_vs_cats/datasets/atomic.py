"""Any file dataset of Kedro, written atomically."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from dogs_vs_cats.datasets.local_file import LocalFileDataset


class AtomicDataset(LocalFileDataset[Any, Any]):
    """Wraps a file dataset so that its file is replaced atomically.

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

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "dataset": self._dataset}
