"""The lectures' sizes, counts and memory, recomputed; what they print wrongly is said where it is tested."""

import math

import keras
import pytest

from dogs_vs_cats.models.layer_arithmetic import (
    convolution_parameters,
    dense_parameters,
    map_bytes,
    mlp_parameters,
    output_size,
    same_padding,
)

MIB, GIB = 2**20, 2**30


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "padding", "expected"),
    [
        (5, 3, 3, 0, 1),  # L1, where the floor matters: 5/3 is 1.67
        (32, 5, 1, 0, 28),  # L3
        (7, 3, 3, 1, 3),  # L3
        (227, 11, 4, 0, 55),  # AlexNet's first convolution (L3)
        (224, 11, 4, 0, 54),  # L4's AlexNet: 54.25 without the floor, and not 55
        (55, 3, 2, 0, 27),
        (27, 5, 1, 2, 27),
        (13, 3, 2, 0, 6),
        (150, 3, 1, 0, 148),  # the naive CNN (L1), layer by layer
        (148, 2, 2, 0, 74),
        (74, 3, 1, 0, 72),
        (36, 3, 1, 0, 34),
        (34, 2, 2, 0, 17),
    ],
)
def test_output_size(size, kernel, stride, padding, expected):
    assert output_size(size, kernel, stride, padding) == expected


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


@pytest.mark.parametrize(
    ("size", "channels", "filters", "printed"),
    [
        (5, 1, 32, 832),  # L1: n_c · n_K² + n_c, for one channel
        (5, 1, 6, 156),  # L2, LeNet-5
        (5, 1, 40, 1_040),  # L4
        (3, 3, 16, 448),  # L1, the naive CNN
        (3, 40, 32, 11_552),  # L4
    ],
)
def test_parameters_of_a_convolution_are_those_of_keras(size, channels, filters, printed):
    layer = keras.layers.Conv2D(filters, size)
    layer.build((None, 28, 28, channels))
    assert convolution_parameters(size, channels, filters) == layer.count_params() == printed


def test_a_convolution_against_a_dense_layer():
    assert convolution_parameters(5, 3, 100) == 7_600
    assert dense_parameters(3 * 512 * 512, 100) == 78_643_300


def test_single_filters_of_the_fifth_lecture():
    assert convolution_parameters(3, 3, 1) == 28
    assert convolution_parameters(3, 3, 2) == 56


def test_memory_of_100_maps():
    # Printed: 300 MB and 29 GB, which counts the three channels of the input again.
    assert map_bytes(512, 512, 100) / MIB == 100
    assert map_bytes(512, 512, 100, batch=100) / GIB == pytest.approx(9.77, abs=0.01)
    # However many channels go in, Keras's layer makes as many values.
    shapes = [
        keras.layers.Conv2D(100, 5, padding="same").compute_output_shape((7, 512, 512, channels)) for channels in (1, 3)
    ]
    assert [4 * math.prod(shape) for shape in shapes] == [map_bytes(512, 512, 100, batch=7)] * 2


def test_mlp_on_imagenet_pictures():
    # Printed: "over 300 billion". That is the product of the widths; the parameters are the sum over the layers.
    assert mlp_parameters([224 * 224 * 3, 128, 128, 128]) == 19_300_736


def test_dense_layer_on_top_of_vgg16():
    parameters = dense_parameters(7 * 7 * 512, 4_096)
    assert parameters == 102_764_544
    assert parameters - 4_096 == 102_760_448  # without the biases, the connections: "over 100 million"


@pytest.mark.parametrize(
    ("widths", "expected"),
    [([784, 128, 64, 10], 109_386), ([4, 25, 15, 3], 563), ([13, 8, 6, 1], 173)],
)
def test_multilayer_perceptrons(widths, expected):
    assert mlp_parameters(widths) == expected


def test_dense_layers_of_alexnet():
    # Printed: 37,748,737, 16,777,217 and 4,096,001. Those have one bias for the layer, not one for each unit.
    for inputs, units, printed, right in [
        (9_216, 4_096, 37_748_737, 37_752_832),
        (4_096, 4_096, 16_777_217, 16_781_312),
        (4_096, 1_000, 4_096_001, 4_097_000),
    ]:
        assert dense_parameters(inputs, units) == right
        assert dense_parameters(inputs, units) - (units - 1) == printed


def test_shares_of_alexnets_convolutions():
    convolutions = [(11, 3, 96, 55), (5, 96, 256, 27), (3, 256, 384, 13), (3, 384, 384, 13), (3, 384, 256, 13)]
    dense = [(9_216, 4_096), (4_096, 4_096), (4_096, 1_000)]
    work = sum(k**2 * c * f * size**2 for k, c, f, size in convolutions)
    assert work == 1_076_634_144
    assert work / (work + sum(i * u for i, u in dense)) == pytest.approx(0.948, abs=0.001)  # "90 to 95 %"
    counted = sum(convolution_parameters(k, c, f) for k, c, f, _ in convolutions)
    assert counted == 3_747_200
    assert counted / (counted + sum(dense_parameters(i, u) for i, u in dense)) == pytest.approx(0.060, abs=0.001)


def test_alexnet_on_224_pixels_taken_literally():
    size = output_size(224, 11, 4)
    sizes = [size]
    for _ in range(3):
        size = output_size(size, 3, 2)
        sizes.append(size)
    assert sizes == [54, 26, 12, 5]
    assert 3_747_200 + mlp_parameters([5 * 5 * 256, 4_096, 4_096, 1_000]) == 50_844_008
    assert output_size(224 + 3, 11, 4) == 55


def test_inception_side_by_side_and_in_sequence():
    beside = [convolution_parameters(size, 1, 32) for size in (1, 3, 5)]
    sequence = [convolution_parameters(size, channels, 32) for size, channels in ((1, 1), (3, 32), (5, 32))]
    assert (beside, sum(beside)) == ([64, 320, 832], 1_216)
    assert (sequence, sum(sequence)) == ([64, 9_248, 25_632], 34_944)
    # Printed: "30 times faster". It is a ratio of parameters, or, with 31.1, of multiplications at each position.
    assert sum(sequence) / sum(beside) == pytest.approx(28.7, abs=0.05)
    work_beside = sum(size**2 * 1 * 32 for size in (1, 3, 5))
    work_sequence = sum(s**2 * c * 32 for s, c in ((1, 1), (3, 32), (5, 32)))
    assert work_sequence / work_beside == pytest.approx(31.1, abs=0.05)
