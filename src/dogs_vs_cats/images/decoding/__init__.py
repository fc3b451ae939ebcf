"""Decodes the bytes of an image file into upright pixels of one size.

Ingestion, inference and serving all call `decode`, so a model is served the same pixels that it was trained on.

Unusual files:

* Greyscale, palette, CMYK, YCCK and 16-bit files become 8-bit RGB (or grey). Embedded colour profiles are not
  applied, as in Keras.
* Files with 16 bits a sample often use only 8, 10, 12 or 14 of them and don't say so. `bit_depth` says how many their
  source uses; the upper eight of these are used.
* Transparent parts are shown on white, as a browser would show them.
* EXIF orientation is applied. Of animations and multi-page files, the first image is used.
* Images become squares: stretched, as by Keras's `flow_from_directory`; cropped to the central square; or padded.
* HEIC images are rotated as their container says, all others as EXIF says.
* Rejected with a reason: empty, truncated or damaged files; files that aren't images; floating-point and negative
  pixels (they have no fixed range); 16-bit colours in separate planes; fewer than `min_side` pixels on a side; and more
  than `max_pixels` pixels. Sizes are read from the header, before anything is decoded.
"""

import re

import numpy as np
from PIL import UnidentifiedImageError

from dogs_vs_cats.images.decoding.heif import decode_heif, is_heif
from dogs_vs_cats.images.decoding.jpeg import decode_jpeg
from dogs_vs_cats.images.decoding.other_formats import FORMATS, decode_other
from dogs_vs_cats.images.decoding.raw_image import TRUNCATED, UNUSUAL_PIXELS, DecodedImage, ImageRejected, Wanted
from dogs_vs_cats.images.decoding.resizing import Fit, resize, to_channels

__all__ = ["VERSION", "DecodedImage", "Fit", "ImageRejected", "decode"]

VERSION = 4
"""Version of the pixels: raise it with every change to them, so that cached images are decoded again."""


def decode(
    data: bytes | np.ndarray,
    *,
    image_size: int,
    channels: int,
    max_pixels: int,
    min_side: int = 4,
    bit_depth: int | None = None,
    fit: Fit = "stretch",
) -> DecodedImage:
    """Decodes one image file, where it isn't pixels already, and resizes it.

    JPEG files are decoded by libjpeg-turbo, which shrinks by 2, 4 or 8 while decoding as long as neither side falls
    below that of the result. The result differs from that of a full decode by about 0.5 of 255 on average for photos of
    a usual size, less than half of the difference between two good filters. The function is thread-safe, and decoding
    releases the interpreter lock.

    Args:
        data: The whole file; or pixels, uint8 (height, width, 1 or 3), to which no limits apply.
        image_size: Height and width of the result, in pixels.
        channels: 3 for RGB, 1 for grey.
        max_pixels: Largest allowed width times height.
        min_side: Smallest allowed width and height.
        bit_depth: Bits that a file with 16 bits a sample uses, 8 to 16. None where that isn't known: only files that
            need more than 14 of them are used then.
        fit: How an image that isn't a square becomes one.

    Returns:
        The upright pixels and the upright original size.

    Raises:
        ImageRejected: The file is not a usable image; see the module's documentation.
    """
    if isinstance(data, np.ndarray):
        return DecodedImage(resize(to_channels(data, channels), image_size, fit=fit), data.shape[1], data.shape[0])
    if not data:
        raise ImageRejected("empty file")
    wanted = Wanted(image_size, channels, max_pixels, min_side, bit_depth, fit)
    # Image libraries answer hostile files with nearly every exception there is: each of them rejects the file.
    try:
        if data.startswith(b"\xff\xd8\xff"):
            raw = decode_jpeg(data, wanted)
        else:
            raw = (decode_heif if is_heif(data) else decode_other)(data, wanted)
        extent = raw.height / raw.factor, raw.width / raw.factor
        square = _upright(resize(raw.pixels, image_size, extent, fit), raw.orientation)
        # An image that wasn't resized lies in memory that this thread reuses for the next one.
        square = square.copy() if np.may_share_memory(square, raw.pixels) else np.ascontiguousarray(square)
    except ImageRejected:
        raise
    except MemoryError:
        raise ImageRejected("needs more memory than there is", may_pass=True) from None
    except UnidentifiedImageError:
        if data.startswith((b"II*\0", b"MM\0*")):
            raise ImageRejected(f"a damaged TIFF file, or {UNUSUAL_PIXELS}") from None
        raise ImageRejected(f"not an image in a known format ({', '.join(sorted((*FORMATS, 'HEIC')))})") from None
    except Exception as error:
        raise ImageRejected(_reason(error)) from None
    width, height = (raw.height, raw.width) if raw.orientation >= 5 else (raw.width, raw.height)
    return DecodedImage(square, width, height, raw.deeper)


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Undoes an EXIF orientation (Exif 2.3, tag 0x0112) on an array (height, width, channels)."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def _reason(error: Exception) -> str:
    """Words a library's error for the table of rejected images: one line, the same in every run."""
    text = re.sub(r"<[^>]*>", "", " ".join(str(error).split())) or type(error).__name__
    if re.search(
        "truncated|premature end of jpeg|end of file|insufficient image data|empty input", text, re.IGNORECASE
    ):
        return TRUNCATED
    return f"damaged: {text}"
