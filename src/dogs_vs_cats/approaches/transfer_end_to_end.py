"""Transfer learning, approach 1: a frozen base trained end to end with a new head.

The images pass through the base in every epoch, so augmentation applies. With VGG16 the lecture (L1) counts
15,242,050 parameters, which is the count with a two-way softmax: 14,714,688 in the base, 525,312 and 2,050 in
the dense layers.

A linear head is fitted to the base's features instead, and then fine-tuned together with the top of the base: linear
probing, then fine-tuning (Kumar et al. 2022, *Fine-Tuning can Distort Pretrained Features and Underperform
Out-of-Distribution*).
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, cast

from pydantic import Field, PositiveInt, ValidationInfo, field_validator

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.parameters.training import STEPS, TrainingParameters

TRAINS_ON: Literal["images", "features"] = "images"
USES_BACKBONE = True


class Parameters(TrainingParameters):
    """Parameters that approach 1 adds.

    Attributes:
        head: `dense` is the lecture's, trained in `epochs`; `linear` is logistic regression on the base's averaged
            features. With `keep_best_epoch` it competes with the epochs of fine-tuning.
        dense_units: Units of the dense layer between pooling and output.
        unfreeze_from: Name of the base's first layer that a second training phase unfreezes, with all after
            it; `auto` takes the last resolution stage; None keeps the base frozen. Batch normalisation stays frozen
            in any case.
        fine_tuning_epochs: Epochs of that second phase.
        fine_tuning_learning_rate: Its learning rate, low, so that the pretrained weights only adapt.
        fine_tuning_layer_decay: Factor of that learning rate from the head to the last block of the base, and from each
            block to the one below it, since lower ones are more general (Howard and Ruder 2018). 1: all alike.
    """

    head: Literal["dense", "linear"] = "dense"
    dense_units: PositiveInt
    unfreeze_from: str | None
    fine_tuning_epochs: PositiveInt
    fine_tuning_learning_rate: Annotated[float, Field(gt=0, le=1)]
    fine_tuning_layer_decay: Annotated[float, Field(gt=0, le=1)] = 1

    @property
    def epochs_in_all(self) -> int:
        """Those of the head and of fine-tuning."""
        return super().epochs_in_all + (0 if self.unfreeze_from is None else self.fine_tuning_epochs)

    @property
    def unused(self) -> Mapping[str, str]:
        """A linear head is fitted to all rows at once; batches and the optimizer are those of fine-tuning."""
        is_fitted, is_frozen = self.head == "linear", self.unfreeze_from is None
        fine_tuning = ("fine_tuning_epochs", "fine_tuning_learning_rate", "fine_tuning_layer_decay")
        return {
            **dict.fromkeys(fine_tuning if is_frozen else (), "unfreeze_from=auto"),
            **dict.fromkeys((*STEPS, "augment") if is_fitted and is_frozen else (), "unfreeze_from=auto"),
            **dict.fromkeys(("epochs", "learning_rate", "dense_units") if is_fitted else (), "head=dense"),
        }

    @field_validator("fine_tuning_epochs")
    @classmethod
    def _warmup_of_fine_tuning_ends(cls, fine_tuning_epochs: int, others: ValidationInfo) -> int:
        warmup = others.data.get("warmup_epochs", 0)
        if others.data.get("unfreeze_from") is not None and warmup >= fine_tuning_epochs:
            raise ValueError(f"must be greater than warmup_epochs ({warmup:g}); raise it, or lower warmup_epochs")
        return fine_tuning_epochs


def build(parameters: Parameters, input_shape: tuple[int, ...], classes: int, backbone: Model | None = None) -> Model:
    """Puts global average pooling and two dense layers, or a linear one, on the frozen base."""
    import keras
    from keras import layers

    from dogs_vs_cats.errors import BackboneError
    from dogs_vs_cats.models.output_layers import probabilities, softmax_probabilities

    backbone = cast(Any, backbone)
    names = [layer.name for layer in backbone.layers]
    if parameters.unfreeze_from not in (None, "auto", *names):
        raise BackboneError(
            f"unfreeze_from={parameters.unfreeze_from!r} isn't a layer of {backbone.name}. Its layers: "
            f"{', '.join(names)}."
        )
    backbone.trainable = False
    image = keras.Input(input_shape, name="image")
    # Inference mode keeps the moving statistics of batch normalisation still, also when layers are unfrozen.
    x = backbone(image, training=False)
    if len(x.shape) == 4:  # else an earlier model, cut among its dense layers
        x = layers.GlobalAveragePooling2D(name="pooling")(x)
    if parameters.head == "linear":
        return keras.Model(image, probabilities(x, classes), name="transfer_end_to_end")
    x = layers.Dense(parameters.dense_units, activation="relu", name="dense_1")(x)
    return keras.Model(image, softmax_probabilities(x, classes), name="transfer_end_to_end")
