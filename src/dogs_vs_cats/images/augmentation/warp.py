"""One affine warp of an image, with the pixels of `scipy.ndimage.affine_transform` and a tenth of its time."""

import math
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import cv2
import numpy as np

# An image is too small to be divided: OpenCV's own threads would double the processor time of a warp.
cv2.setNumThreads(1)

Matrix = tuple[float, float, float, float, float, float]
"""a, b, c, d, e, f: the pixel at column x and row y is taken from column ax + by + c and row dx + ey + f."""

BORDERS = {"nearest": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT}
"""Fill modes in which OpenCV and SciPy agree. In `constant` and `wrap` they differ by up to 255."""

# Places in the source are float32, whose steps below 256 are 2^-16. Two roundings to whole multiples of that move a
# place by at most 2^-16 along each axis, and so change a value by at most 255 * 2 * 2^-16 = 0.008. Below 512 a single
# rounding of exact places keeps the same bound.
GRID = 2.0**16
REACH_ON_GRID = 256.0
REACH = 512.0


def linear_part(
    transform: Mapping[str, Any], cos: Callable[[Any], Any] = math.cos, sin: Callable[[Any], Any] = math.sin
) -> tuple[Any, Any, Any, Any, Any, Any]:
    """Combines rotation, shift, shear and zoom around the origin as Keras's `apply_affine_transform` does.

    Args:
        transform: As `ImageDataGenerator.get_random_transform` draws it; or tensors of many. Any but those of the
            affine step are ignored, and any may be left out.
        cos: Cosine of what `transform` holds.
        sin: Sine of what `transform` holds.

    Returns:
        The numbers of a `Matrix`.
    """
    angle = transform.get("theta", 0) * (math.pi / 180)
    sheared = angle + transform.get("shear", 0) * (math.pi / 180)
    shift_x, shift_y = transform.get("tx", 0), transform.get("ty", 0)
    zoom_x, zoom_y = transform.get("zx", 1), transform.get("zy", 1)
    cosine, sine = cos(angle), sin(angle)
    a, b = cosine * zoom_x, -sin(sheared) * zoom_y
    d, e = sine * zoom_x, cos(sheared) * zoom_y
    return a, b, cosine * shift_x - sine * shift_y, d, e, sine * shift_x + cosine * shift_y


def matrix_of(transform: Mapping[str, Any], height: int, width: int) -> Matrix:
    """The matrix that takes a pixel of the transformed image to its place in the original."""
    a, b, c, d, e, f = linear_part(transform)
    # The centre it turns around. That columns take the height and rows the width is Keras's doing.
    centre_x, centre_y = height / 2 - 0.5, width / 2 - 0.5
    return a, b, c + centre_x - a * centre_x - b * centre_y, d, e, f + centre_y - d * centre_x - e * centre_y


def is_exact(matrix: Matrix, height: int, width: int, fill_mode: str) -> bool:
    """Whether `affine` keeps within 0.01 of 255 of exact pixels.

    Args:
        matrix: The transform.
        height: Pixels of the image.
        width: Pixels of the image.
        fill_mode: One of `BORDERS`.
    """
    # Far outside, `nearest` needs no exact places.
    return max(height, width) <= REACH and (fill_mode == "nearest" or _reach(matrix, height, width) <= REACH)


def affine(image: np.ndarray, matrix: Matrix, fill_mode: str) -> np.ndarray:
    """Samples an image at affinely transformed places, between pixels bilinearly.

    Args:
        image: float32 of shape (height, width, 1, 3 or 4).
        matrix: Where each pixel is taken from.
        fill_mode: `nearest` or `reflect`, for places outside.

    Returns:
        A new float32 array of the same shape.
    """
    height, width, channels = image.shape
    places, bordered, target = _workspace(threading.get_ident(), height, width, channels)
    _compute_places(matrix, height, width, places)
    columns, rows = places
    inner = bordered[:height, :width]
    if channels == 3:
        # OpenCV takes two thirds of the time for four channels that it takes for three.
        cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, dst=inner)
    else:
        inner[...] = image.reshape(inner.shape)
    source = inner
    if fill_mode == "nearest":
        # Places outside cost OpenCV several times as much as those inside, so they are moved onto the border. The
        # pixels beyond it are only read, with weight 0.
        source = bordered
        source[height] = source[height - 1]
        source[:, width] = source[:, width - 1]
        np.clip(columns, 0, width - 1, out=columns)
        np.clip(rows, 0, height - 1, out=rows)
    # Without the hint OpenCV may round places to 1/32 of a pixel.
    cv2.remap(source, columns, rows, cv2.INTER_LINEAR, target, BORDERS[fill_mode], hint=cv2.ALGO_HINT_ACCURATE)
    if channels == 3:
        return cv2.cvtColor(target, cv2.COLOR_RGBA2RGB)
    return target.reshape(image.shape).copy()


@lru_cache(maxsize=16)
def _workspace(thread: int, height: int, width: int, channels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Places, source and target of one thread for one shape: to allocate them anew costs as much as to fill them."""
    pixel = () if channels == 1 else (4,)
    places = np.empty((2, height, width), np.float32)
    source = np.zeros((height + 1, width + 1, *pixel), np.float32)
    return places, source, np.empty((height, width, *pixel), np.float32)


def _reach(matrix: Matrix, height: int, width: int) -> float:
    """The largest number, in pixels, that turns up when places are computed."""
    numbers = []
    for along, down, start in (matrix[:3], matrix[3:]):
        across, below = along * (width - 1), down * (height - 1)
        numbers += [across, start, start + across, start + below, start + across + below]
    return max(map(abs, numbers))


def _compute_places(matrix: Matrix, height: int, width: int, out: np.ndarray) -> None:
    """Computes where each pixel is taken from: float32 of shape (2, height, width), columns and rows."""
    parts = np.array(matrix).reshape(2, 3) @ _positions(height, width)
    if _reach(matrix, height, width) <= REACH_ON_GRID:
        # Numbers on the grid add up without an error in float32, which is faster.
        parts = (np.rint(parts * GRID) / GRID).astype(np.float32)
    np.add(parts[:, width:, None], parts[:, None, :width], out=out, casting="same_kind")


@lru_cache(maxsize=16)
def _positions(height: int, width: int) -> np.ndarray:
    """Factors of a matrix's rows: first for what each column contributes to a place, then for each row."""
    positions = np.zeros((3, width + height))
    positions[0, :width] = np.arange(width)
    positions[1, width:] = np.arange(height)
    positions[2, width:] = 1
    return positions
