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
    """Returns the accuracy of all rows but those that weigh nothing; of soft labels the most probable class counts.

    Args:
        classes: Number of classes.
        soft_labels: Whether labels are probabilities.
    """
    if classes == 2:
        return _Accuracy(_agreement if soft_labels else keras.metrics.binary_accuracy, name="accuracy")
    several = keras.metrics.categorical_accuracy if soft_labels else keras.metrics.sparse_categorical_accuracy
    return _Accuracy(several, name="accuracy")


class _Accuracy(keras.metrics.MeanMetricWrapper):
    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Counts rows; weights of classes are for the loss alone."""
        counted = None if sample_weight is None else keras.ops.sign(sample_weight)
        return super().update_state(y_true, y_pred, counted)


def _agreement(labels: Any, probabilities: Any) -> Any:
    """Whether both are on the same side of 0.5, which Keras asks of the probabilities alone."""
    return keras.metrics.binary_accuracy(keras.ops.cast(labels > 0.5, probabilities.dtype), probabilities)
