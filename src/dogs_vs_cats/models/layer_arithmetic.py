"""Sizes, parameters and memory of layers, by formula.

The formulas of the lectures, for square kernels. Sizes are in pixels along one axis.
"""

from collections.abc import Iterable
from itertools import pairwise

MEBIBYTE = 2**20


def output_size(size: int, kernel: int, stride: int = 1, padding: int = 0) -> int:
    """Number of positions of a kernel or pooling window along one axis: floor((n + 2p − k)/s + 1).

    The lecture that prints the formula without the floor (L3) gets 54.25 for AlexNet's first layer on 224 pixels.

    Args:
        size: Input size n.
        kernel: Kernel or window size k.
        stride: Step s.
        padding: Zeros p added on each side.

    Returns:
        Output size, at least 1.

    Raises:
        ValueError: An argument is out of range, or the kernel is larger than the padded input.
    """
    if min(size, kernel, stride) < 1 or padding < 0 or kernel > size + 2 * padding:
        raise ValueError(
            f"size {size}, kernel {kernel} and stride {stride} must be at least 1, padding {padding} at least 0, and "
            "the kernel must fit into the padded input"
        )
    return (size + 2 * padding - kernel) // stride + 1


def same_padding(kernel: int) -> int:
    """Padding on each side that keeps the size at stride 1: p = (k − 1)/2 (L3).

    Args:
        kernel: Kernel size k, odd.

    Raises:
        ValueError: The kernel is even: then one side needs a zero more than the other.
    """
    if kernel % 2 == 0:
        raise ValueError(f"no equal padding on both sides keeps the size with an even kernel, here {kernel}")
    return (kernel - 1) // 2


def convolution_parameters(kernel: int, channels: int, filters: int) -> int:
    """Weights and biases of a convolution: (channels · k² + 1) · filters."""
    return (channels * kernel**2 + 1) * filters


def dense_parameters(inputs: int, units: int) -> int:
    """Weights and biases of a dense layer: (inputs + 1) · units. Every unit has a bias of its own."""
    return (inputs + 1) * units


def mlp_parameters(widths: Iterable[int]) -> int:
    """Parameters of dense layers one after the other, as in 784-128-64-10.

    Args:
        widths: Number of inputs, then the units of each layer.
    """
    return sum(dense_parameters(inputs, units) for inputs, units in pairwise(widths))


def map_bytes(height: int, width: int, maps: int, batch: int = 1, bytes_per_value: int = 4) -> int:
    """Memory of a layer's output: one value for each position of each map of each image.

    How many maps come in doesn't matter: a kernel spans all of them and makes one map.

    Args:
        height: Rows of a map.
        width: Columns of a map.
        maps: Maps that come out.
        batch: Images in a batch.
        bytes_per_value: 4 for float32.

    Returns:
        Bytes; 2²⁰ of them are a MiB.
    """
    return height * width * maps * batch * bytes_per_value
