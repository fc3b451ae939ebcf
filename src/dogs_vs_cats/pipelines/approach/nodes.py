"""Training and evaluation of one approach."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.evaluation import calibration
from dogs_vs_cats.evaluation.clusters import groups_of
from dogs_vs_cats.evaluation.drift import Sample
from dogs_vs_cats.evaluation.metrics import classification_metrics, seed_summary
from dogs_vs_cats.evaluation.predictions import class_probabilities, predictions_table
from dogs_vs_cats.images.splits import SPLITS, TEST
from dogs_vs_cats.parameters.augmentation import AugmentationParameters
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.parameters.training import CalibrationParameters
from dogs_vs_cats.storage.arrays import averaged
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
    """Bundles everything that an image-based approach is trained with."""
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
        logger.info("%s.head=%s ignores %s", inputs.name, inputs.block["head"], ", ".join(unused))
    trained, temperatures, metrics = [], [], {}
    if several := len(inputs.seeds) > 1:
        which = "each on its own split" if inputs.parameters.redraw_split else "all on one split"
        text = "%s trains with %d seeds, %s; this takes %d times as long"
        logger.info(text, inputs.name, len(inputs.seeds), which, len(inputs.seeds))
    for seed, within in inputs.by_seed():
        trained.append(train_model(within, seed, state_folder))
        model, _ = trained[-1]
        temperatures.append(calibrate(model, within))
        if several:
            predictions = predict_rows(model, within.data, data.in_use, inputs.compute)
            metrics[str(seed)] = classification_metrics(predictions, data.class_names)
            accuracies = {split: round(values["accuracy"], 4) for split, values in metrics[str(seed)].items()}
            logger.info("%s, seed %d: accuracy %s", inputs.name, seed, accuracies)
        elif inputs.approach.TRAINS_ON == "features":
            # The evaluation of this approach comes after the training of all, which may take long.
            measured = predict_rows(model, data, data.manifest["split"] == "test", inputs.compute)
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
        features_record: Parameters of the extraction of the features.

    Returns:
        A row for each image: `path`, `label`, `probability_<class>`, `predicted`, `split`; the metrics of each split
        with the model's counts, epochs, calibration (see `calibration`), for several seeds their `seed_summary`, and
        the number of `corrections` where there are any; and the arrays that lie beside the model: the distribution of
        the training images, see `out_of_distribution`, and the answers to the test images, see `drift`.
    """
    from dogs_vs_cats.evaluation.out_of_distribution import fit, with_features
    from dogs_vs_cats.inference.prediction import predict

    classes = model_info["classes"]
    data = LabelledImages(images, manifest, classes, features=features, features_record=features_record or {})
    data = data.as_used_by(model_info["made_with"]["parameters"])
    used = data.manifest[data.in_use]
    if features is not None and (base := data.base_of_features(model)):
        predictions = predict_rows(model, data, data.in_use, compute)
        described = averaged(features, base.output_shape[-1])
    else:
        both = predict(with_features(model), images, np.flatnonzero(data.in_use), compute)
        probabilities, described = np.split(both, [model.output_shape[-1]], axis=1)
        predictions = predictions_table(used, probabilities, data.class_names)
    train, validation, test = ((used["split"] == split).to_numpy() for split in SPLITS)
    distribution = fit(described[train], used["label"].to_numpy()[train], described[validation])
    tested = predictions[predictions["split"] == TEST]
    unfamiliar = distribution.distances(described[test]) > distribution.threshold
    sample = Sample.of(class_probabilities(tested, data.class_names), unfamiliar, groups_of(tested))
    facts = {name: model_info[name] for name in ("parameters", "trainable_parameters", "epochs", "backbone")}
    metrics = {**classification_metrics(predictions, data.class_names), **facts}
    if validation.any():
        metrics["calibration"] = calibration.summarise(predictions, data.class_names, model_info.get("temperature"))
    if seed_metrics:
        redrawn = bool(model_info["made_with"]["parameters"].get("redraw_split"))
        metrics["seeds"] = seed_summary({int(seed): values for seed, values in seed_metrics.items()}, redrawn)
    if corrections := data.corrections:
        metrics["corrections"] = corrections
    return predictions, metrics, {**distribution.arrays(), **sample.arrays()}


def predict_rows(
    model: Model, data: LabelledImages, rows: "pd.Series[bool]", compute: ComputeParameters
) -> pd.DataFrame:
    """Predicts images, from their features on where the model has the base that they came from.

    Args:
        model: Raw images in, probabilities out.
        data: The images, and their features where the approach has some.
        rows: Which rows of the manifest to predict.
        compute: How to compute.

    Returns:
        A predictions table, see `predictions_table`.
    """
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


def calibrate(model: Model, inputs: TrainingInputs) -> float | None:
    """Fits a temperature to the validation images, and puts it into the model.

    Args:
        model: Changed in place.
        inputs: Inputs of its training; their `calibration` may leave models as they are.

    Returns:
        The temperature, or `None` where the model stays as it is.
    """
    data = inputs.data
    validation = data.manifest["split"] == "validation"
    if not inputs.calibration.temperature or not validation.any():
        return None
    predictions = predict_rows(model, data, validation, inputs.compute)
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
        "bit_depth": data.ingestion_record["bit_depth"],
        "fit": data.ingestion_record["fit"],
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
