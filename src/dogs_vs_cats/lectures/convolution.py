"""Convolution, pooling and activations in plain NumPy that is meant to be read; the tests compare them with Keras.

As in all deep learning (and as L2 says), "convolution" means cross-correlation: the kernel isn't flipped. The
convolution of mathematics is `numpy.convolve`.
"""

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

KERNELS: dict[str, Array] = {
    # L1. The first two look for edges in one direction.
    "horizontal edges": np.array([[1.0, 1, 1], [0, 0, 0], [-1, -1, -1]]),
    "vertical edges": np.array([[1.0, 0, -1], [1, 0, -1], [1, 0, -1]]),
    # L1's name. It sums to 0, so it shows how much a pixel stands out, not how bright it is.
    "luminosity": np.array([[-1.0, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    # L1 prints −1/9, which blurs the negative of the image. Right is +1/9, which is also L2's averaging kernel.
    "blur": np.full((3, 3), 1 / 9),
    # L2.
    "sobel, horizontal edges": np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    "sobel, vertical edges": np.array([[1.0, 0, -1], [2, 0, -2], [1, 0, -1]]),
    "laplacian": np.array([[0.0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
    # L3. Its edges are L1's vertical ones with the opposite sign; its blur of ones brightens everything ninefold.
    "sharpen": np.array([[0.0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "vertical edges, dark to bright": np.array([[-1.0, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "sum of nine": np.ones((3, 3)),
}
"""The lectures' 3×3 kernels by name. Difference kernels sum to 0, those that smooth or sharpen to 1 (L2)."""

for _kernel in KERNELS.values():
    _kernel.setflags(write=False)


def convolve2d(image: ArrayLike, kernel: ArrayLike, stride: int = 1, padding: int = 0) -> Array:
    """Lays the kernel on every position of the image, multiplies the values that meet, and adds them up.

    Args:
        image: One map, shape (height, width).
        kernel: Shape (k, l).
        stride: Pixels from one position to the next, in both directions.
        padding: Zeros added on each side. 0 is "valid"; (k − 1)/2 keeps the size at stride 1.

    Returns:
        float64, with `layer_arithmetic.output_size` rows and columns.

    Raises:
        ValueError: The image isn't a single map, or is smaller than the kernel even with its padding.
    """
    weights = np.asarray(kernel, dtype=np.float64)
    summed: Array = (_windows(np.pad(image, padding), weights.shape, stride) * weights).sum(axis=(2, 3))
    return summed


def convolution_layer(
    maps: ArrayLike, kernels: ArrayLike, biases: ArrayLike, stride: int = 1, padding: int = 0
) -> Array:
    """Computes a whole layer: each filter has a kernel for every input map, and adds up their answers and a bias.

    Args:
        maps: Shape (height, width, channels).
        kernels: Shape (k, l, channels, filters), as in Keras.
        biases: Shape (filters,).
        stride: Pixels from one position to the next.
        padding: Zeros added on each side.

    Returns:
        float64, shape (height, width, filters), before the activation.
    """
    weights = np.asarray(kernels, dtype=np.float64)
    padded = np.pad(maps, ((padding, padding), (padding, padding), (0, 0)))
    # A window spans all channels, so it has one position along the third axis.
    windows = _windows(padded, weights.shape[:3], stride)[:, :, 0]
    return np.tensordot(windows, weights, axes=3) + np.asarray(biases, dtype=np.float64)


def max_pool(image: ArrayLike, size: int, stride: int | None = None) -> Array:
    """Takes the largest value of every window.

    Args:
        image: One map, shape (height, width).
        size: Side of the window.
        stride: Pixels from one window to the next; None for `size`, so that windows touch.

    Returns:
        float64, with `layer_arithmetic.output_size` rows and columns; pixels at the edges that don't fill a window are
        left out.

    Raises:
        ValueError: The window is larger than the image.
    """
    largest: Array = _windows(image, (size, size), stride or size).max(axis=(2, 3))
    return largest


def average_pool(image: ArrayLike, size: int, stride: int | None = None) -> Array:
    """Takes the mean of every window; arguments and result as in `max_pool`."""
    return sum_pool(image, size, stride) / size**2


def sum_pool(image: ArrayLike, size: int, stride: int | None = None) -> Array:
    """Takes the sum of every window; arguments and result as in `max_pool`."""
    return convolve2d(image, np.ones((size, size)), stride or size)


def _windows(image: ArrayLike, shape: tuple[int, ...], stride: int) -> Array:
    """The image as seen through a window at each of its positions: shape (rows, columns, …, *shape)."""
    return sliding_window_view(np.asarray(image, dtype=np.float64), shape)[::stride, ::stride]


def relu(x: ArrayLike) -> Array:
    """max(0, x)."""
    return np.maximum(0.0, np.asarray(x, dtype=np.float64))


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(−x))."""
    from scipy.special import expit

    answers: Array = expit(np.asarray(x, dtype=np.float64))
    return answers


def leaky_relu(x: ArrayLike) -> Array:
    """Keeps positive values and multiplies others by 0.1 (L3)."""
    values = np.asarray(x, dtype=np.float64)
    return np.maximum(0.1 * values, values)


def elu(x: ArrayLike) -> Array:
    """Keeps positive values and turns others into exp(x) − 1."""
    values = np.asarray(x, dtype=np.float64)
    return np.where(values > 0, values, np.expm1(np.minimum(values, 0.0)))


def maxout(x: ArrayLike, pieces: int) -> Array:
    """The largest of `pieces` neighbouring values, each from weights of its own.

    Args:
        x: Shape (..., units · pieces).
        pieces: Values per unit.

    Returns:
        float64, shape (..., units).

    Raises:
        ValueError: The last axis can't be divided into units of so many pieces.
    """
    values = np.asarray(x, dtype=np.float64)
    largest: Array = values.reshape(*values.shape[:-1], -1, pieces).max(axis=-1)
    return largest


ACTIVATIONS: dict[str, Callable[[ArrayLike], Array]] = {
    "ReLU": relu,
    "sigmoid": sigmoid,
    "tanh": np.tanh,
    "leaky ReLU": leaky_relu,
    "ELU": elu,
}
"""The lectures' activations of one number; `maxout` takes several."""
