"""Parameters that every approach has, and those of the calibration of all models."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, PositiveInt, ValidationInfo, field_validator, model_validator
from pydantic_core import PydanticCustomError

from dogs_vs_cats.parameters.base import CONTRADICTION, Distinct, ParameterGroup

STEPS = (
    *("epochs", "batch_size", "optimizer", "learning_rate", "schedule", "warmup_epochs", "weight_decay"),
    *("label_smoothing", "mixup", "cutmix", "ema", "keep_best_epoch", "early_stopping_patience"),
)
"""Parameters of training in steps, which a fitted head doesn't have."""


EVEN = 1.5
"""Classes are even where the largest has at most so many times the images of the smallest."""


class TrainingParameters(ParameterGroup):
    """How an approach is trained; each approach adds parameters of its own.

    Attributes:
        approach: The module of `approaches` that builds the model; None stands for the one with the block's name.
        epochs: Passes over the training images, at least 1.
        batch_size: Images (or feature rows) a step.
        optimizer: A Keras optimizer.
        learning_rate: Step size of the optimizer, above 0.
        schedule: `constant` keeps the learning rate; `cosine` lets it fall from `learning_rate` to 0 over all epochs of
            a phase, slowly at both ends (Loshchilov and Hutter 2017, without restarts).
        warmup_epochs: Epochs, or a fraction of one, in which the learning rate first rises from 0, in proportion to the
            steps; every phase has its own. 0: none.
        weight_decay: Fraction of each kernel, times the learning rate, that a step subtracts beside the gradient's
            update (Loshchilov and Hutter 2019); with every optimizer, so `adam` with it is `adamw`. Biases and
            normalisations don't decay. None: the optimizer's own, Keras's 0.004 on all weights for `adamw`, else none.
        label_smoothing: Fraction of each training label that is spread evenly over all classes (Szegedy et al. 2016).
            0: none.
        mixup: Averages each training image with another of its batch, and their labels likewise; a fraction from
            Beta(mixup, mixup) of it is left, as in `keras.layers.MixUp` (Zhang et al. 2018). 0: none.
        cutmix: Puts a rectangle of another image of its batch into each training image, as `keras.layers.CutMix` (Yun
            et al. 2019); a fraction from Beta(cutmix, cutmix) of it is left. Where `mixup` is set too, one of the two
            is drawn for each batch. 0: none.
        ema: Momentum of an exponential moving average of the weights, such as 0.99: validation, the best epoch and the
            model have the averages, while training goes on from the weights themselves. None: no average.
        average_flips: The model averages the logits of an image and of its mirror image, which takes it twice the time.
            Training and its validation see images as they are.
        augment: Whether training batches are augmented with the `augmentation` parameters.
        class_weights: Weights classes inversely to their frequency, for imbalanced classes; `auto` does so where the
            largest class has more than 1.5 times the images of the smallest.
        keep_best_epoch: Keeps the weights of the epoch with the lowest validation loss, not those of the last.
            Fine-tuning starts from the best epoch of the head.
        early_stopping_patience: Stops after this many epochs without a lower validation loss; None never stops.
            Fine-tuning counts its own epochs.
        seeds: Trains once for each of these seeds and reports the mean, its 95 % interval and the standard deviation;
            the first one's model is saved. Empty: once, with the project's `seed`.
        redraw_split: Each of the `seeds` but the first draws a split of its own, of the same sizes, from all images in
            use, so that the interval is also about which images train and test. False: all have the same split.
    """

    approach: str | None = None
    epochs: PositiveInt
    batch_size: PositiveInt
    optimizer: Literal["adam", "rmsprop", "sgd", "nadam", "adamw"]
    learning_rate: Annotated[float, Field(gt=0, le=10)]
    schedule: Literal["constant", "cosine"] = "constant"
    warmup_epochs: Annotated[float, Field(ge=0)] = 0
    weight_decay: Annotated[float, Field(ge=0, le=10)] | None = None
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0
    mixup: Annotated[float, Field(ge=0, le=1)] = 0
    cutmix: Annotated[float, Field(ge=0, le=1)] = 0
    ema: Annotated[float, Field(gt=0, lt=1)] | None = None
    average_flips: bool = False
    augment: bool
    class_weights: bool | Literal["auto"]
    keep_best_epoch: bool
    early_stopping_patience: PositiveInt | None
    seeds: Distinct[Annotated[int, Field(ge=0, lt=2**31)]]
    redraw_split: bool = False

    @field_validator("warmup_epochs")
    @classmethod
    def _warmup_ends(cls, warmup_epochs: float, others: ValidationInfo) -> float:
        epochs = others.data.get("epochs")
        if epochs is not None and warmup_epochs >= epochs:
            raise ValueError(f"must be less than epochs ({epochs})")
        return warmup_epochs

    @field_validator("redraw_split")
    @classmethod
    def _splits_of_several_seeds(cls, redraw_split: bool, others: ValidationInfo) -> bool:
        if redraw_split and len(others.data.get("seeds", (0, 1))) < 2:
            raise ValueError("draws a split for each of several seeds: set seeds to two or more, such as [0, 1, 2]")
        return redraw_split

    @model_validator(mode="after")
    def _seeds_make_a_difference(self) -> Self:
        if self.unused.keys() >= {*STEPS} and len(self.seeds) > 1 and not self.redraw_split:
            raise PydanticCustomError(
                CONTRADICTION,
                "a linear head has one solution on a split, whatever the seed: leave seeds empty, or set redraw_split "
                "to true, so that each seed draws a split of its own",
            )
        return self

    @property
    def has_soft_labels(self) -> bool:
        """Whether a training label is a probability of each class, not the number of one."""
        return self.label_smoothing > 0 or self.mixes_rows

    @property
    def mixes_rows(self) -> bool:
        """Whether training batches have mixtures of two rows."""
        return self.mixup > 0 or self.cutmix > 0

    @property
    def epochs_in_all(self) -> int:
        """Epochs of all phases, unless the training stops early; a head that is solved counts as one."""
        return 1 if self.solves_head else self.epochs

    @property
    def solves_head(self) -> bool:
        """Whether the head is solved at once instead of trained in epochs."""
        return "epochs" in self.unused

    @property
    def unused(self) -> Mapping[str, str]:
        """Parameters without effect, each with the setting `NAME=VALUE` of another one that would give it one."""
        return {}


class CalibrationParameters(ParameterGroup):
    """Whether models are calibrated.

    Attributes:
        temperature: Divides the logits of every model by a number fitted on the validation images, in the model file
            itself. Predicted classes stay the same. False leaves the models as they were trained; the metrics and
            the report say what it would bring in any case.
    """

    temperature: bool
