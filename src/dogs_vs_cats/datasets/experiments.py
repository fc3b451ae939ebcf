"""The results of all experiments, whatever their environment."""

import json
from typing import Any, NamedTuple

import pandas as pd

from dogs_vs_cats.datasets.local_file import FolderDataset


class Experiment(NamedTuple):
    """The results of one experiment.

    Attributes:
        summary: The content of its `comparison.json`.
        histories: The learning history of each approach that has one.
        timings: The content of `timings.json` of each approach that has one.
    """

    summary: dict[str, Any]
    histories: dict[str, pd.DataFrame]
    timings: dict[str, dict[str, float]]


class ExperimentsDataset(FolderDataset):
    """Loads every experiment of a folder that has been compared; it can't be saved to."""

    def load(self) -> dict[str, Experiment]:
        """Reads the experiments, by name, sorted; none where nothing has run yet."""
        return {
            path.parent.name: Experiment(
                summary=json.loads(path.read_text(encoding="utf-8")),
                histories={file.parent.name: pd.read_csv(file) for file in path.parent.glob("*/history.csv")},
                timings={
                    file.parent.name: json.loads(file.read_text(encoding="utf-8"))
                    for file in path.parent.glob("*/timings.json")
                },
            )
            for path in sorted(self._filepath.glob("*/comparison.json"))
        }
