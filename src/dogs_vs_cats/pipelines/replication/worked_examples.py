"""The lectures' examples with numbers, computed by `dogs_vs_cats.convolution`."""

import itertools
from functools import partial
from typing import Any

import numpy as np

from dogs_vs_cats import convolution
from dogs_vs_cats.convolution import KERNELS
from dogs_vs_cats.pipelines.replication.claims import Claim, computed, ours_only

TOPIC = "Convolution and pooling by hand"
LAPLACIAN_INPUT = [[5, 8, 0, 4, 8], [3, 9, 2, 9, 2], [4, 9, 2, 3, 6], [5, 4, 8, 2, 0], [5, 8, 0, 0, 8]]
BINARY = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
CROSS = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
SOBEL_WINDOWS = ([[20, 24, 11], [19, 20, 23], [21, 40, 25]], [[24, 11, 12], [17, 20, 23], [40, 25, 13]])
POOLED = [[1, 3, 5, 7], [4, 5, 11, 3], [4, 1, 21, 6], [13, 15, 1, 2]]
ACTIVATED = [[1, 14, -9, 4], [-2, -20, 10, 6], [-3, 3, 11, 1], [2, 54, -2, 80]]
TOY = [[1, -1], [-1, 1]]

PRINTED_KERNELS = (
    ("horizontal edges", "L1", "1 1 1 / 0 0 0 / −1 −1 −1"),
    ("vertical edges", "L1", "1 0 −1 / 1 0 −1 / 1 0 −1"),
    ("luminosity", "L1", "−1 −1 −1 / −1 8 −1 / −1 −1 −1"),
    ("sobel, horizontal edges", "L2", "1 2 1 / 0 0 0 / −1 −2 −1"),
    ("sobel, vertical edges", "L2", "1 0 −1 / 2 0 −2 / 1 0 −1"),
    ("laplacian", "L2", "0 −1 0 / −1 4 −1 / 0 −1 0"),
    ("sharpen", "L3", "0 −1 0 / −1 5 −1 / 0 −1 0"),
    ("vertical edges, dark to bright", "L3", "−1 0 1 / −1 0 1 / −1 0 1"),
)
"""Kernels by our names, as the lectures print them."""

check = partial(computed, TOPIC)


def claims() -> list[Claim]:
    """Computes every worked example."""
    return [*_kernels(), *_two_dimensions(), *_edges(), *_sobel_windows(), *_toys(), *_one_dimension(), *_pooling()]


def _kernels() -> list[Claim]:
    grey = np.full((3, 3), 100)
    bright_above, bright_left = np.array([[10, 10, 10], [10, 10, 10], [0, 0, 0]]), np.array([[10, 10, 0]] * 3)

    def answer(image: Any, kernel: Any) -> str:
        return _number(convolution.convolve2d(image, kernel)[0, 0])

    blur = KERNELS["blur"]
    ninths = "1/9 · ones" if np.allclose(blur * 9, 1) else _rows(blur)
    sums = {sign: _sums(*names) for sign, names in (("0", _DIFFERENCES), ("1", ("blur", "sharpen")))}
    return [
        *(
            check(
                f"kernel: {name}",
                source,
                printed,
                _rows(KERNELS[name]),
                f"10 above 0: {answer(bright_above, KERNELS[name])}; 10 left of 0: "
                f"{answer(bright_left, KERNELS[name])}; even 10: {answer(np.full((3, 3), 10), KERNELS[name])}.",
            )
            for name, source, printed in PRINTED_KERNELS
        ),
        check("kernel: average", "L2", "1/9 · ones", ninths, f"An even grey of 100 stays {answer(grey, blur)}."),
        check(
            "kernel: blur",
            "L1",
            "−1/9 · ones",
            ninths,
            f"The slide's turns an even grey of 100 into {answer(grey, -blur)}, and so blurs the negative; ours leaves "
            f"it {answer(grey, blur)}.",
        ),
        check(
            "kernel: blur by ones",
            "L3",
            "ones",
            ninths,
            f"The slide's turns an even grey of 100 into {answer(grey, KERNELS['sum of nine'])}, since it isn't "
            f"divided by nine; ours leaves it {answer(grey, blur)}.",
        ),
        check(
            "differential kernels sum to", "L2", "0", sums["0"], f"All {len(_DIFFERENCES)} above that take differences."
        ),
        check("smoothing kernels sum to", "L2", "1", sums["1"], "1/9 · ones; also sharpen."),
    ]


