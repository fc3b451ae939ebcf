"""Augmentation on the accelerator: the transforms of `ImageDataGenerator` as operations of the training step."""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from dogs_vs_cats.images.augmentation.warp import linear_part
from dogs_vs_cats.parameters.augmentation import AugmentationParameters


class DeviceAugmentation(keras.layers.Layer):
    """Transforms each image of a batch at random while training; elsewhere it only makes images float32.

    Transforms have the distribution of `ImageDataGenerator`'s, from random numbers of its own, and for the same
    transform the same pixels within 0.01 of 255. It belongs before a model while that model is trained, never into
    the model that is saved.
    """

    def __init__(self, parameters: AugmentationParameters, seed: int):
        """Makes the layer.

        Args:
            parameters: The transforms; `engine` is not looked at.
            seed: Seed of the transforms. Their random state is a variable of the layer.
        """
        # Places between pixels need float32, under mixed precision too.
        super().__init__(name="augmentation", dtype="float32")
        self._parameters = parameters
        self._random = keras.random.SeedGenerator(seed, name="augmentation_seed")

    def call(self, images: Any, training: bool = False) -> Any:
        """Transforms a batch.

        Args:
            images: uint8 or float tensor of shape (n, height, width, channels), 0..255.
            training: Whether to transform.

        Returns:
            float32 tensor of the same shape, 0..255.
        """
        if not training:
            return ops.cast(images, "float32")
        settings = self._parameters
        count, height, width, _ = ops.shape(images)
        matrices = self._matrices(count, height, width)
        images = affine_transform(images, matrices, settings.fill_mode, settings.cval)
        if settings.channel_shift_range:
            reach = settings.channel_shift_range
            shift = self._uniform(count, -reach, reach)[:, None, None, None]
            low, high = (bound(images, axis=(1, 2, 3), keepdims=True) for bound in (ops.min, ops.max))
            images = ops.clip(images + shift, low, high)
        if settings.brightness_range is not None:
            factor = self._uniform(count, *settings.brightness_range)[:, None, None, None]
            # Keras hands images to Pillow, which knows whole numbers only.
            images = ops.floor(ops.clip(ops.floor(images) * factor, 0, 255))
        return images

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Returns the shape of the output, which is that of the input."""
        return input_shape

    def _matrices(self, count: Any, height: int, width: int) -> Any:
        """Draws a matrix for each image, from the distributions of `ImageDataGenerator.get_random_transform`."""
        settings = self._parameters

        # Keras draws the shift along columns from the height's range, and the other way round.
        def between(reach: float, middle: float = 0.0) -> Any:
            return self._uniform(count, middle - reach, middle + reach) if reach else ops.full((count,), middle)

        def sign(flips: bool) -> Any:
            drawn = self._uniform(count, 0.0, 1.0) if flips else ops.ones((count,))
            return ops.where(drawn < 0.5, -1.0, 1.0)

        transforms = {
            "theta": between(settings.rotation_range),
            "tx": between(settings.height_shift_range * height),
            "ty": between(settings.width_shift_range * width),
            "shear": between(settings.shear_range),
            "zx": between(settings.zoom_range, 1.0),
            "zy": between(settings.zoom_range, 1.0),
            "horizontal": sign(settings.horizontal_flip),
            "vertical": sign(settings.vertical_flip),
        }
        return transform_matrices(transforms, height, width)

    def _uniform(self, count: Any, low: float, high: float) -> Any:
        return keras.random.uniform((count,), low, high, dtype="float32", seed=self._random)


def transform_matrices(transforms: Mapping[str, Any], height: int, width: int) -> Any:
    """Combines the transforms of `ImageDataGenerator.get_random_transform` into one matrix for each image.

    Args:
        transforms: float32 tensors of shape (n,): `theta`, rotations in degrees; `tx` and `ty`, shifts to the left and
            up before the rotation, in pixels; `shear`, angles in degrees; `zx` and `zy`, columns and rows of the source
            for each column and row of the result; `horizontal` and `vertical`, -1 where the image is flipped
            afterwards, else 1.
        height: Pixels.
        width: Pixels.

    Returns:
        float32 tensor of shape (n, 2, 3) for `affine_transform`.
    """
    a, b, c, d, e, f = linear_part(transforms, ops.cos, ops.sin)
    # A flip negates the distance from the image's centre; Keras turns around another point unless it is square.
    horizontal, vertical = transforms["horizontal"], transforms["vertical"]
    aside, below = (1 - horizontal) / 2 * (width - height), (1 - vertical) / 2 * (height - width)
    c, f = c + a * aside + b * below, f + d * aside + e * below
    rows = ([a * horizontal, b * vertical, c], [d * horizontal, e * vertical, f])
    return ops.stack([ops.stack(row, axis=-1) for row in rows], axis=1)


def affine_transform(images: Any, matrices: Any, fill_mode: str, cval: float = 0.0) -> Any:
    """Samples images at affinely transformed places, between pixels bilinearly.

    The pixels are those of `scipy.ndimage.affine_transform` with `order=1`, whose fill modes it shares. `constant` and
    `wrap` jump at the image's border: a place within 1e-5 pixels of it may fall to the other side than in SciPy,
    which computes places in float64. Elsewhere differences stay below 0.01 of 255 up to some 256 pixels.

    Args:
        images: uint8 or float tensor of shape (n, height, width, channels).
        matrices: float32 tensor of shape (n, 2, 3). Counted from the centre, column x and row y are taken from
            m[0, 0] x + m[0, 1] y + m[0, 2] and m[1, 0] x + m[1, 1] y + m[1, 2]. The centre of Keras's
            `apply_affine_transform` is column (height - 1) / 2, row (width - 1) / 2.
        fill_mode: `nearest`, `reflect`, `wrap` or `constant`.
        cval: The value outside for `constant`.

    Returns:
        float32 tensor of the shape of `images`.
    """
    count, height, width, channels = ops.shape(images)
    centre_x, centre_y = height / 2 - 0.5, width / 2 - 0.5
    x = ops.arange(width, dtype="float32") - centre_x
    y = (ops.arange(height, dtype="float32") - centre_y)[:, None]
    m = matrices[:, :, :, None, None]
    # Products of scalars, not a matrix product: accelerators round the factors of those to ten bits.
    source_x = m[:, 0, 0] * x + m[:, 0, 1] * y + m[:, 0, 2]
    source_y = m[:, 1, 0] * x + m[:, 1, 1] * y + m[:, 1, 2]
    left, right, part_x, inside_x = _neighbours(source_x, centre_x, width, fill_mode)
    above, below, part_y, inside_y = _neighbours(source_y, centre_y, height, fill_mode)

    pixels = ops.reshape(images, (-1, channels))
    first = (ops.arange(count, dtype="int32") * (height * width))[:, None, None]

    def at(row: Any, column: Any) -> Any:
        return ops.cast(ops.take(pixels, first + row * width + column, axis=0), "float32")

    part_x, part_y = part_x[..., None], part_y[..., None]
    top = at(above, left) * (1 - part_x) + at(above, right) * part_x
    bottom = at(below, left) * (1 - part_x) + at(below, right) * part_x
    sampled = top * (1 - part_y) + bottom * part_y
    if fill_mode == "constant":
        return ops.where(ops.logical_and(inside_x, inside_y)[..., None], sampled, cval)
    return sampled


def _neighbours(source: Any, centre: float, size: int, fill_mode: str) -> tuple[Any, Any, Any, Any]:
    """The two pixels beside each place on one axis.

    Args:
        source: Places, counted from the centre.
        centre: The centre, counted from pixel 0.
        size: Pixels on this axis.
        fill_mode: How places outside are filled.

    Returns:
        Index of the pixel before and after (int32), the weight of the one after, and whether the place is inside.
    """
    place = source + centre
    before = ops.floor(place)
    # From the centre numbers are smaller and so rounded less.
    part = source - (before - centre)
    last = size - 1
    index = _wrapped(place, before, size) if fill_mode == "wrap" else before
    after = index + 1
    if fill_mode == "reflect":
        index, after = _reflected(index, size), _reflected(after, size)
    index, after = (ops.cast(ops.clip(i, 0, last), "int32") for i in (index, after))
    return index, after, part, ops.logical_and(place >= 0, place <= last)


def _wrapped(place: Any, before: Any, size: int) -> Any:
    """SciPy's `wrap`: the period is one less than the size, as if the last pixel lay on the first."""
    period = max(size - 1, 1)
    turns = ops.where(place < 0, ops.floor(-place / period) + 1, -ops.floor(place / period))
    return ops.where(ops.logical_or(place < 0, place > size - 1), before + turns * period, before)


def _reflected(index: Any, size: int) -> Any:
    index = index - ops.floor(index / (2 * size)) * (2 * size)
    return ops.minimum(index, 2 * size - 1 - index)
