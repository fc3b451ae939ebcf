"""The results of all experiments there are, of whatever environment."""

import json
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import pandas as pd
from kedro.io import AbstractDataset, DatasetError


class Experiment(NamedTuple):
    """What an experiment left behind.

    Attributes:
        summary: The content of its `comparison.json`.
        histories: The learning history of each approach, as far as there is one.
        timings: The seconds of each approach, likewise; see `timings.json`.
    """

    summary: dict[str, Any]
    histories: dict[str, pd.DataFrame]
    timings: dict[str, dict[str, float]]


class ExperimentsDataset(AbstractDataset[NoReturn, dict[str, Experiment]]):
    """Loads every experiment below a folder that has been compared; it can't be saved to."""

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None):
        """Remembers the folder.

        Args:
            filepath: The folder that has a folder for each experiment.
            metadata: Anything; Kedro hands it through.
        """
        self._filepath = Path(filepath)
        self.metadata = metadata

    def load(self) -> dict[str, Experiment]:
        """Reads the experiments, by their names, sorted; none where nothing has run yet."""
        found = {}
        for path in sorted(self._filepath.glob("*/comparison.json")):
            summary = json.loads(path.read_text(encoding="utf-8"))
            histories = {file.parent.name: pd.read_csv(file) for file in sorted(path.parent.glob("*/history.csv"))}
            timings = {
                file.parent.name: json.loads(file.read_text(encoding="utf-8"))
                for file in sorted(path.parent.glob("*/timings.json"))
            }
            found[path.parent.name] = Experiment(summary, histories, timings)
        return found

    def save(self, data: NoReturn) -> NoReturn:
        """Refuses: each experiment writes its own results."""
        raise DatasetError(f"{self._filepath} holds the results of all experiments and can't be saved to as a whole")

    def _exists(self) -> bool:
        return True

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
