"""Training and evaluation of one approach."""

import logging
from pathlib import Path
from typing import Any

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
from dogs_vs_cats.pipelines.approach.training import Trained, predict_rows, train_seed
from dogs_vs_cats.storage.arrays import averaged
from dogs_vs_cats.training.cluster import train_each
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs

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
        state_folder: Holds the state after each epoch until a training on this machine ends.

    Returns:
        The model of the first seed, which keeps the model contract; facts about it; the learning history of all
        seeds; `train_seconds` and `seconds_per_epoch`; and the metrics of every seed, where there are several.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
        ClusterError: The cluster that trains fails.
    """
    data, seeds = inputs.data, inputs.seeds
    if not len(data.rows("validation")):
        logger.warning("%s trains on the validation images too, so it is neither validated nor calibrated", inputs.name)
    if inputs.parameters.solves_head:
        unused = ", ".join(sorted(inputs.parameters.unused.keys() & inputs.block.keys()))
        logger.info("%s.head=%s ignores %s", inputs.name, inputs.block["head"], unused)
    if len(seeds) > 1:
        which = "each on its own split" if inputs.parameters.redraw_split else "all on one split"
        logger.info("%s trains with %d seeds, %s", inputs.name, len(seeds), which)
    trained = list(train_each(train_seed, inputs, seeds, state_folder))
    history = pd.DataFrame([row for one in trained for row in one.state.history])
    history = history.astype({"val_loss": float, "val_accuracy": float})
    seconds = sum(one.state.seconds for one in trained)
    timings = {"train_seconds": seconds / len(trained), "seconds_per_epoch": seconds / len(history)}
    metrics = {str(seed): one.metrics for seed, one in zip(seeds, trained, strict=True)} if len(seeds) > 1 else {}
    return trained[0].model, _model_info(inputs, trained[0]), history, timings, metrics


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


def _model_info(inputs: TrainingInputs, trained: Trained) -> dict[str, Any]:
    """Facts about a model that later steps and other programs need."""
    from dogs_vs_cats.training.loop import count_weights

    data, model, state = inputs.data, trained.model, trained.state
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
        "temperature": trained.temperature,
        "made_with": inputs.identity(),
    }
