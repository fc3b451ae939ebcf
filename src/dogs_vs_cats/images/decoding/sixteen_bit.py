"""Files with more than 8 bits a sample. Many use only some of these bits and don't say so."""

import io
import sys
from typing import Any

import numpy as np
from PIL import Image, ImageFile, TiffImagePlugin

from dogs_vs_cats.images.decoding.raw_image import ImageRejected

BIT_DEPTHS = (8, 10, 12, 14, 16)
"""Bits of a sample that sensors deliver. The depth of a source is the lowest of these that holds its largest value."""

MAX_CLIPPED = 0.01
"""Up to this fraction of an image's samples may lie above the bit depth and become white: hot pixels, burnt-in text.
An image with more of them has another depth."""

_BITS_PER_SAMPLE_TAG, _PHOTOMETRIC_TAG, _SAMPLE_FORMAT_TAG = 258, 262, 339
_WHITE_IS_ZERO, _SIGNED = 0, 2

# Pillow reads 16-bit colour as the upper 8 bits of each sample. These raw modes read the lower 8 bits instead; grey
# with transparency is read as if its four bytes were four channels.
_LOWER_BYTES = {
    f"{channels};16{order}": f"{channels};16{other}"
    for channels in ("RGB", "RGBA", "RGBX", "CMYK")
    for order, other in (("B", "L"), ("L", "B"), ("N", "B" if sys.byteorder == "little" else "L"))
} | {"LA;16B": "RGBA"}


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
    """
    bits = _declared_bits(image)
    samples = _samples(image, data)
    if samples is None:
        return image, ()
    deeper: tuple[float, ...] = ()
    if bits is None:
        deeper = tuple(float((samples >> depth > 0).mean()) for depth in BIT_DEPTHS[:-1])
        bits = _used_bits(samples, deeper, bit_depth)
    pixels = (np.minimum(samples, (1 << bits) - 1) >> (bits - 8)).astype(np.uint8)
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC_TAG) == _WHITE_IS_ZERO:
        pixels = 255 - pixels
    eight_bits = Image.fromarray(pixels, "CMYK" if image.mode == "CMYK" else None)
    if image.mode == "RGBA":
        eight_bits.putalpha(image.getchannel("A"))
    return eight_bits, deeper


def _samples(image: ImageFile.ImageFile, data: bytes) -> np.ndarray | None:
    """All bits of the samples, 0..65535, (height, width) or (height, width, 3 or 4); None for an image of 8 bits."""
    if image.mode == "F":
        raise ImageRejected("floating-point pixels, which have no fixed range: save them as 8-bit or 16-bit integers")
    if image.mode.startswith("I"):
        samples = np.asarray(image)
        low, high = int(samples.min()), int(samples.max())
        if low < 0 or high > 0xFFFF:
            raise ImageRejected(
                f"signed or 32-bit pixels, {low} to {high}, which have no fixed range: save them as 8-bit or 16-bit "
                "integers, 0 to 65535"
            )
        return samples
    if not image.tile:
        return None
    tile = image.tile[0]
    if tile.codec_name == "ppm" and tile.args == ("RGB", 0xFFFF):
        shape = image.height, image.width, 3
        return np.frombuffer(data, ">u2", int(np.prod(shape)), tile.offset).reshape(shape)
    raw_mode = _raw_mode(tile)
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        _refuse_what_pillow_misreads(image, raw_mode)
    if ";16" not in raw_mode:
        return None
    if raw_mode not in _LOWER_BYTES:
        raise ImageRejected(f"16-bit pixels in the unusual order {raw_mode}: save them as a 16-bit PNG file")
    with Image.open(io.BytesIO(data), formats=(str(image.format),)) as other:
        other.tile = [_with_raw_mode(tile, _LOWER_BYTES[raw_mode]) for tile in other.tile]
        lower = np.asarray(other)
    if raw_mode == "LA;16B":
        lower = lower[..., 1:2]
    whole: np.ndarray = (np.asarray(image).astype(np.uint16) << 8) + lower
    return whole[..., :3] if image.mode == "RGBA" else whole


def _refuse_what_pillow_misreads(image: TiffImagePlugin.TiffImageFile, raw_mode: str) -> None:
    """Refuses TIFF files whose samples Pillow takes for unsigned bytes although they are something else."""
    if _SIGNED in image.tag_v2.get(_SAMPLE_FORMAT_TAG, ()):
        raise ImageRejected("signed pixels, which have no fixed range: save them as 8-bit or 16-bit unsigned integers")
    if 16 in image.tag_v2.get(_BITS_PER_SAMPLE_TAG, ()) and ";16" not in raw_mode:
        raise ImageRejected("16-bit colours in planes that aren't compressed: save them as a 16-bit PNG file")


def _declared_bits(image: ImageFile.ImageFile) -> int | None:
    """Bits that the file itself says its samples use; None where it says 16, as all do that use fewer and don't say."""
    if isinstance(image, TiffImagePlugin.TiffImageFile):
        bits = int(image.tag_v2.get(_BITS_PER_SAMPLE_TAG, (16,))[0])
        return bits if bits < 16 else None
    # A PGM file gives the value of white. Pillow stretches any other than 65,535 to that.
    stretched = image.format == "PPM" and image.mode == "I" and image.tile[0].args not in ("I;16B", ("L", 0xFFFF))
    return 16 if stretched else None


def _used_bits(samples: np.ndarray, deeper: tuple[float, ...], bit_depth: int | None) -> int:
    """Returns the bits that an image's samples use, and refuses an image that doesn't fit the depth of its source."""
    needed = needed_bits(deeper)
    if bit_depth is None:
        if needed < BIT_DEPTHS[-1]:
            raise ImageRejected(
                f"16-bit pixels that use only {needed} bits: it isn't known whether white is {2**needed - 1} or 65535. "
                f"Set ingestion.bit_depth to {needed} or 16"
            )
        return BIT_DEPTHS[-1]
    if (clipped := float((samples >> bit_depth > 0).mean())) > MAX_CLIPPED:
        raise ImageRejected(
            f"{clipped:.0%} of its 16-bit pixels are above {2**bit_depth - 1}: they use {needed} bits, but the other "
            f"images {bit_depth} (ingestion.bit_depth)"
        )
    return bit_depth


def _raw_mode(tile: Any) -> str:
    return tile.args if isinstance(tile.args, str) else str(tile.args[0])


def _with_raw_mode(tile: Any, raw_mode: str) -> Any:
    return tile._replace(args=raw_mode if isinstance(tile.args, str) else (raw_mode, *tile.args[1:]))
