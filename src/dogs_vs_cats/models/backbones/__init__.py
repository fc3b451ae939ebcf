"""Headless bases for transfer learning, a module for each kind.

A base is a Keras model from raw images, (n, height, width, channels) in 0..255, to feature maps,
(n, rows, columns, features), or to a vector, (n, features). Its preprocessing is inside.
"""

import keras

from dogs_vs_cats.models.backbones.applications import application
from dogs_vs_cats.models.backbones.developed import source_cnn
from dogs_vs_cats.models.backbones.earlier import earlier_model, without_last_layers
from dogs_vs_cats.models.backbones.headless import headless_file
from dogs_vs_cats.models.backbones.hub import hub_preset
from dogs_vs_cats.parameters import backbone

__all__ = ["build", "earlier_model", "source_cnn", "without_last_layers"]


def build(parameters: backbone.BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Builds a base with its weights; `source_cnn` is untrained.

    Args:
        parameters: Name, weights, further arguments and preprocessing.
        image_size: Height and width of the images.
        channels: 3, or 1 for grey images, which classes of `keras.applications` and presets of KerasHub take repeated
            into three channels.

    Returns:
        The base, uncompiled.

    Raises:
        ParameterError: The images are too small for the base.
        BackboneError: The name or an argument is unknown, the weights can't be fetched, KerasHub isn't installed, or
            the file is missing, doesn't fit, takes other images or isn't headless.
        ModelFileError: A model file is damaged.
    """
    match parameters.kind:
        case backbone.SOURCE_CNN:
            return source_cnn(image_size, channels)
        case backbone.EARLIER_MODEL:
            return earlier_model(parameters, image_size, channels)
        case backbone.MODEL_FILE:
            return headless_file(parameters, image_size, channels)
        case backbone.HUB:
            return hub_preset(parameters, image_size, channels)
    return application(parameters, image_size, channels)
