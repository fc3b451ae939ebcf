"""An image before and after resizing, its limits, and its rejection."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np

from dogs_vs_cats.images.decoding.resizing import Fit, inner_size, shrink_factor

TRUNCATED = "truncated: the end of the file is missing"
UNUSUAL_PIXELS = (
    "unsupported pixels (only unsigned integers of 8 bits are read, and of 16 bits in interleaved RGB, RGBA or grey): "
    "save the image as a PNG file"
)

_LARGE_PIXELS = 25_000_000
_large_image = threading.Lock()
_no_wait = nullcontext()


class ImageRejected(Exception):  # noqa: N818 - it is an answer about a file, not a failure of ours
    """An image file can't be used.

    Attributes:
        reason: Why, in words for the table of rejected images; free of addresses and other run-dependent parts.
        may_pass: Whether the same bytes might be decoded at another time.
    """

    def __init__(self, reason: str, *, may_pass: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.may_pass = may_pass


class Wanted(NamedTuple):
    """Arguments of `decode`, see there."""

    image_size: int
    channels: int
    max_pixels: int
    min_side: int
    bit_depth: int | None
    fit: Fit

    def check_size(self, width: int, height: int) -> None:
        """Refuses images of the wrong size by their header, before anything is decoded."""
        if min(width, height) < self.min_side:
            raise ImageRejected(f"too small: {width}x{height} pixels, ingestion.min_side is {self.min_side}")
        if width * height > self.max_pixels:
            raise ImageRejected(f"too large: {width}x{height} pixels, ingestion.max_pixels is {self.max_pixels}")

    def shrink_factor(self, width: int, height: int) -> int:
        """Returns the factor by which an image may be shrunk while it is decoded."""
        return shrink_factor(height, width, *inner_size(height, width, self.image_size, self.fit))


class DecodedImage(NamedTuple):
    """A decoded image.

    Attributes:
        pixels: uint8 array of shape (image_size, image_size, channels), 0..255, RGB or grey, upright.
        width: Upright width of the image in the file, in pixels.
        height: Upright height of the image in the file, in pixels.
        deeper: Of a file with 16 bits a sample, the fractions of samples that need more than 8, 10, 12 and 14 of them;
            empty for any other file.
    """

    pixels: np.ndarray
    width: int
    height: int
    deeper: tuple[float, ...] = ()


class RawImage(NamedTuple):
    """An image as its file has it.

    Attributes:
        pixels: uint8 array (height, width, channels), perhaps shrunk.
        factor: By which the sides of `pixels` are shorter than those of the image.
        orientation: From EXIF, 1 to 8.
        width: Width of the image, in pixels.
        height: Height of the image, in pixels.
        deeper: As in `DecodedImage`.
    """

    pixels: np.ndarray
    factor: int
    orientation: int
    width: int
    height: int
    deeper: tuple[float, ...] = ()


def one_at_a_time(width: int, height: int) -> AbstractContextManager[object]:
    """Makes large images wait for each other, so that many threads don't multiply their memory."""
    return _large_image if width * height > _LARGE_PIXELS else _no_wait
