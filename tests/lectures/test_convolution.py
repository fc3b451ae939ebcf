"""Convolution, pooling and activations, with Keras's own layers as referee.

The lectures' worked examples are claims, which `test_claims` holds against the page.
"""

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
)


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def test_kernels_cannot_be_changed_by_accident():
    with pytest.raises(ValueError, match="read-only"):
        KERNELS["blur"][0, 0] = 2


def test_only_one_map_of_at_least_the_kernels_size():
    with pytest.raises(ValueError, match="shape"):
        convolve2d(np.zeros((4, 4, 3)), np.ones((3, 3)))
    with pytest.raises(ValueError, match="larger than input"):
        convolve2d(np.zeros((2, 5)), np.ones((3, 3)))


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
    of_one = keras_convolution(image[..., :1], kernels[..., :1, :1], np.zeros(1), stride, padding)[..., 0]
    assert convolve2d(image[..., 0], kernels[..., 0, 0], stride, padding) == pytest.approx(of_one, rel=1e-4, abs=1e-2)


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


@pytest.mark.parametrize(("size", "stride"), [(2, None), (2, 1), (3, 2), (3, None)])
def test_pooling_equals_keras(size, stride, random):
    image = random.normal(size=(8, 7)).astype(np.float32)
    for ours, theirs in [(max_pool, keras.layers.MaxPooling2D), (average_pool, keras.layers.AveragePooling2D)]:
        expected = keras.ops.convert_to_numpy(theirs(size, stride)(image[None, ..., None]))[0, ..., 0]
        assert ours(image, size, stride) == pytest.approx(expected, abs=1e-6)


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
