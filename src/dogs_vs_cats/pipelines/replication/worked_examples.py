"""The lectures' examples with numbers, computed by `dogs_vs_cats.convolution`."""

from typing import Any

import numpy as np

from dogs_vs_cats import convolution
from dogs_vs_cats.pipelines.replication.claims import Claim, computed

TOPIC = "Convolution and pooling by hand"
LAPLACIAN_INPUT = [[5, 8, 0, 4, 8], [3, 9, 2, 9, 2], [4, 9, 2, 3, 6], [5, 4, 8, 2, 0], [5, 8, 0, 0, 8]]
BINARY = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
CROSS = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
SOBEL_WINDOWS = ([[20, 24, 11], [19, 20, 23], [21, 40, 25]], [[24, 11, 12], [17, 20, 23], [40, 25, 13]])
POOLED = [[1, 3, 5, 7], [4, 5, 11, 3], [4, 1, 21, 6], [13, 15, 1, 2]]
ACTIVATED = [[1, 14, -9, 4], [-2, -20, 10, 6], [-3, 3, 11, 1], [2, 54, -2, 80]]
TOY = [[1, -1], [-1, 1]]


def claims() -> list[Claim]:
    """Computes every worked example."""
    kernels = convolution.KERNELS
    laplacian = kernels["laplacian"]
    vertical = kernels["vertical edges"]
    edge_6 = np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0)
    edge_8 = np.repeat([[10, 10, 10, 10, 0, 0, 0, 0]], 8, axis=0)
    answer_8 = convolution.convolve2d(edge_8, vertical)
    first, second = (convolution.convolve2d(window, kernels["sobel, vertical edges"])[0, 0] for window in SOBEL_WINDOWS)
    signal = 2 * np.exp(-0.3 * np.arange(8))
    grey = np.full((3, 3), 100)
    moved = [row[1:] for row in SOBEL_WINDOWS[0]]
    is_moved = moved == [row[:-1] for row in SOBEL_WINDOWS[1]]
    return [
        computed(
            TOPIC,
            "first answer of a 4×4 image under a 3×3 kernel: its fifth term",
            "L1",
            "a5·k5",
            _term(4),
            "The slide has a5 twice. The term was found by setting the fifth weight to 1, and the rest to 0.",
        ),
        computed(
            TOPIC,
            "Laplacian, valid",
            "L2",
            "14 −12 25 / −17 −14 7 / −14 24 −3",
            _rows(convolution.convolve2d(LAPLACIAN_INPUT, laplacian)),
            "The slide's middle row has two wrong signs.",
        ),
        computed(
            TOPIC,
            "Laplacian, zero-padded",
            "L2",
            "9 18 −14 −1 26 / −6 14 −12 25 −15 / −1 17 −14 −7 19 / 7 −14 24 −3 −16 / 7 23 −16 −10 32",
            _rows(convolution.convolve2d(LAPLACIAN_INPUT, laplacian, padding=1)),
        ),
        computed(
            TOPIC,
            "Laplacian, zero-padded, stride 2",
            "L2",
            "9 −14 26 / −1 −14 19 / 7 −16 32",
            _rows(convolution.convolve2d(LAPLACIAN_INPUT, laplacian, stride=2, padding=1)),
        ),
        computed(
            TOPIC, "binary image", "L3, L4", "4 3 4 / 2 4 3 / 2 3 4", _rows(convolution.convolve2d(BINARY, CROSS))
        ),
        computed(
            TOPIC,
            "edge in a 6×6 image: each row",
            "L3",
            "0 30 30 0",
            _same_row(convolution.convolve2d(edge_6, vertical)),
        ),
        computed(
            TOPIC,
            "edge in an 8×8 image: each row but the first and last",
            "L1",
            "0 0 0 30 30 0 0 0",
            _same_row(np.pad(answer_8, ((0, 0), (1, 1)))),
            "The 6×6 answer without padding, in a frame of zeros. Zero-padded convolution has other edges: "
            f"{_rows(convolution.convolve2d(edge_8, vertical, padding=1)[3:4])}.",
        ),
        computed(TOPIC, "Sobel on the first window", "L5", "3", _number(first), "The slide loses the sign."),
        computed(TOPIC, "Sobel on the second window", "L5", "27", _number(second)),
        computed(
            TOPIC,
            "is the second window the first one moved by a column?",
            "L5",
            "yes",
            "yes" if is_moved else "no",
            "Its first two columns should be the last two of the first: 24 11 / 20 23 / 40 25.",
        ),
        computed(
            TOPIC,
            "blur of an even grey of 100",
            "L1",
            "100",
            _number(convolution.convolve2d(grey, -kernels["blur"])[0, 0]),
            "The slide's weights are −1/9, which blurs the negative; +1/9 gives "
            f"{_number(convolution.convolve2d(grey, kernels['blur'])[0, 0])}.",
        ),
        computed(
            TOPIC,
            "blur by ones of an even grey of 100",
            "L3",
            "100",
            _number(convolution.convolve2d(grey, kernels["sum of nine"])[0, 0]),
            "The slide's weights aren't divided by nine.",
        ),
        computed(
            TOPIC,
            "differential kernels sum to",
            "L2",
            "0",
            _sums("sobel, horizontal edges", "sobel, vertical edges", "laplacian"),
        ),
        computed(TOPIC, "smoothing kernels sum to", "L2", "1", _sums("blur")),
        computed(
            TOPIC,
            "one-dimensional convolution",
            "L2",
            "2, 1.482, −0.902, −0.668, −0.495, −0.367, −0.272, −0.201, −0.331, −0.245",
            ", ".join(_number(round(float(value), 3)) for value in convolution.convolve1d(signal, [1, 0, -1])),
        ),
        computed(TOPIC, "max pooling 2×2, stride 2", "L1", "5 11 / 15 21", _rows(convolution.max_pool(POOLED, 2))),
        computed(
            TOPIC,
            "toy filters on each other",
            "L4",
            "4, −4",
            ", ".join(_number(convolution.convolve2d(TOY, sign * np.array(TOY))[0, 0]) for sign in (1, -1)),
        ),
        computed(TOPIC, "ReLU", "L3", "1 14 0 4 / 0 0 10 6 / 0 3 11 1 / 2 54 0 80", _rows(convolution.relu(ACTIVATED))),
    ]


def _term(number: int) -> str:
    """Names the pixel that a weight meets at the first place of a 4×4 image."""
    kernel = np.zeros(9)
    kernel[number] = 1
    pixel = convolution.convolve2d(np.arange(1, 17).reshape(4, 4), kernel.reshape(3, 3))[0, 0]
    return f"a{pixel:.0f}·k{number + 1}"


def _number(value: Any) -> str:
    return f"{round(float(value), 6):g}".replace("-", "−")


def _rows(values: np.ndarray) -> str:
    return " / ".join(" ".join(map(_number, row)) for row in values)


def _same_row(values: np.ndarray) -> str:
    """The row that all rows are."""
    return _rows(np.unique(values, axis=0))


def _sums(*names: str) -> str:
    return ", ".join(sorted({_number(convolution.KERNELS[name].sum()) for name in names}))
