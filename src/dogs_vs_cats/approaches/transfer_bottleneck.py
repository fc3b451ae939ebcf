"""Transfer learning, approach 2: a small head on bottleneck features that were extracted once.

With VGG16 at 150×150 the features are 4×4×512 = 8,192 numbers, and the lecture's head (L1) has 4,457,985
parameters. A linear head is fitted instead of trained, see `training.linear_head`. After training, base and head are
joined, so that the model file takes images like every other.
"""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.parameters.training import STEPS, TrainingParameters

TRAINS_ON: Literal["images", "features"] = "features"
USES_BACKBONE = True


class Parameters(TrainingParameters):
    """Parameters that approach 2 adds.

    Attributes:
        head: `dense` is the lectures' head of two dense layers; `linear` is logistic regression, which needs no epochs,
            batches, optimizer or dropout, and chooses its penalty by itself.
        pooling: `flatten` keeps every position of the base's output; `avg` averages over positions.
        dense_units: Units of each of the two dense layers.
        dropout: Fraction of units dropped after each of them while training.
    """

    head: Literal["dense", "linear"] = "dense"
    pooling: Literal["flatten", "avg"]
    dense_units: PositiveInt
    dropout: Annotated[float, Field(ge=0, lt=1)]

    @property
    def unused(self) -> Mapping[str, str]:
        """A linear head is fitted to all rows at once."""
        return dict.fromkeys((*STEPS, "dense_units", "dropout"), "head=dense") if self.head == "linear" else {}

    @field_validator("augment")
    @classmethod
    def _no_augmentation(cls, augment: bool) -> bool:
        if augment:
            raise ValueError(
                "bottleneck features are extracted once, from unchanged images, so there is nothing to augment: "
                "set it to false, or use transfer_end_to_end"
            )
        return augment

    @field_validator("cutmix", "average_flips")
    @classmethod
    def _not_on_features(cls, value: float, info: ValidationInfo) -> float:
        if value:
            raise ValueError(
                f"{info.field_name} is for images, and this approach trains on features that were extracted from them: "
                "leave it out, or use transfer_end_to_end"
            )
        return value


def build(parameters: Parameters, input_shape: tuple[int, ...], classes: int, backbone: Model | None = None) -> Model:
    """Builds the head, which is joined with the base after training."""
    import keras
    from keras import layers

    from dogs_vs_cats.models.output_layers import probabilities

    features = keras.Input(input_shape, name="features")
    if parameters.head == "linear":
        return keras.Model(features, probabilities(features, classes), name="head")
    x = layers.Dense(parameters.dense_units, activation="relu", name="dense_1")(features)
    x = layers.Dropout(parameters.dropout, name="dropout_1")(x)
    x = layers.Dense(parameters.dense_units, activation="relu", name="dense_2")(x)
    x = layers.Dropout(parameters.dropout, name="dropout_2")(x)
    return keras.Model(features, probabilities(x, classes), name="head")
