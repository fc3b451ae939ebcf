"""Parameters that every approach has, and those of the calibration of all models."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from dogs_vs_cats.parameters.base import Distinct, ParameterGroup

STEPS = ("epochs", "batch_size", "optimizer", "learning_rate", "keep_best_epoch", "early_stopping_patience")
"""Parameters of training in steps, which a head that is solved doesn't have."""


class TrainingParameters(ParameterGroup):
    """How an approach is trained; each approach adds parameters of its own.

    Attributes:
        approach: The module of `approaches` that builds the model; None stands for the one with the block's name.
        epochs: Passes over the training images, at least 1.
        batch_size: Images (or feature rows) a step.
        optimizer: A Keras optimizer.
        learning_rate: Step size of the optimizer, above 0.
        augment: Whether training batches are augmented with the `augmentation` parameters.
        class_weights: Weighs classes inversely to their frequency, for uneven folders; `auto` does so where the largest
            class has more than 1.5 times the images of the smallest.
        keep_best_epoch: Keeps the weights of the epoch with the lowest validation loss, not those of the last.
            Fine-tuning starts from the best epoch of the head.
        early_stopping_patience: Stops after this many epochs without a lower validation loss; None never stops.
            Fine-tuning counts its own epochs.
        seeds: Trains once for each of these seeds and reports mean and standard deviation; the first one's
            model is saved. Empty: once, with the project's `seed`.
    """

    approach: str | None = None
    epochs: PositiveInt
    batch_size: PositiveInt
    optimizer: Literal["adam", "rmsprop", "sgd", "nadam", "adamw"]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    augment: bool
    class_weights: bool | Literal["auto"]
    keep_best_epoch: bool
    early_stopping_patience: PositiveInt | None
    seeds: Distinct[Annotated[int, Field(ge=0, lt=2**31)]]

    @property
    def unused(self) -> frozenset[str]:
        """Names of parameters that the others make meaningless."""
        return frozenset()


class CalibrationParameters(ParameterGroup):
    """Whether models are calibrated.

    Attributes:
        temperature: Divides the logits of every model by a number fitted on the validation images, in the model file
            itself. Predicted classes stay the same. False leaves the models as they were trained; the metrics and
            the report say what it would bring in any case.
    """

    temperature: bool
