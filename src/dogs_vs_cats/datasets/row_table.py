"""A CSV file that is written row by row, so that it may be longer than memory."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from dogs_vs_cats.storage.atomic import replace_atomically


class RowTableDataset(AbstractDataset[Iterable[Sequence[Any]], Iterator[list[str]]]):
    """Saves rows, the header first, as they come; loads as an iterator over rows of text.

    Characters that no UTF-8 file can hold are written as escapes.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the file.

        Args:
            filepath: The local `.csv` file.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> Iterator[list[str]]:
        """Reads row after row."""
        with self._filepath.open(encoding="utf-8", newline="") as file:
            yield from csv.reader(file)

    def save(self, data: Iterable[Sequence[Any]]) -> None:
        """Writes row after row; the file takes its place when the last one is written."""
        with (
            replace_atomically(self._filepath) as partial,
            partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file,
        ):
            csv.writer(file, lineterminator="\n").writerows(data)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
