"""Training with the losses of auxiliary classifiers, as GoogLeNet's (Szegedy et al. 2014; L1)."""

from typing import Any

import keras

AUXILIARY_WEIGHT = 0.3
"""Fraction of each auxiliary classifier's loss in the loss that is trained on."""


class AuxiliaryLosses(keras.Model):
    """Trains a model of several answers with total loss = main + 0.3 · auxiliary 1 + 0.3 · auxiliary 2.

    The auxiliary classifiers strengthen the gradient, and take part in training alone: evaluation, prediction and all
    metrics use the main classifier. The given model is trained in place; save its main classifier, not this model.
    Compile this model with one loss, which applies to each output.

    Args:
        model: Returns a list of probabilities of the same shape, the main classifier's first.
    """

    def __init__(self, model: keras.Model):
        super().__init__(name=model.name)
        self._model = model

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Returns the main classifier's probabilities; while training a list, with the others' behind them."""
        answers = self._model(inputs, training=training)
        return answers if training else answers[0]

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None, training: bool = True
    ) -> Any:
        """Adds the auxiliary losses to the main one while training."""
        loss = super().compute_loss
        if not isinstance(y_pred, list):
            return loss(x, y, y_pred, sample_weight, training)
        main, *auxiliary = [loss(x, y, answer, sample_weight, training) for answer in y_pred]
        return main + AUXILIARY_WEIGHT * sum(auxiliary)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Measures the main classifier."""
        main = y_pred[0] if isinstance(y_pred, list) else y_pred
        results: dict[str, Any] = super().compute_metrics(x, y, main, sample_weight)
        return results
