"""Cross-validation of one approach, where the images are too few for a test part that says anything."""

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dogs_vs_cats.evaluation.cross_validation import Fold, divide, measure
from dogs_vs_cats.evaluation.metrics import without_test
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.pipelines.approach.nodes import calibrate, predict_rows
from dogs_vs_cats.progress import progress
from dogs_vs_cats.storage.atomic import replace_atomically
from dogs_vs_cats.training.events import quietly
from dogs_vs_cats.training.inputs import TrainingInputs

logger = logging.getLogger(__name__)


def cross_validate(inputs: TrainingInputs, state_folder: Path) -> pd.DataFrame:
    """Trains a feature-based approach without each fold of the images in turn, and predicts that fold.

    An interrupted cross-validation resumes: finished folds stay in `state_folder`, by everything that they depend on.

    Args:
        inputs: How to train, and on which images; the ingestion record gives the number of folds.
        state_folder: Holds finished folds and the state of the present one until all are over.

    Returns:
        A predictions table with the columns `repeat` and `fold`; no rows where the record has no folds.
    """
    from threadpoolctl import threadpool_limits

    data, folds = inputs.data, inputs.data.ingestion_record.get("folds")
    if folds is None:
        nothing = np.empty((0, 1 if data.classes == 2 else data.classes))
        return predictions_table(data.manifest[:0], nothing, data.class_names).assign(repeat=0, fold=0)
    folder, tables = state_folder / "folds", []
    divisions = list(divide(data.manifest, folds, inputs.seed))
    shown = progress(f"Cross-validating {inputs.name}", len(divisions), "trainings")
    # On a few hundred images, several threads take longer to agree than one takes to compute.
    with shown as advance, quietly(), threadpool_limits(1, "blas"):
        for fold in divisions:
            table = _fold_predictions(_within(inputs, fold), inputs.seeds[0], folder)
            tables.append(table.assign(repeat=fold.repeat, fold=fold.number))
            advance(1)
    shutil.rmtree(folder, ignore_errors=True)
    predictions = pd.concat(tables, ignore_index=True)
    measured, _ = measure(predictions, data.class_names)
    logger.info(
        "%s: cross-validated accuracy %.3f (95%% interval %.3f to %.3f)",
        *(inputs.name, measured["accuracy"], measured["accuracy_low"], measured["accuracy_high"]),
    )
    return predictions


def evaluate_folds(
    fold_predictions: pd.DataFrame, predictions: pd.DataFrame, metrics: dict[str, Any], class_names: list[str]
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Puts the predictions of a cross-validation, and their metrics, in place of those of the test images.

    Args:
        fold_predictions: What `cross_validate` returned.
        predictions: The predictions of the saved model, see `evaluate`.
        metrics: Its metrics.
        class_names: The classes, in the order of their labels.

    Returns:
        Of the saved model the predictions of the training and validation images; as `test`, those of the first repeat,
        with every image in use once. And the metrics, with `cross_validation`, see `cross_validation.measure`. Without
        folds, everything stays as it is.
    """
    if fold_predictions.empty:
        return predictions, metrics
    first = fold_predictions.loc[fold_predictions["repeat"] == 1, list(predictions)]
    table = pd.concat([predictions[predictions["split"] != "test"], first], ignore_index=True)
    measured, how = measure(fold_predictions, class_names)
    kept = {**metrics, "test": measured, "cross_validation": how}
    # The folds have temperatures of their own, and were trained with the first seed alone.
    if "calibration" in kept:
        kept["calibration"] = {name: value for name, value in kept["calibration"].items() if name != "test"}
    if "seeds" in kept:
        kept["seeds"] = without_test(kept["seeds"])
    return table, kept


def _within(inputs: TrainingInputs, fold: Fold) -> TrainingInputs:
    """What an approach is trained with in one fold. Its identity differs from that of all other trainings."""
    data = inputs.data
    record = {**data.ingestion_record, "identity": f"{data.ingestion_record['identity']} {fold.digest}"}
    manifest = data.manifest.assign(split=fold.splits)
    return replace(inputs, data=replace(data, manifest=manifest, ingestion_record=record))


def _fold_name(inputs: TrainingInputs, seed: int) -> str:
    """Hash of everything that the predictions of a fold depend on."""
    identity = {**inputs.identity(), "seed": seed, "calibration": inputs.calibration.model_dump()}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _fold_predictions(inputs: TrainingInputs, seed: int, folder: Path) -> pd.DataFrame:
    """Predicts the test images of a fold, unless an interrupted run has done so."""
    from dogs_vs_cats.training.recipes import train_model

    name = _fold_name(inputs, seed)
    finished = folder / f"{name}.csv"
    if finished.is_file():
        return pd.read_csv(finished, keep_default_na=False, dtype={"path": str})
    model, _ = train_model(inputs, seed, folder / name)
    calibrate(model, inputs)
    table = predict_rows(model, inputs.data, inputs.data.manifest["split"] == "test", inputs.compute)
    with replace_atomically(finished) as partial:
        table.to_csv(partial, index=False)
    return table
