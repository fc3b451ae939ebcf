"""Presets of KerasHub as bases, with their own preprocessing. KerasHub is an extra that `make dev` installs."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from math import prod
from typing import Any

import keras

from dogs_vs_cats.datasets.keras_model import INSTALL_HUB, KERAS_HUB
from dogs_vs_cats.errors import BackboneError, ProjectError, first_line
from dogs_vs_cats.models.building import Shape, for_images, without_weights
from dogs_vs_cats.models.graph import dissect
from dogs_vs_cats.parameters.backbone import HUB, BackboneParameters
from dogs_vs_cats.project import resolve


def hub_preset(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Builds a preset of KerasHub as one model from raw images to features.

    KerasHub downloads a preset that isn't in its caches. Transformers that give a token for each patch of the image
    give a vector here: the class token, if there is one, and the average of the patches, which is the input of the
    linear classifiers published with DINOv2 (Oquab et al., 2023, https://arxiv.org/abs/2304.07193).

    Args:
        parameters: The preset, in the name.
        image_size: Height and width of the images.
        channels: 3, or 1 for grey images, which are repeated into three channels.

    Returns:
        The base, uncompiled: feature maps, (n, rows, columns, features), or a vector, (n, features). Transformers have
        layers of KerasHub in them, as have some convolutional networks.

    Raises:
        BackboneError: KerasHub isn't installed, or the preset isn't there, isn't for images or takes another size.
        ParameterError: The images are too small for the base.
    """
    preset = _preset(parameters.name)
    with _explained(parameters.name) as hub:
        converter = hub.layers.ImageConverter.from_preset(preset)
        backbone = hub.models.Backbone.from_preset(preset)
    own = _own_size(backbone, parameters.name)
    if own not in (None, image_size):
        try:
            # Where positions are embedded by interpolation, another size is possible.
            backbone = hub.models.Backbone.from_preset(preset, image_shape=(image_size, image_size, 3))
        except ValueError as error:
            raise BackboneError(
                f"{parameters.name} takes images of {own}×{own} alone, but here they are {image_size}×{image_size}. "
                f"Set ingestion.image_size={own}, or auto."
            ) from error

    def at_size(shape: Shape) -> keras.Model:
        image = keras.Input(shape, name="image")
        x = keras.ops.repeat(image, 3, axis=-1) if shape[-1] == 1 else image
        plain = keras.Model(backbone.inputs[0], backbone.outputs[0])
        # Flat, so that each layer can be unfrozen by its name.
        flat = dissect(keras.Model(image, plain(_prepared(x, converter))))
        features = flat.steps[-1].output
        if len(features.shape) == 3:
            features = _vector(features, shape[0], backbone, parameters.name)
        return keras.Model(flat.image, features, name=_short_name(preset))

    return for_images(parameters.name, (image_size, image_size, channels), at_size)


def preset_size(name: str) -> int | None:
    """The image size that a preset was made for; None if it takes any.

    Args:
        name: `backbone.name`.

    Raises:
        BackboneError: KerasHub isn't installed, or the preset isn't there or isn't for images.
    """
    preset = _preset(name)
    with _explained(name) as hub:
        if size := hub.layers.ImageConverter.from_preset(preset).image_size:
            return int(size[0])
        return without_weights(lambda: _own_size(hub.models.Backbone.from_preset(preset, load_weights=False), name))


def _preset(name: str) -> str:
    """KerasHub's name of the preset; folders in parameters are relative to the project's root."""
    preset = name.removeprefix(HUB)
    return str(resolve(preset)) if "://" not in preset and resolve(preset).is_dir() else preset


def _short_name(preset: str) -> str:
    """The last part of a preset's address that isn't the number of a version."""
    return next((part for part in reversed(preset.split("/")) if not part.isdigit()), preset)


@contextmanager
def _explained(name: str) -> Iterator[Any]:
    """Gives KerasHub, and turns its failures into messages of one line."""
    try:
        yield import_module(KERAS_HUB)
    except ModuleNotFoundError as error:
        raise BackboneError(f"backbone.name={name} needs KerasHub, which isn't installed. {INSTALL_HUB}") from error
    except ProjectError:
        raise
    except Exception as error:
        raise BackboneError(
            f"backbone.name={name}: KerasHub can't load the preset: {first_line(error)}. Give a preset for images: its "
            "name (hub:dinov2_small), an address that begins with hf:// or kaggle://, or a folder. Without an "
            "internet connection, write its backbone and its image converter to a folder on another machine "
            "(save_to_preset)."
        ) from error


def _own_size(backbone: keras.Model, name: str) -> int | None:
    """The size that a preset's backbone takes; None for any."""
    shapes = [tensor.shape for tensor in backbone.inputs]
    if len(shapes) != 1 or len(shapes[0]) != 4 or len(backbone.outputs) != 1:
        raise BackboneError(f"backbone.name={name}: it doesn't lead from one image to features, so it can't be a base.")
    return shapes[0][1]  # type: ignore[no-any-return]


def _prepared(image: keras.KerasTensor, converter: Any) -> keras.KerasTensor:
    """The preprocessing of the preset's image converter, as a layer of Keras; resizing is done in ingestion."""
    scale, offset = converter.scale, converter.offset
    if scale is None and offset is None:
        return image
    return keras.layers.Rescaling(1.0 if scale is None else scale, 0.0 if offset is None else offset)(image)


def _vector(tokens: keras.KerasTensor, image_size: int, backbone: keras.Model, name: str) -> keras.KerasTensor:
    """Joins the class token and the average of the patches; tokens are (n, class and register tokens + patches, d)."""
    patch = getattr(backbone, "patch_size", None)
    sides = (patch, patch) if isinstance(patch, int) else tuple(patch or ())
    others = tokens.shape[1] - prod(image_size // side for side in sides) if sides else -1
    if others < 0:
        raise BackboneError(
            f"backbone.name={name}: it gives {tokens.shape[1]} tokens, but doesn't say which belong to patches of the "
            "image, so it can't be a base."
        )
    average = keras.ops.mean(tokens[:, others:], axis=1)
    return keras.ops.concatenate([tokens[:, 0], average], axis=-1) if others else average
