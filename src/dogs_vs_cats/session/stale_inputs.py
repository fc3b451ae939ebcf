"""Refuses stored inputs that were made with other parameters.

A pipeline records the parameters that it made its results with. A run that starts from stored results compares the
record with its own parameters, and refuses results that don't match instead of silently mixing two experiments.
"""

from collections.abc import Mapping
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from dogs_vs_cats.errors import StaleInputError
from dogs_vs_cats.parameters.backbone import BackboneParameters
from dogs_vs_cats.parameters.ingestion import IngestionParameters
from dogs_vs_cats.pipelines.backbone.nodes import made_with as backbone_made_with
from dogs_vs_cats.pipelines.data_ingestion.nodes import made_with as images_made_with


def refuse_stale_inputs(pipeline: Pipeline, catalog: CatalogProtocol[Any, Any], parameters: Mapping[str, Any]) -> None:
    """Compares the records of what a run reads from disk with the parameters of the run.

    Args:
        pipeline: The pipeline about to run.
        catalog: Where the records lie.
        parameters: All parameters of the run.

    Raises:
        StaleInputError: Something that the run reads was made with other parameters, or from other data; the
            message names the differences and the pipeline to run.
    """
    inputs = pipeline.inputs()
    if inputs & {"images", "manifest"} and catalog.exists("ingestion_record"):
        ingestion = IngestionParameters.model_validate(parameters["ingestion"])
        wanted = images_made_with(ingestion, parameters["seed"])
        _compare("The images", catalog.load("ingestion_record")["parameters"], wanted, "data_ingestion")
    if "backbone" in inputs and catalog.exists("backbone_record"):
        base = BackboneParameters.model_validate(parameters["backbone"])
        ingestion_block = parameters["ingestion"]
        wanted = backbone_made_with(
            base, ingestion_block["image_size"], ingestion_block["channels"], parameters["seed"]
        )
        _compare("The backbone", catalog.load("backbone_record")["made_with"], wanted, "backbone")
    if "features" in inputs and catalog.exists("features_record"):
        _check_features(catalog, parameters)
    _check_results(inputs, catalog)


def _compare(what: str, found: Mapping[str, Any], wanted: Mapping[str, Any], pipeline: str) -> None:
    differences = [
        f"{name}: {found.get(name)!r} then, {wanted.get(name)!r} now"
        for name in sorted(found.keys() | wanted.keys())
        if found.get(name) != wanted.get(name)
    ]
    if differences:
        raise StaleInputError(
            f"{what} on disk were made with other parameters ({'; '.join(differences)}). "
            f"Make them again: kedro run --pipelines={pipeline}"
        )


def _check_features(catalog: CatalogProtocol[Any, Any], parameters: Mapping[str, Any]) -> None:
    record = catalog.load("features_record")
    pooling = parameters["transfer_bottleneck"]["pooling"]
    _compare("The features", {"pooling": record["pooling"]}, {"pooling": pooling}, "feature_extraction")
    sources = (("backbone_record", "backbone", "backbone"), ("ingestion_record", "data", "images"))
    for name, key, what in sources:
        if catalog.exists(name) and catalog.load(name)["identity"] != record[key]:
            raise StaleInputError(
                f"The features on disk belong to other {what} than the present one. "
                "Extract them again: kedro run --pipelines=feature_extraction"
            )


def _check_results(inputs: set[str], catalog: CatalogProtocol[Any, Any]) -> None:
    """Models and predictions must come from the present images, or they can't be evaluated and compared."""
    if not catalog.exists("ingestion_record"):
        return
    data = catalog.load("ingestion_record")["identity"]
    for name in sorted(inputs):
        approach, _, entry = name.rpartition(".")
        if entry != "model_info" or not catalog.exists(name):
            continue
        if catalog.load(name)["made_with"]["data"] != data:
            raise StaleInputError(
                f"{approach} was trained on other images than the present ones. "
                f"Train it again: kedro run --pipelines={approach}"
            )
