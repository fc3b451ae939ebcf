"""The multilayer perceptron of L3, 784-128-64-10: 109,386 parameters, no convolution.

The lecture gets 98.36 % of MNIST's test images right with it, and 84.18 % of Fashion-MNIST's.
"""

from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from dogs_vs_cats.parameters.architecture import ArchitectureParameters

if TYPE_CHECKING:
    import keras

TRAINS_ON: Literal["images", "features"] = "images"
USES_BACKBONE = False


class Parameters(ArchitectureParameters):
    """What the perceptron adds.

    Attributes:
        train_on_all: Trains on the validation images too, for the final model. Nothing then tells how good it is but
            the test images: it has no validation metrics, and the comparison doesn't choose it as the best.
    """

    train_on_all: bool

    @model_validator(mode="after")
    def _nothing_to_choose_by(self) -> Self:
        chosen = self.keep_best_epoch or self.early_stopping_patience is not None
        if self.train_on_all and chosen:
            raise ValueError(
                "train_on_all leaves no validation images to choose an epoch by: set keep_best_epoch to false and "
                "early_stopping_patience to null"
            )
        return self


def build(
    parameters: Parameters, input_shape: tuple[int, ...], classes: int, backbone: "keras.Model | None" = None
) -> "keras.Model":
    """Builds the network that the parameters name.

    Args:
        parameters: Give `architecture` and `dropout`.
        input_shape: Height, width and channels of the images.
        classes: Number of classes.
        backbone: Not used.

    Returns:
        An uncompiled model from raw images, (n, height, width, channels) in 0..255, to probabilities.

    Raises:
        ParameterError: The network has no dropout to set, or the images are too small for it.
    """
    from dogs_vs_cats.architectures import build_architecture

    height, width, channels = input_shape
    return build_architecture(parameters.architecture, (height, width, channels), classes, **parameters.options())
