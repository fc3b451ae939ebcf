"""The results of all experiments, whatever their environment."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from dogs_vs_cats.datasets.local_file import FolderDataset


class Experiment(NamedTuple):
    """The results of one experiment.

    Attributes:
        summary: The content of its `comparison.json`.
        histories: The learning history of each approach that has one.
        timings: The content of `timings.json` of each approach that has one.
        source: Where its images come from, as `ingestion.source` has it; None where only the results are on disk.
    """

    summary: dict[str, Any]
    histories: dict[str, pd.DataFrame]
    timings: dict[str, dict[str, float]]
    source: str | None = None


class ExperimentsDataset(FolderDataset):
    """Loads every experiment that has been compared from the folder of all data; it can't be saved to."""

    def load(self) -> dict[str, Experiment]:
        """Reads the experiments, by name, sorted; none where nothing has run yet."""
        return {
            path.parent.name: Experiment(
                summary=_json(path),
                histories={file.parent.name: pd.read_csv(file) for file in path.parent.glob("*/history.csv")},
                timings={file.parent.name: _json(file) for file in path.parent.glob("*/timings.json")},
                source=self._source(path.parent.name),
            )
            for path in sorted(self._filepath.glob("08_reporting/*/comparison.json"))
        }

    def _source(self, experiment: str) -> str | None:
        record = self._filepath / "02_intermediate" / experiment / "ingestion.json"
        return str(_json(record)["parameters"]["source"]) if record.is_file() else None


def _json(file: Path) -> dict[str, Any]:
    return dict(json.loads(file.read_text(encoding="utf-8")))
