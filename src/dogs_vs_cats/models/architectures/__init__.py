"""The lectures' networks, found by name.

Every one is a plain function `build(input_shape, classes, **options)` that returns an uncompiled Keras model with
freshly drawn weights. The models keep the project's model contract: raw images (n, height, width, channels), uint8 or
float in 0..255, in; float32 probabilities out, (n, 1) for two classes (that of class 1) and (n, N) for N > 2. Dividing
by 255 is their first layer, all layers are Keras's own, and every layer has a fixed name.

The building blocks that are no classifiers of images by themselves are imported from their modules: the Inception
modules and GoogLeNet's auxiliary classifiers (`inception`), residual blocks (`resnet`), and the multilayer perceptrons
on tables (`mlp`).
"""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from dogs_vs_cats.errors import ParameterError
from dogs_vs_cats.models.architectures.alexnet import alexnet, alexnet_224
from dogs_vs_cats.models.architectures.inception import googlenet, with_auxiliary_classifiers
from dogs_vs_cats.models.architectures.lenet import lenet5, lenet5_original
from dogs_vs_cats.models.architectures.mlp import mlp
from dogs_vs_cats.models.architectures.mnist_cnn import mnist_cnn, mnist_cnn_batchnorm, mnist_cnn_pytorch
from dogs_vs_cats.models.architectures.resnet import resnet18, resnet34
from dogs_vs_cats.models.architectures.vgg import vgg16
from dogs_vs_cats.models.building import for_images

ARCHITECTURES: dict[str, Callable[..., keras.Model]] = {
    build.__name__: build
    for build in (
        alexnet,
        alexnet_224,
        googlenet,
        lenet5,
        lenet5_original,
        mlp,
        mnist_cnn,
        mnist_cnn_batchnorm,
        mnist_cnn_pytorch,
        resnet18,
        resnet34,
        vgg16,
    )
}
"""All classifiers of images, by name."""

AUXILIARIES: dict[str, Callable[[keras.Model, int], keras.Model]] = {"googlenet": with_auxiliary_classifiers}
"""What adds auxiliary classifiers to the networks that are trained with some."""


def build_architecture(name: str, input_shape: tuple[int, int, int], classes: int, **options: Any) -> keras.Model:
    """Builds a network by its name.

    Args:
        name: One of `ARCHITECTURES`.
        input_shape: Height, width and channels of the images.
        classes: Number of classes, at least 2.
        **options: What the network adds, for instance `dropout`; see its own function.

    Returns:
        The network, uncompiled.

    Raises:
        ParameterError: There is no such network or option, or the network can't be built for such images or classes.
    """
    if name not in ARCHITECTURES:
        raise ParameterError(f"There is no architecture {name!r}; there are {', '.join(ARCHITECTURES)}.")
    build = ARCHITECTURES[name]
    allowed = list(inspect.signature(build).parameters)[2:]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        takes = f"it takes {', '.join(allowed)}" if allowed else "it takes none"
        raise ParameterError(f"The architecture {name} has no option {', '.join(unknown)}; {takes}.")
    if classes < 2:
        raise ParameterError(f"A classifier needs at least 2 classes; {name} was given {classes}.")
    return for_images(name, input_shape, lambda shape: build(shape, classes, **options))
