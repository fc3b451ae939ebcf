"""LeNet-5 as the tf.keras lecture (L2) rebuilds it: 257,546 parameters on 28×28×1 images.

The lecture trains it with Adam in batches of 1,024 for 20 epochs on the first 40,000 images of MNIST, and gets 98.81 %
of the 10,000 test images right. `architecture: lenet5_original` is the network of 1998.
"""

from typing import TYPE_CHECKING, Literal

from dogs_vs_cats.parameters.architecture import ArchitectureParameters

if TYPE_CHECKING:
    import keras

TRAINS_ON: Literal["images", "features"] = "images"
USES_BACKBONE = False


class Parameters(ArchitectureParameters):
    """What every network of the zoo takes."""


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
