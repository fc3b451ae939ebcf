"""A picture before and after it is decoded, the limits that it has to keep, and its rejection."""

import threading
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np

_LARGE_PIXELS = 25_000_000
_large_picture = threading.Lock()
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
    """What `decode` is asked for; see there."""

    image_size: int
    channels: int
    max_pixels: int
    min_side: int
    bit_depth: int | None


class DecodedImage(NamedTuple):
    """A decoded picture.

    Attributes:
        pixels: uint8 array of shape (image_size, image_size, channels), 0..255, RGB or grey, upright.
        width: Upright width of the file's picture, in pixels.
        height: Upright height of the file's picture, in pixels.
        deeper: Of a file with 16 bits a sample, the fractions of samples that need more than 8, 10, 12 and 14 of them;
            empty for any other file.
    """

    pixels: np.ndarray
    width: int
    height: int
    deeper: tuple[float, ...] = ()


class Picture(NamedTuple):
    """A picture as it lies in its file.

    Attributes:
        pixels: uint8 array (height, width, channels), perhaps shrunk.
        factor: How often the sides of `pixels` go into the picture's.
        orientation: From EXIF, 1 to 8.
        width: Width of the picture, in pixels.
        height: Height of the picture, in pixels.
        deeper: As in `DecodedImage`.
    """

    pixels: np.ndarray
    factor: int
    orientation: int
    width: int
    height: int
    deeper: tuple[float, ...] = ()


def one_at_a_time(width: int, height: int) -> AbstractContextManager[object]:
    """Large pictures wait for each other, so that many threads don't multiply their memory."""
    return _large_picture if width * height > _LARGE_PIXELS else _no_wait


def check_size(width: int, height: int, wanted: Wanted) -> None:
    """Refuses sizes that a header promises, before anything is decoded."""
    if min(width, height) < wanted.min_side:
        raise ImageRejected(f"too small: {width}x{height} pixels, ingestion.min_side is {wanted.min_side}")
    if width * height > wanted.max_pixels:
        raise ImageRejected(f"too large: {width}x{height} pixels, ingestion.max_pixels is {wanted.max_pixels}")
