"""Layers, parameters and shapes, counted on the project's own networks."""

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from dogs_vs_cats.lectures.outlines import Outline
from dogs_vs_cats.models.layer_arithmetic import same_padding

if TYPE_CHECKING:
    import keras

DIGIT = ((28, 28, 1), 10)
IMAGENET = ((224, 224, 3), 1_000)
NETWORKS = {
    "lenet5": DIGIT,
    "lenet5_original": ((32, 32, 1), 10),
    "mnist_cnn": DIGIT,
    "mnist_cnn_batchnorm": DIGIT,
    "mnist_cnn_pytorch": DIGIT,
    "mlp": DIGIT,
    "alexnet": ((227, 227, 3), 1_000),
    "alexnet_224": IMAGENET,
    "vgg16": IMAGENET,
    "resnet18": IMAGENET,
    "resnet34": IMAGENET,
}
"""Size of the images, and number of classes, that a lecture has for a network."""


def figures(mnist: Mapping[str, Any]) -> dict[str, Any]:
    """Counts everything that the lectures count on their networks.

    Args:
        mnist: All parameters of the environment `mnist`.
    """
    import keras

    from dogs_vs_cats.models.architectures import build_architecture
    from dogs_vs_cats.models.architectures.mlp import boston_mlp, iris_mlp

    networks = {name: Outline(partial(build_architecture, name, *sizes)) for name, sizes in NETWORKS.items()}
    return {
        **networks,
        "iris_mlp": Outline(iris_mlp),
        "boston_mlp": Outline(boston_mlp),
        "lenet5_facts": _lenet5(networks["lenet5"], mnist["ingestion"]["split"]),
        "batchnorm_facts": {"initializer": _initializer(networks["mnist_cnn_batchnorm"])},
        "alexnet_facts": _alexnet(networks["alexnet"]),
        "alexnet_224_facts": _paddings(networks["alexnet_224"]),
        "imagenet": Outline(lambda: keras.applications.VGG16(weights=None)),
        "vgg16_facts": _vgg16(networks["vgg16"]),
        "resnet18_facts": _residual_network(networks["resnet18"]),
        "resnet34_facts": _residual_network(networks["resnet34"]),
        "inception": _inception(),
    }


def _lenet5(lenet5: Outline, split: str) -> dict[str, Any]:
    first, last = ("the first", "the last") if split == "official" else ("any", "any")
    dense = lenet5.counts["dense_1"] + lenet5.counts["probabilities"]
    return {"dense_share": dense / lenet5.parameters, "training_images": first, "validation_images": last}


def _initializer(network: Outline) -> str:
    import keras

    initializer = network.model.get_layer("convolution_2").kernel_initializer
    return "he_normal" if isinstance(initializer, keras.initializers.HeNormal) else "another distribution"


def _alexnet(alexnet: Outline) -> dict[str, Any]:
    import keras

    layers = alexnet.model.layers
    convolutions = [layer for layer in layers if isinstance(layer, keras.layers.Conv2D)]
    dense = [layer for layer in layers if isinstance(layer, keras.layers.Dense)]
    poolings = {_window(layer) for layer in layers if isinstance(layer, keras.layers.MaxPooling2D)}
    convolved = sum(alexnet.counts[layer.name] for layer in convolutions)
    multiplied = sum(_connections(layer) * math.prod(layer.output.shape[1:3]) for layer in convolutions)
    share_of_work = multiplied / (multiplied + sum(map(_connections, dense)))
    return {
        "windows": "; ".join([*map(_window, convolutions), *(f"pool {window}" for window in sorted(poolings))]),
        "one_bias": {layer.name: _connections(layer) + 1 for layer in dense},
        "tens_of_millions": f"{round(alexnet.millions, -1):.0f}",
        "convolved": convolved,
        "share_of_parameters": convolved / alexnet.parameters,
        "share_of_work": share_of_work,
        "share_of_work_in_words": "90% to 95%" if 0.90 <= share_of_work <= 0.95 else f"{share_of_work:.1%}",
    }


def _connections(layer: "keras.Layer") -> int:
    return math.prod(layer.kernel.shape)


def _window(layer: Any) -> str:
    """A kernel or pooling window as the slide has it, whose 3×3 ones go without their padding."""
    size = (layer.kernel_size if hasattr(layer, "kernel_size") else layer.pool_size)[0]
    stride = "" if layer.strides[0] == 1 else f" s{layer.strides[0]}"
    padding = same_padding(size) if layer.padding == "same" else 0
    return f"{size}×{size}{stride}" + (f" p{padding}" if size > 3 else "")


def _paddings(network: Outline) -> dict[str, str]:
    """Those of the poolings, and of the convolutions from the second on."""
    import keras

    layers = network.model.layers
    _, *convolutions = (layer.padding for layer in layers if isinstance(layer, keras.layers.Conv2D))
    poolings = [layer.padding for layer in layers if isinstance(layer, keras.layers.MaxPooling2D)]
    return {"convolutions": ", ".join(sorted(set(convolutions))), "poolings": ", ".join(sorted(set(poolings)))}


def _vgg16(vgg16: Outline) -> dict[str, Any]:
    import keras

    connections = _connections(vgg16.model.get_layer("dense_1"))
    return {
        "blocks": sum(isinstance(layer, keras.layers.MaxPooling2D) for layer in vgg16.model.layers),
        "connections": connections,
        "connections_in_words": "over 100 million" if connections > 100e6 else f"{connections:,}",
    }


def _residual_network(network: Outline) -> dict[str, int]:
    import keras

    layers = [layer for layer in network.model.layers if "shortcut" not in layer.name]
    return {
        "layers": sum(isinstance(layer, keras.layers.Conv2D | keras.layers.Dense) for layer in layers),
        "blocks": sum(isinstance(layer, keras.layers.Add) for layer in layers),
    }


def _inception() -> dict[str, Any]:
    import keras

    from dogs_vs_cats.models.architectures.inception import convolutions_in_sequence, naive_module, reduced_module

    def module(channels: int, build: Any, filters: Any) -> Outline:
        def on_maps() -> keras.Model:
            maps = keras.Input((28, 28, channels))
            return keras.Model(maps, build(maps, filters, "m"))

        return Outline(on_maps)

    def multiplications(outline: Outline) -> int:
        """For each pixel."""
        return sum(_connections(outline.model.get_layer(name)) for name in outline.counts)

    beside, sequence = module(1, naive_module, 32), module(1, convolutions_in_sequence, 32)
    reduced = module(256, reduced_module, (8, 8, 8, 8, 8, 8)).counts
    branches = (
        reduced["m_1x1"],
        reduced["m_3x3_reduction"] + reduced["m_3x3"],
        reduced["m_5x5_reduction"] + reduced["m_5x5"],
        reduced["m_pooling_1x1"],
    )
    return {
        "side_by_side": _summed(beside.counts.values()),
        "in_sequence": _summed(sequence.counts.values()),
        "naive": _summed(module(256, naive_module, 8).counts.values()),
        "reduced": _summed(branches),
        "fewer_parameters": sequence.parameters / beside.parameters,
        "fewer_multiplications": multiplications(sequence) / multiplications(beside),
    }


def _summed(parts: Iterable[int]) -> str:
    """A sum with its parts."""
    counts = list(parts)
    return " + ".join(f"{count:,}" for count in counts) + f" = {sum(counts):,}"
