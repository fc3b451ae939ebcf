"""The role of each catalog entry in DVC."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kedro.io import CatalogConfigResolver

from dogs_vs_cats.errors import DVCFileError
from dogs_vs_cats.parameters.files import read_yaml

KINDS = ("out", "metric", "plot", "none")

PLOT_PROPERTIES = ("template", "x", "y", "x_label", "y_label", "title")

EXPERIMENT = "${globals:experiment}"

# Kedro would take DVC's own braces for placeholders of a dataset factory.
_EXPERIMENT_MARK = "@experiment@"


@dataclass(frozen=True)
class Entry:
    """One persisted dataset.

    Attributes:
        kind: One of `KINDS`.
        path: Its file, relative to the project root, with DVC's `${experiment}` in it; empty where it has none.
        plot: For a plot, DVC's properties of it.
        defined_in: The catalog file.
        types: Classes that read and write it, the wrapped one too.
    """

    kind: str
    path: str
    defined_in: Path
    plot: dict[str, str] = field(default_factory=dict)
    types: tuple[str, ...] = ()


class CatalogEntries:
    """The catalog as it is written in `conf/base`, before any environment fills it in."""

    def __init__(self, folder: Path):
        """Reads and checks `catalog*.yml`.

        Args:
            folder: `conf/base`.

        Raises:
            DVCFileError: An entry doesn't say what DVC is to make of it; the message names all of them.
        """
        config: dict[str, Any] = {}
        self._files: dict[str, Path] = {}
        for path in sorted(folder.glob("catalog*.yml")):
            entries = json.loads(json.dumps(read_yaml(path)).replace(EXPERIMENT, _EXPERIMENT_MARK))
            for name, entry in entries.items():
                if not name.startswith("_"):
                    config[name] = entry
                    self._files[name] = path
        problems = [f"  - {name}: {problem}" for name in config if (problem := _problem(config[name]))]
        if problems:
            raise DVCFileError(
                "Entries of the catalog must say what DVC makes of them. Write metadata.dvc: out, metric, plot or none "
                "into:\n" + "\n".join(problems)
            )
        self._resolver = CatalogConfigResolver(config, {}, {})

    @property
    def names(self) -> list[str]:
        """Names of the entries, patterns included."""
        return list(self._files)

    def find(self, name: str) -> Entry | None:
        """Returns the entry of a dataset, or None if it exists in memory only.

        Args:
            name: Its name in a pipeline. An approach may be given as DVC's `${item.approach}`.
        """
        written = self.written_as(name)
        if written is None:
            return None
        config = self._resolver.resolve_pattern(name)
        declared = config["metadata"]["dvc"]
        kind, plot = ("plot", declared["plot"]) if isinstance(declared, dict) else (declared, {})
        wrapped = config.get("dataset")
        types = (config["type"], wrapped.get("type") if isinstance(wrapped, dict) else wrapped)
        return Entry(
            kind=kind,
            path=config.get("filepath", "").replace(_EXPERIMENT_MARK, "${experiment}"),
            plot=plot,
            defined_in=self._files[written],
            types=tuple(filter(None, types)),
        )

    def written_as(self, name: str) -> str | None:
        """The name under which the catalog defines a dataset: its own, or a pattern."""
        return name if name in self._files else self._resolver.match_dataset_pattern(name)

    def find_all(self, names: Iterable[str]) -> list[Entry]:
        """The entries of those datasets that are persisted."""
        return [entry for name in names if (entry := self.find(name)) is not None]


def _problem(config: Any) -> str:
    """The first mistake in an entry's statement about DVC; empty if there is none."""
    declared = (config.get("metadata") or {}).get("dvc")
    plot = declared.get("plot") if isinstance(declared, dict) and len(declared) == 1 else None
    unknown = sorted(plot.keys() - set(PLOT_PROPERTIES)) if isinstance(plot, dict) else []
    path = str(config.get("filepath", ""))
    followed = declared != "none"
    checks = (
        (declared is None, "has none"),
        (not isinstance(plot, dict) and declared not in KINDS, f"{declared!r} is not one of them"),
        (unknown, f"a plot has no {', '.join(unknown)}; there are {', '.join(PLOT_PROPERTIES)}"),
        (
            followed and not path.startswith("data/"),
            f"DVC keeps files under data/, and this one is {path or 'no file'}",
        ),
        (followed and "${" in path, f"{path}: only {EXPERIMENT} can be filled in"),
        (followed and config.get("versioned"), "versioned: true and DVC exclude each other; DVC keeps the versions"),
    )
    return next((problem for is_wrong, problem in checks if is_wrong), "")
