"""Sizes, parameters and memory that the lectures compute with a formula."""

import math
from functools import partial

from dogs_vs_cats import layer_arithmetic as arithmetic
from dogs_vs_cats.layer_arithmetic import MEBIBYTE
from dogs_vs_cats.pipelines.replication.claims import Claim, computed, written

TOPIC = "Counting"
GIBIBYTE = 2**10 * MEBIBYTE

check = partial(computed, TOPIC)


def claims() -> list[Claim]:
    """Computes every formula of the lectures."""
    return [*_output_sizes(), *_layers(), *_memory(), *_perceptron()]


def _output_sizes() -> list[Claim]:
    counts_places = all(
        arithmetic.output_size(size, kernel, stride) == len(range(0, size - kernel + 1, stride))
        for size in range(5, 30)
        for kernel in range(1, 6)
        for stride in range(1, 4)
    )
    keeps_size = all(
        arithmetic.output_size(20, kernel, 1, (kernel - 1) // 2) == 20
        and arithmetic.same_padding(kernel) == (kernel - 1) // 2
        for kernel in (1, 3, 5, 7, 11)
    )
    return [
        check(
            "output size: formula",
            "L3",
            "(n + 2p − k)/s + 1",
            "floor((n + 2p − k)/s + 1)" if counts_places else "another",
            "A kernel takes whole steps. Without the floor, L1's example of n = 5, k = 3, s = 3 has "
            f"{(5 - 3) / 3 + 1:.2f} places, where a kernel finds {arithmetic.output_size(5, 3, 3)}; and AlexNet's "
            f"first layer has {(224 - 11) / 4 + 1:g} on 224 pixels, where it finds "
            f"{arithmetic.output_size(224, 11, 4)}.",
        ),
        check("output size, n = 5, k = 3, s = 3", "L1", 1, arithmetic.output_size(5, 3, 3)),
        check("output size, n = 32, k = 5", "L3", 28, arithmetic.output_size(32, 5)),
        check("output size, n = 7, k = 3, s = 3, p = 1", "L3", 3, arithmetic.output_size(7, 3, 3, 1)),
        check(
            "padding that keeps the size at stride 1",
            "L3",
            "p = (k − 1)/2",
            "p = (k − 1)/2" if keeps_size else "another",
            "Checked for kernels of 1, 3, 5, 7 and 11; for an even one there is none.",
        ),
    ]


def _layers() -> list[Claim]:
    fits = all(
        arithmetic.convolution_parameters(kernel, 1, filters) == filters * kernel**2 + filters
        for kernel in (1, 3, 5)
        for filters in (1, 32)
    )
    return [
        check(
            "parameters of n_c kernels on one channel",
            "L1",
            "n_c·n_K² + n_c",
            "n_c·n_K² + n_c" if fits else "another",
            f"32 kernels of 5×5: {arithmetic.convolution_parameters(5, 1, 32)}.",
        ),
        check("100 kernels 5×5 on a colour image", "L2", 7_600, arithmetic.convolution_parameters(5, 3, 100)),
        check(
            "100 dense units on a 512×512 colour image",
            "L2",
            78_643_300,
            arithmetic.dense_parameters(3 * 512 * 512, 100),
        ),
        check(
            "one filter 3×3×3; two",
            "L5",
            "28; 56",
            "; ".join(str(arithmetic.convolution_parameters(3, 3, count)) for count in (1, 2)),
        ),
    ]


def _memory() -> list[Claim]:
    maps, printed = (arithmetic.map_bytes(512, 512, count) for count in (100, 300))
    return [
        check(
            "memory of 100 maps of 512×512 in 32 bit",
            "L2",
            "300 MB",
            f"{maps / MEBIBYTE:.0f} MB",
            "A kernel spans all channels of its input and makes one map. The slide counts the three channels again: "
            f"3 · 100 maps are {printed / MEBIBYTE:.0f} MB.",
        ),
        check(
            "memory of a batch of 100 of these images",
            "L2",
            "29 GB",
            f"{100 * maps / GIBIBYTE:.1f} GB",
            f"With the slide's 3 · 100 maps it is {100 * printed / GIBIBYTE:.1f} GB.",
        ),
    ]


def _perceptron() -> list[Claim]:
    inputs = 224 * 224 * 3
    widths = (inputs, 128, 128, 128)
    return [
        check("MLP on 224×224×3: inputs", "L5", 150_528, inputs),
        check(
            "MLP on 224×224×3 with three layers of 128: parameters",
            "L5",
            "over 300 billion",
            written(arithmetic.mlp_parameters(widths)),
            f"{inputs:,} · 128³ = {math.prod(widths):,}: the slide multiplies the sizes of all layers, but only "
            "neighbouring ones are connected.",
        ),
    ]
