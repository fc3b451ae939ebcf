"""Searching better parameters of one approach, and making an environment of the best."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure
from dogs_vs_cats.datasets.environments import Environments, WrittenEnvironment, refuse_unless_free
from dogs_vs_cats.errors import TuningError
from dogs_vs_cats.parameters.tuning import FIXED, TuningParameters
from dogs_vs_cats.pipelines.tuning.environment import environment_files
from dogs_vs_cats.training.dry_build import dry_build
from dogs_vs_cats.training.inputs import TrainingInputs
from dogs_vs_cats.training.search import Search
from dogs_vs_cats.training.seeds import train_seeds

if TYPE_CHECKING:
    from dogs_vs_cats.training.loop import TrainResult

_BUILT_WITH = {"architecture", "unfreeze_from"}
"""Parameters of which the schema can't tell whether a network can be built with them."""


def search(
    tuning: TuningParameters,
    approaches_run: list[str],
    inputs: TrainingInputs,
    environments: Environments,
    folder: Path,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Trains an approach with one proposal after another, each as the approach itself is trained.

    Args:
        tuning: What is searched, and how long.
        approaches_run: The approaches that the environment runs.
        inputs: How the approach is trained, and on which images; with several `seeds`, trials have the first of them.
        environments: Those there are; the new one must not be among them, unless a search wrote it.
        folder: Holds the search, so that an interrupted one goes on.

    Returns:
        A row for each trial, see `Search.table`; and `approach`, `environment` and `Search.summary`.

    Raises:
        TuningError: There is nothing to search, the environment doesn't run the approach, or no trial was finished.
        EnvironmentFilesError: The environment to write is someone else's.
        ParameterError: A network among the choices can't be built for these images.
        BackboneError: The base has no layer of a name among the choices.
    """
    _check(tuning, approaches_run, inputs)
    refuse_unless_free(tuning.environment, environments)
    data, own, spaces = inputs.data, inputs.block, tuning.searched()
    epochs = tuning.epochs or own["epochs"]
    block = {**own, "seeds": own["seeds"][:1], "epochs": epochs}
    for name in _BUILT_WITH.intersection(spaces):
        for value in spaces[name].extremes():
            dry_build(inputs.name, {**block, name: value}, data.images.shape[1:], data.backbone, data.classes)
    identity = {
        **inputs.identity(),
        "parameters": {name: value for name, value in block.items() if name not in spaces},
        "own": {name: own[name] for name in spaces},
        "search_space": {name: space.model_dump() for name, space in spaces.items()},
        "seed": inputs.seed,
    }
    found = Search(folder, inputs.name, json.dumps(identity, sort_keys=True), spaces, inputs.seed)
    state_folder = folder / "state"
    state_folder.mkdir(exist_ok=True)

    def train(values: Mapping[str, Any]) -> "TrainResult":
        _, trained = next(train_seeds(replace(inputs, block=dict(values)), state_folder))
        return trained.result

    found.run(tuning.trials, block, epochs, train)
    shutil.rmtree(state_folder)
    return found.table(), {"approach": inputs.name, "environment": tuning.environment, **found.summary(own)}


def _check(tuning: TuningParameters, approaches_run: list[str], inputs: TrainingInputs) -> None:
    name = inputs.name
    if name not in approaches_run:
        raise TuningError(
            f"tuning.approach is {name}, which this environment doesn't run; it runs {', '.join(approaches_run)}. "
            f"Name one of these: kedro run --pipelines=tuning --params=tuning.approach={approaches_run[0]}"
        )
    if not tuning.searched():
        raise TuningError(
            f"tuning.search_space has nothing for {name}. Write which of its parameters are searched, and where: "
            f"{', '.join(sorted(inputs.approach.Parameters.model_fields.keys() - FIXED.keys()))}"
        )
    if inputs.block.get("train_on_all"):
        raise TuningError(
            f"{name}.train_on_all leaves no validation images to choose by. Set it to false for the search."
        )


def draw_figures(trials: pd.DataFrame, summary: dict[str, Any]) -> tuple[Figure, Figure]:
    """Draws how the search went, and which parameters matter."""
    from dogs_vs_cats.reporting import tuning_figures

    return tuning_figures.search_history(trials), tuning_figures.importance(summary["importance"])


def make_environment(
    summary: dict[str, Any], parameters: dict[str, Any], run_record: dict[str, Any]
) -> WrittenEnvironment:
    """Makes an environment of the parameters of this run and the best values.

    Args:
        summary: The result of the search.
        parameters: All parameters of this run.
        run_record: `command` and `globals` of this run.

    Returns:
        The environment, complete: what base says later doesn't change it.
    """
    return WrittenEnvironment(summary["environment"], environment_files(summary, parameters, run_record))
