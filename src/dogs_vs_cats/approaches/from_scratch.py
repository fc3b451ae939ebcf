"""A network of the model zoo, trained from scratch: `architecture` names it, see `dogs_vs_cats.models.architectures`.

The approaches with the lectures' MNIST networks are this one, each with a block of parameters of its own.
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
    parameters: ArchitectureParameters,
    input_shape: tuple[int, ...],
    classes: int,
    backbone: "keras.Model | None" = None,
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
        ParameterError: The images are too small for the network, or it can't be built for such classes.
    """
    from dogs_vs_cats.models.architectures import build_architecture

    height, width, channels = input_shape
    return build_architecture(parameters.architecture, (height, width, channels), classes, **parameters.options())


def with_auxiliaries(parameters: ArchitectureParameters, model: "keras.Model", classes: int) -> "keras.Model":
    """Adds the auxiliary classifiers that the network is trained with, where it has any (GoogLeNet).

    Args:
        parameters: Give `architecture`.
        model: What `build` returned, or a copy of it.
        classes: Number of classes.

    Returns:
        A model that shares its weights and answers first what it answers; the model itself where there are none.
    """
    from dogs_vs_cats.models.architectures import AUXILIARIES

    add = AUXILIARIES.get(parameters.architecture)
    return add(model, classes) if add else model
