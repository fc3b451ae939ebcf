"""The layers of a model as one flat graph, with its last feature map and its logits."""

from dataclasses import dataclass
from typing import Any

import keras

from dogs_vs_cats.compute.precision import ends_in_probabilities

_KEEPS_MAPS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)


@dataclass(frozen=True)
class Anatomy:
    """A model of stock layers, flattened: models inside it (a backbone, a head) are replaced by their layers.

    Attributes:
        image: Its input.
        probability: Its output.
        layers: Every layer in the order in which they are applied; weights are shared with the model.
        inputs: The input of each of `layers`, in the same order: a tensor or a list of them.
        outputs: Their outputs, likewise.
        feature_map: The last feature map with its full resolution, (n, rows, columns, features): before the pooling
            that follows it, if one does. None for a model without convolutions.
        logits: The input of the last sigmoid or softmax, (n, 1) or (n, classes); where a model doesn't end in a
            dense layer with one of them, the logarithm of its output.
        last_input: The input of the last layer with weights.
    """

    image: keras.KerasTensor
    probability: keras.KerasTensor
    layers: tuple[Any, ...]
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    feature_map: keras.KerasTensor | None
    logits: keras.KerasTensor
    last_input: keras.KerasTensor


def dissect(model: keras.Model) -> Anatomy:
    """Flattens a model.

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
    last = max((i for i, layer in enumerate(layers) if getattr(layer, "weights", [])), default=0)
    return Anatomy(
        image=flat.inputs[0],
        probability=outputs[-1],
        layers=tuple(layers),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        feature_map=_last_map(layers, outputs),
        logits=_logits(layers[last], inputs[last], outputs[-1]),
        last_input=inputs[last],
    )


def _last_map(layers: list[Any], outputs: list[Any]) -> keras.KerasTensor | None:
    """The output of the last layer with positions, before any pooling or dropout that follows it."""
    convolutions = [i for i, layer in enumerate(layers) if "Conv" in type(layer).__name__]
    if not convolutions:
        return None
    last = max(i for i, output in enumerate(outputs) if len(output.shape) == 4)
    while last > convolutions[-1] and isinstance(layers[last], _KEEPS_MAPS):
        last -= 1
    return outputs[last]


def _logits(last: Any, given: Any, probability: keras.KerasTensor) -> keras.KerasTensor:
    """The output of the last layer with weights before its activation."""
    if isinstance(last, keras.layers.Dense) and ends_in_probabilities(last):
        linear = keras.layers.Dense(last.units, use_bias=last.use_bias, dtype=last.dtype_policy, name="logits")
        logits = linear(given)
        linear.set_weights(last.get_weights())
        return logits
    return keras.ops.log(keras.ops.maximum(probability, keras.config.epsilon()))
