"""Transfer learning, approach 1: a frozen base trained end to end with a new head.

The images pass through the base in every epoch, so augmentation applies. With VGG16 the lecture (L1) counts
15,242,050 parameters, which is the count with a two-way softmax: 14,714,688 in the base, 525,312 and 2,050 in
the dense layers.
"""

from typing import Annotated, Any, Literal, cast

from pydantic import Field, PositiveInt

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.parameters.training import TrainingParameters

TRAINS_ON: Literal["images", "features"] = "images"
USES_BACKBONE = True


class Parameters(TrainingParameters):
    """What approach 1 adds.

    Attributes:
        dense_units: Units of the dense layer between pooling and output.
        unfreeze_from: Name of the base's first layer that a second training phase unfreezes, with all after
            it; None keeps the base frozen. Batch normalisation stays frozen in any case.
        fine_tuning_epochs: Epochs of that second phase.
        fine_tuning_learning_rate: Its learning rate, low, so that the pretrained weights only adapt.
    """

    dense_units: PositiveInt
    unfreeze_from: str | None
    fine_tuning_epochs: PositiveInt
    fine_tuning_learning_rate: Annotated[float, Field(gt=0, le=1)]


def build(parameters: Parameters, input_shape: tuple[int, ...], classes: int, backbone: Model | None = None) -> Model:
    """Puts global average pooling and two dense layers on the frozen base.

    Args:
        parameters: Give `dense_units` and the layer that fine-tuning begins at.
        input_shape: Height, width and channels of the images.
        classes: Number of classes.
        backbone: The headless base, raw images in; it is frozen in place.

    Returns:
        An uncompiled model from raw images, (n, height, width, channels) in 0..255, to probabilities.

    Raises:
        BackboneError: `unfreeze_from` isn't a layer of the base.
    """
    import keras
    from keras import layers

    from dogs_vs_cats.errors import BackboneError
    from dogs_vs_cats.models.output_layers import softmax_probabilities

    backbone = cast(Any, backbone)
    names = [layer.name for layer in backbone.layers]
    if parameters.unfreeze_from not in (None, *names):
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
    x = layers.Dense(parameters.dense_units, activation="relu", name="dense_1")(x)
    return keras.Model(image, softmax_probabilities(x, classes), name="transfer_end_to_end")
