"""A CSV file that is written row by row, so that it may be larger than memory."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from dogs_vs_cats.datasets.local_file import LocalFileDataset


class RowTableDataset(LocalFileDataset[Iterable[Sequence[Any]], Iterator[list[str]]]):
    """Saves rows, the header first, as they arrive; loads an iterator over rows of text.

    Characters that UTF-8 can't represent are written as escapes.
    """

    def _read(self) -> Iterator[list[str]]:
        with self._filepath.open(encoding="utf-8", newline="") as file:
            yield from csv.reader(file)

    def _write(self, data: Iterable[Sequence[Any]], path: Path) -> None:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows(data)
