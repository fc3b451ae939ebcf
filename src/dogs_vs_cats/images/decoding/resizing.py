"""Any picture becomes a square of the wanted size and channels, without aliasing."""

from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

# Pictures are worked on side by side: threads of OpenCV's own within each would only be in each other's way.
cv2.setNumThreads(1)

# Photos come in a few sizes. What depends on the size alone is worked out once: Python's part of the work is small, but
# all threads wait for each other there.
_once_a_size = lru_cache(maxsize=4096)


def resize(
    pixels: np.ndarray,
    image_size: int,
    extent: tuple[float, float] | None = None,
    *,
    overwrite_input: bool = False,
) -> np.ndarray:
    """Stretches a picture to a square without aliasing; every image of the project goes through here.

    First the picture is shrunk by the `shrink_factor`, averaging areas (JPEG files come shrunk from the decoder); an
    axis that is still four times too long or more is averaged to twice the wanted length. Then each axis is smoothed
    as it needs (see `_smoothing`), and interpolated linearly to its length. On photos the outcome lies 0.8 of 255 from
    Pillow's antialiased bilinear filter; without smoothing it would be 2.2.

    Args:
        pixels: uint8 array of shape (height, width, channels).
        image_size: Height and width of the result, in pixels.
        extent: Height and width of the picture within `pixels`, in its pixels; None for all of it. A decoder that
            halves five pixels gives three, the last of which is half outside.
        overwrite_input: Whether `pixels` may be changed on the way: less memory is then gone through.

    Returns:
        uint8 array of shape (image_size, image_size, channels); `pixels` itself if it already has that size.
    """
    length, breadth, channels = pixels.shape
    area, smoothing, factors = _resizing(length, breadth, extent or (length, breadth), image_size)
    if area:
        pixels = cv2.resize(pixels, area, interpolation=cv2.INTER_AREA)
    if smoothing:
        across, down = smoothing
        target = pixels if overwrite_input or area else None
        pixels = cv2.sepFilter2D(pixels, -1, across, down, target, borderType=cv2.BORDER_REPLICATE)
    if factors:
        # Given factors instead of a size, OpenCV keeps to them exactly; what lies outside the extent is cut off.
        x_factor, y_factor = factors
        pixels = cv2.resize(pixels, None, fx=x_factor, fy=y_factor, interpolation=cv2.INTER_LINEAR)
    return pixels[:image_size, :image_size].reshape(image_size, image_size, channels)


class _Resizing(NamedTuple):
    """The steps of a resize, in their order; None for those that a picture doesn't need.

    Attributes:
        area: Width and height to which areas are averaged.
        smoothing: Kernels for rows and for columns.
        factors: By which width and height are then interpolated.
    """

    area: tuple[int, int] | None
    smoothing: tuple[np.ndarray, np.ndarray] | None
    factors: tuple[float, float] | None


@_once_a_size
def _resizing(length: int, breadth: int, extent: tuple[float, float], image_size: int) -> _Resizing:
    """Plans how pixels (length, breadth) become a square; `extent` as in `resize`."""
    height, width = extent
    factor = shrink_factor(length, breadth, image_size)
    limit, double = 4 * image_size, 2 * image_size
    new_length, new_breadth = -(-length // factor), -(-breadth // factor)
    new_length = new_length if new_length < limit else double
    new_breadth = new_breadth if new_breadth < limit else double
    area = None
    if (new_length, new_breadth) != (length, breadth):
        area = new_breadth, new_length
        height, width = height * new_length / length, width * new_breadth / breadth
    if height == width == image_size:
        return _Resizing(area, None, None)
    smoothing = None
    if height > image_size or width > image_size:
        smoothing = _smoothing(width / image_size), _smoothing(height / image_size)
    return _Resizing(area, smoothing, (image_size / width, image_size / height))


def _smoothing(factor: float) -> np.ndarray:
    """The kernel that smooths an axis before it is interpolated linearly to a length shorter by a factor.

    Pillow's antialiased bilinear filter weighs a pixel's surroundings by a triangle that reaches s pixels far, s being
    the factor; its variance is s²/6. Linear interpolation is such a triangle for s = 1, so (s² - 1)/6 is left to the
    smoothing: the variance, for a whole s, of the weights (s - |i|)/s². In between, the two nearest are mixed.

    Args:
        factor: Positive. What isn't made shorter isn't smoothed either.

    Returns:
        float32 weights, an odd number of them, that add up to 1.
    """
    if factor <= 1:
        # Two idle weights: OpenCV is half as fast with one alone.
        return np.array([0, 1, 0], np.float32)
    near = int(factor)
    far = near + 1
    share = (factor**2 - near**2) / (far**2 - near**2)
    distance = np.abs(np.arange(-near, far))
    weights = share * (far - distance) / far**2 + (1 - share) * np.maximum(near - distance, 0) / near**2
    return weights.astype(np.float32)


def to_channels(pixels: np.ndarray, channels: int) -> np.ndarray:
    """Turns RGB into grey (ITU-R BT.601 luma, as JPEG and Pillow have it) or grey into RGB, where that is needed.

    Args:
        pixels: uint8 array of shape (height, width, 1 or 3).
        channels: 3 for RGB, 1 for grey.

    Returns:
        uint8 array of shape (height, width, channels); `pixels` itself if it already has them.
    """
    if pixels.shape[2] == channels:
        return pixels
    if channels == 3:
        return np.repeat(pixels, 3, axis=2)
    return cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., np.newaxis]


@_once_a_size
def shrink_factor(height: int, width: int, image_size: int) -> int:
    """Returns the largest of 1, 2, 4 and 8 that leaves both sides, divided by it, at least `image_size` pixels."""
    shorter = min(height, width)
    return next((factor for factor in (8, 4, 2) if -(-shorter // factor) >= image_size), 1)
