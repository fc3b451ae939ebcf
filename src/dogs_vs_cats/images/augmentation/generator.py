"""A drop-in for Keras's `ImageDataGenerator` that warps an image once instead of once a channel with splines."""

import math
from typing import Any

import numpy as np

# Keras's public namespace lost the class; this one exists for `tf.keras`, and doesn't import TensorFlow itself.
from keras._tf_keras.keras.preprocessing.image import ImageDataGenerator

from dogs_vs_cats.images.augmentation import warp

__all__ = ["FastImageDataGenerator", "ImageDataGenerator"]

AFTER_WARP = ("channel_shift_intensity", "flip_horizontal", "flip_vertical")


class FastImageDataGenerator(ImageDataGenerator):
    """Keras's `ImageDataGenerator`, with its affine step (nearly all of its time) done by one OpenCV remap.

    Interface, random draws and all other steps are Keras's own code: the same seed gives the same transforms in the
    same order, and pixels within 0.01 of 255 of Keras's.

    These cases go through Keras's own code at its speed, because the warp can't keep to that bound:

    * `fill_mode` other than `nearest` and `reflect`, and `interpolation_order` other than 1,
    * `brightness_range`, which truncates to whole numbers and so can turn a difference of 0.001 into 1; likewise
      `samplewise_std_normalization` and `zca_whitening`, which can enlarge differences without bound,
    * images that aren't float32 (`flow()` makes them so), or have another number of channels than 1, 3 or 4,
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
        warped = self._warp(x, transform_parameters) if self._can_warp(x, transform_parameters) else None
        if warped is not None:
            x = warped
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
            and transform.get("brightness") is None
            and not self.samplewise_std_normalization
            and not self.zca_whitening
            and x.ndim == 3
            and x.dtype == np.float32
            and x.shape[self.channel_axis - 1] in (1, 3, 4)
        )

    def _warp(self, x: np.ndarray, transform: dict[str, Any]) -> np.ndarray | None:
        """Returns the image after the affine step, or None where that can't be exact enough."""
        channels_first = self.channel_axis == 1
        height, width = x.shape[1:] if channels_first else x.shape[:2]
        matrix = _matrix(transform, height, width)
        if not warp.is_exact(matrix, height, width, self.fill_mode):
            return None
        if channels_first:
            return np.stack([warp.affine(channel[..., None], matrix, self.fill_mode)[..., 0] for channel in x])
        return warp.affine(x, matrix, self.fill_mode)


def _matrix(transform: dict[str, Any], height: int, width: int) -> warp.Matrix:
    """Combines rotation, shift, shear and zoom as Keras's `apply_affine_transform` does."""
    angle = math.radians(transform.get("theta", 0))
    sheared = angle + math.radians(transform.get("shear", 0))
    shift_x, shift_y = transform.get("tx", 0), transform.get("ty", 0)
    zoom_x, zoom_y = transform.get("zx", 1), transform.get("zy", 1)
    cosine, sine = math.cos(angle), math.sin(angle)
    a, b = cosine * zoom_x, -math.sin(sheared) * zoom_y
    d, e = sine * zoom_x, math.cos(sheared) * zoom_y
    # The centre it turns around. That columns take the height and rows the width is Keras's doing.
    centre_x, centre_y = height / 2 - 0.5, width / 2 - 0.5
    c = cosine * shift_x - sine * shift_y + centre_x - a * centre_x - b * centre_y
    f = sine * shift_x + cosine * shift_y + centre_y - d * centre_x - e * centre_y
    return a, b, c, d, e, f
