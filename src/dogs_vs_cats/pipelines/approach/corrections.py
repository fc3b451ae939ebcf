"""The effect of corrections: the same training without them, judged by the corrected labels."""

import logging
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.evaluation.cross_validation import evaluated_by, measure
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.significance import mcnemar
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.pipelines.approach.folds import predict_folds
from dogs_vs_cats.pipelines.approach.training import predict_test
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs

logger = logging.getLogger(__name__)

COMPARED = ("accuracy", "accuracy_low", "accuracy_high")


def measure_corrections(
    inputs: TrainingInputs, predictions: pd.DataFrame, corrected_metrics: dict[str, Any]
) -> dict[str, Any]:
    """Trains a feature-based approach once more, on the labels before correction and the images that were left out.

    Both models answer the same test images, and the corrected labels judge both, so that their difference is that of
    the images and labels that they learned from.

    Args:
        inputs: How to train, and on which images.
        predictions: Predictions of the approach after training on the corrected labels.
        corrected_metrics: Its metrics.

    Returns:
        The metrics. Where there are corrections of images in use, their `corrections` also has `given_labels`: the
        accuracy on the test images, with its interval, after training without the corrections, and McNemar's test
        (`significance.mcnemar`) of the two; the first is that without.
    """
    data, metrics = inputs.data, corrected_metrics
    if not any(metrics["corrections"].values()):
        return metrics
    given = replace(inputs, data=_before(data, inputs.compute))
    crossed = evaluated_by(metrics) == "k-fold"
    tested = data.manifest[data.in_use if crossed else data.manifest["split"] == "test"]
    answers = predict_folds(given) if crossed else predict_test(given)
    answers = answers[answers["path"].isin(tested["path"])]
    answers = answers.assign(label=answers["path"].map(tested.set_index("path")["label"]))
    classes = data.class_names
    before = measure(answers, classes)[0] if crossed else classification_metrics(answers, classes)["test"]
    first = answers[answers["repeat"] == 1] if crossed else answers
    test = mcnemar(first, predictions)
    logger.info(
        "%s: accuracy %.3f after training without the corrections, %.3f with them, on the corrected labels of %s "
        "(p = %.2g)",
        *(inputs.name, before["accuracy"], metrics["test"]["accuracy"]),
        *("all images" if crossed else "the test images", test["p_value"]),
    )
    effect = {**{name: before[name] for name in COMPARED}, **test}
    return {**metrics, "corrections": {**metrics["corrections"], "given_labels": effect}}


def _before(data: LabelledImages, compute: ComputeParameters) -> LabelledImages:
    """Returns the images with the labels and splits before correction; features of those left out are computed."""
    from dogs_vs_cats.inference.prediction import predict
    from dogs_vs_cats.models.frozen_base import pooled

    manifest = data.manifest.assign(label=data.manifest["given_label"], split=data.manifest["given_split"])
    before = replace(data, manifest=manifest)
    left_out = np.flatnonzero(before.in_use & ~data.in_use)
    if not len(left_out):
        return before
    known, rest = cast(np.ndarray, data.features), data.in_use[before.in_use].to_numpy()
    features = np.empty((len(rest), *known.shape[1:]), np.float32)
    features[rest] = known
    extractor = pooled(cast(Model, data.backbone), data.features_record["pooling"])
    features[~rest] = predict(extractor, data.images, left_out, compute)
    return replace(before, features=features)
