"""The inside of a trained model: its layers in numbers, its first filters, and the feature maps of one image.

`grad_cam` shows where in an image a model sees a class.
"""

import math
from typing import Any

import keras
import numpy as np
import pandas as pd

from dogs_vs_cats.models.graph import Anatomy, dissect
from dogs_vs_cats.models.layer_arithmetic import MEBIBYTE

MOST_MAPS = 10
"""Deeper models show only the last map of each size."""

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_MIX_PLACES = (keras.layers.Flatten, keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)


def summarise_layers(model: keras.Model, batch_size: int) -> pd.DataFrame:
    """Lists the layers of a model and of the models within it, with their costs.

    Args:
        model: A functional model of stock layers that takes images.
        batch_size: Images in a batch.

    Returns:
        A row for each layer in the order of computation: `layer`, `type`, `output` (shape without the batch, for
        instance `28×28×6`), `parameters`, `trainable` (parameters that training changes), `receptive_field` (side of
        the square of pixels of the image that one value depends on, at most the image's own; on the widest path) and
        `mebibytes` (of the outputs of one batch, in float32).
    """
    side = max(model.input_shape[1:3])
    fields: dict[int, tuple[float, int]] = {}
    rows = []
    for layer, given, output in dissect(model).steps:
        widest = max(fields.get(id(tensor), (1, 1)) for tensor in keras.tree.flatten(given))
        fields[id(output)] = _receptive_field(layer, *widest)
        shape = output.shape[1:]
        weights = getattr(layer, "weights", [])  # an operation, such as a slice, has none
        rows.append(
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output": "×".join(map(str, shape)),
                "parameters": sum(math.prod(weight.shape) for weight in weights),
                "trainable": sum(math.prod(weight.shape) for weight in weights if weight.trainable),
                "receptive_field": min(side, fields[id(output)][0]),
                "mebibytes": 4 * batch_size * math.prod(shape) / MEBIBYTE,
            }
        )
    return pd.DataFrame(rows)


def _receptive_field(layer: Any, field: float, step: int) -> tuple[float, int]:
    """Returns the side of the receptive field after a layer and the step between two fields, from those before it."""
    # Layers of other packages may look at the whole image, as those of transformers do.
    if isinstance(layer, _MIX_PLACES) or type(layer).__module__.partition(".")[0] != "keras":
        return math.inf, step
    if not isinstance(layer, _CONVOLUTIONS + _POOLINGS):
        return field, step
    size = layer.pool_size if isinstance(layer, _POOLINGS) else layer.kernel_size
    # A dilated kernel covers as much as a larger one with holes.
    dilation = 1 if isinstance(layer, _POOLINGS) else layer.dilation_rate[0]
    return field + (size[0] - 1) * dilation * step, step * layer.strides[0]


def first_filters(model: keras.Model) -> tuple[str, np.ndarray]:
    """Takes the filters of the first convolution, or of a dense layer on the image.

    Args:
        model: A functional model that takes images.

    Returns:
        The name of the layer, and float32 (filters, height, width, channels): a filter for each of its outputs. Those
        of a dense layer on the flattened image are as large as the image. Without both, no name and no filters.
    """
    shape = model.input_shape[1:]
    for layer in (step.layer for step in dissect(model).steps):
        if isinstance(layer, keras.layers.Conv2D):
            return layer.name, np.moveaxis(layer.get_weights()[0], -1, 0)
        if isinstance(layer, keras.layers.Dense) and layer.kernel.shape[0] == math.prod(shape):
            return layer.name, np.moveaxis(layer.get_weights()[0], -1, 0).reshape(-1, *shape)
    return "", np.empty((0, *shape), np.float32)


def feature_maps(model: keras.Model, image: np.ndarray) -> list[tuple[str, np.ndarray]]:
    """Computes the outputs of each convolution and pooling for an image.

    Args:
        model: A functional model of stock layers.
        image: Raw pixels, (height, width, channels) in 0..255.

    Returns:
        The name of each layer and its maps, float32 (height, width, maps), in the order of computation: at most
        `MOST_MAPS` unless there are more sizes; none for a model without convolutions.
    """
    parts = dissect(model)
    shown = [step for step in parts.steps if isinstance(step.layer, _CONVOLUTIONS + _POOLINGS)]
    if len(shown) > MOST_MAPS:
        shown = list({step.output.shape[1:3]: step for step in shown}.values())
    maps = _computed(parts, [step.output for step in shown], image)
    return [(step.layer.name, values) for step, values in zip(shown, maps, strict=True)]


def first_pooling(model: keras.Model, image: np.ndarray) -> tuple[str, np.ndarray, np.ndarray] | None:
    """Computes the effect of the first pooling on the map with the strongest contrasts.

    Args:
        model: A functional model of stock layers.
        image: Raw pixels, (height, width, channels) in 0..255.

    Returns:
        A caption, and that map before and after, each float32 (height, width); None for a model without pooling
        windows.
    """
    parts = dissect(model)
    for layer, given, output in parts.steps:
        if isinstance(layer, _POOLINGS):
            before, after = _computed(parts, [given, output], image)
            number = int(before.std(axis=(0, 1)).argmax())
            caption = f"{layer.name}, windows of {'×'.join(map(str, layer.pool_size))}, map {number}"
            return caption, before[..., number], after[..., number]
    return None


def _computed(parts: Anatomy, tensors: list[Any], image: np.ndarray) -> list[np.ndarray]:
    """Computes tensors of a model for an image: for each float32 (height, width, maps)."""
    if not tensors:
        return []
    values = keras.Model(parts.image, tensors)(image[np.newaxis].astype(np.float32), training=False)
    return [np.asarray(value, np.float32)[0] for value in keras.tree.flatten(values)]