_DIFFERENCES = tuple(name for name, _, _ in PRINTED_KERNELS if name != "sharpen")


def _two_dimensions() -> list[Claim]:
    laplacian = KERNELS["laplacian"]
    valid = convolution.convolve2d(LAPLACIAN_INPUT, laplacian)
    padded = convolution.convolve2d(LAPLACIAN_INPUT, laplacian, padding=1)
    return [
        check(
            "convolution means",
            "L2",
            "cross-correlation",
            _meaning_of_convolution(),
            "Checked on Keras's layer: it doesn't turn the kernel over.",
        ),
        check(
            "first answer of a 4×4 image under a 3×3 kernel",
            "L1",
            "a1·k1 + a2·k2 + a3·k3 + a5·k4 + a5·k5 + a7·k6 + a9·k7 + a10·k8 + a11·k9",
            " + ".join(map(_term, range(9))),
            "The slide has a5 twice. Each term of ours was found by setting one weight to 1, and the rest to 0.",
        ),
        check(
            "Laplacian, valid",
            "L2",
            "14 −12 25 / −17 −14 7 / −14 24 −3",
            _rows(valid),
            "The slide's own zero-padded answer gives it away: without its frame, its middle is "
            f"{_rows(padded[1:-1, 1:-1])}.",
        ),
        check(
            "Laplacian, zero-padded",
            "L2",
            "9 18 −14 −1 26 / −6 14 −12 25 −15 / −1 17 −14 −7 19 / 7 −14 24 −3 −16 / 7 23 −16 −10 32",
            _rows(padded),
        ),
        check(
            "Laplacian, zero-padded, stride 2",
            "L2",
            "9 −14 26 / −1 −14 19 / 7 −16 32",
            _rows(convolution.convolve2d(LAPLACIAN_INPUT, laplacian, stride=2, padding=1)),
        ),
        check("binary image", "L3, L4", "4 3 4 / 2 4 3 / 2 3 4", _rows(convolution.convolve2d(BINARY, CROSS))),
    ]


def _meaning_of_convolution() -> str:
    import keras

    image, kernel = np.arange(16, dtype=np.float32).reshape(4, 4) ** 2, np.arange(9, dtype=np.float32).reshape(3, 3)
    theirs = keras.ops.convert_to_numpy(
        keras.ops.conv(image[np.newaxis, ..., np.newaxis], kernel[..., np.newaxis, np.newaxis], padding="valid")
    )[0, ..., 0]
    is_correlation = np.allclose(theirs, convolution.convolve2d(image, kernel))
    return "cross-correlation" if is_correlation else "the convolution of mathematics"


def _edges() -> list[Claim]:
    vertical = KERNELS["vertical edges"]
    edge_6 = np.repeat([[10, 10, 10, 0, 0, 0]], 6, axis=0)
    edge_8 = np.repeat([[10, 10, 10, 10, 0, 0, 0, 0]], 8, axis=0)
    framed = np.pad(convolution.convolve2d(edge_8, vertical), 1)
    padded = convolution.convolve2d(edge_8, vertical, padding=1)
    return [
        check(
            "edge in a 6×6 image: each row",
            "L3",
            "0 30 30 0",
            _same_row(convolution.convolve2d(edge_6, vertical)),
        ),
        check(
            "edge in an 8×8 image: rows but the first and last",
            "L1",
            "0 0 0 30 30 0 0 0",
            _same_row(framed[1:-1]),
            "The answer without padding, in a frame of zeros. Zero-padded convolution has other edges: "
            f"{_same_row(padded[1:-1])}.",
        ),
        check(
            "edge in an 8×8 image: first and last row",
            "L1",
            "0 0 0 0 0 0 0 0",
            _same_row(framed[[0, -1]]),
            f"Likewise; zero-padded convolution has {_same_row(padded[[0, -1]])}.",
        ),
    ]


