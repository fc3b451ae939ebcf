"""Files with more than 8 bits a sample. Many use only some of these bits and don't say so."""

import cv2
import numpy as np
from PIL import Image, ImageFile

from dogs_vs_cats.images.decoding.raw_image import UNUSUAL_PIXELS, ImageRejected

BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Bits of a sample that sensors deliver. The depth of a source is the lowest of these that holds its largest value."""

MAX_CLIPPED = 0.01
"""Up to this fraction of an image's samples may lie above the bit depth and become white: hot pixels, burnt-in text.
An image with more of them has another depth."""

_BITS_PER_SAMPLE_TAG, _PHOTOMETRIC_TAG, _SAMPLE_FORMAT_TAG = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2


def needed_bits(deeper: tuple[float, ...]) -> int:
    """Returns the lowest of `BIT_DEPTHS` that holds all samples; `deeper` as in `DecodedImage`."""
    return BIT_DEPTHS[sum(fraction > 0 for fraction in deeper)]


def to_eight_bits(
    image: ImageFile.ImageFile, data: bytes, bit_depth: int | None
) -> tuple[Image.Image, tuple[float, ...]]:
    """Converts an image with more than 8 bits a sample to 8 bits; any other image stays as it is.

    Args:
        image: The opened file.
        data: The whole file.
        bit_depth: As in `decode`.

    Returns:
        The image in a mode of Pillow with 8 bits, and `DecodedImage.deeper`.

    Raises:
        ImageRejected: The samples have no fixed range, or don't fit the bit depth.
    """
    tags = getattr(image, "tag_v2", {})
    bits = _declared_bits(image, tags)
    samples = _samples(image, tags, data)
    if samples is None:
        return image, ()
    deeper: tuple[float, ...] = ()
    if bits is None:
        deeper = tuple(float((samples >> depth > 0).mean()) for depth in BIT_DEPTHS[:-1])
        bits = _used_bits(samples, deeper, bit_depth)
    pixels = (np.minimum(samples, (1 << bits) - 1) >> (bits - 8)).astype(np.uint8)
    if tags.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        pixels = 255 - pixels
    eight_bits = Image.fromarray(pixels)
    if image.mode == "RGBA":
        eight_bits.putalpha(image.getchannel("A"))
    return eight_bits, deeper


def _samples(image: ImageFile.ImageFile, tags: dict[int, tuple[int, ...]], data: bytes) -> np.ndarray | None:
    """All bits of the samples, 0..65535, (height, width) or (height, width, 3); None for an image of 8 bits."""
    if image.mode.startswith("I"):
        samples = np.asarray(image)
        if samples.min() >= 0 and samples.max() <= 0xFFFF:
            return samples
    elif _has_deep_colours(image, tags, data):
        # Pillow reads 8 bits and notices damage; OpenCV reads all 16. Each misreads some layouts.
        eight, bgr = np.asarray(image), cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if image.mode in ("RGB", "RGBA") and bgr is not None:
            rgb: np.ndarray = bgr[..., 2::-1].astype(np.uint16)
            if cv2.absdiff((rgb >> 8).astype(np.uint8), eight[..., :3]).max() <= 1:
                return rgb
    elif image.mode != "F" and _SIGNED not in tags.get(_SAMPLE_FORMAT_TAG, ()):
        return None
    raise ImageRejected(UNUSUAL_PIXELS)


def _has_deep_colours(image: ImageFile.ImageFile, tags: dict[int, tuple[int, ...]], data: bytes) -> bool:
    if image.format == "PNG":
        return data[24] == 16
    if image.format == "PPM":
        return image.tile[0].args == ("RGB", 0xFFFF)
    return 16 in tags.get(_BITS_PER_SAMPLE_TAG, ())


def _declared_bits(image: ImageFile.ImageFile, tags: dict[int, tuple[int, ...]]) -> int | None:
    """Bits that the file itself says its samples use; None where it says 16, as all do that use fewer and don't say."""
    if image.format == "PPM":
        # A PGM file gives the value of white. Pillow stretches any other than 65,535 to that.
        return None if image.tile[0].args in ("I;16B", ("L", 0xFFFF), ("RGB", 0xFFFF)) else 16
    bits = tags.get(_BITS_PER_SAMPLE_TAG, (16,))[0]
    return bits if bits < 16 else None


def _used_bits(samples: np.ndarray, deeper: tuple[float, ...], bit_depth: int | None) -> int:
    """Returns the bits that an image's samples use, and refuses an image that doesn't fit the depth of its source."""
    needed = needed_bits(deeper)
    if bit_depth is None and needed < BIT_DEPTHS[-1]:
        raise ImageRejected(
            f"16-bit pixels that use only {needed} bits: it isn't known whether white is {2**needed - 1} or 65535. "
            f"Set ingestion.bit_depth to {needed} or 16"
        )
    bits = bit_depth or BIT_DEPTHS[-1]
    if (clipped := float((samples >> bits > 0).mean())) > MAX_CLIPPED:
        raise ImageRejected(
            f"{clipped:.0%} of its 16-bit pixels are above {2**bits - 1}: they use {needed} bits, but the other "
            f"images {bits} (ingestion.bit_depth)"
        )
    return bits
