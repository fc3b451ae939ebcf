"""Batch normalisation folded into the convolutions before it, for models that don't train it."""

from collections.abc import Collection
from typing import Any

import keras
import numpy as np

_CONVOLUTIONS = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)


def fold_batch_normalisation(
    model: keras.Model, *, frozen_only: bool = False, leave: Collection[str] = ()
) -> keras.Model:
    """Replaces convolutions and the batch normalisations after them by single convolutions with the same answers.

    In inference mode a batch normalisation multiplies each channel by a factor and adds a constant, which the kernel
    and bias of a convolution can include. Without its 52 batch normalisations MobileNetV2 (alpha 0.35) predicts 1,240
    images a second instead of 730 on two cores. Features differ by a millionth of the largest.

    Args:
        model: Any model of stock layers, also with models inside it.
        frozen_only: Leaves batch normalisations that are still trained as they are.
        leave: Names of others to leave as they are, such as those among layers that are about to be trained.

    Returns:
        An uncompiled model, which shares all other layers with `model`; `model` itself if there is nothing to fold.
    """
    convolved: dict[int, tuple[keras.layers.Layer, keras.KerasTensor]] = {}

    def folded_inside(layer: keras.layers.Layer) -> keras.layers.Layer:
        if not isinstance(layer, keras.Model):
            return layer
        return fold_batch_normalisation(layer, frozen_only=frozen_only, leave=leave)

    def is_left(normalisation: keras.layers.BatchNormalization) -> bool:
        return normalisation.name in leave or (frozen_only and normalisation.trainable)

    def call(layer: keras.layers.Layer, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.layers.BatchNormalization) and not is_left(layer):
            convolution, given = convolved.get(id(arguments[0]), (None, None))
            if convolution is not None and layer.axis in (-1, 3):
                return _folded(convolution, layer, given)
        output = layer(*arguments, **keywords)
        if type(layer) in _CONVOLUTIONS and layer.activation is keras.activations.linear:
            convolved[id(output)] = layer, arguments[0]
        return output

    # `model.input` raises for a Sequential model from a file.
    given, returned = (tensors[0] if len(tensors) == 1 else tensors for tensors in (model.inputs, model.outputs))
    # Around the same layers but uncompiled, or Keras would compile the copy like the original.
    uncompiled = keras.Model(given, returned, name=model.name)
    folded = keras.models.clone_model(uncompiled, input_tensors=given, clone_function=folded_inside, call_function=call)
    return model if all(layer in model.layers for layer in folded.layers) else folded


def _folded(
    convolution: keras.layers.Layer, normalisation: keras.layers.BatchNormalization, given: keras.KerasTensor
) -> keras.KerasTensor:
    """Applies one convolution that computes what a convolution and a batch normalisation do in inference mode."""
    kernel, *biases = (value.astype(np.float64) for value in convolution.get_weights())
    mean = np.asarray(normalisation.moving_mean, np.float64)
    variance = np.asarray(normalisation.moving_variance, np.float64)
    scale = 1.0 if normalisation.gamma is None else np.asarray(normalisation.gamma, np.float64)
    offset = 0.0 if normalisation.beta is None else np.asarray(normalisation.beta, np.float64)
    factor = scale / np.sqrt(variance + normalisation.epsilon)
    bias = (sum(biases) - mean) * factor + offset
    # A depthwise kernel is (rows, columns, channels, multiplier), others (rows, columns, channels, filters).
    by_output = factor.reshape(kernel.shape[2:]) if isinstance(convolution, keras.layers.DepthwiseConv2D) else factor
    config = {**convolution.get_config(), "name": normalisation.name, "use_bias": True}
    folded = type(convolution).from_config(config)
    output = folded(given)
    folded.set_weights([kernel * by_output, bias])
    return output
