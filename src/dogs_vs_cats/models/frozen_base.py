"""Models on a frozen base, before and after its features.

A base that isn't trained gives the same features for an unchanged image in every epoch, under every head and in every
evaluation. Therefore features are extracted once, and training a head, validation and evaluation begin there.
"""

import hashlib
import math
from collections.abc import Iterable
from typing import Literal

import keras
import numpy as np

from dogs_vs_cats.models.flip_averaging import views_of
from dogs_vs_cats.models.graph import dissect

Pooling = Literal["flatten", "avg"]


def pooled(backbone: keras.Model, pooling: Pooling) -> keras.Model:
    """Builds the model that extracts features, and freezes the base.

    Args:
        backbone: Raw images in, feature maps, (n, rows, columns, features), or a vector, (n, features), out.
        pooling: `flatten` or `avg`; a vector stays as it is.

    Returns:
        A model from raw images to rows, float32 (n, features), with the base in inference mode.
    """
    backbone.trainable = False
    image = keras.Input(backbone.input_shape[1:], name="image")
    maps = backbone(image, training=False)
    averages = pooling == "avg" and len(maps.shape) == 4
    pool = keras.layers.GlobalAveragePooling2D if averages else keras.layers.Flatten
    return keras.Model(image, pool(dtype="float32", name="pooling")(maps), name="features")


def join(name: str, backbone: keras.Model, head: keras.Model, pooling: Pooling) -> keras.Model:
    """Puts a head on the base whose features it was trained on.

    Args:
        name: Name of the new model.
        backbone: Raw images in, feature maps out.
        head: Feature rows in, probabilities out.
        pooling: `flatten` or `avg`, as the features were pooled.

    Returns:
        A model from raw images to probabilities, whose base is frozen.
    """
    features = pooled(backbone, pooling)
    return keras.Model(features.input, head(features.output), name=name)


def find_base(model: keras.Model) -> keras.Model | None:
    """The model within a model that takes its images; None without one, or where it also takes their mirror images."""
    if views_of(model):
        return None
    inside = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return next((part for part in inside if len(part.inputs[0].shape) == 4), None)


def features_in(model: keras.Model, base: keras.Model) -> keras.KerasTensor:
    """The output of a base, feature maps or a vector, as a tensor of the model that it is in."""
    return model.outputs[0] if base is model.layers[-1] else _layer_after(model, base).input


def after_base(model: keras.Model, base: keras.Model, pooling: Pooling) -> keras.Model:
    """The part of a model that comes after its base.

    Args:
        model: Any model whose base gives a vector, or feature maps to a pooling or flattening layer.
        base: See `find_base`.
        pooling: How its rows are made from the base's feature maps. Averages don't suffice for a model
            that uses every position.

    Returns:
        A model with the weights of `model`: rows, (n, features), in, what `model` returns out.
    """
    start = features_in(model, base)
    if pooling == "avg" and len(start.shape) == 4:
        start = _layer_after(model, base).output
    row = keras.Input((int(np.prod(start.shape[1:])),), name="features")
    x = keras.layers.Reshape(start.shape[1:], dtype="float32", name="feature_maps")(row)
    return keras.Model(row, keras.Model(start, model.outputs[0])(x), name=model.name)


def last_stage(base: keras.Model) -> str:
    """The layer that the last resolution stage of a base begins with.

    Args:
        base: Images in; a convolutional network halves the resolution of its maps from stage to stage.

    Returns:
        Name of the first layer with weights after the last one whose maps are larger than those of the base's last
        layer with weights: `block5_conv1` of VGG16. Where all have one size, as the tokens of a transformer do, the
        last quarter of the layers with weights begins with it.
    """
    steps = [step for step in dissect(base).steps if getattr(step.layer, "weights", [])]
    sizes = [math.prod(step.output.shape[1:-1]) for step in steps]
    larger = [place for place, size in enumerate(sizes) if size > sizes[-1]]
    begin = larger[-1] + 1 if larger else len(sizes) * 3 // 4
    return str(steps[begin].layer.name)


def weights_hash(weights: Iterable[keras.Variable]) -> str:
    """SHA-256 over the values of some weights, as hex digits."""
    digest = hashlib.sha256()
    for weight in weights:
        digest.update(np.ascontiguousarray(keras.ops.convert_to_numpy(weight)).tobytes())
    return digest.hexdigest()


def _layer_after(model: keras.Model, base: keras.Model) -> keras.layers.Layer:
    """The layer of a model that takes what its base gives."""
    return model.layers[model.layers.index(base) + 1]
