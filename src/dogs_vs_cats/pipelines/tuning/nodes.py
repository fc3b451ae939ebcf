"""The search for better parameters of one approach."""

from pathlib import Path
from typing import Any

import pandas as pd

from dogs_vs_cats.compute.lazy_types import Figure
from dogs_vs_cats.datasets.environments import Environments, refuse_unless_free
from dogs_vs_cats.errors import TuningError
from dogs_vs_cats.parameters.tuning import FIXED, TuningParameters
from dogs_vs_cats.reporting.html import environment
from dogs_vs_cats.reporting.wording import joined
from dogs_vs_cats.training.dry_build import dry_build
from dogs_vs_cats.training.inputs import TrainingInputs

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
        tuning: The search space, and the budget.
        approaches_run: The approaches that the environment runs.
        inputs: How the approach is trained, and on which images.
        environments: Those there are; the new one must not be among them, unless a search wrote it.
        folder: Holds the search, so that an interrupted one resumes.

    Returns:
        A row for each trial, see `Search.table`; and the outcome, see `Search.summary`.

    Raises:
        TuningError: There is nothing to search, the environment doesn't run the approach, or no trial was finished.
        EnvironmentFilesError: The environment to write is someone else's.
        ParameterError: A network among the choices can't be built for these images.
        BackboneError: The base has no layer of a name among the choices.
    """
    from dogs_vs_cats.training.search import Search

    _check(tuning, approaches_run, inputs)
    refuse_unless_free(tuning.environment, environments)
    data, spaces = inputs.data, tuning.spaces(inputs.name)
    for name in _BUILT_WITH.intersection(spaces):
        for value in spaces[name].extremes():
            dry_build(inputs.name, {**inputs.block, name: value}, data.images.shape[1:], data.backbone, data.classes)
    found = Search(tuning, inputs, folder)
    found.run()
    return found.table(), found.summary()


def _check(tuning: TuningParameters, approaches_run: list[str], inputs: TrainingInputs) -> None:
    name = inputs.name
    if name not in approaches_run:
        raise TuningError(
            f"tuning.approach is {name}, which this environment doesn't run; it runs {', '.join(approaches_run)}. "
            f"Name one of these: kedro run --pipelines=tuning --params=tuning.approach={approaches_run[0]}"
        )
    spaces, unused = tuning.spaces(name), inputs.parameters.unused
    for setting in sorted({*unused.values()}):
        names = [searched for searched in spaces if unused.get(searched) == setting]
        if names and setting.partition("=")[0] not in spaces:
            raise TuningError(
                f"tuning.search_space.{name} searches {joined(names)}, without effect unless {name}.{setting}. Set "
                f"{'them' if len(names) > 1 else 'it'} to null there, or set {name}.{setting}."
            )
    if tuning.epochs is not None and inputs.parameters.solves_head:
        raise TuningError(
            f"tuning.epochs is {tuning.epochs}, but head: {inputs.block['head']} is solved without epochs. Set "
            f"tuning.epochs=null, or {name}.head=dense."
        )
    if not spaces:
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


def report(trials: pd.DataFrame, summary: dict[str, Any], history: bytes, importance: bytes) -> str:
    """Writes the page about a search, one HTML file that needs nothing else.

    Args:
        trials: A row for each trial: `trial`, `outcome`, `val_loss`, `epochs`, and the searched parameters.
        summary: The result of the search.
        history: PNG file of its progress.
        importance: PNG file of the parameters' importance.

    Returns:
        The HTML text. All values are escaped.
    """
    template = environment("dogs_vs_cats.reporting").get_template("tuning.html.jinja")
    ranked = trials.sort_values(["val_loss", "trial"], na_position="last").to_dict("records")
    return template.render(trials=ranked, summary=summary, history=history, importance=importance)
