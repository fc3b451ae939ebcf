"""Resizing an image to a square, and conversion between RGB and grey."""

import math

import cv2
import numpy as np

# Images are decoded side by side on all cores, so OpenCV's own threads would only compete with each other.
cv2.setNumThreads(1)


def resize(pixels: np.ndarray, image_size: int, extent: tuple[float, float] | None = None) -> np.ndarray:
    """Stretches an image to a square without aliasing. Every image of the project goes through here.

    First the image is shrunk by the `shrink_factor`, which the JPEG decoder has already done. Then it is smoothed and
    interpolated linearly. Pillow's antialiased bilinear filter weighs the surroundings of a pixel by a triangle of
    variance s²/6, where s is the factor by which a side gets shorter. Linear interpolation contributes 1/6 to that
    variance, and the smoothing contributes the rest.

    Args:
        pixels: uint8 array of shape (height, width, channels).
        image_size: Height and width of the result, in pixels.
        extent: Height and width of the image within `pixels`; None for all of it. A decoder that halves five pixels
            gives three, of which the last lies half outside.

    Returns:
        uint8 array of shape (image_size, image_size, channels); `pixels` itself if it already has that size.
    """
    length, breadth, channels = pixels.shape
    height, width = extent or (length, breadth)
    if height == width == image_size:
        return pixels
    if (factor := shrink_factor(length, breadth, image_size)) > 1:
        shrunk_length, shrunk_breadth = -(-length // factor), -(-breadth // factor)
        pixels = cv2.resize(pixels, (shrunk_breadth, shrunk_length), interpolation=cv2.INTER_AREA)
        height, width = height * shrunk_length / length, width * shrunk_breadth / breadth
    if max(height, width) > image_size:
        across, down = (math.sqrt(max((side / image_size) ** 2 - 1, 1e-4) / 6) for side in (width, height))
        pixels = cv2.GaussianBlur(pixels, (0, 0), across, sigmaY=down, borderType=cv2.BORDER_REPLICATE)
    # Given factors instead of a size, OpenCV keeps to the extent; the pixels beyond it are cut off.
    pixels = cv2.resize(pixels, None, fx=image_size / width, fy=image_size / height, interpolation=cv2.INTER_LINEAR)
    return pixels[:image_size, :image_size].reshape(image_size, image_size, channels)


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


def shrink_factor(height: int, width: int, image_size: int) -> int:
    """Returns the largest of 1, 2, 4 and 8 that leaves both sides, divided by it, at least `image_size` pixels."""
    shorter = min(height, width)
    return next((factor for factor in (8, 4, 2) if -(-shorter // factor) >= image_size), 1)
