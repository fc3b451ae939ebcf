"""Training and evaluation of one approach."""

import hashlib
import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.evaluation import calibration
from dogs_vs_cats.evaluation.cross_validation import Fold, divide, measure
from dogs_vs_cats.evaluation.metrics import classification_metrics, seed_summary, without_test
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.training import CalibrationParameters
from dogs_vs_cats.progress import progress
from dogs_vs_cats.storage.atomic import replace_atomically
from dogs_vs_cats.training.events import quietly
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs

if TYPE_CHECKING:
    from dogs_vs_cats.training.checkpoint import TrainState

logger = logging.getLogger(__name__)


def collect_inputs(
    data: LabelledImages,
    name: str,
    parameters: dict[str, Any],
    compute: ComputeParameters,
    seed: int,
    calibration: CalibrationParameters,
    augmentation: AugmentationParameters,
) -> TrainingInputs:
    """Bundles everything that an approach on images is trained with."""
    # Kedro types a group of parameters by its nodes, which therefore agree on a type that isn't None.
    return TrainingInputs(data.as_used_by(parameters), name, parameters, compute, seed, calibration, augmentation)


def train(
    inputs: TrainingInputs, state_folder: Path
) -> tuple[Model, dict[str, Any], pd.DataFrame, dict[str, float], dict[str, Any]]:
    """Trains an approach once for each of its seeds, and calibrates its models where the parameters say so.

    Args:
        inputs: How to train, and on which images.
        state_folder: Holds the state after each epoch until a training ends.

    Returns:
        The model of the first seed, which keeps the model contract; facts about it; the learning history of all
        seeds; `train_seconds` and `seconds_per_epoch`; and the metrics of every seed, where there are several.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
    """
    from dogs_vs_cats.training.recipes import train_model

    data = inputs.data
    if not len(data.rows("validation")):
        logger.warning("%s trains on the validation images too, so it is neither validated nor calibrated", inputs.name)
    if unused := sorted(inputs.parameters.unused.intersection(inputs.block)):
        logger.info("%s has a head that is solved, not trained: it doesn't use %s", inputs.name, ", ".join(unused))
    trained, temperatures, metrics = [], [], {}
    for seed in inputs.seeds:
        trained.append(train_model(inputs, seed, state_folder))
        model, _ = trained[-1]
        temperatures.append(_calibrate(model, inputs))
        if len(inputs.seeds) > 1:
            predictions = _predictions(model, data, data.in_use, inputs.compute)
            metrics[str(seed)] = classification_metrics(predictions, data.class_names)
            accuracies = {split: round(values["accuracy"], 4) for split, values in metrics[str(seed)].items()}
            logger.info("%s, seed %d: accuracy %s", inputs.name, seed, accuracies)
        elif inputs.approach.TRAINS_ON == "features":
            # The evaluation of this approach comes after the training of all, which may take long.
            measured = _predictions(model, data, data.manifest["split"] == "test", inputs.compute)
            logger.info("%s: accuracy %.4f on the test images", inputs.name, _accuracy(measured))
    history = pd.DataFrame([row for _, state in trained for row in state.history])
    history = history.astype({"val_loss": float, "val_accuracy": float})
    seconds = sum(state.seconds for _, state in trained)
    timings = {"train_seconds": seconds / len(trained), "seconds_per_epoch": seconds / len(history)}
    model, state = trained[0]
    return model, _model_info(inputs, model, state, temperatures[0]), history, timings, metrics


