"""A drop-in for Keras's `ImageDataGenerator` that warps an image once instead of once a channel with splines."""

from typing import Any, Literal

import numpy as np

# Keras's public namespace lost the class; this one exists for `tf.keras`, and doesn't import TensorFlow itself.
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

from dogs_vs_cats.compute.backend import accelerators
from dogs_vs_cats.images.augmentation import warp
from dogs_vs_cats.parameters.augmentation import AugmentationParameters

__all__ = ["FastImageDataGenerator", "ImageDataGenerator", "choose_engine", "create_generator"]

Engine = Literal["keras", "warp", "device"]

AFTER_WARP = ("channel_shift_intensity", "flip_horizontal", "flip_vertical", "brightness")


class FastImageDataGenerator(ImageDataGenerator):
    """Keras's `ImageDataGenerator`, with its affine step (nearly all of its time) done by one OpenCV remap.

    Interface, random draws and all other steps are Keras's own code: the same seed gives the same transforms in the
    same order, and pixels within 0.01 of 255 of Keras's. A change of brightness truncates to whole numbers, and so can
    turn such a difference into one of 1 or 2. Images larger than 512 pixels go through Keras's own affine step, because
    the warp can't keep to that bound; with `reflect`, so do transforms that reach further than 512 pixels.
    `create_generator` knows the settings that the warp is for. Objects are thread-safe.
    """

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Applies one transform to one image.

        Args:
            x: float32 image of shape (height, width, 1 or 3).
            transform_parameters: As `get_random_transform` draws them; any may be left out.

        Returns:
            The transformed image; shape and dtype are those of `x`.
        """
        height, width, _ = x.shape
        matrix = warp.matrix_of(transform_parameters, height, width)
        if warp.is_exact(matrix, height, width, self.fill_mode):
            warped = warp.affine(x, matrix, self.fill_mode)
            if transform_parameters.get("brightness") is not None:
                # Keras stretches an image that a rounding has put beyond 255.
                np.clip(warped, x.min(), x.max(), out=warped)
            x = warped
            transform_parameters = {name: transform_parameters.get(name) for name in AFTER_WARP}
        transformed: np.ndarray = super().apply_transform(x, transform_parameters)
        return transformed


def choose_engine(parameters: AugmentationParameters) -> Engine:
    """Resolves the engine that the parameters select on this machine.

    Args:
        parameters: With `auto`, `device` is taken where the backend sees a GPU and the engine has the interpolation
            that is asked for, else `warp`.
    """
    if parameters.engine != "auto":
        return parameters.engine
    return "device" if accelerators() and parameters.interpolation_order == 1 else "warp"


def create_generator(parameters: AugmentationParameters, engine: Engine = "warp") -> ImageDataGenerator:
    """Creates the generator that transforms images on the host.

    It has no `rescale`: images stay 0..255, since models do their own scaling. `FastImageDataGenerator` is left out
    where it couldn't keep to its bound: with other fill modes and interpolations.

    Args:
        parameters: The transforms.
        engine: `keras` for Keras's own class, else the fast one. (The engine `device` is `DeviceAugmentation`.)

    Returns:
        A generator for float32 images of shape (height, width, channels).
    """
    can_warp = parameters.fill_mode in warp.BORDERS and parameters.interpolation_order == 1
    generator = FastImageDataGenerator if engine != "keras" and can_warp else ImageDataGenerator
    settings = parameters.model_dump(exclude={"engine"})
    return generator(**settings, data_format="channels_last", dtype="float32")
