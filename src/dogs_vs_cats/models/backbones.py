"""Headless bases for transfer learning: the classes of `keras.applications`, `source_cnn`, and an earlier model.

A base is a Keras model from raw images, (n, height, width, channels) in 0..255, to feature maps,
(n, rows, columns, features); an earlier model that was cut among its dense layers ends in a vector, (n, features). Its
preprocessing is inside.
"""

import inspect
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from dogs_vs_cats.datasets.keras_model import load_model
from dogs_vs_cats.errors import BackboneError, ProjectError
from dogs_vs_cats.models.building import Shape, for_images
from dogs_vs_cats.models.graph import dissect
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, SOURCE_CNN, BackboneParameters
from dogs_vs_cats.project import resolve


def application_names() -> list[str]:
    """Names of the classes of `keras.applications`, sorted."""
    return [name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)]


def build(parameters: BackboneParameters, image_size: int, channels: int, *, trained: bool = True) -> keras.Model:
    """Builds a base; `source_cnn` is untrained.

    Args:
        parameters: Name, weights, further arguments and preprocessing.
        image_size: Height and width of the images.
        channels: 3, or 1 for grey images, which classes of `keras.applications` take repeated into three channels.
        trained: Whether a class of `keras.applications` has its weights; without them it serves as a check that it can
            be built.

    Returns:
        The base, uncompiled.

    Raises:
        ParameterError: The images are too small for the base.
        BackboneError: The name or an argument is unknown, the ImageNet weights can't be downloaded, or the file is
            missing, doesn't fit or takes other images.
        ModelFileError: The file of an earlier model is damaged.
    """
    if parameters.name == SOURCE_CNN:
        return source_cnn(image_size, channels)
    if parameters.name == EARLIER_MODEL:
        return earlier_model(parameters, image_size, channels)
    shape = (image_size, image_size, channels)
    if parameters.weights == "imagenet":
        return _application(parameters, "imagenet" if trained else None, shape)
    path = _existing_file(parameters)
    base = _application(parameters, None, shape)
    if trained:
        _load_weights(base, path, parameters)
    return base


def _application(parameters: BackboneParameters, weights: str | None, input_shape: Shape) -> keras.Model:
    if parameters.name not in application_names():
        raise BackboneError(
            f"backbone.name={parameters.name!r} is unknown. Use {SOURCE_CNN}, {EARLIER_MODEL}, or one of "
            f"keras.applications: {', '.join(application_names())}."
        )
    application = getattr(keras.applications, parameters.name)

    def build(shape: Shape) -> keras.Model:
        x = _preprocessed(keras.Input(shape, name="image"), parameters.preprocessing, application)
        return application(include_top=False, weights=weights, input_tensor=x, **parameters.kwargs)

    try:
        with warnings.catch_warnings():
            # Without the top, weights made for 224 pixels fit any size, but Keras warns about other sizes.
            warnings.filterwarnings("ignore", message="`input_shape` is undefined")
            return for_images(parameters.name, input_shape, build)
    except ProjectError:
        raise
    except (TypeError, ValueError) as error:
        raise BackboneError(
            f"{parameters.name} can't be built with backbone.kwargs={parameters.kwargs} for images of "
            f"{input_shape[0]}×{input_shape[1]} pixels: {_first_line(error)}"
        ) from error
    except Exception as error:
        raise BackboneError(
            f"The ImageNet weights of {parameters.name} can't be downloaded: {_first_line(error)}\n"
            "Connect to the network once (Keras caches them in ~/.keras/models), or download the file named above on "
            "another machine and set backbone.weights to it, or use backbone.name=source_cnn and "
            "backbone.weights=generated, which need no download."
        ) from error


def _preprocessed(
    image: keras.KerasTensor, preprocessing: str, application: Callable[..., keras.Model]
) -> keras.KerasTensor:
    """Prepares raw images as the base was trained, or with the lectures' division by 255."""
    x = keras.ops.cast(image, "float32")
    if image.shape[-1] == 1:
        x = keras.ops.repeat(x, 3, axis=-1)
    if preprocessing == "rescale":
        return x / 255
    # Each class is in a module with the preprocessing that it was trained with.
    return sys.modules[application.__module__].preprocess_input(x)


def _load_weights(base: keras.Model, path: Path, parameters: BackboneParameters) -> None:
    """Loads a weights file, and makes sure that it sets every weight of the base."""
    misfit = f"{path} doesn't fit {parameters.name} with backbone.kwargs={parameters.kwargs}"
    advice = "Give the file that belongs to these arguments, made without the top (include_top=False)."
    base.set_weights([np.full(weight.shape, np.nan, weight.dtype) for weight in base.weights])
    try:
        base.load_weights(path)
    except Exception as error:
        raise BackboneError(f"{misfit}: {_first_line(error)} {advice}") from error
    unset = [weight.path for weight in base.weights if np.isnan(weight).any()]
    if unset:
        raise BackboneError(f"{misfit}: it leaves {len(unset)} of {len(base.weights)} weights unset. {advice}")


def _existing_file(parameters: BackboneParameters) -> Path:
    path = resolve(parameters.weights)
    if not path.is_file():
        raise BackboneError(
            f"backbone.weights={parameters.weights!r}: there is no file {path}. {EARLIER_MODEL} takes the model file "
            "of a training, other bases take `imagenet` or a file of weights without the top. Relative paths start at "
            "the project's root."
        )
    return path


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


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
    """Takes the first layers of a trained model, as the lectures do (L1, L4), which drop the last two.

    Layers are counted as the explanation lists them: with those of models inside the model, without the input. The
    prefix `earlier_` keeps their names different from those of a new head.

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
    path = _existing_file(parameters)
    model = load_model(path)
    taken, given = tuple(model.input_shape[1:]), (image_size, image_size, channels)
    if taken != given:
        raise BackboneError(
            f"{path} takes images of {'×'.join(map(str, taken))}, but here they are {'×'.join(map(str, given))}. Set "
            "ingestion.image_size and ingestion.channels to those of the earlier model."
        )
    return without_last_layers(model, parameters.kwargs["drop_layers"])


def without_last_layers(model: keras.Model, drop: int) -> keras.Model:
    """Copies a model except for its last layers; `earlier_` precedes the names of the others.

    Args:
        model: A functional model of stock layers that takes images, also with models inside it.
        drop: How many layers to leave out, at least 1.

    Returns:
        The copy, uncompiled, with the weights of `model`.

    Raises:
        BackboneError: No layer is left, or those that are left don't all lead to one map or vector.
    """
    parts = dissect(model)
    left = len(parts.steps) - drop
    base = keras.Model(parts.image, parts.steps[max(left, 1) - 1].output, name=EARLIER_MODEL)
    # A model consists of the layers that lead to its output, and its input.
    if left < 1 or len(base.operations) != left + 1 or len(base.output_shape) not in (2, 4):
        raise BackboneError(
            f"backbone.kwargs.drop_layers={drop}: {model.name} has {len(parts.steps)} layers, and those that are left "
            "must all lead to one map or vector. Choose a number that doesn't cut between branches."
        )

    def renamed(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "name": f"earlier_{layer.name}"})

    copy = keras.models.clone_model(base, clone_function=renamed)
    copy.set_weights(base.get_weights())
    return keras.Model(copy.inputs[0], copy.outputs[0], name=EARLIER_MODEL)