def evaluate(
    model: Model,
    model_info: dict[str, Any],
    seed_metrics: dict[str, Any],
    images: np.ndarray,
    manifest: pd.DataFrame,
    compute: ComputeParameters,
    features: np.ndarray | None = None,
    features_record: dict[str, Any] | None = None,
) -> tuple[pd.DataFrame, dict[str, Any], dict[str, np.ndarray]]:
    """Predicts all splits, and measures how good the predictions are.

    Args:
        model: Raw images, (n, height, width, channels) in 0..255, in, probabilities out.
        model_info: Facts about it, some of which go into the metrics.
        seed_metrics: Metrics by seed, empty for a single one.
        images: uint8 memory map, a row for each row of the manifest.
        manifest: Each image's path, label and split.
        compute: How to compute.
        features: Features of the images in use, float32 (images in use, features), in the manifest's order. Predictions
            of a model with the base that they came from begin there.
        features_record: What the features were extracted with.

    Returns:
        A row for each image: `path`, `label`, `probability_<class>`, `predicted`, `split`; the metrics of each split
        with the model's counts, epochs, calibration (see `calibration`) and, for several seeds, mean and standard
        deviation; and the distribution of the training images, see `out_of_distribution`.
    """
    from dogs_vs_cats.evaluation.out_of_distribution import fit, with_features
    from dogs_vs_cats.inference.prediction import predict

    classes = model_info["classes"]
    data = LabelledImages(images, manifest, classes, features=features, features_record=features_record or {})
    data = data.as_used_by(model_info["made_with"]["parameters"])
    used = data.manifest[data.in_use]
    if features is not None and (base := data.base_of_features(model)):
        predictions = _predictions(model, data, data.in_use, compute)
        described = features.reshape(len(features), -1, base.output_shape[-1]).mean(axis=1)  # over positions
    else:
        both = predict(with_features(model), images, np.flatnonzero(data.in_use), compute)
        probabilities, described = np.split(both, [model.output_shape[-1]], axis=1)
        predictions = predictions_table(used, probabilities, data.class_names)
    train, validation = ((used["split"] == split).to_numpy() for split in ("train", "validation"))
    distribution = fit(described[train], used["label"].to_numpy()[train], described[validation])
    facts = {name: model_info[name] for name in ("parameters", "trainable_parameters", "epochs", "backbone")}
    metrics = {**classification_metrics(predictions, data.class_names), **facts}
    if validation.any():
        metrics["calibration"] = calibration.summarise(predictions, data.class_names, model_info.get("temperature"))
    if seed_metrics:
        metrics["seeds"] = seed_summary({int(seed): values for seed, values in seed_metrics.items()})
    return predictions, metrics, distribution.arrays()


def cross_validate(inputs: TrainingInputs, state_folder: Path) -> pd.DataFrame:
    """Trains an approach on features without each fold of the images in turn, and predicts that fold.

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
    return pd.concat(tables, ignore_index=True)


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
    accuracy = [round(measured[name], 4) for name in ("accuracy", "accuracy_low", "accuracy_high")]
    logger.info("Accuracy by cross-validation: %s (95%% interval %s to %s)", *accuracy)
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
    _calibrate(model, inputs)
    table = _predictions(model, inputs.data, inputs.data.manifest["split"] == "test", inputs.compute)
    with replace_atomically(finished) as partial:
        table.to_csv(partial, index=False)
    return table


def _predictions(
    model: Model, data: LabelledImages, rows: "pd.Series[bool]", compute: ComputeParameters
) -> pd.DataFrame:
    """Predicts the images of some rows of the manifest, from their features on where the model has their base."""
    from dogs_vs_cats.inference.prediction import predict
    from dogs_vs_cats.models.frozen_base import after_base

    if data.features is not None and (base := data.base_of_features(model)):
        head = after_base(model, base, data.features_record["pooling"])
        probabilities = predict(head, data.features, data.feature_rows(rows), compute)
    else:
        probabilities = predict(model, data.images, np.flatnonzero(rows), compute)
    return predictions_table(data.manifest[rows], probabilities, data.class_names)


def _accuracy(predictions: pd.DataFrame) -> float:
    return float((predictions["label"] == predictions["predicted"]).mean())


def _calibrate(model: Model, inputs: TrainingInputs) -> float | None:
    """Puts a temperature into a model; returns it, or None where the model stays as it is."""
    data = inputs.data
    validation = data.manifest["split"] == "validation"
    if not inputs.calibration.temperature or not validation.any():
        return None
    predictions = _predictions(model, data, validation, inputs.compute)
    temperature = calibration.fit_temperature(predictions, data.class_names)
    calibration.put_into(model, temperature)
    return temperature


def _model_info(inputs: TrainingInputs, model: Model, state: "TrainState", temperature: float | None) -> dict[str, Any]:
    """Facts about a model that later steps and other programs need."""
    from dogs_vs_cats.training.loop import count_weights

    data = inputs.data
    base = data.backbone_record or {"name": "", "made_with": None}
    return {
        "approach": inputs.name,
        "classes": data.class_names,
        "image_size": data.images.shape[1],
        "channels": data.images.shape[3],
        "bit_depth": data.ingestion_record.get("bit_depth"),
        "fit": data.ingestion_record.get("fit", "stretch"),
        "backbone": base["name"],
        "backbone_made_with": base["made_with"],
        "preprocessing": base["made_with"] and base["made_with"]["preprocessing"],
        "parameters": model.count_params(),
        "trainable_parameters": count_weights(model.trainable_weights),
        "epochs": len(state.history),
        # The epoch that the model's weights are from; null: the last.
        "best_epoch": state.best["epoch"] if state.best and inputs.parameters.keep_best_epoch else None,
        "validation_images": len(data.rows("validation")),
        "seed": state.history[0]["seed"],
        "temperature": temperature,
        "made_with": inputs.identity(),
    }
