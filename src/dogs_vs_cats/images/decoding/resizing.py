"""Resizing an image to a square, and conversion between RGB and grey."""

import math
from typing import Literal

import cv2
import numpy as np

# Images are decoded side by side on all cores, so OpenCV's own threads would only compete with each other.
cv2.setNumThreads(1)

Fit = Literal["stretch", "crop", "pad"]
"""How an image of any shape becomes a square: its proportions change; its longer side is cut off at both ends; or bars
fill the square."""

BAR = 114
"""Value of the bars beside a padded image: the grey of YOLO's letterbox, near the mean of ImageNet's photos, with which
bases do better than with black (`benchmarks/fit.py`)."""


def resize(
    pixels: np.ndarray, image_size: int, extent: tuple[float, float] | None = None, fit: Fit = "stretch"
) -> np.ndarray:
    """Makes an image a square without aliasing. Every image of the project goes through here.

    Both ends of a side lose the same whole number of pixels, or get bars of the same width. A mirrored or turned image
    therefore becomes the mirrored or turned square.

    Args:
        pixels: uint8 array of shape (height, width, channels).
        image_size: Height and width of the result, in pixels.
        extent: Height and width of the image within `pixels`; None for all of it. A decoder that halves five pixels
            gives three, of which the last lies half outside.
        fit: How the image becomes a square.

    Returns:
        uint8 array of shape (image_size, image_size, channels); a view of `pixels` if nothing had to be resized.
    """
    height, width = extent or pixels.shape[:2]
    if fit == "crop":
        top, left = (int((side - min(height, width)) / 2) for side in (height, width))
        height, width = height - 2 * top, width - 2 * left
        pixels = pixels[top : top + math.ceil(height), left : left + math.ceil(width)]
    rows, columns = inner_size(height, width, image_size, fit)
    pixels = _stretch(pixels, (height, width), rows, columns)
    if rows == columns == image_size:
        return pixels
    square = np.full((image_size, image_size, pixels.shape[2]), BAR, np.uint8)
    without_bars(square, height, width, fit)[:] = pixels
    return square


def inner_size(height: float, width: float, image_size: int, fit: Fit) -> tuple[int, int]:
    """Returns the height and width of an image within its square, which are smaller than the square if it has bars.

    Bars of the same width on both sides leave an even number of pixels in an even square, so that the proportions
    may be off by less than a pixel. At least one pixel is left, or two.
    """
    if fit != "pad":
        return image_size, image_size
    bars = (
        min(round(image_size * (1 - side / max(height, width)) / 2), (image_size - 1) // 2) for side in (height, width)
    )
    rows, columns = (image_size - 2 * bar for bar in bars)
    return rows, columns


def without_bars(square: np.ndarray, height: float, width: float, fit: Fit) -> np.ndarray:
    """Returns the part of a square, shape (image_size, image_size, channels), that shows the image, as a view.

    Args:
        square: From `resize`.
        height: Height of the image that it was made from.
        width: Width of the image that it was made from.
        fit: How the image became the square.
    """
    rows, columns = inner_size(height, width, len(square), fit)
    top, left = (len(square) - rows) // 2, (len(square) - columns) // 2
    return square[top : top + rows, left : left + columns]


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Turns RGB into grey (ITU-R BT.601 luma, like JPEG and Pillow) or grey into RGB.

    Args:
        pixels: uint8 array of shape (height, width, 1 or 3).
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 array of shape (height, width, channels); `pixels` itself if it already has that many channels.
    """
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., np.newaxis]


def shrink_factor(height: int, width: int, rows: int, columns: int) -> int:
    """Returns the largest of 1, 2, 4 and 8 that leaves a shrunk image at least this many rows and columns."""
    return next((by for by in (8, 4, 2) if -(-height // by) >= rows and -(-width // by) >= columns), 1)


def _stretch(pixels: np.ndarray, extent: tuple[float, float], rows: int, columns: int) -> np.ndarray:
    """Resizes the sides independently.

    First the image is shrunk by the `shrink_factor`, which the JPEG decoder has already done. Then it is smoothed and
    interpolated linearly. Pillow's antialiased bilinear filter weighs the surroundings of a pixel by a triangle of
    variance s²/6, where s is the factor by which a side gets shorter. Linear interpolation contributes 1/6 to that
    variance, and the smoothing contributes the rest.
    """
    length, breadth, channels = pixels.shape
    height, width = extent
    if (height, width) == (rows, columns):
        return pixels
    if (factor := shrink_factor(length, breadth, rows, columns)) > 1:
        shrunk_length, shrunk_breadth = -(-length // factor), -(-breadth // factor)
        pixels = cv2.resize(pixels, (shrunk_breadth, shrunk_length), interpolation=cv2.INTER_AREA)
        height, width = height * shrunk_length / length, width * shrunk_breadth / breadth
    if height > rows or width > columns:
        down, across = (math.sqrt(max(ratio**2 - 1, 1e-4) / 6) for ratio in (height / rows, width / columns))
        pixels = cv2.GaussianBlur(pixels, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    # Given factors instead of a size, OpenCV keeps to the extent; the pixels beyond it are cut off.
    pixels = cv2.resize(pixels, None, fx=columns / width, fy=rows / height, interpolation=cv2.INTER_LINEAR)
    return pixels[:rows, :columns].reshape(rows, columns, channels)
