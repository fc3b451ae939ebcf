"""What a convolution does, in plain NumPy: loops that can be read, checked against Keras's layers in the tests.

As in all deep learning (and as L2 says), "convolution" in two dimensions means cross-correlation: the kernel isn't
turned over. Only `convolve1d` is the convolution of mathematics.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dogs_vs_cats.models.layer_arithmetic import output_size

Array = NDArray[np.float64]


def _kernel(rows: ArrayLike) -> Array:
    kernel = np.array(rows, dtype=np.float64)
    kernel.setflags(write=False)
    return kernel


KERNELS: dict[str, Array] = {
    # L1. The first two look for edges in one direction.
    "horizontal edges": _kernel([[1, 1, 1], [0, 0, 0], [-1, -1, -1]]),
    "vertical edges": _kernel([[1, 0, -1], [1, 0, -1], [1, 0, -1]]),
    # L1's name. It sums to 0, so what it shows isn't how bright a place is, but how much it stands out.
    "luminosity": _kernel([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]),
    # L1 prints −1/9, which blurs the negative of the image. Right is +1/9, which is also L2's averaging kernel.
    "blur": _kernel(np.full((3, 3), 1 / 9)),
    # L2.
    "sobel, horizontal edges": _kernel([[1, 2, 1], [0, 0, 0], [-1, -2, -1]]),
    "sobel, vertical edges": _kernel([[1, 0, -1], [2, 0, -2], [1, 0, -1]]),
    "laplacian": _kernel([[0, -1, 0], [-1, 4, -1], [0, -1, 0]]),
    # L3. Its edges are L1's vertical ones with the sign turned; its blur of ones makes everything nine times as bright.
    "sharpen": _kernel([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "vertical edges, dark to bright": _kernel([[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]),
    "sum of nine": _kernel(np.ones((3, 3))),
}
"""The lectures' 3×3 kernels by name. Those that take differences sum to 0, those that smooth or sharpen to 1 (L2)."""


def convolve2d(image: ArrayLike, kernel: ArrayLike, stride: int = 1, padding: int = 0) -> Array:
    """Lays the kernel on every place of the image, multiplies what lies on each other and adds it up.

    Args:
        image: One map, shape (height, width).
        kernel: Shape (k, l).
        stride: Pixels from one place to the next, in both directions.
        padding: Zeros added on each side. 0 is "valid"; (k − 1)/2 keeps the size at stride 1.

    Returns:
        float64, with `output_size` rows and columns.

    Raises:
        ValueError: The kernel is larger than the padded image.
    """
    weights = _map(kernel)
    return _slide(_map(image), weights.shape, stride, lambda window: np.sum(window * weights), padding)


def convolution_layer(
    maps: ArrayLike, kernels: ArrayLike, biases: ArrayLike, stride: int = 1, padding: int = 0
) -> Array:
    """A whole layer: each filter has one kernel for every map that comes in, adds up their answers and a bias.

    Args:
        maps: Shape (height, width, channels).
        kernels: Shape (k, l, channels, filters), as Keras keeps them.
        biases: Shape (filters,).
        stride: Pixels from one place to the next.
        padding: Zeros added on each side.

    Returns:
        float64, shape (height, width, filters), before the activation.
    """
    values, weights = np.asarray(maps, dtype=np.float64), np.asarray(kernels, dtype=np.float64)
    filters = [
        sum(
            convolve2d(values[..., channel], weights[..., channel, number], stride, padding)
            for channel in range(values.shape[-1])
        )
        for number in range(weights.shape[-1])
    ]
    return np.stack(filters, axis=-1) + np.asarray(biases, dtype=np.float64)


def convolve1d(signal: ArrayLike, kernel: ArrayLike) -> Array:
    """The convolution of mathematics: y[n] = Σ_k h[k] · x[n − k], the kernel turned over.

    Args:
        signal: x, shape (n,); zero outside.
        kernel: h, shape (k,).

    Returns:
        y, float64, shape (n + k − 1,).
    """
    x, h = np.asarray(signal, dtype=np.float64), np.asarray(kernel, dtype=np.float64)
    y = np.zeros(len(x) + len(h) - 1)
    for k, weight in enumerate(h):
        y[k : k + len(x)] += weight * x
    return y


