"""Cross-validation of one approach, where the images are too few for a test part that says anything."""

import logging
from dataclasses import replace
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation import cross_validation
from dogs_vs_cats.evaluation.cross_validation import divide, measure
from dogs_vs_cats.evaluation.metrics import without_test
from dogs_vs_cats.pipelines.approach.training import predict_test
from dogs_vs_cats.progress import progress
from dogs_vs_cats.training.inputs import TrainingInputs

logger = logging.getLogger(__name__)


def evaluate_folds(
    inputs: TrainingInputs, model_predictions: pd.DataFrame, model_metrics: dict[str, Any]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Cross-validates a feature-based approach where the ingestion record has a number of folds.

    Args:
        inputs: How to train, and on which images.
        model_predictions: Predictions of the saved model, see `evaluate`.
        model_metrics: Its metrics.

    Returns:
        Predictions and metrics. With folds, the predictions of the training and validation images are the saved
        model's, and those of `test` are the cross-validation's in its first repeat, with every image in use once; the
        metrics of `test` are the cross-validation's, and `cross_validation` says how they came about, see
        `cross_validation.measure`. Without folds, both are the saved model's.
    """
    if inputs.data.ingestion_record.get("folds") is None:
        return model_predictions, model_metrics
    _announce(inputs)
    predicted = predict_folds(inputs)
    first = predicted.loc[predicted["repeat"] == 1, list(model_predictions)]
    table = pd.concat([model_predictions[model_predictions["split"] != "test"], first], ignore_index=True)
    measured, how = measure(predicted, inputs.data.class_names)
    accuracy = (measured[f"accuracy{end}"] for end in ("", "_low", "_high"))
    logger.info("%s: cross-validated accuracy %.3f (95%% interval %.3f to %.3f)", inputs.name, *accuracy)
    metrics = {**model_metrics, "test": measured, "cross_validation": how}
    # The folds have temperatures of their own, and were trained with the first seed alone.
    if "calibration" in metrics:
        metrics["calibration"] = {name: value for name, value in metrics["calibration"].items() if name != "test"}
    if "seeds" in metrics:
        metrics["seeds"] = without_test(metrics["seeds"])
    return table, metrics


def predict_folds(inputs: TrainingInputs) -> pd.DataFrame:
    """Trains an approach without each fold of the images in turn, and predicts that fold.

    Args:
        inputs: How to train, and on which images; the ingestion record gives the number of folds.

    Returns:
        A predictions table with the columns `repeat` and `fold`.
    """
    from threadpoolctl import threadpool_limits

    data, tables = inputs.data, []
    divisions = list(divide(data.manifest, data.ingestion_record["folds"], inputs.seed))
    shown = progress(f"Cross-validating {inputs.name}", len(divisions), "trainings")
    # On a few hundred images, several threads take longer to agree than one takes to compute.
    with shown as advance, threadpool_limits(1, "blas"):
        for fold in divisions:
            within = replace(inputs, data=replace(data, manifest=data.manifest.assign(split=fold.splits)))
            tables.append(predict_test(within).assign(repeat=fold.repeat, fold=fold.number))
            advance(1)
    return pd.concat(tables, ignore_index=True)


def _announce(inputs: TrainingInputs) -> None:
    """Says that all images test this approach, and why."""
    data, record = inputs.data, inputs.data.ingestion_record
    wanted = record["parameters"]["folds"]
    why = f", because there are only {len(data.rows('test')):,} test images" if wanted == "auto" else ""
    text = (
        "%s is evaluated by %d-fold cross-validation with %d trainings on all %s images%s (ingestion.folds: %s; null "
        "turns it off)"
    )
    images, trainings = f"{data.in_use.sum():,}", record["folds"] * cross_validation.REPEATS
    logger.info(text, inputs.name, record["folds"], trainings, images, why, wanted)
