"""What is inside a trained model: its layers in figures, its first filters, and what it makes of one picture.

Where in a picture a model sees a class is in `explanation`.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pandas as pd

from dogs_vs_cats.models.graph import Anatomy, dissect
from dogs_vs_cats.models.layer_arithmetic import MEBIBYTE, map_bytes, receptive_field

MOST_STAGES = 10
"""Deeper models show only the last map of each size."""

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
_POOLINGS = (keras.layers.MaxPooling2D, keras.layers.AveragePooling2D)
_MIX_PLACES = (keras.layers.Flatten, keras.layers.GlobalAveragePooling2D, keras.layers.GlobalMaxPooling2D)

Window = tuple[int, int]
"""Kernel (or window) size and stride."""


@dataclass(frozen=True)
class FirstLayer:
    """What the first layer with weights looks for.

    Attributes:
        name: Name of the layer.
        is_convolution: Whether it is laid on every place; else it is a dense layer, whose units each see all pixels.
        weights: float32, (filters, height, width, channels): a filter for each picture.
    """

    name: str
    is_convolution: bool
    weights: np.ndarray


@dataclass(frozen=True)
class Stage:
    """What a convolution or pooling makes of a picture.

    Attributes:
        name: Name of the layer.
        maps: float32, (height, width, maps).
    """

    name: str
    maps: np.ndarray


@dataclass(frozen=True)
class Pooled:
    """One map before and after its pooling.

    Attributes:
        name: Name of the pooling layer.
        window: Side of its window, in pixels.
        number: Which of the maps it is, from 0.
        before: float32, (height, width).
        after: float32, (height, width).
    """

    name: str
    window: int
    number: int
    before: np.ndarray
    after: np.ndarray


def summarise_layers(model: keras.Model, batch_size: int) -> pd.DataFrame:
    """Lists the layers of a model, those of models within it too, with what they cost.

    Args:
        model: A functional model of stock layers that takes images.
        batch_size: Images in a batch.

    Returns:
        A row for each layer in the order of computation: `layer`, `type`, `output` (shape without the batch, for
        instance `28×28×6`), `parameters`, `trainable` (parameters that training changes), `receptive_field` (side of
        the square of pixels of the image that one value depends on, at most the image's own) and `mebibytes` (of the
        outputs of one batch, in float32).
    """
    parts = dissect(model)
    side = max(model.input_shape[1:3])
    windows: dict[int, tuple[Window, ...] | None] = {id(parts.image): ()}
    rows = []
    for layer, output in zip(parts.layers, parts.outputs, strict=True):
        if isinstance(layer, keras.layers.InputLayer):
            continue
        before = [windows.get(id(tensor), ()) for tensor in _inputs_of(output)]
        seen = _windows_seen(layer, before)
        windows[id(output)] = seen
        height, width, maps = (1, 1, *output.shape[1:])[-3:]
        rows.append(
            {
                "layer": layer.name,
                "type": type(layer).__name__,
                "output": "×".join(map(str, output.shape[1:])),
                "parameters": layer.count_params(),
                "trainable": int(sum(np.prod(weight.shape) for weight in layer.trainable_weights)),
                "receptive_field": side if seen is None else min(side, receptive_field(seen)),
                "mebibytes": map_bytes(height, width, maps, batch_size) / MEBIBYTE,
            }
        )
    return pd.DataFrame(rows)


def first_layer(model: keras.Model) -> FirstLayer:
    """Takes the filters of the first layer with weights.

    Args:
        model: A model that takes images and begins with a convolution, or with a dense layer on the flattened image.

    Returns:
        A filter for each of its outputs. The dense layer's are as large as the image.
    """
    for layer in dissect(model).layers:
        if isinstance(layer, keras.layers.Conv2D):
            kernel = np.asarray(layer.get_weights()[0])
            return FirstLayer(layer.name, True, kernel.transpose(3, 0, 1, 2))
        if isinstance(layer, keras.layers.Dense):
            kernel = np.asarray(layer.get_weights()[0])
            return FirstLayer(layer.name, False, kernel.T.reshape(-1, *model.input_shape[1:]))
    raise ValueError(f"{model.name} has neither a convolution nor a dense layer")


def feature_maps(model: keras.Model, image: np.ndarray) -> list[Stage]:
    """Computes what each convolution and pooling makes of a picture.

    Args:
        model: A functional model of stock layers.
        image: Raw pixels, (height, width, channels) in 0..255.

    Returns:
        The stages in the order of computation, at most `MOST_STAGES` unless there are more sizes; none for a model
        without convolutions.
    """
    parts = dissect(model)
    chosen = _chosen(parts)
    if not chosen:
        return []
    inspected = keras.Model(parts.image, [parts.outputs[index] for index in chosen], name="inspected")
    maps = inspected(image[np.newaxis].astype(np.float32), training=False)
    return [
        Stage(parts.layers[index].name, np.asarray(values, np.float32)[0])
        for index, values in zip(chosen, maps if isinstance(maps, list | tuple) else [maps], strict=True)
    ]


def first_pooling(model: keras.Model, image: np.ndarray) -> Pooled | None:
    """Computes what the first pooling does to the map of a picture with the strongest contrasts.

    Args:
        model: A functional model of stock layers.
        image: Raw pixels, (height, width, channels) in 0..255.

    Returns:
        That map before and after; None for a model without pooling windows.
    """
    parts = dissect(model)
    for layer, output in zip(parts.layers, parts.outputs, strict=True):
        if isinstance(layer, _POOLINGS):
            inspected = keras.Model(parts.image, [*_inputs_of(output), output], name="inspected")
            batch = image[np.newaxis].astype(np.float32)
            before, after = (np.asarray(values, np.float32)[0] for values in inspected(batch, training=False))
            number = int(before.std(axis=(0, 1)).argmax())
            return Pooled(layer.name, layer.pool_size[0], number, before[..., number], after[..., number])
    return None


def _chosen(parts: Anatomy) -> list[int]:
    """Indices of the layers whose maps are shown."""
    shown = [index for index, layer in enumerate(parts.layers) if isinstance(layer, _CONVOLUTIONS + _POOLINGS)]
    if len(shown) <= MOST_STAGES:
        return shown
    last_of_size = {parts.outputs[index].shape[1:3]: index for index in shown}
    return sorted(last_of_size.values())


def _windows_seen(layer: Any, before: list[tuple[Window, ...] | None]) -> tuple[Window, ...] | None:
    """The windows between the image and a layer's output, on the widest path; None sees the whole image."""
    if isinstance(layer, _MIX_PLACES) or None in before:
        return None
    widest: tuple[Window, ...] = max((path for path in before if path is not None), key=receptive_field, default=())
    if isinstance(layer, _CONVOLUTIONS):
        # A dilated kernel covers as much as a larger one with holes.
        kernel = (layer.kernel_size[0] - 1) * layer.dilation_rate[0] + 1
        return (*widest, (kernel, layer.strides[0]))
    if isinstance(layer, _POOLINGS):
        return (*widest, (layer.pool_size[0], layer.strides[0]))
    return widest


def _inputs_of(output: Any) -> list[Any]:
    """The tensors that a layer made an output of."""
    operation, node, _ = output._keras_history
    return list(operation._inbound_nodes[node].input_tensors)
