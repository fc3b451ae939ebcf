"""The lectures' worked examples, number by number, and Keras's own layers as referee.

Misprints of a slide are named where they are tested.
"""

import itertools

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dogs_vs_cats.lectures.convolution import (
    ACTIVATIONS,
    KERNELS,
    average_pool,
    convolution_layer,
    convolve2d,
    leaky_relu,
    max_pool,
    maxout,
    relu,
    sum_pool,
)

LAPLACIAN_INPUT = [[5, 8, 0, 4, 8], [3, 9, 2, 9, 2], [4, 9, 2, 3, 6], [5, 4, 8, 2, 0], [5, 8, 0, 0, 8]]
PADDED_LAPLACIAN = [
    [9, 18, -14, -1, 26],
    [-6, 14, -12, 25, -15],
    [-1, 17, -14, -7, 19],
    [7, -14, 24, -3, -16],
    [7, 23, -16, -10, 32],
]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


# Kernels


PRINTED = {
    # L1
    "horizontal edges": [[1, 1, 1], [0, 0, 0], [-1, -1, -1]],
    "vertical edges": [[1, 0, -1], [1, 0, -1], [1, 0, -1]],
    "luminosity": [[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]],
    "blur": [[1 / 9, 1 / 9, 1 / 9], [1 / 9, 1 / 9, 1 / 9], [1 / 9, 1 / 9, 1 / 9]],  # printed −1/9; L2 has it right
    # L2
    "sobel, horizontal edges": [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    "sobel, vertical edges": [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    "laplacian": [[0, -1, 0], [-1, 4, -1], [0, -1, 0]],
    # L3
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "vertical edges, dark to bright": [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]],
    "sum of nine": [[1, 1, 1], [1, 1, 1], [1, 1, 1]],  # as a blur; not divided, so it makes a grey of 28 white
}


def test_the_kernels_are_the_printed_ones():
    assert {name: kernel.tolist() for name, kernel in KERNELS.items()} == PRINTED


def test_kernels_that_take_differences_sum_to_0_and_those_that_keep_the_brightness_to_1():
    sums = {name: round(kernel.sum(), 9) for name, kernel in KERNELS.items()}
    assert {name for name, total in sums.items() if total == 1} == {"blur", "sharpen"}
    assert {name for name, total in sums.items() if total != 0} == {"blur", "sharpen", "sum of nine"}


def test_the_blur_printed_with_minus_blurs_the_negative():
    grey = np.full((4, 4), 90.0)
    assert convolve2d(grey, KERNELS["blur"]) == pytest.approx(np.full((2, 2), 90))
    assert convolve2d(grey, -KERNELS["blur"]) == pytest.approx(np.full((2, 2), -90))


def test_kernels_find_the_edges_they_are_named_after():
    horizontal = np.repeat([[10.0], [10], [0], [0]], 4, axis=1)
    for name in ("horizontal edges", "sobel, horizontal edges"):
        assert (convolve2d(horizontal, KERNELS[name]) > 0).all()
        assert (convolve2d(horizontal.T, KERNELS[name]) == 0).all()
    for name in ("vertical edges", "sobel, vertical edges"):
        assert (convolve2d(horizontal.T, KERNELS[name]) > 0).all()
        assert (convolve2d(horizontal, KERNELS[name]) == 0).all()


def test_l3_edges_are_l1_edges_with_the_sign_turned():
    assert (KERNELS["vertical edges, dark to bright"] == -KERNELS["vertical edges"]).all()


def test_kernels_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        KERNELS["blur"][0, 0] = 2


# Convolution in two dimensions


def test_4x4_by_3x3_letter_by_letter(random):
    a, k = random.normal(size=17), random.normal(size=10)  # counted from 1, as on the slide
    result = convolve2d(a[1:].reshape(4, 4), k[1:].reshape(3, 3))
    assert result.shape == (2, 2)
    # Printed with a5 twice; the right letters are these.
    b1 = a[1] * k[1] + a[2] * k[2] + a[3] * k[3]
    b1 += a[5] * k[4] + a[6] * k[5] + a[7] * k[6]
    b1 += a[9] * k[7] + a[10] * k[8] + a[11] * k[9]
    assert result[0, 0] == pytest.approx(b1)
    for row, column in itertools.product(range(2), range(2)):
        first = 1 + 4 * row + column
        letters = [first + 4 * i + j for i in range(3) for j in range(3)]
        assert result[row, column] == pytest.approx(sum(a[n] * k[1 + i] for i, n in enumerate(letters)))


def test_laplacian_valid():
    # Printed with −17, −14, 7 in the middle row.
    expected = [[14, -12, 25], [17, -14, -7], [-14, 24, -3]]
    assert convolve2d(LAPLACIAN_INPUT, KERNELS["laplacian"]).tolist() == expected


def test_laplacian_zero_padded():
    result = convolve2d(LAPLACIAN_INPUT, KERNELS["laplacian"], padding=1)
    assert result.tolist() == PADDED_LAPLACIAN
    # Its middle is the valid one: the padded example of the slide gives the misprint away.
    assert result[1:-1, 1:-1].tolist() == convolve2d(LAPLACIAN_INPUT, KERNELS["laplacian"]).tolist()


def test_laplacian_zero_padded_with_stride_2():
    result = convolve2d(LAPLACIAN_INPUT, KERNELS["laplacian"], stride=2, padding=1)
    assert result.tolist() == [[9, -14, 26], [-1, -14, 19], [7, -16, 32]]


def test_binary_image():
    image = [[1, 1, 1, 0, 0], [0, 1, 1, 1, 0], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0], [0, 1, 1, 0, 0]]
    kernel = [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    assert convolve2d(image, kernel).tolist() == [[4, 3, 4], [2, 4, 3], [2, 3, 4]]


def test_edge_image_of_6x6():
    image = np.tile([10, 10, 10, 0, 0, 0], (6, 1))
    assert convolve2d(image, KERNELS["vertical edges"]).tolist() == [[0, 30, 30, 0]] * 4


def test_edge_image_of_8x8():
    image = np.tile([10, 10, 10, 10, 0, 0, 0, 0], (8, 1))
    valid = convolve2d(image, KERNELS["vertical edges"])
    assert valid.tolist() == [[0, 0, 30, 30, 0, 0]] * 6
    # L1 prints the valid answer with a frame of zeros, to keep the size.
    framed = np.pad(valid, 1)
    assert framed[1:7].tolist() == [[0, 0, 0, 30, 30, 0, 0, 0]] * 6
    assert not framed[[0, 7]].any()
    # That isn't what zero padding gives, which puts an edge where the black frame of the input begins.
    padded = convolve2d(image, KERNELS["vertical edges"], padding=1)
    assert padded[1:7].tolist() == [[-30, 0, 0, 30, 30, 0, 0, 0]] * 6
    assert padded[[0, 7]].tolist() == [[-20, 0, 0, 20, 20, 0, 0, 0]] * 2


def test_sobel_windows():
    first = [[20, 24, 11], [19, 20, 23], [21, 40, 25]]
    second = [[24, 11, 12], [17, 20, 23], [40, 25, 13]]
    # Printed 3. That is what the kernel turned over (a convolution in mathematics) gives; then the second would be −27.
    assert convolve2d(first, KERNELS["sobel, vertical edges"]).item() == -3
    assert convolve2d(first, np.flip(KERNELS["sobel, vertical edges"])).item() == 3
    assert convolve2d(second, KERNELS["sobel, vertical edges"]).item() == 27
    # The second window is not the first one moved on by a column, which goes on in the middle row with 20, 23.
    picture = np.column_stack([first, np.array(second)[:, 2]])
    assert convolve2d(picture, KERNELS["sobel, vertical edges"]).tolist() == [[-3, 33]]


def test_toy_filters():
    falling, rising = np.array([[1, -1], [-1, 1]]), np.array([[-1, 1], [1, -1]])
    images = [np.reshape(pixels, (2, 2)) for pixels in itertools.product([-1, 1], repeat=4)]
    answers = [convolve2d(image, falling).item() for image in images]
    assert sorted(answers) == [-4, *[-2] * 4, *[0] * 6, *[2] * 4, 4]
    assert [image.tolist() for image, answer in zip(images, answers, strict=True) if answer == 4] == [falling.tolist()]
    assert convolve2d(falling, falling).item() == convolve2d(rising, rising).item() == 4
    assert convolve2d(falling, rising).item() == convolve2d(rising, falling).item() == -4


def test_only_one_map_of_at_least_the_kernels_size():
    with pytest.raises(ValueError, match="shape"):
        convolve2d(np.zeros((4, 4, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="larger than input"):
        convolve2d(np.zeros((2, 5)), np.ones((3, 3)))


# Keras as referee


def keras_convolution(
    image: np.ndarray, kernels: np.ndarray, biases: np.ndarray, stride: int, padding: int
) -> np.ndarray:
    layer = keras.layers.Conv2D(kernels.shape[-1], kernels.shape[:2], stride)
    padded = np.pad(image, [(padding, padding), (padding, padding), (0, 0)])[np.newaxis]
    layer.build(padded.shape)
    layer.set_weights([kernels, biases])
    return keras.ops.convert_to_numpy(layer(padded))[0]


@settings(max_examples=20)
@given(
    height=st.integers(5, 9),
    width=st.integers(5, 9),
    kernel=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    channels=st.integers(1, 3),
    filters=st.integers(1, 3),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    seed=st.integers(0, 99),
)
def test_layer_equals_keras(height, width, kernel, channels, filters, stride, padding, seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (height, width, channels)).astype(np.float32)
    kernels = random.normal(size=(*kernel, channels, filters)).astype(np.float32)
    biases = random.normal(size=filters).astype(np.float32)
    expected = keras_convolution(image, kernels, biases, stride, padding)
    assert convolution_layer(image, kernels, biases, stride, padding) == pytest.approx(expected, rel=1e-4, abs=1e-2)


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_equals_keras(name, random):
    image = random.integers(0, 256, (9, 8)).astype(np.float32)
    expected = keras_convolution(image[..., None], KERNELS[name][..., None, None], np.zeros(1), 1, 1)[..., 0]
    assert convolve2d(image, KERNELS[name], padding=1) == pytest.approx(expected, abs=1e-2)


@pytest.mark.parametrize(("size", "stride", "same"), [(5, 1, True), (5, 2, True), (6, 2, False)])
def test_keras_same_padding_is_lopsided_where_a_stride_leaves_no_choice(size, stride, same, random):
    image = random.normal(size=(size, size)).astype(np.float32)
    kernel = KERNELS["laplacian"]
    layer = keras.layers.Conv2D(1, 3, stride, padding="same", use_bias=False)
    layer.build((1, size, size, 1))
    layer.set_weights([kernel[..., None, None]])
    theirs = keras.ops.convert_to_numpy(layer(image[None, ..., None]))[0, ..., 0]
    ours = convolve2d(image, kernel, stride, padding=1)
    assert ours.shape == theirs.shape
    assert np.allclose(ours, theirs, atol=1e-4) == same
    if not same:
        # Keras adds its one row and column at the end only.
        assert convolve2d(np.pad(image, (0, 1)), kernel, stride) == pytest.approx(theirs, abs=1e-4)


def test_keras_is_a_cross_correlation(random):
    image, kernel = random.normal(size=(6, 6)).astype(np.float32), np.arange(9, dtype=np.float32).reshape(3, 3)
    theirs = keras_convolution(image[..., None], kernel[..., None, None], np.zeros(1), 1, 0)[..., 0]
    assert convolve2d(image, kernel) == pytest.approx(theirs, abs=1e-4)
    assert not np.allclose(convolve2d(image, np.flip(kernel)), theirs, atol=1e-1)


@pytest.mark.parametrize(("size", "stride"), [(2, None), (2, 1), (3, 2), (3, None)])
def test_pooling_equals_keras(size, stride, random):
    image = random.normal(size=(8, 7)).astype(np.float32)
    for ours, theirs in [(max_pool, keras.layers.MaxPooling2D), (average_pool, keras.layers.AveragePooling2D)]:
        expected = keras.ops.convert_to_numpy(theirs(size, stride)(image[None, ..., None]))[0, ..., 0]
        assert ours(image, size, stride) == pytest.approx(expected, abs=1e-6)


# Convolution in one dimension


def test_one_dimensional_example():
    x = 2 * np.exp(-0.3 * np.arange(8))
    y = np.convolve(x, [1, 0, -1])
    printed = [2, 1.482, -0.902, -0.668, -0.495, -0.367, -0.272, -0.201, -0.331, -0.245]
    assert np.round(y, 3).tolist() == printed


# Pooling


def test_max_pooling_example():
    image = [[1, 3, 5, 7], [4, 5, 11, 3], [4, 1, 21, 6], [13, 15, 1, 2]]
    assert max_pool(image, 2).tolist() == [[5, 11], [15, 21]]


def test_average_and_sum_pooling():
    image = np.arange(36).reshape(6, 6)
    assert average_pool(image, 3).tolist() == [[7, 10], [25, 28]]
    assert (sum_pool(image, 3) == 9 * average_pool(image, 3)).all()
    # Average pooling is a convolution with the averaging kernel.
    assert average_pool(image, 3, 3) == pytest.approx(convolve2d(image, KERNELS["blur"], stride=3))


def test_pooling_leaves_out_what_does_not_fill_a_window():
    assert max_pool([[1, 2, 9], [3, 4, 9], [9, 9, 9]], 2).tolist() == [[4]]


# Activations


def test_relu_example():
    image = [[1, 14, -9, 4], [-2, -20, 10, 6], [-3, 3, 11, 1], [2, 54, -2, 80]]
    assert relu(image).tolist() == [[1, 14, 0, 4], [0, 0, 10, 6], [0, 3, 11, 1], [2, 54, 0, 80]]


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_equal_keras(name):
    theirs = {
        "ReLU": keras.layers.ReLU(),
        "sigmoid": keras.layers.Activation("sigmoid"),
        "tanh": keras.layers.Activation("tanh"),
        "leaky ReLU": keras.layers.LeakyReLU(negative_slope=0.1),
        "ELU": keras.layers.ELU(),
    }[name]
    x = np.linspace(-6, 6, 25, dtype=np.float32)
    assert ACTIVATIONS[name](x) == pytest.approx(keras.ops.convert_to_numpy(theirs(x)), abs=1e-6)


@pytest.mark.filterwarnings("error")
def test_activations_stay_finite():
    x = np.array([-1e4, 0, 1e4])
    assert ACTIVATIONS["sigmoid"](x).tolist() == [0, 0.5, 1]
    assert all(np.isfinite(activation(x)).all() for activation in ACTIVATIONS.values())


def test_maxout_takes_the_largest_of_several_layers(random):
    x = random.normal(size=(5, 3)).astype(np.float32)
    pieces = [keras.layers.Dense(2) for _ in range(4)]
    answers = [piece(x) for piece in pieces]
    expected = keras.ops.convert_to_numpy(keras.layers.Maximum()(answers))
    neighbours = np.stack([keras.ops.convert_to_numpy(answer) for answer in answers], axis=-1).reshape(5, 8)
    assert maxout(neighbours, pieces=4) == pytest.approx(expected)
    # With x and 0, or with x and x/10, it is the ReLU and its leaky kin.
    z = np.array([-3.0, 2.0])
    assert maxout(np.stack([z, 0 * z], axis=-1), 2).ravel().tolist() == relu(z).tolist()
    assert maxout(np.stack([z, 0.1 * z], axis=-1), 2).ravel() == pytest.approx(leaky_relu(z))
