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

AFTER_WARP = ("channel_shift_intensity", "flip_horizontal", "flip_vertical")


class FastImageDataGenerator(ImageDataGenerator):
    """Keras's `ImageDataGenerator`, with its affine step (nearly all of its time) done by one OpenCV remap.

    Interface, random draws and all other steps are Keras's own code: the same seed gives the same transforms in the
    same order, and pixels within 0.01 of 255 of Keras's.

    These cases go through Keras's own code at its speed, because the warp can't keep to that bound:

    * `fill_mode` other than `nearest` and `reflect`, and `interpolation_order` other than 1,
    * `brightness_range`, which truncates to whole numbers and so can turn a difference of 0.001 into 1; likewise
      `samplewise_std_normalization` and `zca_whitening`, which can enlarge differences without bound,
    * images that aren't float32 (`flow()` makes them so), don't have their channels last, or have another number of
      channels than 1, 3 or 4,
    * images larger than 512 pixels; with `reflect`, also transforms that reach further than 512 pixels.

    Objects are thread-safe.
    """

    def apply_transform(self, x: np.ndarray, transform_parameters: dict[str, Any]) -> np.ndarray:
        """Applies one transform to one image.

        Args:
            x: Image of rank 3, axes as in `data_format`.
            transform_parameters: As `get_random_transform` draws them; any may be left out.

        Returns:
            The transformed image; shape and dtype are those of `x`.
        """
        if self._can_warp(x, transform_parameters):
            height, width, _ = x.shape
            matrix = warp.matrix_of(transform_parameters, height, width)
            if warp.is_exact(matrix, height, width, self.fill_mode):
                x = warp.affine(x, matrix, self.fill_mode)
                given = {name: transform_parameters.get(name) for name in AFTER_WARP}
                transform_parameters = {name: value for name, value in given.items() if value}
                if not transform_parameters:
                    return x
        transformed: np.ndarray = super().apply_transform(x, transform_parameters)
        return transformed

    def _can_warp(self, x: np.ndarray, transform: dict[str, Any]) -> bool:
        return (
            self.fill_mode in warp.BORDERS
            and self.interpolation_order == 1
            and self.data_format == "channels_last"
            and transform.get("brightness") is None
            and not self.samplewise_std_normalization
            and not self.zca_whitening
            and x.ndim == 3
            and x.dtype == np.float32
            and x.shape[2] in (1, 3, 4)
        )


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

    It has no `rescale`: images stay 0..255, since models do their own scaling.

    Args:
        parameters: The transforms.
        engine: `keras` for Keras's own class, else the fast one. (The engine `device` is `DeviceAugmentation`.)

    Returns:
        A generator for float32 images of shape (height, width, channels).
    """
    generator = ImageDataGenerator if engine == "keras" else FastImageDataGenerator
    settings = parameters.model_dump(exclude={"engine"})
    return generator(**settings, data_format="channels_last", dtype="float32")
