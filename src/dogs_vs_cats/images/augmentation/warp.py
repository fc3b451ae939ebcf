"""One affine warp of an image, with the pixels of `scipy.ndimage.affine_transform` and a tenth of its time."""

import threading
from functools import lru_cache

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
# Far outside, `nearest` needs no exact places, only ones that OpenCV can convert to integers.
REACH_CLAMPED = 2.0**15


def is_exact(matrix: Matrix, height: int, width: int, fill_mode: str) -> bool:
    """Whether `affine` keeps within 0.01 of 255 of exact pixels.

    Args:
        matrix: The transform.
        height: Pixels of the image.
        width: Pixels of the image.
        fill_mode: One of `BORDERS`.
    """
    return max(height, width) <= REACH and _reach(matrix, height, width) <= (
        REACH if fill_mode == "reflect" else REACH_CLAMPED
    )


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
    space = _workspace(height, width, channels)
    places = _places(matrix, height, width, space.places)
    inner = space.source[:height, :width]
    if channels == 3:
        # OpenCV takes two thirds of the time for four channels that it takes for three.
        cv2.cvtColor(image, cv2.COLOR_RGB2RGBA, dst=inner)
    else:
        inner[...] = image.reshape(inner.shape)
    source = inner
    if fill_mode == "nearest":
        # Places outside cost OpenCV several times as much as those inside, so they are moved onto the border. The
        # pixels beyond it are only read, with weight 0.
        source = space.source
        source[height] = source[height - 1]
        source[:, width] = source[:, width - 1]
        np.clip(places[0], 0, width - 1, out=places[0])
        np.clip(places[1], 0, height - 1, out=places[1])
    # Without the hint OpenCV may round places to 1/32 of a pixel.
    cv2.remap(
        source,
        places[0],
        places[1],
        cv2.INTER_LINEAR,
        dst=space.target,
        borderMode=BORDERS[fill_mode],
        hint=cv2.ALGO_HINT_ACCURATE,
    )
    if channels == 3:
        return cv2.cvtColor(space.target, cv2.COLOR_RGBA2RGB)
    return space.target.reshape(image.shape).copy()


class _Workspace:
    """Arrays of one thread for one shape of image: to allocate them anew costs as much as to fill them."""

    def __init__(self, height: int, width: int, channels: int):
        pixel = () if channels == 1 else (4,)
        self.shape = (height, width, channels)
        self.places = np.empty((2, height, width), np.float32)
        self.source = np.zeros((height + 1, width + 1, *pixel), np.float32)
        self.target = np.empty((height, width, *pixel), np.float32)


_of_thread = threading.local()


def _workspace(height: int, width: int, channels: int) -> _Workspace:
    space: _Workspace | None = getattr(_of_thread, "workspace", None)
    if space is None or space.shape != (height, width, channels):
        space = _of_thread.workspace = _Workspace(height, width, channels)
    return space


def _reach(matrix: Matrix, height: int, width: int) -> float:
    """The largest number, in pixels, that turns up when places are computed."""
    numbers = []
    for along, down, start in (matrix[:3], matrix[3:]):
        across, below = along * (width - 1), down * (height - 1)
        numbers += [across, start, start + across, start + below, start + across + below]
    return max(map(abs, numbers))


def _places(matrix: Matrix, height: int, width: int, out: np.ndarray) -> np.ndarray:
    """Computes where each pixel is taken from: float32 of shape (2, height, width), columns and rows."""
    parts = np.array(matrix).reshape(2, 3) @ _positions(height, width)
    if _reach(matrix, height, width) <= REACH_ON_GRID:
        # Numbers on the grid add up without an error in float32, which is faster.
        parts = (np.rint(parts * GRID) / GRID).astype(np.float32)
    np.add(parts[:, width:, None], parts[:, None, :width], out=out, casting="same_kind")
    return out


@lru_cache(maxsize=16)
def _positions(height: int, width: int) -> np.ndarray:
    """Factors of a matrix's rows: first for what each column contributes to a place, then for each row."""
    positions = np.zeros((3, width + height))
    positions[0, :width] = np.arange(width)
    positions[1, width:] = np.arange(height)
    positions[2, width:] = 1
    return positions
