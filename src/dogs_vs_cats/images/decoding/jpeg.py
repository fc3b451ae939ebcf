"""JPEG files, by libjpeg-turbo, which may shrink while decoding."""

import io
import re
import threading
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from dogs_vs_cats.images.decoding.other_formats import decode_other, exif_orientation
from dogs_vs_cats.images.decoding.raw_image import ImageRejected, RawImage, Wanted, one_at_a_time

USUAL_SCANS = 12
"""Most scans that encoders write. Each one passes over the whole image, in a hostile file for a few bytes."""

# With the upper byte of its length, so that few are found by chance. Regular expressions are faster than `bytes.count`.
_START_OF_SCAN = re.compile(rb"\xff\xda\x00")
_EXIF = re.compile(rb"Exif\0\0")
_SCRATCH_BYTES = 1 << 22


class _Scratch(threading.local):
    """Memory that each thread reuses: fresh pages for every image would take a sixth of the time."""

    def __init__(self) -> None:
        self.memory = np.empty(_SCRATCH_BYTES, np.uint8)


_scratch = _Scratch()


def decode_jpeg(data: bytes, wanted: Wanted) -> RawImage:
    """Decodes a JPEG file, shrunk if the result is to be much smaller."""
    if data[6:11] == b"JFIF\0" and data[11] != 1:
        # libjpeg warns of an unknown revision, which says nothing about the image. The revision is corrected and the
        # warning not ignored, because libjpeg reports only the first warning, which could hide a truncated file.
        data = data[:11] + b"\x01\x01" + data[13:]
    try:
        height, width, colorspace, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError as error:
        if "subsampling" in str(error):  # a rare one that only libjpeg's older interface decodes, or half a header
            return decode_other(data, wanted)
        raise
    wanted.check_size(width, height)
    scans = len(_START_OF_SCAN.findall(data))
    if scans * width * height > USUAL_SCANS * wanted.max_pixels:
        raise ImageRejected(
            f"too large: {scans} scans of {width}x{height} pixels, as much work as "
            f"{scans * width * height // USUAL_SCANS} pixels; ingestion.max_pixels is {wanted.max_pixels}"
        )
    inks = colorspace in ("CMYK", "YCCK")
    channels, colours = (4, "CMYK") if inks else (wanted.channels, "RGB" if wanted.channels == 3 else "GRAY")
    factor = 1 if inks else wanted.shrink_factor(width, height)
    shrunk_height, shrunk_width = -(-height // factor), -(-width // factor)
    with one_at_a_time(width, height):
        pixels = _strict_jpeg(
            data,
            colorspace=colours,
            min_height=shrunk_height,
            min_width=shrunk_width,
            # Most files have half as much chroma as luma. In a shrunk image both are equal, so nothing is interpolated.
            fastupsample=factor > 1,
            # Larger images get memory of their own.
            buffer=_scratch.memory if shrunk_height * shrunk_width * channels <= _SCRATCH_BYTES else None,
        )
    if inks:
        # Only Pillow knows how inks become colours; the strict decode above made sure that the file is whole.
        return decode_other(data, wanted)
    orientation = 1
    # Anywhere, as segments before it may have the bytes of a scan. Pillow then reads the right one.
    if _EXIF.search(data):
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            orientation = exif_orientation(image)
    return RawImage(pixels, factor, orientation, width, height)


def _strict_jpeg(data: bytes, **options: Any) -> np.ndarray:
    """Decodes, and treats every warning of libjpeg's as an error except one that can't concern the image.

    Superfluous bytes before the end marker (0xd9) come after the last pixel. As the first warning counts, nothing was
    amiss before them, and nothing comes after them. Many photos of the Microsoft version of the data set have them.
    """
    try:
        pixels: np.ndarray = simplejpeg.decode_jpeg(data, **options)
    except ValueError as error:
        if "extraneous bytes before marker 0xd9" not in str(error):
            raise
        pixels = simplejpeg.decode_jpeg(data, strict=False, **options)
    return pixels
