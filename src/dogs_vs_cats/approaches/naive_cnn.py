"""The naive CNN: three convolutions trained from scratch.

The lecture's table (L1): 148×148×16, 74×74×16, 72×72×64, 36×36×64, 34×34×128, 17×17×128, 512, 1; 19,024,513
parameters on 150×150×3 images.
"""

from typing import Literal

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.parameters.training import TrainingParameters

TRAINS_ON: Literal["images", "features"] = "images"
USES_BACKBONE = False


class Parameters(TrainingParameters):
    """The naive CNN adds none."""


def build(parameters: Parameters, input_shape: tuple[int, ...], classes: int, backbone: Model | None = None) -> Model:
    """Builds the lecture's network."""
    from dogs_vs_cats.models.building import for_images

    return for_images("naive_cnn", input_shape, lambda shape: _network(shape, classes))


def _network(input_shape: tuple[int, ...], classes: int) -> Model:
    from keras import layers

    from dogs_vs_cats.models.output_layers import image_classifier

    hidden = [
        layers.Conv2D(16, 3, activation="relu", name="convolution_1"),
        layers.MaxPooling2D(2, name="pooling_1"),
        layers.Conv2D(64, 3, activation="relu", name="convolution_2"),
        layers.MaxPooling2D(2, name="pooling_2"),
        layers.Conv2D(128, 3, activation="relu", name="convolution_3"),
        layers.MaxPooling2D(2, name="pooling_3"),
        layers.Flatten(name="flatten"),
        layers.Dense(512, activation="relu", name="dense_1"),
    ]
    return image_classifier("naive_cnn", input_shape, classes, hidden)
