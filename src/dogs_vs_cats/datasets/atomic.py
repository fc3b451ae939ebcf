"""Any file dataset, written atomically."""

from copy import deepcopy
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from kedro.io.core import parse_dataset_definition

from dogs_vs_cats.storage.atomic import replace_atomically


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
