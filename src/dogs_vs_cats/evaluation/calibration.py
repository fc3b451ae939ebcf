"""Temperature scaling: a number divides the logits so that the probabilities agree with the observed frequencies.

No predicted class changes, only its confidence (Guo et al. 2017, *On Calibration of Modern
Neural Networks*). It is fitted on the validation images, and can be put into the model's last layer.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.errors import ModelFileError
from dogs_vs_cats.evaluation.curves import expected_calibration_error
from dogs_vs_cats.evaluation.predictions import class_probabilities
from dogs_vs_cats.evaluation.probabilities import SMALLEST, log_loss
from dogs_vs_cats.images.splits import SPLITS

BOUNDS = (0.25, 10.0)
"""Temperatures that are tried."""


def tempered(probabilities: NDArray[np.floating], temperature: float) -> NDArray[np.float64]:
    """Divides the logits of probabilities by a temperature.

    Args:
        probabilities: Of every class, shape (n, classes); rows sum to one.
        temperature: Above 1 makes them less confident, below 1 more.

    Returns:
        Shape (n, classes), float64; rows sum to one.
    """
    logits = np.log(np.clip(probabilities.astype(np.float64), SMALLEST, 1))
    from scipy.special import softmax

    calibrated: NDArray[np.float64] = softmax(logits / temperature, axis=1)
    return calibrated


def fit_temperature(predictions: pd.DataFrame, class_names: Sequence[str]) -> float:
    """Finds the temperature with the lowest log loss.

    A few validation images that are all right would make any model certain of everything. So labels count as
    probabilities here: of n images, that of an image's own class is (n + 1) / (n + 2), after Platt 1999, *Probabilistic
    outputs for support vector machines*.

    Args:
        predictions: Rows of a predictions table on which the model wasn't trained.
        class_names: The classes, in the order of their labels.

    Returns:
        A temperature within `BOUNDS`, to three digits after the point.
    """
    labels = predictions["label"].to_numpy()
    probabilities = class_probabilities(predictions, class_names)
    targets = np.full(probabilities.shape, 1 / (len(labels) + 2) / (len(class_names) - 1))
    targets[np.arange(len(labels)), labels] = (len(labels) + 1) / (len(labels) + 2)

    def cost(logarithm: float) -> float:
        stated = np.clip(tempered(probabilities, np.exp(logarithm)), SMALLEST, 1)
        return float(-(targets * np.log(stated)).sum(axis=1).mean())

    from scipy.optimize import minimize_scalar

    found = minimize_scalar(cost, bounds=np.log(BOUNDS), method="bounded")
    return round(float(np.exp(found.x)), 3)


def counterpart(
    predictions: pd.DataFrame, class_names: Sequence[str], temperature: float, in_model: bool
) -> pd.DataFrame:
    """Returns the predictions without the temperature where the model has it, else with it.

    Args:
        predictions: A predictions table of the model as it is.
        class_names: The classes, in the order of their labels.
        temperature: The temperature.
        in_model: Whether the model has it already.
    """
    change = 1 / temperature if in_model else temperature
    probabilities = tempered(class_probabilities(predictions, class_names), change)
    columns = {f"probability_{name}": probabilities[:, label] for label, name in enumerate(class_names)}
    return predictions.assign(**{name: values for name, values in columns.items() if name in predictions})


def summarise(predictions: pd.DataFrame, class_names: Sequence[str], in_model: float | None) -> dict[str, Any]:
    """Measures the effect of calibration, whether it is in the model or not.

    Args:
        predictions: A predictions table of the model as it is.
        class_names: The classes, in the order of their labels.
        in_model: The temperature that the model has in it; None if it has none.

    Returns:
        `temperature`; `in_model`; and for validation and test `expected_calibration_error_before`, `…_after`,
        `log_loss_before` and `log_loss_after`.
    """
    validation = predictions[predictions["split"] == "validation"]
    temperature = fit_temperature(validation, class_names) if in_model is None else in_model
    summary: dict[str, Any] = {"temperature": temperature, "in_model": in_model is not None}
    other = counterpart(predictions, class_names, temperature, in_model is not None)
    before, after = (predictions, other) if in_model is None else (other, predictions)
    for split in SPLITS[1:]:
        summary[split] = {}
        for when, table in (("before", before), ("after", after)):
            rows = table[table["split"] == split]
            if len(rows):
                error = expected_calibration_error(rows, class_names)
                loss = log_loss(class_probabilities(rows, class_names), rows["label"].to_numpy())
                summary[split] |= {f"expected_calibration_error_{when}": error, f"log_loss_{when}": loss}
    return summary


def put_into(model: Model, temperature: float) -> None:
    """Divides the logits of a model by a temperature, by dividing the weights of its last layer.

    The file keeps its layers and parameters, and needs nothing to be loaded that it didn't need before.

    Args:
        model: Changed in place.
        temperature: Above 0.

    Raises:
        ModelFileError: The model doesn't end in a dense layer with a sigmoid or softmax.
    """
    import keras

    from dogs_vs_cats.compute.precision import ends_in_probabilities
    from dogs_vs_cats.models.graph import dissect

    layer = dissect(model).last.layer
    if not isinstance(layer, keras.layers.Dense) or not ends_in_probabilities(layer):
        raise ModelFileError(
            f"{model.name} doesn't end in a dense layer with a sigmoid or a softmax, so it can't be calibrated by a "
            "temperature. Set calibration.temperature to false."
        )
    layer.set_weights([weight / np.float32(temperature) for weight in layer.get_weights()])
