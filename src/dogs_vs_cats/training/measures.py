"""The loss that training minimises, and the accuracy that is shown meanwhile."""

from typing import Any

import keras


def loss_function(classes: int, soft_labels: bool = False) -> keras.losses.Loss:
    """Returns the loss to minimise: binary cross-entropy for two classes, categorical for more.

    Args:
        classes: Number of classes.
        soft_labels: Whether each of more than two classes has a probability in the labels; else labels are numbered.
    """
    if classes == 2:
        return keras.losses.BinaryCrossentropy()
    return keras.losses.CategoricalCrossentropy() if soft_labels else keras.losses.SparseCategoricalCrossentropy()


def accuracy(classes: int, soft_labels: bool = False) -> keras.metrics.Metric:
    """Returns the accuracy; of soft labels the most probable class counts.

    Args:
        classes: Number of classes.
        soft_labels: Whether labels are probabilities.
    """
    if not soft_labels:
        hard = keras.metrics.BinaryAccuracy if classes == 2 else keras.metrics.SparseCategoricalAccuracy
        return hard(name="accuracy")
    if classes == 2:
        return keras.metrics.MeanMetricWrapper(_agreement, name="accuracy")
    return keras.metrics.CategoricalAccuracy(name="accuracy")


def _agreement(labels: Any, probabilities: Any) -> Any:
    """Whether both are on the same side of 0.5, which Keras asks of the probabilities alone."""
    return keras.metrics.binary_accuracy(keras.ops.cast(labels > 0.5, probabilities.dtype), probabilities)
