"""The role of each catalog entry in DVC."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kedro.io import CatalogConfigResolver

from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.parameters.files import read_yaml

ROLES = ("out", "metric", "plot", "none")

EXPERIMENT = "${globals:experiment}"

# Kedro would take DVC's own braces for placeholders of a dataset factory.
_EXPERIMENT_MARK = "@experiment@"


@dataclass(frozen=True)
class Entry:
    """One persisted dataset.

    Attributes:
        name: Its name in the catalog; a pattern where the catalog has one.
        role: One of `ROLES`, or `{"plot": PROPERTIES}`.
        path: Its file, relative to the project root, with DVC's `${experiment}` in it; empty where it has none.
        type: The class that reads and writes it.
        defined_in: The name of the catalog file.
    """

    name: str
    role: str | dict[str, dict[str, str]]
    path: str
    type: str
    defined_in: str


class CatalogEntries:
    """The catalog as it is written in `conf/base`, before any environment fills it in."""

    def __init__(self, folder: Path):
        """Reads and checks `catalog*.yml`.

        Args:
            folder: `conf/base`.

        Raises:
            DVCFileError: Entries don't state their role in DVC; the message names all of them.
        """
        config: dict[str, Any] = {}
        self._files: dict[str, str] = {}
        for path in sorted(folder.glob("catalog*.yml")):
            entries = json.loads(json.dumps(read_yaml(path)).replace(EXPERIMENT, _EXPERIMENT_MARK))
            config |= {name: entry for name, entry in entries.items() if not name.startswith("_")}
            self._files |= dict.fromkeys(entries, path.name)
        problems = [f"  - {name}: {problem}" for name in config if (problem := _problem(config[name]))]
        if problems:
            raise DVCFileError(
                f"Each entry of the catalog states its role in DVC, metadata.dvc: {', '.join(ROLES)}. Correct these:\n"
                + "\n".join(problems)
            )
        self.followed = {name for name, entry in config.items() if entry["metadata"]["dvc"] != "none"}
        self._resolver = CatalogConfigResolver(config, {}, {})

    def find(self, name: str) -> Entry | None:
        """Returns the entry of a dataset, or None if it exists in memory only.

        Args:
            name: Its name in a pipeline. An approach may be given as DVC's `${item.approach}`.
        """
        written = name if name in self._files else self._resolver.match_dataset_pattern(name)
        if written is None:
            return None
        config = self._resolver.resolve_pattern(name)
        path = config.get("filepath", "").replace(_EXPERIMENT_MARK, "${experiment}")
        return Entry(written, config["metadata"]["dvc"], path, config["type"], self._files[written])

    def find_all(self, names: Iterable[str]) -> list[Entry]:
        """The entries of those datasets that are persisted."""
        return [entry for name in names if (entry := self.find(name)) is not None]


def _problem(config: dict[str, Any]) -> str:
    """The first mistake in an entry's statement about DVC; empty if there is none."""
    role = (config.get("metadata") or {}).get("dvc")
    path = str(config.get("filepath", ""))
    if role is None:
        return "has none"
    if role not in ROLES and not (isinstance(role, dict) and role.keys() == {"plot"}):
        return f"{role!r} is not one of them"
    if role == "none":
        return ""
    if not path.startswith("data/") or "${" in path:
        return f"DVC keeps files under data/, with {EXPERIMENT} alone filled in, and this one is {path or 'no file'}"
    if config.get("versioned"):
        return "versioned: true and DVC exclude each other; DVC keeps the versions"
    return ""
