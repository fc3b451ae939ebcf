"""The outputs of a model as probabilities and classes.

It doesn't import pandas, so that classifying a photo with an exported file needn't wait for it.
"""

import numpy as np
from numpy.typing import NDArray

from dogs_vs_cats.errors import ModelFileError, TrainingError

SMALLEST = 1e-7
"""Smaller probabilities count as this one in a logarithm, as in Keras's losses.

float32 has no probability that is closer to 1 without being 1, so that of the other class would be 0.
"""


def predicted_classes(probabilities: NDArray[np.floating]) -> NDArray[np.int64]:
    """Returns the class of each answer.

    Args:
        probabilities: P(class 1), (n, 1), for two classes, else (n, classes).

    Returns:
        Shape (n,); for two classes 1 where the probability is above 0.5, as in Keras's accuracy.
    """
    if probabilities.shape[1] == 1:
        return (probabilities[:, 0] > 0.5).astype(np.int64)
    return np.asarray(probabilities.argmax(axis=1), np.int64)


def checked_probabilities(outputs: NDArray[np.floating], images: int, classes: int) -> NDArray[np.float64]:
    """Checks a model's outputs, and rounds each float32 to the shortest decimal that names it.

    A CSV file then holds exactly what is computed with.

    Args:
        outputs: The model's outputs.
        images: Number of the images.
        classes: Number of the classes.

    Returns:
        P(class 1), (images, 1), for two classes, else (images, classes); float64.

    Raises:
        TrainingError: An output is not a number.
        ModelFileError: The outputs have another shape, or leave the range 0..1.
    """
    expected = (images, 1 if classes == 2 else classes)
    values = np.asarray(outputs, np.float32).astype(str).astype(np.float64)
    if np.isnan(values).any():
        raise TrainingError(
            f"The model predicts NaN (not a number) for {int(np.isnan(values).any(axis=1).sum())} of "
            f"{len(values)} images: its training diverged. Lower the approach's learning_rate and train it again."
        )
    if values.shape != expected or np.any((values < 0) | (values > 1)):
        raise ModelFileError(
            f"The model returned an array of shape {values.shape} with values from {values.min():g} to "
            f"{values.max():g}. For {images} images of {classes} classes the shape must be {expected}, with "
            "probabilities from 0 to 1: its last layer must be a sigmoid or a softmax."
        )
    return values


def every_class(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the probability of every class from a model's outputs.

    Args:
        outputs: Shape (n, 1), P(class 1), for two classes; else (n, classes).

    Returns:
        Shape (n, classes).
    """
    return np.column_stack([1 - outputs[:, 0], outputs[:, 0]]) if outputs.shape[1] == 1 else outputs


def log_loss(probabilities: NDArray[np.floating], labels: NDArray[np.integer]) -> float:
    """Returns the mean cross-entropy in nats.

    scikit-learn's `log_loss` limits float64 probabilities to 2e-16. From a logit of 17 on, P(class 1) is 1 in float32:
    an image of class 0 would then cost 36, and an image of class 1 with a logit of -17 only 17.

    Args:
        probabilities: Of every class, shape (n, classes); rows sum to one.
        labels: True classes, shape (n,).
    """
    stated = probabilities[np.arange(len(labels)), labels]
    return float(-np.log(np.clip(stated, SMALLEST, 1)).mean())
