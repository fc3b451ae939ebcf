"""Searching better parameters of one approach, and making an environment of the best."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats import approaches
from dogs_vs_cats.compute.lazy_types import Figure, Model
from dogs_vs_cats.datasets.environments import Environments, WrittenEnvironment, refuse_unless_free
from dogs_vs_cats.errors import TuningError
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.tuning import TuningParameters
from dogs_vs_cats.pipelines.approach.nodes import Trained, train_on_features, train_on_images
from dogs_vs_cats.pipelines.tuning.environment import environment_files
from dogs_vs_cats.training.dry_build import dry_build
from dogs_vs_cats.training.search import Search

_BUILT_WITH = {"architecture", "unfreeze_from"}
"""Parameters of which the schema can't tell whether a network can be built with them."""


def search(
    tuning: TuningParameters,
    parameters: dict[str, Any],
    approaches_run: list[str],
    compute: ComputeParameters,
    seed: int,
    augmentation: AugmentationParameters,
    images: np.ndarray,
    manifest: pd.DataFrame,
    class_names: list[str],
    ingestion_record: dict[str, Any],
    environments: Environments,
    folder: Path,
    backbone: Model | None = None,
    backbone_record: dict[str, Any] | None = None,
    features: np.ndarray | None = None,
    features_record: dict[str, Any] | None = None,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Trains an approach with one proposal after another, each as the approach itself is trained.

    Args:
        tuning: What is searched, and how long.
        parameters: The approach's block of parameters.
        approaches_run: The approaches that the environment runs.
        compute: How to compute.
        seed: Of the proposals, and of the trainings unless the approach has `seeds`: then the first of them.
        augmentation: How training batches are augmented.
        images: uint8 memory map, (n, height, width, channels), 0..255, a row for each row of the manifest.
        manifest: Gives each image's label and split.
        class_names: Names in the order of the labels.
        ingestion_record: Identifies the data.
        environments: Those there are; the new one must not be among them, unless a search wrote it.
        folder: Where the search is kept, so that an interrupted one goes on.
        backbone: The base, for approaches that build on one.
        backbone_record: Identifies the base.
        features: What the base makes of the images in use, likewise.
        features_record: What the features were made by.

    Returns:
        A row for each trial, see `Search.table`; and `approach`, `best_trial`, `best_val_loss`, `best_values`,
        `own_val_loss` (of the approach's own values, None where they weren't tried), `trials`, `pruned` and
        `importance`.

    Raises:
        TuningError: There is nothing to search, the environment doesn't run the approach, or no trial came to its end.
        EnvironmentFilesError: The environment to write is someone else's.
        ParameterError: A network among the choices can't be built for these images.
        BackboneError: The base has no layer of a name among the choices.
    """
    _check(tuning, approaches_run, parameters)
    refuse_unless_free(tuning.environment, environments)
    seeds = parameters["seeds"][:1]
    epochs = tuning.epochs or parameters["epochs"]
    block = {**parameters, "seeds": seeds, "epochs": epochs}
    data: dict[str, Any] = {
        "images": images,
        "manifest": manifest,
        "class_names": class_names,
        "ingestion_record": ingestion_record,
        "state_folder": folder / "state",
    }
    if backbone is not None:
        data |= {
            "backbone": backbone,
            "backbone_record": backbone_record,
            "features": features,
            "features_record": features_record,
        }
    on_features = approaches.load(tuning.approach).TRAINS_ON == "features"
    train_approach: Callable[..., Trained] = (
        train_on_features if on_features else partial(train_on_images, augmentation=augmentation)
    )

    def train(values: dict[str, Any]) -> pd.DataFrame:
        return train_approach(tuning.approach, values, compute=compute, seed=seed, **data)[2]

    spaces = tuning.searched()
    identity = {
        "parameters": {name: value for name, value in block.items() if name not in spaces},
        "own": {name: parameters[name] for name in spaces},
        "search_space": {name: space.model_dump() for name, space in spaces.items()},
        "seed": seed,
        "compute": compute.model_dump(),
        "augmentation": None if on_features else augmentation.model_dump(),
        "data": ingestion_record["identity"],
        "backbone": backbone_record["identity"] if backbone_record else None,
    }
    for name in _BUILT_WITH.intersection(spaces):
        for value in spaces[name].extremes():
            dry_build(tuning.approach, {**block, name: value}, images.shape[1:], backbone, len(class_names))
    found = Search(folder, tuning.approach, json.dumps(identity, sort_keys=True), spaces, seed)
    (folder / "state").mkdir(exist_ok=True)
    found.run(tuning.trials, block, epochs, train)
    shutil.rmtree(folder / "state")
    summary = {"approach": tuning.approach, "environment": tuning.environment, **found.summary(parameters)}
    return found.table(), summary


def _check(tuning: TuningParameters, approaches_run: list[str], parameters: dict[str, Any]) -> None:
    approach = tuning.approach
    if approach not in approaches_run:
        raise TuningError(
            f"tuning.approach is {approach}, which this environment doesn't run; it runs {', '.join(approaches_run)}. "
            f"Name one of these: kedro run --pipelines=tuning --params=tuning.approach={approaches_run[0]}"
        )
    if not tuning.searched():
        names = sorted(approaches.load(approach).Parameters.model_fields)
        raise TuningError(
            f"tuning.search_space has nothing for {approach}. Write which of its parameters are searched, and where: "
            f"{', '.join(names)}"
        )
    if parameters.get("train_on_all"):
        raise TuningError(
            f"{approach}.train_on_all leaves no validation images to choose by. Set it to false for the search."
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
