"""A JSON file that is the same for the same content."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset

from dogs_vs_cats.storage.atomic import replace_atomically

_NO_DEFAULT = object()


class JSONDataset(AbstractDataset[Any, Any]):
    """JSON in UTF-8, indented, with a line feed at the end; not-a-number is refused, because it isn't JSON.

    With a `default`, a missing file loads as that. It is for what a fresh clone lacks and nothing depends on,
    such as the seconds of a training that ran on another machine.
    """

    def __init__(self, *, filepath: str, default: Any = _NO_DEFAULT, metadata: dict[str, Any] | None = None):
        """Remembers the file.

        Args:
            filepath: The local `.json` file.
            default: What a missing file loads as; without it, loading a missing file is an error.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self._default = default
        self.metadata = metadata

    def load(self) -> Any:
        """Loads the file, or the default where there is one and the file is missing."""
        if self._default is not _NO_DEFAULT and not self._filepath.is_file():
            return deepcopy(self._default)
        return json.loads(self._filepath.read_text(encoding="utf-8"))

    def save(self, data: Any) -> None:
        """Writes `data`, keeping the order of its keys."""
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        with replace_atomically(self._filepath) as partial:
            partial.write_text(text, encoding="utf-8")

    def _exists(self) -> bool:
        return self._default is not _NO_DEFAULT or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
