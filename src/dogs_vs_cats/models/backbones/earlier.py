"""One's own model without its last layers as a base."""

import keras

from dogs_vs_cats.datasets.keras_model import load_model
from dogs_vs_cats.errors import BackboneError
from dogs_vs_cats.models.file_header import existing_file
from dogs_vs_cats.models.graph import dissect
from dogs_vs_cats.parameters.backbone import EARLIER_MODEL, BackboneParameters


def earlier_model(parameters: BackboneParameters, image_size: int, channels: int) -> keras.Model:
    """Takes the first layers of a trained model, as the lectures do (L1, L4), which drop the last two.

    Layers are counted as the explanation lists them: with those of models inside the model, without the input. The
    prefix `earlier_` keeps their names different from those of a new head.

    Args:
        parameters: The file, and how many of its last layers are left out.
        image_size: Height and width of the images.
        channels: 1 or 3.

    Returns:
        The base, uncompiled.

    Raises:
        BackboneError: There is no such file, it takes other images, or it can't be cut there.
        ModelFileError: The file is damaged.
    """
    path = existing_file(parameters.weights)
    model = load_model(path)
    taken, given = tuple(model.input_shape[1:]), (image_size, image_size, channels)
    if taken != given:
        raise BackboneError(
            f"{path} takes images of {'×'.join(map(str, taken))}, but here they are {'×'.join(map(str, given))}. Set "
            "ingestion.image_size and ingestion.channels to those of the earlier model."
        )
    return without_last_layers(model, parameters.kwargs["drop_layers"])


def without_last_layers(model: keras.Model, drop: int) -> keras.Model:
    """Copies a model except for its last layers; `earlier_` precedes the names of the others.

    Args:
        model: A functional model of stock layers that takes images, also with models inside it.
        drop: How many layers to leave out, at least 1.

    Returns:
        The copy, uncompiled, with the weights of `model`.

    Raises:
        BackboneError: No layer is left, or those that are left don't all lead to one map or vector.
    """
    parts = dissect(model)
    left = len(parts.steps) - drop
    base = keras.Model(parts.image, parts.steps[max(left, 1) - 1].output, name=EARLIER_MODEL)
    # A model consists of the layers that lead to its output, and its input.
    if left < 1 or len(base.operations) != left + 1 or len(base.output_shape) not in (2, 4):
        raise BackboneError(
            f"backbone.kwargs.drop_layers={drop}: {model.name} has {len(parts.steps)} layers, and those that are left "
            "must all lead to one map or vector. Choose a number that doesn't cut between branches."
        )

    def renamed(layer: keras.layers.Layer) -> keras.layers.Layer:
        return type(layer).from_config({**layer.get_config(), "name": f"earlier_{layer.name}"})

    copy = keras.models.clone_model(base, clone_function=renamed)
    copy.set_weights(base.get_weights())
    return keras.Model(copy.inputs[0], copy.outputs[0], name=EARLIER_MODEL)
