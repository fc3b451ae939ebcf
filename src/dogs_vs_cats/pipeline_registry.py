"""All pipelines of the project, by the names that `kedro run --pipelines=NAME` takes."""

from collections.abc import Mapping
from typing import Any

from kedro.framework.project import pipelines as project_pipelines
from kedro.pipeline import Pipeline

from dogs_vs_cats import approaches
from dogs_vs_cats.pipelines import (
    approach,
    augmentation,
    backbone,
    comparison,
    data_ingestion,
    data_quality,
    explanation,
    export,
    feature_extraction,
    inference,
    replication,
    tuning,
)

_parameters: Mapping[str, Any] | None = None


def use_parameters(parameters: Mapping[str, Any]) -> None:
    """Makes the registry that of one environment, which Kedro's registry itself doesn't know.

    Args:
        parameters: All parameters of the environment. `approaches` are trained; `explanation.approach` is explained
            (all of them, where it is None); the parameters of `tuning.approach` are searched. `ingestion.folds` adds
            the cross-validation of feature-based approaches, and `ingestion.corrections` the effect of
            corrected labels.
    """
    global _parameters
    _parameters = parameters
    # Makes Kedro forget pipelines that it registered for another environment in this process.
    project_pipelines.configure(__name__)


def register_pipelines() -> dict[str, Pipeline]:
    """Builds every pipeline, those of the approaches from one template.

    Returns:
        The pipelines by name. `__default__` runs the flow from ingestion to comparison, with only what the
        environment's approaches need. Where no environment is known (`kedro registry list`), there is a pipeline for
        every module of `approaches`.
    """
    parameters = _parameters or {"approaches": approaches.names()}
    names = parameters["approaches"]
    explained = parameters.get("explanation", {}).get("approach")
    tuned = parameters.get("tuning", {}).get("approach") or names[0]
    modules = {name: approaches.approach_of(name, parameters.get(name)) for name in {*names, tuned}}
    folds, corrections = (parameters.get("ingestion", {}).get(name) is not None for name in ("folds", "corrections"))
    trained = {name: approach.create_pipeline(name, modules[name], folds, corrections) for name in names}
    steps = {
        "data_ingestion": data_ingestion.create_pipeline(),
        "augmentation": augmentation.create_pipeline(),
        "backbone": backbone.create_pipeline(),
        "feature_extraction": feature_extraction.create_pipeline(),
        **trained,
        "comparison": comparison.create_pipeline(names),
    }
    uses_backbone = any(modules[name].USES_BACKBONE for name in names)
    unused = () if uses_backbone else ("backbone", "feature_extraction")
    return {
        "__default__": sum((step for name, step in steps.items() if name not in unused), Pipeline([])),
        # Before the comparison, whose page it writes again: what lacks that page is sent to the comparison.
        "data_quality": data_quality.create_pipeline(names),
        **steps,
        "inference": inference.create_pipeline(),
        "export": export.create_pipeline(),
        "explanation": explanation.create_pipeline([explained] if explained else names),
        "replication": replication.create_pipeline(),
        "tuning": tuning.create_pipeline(tuned, modules[tuned]),
    }
