"""One training of an approach, its calibration, and predictions with its model."""

import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.evaluation import calibration
from dogs_vs_cats.evaluation.metrics import classification_metrics
from dogs_vs_cats.evaluation.predictions import predictions_table
from dogs_vs_cats.parameters.compute import ComputeParameters
from dogs_vs_cats.training.events import quietly
from dogs_vs_cats.training.inputs import LabelledImages, TrainingInputs

if TYPE_CHECKING:
    from dogs_vs_cats.training.checkpoint import TrainState

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trained:
    """The result of one training.

    Attributes:
        model: Raw images in, probabilities out.
        state: Its history.
        temperature: See `calibrate`.
        metrics: Metrics of each split, for an approach with several seeds; otherwise empty.
    """

    model: Model
    state: "TrainState"
    temperature: float | None
    metrics: dict[str, Any]


def train_seed(inputs: TrainingInputs, seed: int, state_folder: Path) -> Trained:
    """Trains an approach with one of its seeds, and calibrates the model where the parameters say so.

    Args:
        inputs: How to train, and on which images.
        seed: The seed.
        state_folder: Holds the state after each epoch until the training ends.

    Returns:
        The model, and how well it did.

    Raises:
        TrainingError: The loss stopped being a number, or a batch didn't fit into memory.
        BackboneError: `unfreeze_from` isn't a layer of the base.
        ParameterError: There are fewer devices than `compute.devices`.
        SplitError: The seed's own split can't be drawn.
    """
    from dogs_vs_cats.training.recipes import train_model

    within = inputs.with_split_of(seed)
    data, metrics = within.data, {}
    model, state = train_model(within, seed, state_folder)
    temperature = calibrate(model, within)
    if len(inputs.seeds) > 1:
        metrics = classification_metrics(predict_rows(model, data, data.in_use, inputs.compute), data.class_names)
        accuracies = {split: round(values["accuracy"], 4) for split, values in metrics.items()}
        logger.info("%s, seed %d: accuracy %s", inputs.name, seed, accuracies)
    elif inputs.approach.TRAINS_ON == "features":
        # The evaluation of this approach comes after the training of all, which may take long.
        measured = predict_rows(model, data, data.manifest["split"] == "test", inputs.compute)
        accuracy = (measured["label"] == measured["predicted"]).mean()
        logger.info("%s: accuracy %.4f on the test images", inputs.name, accuracy)
    return Trained(model, state, temperature, metrics)


def predict_test(inputs: TrainingInputs) -> pd.DataFrame:
    """Trains with the first seed, quietly and without storing how far it has come, and predicts the test images."""
    from dogs_vs_cats.training.recipes import train_model

    with quietly(), TemporaryDirectory() as state_folder:
        model, _ = train_model(inputs, inputs.seeds[0], Path(state_folder))
        calibrate(model, inputs)
        return predict_rows(model, inputs.data, inputs.data.manifest["split"] == "test", inputs.compute)


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
