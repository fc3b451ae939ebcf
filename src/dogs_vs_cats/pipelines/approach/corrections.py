"""The effect of corrected labels: the same training on the labels before, judged by the same corrected labels."""

import logging
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from dogs_vs_cats.evaluation.cross_validation import evaluated_by, measure
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.significance import mcnemar
from dogs_vs_cats.pipelines.approach.folds import predict_folds
from dogs_vs_cats.pipelines.approach.nodes import calibrate, predict_rows
from dogs_vs_cats.training.events import quietly
from dogs_vs_cats.training.inputs import TrainingInputs

logger = logging.getLogger(__name__)

COMPARED = ("accuracy", "accuracy_low", "accuracy_high")


def measure_corrections(
    inputs: TrainingInputs, predictions: pd.DataFrame, corrected_metrics: dict[str, Any]
) -> dict[str, Any]:
    """Trains a feature-based approach once more, on the labels before they were corrected.

    Both models answer the same test images, and the corrected labels judge both, so that their difference is that of
    the labels that they learned from. Images that are left out are left out of both.

    Args:
        inputs: How to train, and on which images.
        predictions: What the approach predicts after training on the corrected labels.
        corrected_metrics: Its metrics.

    Returns:
        The metrics. Where labels of images in use were corrected, their `corrections` also has `given_labels`: the
        accuracy on the test images, with its interval, after training on the labels before, and McNemar's test
        (`significance.mcnemar`) of the two; the first is the one with these labels.
    """
    manifest, metrics = inputs.data.manifest, corrected_metrics
    if not metrics["corrections"]["relabelled"]:
        return metrics
    given = replace(inputs, data=replace(inputs.data, manifest=manifest.assign(label=manifest["given_label"])))
    crossed = evaluated_by(metrics) == "k-fold"
    answers = predict_folds(given) if crossed else _predict_test(given)
    answers["label"] = answers["path"].map(manifest.set_index("path")["label"])
    classes = inputs.data.class_names
    before = measure(answers, classes)[0] if crossed else classification_metrics(answers, classes)["test"]
    first = answers[answers["repeat"] == 1] if crossed else answers
    test = mcnemar(first, predictions)
    logger.info(
        "%s: accuracy %.3f on %s after training on the labels before correction, %.3f on the corrected ones; the "
        "corrected labels judge both (p = %.2g)",
        *(inputs.name, before["accuracy"], "all images" if crossed else "the test images"),
        *(metrics["test"]["accuracy"], test["p_value"]),
    )
    effect = {**{name: before[name] for name in COMPARED}, **test}
    return {**metrics, "corrections": {**metrics["corrections"], "given_labels": effect}}


def _predict_test(inputs: TrainingInputs) -> pd.DataFrame:
    """Trains with the first seed, and predicts the test images."""
    from dogs_vs_cats.training.recipes import train_model

    with quietly(), TemporaryDirectory() as state_folder:
        model, _ = train_model(inputs, inputs.seeds[0], Path(state_folder))
        calibrate(model, inputs)
        return predict_rows(model, inputs.data, inputs.data.manifest["split"] == "test", inputs.compute)
