"""Sizes, parameters and memory that the lectures compute with a formula."""

import math
from itertools import product
from typing import Any

from dogs_vs_cats.models import layer_arithmetic as arithmetic
from dogs_vs_cats.models.layer_arithmetic import MEBIBYTE

GIBIBYTE = 2**10 * MEBIBYTE


def figures() -> dict[str, Any]:
    """Computes every formula of the lectures."""
    takes_whole_steps = all(
        arithmetic.output_size(size, kernel, stride) == len(range(0, size - kernel + 1, stride))
        for size, kernel, stride in product(range(5, 30), range(1, 6), range(1, 4))
    )
    keeps_size = all(
        arithmetic.output_size(20, kernel, 1, (kernel - 1) // 2) == 20
        and arithmetic.same_padding(kernel) == (kernel - 1) // 2
        for kernel in (1, 3, 5, 7, 11)
    )
    has_a_bias_each = all(
        arithmetic.convolution_parameters(kernel, 1, filters) == filters * kernel**2 + filters
        for kernel, filters in product((1, 3, 5), (1, 32))
    )
    maps, counted_three_times = (arithmetic.map_bytes(512, 512, count) for count in (100, 300))
    widths = (224 * 224 * 3, 128, 128, 128)
    counting = {
        "size_formula": "floor((n + 2p − k)/s + 1)" if takes_whole_steps else "another",
        "size_of_5": arithmetic.output_size(5, 3, 3),
        "size_of_32": arithmetic.output_size(32, 5),
        "size_of_7": arithmetic.output_size(7, 3, 3, 1),
        "unfloored_l1": (5 - 3) / 3 + 1,
        "unfloored_alexnet": (224 - 11) / 4 + 1,
        "alexnet_on_224": arithmetic.output_size(224, 11, 4),
        "same_padding": "p = (k − 1)/2" if keeps_size else "another",
        "kernels_formula": "n_c·n_K² + n_c" if has_a_bias_each else "another",
        "kernels_32": arithmetic.convolution_parameters(5, 1, 32),
        "kernels_100": arithmetic.convolution_parameters(5, 3, 100),
        "dense_100": arithmetic.dense_parameters(3 * 512 * 512, 100),
        "one_filter": arithmetic.convolution_parameters(3, 3, 1),
        "two_filters": arithmetic.convolution_parameters(3, 3, 2),
        "mib_of_100_maps": maps / MEBIBYTE,
        "mib_of_300_maps": counted_three_times / MEBIBYTE,
        "gib_of_100_maps": 100 * maps / GIBIBYTE,
        "gib_of_300_maps": 100 * counted_three_times / GIBIBYTE,
        "mlp_inputs": widths[0],
        "mlp_parameters": arithmetic.mlp_parameters(widths),
        "mlp_product": math.prod(widths),
        "errors": round(10_000 * (1 - 0.9881)),
    }
    return {"counting": counting}
