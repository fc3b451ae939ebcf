"""All pipelines of the project, by the names that `kedro run --pipelines=NAME` takes."""

from collections.abc import Sequence

from kedro.framework.project import pipelines as project_pipelines
from kedro.pipeline import Pipeline

from dogs_vs_cats import approaches
from dogs_vs_cats.pipelines import (
    approach,
    augmentation,
    backbone,
    comparison,
    data_ingestion,
    explanation,
    feature_extraction,
    inference,
    replication,
    tuning,
)

_environment_approaches: list[str] | None = None
_explained: str | None = None
_tuned: str | None = None


def use_approaches(names: Sequence[str], explained: str | None = None, tuned: str | None = None) -> None:
    """Says which approaches the environment runs; Kedro's registry itself doesn't know the environment.

    Args:
        names: As in the parameter `approaches`.
        explained: The one that the pipeline `explanation` looks into; None for all of them.
        tuned: The one whose parameters the pipeline `tuning` searches; None for the first.
    """
    global _environment_approaches, _explained, _tuned
    _explained = explained
    _tuned = tuned
    _environment_approaches = list(names)
    # Makes Kedro forget pipelines that it registered for another environment in this process.
    project_pipelines.configure(__name__)


def register_pipelines() -> dict[str, Pipeline]:
    """Builds every pipeline, those of the approaches from one template.

    Returns:
        The pipelines by name. `__default__` runs the flow from ingestion to comparison, with only what the
        environment's approaches need. Where no environment is known (`kedro registry list`), all approaches there
        are modules of are listed.
    """
    names = approaches.names() if _environment_approaches is None else _environment_approaches
    modules = [approaches.load(name) for name in names]
    trained = {name: approach.create_pipeline(name) for name in names}
    steps = {
        "data_ingestion": data_ingestion.create_pipeline(),
        "augmentation": augmentation.create_pipeline(),
        "backbone": backbone.create_pipeline(),
        "feature_extraction": feature_extraction.create_pipeline(),
        **trained,
        "comparison": comparison.create_pipeline(names),
    }
    explained = explanation.create_pipeline([_explained] if _explained else names)
    unused = set()
    if not any(module.USES_BACKBONE for module in modules):
        unused |= {"backbone", "feature_extraction"}
    default = sum((steps[name] for name in steps if name not in unused), Pipeline([]))
    return {
        "__default__": default,
        **steps,
        "inference": inference.create_pipeline(),
        "explanation": explained,
        "replication": replication.create_pipeline(),
        "tuning": tuning.create_pipeline(_tuned or names[0]),
    }
