"""JPEG files, by libjpeg-turbo, which may shrink while decoding."""

import io
import re
import threading
from typing import Any

import numpy as np
import simplejpeg
from PIL import Image

from dogs_vs_cats.images.decoding import other_formats
from dogs_vs_cats.images.decoding.raw_image import ImageRejected, RawImage, Wanted, check_size, one_at_a_time
from dogs_vs_cats.images.decoding.resizing import shrink_factor

USUAL_SCANS = 12
"""Most scans that encoders write. Each one passes over the whole image, in a hostile file for a few bytes."""

# Each thread reuses its memory: fresh pages for every image would take a sixth of the time.
_scratch = threading.local()
_SCRATCH_BYTES = 1 << 22

# Start of a scan of 1 to 4 components: marker, length, count. The marker alone also occurs by chance, in videos that
# phones append to a photo.
_SCAN = re.compile(rb"\xff\xda\x00(?:\x08\x01|\x0a\x02|\x0c\x03|\x0e\x04)")

_SEQUENTIAL_FRAMES = (0xC0, 0xC1, 0xC9)
"""Starts of frames whose scans each have all of a component: baseline, extended, and that arithmetically coded."""


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
            return other_formats.decode_other(data, wanted)
        raise
    check_size(width, height, wanted)
    has_exif, has_one_scan = _read_segments(data)
    if not has_one_scan:
        scans = len(_SCAN.findall(data))
        if scans * width * height > USUAL_SCANS * wanted.max_pixels:
            raise ImageRejected(
                f"too large: {scans} scans of {width}x{height} pixels, as much work as "
                f"{scans * width * height // USUAL_SCANS} pixels; ingestion.max_pixels is {wanted.max_pixels}"
            )
    channels = wanted.channels
    inks = colorspace in ("CMYK", "YCCK")
    factor = 1 if inks else shrink_factor(height, width, wanted.image_size)
    with one_at_a_time(width, height):
        shrunk_height, shrunk_width = -(-height // factor), -(-width // factor)
        pixels = _strict_jpeg(
            data,
            colorspace="CMYK" if inks else "RGB" if channels == 3 else "GRAY",
            min_height=shrunk_height,
            min_width=shrunk_width,
            # Most files have half as much chroma as luma. In a shrunk image both are equal, so nothing is interpolated.
            fastupsample=factor > 1,
            buffer=_memory(shrunk_height * shrunk_width * (4 if inks else channels)),
        )
        if inks:
            # Only Pillow knows how inks become colours; the strict decode above made sure that the file is whole.
            with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
                return RawImage(
                    other_formats.to_array(image, channels), 1, other_formats.orientation(image), width, height
                )
    orientation = 1
    if has_exif:
        with Image.open(io.BytesIO(data), formats=("JPEG",)) as image:
            orientation = other_formats.orientation(image)
    return RawImage(pixels, factor, orientation, width, height)


def _read_segments(data: bytes) -> tuple[bool, bool]:
    """Reads the segments before a JPEG file's pixels, 20 times as fast as Pillow opens the file.

    Returns:
        Whether there is an EXIF segment; and whether one scan has the whole image, as in all but progressive files:
        libjpeg refuses a second one then. Where the segments can't be followed, the latter isn't known, and False.
    """
    at, has_exif, components = 2, False, 0
    while at + 10 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return has_exif, data[at + 4] == components
        if marker == 0xE1:
            has_exif = has_exif or data.startswith(b"Exif\0\0", at + 4)
        elif marker in _SEQUENTIAL_FRAMES:
            components = data[at + 9]
        at += 2 + (data[at + 2] << 8) + data[at + 3]
    return has_exif, False


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


def _memory(size: int) -> np.ndarray | None:
    """Returns memory of this thread for an image of `size` bytes; None for a large image, which gets its own."""
    if size > _SCRATCH_BYTES:
        return None
    memory: np.ndarray | None = getattr(_scratch, "memory", None)
    if memory is None:
        memory = _scratch.memory = np.empty(_SCRATCH_BYTES, np.uint8)
    return memory
