"""Refuses stored inputs that were made with other parameters.

A pipeline records the parameters that it made its results with. A run that starts from stored results compares the
record with its own parameters, and refuses results that don't match instead of silently mixing two experiments.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.errors import StaleInputError
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.backbone.nodes import made_with as backbone_made_with
from dogs_vs_cats.pipelines.data_ingestion.nodes import made_with as images_made_with
from dogs_vs_cats.session.selection import run_command


def refuse_stale_inputs(
    pipeline: Pipeline,
    catalog: CatalogProtocol[Any, Any],
    parameters: Mapping[str, Any],
    environment: str | None,
) -> None:
    """Compares the records of what a run reads from disk with the parameters of the run.

    Args:
        pipeline: The pipeline about to run.
        catalog: Where the records lie.
        parameters: All parameters of the run.
        environment: The value of `--env`, for the command in the message.

    Raises:
        StaleInputError: Something that the run reads was made with other parameters, or from other data; the
            message names the differences and the pipeline to run.
    """
    inputs = pipeline.inputs()
    refuse = partial(_refuse, environment)
    images, base, features = (
        catalog.load(name) if catalog.exists(name) else None
        for name in ("ingestion_record", "backbone_record", "features_record")
    )
    ingestion, seed = IngestionParameters.model_validate(parameters["ingestion"]), parameters["seed"]
    if images and inputs & {"images", "manifest"}:
        changes = _changes(images["parameters"], images_made_with(ingestion, seed))
        refuse("data_ingestion", "The images on disk were made", changes, "make the images again")
    if base and inputs & {"backbone", "features"}:
        backbone = BackboneParameters.model_validate(parameters["backbone"])
        changes = _changes(
            base["made_with"], backbone_made_with(backbone, ingestion.image_size, ingestion.channels, seed)
        )
        refuse("backbone", "The base on disk was made", changes, "make the base again")
    if features and "features" in inputs:
        changes = _changes({"pooling": features["pooling"]}, {"pooling": parameters["transfer_bottleneck"]["pooling"]})
        if base and features["backbone"] != base["identity"]:
            changes.append("from another base")
        if images and features["data"] != images["identity"]:
            changes.append("from other images")
        refuse("feature_extraction", "The features on disk were made", changes, "extract the features again")
    for name in sorted(inputs):
        approach, _, entry = name.rpartition(".")
        record = catalog.load(name) if entry == "model_info" and catalog.exists(name) else None
        if images and record and record["made_with"]["data"] != images["identity"]:
            refuse(approach, f"{approach} was trained", ["on other images"], "train it again")


def _changes(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    return [
        f"with {name}: {found.get(name)!r} then, {wanted.get(name)!r} now"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]


def _refuse(environment: str | None, pipeline: str, what: str, changes: list[str], otherwise: str) -> None:
    """Refuses the run if anything has changed."""
    if changes:
        raise StaleInputError(
            f"{what} {', '.join(changes)}. Repeat the --params of that run, or {otherwise}: "
            f"{run_command(environment, [pipeline])} --params=…"
        )
