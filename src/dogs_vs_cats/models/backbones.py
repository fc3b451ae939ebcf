"""Headless bases for transfer learning: every class of `keras.applications`, `source_cnn`, and one's own earlier model.

A base is a Keras model from raw images, (n, height, width, channels) in 0..255, to feature maps,
(n, rows, columns, features); an earlier model that was cut among its dense layers ends in a vector, (n, features). Its
preprocessing is inside.
"""

import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import ModuleType

import keras
import numpy as np
from keras import layers

from dogs_vs_cats.datasets.keras_model import load_model
from dogs_vs_cats.errors import BackboneError, ProjectError
from dogs_vs_cats.models.building import Shape, for_images
from dogs_vs_cats.models.graph import Anatomy, dissect
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, BackboneParameters
from dogs_vs_cats.project import resolve

SOURCE_CNN = "source_cnn"


def application_names() -> list[str]:
    """Names of the classes of `keras.applications`, sorted."""
    return sorted(
        name
        for name, value in vars(keras.applications).items()
        if callable(value) and not isinstance(value, ModuleType) and name[0].isupper()
    )


def pretrained(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Builds a class of `keras.applications` without its top, with pretrained weights.

    Args:
        parameters: Name, weights, further arguments and preprocessing.
        image_size: Height and width of the images.
        channels: 3, or 1 for grey images, which are then repeated into three channels.

    Returns:
        The base, uncompiled, its layers named by Keras.

    Raises:
        BackboneError: The name or an argument is unknown, the images are too small for the base, its ImageNet
            weights can't be fetched, or the weights file is missing or doesn't fit.
    """
    shape = (image_size, image_size, channels)
    if parameters.weights == "imagenet":
        return _with_imagenet_weights(parameters, shape)
    base = _construct(parameters, None, shape)
    _load_weights(base, resolve(parameters.weights), parameters)
    return base


def untrained(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Builds a base without its trained weights, to see that it can be built; an earlier model comes with them.

    Args:
        parameters: As for `pretrained` and `earlier_model`.
        image_size: Height and width of the images.
        channels: 1 or 3.

    Raises:
        ParameterError: The images are too small for the base.
        BackboneError: It is unknown, has no such argument, or its file is missing or takes other images.
    """
    if parameters.name == SOURCE_CNN:
        refuse_settings_of_source_cnn(parameters)
        return source_cnn(image_size, channels)
    if parameters.name == EARLIER_MODEL:
        return earlier_model(parameters, image_size, channels)
    if parameters.weights != "imagenet":
        _refuse_missing(resolve(parameters.weights), parameters)
    return _construct(parameters, None, (image_size, image_size, channels))


def _preprocess(
    image: keras.KerasTensor, preprocessing: str, application: Callable[..., keras.Model]
) -> keras.KerasTensor:
    """Prepares raw images as the base was trained, or by the lectures' division by 255."""
    x = keras.ops.cast(image, "float32")
    if image.shape[-1] == 1:
        x = keras.ops.repeat(x, 3, axis=-1)
    if preprocessing == "rescale":
        return x / 255
    # Each class lives in a module beside the preprocessing that it was trained with.
    return sys.modules[application.__module__].preprocess_input(x)


def _construct(parameters: BackboneParameters, weights: str | None, input_shape: Shape) -> keras.Model:
    if parameters.name not in application_names():
        raise BackboneError(
            f"backbone.name={parameters.name!r} is unknown. Use {SOURCE_CNN}, {EARLIER_MODEL}, or one of "
            f"keras.applications: {', '.join(application_names())}."
        )
    application = getattr(keras.applications, parameters.name)

    def build(shape: Shape, weights: str | None = weights) -> keras.Model:
        x = _preprocess(keras.Input(shape, name="image"), parameters.preprocessing, application)
        return application(include_top=False, weights=weights, input_tensor=x, **parameters.kwargs)

    try:
        with warnings.catch_warnings():
            # Weights made for 224 pixels fit any size without the top; Keras warns of it all the same.
            warnings.filterwarnings("ignore", message="`input_shape` is undefined")
            return for_images(parameters.name, input_shape, build, partial(build, weights=None))
    except (TypeError, ValueError) as error:
        raise BackboneError(
            f"{parameters.name} can't be built with backbone.kwargs={parameters.kwargs} for images of "
            f"{input_shape[0]}×{input_shape[1]} pixels: {_first_line(error)}"
        ) from error


def _with_imagenet_weights(parameters: BackboneParameters, input_shape: Shape) -> keras.Model:
    try:
        return _construct(parameters, "imagenet", input_shape)
    except ProjectError:
        raise
    except Exception as error:
        raise BackboneError(
            f"The ImageNet weights of {parameters.name} can't be fetched: {_first_line(error)}\n"
            "Connect to the network once (Keras keeps them in ~/.keras/models), or fetch the file named above on "
            "another machine and set backbone.weights to it, or use backbone.name=source_cnn and "
            "backbone.weights=generated, which need no download."
        ) from error


def _load_weights(base: keras.Model, path: Path, parameters: BackboneParameters) -> None:
    """Loads a weights file, and makes sure that it sets every weight of the base."""
    _refuse_missing(path, parameters)
    base.set_weights([np.full(weight.shape, np.nan, weight.dtype) for weight in base.weights])
    try:
        base.load_weights(path)
    except Exception as error:
        raise BackboneError(
            f"{path} doesn't fit {parameters.name} with backbone.kwargs={parameters.kwargs}: {_first_line(error)} "
            "Give the file that belongs to these arguments, made without the top (include_top=False)."
        ) from error
    values = zip(base.weights, base.get_weights(), strict=True)
    unset = [weight.path for weight, value in values if np.isnan(value).any()]
    if unset:
        raise BackboneError(
            f"{path} leaves {len(unset)} of {len(base.weights)} weights of {parameters.name} unset, first {unset[0]}. "
            f"Give the file that belongs to backbone.kwargs={parameters.kwargs}."
        )


def _refuse_missing(path: Path, parameters: BackboneParameters) -> None:
    if not path.is_file():
        raise BackboneError(
            f"backbone.weights={parameters.weights!r}: there is no file {path}. Give `imagenet`, or a file of weights "
            f"for {parameters.name} without its top; relative paths count from the project's root."
        )


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


def refuse_settings_of_source_cnn(parameters: BackboneParameters) -> None:
    """Refuses what other bases take: weights, arguments, a preprocessing.

    Raises:
        BackboneError: One of them is given.
    """
    if parameters.weights != "generated" or parameters.kwargs or parameters.preprocessing != "own":
        raise BackboneError(
            f"{SOURCE_CNN} trains itself: it takes backbone.weights=generated (given was {parameters.weights!r}), "
            f"backbone.preprocessing=own (given was {parameters.preprocessing!r}) and no backbone.kwargs (given "
            f"were {parameters.kwargs})."
        )


def source_cnn(image_size: int, channels: int) -> keras.Model:
    """The base that is developed here, untrained: three blocks of two convolutions, the first of which has stride 2.

    Args:
        image_size: Height and width of the images.
        channels: 1 or 3.
    """
    image = keras.Input((image_size, image_size, channels), name="image")
    x = layers.Rescaling(1 / 127.5, offset=-1, name="rescale")(image)
    for block, filters in enumerate((16, 32, 64), start=1):
        for convolution, strides in ((1, 2), (2, 1)):
            name = f"block{block}_convolution{convolution}"
            x = layers.Conv2D(filters, 3, strides, padding="same", use_bias=False, name=name)(x)
            x = layers.BatchNormalization(momentum=0.9, name=f"{name}_normalization")(x)
            x = layers.ReLU(name=f"{name}_relu")(x)
    return keras.Model(image, x, name=SOURCE_CNN)


def earlier_model(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Takes the first layers of a model that was trained before, as the lectures do (L1, L4): they pop the last two.

    Layers are counted as the explanation lists them: those of models within the model too, the input not. Their names
    get `earlier_` put before them, so that no layer of a new head has the same.

    Args:
        parameters: The file, and how many of its last layers are left out.
        image_size: Height and width of the images.
        channels: 1 or 3.

    Returns:
        The base, uncompiled.

    Raises:
        BackboneError: There is no such file, it takes other images, or it can't be cut there.
        ModelFileError: The file is damaged.
    """
    path = resolve(parameters.weights)
    if not path.is_file():
        raise BackboneError(
            f"backbone.weights={parameters.weights!r}: there is no file {path}. Give a model file that a training "
            "left, such as data/06_models/mnist/lenet5.keras; relative paths count from the project's root."
        )
    model = load_model(path)
    if tuple(model.input_shape[1:]) != (image_size, image_size, channels):
        taken, given = (
            "×".join(map(str, shape)) for shape in (model.input_shape[1:], (image_size, image_size, channels))
        )
        raise BackboneError(
            f"{path} takes images of {taken}, but here they are {given}. Set ingestion.image_size and "
            "ingestion.channels to those of the earlier model."
        )
    drop = parameters.kwargs["drop_layers"]
    base = without_last_layers(model, drop)
    if base is None:
        parts = dissect(model)
        count = sum(not isinstance(layer, layers.InputLayer) for layer in parts.layers)
        possible = [number for number in range(1, count) if _cut(parts, number) is not None]
        nearest = sorted(sorted(possible, key=lambda number: abs(number - drop))[:3])
        raise BackboneError(
            f"backbone.kwargs.drop_layers={drop}: {path.name} has {count} layers, and those that are left must all "
            f"lead to one map or vector. Possible is, for instance, {', '.join(map(str, nearest))}."
        )
    return base


def without_last_layers(model: keras.Model, drop: int) -> keras.Model | None:
    """Copies a model but for its last layers; `earlier_` is put before the names of those that are left.

    Args:
        model: A functional model of stock layers from images on; models within it are laid open.
        drop: How many layers to leave out, at least 1.

    Returns:
        The copy, uncompiled, with the weights of `model`; None where the layers that are left aren't one whole that
        ends in maps or a vector.
    """
    parts = dissect(model)
    count = sum(not isinstance(layer, layers.InputLayer) for layer in parts.layers)
    cut = _cut(parts, drop) if drop < count else None
    if cut is None:
        return None

    def renamed(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "name": f"earlier_{layer.name}"})

    copy = keras.models.clone_model(cut, clone_function=renamed)
    copy.set_weights(cut.get_weights())
    return keras.Model(copy.inputs[0], copy.outputs[0], name=EARLIER_MODEL)


def _cut(parts: Anatomy, drop: int) -> keras.Model | None:
    """A model without its last layers; None where what is left isn't one whole that ends in maps or a vector."""
    base = keras.Model(parts.image, parts.outputs[-1 - drop], name=EARLIER_MODEL)
    kept = [layer for layer in parts.layers[:-drop] if not isinstance(layer, layers.InputLayer)]
    is_whole = len(base.operations) == len(kept) + 1
    return base if is_whole and len(base.output_shape) in (2, 4) else None
