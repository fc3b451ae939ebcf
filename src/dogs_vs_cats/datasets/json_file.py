"""A JSON file."""

import json
from pathlib import Path
from typing import Any

from dogs_vs_cats.datasets.local_file import LocalFileDataset


class JSONDataset(LocalFileDataset[Any, Any]):
    """Indented JSON in UTF-8. Equal content gives equal bytes; NaN, which JSON lacks, is refused."""

    def _read(self) -> Any:
        return json.loads(self._filepath.read_text(encoding="utf-8"))

    def _write(self, data: Any, path: Path) -> None:
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
        path.write_text(f"{text}\n", encoding="utf-8")
