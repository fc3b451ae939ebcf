"""Looks inside a trained model: which feature map it decides by, and where in a picture that map says yes.

Grad-CAM is from Selvaraju et al. 2017, *Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization*.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from dogs_vs_cats.compute import ends_in_probabilities, gradient
from dogs_vs_cats.errors import ModelFileError

_KEEPS_MAPS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)


@dataclass(frozen=True)
class Anatomy:
    """A model of stock layers laid open, models within it (a backbone, a head) dissolved into their layers.

    Attributes:
        image: Its input.
        probability: Its output.
        layers: Every layer in the order in which they are applied; weights are shared with the model.
        outputs: What each of `layers` returns, in the same order.
        feature_map: The last feature map with its full resolution, (n, rows, columns, features): before the pooling
            that follows it, if one does. None for a model without convolutions.
        logits: What the last sigmoid or softmax is applied to, (n, 1) or (n, classes); where a model doesn't end in a
            dense layer with one of them, the logarithm of its output.
        last_input: What the last layer with weights takes.
    """

    image: keras.KerasTensor
    probability: keras.KerasTensor
    layers: tuple[Any, ...]
    outputs: tuple[Any, ...]
    feature_map: keras.KerasTensor | None
    logits: keras.KerasTensor
    last_input: keras.KerasTensor


def dissect(model: keras.Model) -> Anatomy:
    """Lays a model open.

    Args:
        model: A functional model of stock layers that takes images and returns probabilities.

    Returns:
        Its parts. They compute with the weights of `model`, in inference mode.
    """
    layers: list[Any] = []
    inputs: list[Any] = []
    outputs: list[Any] = []

    def same(layer: Any) -> Any:
        return layer

    def apply(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.Model):
            given = keras.tree.pack_sequence_as(layer.input, keras.tree.flatten(arguments[0]))
            keras.models.clone_model(layer, input_tensors=given, clone_function=same, call_function=apply)
            return outputs[-1]
        if "training" in keywords:
            keywords["training"] = False
        layers.append(layer)
        inputs.append(arguments[0] if arguments else None)
        outputs.append(layer(*arguments, **keywords))
        return outputs[-1]

    flat = keras.models.clone_model(
        keras.Model(model.inputs, model.outputs, name=model.name), clone_function=same, call_function=apply
    )
    return Anatomy(
        image=flat.inputs[0],
        probability=outputs[-1],
        layers=tuple(layers),
        outputs=tuple(outputs),
        feature_map=_last_map(layers, outputs),
        logits=_logits(layers, inputs, outputs),
        last_input=inputs[_last_with_weights(layers)],
    )


def explainer(model: keras.Model) -> Callable[[np.ndarray, int], np.ndarray]:
    """Prepares Grad-CAM for a model, so that many pictures can be explained.

    Args:
        model: See `dissect`.

    Returns:
        A function of an image, (height, width, channels) in 0..255, and a label. It returns a heat map, float32 of
        shape (height, width) in 0..1: where the picture speaks for that class, 1 at its strongest place; 0 everywhere
        if none does.

    Raises:
        ModelFileError: The model has no convolutions, so that it has no places to show.
    """
    parts = dissect(model)
    if parts.feature_map is None:
        raise ModelFileError(f"{model.name} has no convolutions: Grad-CAM can't show where it looks.")
    look = keras.Model(parts.image, parts.feature_map, name="look")
    decide = keras.Model(parts.feature_map, parts.logits, name="decide")

    def explain(image: np.ndarray, label: int) -> np.ndarray:
        maps = np.asarray(look(image[np.newaxis].astype(np.float32), training=False), dtype=np.float32)
        slopes = gradient(lambda tensor: _score(decide(tensor, training=False), label), maps)
        heat = np.maximum((maps[0] * slopes[0].mean(axis=(0, 1))).sum(axis=-1), 0)
        resized = keras.ops.image.resize(heat[..., np.newaxis], image.shape[:2], data_format="channels_last")
        heat = np.asarray(resized, dtype=np.float32)[..., 0]
        highest = heat.max()
        return heat / highest if highest > 0 else heat

    return explain


def _score(logits: Any, label: int) -> Any:
    """How strongly a class is spoken for: against the other one for two classes, by its own logit for more."""
    if logits.shape[-1] == 1:
        return logits[0, 0] if label == 1 else -logits[0, 0]
    if logits.shape[-1] == 2:
        return logits[0, label] - logits[0, 1 - label]
    return logits[0, label]


def _last_map(layers: list[Any], outputs: list[Any]) -> keras.KerasTensor | None:
    """The output of the last layer that still has places, passing over those that only shrink it."""
    convolutions = [i for i, layer in enumerate(layers) if "Conv" in type(layer).__name__]
    if not convolutions:
        return None
    last = max(i for i, output in enumerate(outputs) if len(output.shape) == 4)
    while last > convolutions[-1] and isinstance(layers[last], _KEEPS_MAPS):
        last -= 1
    return outputs[last]


def _logits(layers: list[Any], inputs: list[Any], outputs: list[Any]) -> keras.KerasTensor:
    last = _last_with_weights(layers)
    dense = layers[last]
    if isinstance(dense, keras.layers.Dense) and ends_in_probabilities(dense):
        linear = keras.layers.Dense(dense.units, use_bias=dense.use_bias, dtype=dense.dtype_policy, name="logits")
        logits = linear(inputs[last])
        linear.set_weights(dense.get_weights())
        return logits
    return keras.ops.log(keras.ops.maximum(outputs[-1], keras.config.epsilon()))


def _last_with_weights(layers: list[Any]) -> int:
    return max((i for i, layer in enumerate(layers) if getattr(layer, "weights", [])), default=0)
