"""The layers of a model as one flat graph, with its last feature map and its logits."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import keras

from dogs_vs_cats.compute.precision import ends_in_probabilities
from dogs_vs_cats.models.flip_averaging import single_view

_KEEPS_MAPS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
)


class Step(NamedTuple):
    """The application of one layer.

    Attributes:
        layer: The layer; it shares its weights with the model.
        given: Its input, a tensor or a list of them.
        output: Its output, the first if it has several.
    """

    layer: Any
    given: Any
    output: Any


@dataclass(frozen=True)
class Anatomy:
    """A model of stock layers, flattened: models inside it (a backbone, a head) are replaced by their layers.

    Attributes:
        image: Its input.
        steps: Every layer in the order in which they are applied.
    """

    image: keras.KerasTensor
    steps: list[Step]

    @property
    def probability(self) -> keras.KerasTensor:
        """The output of the model."""
        return self.steps[-1].output

    @property
    def last(self) -> Step:
        """The last layer with weights."""
        return [step for step in self.steps if getattr(step.layer, "weights", [])][-1]

    @property
    def feature_map(self) -> keras.KerasTensor | None:
        """The last feature map, (n, rows, columns, features), before any pooling or dropout that follows it.

        None for a model without convolutions.
        """
        convolutions = [i for i, step in enumerate(self.steps) if "Conv" in type(step.layer).__name__]
        if not convolutions:
            return None
        last = max(i for i, step in enumerate(self.steps) if len(step.output.shape) == 4)
        while last > convolutions[-1] and isinstance(self.steps[last].layer, _KEEPS_MAPS):
            last -= 1
        return self.steps[last].output

    def logits(self) -> keras.KerasTensor:
        """Adds a layer for the logits.

        Returns:
            The input of the last sigmoid or softmax, (n, 1) or (n, classes); where the model doesn't end in a dense
            layer with one of them, the logarithm of its output.
        """
        last, given, _ = self.last
        if not (isinstance(last, keras.layers.Dense) and ends_in_probabilities(last)):
            return keras.ops.log(keras.ops.maximum(self.probability, keras.config.epsilon()))
        linear = keras.layers.Dense(last.units, use_bias=last.use_bias, dtype=last.dtype_policy, name="logits")
        logits = linear(given)
        linear.set_weights(last.get_weights())
        return logits


def dissect(model: keras.Model) -> Anatomy:
    """Flattens a model.

    Args:
        model: A functional model of stock layers that takes images and returns probabilities. Of one that averages an
            image's two views, only the way of the image itself is looked at.

    Returns:
        Its parts. They compute with the weights of `model`, in inference mode.
    """
    steps: list[Step] = []
    model = single_view(model)

    def same(layer: Any) -> Any:
        return layer

    def apply(layer: Any, *arguments: Any, **keywords: Any) -> Any:
        if isinstance(layer, keras.Model):
            if isinstance(layer, keras.Sequential):  # Keras clones it without calls
                layer = keras.Model(layer.inputs[0], layer.outputs[0])
            given = keras.tree.pack_sequence_as(layer.input, keras.tree.flatten(arguments[0]))
            keras.models.clone_model(layer, input_tensors=given, clone_function=same, call_function=apply)
        else:
            if "training" in keywords:
                keywords["training"] = False
            output = layer(*arguments, **keywords)
            steps.append(Step(layer, arguments[0] if arguments else None, keras.tree.flatten(output)[0]))
            return output
        return steps[-1].output

    flat = keras.models.clone_model(
        keras.Model(model.inputs, model.outputs, name=model.name), clone_function=same, call_function=apply
    )
    return Anatomy(flat.inputs[0], steps)