def _sobel_windows() -> list[Claim]:
    sobel = KERNELS["sobel, vertical edges"]
    first, second = (_number(convolution.convolve2d(window, sobel)[0, 0]) for window in SOBEL_WINDOWS)
    over = [_number(convolution.convolve2d(window, np.flip(sobel))[0, 0]) for window in SOBEL_WINDOWS]
    moved = np.array(SOBEL_WINDOWS[0])[:, 1:]
    return [
        check(
            "Sobel on the first window",
            "L5",
            "3",
            first,
            f"The kernel turned over, a convolution in mathematics, gives {over[0]}; but then the second window gives "
            f"{over[1]}, and the slide has 27.",
        ),
        check("Sobel on the second window", "L5", "27", second),
        check(
            "the second window, which is the first moved by a column: its first two columns",
            "L5",
            _rows(np.array(SOBEL_WINDOWS[1])[:, :2]),
            _rows(moved),
            "The last two columns of the first window; in the slide the middle row doesn't go on as the others do.",
        ),
    ]


def _toys() -> list[Claim]:
    images = [np.reshape(pixels, (2, 2)) for pixels in itertools.product((-1, 1), repeat=4)]
    alike = [image for image in images if convolution.convolve2d(image, TOY)[0, 0] == 4]
    return [
        check(
            "2×2 images of −1 and 1",
            "L4",
            16,
            len(images),
            f"{len(alike)} of them answers 4 to the first toy filter: the filter itself.",
        ),
        check(
            "toy filters on each other",
            "L4",
            "4, −4",
            ", ".join(_number(convolution.convolve2d(TOY, sign * np.array(TOY))[0, 0]) for sign in (1, -1)),
        ),
    ]


def _one_dimension() -> list[Claim]:
    signal = 2 * np.exp(-0.3 * np.arange(8))
    slope = -convolution.leaky_relu(np.array(-1.0))
    others = {
        name: ", ".join(_number(round(float(function(value)), 4)) for value in (-1.0, 1.0))
        for name, function in convolution.ACTIVATIONS.items()
        if name in ("sigmoid", "tanh", "ELU")
    }
    return [
        check(
            "one-dimensional convolution",
            "L2",
            "2, 1.482, −0.902, −0.668, −0.495, −0.367, −0.272, −0.201, −0.331, −0.245",
            ", ".join(_number(round(float(value), 3)) for value in convolution.convolve1d(signal, [1, 0, -1])),
            "Here the kernel is turned over: it is the convolution of mathematics.",
        ),
        check("ReLU", "L3", "1 14 0 4 / 0 0 10 6 / 0 3 11 1 / 2 54 0 80", _rows(convolution.relu(ACTIVATED))),
        check("leaky ReLU: slope below 0", "L3", "0.1", _number(slope)),
        ours_only(
            TOPIC,
            "other activations at −1 and 1",
            "L3",
            "; ".join(f"{name} {values}" for name, values in others.items()),
            f"And maxout, the largest of several: {_number(convolution.maxout([-1.0, 1.0], 2)[0])} of these two.",
        ),
    ]


def _pooling() -> list[Claim]:
    numbers = np.arange(36).reshape(6, 6)
    average, total = convolution.average_pool(numbers, 3), convolution.sum_pool(numbers, 3)
    return [
        check("max pooling 2×2, stride 2", "L1", "5 11 / 15 21", _rows(convolution.max_pool(POOLED, 2))),
        ours_only(
            TOPIC,
            "average pooling 3×3, stride 3, of 0 to 35 in six rows",
            "L2",
            _rows(average),
            "The same as convolution with 1/9 · ones at stride 3."
            if np.allclose(average, convolution.convolve2d(numbers, KERNELS["blur"], stride=3))
            else "",
        ),
        ours_only(TOPIC, "sum pooling of the same", "L4", _rows(total), "Nine times as much."),
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
    return ", ".join(sorted({_number(KERNELS[name].sum()) for name in names}))
