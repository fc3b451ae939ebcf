"""The formulas of layers are those of Keras's layers; the lectures' figures are in `tests/lectures/test_claims.py`."""

import math

import keras
import pytest

from dogs_vs_cats.models.layer_arithmetic import (
    convolution_parameters,
    map_bytes,
    mlp_parameters,
    output_size,
    same_padding,
)


def test_output_size_counts_the_places_of_a_kernel():
    for size in range(1, 12):
        for kernel in range(1, 6):
            for stride in range(1, 4):
                for padding in range(3):
                    starts = range(0, size + 2 * padding, stride)
                    fitting = [start for start in starts if start + kernel <= size + 2 * padding]
                    if fitting:
                        assert output_size(size, kernel, stride, padding) == len(fitting)
                    else:
                        with pytest.raises(ValueError, match="must fit"):
                            output_size(size, kernel, stride, padding)


@pytest.mark.parametrize("arguments", [(0, 1), (5, 0), (5, 3, 0), (5, 3, 1, -1)])
def test_output_size_refuses_what_is_no_layer(arguments):
    with pytest.raises(ValueError, match="at least"):
        output_size(*arguments)


def test_same_padding_keeps_the_size_at_stride_1():
    for kernel in (1, 3, 5, 7, 11):
        assert output_size(32, kernel, 1, same_padding(kernel)) == 32
    with pytest.raises(ValueError, match="even"):
        same_padding(4)


@pytest.mark.parametrize(("size", "channels", "filters"), [(5, 1, 32), (3, 3, 16), (3, 40, 32)])
def test_parameters_of_a_convolution_are_those_of_keras(size, channels, filters):
    layer = keras.layers.Conv2D(filters, size)
    layer.build((None, 28, 28, channels))
    assert convolution_parameters(size, channels, filters) == layer.count_params()


def test_parameters_of_dense_layers_are_those_of_keras():
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4), keras.layers.Dense(3)])
    assert mlp_parameters([5, 4, 3]) == model.count_params()


def test_memory_of_maps_does_not_depend_on_the_channels_that_come_in():
    shapes = [
        keras.layers.Conv2D(100, 5, padding="same").compute_output_shape((7, 512, 512, channels)) for channels in (1, 3)
    ]
    assert [4 * math.prod(shape) for shape in shapes] == [map_bytes(512, 512, 100, batch=7)] * 2