def max_pool(image: ArrayLike, size: int, stride: int | None = None) -> Array:
    """Keeps the largest value of every window.

    Args:
        image: One map, shape (height, width).
        size: Side of the window.
        stride: Pixels from one window to the next; None for `size`, so that windows touch.

    Returns:
        float64, with `output_size` rows and columns; what doesn't fill a window at the edges is left out.

    Raises:
        ValueError: The window is larger than the image.
    """
    return _pool(image, size, stride, np.max)


def average_pool(image: ArrayLike, size: int, stride: int | None = None) -> Array:
    """Keeps the mean of every window; arguments and result as in `max_pool`."""
    return _pool(image, size, stride, np.mean)


def sum_pool(image: ArrayLike, size: int, stride: int | None = None) -> Array:
    """Keeps the sum of every window; arguments and result as in `max_pool`."""
    return _pool(image, size, stride, np.sum)


def _pool(image: ArrayLike, size: int, stride: int | None, summary: Callable[[Array], np.float64]) -> Array:
    return _slide(_map(image), (size, size), size if stride is None else stride, summary)


def _map(values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2:
        raise ValueError(f"one map is needed, of shape (height, width); given was shape {array.shape}")
    return array


def _slide(
    image: Array, window: tuple[int, ...], stride: int, answer: Callable[[Array], np.float64], padding: int = 0
) -> Array:
    """Asks for an answer to what a window shows at each of its places."""
    padded = np.pad(image, padding)
    sizes = zip(image.shape, window, strict=True)
    result = np.empty([output_size(size, side, stride, padding) for size, side in sizes])
    for row, column in np.ndindex(result.shape):
        top, left = row * stride, column * stride
        result[row, column] = answer(padded[top : top + window[0], left : left + window[1]])
    return result


def relu(x: ArrayLike) -> Array:
    """max(0, x)."""
    return np.maximum(0.0, np.asarray(x, dtype=np.float64))


def sigmoid(x: ArrayLike) -> Array:
    """1 / (1 + exp(−x)), in 0..1."""
    # The same function through tanh, which doesn't overflow for very negative x.
    return (1 + np.tanh(np.asarray(x, dtype=np.float64) / 2)) / 2


def tanh(x: ArrayLike) -> Array:
    """The hyperbolic tangent, in −1..1."""
    return np.tanh(np.asarray(x, dtype=np.float64))


def leaky_relu(x: ArrayLike, slope: float = 0.1) -> Array:
    """Keeps x where it is positive, else takes slope · x."""
    values = np.asarray(x, dtype=np.float64)
    return np.where(values > 0, values, slope * values)


def elu(x: ArrayLike, alpha: float = 1.0) -> Array:
    """Keeps x where it is positive, else takes alpha · (exp(x) − 1)."""
    values = np.asarray(x, dtype=np.float64)
    return np.where(values > 0, values, alpha * np.expm1(np.minimum(values, 0.0)))


def maxout(x: ArrayLike, pieces: int) -> Array:
    """The largest of `pieces` neighbouring values, each from weights of its own.

    Args:
        x: Shape (..., units · pieces).
        pieces: Values that make one unit.

    Returns:
        float64, shape (..., units).

    Raises:
        ValueError: The last axis can't be divided into units of so many pieces.
    """
    values = np.asarray(x, dtype=np.float64)
    largest: NDArray[np.float64] = values.reshape(*values.shape[:-1], -1, pieces).max(axis=-1)
    return largest


ACTIVATIONS: dict[str, Callable[[ArrayLike], Array]] = {
    "ReLU": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "leaky ReLU": leaky_relu,
    "ELU": elu,
}
"""The lectures' activations of one number; `maxout` takes several."""
