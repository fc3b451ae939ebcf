"""The lectures' examples with numbers, computed by `dogs_vs_cats.lectures.convolution`."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dogs_vs_cats.lectures import convolution
from dogs_vs_cats.lectures.convolution import KERNELS, convolve2d

LAPLACIAN_INPUT = [[5, 8, 0, 4, 8], [3, 9, 2, 9, 2], [4, 9, 2, 3, 6], [5, 4, 8, 2, 0], [5, 8, 0, 0, 8]]
BINARY = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
CROSS = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
SOBEL_WINDOWS = ([[20, 24, 11], [19, 20, 23], [21, 40, 25]], [[24, 11, 12], [17, 20, 23], [40, 25, 13]])
POOLED = [[1, 3, 5, 7], [4, 5, 11, 3], [4, 1, 21, 6], [13, 15, 1, 2]]
ACTIVATED = [[1, 14, -9, 4], [-2, -20, 10, 6], [-3, 3, 11, 1], [2, 54, -2, 80]]
TOY = [[1, -1], [-1, 1]]

SMOOTHING = ("blur", "sharpen")
DIFFERENCES = tuple(name for name in KERNELS if name not in (*SMOOTHING, "sum of nine"))


def figures() -> dict[str, Any]:
    """Computes every worked example."""
    return {
        "kernels": {name: _rows(kernel) for name, kernel in KERNELS.items()},
        "kernel_answers": {name: _answers(kernel) for name, kernel in KERNELS.items()},
        "kernel_sums": {
            "differential": _sums(DIFFERENCES),
            "differential_kernels": len(DIFFERENCES),
            "smoothing": _sums(SMOOTHING),
        },
        "blur": _blur(),
        "meaning_of_convolution": _meaning_of_convolution(),
        "letters": " + ".join(map(_term, range(9))),
        "laplacian": _laplacian(),
        "binary_image": _rows(convolve2d(BINARY, CROSS)),
        "edges": _edges(),
        "sobel": _sobel(),
        "toys": _toys(),
        "one_dimension": _one_dimension(),
        "activations": _activations(),
        "pooling": _pooling(),
    }


def _answers(kernel: ArrayLike) -> str:
    """What a kernel answers to two edges and to none."""
    above = np.repeat([[10], [10], [0]], 3, axis=1)
    return f"10 above 0: {_one(above, kernel)}; 10 left of 0: {_one(above.T, kernel)}; uniform 10: {_even(10, kernel)}."


def _blur() -> dict[str, str]:
    blur = KERNELS["blur"]
    return {
        "kernel": "1/9 · ones" if np.allclose(blur * 9, 1) else _rows(blur),
        "grey": _even(100, blur),
        "grey_negative": _even(100, -blur),
        "grey_by_ones": _even(100, KERNELS["sum of nine"]),
    }


def _meaning_of_convolution() -> str:
    import keras

    image, kernel = np.arange(16, dtype=np.float32).reshape(4, 4) ** 2, np.arange(9, dtype=np.float32).reshape(3, 3)
    theirs = keras.ops.conv(image[np.newaxis, ..., np.newaxis], kernel[..., np.newaxis, np.newaxis], padding="valid")
    is_correlation = np.allclose(keras.ops.convert_to_numpy(theirs)[0, ..., 0], convolve2d(image, kernel))
    return "cross-correlation" if is_correlation else "the convolution of mathematics"


def _term(number: int) -> str:
    """Names the pixel that a weight meets at the first place of a 4×4 image."""
    kernel = np.zeros(9)
    kernel[number] = 1
    pixel = convolve2d(np.arange(1, 17).reshape(4, 4), kernel.reshape(3, 3))[0, 0]
    return f"a{pixel:.0f}·k{number + 1}"


def _laplacian() -> dict[str, str]:
    kernel = KERNELS["laplacian"]
    padded = convolve2d(LAPLACIAN_INPUT, kernel, padding=1)
    return {
        "valid": _rows(convolve2d(LAPLACIAN_INPUT, kernel)),
        "padded": _rows(padded),
        "middle": _rows(padded[1:-1, 1:-1]),
        "strided": _rows(convolve2d(LAPLACIAN_INPUT, kernel, stride=2, padding=1)),
    }


def _edges() -> dict[str, str]:
    vertical = KERNELS["vertical edges"]
    edge_6, edge_8 = (np.repeat([[10] * half + [0] * half], 2 * half, axis=0) for half in (3, 4))
    framed, padded = np.pad(convolve2d(edge_8, vertical), 1), convolve2d(edge_8, vertical, padding=1)
    return {
        "row_of_6": _same_row(convolve2d(edge_6, vertical)),
        "framed_inner": _same_row(framed[1:-1]),
        "framed_outer": _same_row(framed[[0, -1]]),
        "padded_inner": _same_row(padded[1:-1]),
        "padded_outer": _same_row(padded[[0, -1]]),
    }


def _sobel() -> dict[str, str]:
    sobel = KERNELS["sobel, vertical edges"]
    first, second = SOBEL_WINDOWS
    return {
        "first": _one(first, sobel),
        "second": _one(second, sobel),
        "first_turned": _one(first, np.flip(sobel)),
        "second_turned": _one(second, np.flip(sobel)),
        "moved": _rows(np.array(first)[:, 1:]),
    }


def _toys() -> dict[str, Any]:
    images = [np.reshape(pixels, (2, 2)) for pixels in itertools.product((-1, 1), repeat=4)]
    return {
        "images": len(images),
        "alike": sum(_one(image, TOY) == "4" for image in images),
        "on_each_other": f"{_one(TOY, TOY)}, {_one(TOY, -np.array(TOY))}",
    }


def _one_dimension() -> str:
    answers = convolution.convolve1d(2 * np.exp(-0.3 * np.arange(8)), [1, 0, -1])
    return ", ".join(_number(value) for value in answers.round(3))


def _activations() -> dict[str, str]:
    at_both_sides = {
        name: ", ".join(_number(value) for value in function([-1, 1]).round(4))
        for name, function in convolution.ACTIVATIONS.items()
    }
    return {
        **at_both_sides,
        "of_l3": _rows(convolution.relu(ACTIVATED)),
        "slope": _number(-convolution.leaky_relu(-1).item()),
        "maxout": _number(convolution.maxout([-1, 1], 2)[0]),
    }


def _pooling() -> dict[str, str]:
    numbers = np.arange(36).reshape(6, 6)
    average = convolution.average_pool(numbers, 3)
    is_blur = np.allclose(average, convolve2d(numbers, KERNELS["blur"], stride=3))
    return {
        "max": _rows(convolution.max_pool(POOLED, 2)),
        "average": _rows(average),
        "average_is_a_convolution": "The same as convolution with 1/9 · ones at stride 3." if is_blur else "",
        "sum": _rows(convolution.sum_pool(numbers, 3)),
    }


def _number(value: float) -> str:
    return f"{round(float(value), 6):g}".replace("-", "−")


def _rows(values: np.ndarray) -> str:
    return " / ".join(" ".join(map(_number, row)) for row in values)


def _same_row(values: np.ndarray) -> str:
    """The row that all rows are."""
    return _rows(np.unique(values, axis=0))


def _sums(names: tuple[str, ...]) -> str:
    return ", ".join(sorted({_number(KERNELS[name].sum()) for name in names}))


def _one(image: ArrayLike, kernel: ArrayLike) -> str:
    """The answer at the first place."""
    return _number(convolve2d(image, kernel)[0, 0])


def _even(grey: float, kernel: ArrayLike) -> str:
    """The answer to an image that is the same everywhere."""
    return _one(np.full((3, 3), grey), kernel)
