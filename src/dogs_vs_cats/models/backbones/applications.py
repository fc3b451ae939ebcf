"""The classes of `keras.applications` as bases, with ImageNet weights or a file of weights."""

import inspect
import os
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import keras
import numpy as np

from dogs_vs_cats.errors import BackboneError, ProjectError, first_line
from dogs_vs_cats.models.building import Shape, for_images
from dogs_vs_cats.models.file_header import existing_file
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, HUB, SOURCE_CNN, BackboneParameters

IMAGENET = "imagenet"

_PATIENCE = 10
"""Seconds that a server may take to connect or to send the next bytes."""


def application_names() -> list[str]:
    """Names of the classes of `keras.applications`, sorted."""
    return [name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction)]


def application(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Builds a class of `keras.applications` without its top.

    Keras fetches ImageNet weights that aren't in its cache, `~/.keras/models` or `$KERAS_HOME/models`.

    Args:
        parameters: Name of the class, weights, further arguments and preprocessing.
        image_size: Height and width of the images.
        channels: 3, or 1 for grey images, which are repeated into three channels.

    Returns:
        The base, uncompiled.

    Raises:
        ParameterError: The images are too small for the base.
        BackboneError: The name or an argument is unknown, the images would be rescaled twice, the ImageNet weights
            can't be fetched, or the file of weights is missing or doesn't fit.
    """
    if parameters.name not in application_names():
        raise BackboneError(
            f"backbone.name={parameters.name!r} is unknown. Use {SOURCE_CNN}, {EARLIER_MODEL}, {HUB}PRESET, or one of "
            f"keras.applications: {', '.join(application_names())}. With a headless .keras file as backbone.weights "
            "the name doesn't matter."
        )
    shape = (image_size, image_size, channels)
    if parameters.weights == IMAGENET:
        with _impatient_network():
            return _built(parameters, IMAGENET, shape)
    path = existing_file(parameters.weights)
    base = _built(parameters, None, shape)
    _load_weights(base, path, parameters)
    return base


def _built(parameters: BackboneParameters, weights: str | None, input_shape: Shape) -> keras.Model:
    make = getattr(keras.applications, parameters.name)

    def build(shape: Shape) -> keras.Model:
        x = _preprocessed(keras.Input(shape, name="image"), parameters, make)
        # The search for the least size that isn't too small needs no weights.
        loaded = weights if shape == input_shape else None
        return make(include_top=False, weights=loaded, input_tensor=x, **parameters.kwargs)

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
            f"{input_shape[0]}×{input_shape[1]} pixels: {first_line(error)}"
        ) from error
    except Exception as error:
        raise _unavailable(parameters.name, error) from error


def _unavailable(name: str, error: Exception) -> BackboneError:
    """Says why there are no ImageNet weights, and what to do."""
    cache = Path(os.environ.get("KERAS_HOME") or "~/.keras") / "models"
    if type(error) is OSError:  # of h5py; those of the network have types of their own
        return BackboneError(
            f"The ImageNet weights of {name} in {cache} are damaged: {first_line(error)}. Delete that file, and run "
            "again to fetch it."
        )
    return BackboneError(
        f"The ImageNet weights of {name} can't be fetched: {first_line(error)}. There are three ways: connect to the "
        f"internet once; download the file on another machine, and copy it to {cache} or set backbone.weights=FILE; "
        "or set backbone.weights=FILE.keras, a headless base."
    )


@contextmanager
def _impatient_network() -> Iterator[None]:
    """Lets a server that doesn't answer fail; Keras itself sets no limit."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_PATIENCE)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _preprocessed(
    image: keras.KerasTensor, parameters: BackboneParameters, make: Callable[..., keras.Model]
) -> keras.KerasTensor:
    """Prepares raw images as the base was trained, or with the lectures' division by 255.

    Raises:
        BackboneError: They would be divided twice.
    """
    x = keras.ops.cast(image, "float32")
    if image.shape[-1] == 1:
        x = keras.ops.repeat(x, 3, axis=-1)
    # Each class is in a module with the preprocessing that it was trained with, which does nothing if it is inside.
    own = sys.modules[make.__module__].preprocess_input(x)
    if parameters.preprocessing == "own":
        return own
    if own is x and parameters.kwargs.get("include_preprocessing", True):
        raise BackboneError(
            f"backbone.preprocessing=rescale: {parameters.name} has its own preprocessing inside, which would follow. "
            "Set it to own, or backbone.kwargs={include_preprocessing: false} where the class takes that."
        )
    return x / 255


def _load_weights(base: keras.Model, path: Path, parameters: BackboneParameters) -> None:
    """Loads a weights file, and makes sure that it sets every weight of the base."""
    misfit = f"{path} doesn't fit {parameters.name} with backbone.kwargs={parameters.kwargs}"
    advice = "Give the file that belongs to these arguments, made without the top (include_top=False)."
    base.set_weights([np.full(weight.shape, np.nan, weight.dtype) for weight in base.weights])
    try:
        base.load_weights(path)
    except Exception as error:
        raise BackboneError(f"{misfit}: {first_line(error)} {advice}") from error
    unset = [weight.path for weight in base.weights if np.isnan(weight).any()]
    if unset:
        raise BackboneError(f"{misfit}: it leaves {len(unset)} of {len(base.weights)} weights unset. {advice}")
