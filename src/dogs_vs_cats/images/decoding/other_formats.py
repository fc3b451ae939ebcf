"""All files but ordinary JPEG, by Pillow."""

import io
import warnings

import numpy as np
from PIL import Image

from dogs_vs_cats.images.decoding.png import check_png
from dogs_vs_cats.images.decoding.raw_image import TRUNCATED, ImageRejected, RawImage, Wanted, one_at_a_time
from dogs_vs_cats.images.decoding.sixteen_bit import to_eight_bits

# Sizes are compared with `max_pixels` instead, before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow's formats that are read. Formats that start programs (EPS) or accept half a file are left out on purpose."""

# Pillow warns about broken EXIF and odd TIFF tags, which change no pixel.
warnings.filterwarnings("ignore", module=r"PIL\.")

_ORIENTATION_TAG = 0x0112


def decode_other(data: bytes, wanted: Wanted) -> RawImage:
    """Decodes anything but ordinary JPEG."""
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
        width, height = image.size
        wanted.check_size(width, height)
        # Pillow accepts a GIF file as soon as its first image is complete.
        if image.format == "GIF" and not data.rstrip(b"\0").endswith(b";"):
            raise ImageRejected(TRUNCATED)
        with one_at_a_time(width, height):
            if image.format == "PNG":
                check_png(data)
            eight_bits, deeper = to_eight_bits(image, data, wanted.bit_depth)
            pixels = to_array(eight_bits, wanted.channels)
        height, width, _ = pixels.shape
        return RawImage(pixels, 1, exif_orientation(image), width, height, deeper)


def to_array(image: Image.Image, channels: int) -> np.ndarray:
    """Converts an image of 8 bits a sample into a uint8 array (height, width, channels)."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    mode = "RGB" if channels == 3 else "L"
    # Pillow would copy an image that already has this mode.
    pixels = np.asarray(image if image.mode == mode else image.convert(mode))
    return pixels if channels == 3 else pixels[..., np.newaxis]


def exif_orientation(image: Image.Image) -> int:
    """Returns the EXIF orientation, 1 to 8; 1 where there is none, or none that can be understood."""
    try:
        number = image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:  # broken EXIF raises anything, and the image is good without it
        return 1
    return number if number in range(1, 9) else 1
