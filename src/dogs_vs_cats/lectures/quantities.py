"""The functions that expressions in `claims.yml` use: counts on networks, and texts of arrays."""

import inspect
import math
import sys
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dogs_vs_cats.compute.lazy_types import Layer, Model
from dogs_vs_cats.lectures import convolution
from dogs_vs_cats.lectures.claims import by_interval, content
from dogs_vs_cats.lectures.convolution import convolve2d
from dogs_vs_cats.models import layer_arithmetic


def select(network: Model, *names: str) -> list[Layer]:
    """The layers with some names or of some kinds (`Conv2D`), in order; all layers without names."""
    return [layer for layer in network.layers if not names or {layer.name, type(layer).__name__} & {*names}]


def sizes(network: Model, *names: str) -> str:
    """The output shapes of layers for one image: `28×28×6; 4,704`."""
    shapes = [layer.output.shape[1:] for layer in select(network, *names)]
    return "; ".join("×".join(map(str, shape)) if len(shape) > 1 else f"{shape[0]:,}" for shape in shapes)


def counts(network: Model, *names: str) -> str:
    """The parameters of each layer that has any: `156; 2,416`."""
    numbers = (layer.count_params() for layer in select(network, *names))
    return "; ".join(f"{number:,}" for number in numbers if number)


def parameters(network: Model, *names: str) -> int:
    """The parameters of layers in total, trainable or not."""
    return sum(layer.count_params() for layer in select(network, *names))


def multiplications(network: Model, *names: str) -> int:
    """How many multiplications layers need for one image: their weights without biases, at each position."""
    layers = [layer for layer in select(network, *names) if hasattr(layer, "kernel")]
    return sum(math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1]) for layer in layers)


def described(network: Model, *names: str) -> str:
    """Dense and dropout layers: `512 relu; dropout 0.3`."""
    return "; ".join(
        f"dropout {layer.rate:g}" if hasattr(layer, "rate") else f"{layer.units:,} {layer.activation.__name__}"
        for layer in select(network, *names)
    )


def windows(network: Model, *names: str) -> list[str]:
    """Kernels and pooling windows as L3 prints them, with strides s, and paddings p unless they are 3×3."""

    def window(layer: Layer) -> str:
        size, stride = (layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size)[0], layer.strides[0]
        padding = layer_arithmetic.same_padding(size) if layer.padding == "same" else 0
        return f"{size}×{size}" + (f" s{stride}" if stride > 1 else "") + (f" p{padding}" if size > 3 else "")

    return [window(layer) for layer in select(network, *names)]


def rows(values: ArrayLike) -> str:
    """A number, or the rows of a map: `14 −12 25 / 17 −14 −7`."""
    numbers = np.round(np.atleast_2d(values).astype(np.float64), 6)
    return " / ".join(" ".join(f"{number:g}" for number in row) for row in numbers).replace("-", "−")


def same_row(values: ArrayLike) -> str:
    """The row that all rows of a map are."""
    return rows(np.unique(values, axis=0))


def answers(kernel: ArrayLike) -> str:
    """The answers of a kernel to two edges and to none."""
    above = np.repeat([[10], [10], [0]], 3, axis=1)
    horizontal, vertical, none = (rows(convolve2d(image, kernel)) for image in (above, above.T, np.full((3, 3), 10)))
    return f"10 above 0: {horizontal}; 10 left of 0: {vertical}; uniform 10: {none}."


def sums(names: Iterable[str]) -> str:
    """The sums of some kernels, each sum once."""
    return ", ".join(sorted({rows(convolution.KERNELS[name].sum()) for name in names}))


def vocabulary() -> dict[str, Any]:
    """Everything that expressions may use beside networks and parameters, by name."""
    from dogs_vs_cats.training.loop import count_weights

    functions: dict[str, Any] = {}
    for module in (layer_arithmetic, convolution, sys.modules[__name__]):
        functions |= inspect.getmembers(module, inspect.isfunction)
    return {
        **functions,
        **{name: np.array(values) for name, values in content()["arrays"].items()},
        "by_interval": by_interval,
        "count_weights": count_weights,
        "np": np,
        "kernels": convolution.KERNELS,
        "difference_kernels": convolution.KERNELS.keys() - {"blur", "sharpen", "sum of nine"},
        "activations": convolution.ACTIVATIONS,
    }
