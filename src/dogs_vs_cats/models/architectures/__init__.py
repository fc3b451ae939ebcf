"""The lectures' networks, found by name.

Every one is a plain function `build(input_shape, classes, *, dropout)` of the images' height, width and channels, the
number of classes, at least 2, and, where the network has dropout, the fraction dropped while training. It returns an
uncompiled Keras model with freshly drawn weights, and imports Keras only when it is called. The models keep the
project's model contract: raw images (n, height, width, channels), uint8 or float in 0..255, in; float32 probabilities
out, (n, 1) for two classes (that of class 1) and (n, N) for N > 2. Dividing by 255 is their first layer, all layers are
Keras's own, and every layer has a fixed name.

The building blocks that are no classifiers of images by themselves are imported from their modules: the Inception
modules and GoogLeNet's auxiliary classifiers (`inception`), residual blocks (`resnet`), and the multilayer perceptrons
on tables (`mlp`).
"""

import inspect
from collections.abc import Callable

from dogs_vs_cats.compute.lazy_types import Model
from dogs_vs_cats.models.architectures import alexnet, inception, lenet, mlp, mnist_cnn, resnet, vgg

ARCHITECTURES: dict[str, Callable[..., Model]] = {
    build.__name__: build
    for build in (
        alexnet.alexnet,
        alexnet.alexnet_224,
        inception.googlenet,
        lenet.lenet5,
        lenet.lenet5_original,
        mlp.mlp,
        mnist_cnn.mnist_cnn,
        mnist_cnn.mnist_cnn_batchnorm,
        mnist_cnn.mnist_cnn_pytorch,
        resnet.resnet10,
        resnet.resnet18,
        resnet.resnet34,
        vgg.vgg16,
    )
}
"""The builders by their names."""


def known_architecture(name: str) -> str:
    """Returns the name of a network of the zoo.

    Raises:
        ValueError: There is no such network.
    """
    if name not in ARCHITECTURES:
        raise ValueError(f"there is no architecture {name!r}; there are {', '.join(sorted(ARCHITECTURES))}")
    return name


def has_dropout(name: str) -> bool:
    """Tells whether a network of the zoo has a dropout that can be set."""
    return "dropout" in inspect.signature(ARCHITECTURES[name]).parameters


def build_architecture(name: str, input_shape: tuple[int, ...], classes: int, **options: float) -> Model:
    """Builds a network by its name.

    Args:
        name: One of `ARCHITECTURES`.
        input_shape: Height, width and channels of the images.
        classes: Number of classes, at least 2.
        **options: `dropout`, for networks that have some.

    Returns:
        The network, uncompiled.

    Raises:
        ParameterError: The network can't be built for such images or classes.
    """
    from dogs_vs_cats.models.building import for_images

    build = ARCHITECTURES[known_architecture(name)]
    return for_images(name, input_shape, lambda shape: build(shape, classes, **options))
