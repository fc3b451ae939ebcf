"""Choice of the augmentation engine by parameters."""

from typing import Literal

from dogs_vs_cats.compute.backend import accelerators
from dogs_vs_cats.images.augmentation.generator import FastImageDataGenerator, ImageDataGenerator
from dogs_vs_cats.parameters.augmentation import AugmentationParameters

Engine = Literal["keras", "warp", "device"]


def choose_engine(parameters: AugmentationParameters) -> Engine:
    """Resolves the engine that the parameters select on this machine.

    Args:
        parameters: With `auto`, `device` is taken where the backend sees a GPU and the engine has the interpolation
            that is asked for, else `warp`.

    Returns:
        `keras`, `warp` or `device`.
    """
    if parameters.engine != "auto":
        return parameters.engine
    return "device" if accelerators() and parameters.interpolation_order == 1 else "warp"


def create_generator(
    parameters: AugmentationParameters, engine: Literal["keras", "warp"] = "warp"
) -> ImageDataGenerator:
    """Creates the generator that transforms images on the host.

    It has no `rescale`: images stay 0..255, since models do their own scaling.

    Args:
        parameters: The transforms.
        engine: `keras` for Keras's own class, `warp` for the fast one. (The engine `device` is `DeviceAugmentation`.)

    Returns:
        A generator for float32 images of shape (height, width, channels).
    """
    generator = ImageDataGenerator if engine == "keras" else FastImageDataGenerator
    settings = parameters.model_dump(exclude={"engine"})
    return generator(**settings, data_format="channels_last", dtype="float32")
